import json
from pathlib import Path
from typing import Any

import pytest

from spothive.gateways.instance_types import (
    INSTANCE_TYPES,
    REGIONS,
    family_of,
    follows_naming,
    is_region,
    region_of_zone,
)

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def shared(file_name: str) -> Any:
    path = SHARED_DATA / file_name
    if not path.exists():
        pytest.skip(f"{file_name} is not beside this checkout")
    return json.loads(path.read_bytes())


def test_there_are_many_types_of_many_families() -> None:
    assert len(INSTANCE_TYPES) >= 350
    assert len({known.family for known in INSTANCE_TYPES.values()}) >= 50


def test_every_type_is_consistent_in_itself() -> None:
    for name, known in INSTANCE_TYPES.items():
        assert name == known.name
        assert name.startswith(f"{known.family}.")
        assert len(name) <= 32
        assert 1 <= known.vcpus <= 448
        assert 0.5 <= known.memory_mib / 1024 / known.vcpus <= 32 or known.family.startswith("t")
        assert known.architecture in {"x86_64", "arm64"}


@pytest.mark.parametrize(
    ("name", "vcpus", "gib", "architecture"),
    [
        ("t2.micro", 1, 1, "x86_64"),
        ("t3.nano", 2, 0.5, "x86_64"),
        ("c4.8xlarge", 36, 60, "x86_64"),
        ("c5n.18xlarge", 72, 192, "x86_64"),
        ("c6i.32xlarge", 128, 256, "x86_64"),
        ("m5.24xlarge", 96, 384, "x86_64"),
        ("m7g.medium", 1, 4, "arm64"),
        ("m7i.metal-24xl", 96, 384, "x86_64"),
        ("i3.large", 2, 15.25, "x86_64"),
        ("p3.8xlarge", 32, 244, "x86_64"),
        ("p5.48xlarge", 192, 2048, "x86_64"),
        ("x2gd.metal", 64, 1024, "arm64"),
    ],
)
def test_facts_that_everybody_can_look_up(name: str, vcpus: int, gib: float, architecture: str) -> None:
    known = INSTANCE_TYPES[name]
    assert (known.vcpus, known.memory_mib, known.architecture) == (vcpus, gib * 1024, architecture)


def test_every_type_is_sold_by_aws() -> None:
    sold = shared("on-demand-prices.json")["regions"]["us-east-1"]
    advised = shared("spot-advisor-data.json")["instance_types"]
    assert INSTANCE_TYPES.keys() - sold.keys() - advised.keys() == set()


def test_vcpus_and_memory_equal_what_aws_publishes() -> None:
    advised = shared("spot-advisor-data.json")["instance_types"]
    both = INSTANCE_TYPES.keys() & advised.keys()
    assert len(both) > 800
    ours = {name: (INSTANCE_TYPES[name].vcpus, INSTANCE_TYPES[name].memory_mib) for name in both}
    theirs = {name: (advised[name]["cores"], advised[name]["ram_gb"] * 1024) for name in both}
    assert ours == theirs


def test_every_advised_region_is_known() -> None:
    assert shared("spot-advisor-data.json")["spot_advisor"].keys() - REGIONS.keys() == set()


@pytest.mark.parametrize(
    ("instance_type", "family"),
    [
        ("c6i.32xlarge", "c6i"),
        ("u-6tb1.metal", "u-6tb1"),
        ("z99.nano", "z99"),
        ("m7i-flex.large", "m7i-flex"),
    ],
)
def test_the_family_is_in_the_name_of_any_type(instance_type: str, family: str) -> None:
    assert family_of(instance_type) == family


def test_names_that_aws_gives_are_told_from_others() -> None:
    rare = {"u-12tb1.112xlarge", "u7inh-32tb.480xlarge", "mac2-m2pro.metal", "hpc7g.16xlarge", "p6-b200.48xlarge"}
    assert [name for name in (*INSTANCE_TYPES, *sorted(rare)) if not follows_naming(name)] == []
    others = (
        "acme-corp.prod-db",
        "m5.alice",
        "alice5.large",
        "m5-alice.large",
        "m5.large\n",
        "m.large",
        "m5bobby.large",
    )
    assert [name for name in others if follows_naming(name)] == []


def test_the_naming_covers_every_type_that_is_advised() -> None:
    advised = shared("spot-advisor-data.json")["instance_types"]
    assert [name for name in advised if not follows_naming(name)] == []


def test_known_regions_have_at_least_three_zones_in_order() -> None:
    for region, letters in REGIONS.items():
        assert is_region(region)
        assert letters[:3] == ("a", "b", "c")
        assert list(letters) == sorted(set(letters))


@pytest.mark.parametrize(
    "name",
    [
        "us-gov-west-1",
        "us-gov-east-1",
        "cn-north-1",
        "cn-northwest-1",
        "us-iso-east-1",
        "us-isob-west-1",
        "us-isof-south-1",
        "eu-isoe-west-1",
        "eusc-de-east-1",
        "sa-west-1",  # not open yet
    ],
)
def test_regions_of_other_partitions_and_of_tomorrow_are_regions(name: str) -> None:
    assert is_region(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "us-east",
        "us-east-0",
        "us-east-1a",
        "us-east-1 ",
        "us-east-1\n",
        "US-EAST-1",
        "us-esat-1",
        "xx-east-1",
        "us-gov-1",
        "gov-us-east-1",
        "us-east-\u0661",
        "us--east-1",
        "aws-global",
    ],
)
def test_other_texts_are_no_regions(name: str) -> None:
    assert not is_region(name)


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("us-east-1c", "us-east-1"),
        ("us-gov-west-1b", "us-gov-west-1"),
        ("eusc-de-east-1a", "eusc-de-east-1"),
        ("us-west-2-lax-1a", "us-west-2"),
        ("us-east-1-wl1-bos-wlz-1", "us-east-1"),
        ("eu-west-3-wl1-cmn-wlz-1", "eu-west-3"),
    ],
)
def test_a_zone_names_its_region(zone: str, region: str) -> None:
    assert region_of_zone(zone) == region


@pytest.mark.parametrize("zone", ["", "us-east-1", "us-east-1cc", "us-east-1C", "use1-az2", "mars-1a", "us-east-1c\n"])
def test_other_texts_are_no_zones(zone: str) -> None:
    assert region_of_zone(zone) is None
