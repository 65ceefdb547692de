"""A generated history of spot pools, hour by hour, and what a decision would have known of them.

It is no AWS: it is made so that the features carry signal, and so that much of what happens cannot be known from them
(a pool's own frailty, how many instances are watched there, shortages of a whole region that no price announces).
Only uniform numbers of the seeded generator are used, whose stream is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spothive.scoring.features import BY_NAME, FEATURES, HORIZON_HOURS

Floats = NDArray[np.float64]

BANDS = (0.2, 0.2, 0.15, 0.15, 0.3)
"""Shares of the advisor's bands among Linux types, rounded to 5 %, as AWS published them in 2025."""

DAY, WEEK = 24, 7 * 24
SHORTAGE = 0.003
"""Chance that a region runs short in an hour, for some days."""
WARM_UP = 15 * DAY
"""Hours before the first example: a feature looks back 15 days."""


@dataclass(frozen=True)
class History:
    """Examples: what was known of a pool at one time, and whether it was interrupted within 24 hours.

    Attributes:
        rows: one line for each example, the features in the order of FEATURES.
        hit: whether the pool was interrupted within the horizon.
        pool: number of the pool.
        week: number of the week, from 0.
    """

    rows: Floats
    hit: NDArray[np.bool_]
    pool: NDArray[np.int64]
    week: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> History:
        """Return the chosen examples."""
        return History(self.rows[chosen], self.hit[chosen], self.pool[chosen], self.week[chosen])


def make_history(*, pools: int, weeks: int, seed: int, bands: Sequence[float] = BANDS) -> History:
    """Return an example a day, at a random hour, for each of ``pools`` pools over ``weeks`` weeks."""
    dice = np.random.Generator(np.random.PCG64(seed))
    traits = _traits(dice, pools, bands)
    hours = WARM_UP + weeks * WEEK + HORIZON_HOURS
    price, hit, warned = _run(dice, traits, hours)
    features = _Looking(price, hit, warned, traits)
    rows, hits, weeks_of = [], [], []
    for day in range(weeks * 7):
        at = WARM_UP + day * DAY + (dice.random(pools) * DAY).astype(np.int64)
        rows.append(features.at(at))
        hits.append(features.hit_between(at, at + HORIZON_HOURS) > 0)
        weeks_of.append(np.full(pools, day // 7))
    pool = np.tile(np.arange(pools), weeks * 7)
    return History(np.concatenate(rows), np.concatenate(hits), pool, np.concatenate(weeks_of))


def normal(dice: np.random.Generator, *shape: int) -> Floats:
    """Return normal numbers, made of uniform ones by Box and Muller."""
    first, second = 1 - dice.random(shape), dice.random(shape)
    found: Floats = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    return found


def _traits(dice: np.random.Generator, pools: int, bands: Sequence[float]) -> dict[str, Any]:
    """Return what stays as it is: what the advisor says, and what nobody says."""
    band = np.searchsorted(np.cumsum(bands) / sum(bands), dice.random(pools), side="right").clip(0, 4)
    size = (2 + dice.random(pools) * 8).round()
    return {
        "band": band,
        "savings": (65 + 10 * normal(dice, pools)).round().clip(5, 90),
        "size": size,
        "generation": (4 + dice.random(pools) * 4).round(),
        "region": (dice.random(pools) * 8).astype(np.int64),
        "phase": dice.random(pools) * DAY,
        # Unseen: how frail the pool is beyond its band, and how many of its instances report to the hive.
        "frailty": 0.5 * normal(dice, pools) + 0.08 * (size - 6),
        "watched": 1 + (dice.random(pools) ** 2 * 12).astype(np.int64),
    }


def _run(dice: np.random.Generator, traits: dict[str, Any], hours: int) -> tuple[Floats, Floats, Floats]:
    """Return price ratio, termination notices and rebalance recommendations of each hour and pool."""
    pools = len(traits["band"])
    price, hit, warned = (np.zeros((hours, pools)) for _ in range(3))
    pressure, shortage = normal(dice, pools), np.zeros(8)
    level = 1 - traits["savings"] / 100
    shown = level.copy()
    base = -8.1 + 0.42 * traits["band"] + traits["frailty"] + np.log(traits["watched"]) * 0.7
    excited = np.zeros(pools)
    for hour in range(hours):
        pressure = 0.985 * pressure + 0.17 * normal(dice, pools)
        shortage = 0.97 * shortage + 2.2 * (dice.random(8) < SHORTAGE)
        daily = 0.35 * np.cos(2 * np.pi * (hour - traits["phase"]) / DAY)
        log_hazard = base + 0.9 * pressure.clip(-2, 4) + 0.8 * shortage[traits["region"]] + daily + excited
        chance = 1 / (1 + np.exp(-log_hazard))
        hit[hour] = dice.random(pools) < chance
        # AWS warns before some interruptions, and about two times in five without one.
        warned[hour] = dice.random(pools) < (0.9 * chance + 0.0004 * np.exp(0.8 * pressure.clip(-2, 3)))
        excited = (0.95 * excited + 0.7 * hit[hour]).clip(max=1.4)
        # Prices follow demand slowly and with noise; they are no auction any more.
        shown += 0.02 * (level * (1 + 0.25 * pressure.clip(-1, 3)) - shown) + 0.002 * level * normal(dice, pools)
        price[hour] = shown.clip(0.03, 1.5)
    return price, hit, warned


class _Looking:
    """Looks back from an hour, as a decision does: only at hours that have passed."""

    def __init__(self, price: Floats, hit: Floats, warned: Floats, traits: dict[str, Any]) -> None:
        self._price, self._traits = price, traits
        self._each = np.arange(price.shape[1])
        self._hits = self._sums(hit)
        self._warned = self._sums(warned)
        self._prices, self._squares = self._sums(price), self._sums(price**2)
        hours = np.where(hit > 0, np.arange(len(hit))[:, None], -(10**6))
        self._latest = np.maximum.accumulate(hours, axis=0)

    @staticmethod
    def _sums(values: Floats) -> Floats:
        return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])

    def hit_between(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
        """Return how many notices each pool got in the hours from ``begin`` up to ``end``."""
        return self._between(self._hits, begin, end)

    def _between(self, sums: Floats, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
        found: Floats = sums[end, self._each] - sums[begin, self._each]
        return found

    def at(self, hour: NDArray[np.int64]) -> Floats:
        """Return the features of each pool before ``hour``, within their ranges."""
        now, week_ago = self._price[hour - 1, self._each], hour - WEEK
        mean = self._between(self._prices, week_ago, hour) / WEEK
        spread = self._between(self._squares, week_ago, hour) / WEEK - mean**2
        known = {
            "advisor_band": self._traits["band"],
            "savings_percent": self._traits["savings"],
            "price_ratio": now,
            "price_change_1d": now / self._price[hour - 1 - DAY, self._each] - 1,
            "price_change_7d": now / self._price[hour - 1 - WEEK, self._each] - 1,
            "price_volatility_7d": np.sqrt(spread.clip(0)) / mean,
            "interruptions_15d": self.hit_between(hour - 15 * DAY, hour),
            "interruptions_24h": self.hit_between(hour - DAY, hour),
            "hours_since_interruption": hour - self._latest[hour - 1, self._each],
            "rebalances_24h": self._between(self._warned, hour - DAY, hour),
            "size_class": self._traits["size"],
            "generation": self._traits["generation"],
        }
        return np.column_stack([np.clip(known[f.name], BY_NAME[f.name].low, BY_NAME[f.name].high) for f in FEATURES])
