"""What a model is told."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from spothive.errors import InvalidInput
from spothive.scoring.features import BY_NAME, FEATURES, MOST_FEATURES, PoolFacts, generation, size_class, vector


def test_facts_and_features_have_the_same_names_in_the_same_order() -> None:
    assert [field.name for field in fields(PoolFacts)] == [feature.name for feature in FEATURES]
    assert len(FEATURES) == len(BY_NAME) <= MOST_FEATURES
    for feature in FEATURES:
        assert feature.low <= feature.default <= feature.high
        assert feature.unit
        assert feature.meaning


def test_a_vector_has_the_order_of_the_model_and_stays_within_the_ranges() -> None:
    facts = PoolFacts(advisor_band=3, price_ratio=Decimal("0.25"), interruptions_15d=10_000, price_change_1d=-7)
    names = ("price_ratio", "interruptions_15d", "advisor_band", "hours_since_interruption", "price_change_1d")
    assert vector(facts, names) == (0.25, 50, 3, 360, -1)
    assert vector(PoolFacts(), [f.name for f in FEATURES]) == tuple(f.default for f in FEATURES)


def test_what_is_no_number_and_what_is_no_feature_are_refused() -> None:
    for facts, names, why in (
        (PoolFacts(price_ratio=float("nan")), ["price_ratio"], "price_ratio is nan"),
        (PoolFacts(price_ratio=float("inf")), ["price_ratio"], "price_ratio is inf"),
        (PoolFacts(), ["tenant_id"], "no feature is called 'tenant_id'"),
    ):
        with pytest.raises(InvalidInput, match=why):
            vector(facts, names)


def test_what_the_name_of_a_type_says() -> None:
    sizes = {"t3.nano": 0, "m5.large": 4, "m5.xlarge": 5, "c7gn.2xlarge": 6, "r5.24xlarge": 5 + 4.584962500721156}
    sizes |= {"i3.metal": 11, "c7i.metal-24xl": 5 + 4.584962500721156, "u-6tb1.56xlarge": 5 + 5.807354922057605}
    for name, size in sizes.items():
        assert size_class(name) == pytest.approx(size), name
    assert [generation(name) for name in ("m5.large", "c7gn.2xlarge", "u-6tb1.metal", "mac1.metal")] == [5, 7, 1, 1]
    for odd in ("", "large", "m5.", "m5.enormous", "m5.0xlarge", "é5.large"):
        assert size_class(odd) is None
    assert generation("hpc.large") is None
