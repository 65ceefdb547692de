"""What is known of a spot pool when a decision is taken, and how a model is told: defined once, here.

A model names the features it wants, in its own order; :func:`vector` makes them from what is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spothive.errors import InvalidInput

MOST_FEATURES: Final = 12
"""Exact Shapley values need 2 to the power of this many scores."""

HORIZON_HOURS: Final = 24
"""A score is the probability that the pool is interrupted within so many hours."""

Number = float | int | Decimal


@dataclass(frozen=True, slots=True)
class Feature:
    """One number a model may be told.

    Attributes:
        name: as in :class:`PoolFacts`, in model files and in ``features_used`` of a decision.
        unit: what it counts.
        low: lowest value; what lies below counts as this.
        high: highest value; what lies above counts as this.
        default: what stands for "not known".
        meaning: what it says, for people.
    """

    name: str
    unit: str
    low: float
    high: float
    default: float
    meaning: str


FEATURES: Final = (
    Feature("advisor_band", "band", 0, 4, 2, "AWS Spot Advisor: 0 under 5 % a month, then steps of 5 %, 4 over 20 %"),
    Feature("savings_percent", "percent", 0, 100, 65, "AWS Spot Advisor: below the on-demand price"),
    Feature("price_ratio", "fraction", 0, 2, 0.35, "spot price / on-demand price, now"),
    Feature("price_change_1d", "fraction", -1, 4, 0, "spot price now / 24 hours ago - 1"),
    Feature("price_change_7d", "fraction", -1, 4, 0, "spot price now / 7 days ago - 1"),
    Feature("price_volatility_7d", "fraction", 0, 2, 0.03, "standard deviation / mean of the prices of 7 days"),
    Feature("interruptions_15d", "notices", 0, 50, 0, "termination notices of the pool in 360 hours"),
    Feature("interruptions_24h", "notices", 0, 20, 0, "termination notices of the pool in 24 hours"),
    Feature("hours_since_interruption", "hours", 0, 360, 360, "since the pool's latest termination notice"),
    Feature("rebalances_24h", "notices", 0, 20, 0, "rebalance recommendations of the pool in 24 hours"),
    Feature("size_class", "doublings", 0, 12, 5, "0 nano, 1 micro ... 5 xlarge, 6 2xlarge, 7 4xlarge; 11 metal"),
    Feature("generation", "number", 1, 9, 6, "of the instance family: 5 in m5, 7 in c7gn"),
)
"""Every feature there is. A model file that names another is refused."""

BY_NAME: Final = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What is known of one pool, by the names of :data:`FEATURES`; None is not known."""

    advisor_band: Number | None = None
    savings_percent: Number | None = None
    price_ratio: Number | None = None
    price_change_1d: Number | None = None
    price_change_7d: Number | None = None
    price_volatility_7d: Number | None = None
    interruptions_15d: Number | None = None
    interruptions_24h: Number | None = None
    hours_since_interruption: Number | None = None
    rebalances_24h: Number | None = None
    size_class: Number | None = None
    generation: Number | None = None


def vector(facts: PoolFacts, names: Sequence[str]) -> tuple[float, ...]:
    """Return the features called ``names``, in that order: within their range, defaults for what is not known.

    Raises:
        InvalidInput: a fact is not finite, or a name is none of :data:`FEATURES`.
    """
    return tuple(_value(facts, name) for name in names)


def _value(facts: PoolFacts, name: str) -> float:
    feature = BY_NAME.get(name)
    if feature is None:
        msg = f"no feature is called {name[:60]!r}"
        raise InvalidInput(msg)
    known = getattr(facts, name)
    if known is None:
        return feature.default
    value = float(known)
    if not math.isfinite(value):
        msg = f"{name} is {value}: leave out what is not known"
        raise InvalidInput(msg)
    return min(max(value, feature.low), feature.high)


# --- what an instance type's name says ----------------------------------------------------------------

_TYPE: Final = re.compile(r"[a-z]+(?:-\d+tb)?(?P<generation>\d+)[a-z0-9-]*\.(?P<size>[a-z0-9-]+)")
_SIZES: Final = {"nano": 0, "micro": 1, "small": 2, "medium": 3, "large": 4, "xlarge": 5, "metal": 11}


def size_class(instance_type: str) -> float | None:
    """Return how big a type is, in doublings of a nano, or None if its name does not say: 4.0 for ``m5.large``."""
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return None
    size = found["size"].removeprefix("metal-")
    if size in _SIZES:
        return float(_SIZES[size])
    times = re.fullmatch(r"(\d{1,4})xl(?:arge)?", size)
    return _SIZES["xlarge"] + math.log2(int(times[1])) if times and int(times[1]) else None


def generation(instance_type: str) -> float | None:
    """Return the generation of a type's family, or None if its name does not say: 7.0 for ``c7gn.2xlarge``."""
    found = _TYPE.fullmatch(instance_type)
    return float(found["generation"]) if found else None
