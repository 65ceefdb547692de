"""What could do the work of an instance: series, size and processors, by name where the type is new."""

from __future__ import annotations

import pytest

from spothive.gateways.instance_types import INSTANCE_TYPES, architecture_of, series_of
from spothive.operations.decisions.candidates import Alike, zones_of
from spothive.operations.decisions.pool_facts import RegionFacts


@pytest.mark.parametrize(
    ("instance_type", "series", "architecture"),
    [
        ("m5.large", "m", "x86_64"),
        ("c7gn.2xlarge", "c", "arm64"),
        ("m7i-flex.large", "m", "x86_64"),
        ("g5.xlarge", "g", "x86_64"),
        ("g5g.xlarge", "g", "arm64"),
        ("im4gn.large", "im", "arm64"),
        ("a1.large", "a", "arm64"),
        ("x2gd.large", "x", "arm64"),
        ("u-6tb1.metal", "u", "x86_64"),
        ("m19gd.large", "m", "arm64"),  # not there yet
        ("m19i.large", "m", "x86_64"),
        ("inf2.xlarge", "inf", "x86_64"),
    ],
)
def test_the_name_tells(instance_type: str, series: str, architecture: str) -> None:
    assert (series_of(instance_type), architecture_of(instance_type)) == (series, architecture)


def test_the_names_of_all_known_types_tell_their_processors() -> None:
    named = {name: known.architecture for name, known in INSTANCE_TYPES.items() if not name.startswith("a1.")}
    strangers = {name: architecture_of(name.replace(".", ".9")) for name in named}  # a size that no list has
    assert strangers == named


def test_alike_are_types_of_one_series_size_and_architecture() -> None:
    alike = Alike(RegionFacts("us-east-1", {"m19i.large": 1}, {"m19g.large": (1, 70)}))  # type: ignore[dict-item]  # only names count
    like = alike.to("m5.large")
    assert {"m5.large", "m5d.large", "m6i.large", "m7a.large", "m19i.large"} <= like
    assert all(series_of(each) == "m" and each.endswith(".large") for each in like)
    assert all(architecture_of(each) == "x86_64" for each in like)
    assert {"m6g.large", "m19g.large"} <= alike.to("m7gd.large")
    assert alike.to("zz9.huge") == {"zz9.huge"}


def test_zones_are_those_of_the_list_and_those_in_use() -> None:
    assert zones_of("eu-west-1", ["eu-west-1a"]) == {"eu-west-1a", "eu-west-1b", "eu-west-1c"}
    assert zones_of("us-west-2", ["us-west-2-lax-1a"]) >= {"us-west-2-lax-1a", "us-west-2d"}
    assert len(zones_of("xx-north-9", [])) == 6
