"""What the made-up model thinks of a pool, and the decision that follows from it by the real rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from spothive.database.sample.interruptions import Hive
from spothive.database.sample.market import AVOIDED_BAND, KINDS, ZONES, Market, Quote
from spothive.database.sample.world import Machine

BASE_VALUE: Final = 0.08
"""Score of the baseline that explanations start from."""

LEAST_SAVING: Final = 0.05
MOST_RISK: Final = 0.85

_BAND_WIDTH = 0.05
_AVOIDED_SCORE = 0.275
_USUAL_RATIO = 0.375
_DIGITS = 6

Feature = tuple[str, float, float]
"""Name, value and attribution."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One spot pool on one day."""

    id: str
    zone: str
    type: str
    quote: Quote
    band: int
    features: tuple[Feature, ...]
    risk: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about an instance, and what it was compared with.

    Attributes:
        here: pool it is in.
        features: what its own score was made from.
        score: probability that it is interrupted: base value + attributions.
        target: pool to go to; None to stay.
        saving: what the best other pool saves, as a part of the present price; None if there is no such pool.
        scores: saving - risk of each pool that was compared.
        blocked: pools that were left out because they were interrupted.
    """

    here: Pool
    features: tuple[Feature, ...]
    score: float
    target: Pool | None
    saving: float | None
    scores: dict[str, float]
    blocked: list[str]


class Judge:
    """Judges instances by the prices of the day and the interruptions of the last 15 days."""

    def __init__(self, market: Market, hive: Hive) -> None:
        """Look at ``market`` and ``hive``."""
        self._market = market
        self._hive = hive
        self._pools: dict[tuple[str, str, date], Pool] = {}
        self._others: dict[tuple[str, str, date], list[Pool]] = {}

    def judge(self, machine: Machine, moment: datetime) -> Verdict:
        """Decide about a spot instance: leave for the best free pool if that is worth it, else stay."""
        day = moment.date()
        here = self._pool(machine.zone, machine.type, day)
        own = (
            *here.features,
            _interruptions(self._hive.recent(here.id, moment)),
            _uptime(moment, machine.launched),
        )
        score = round(BASE_VALUE + sum(attribution for _, _, attribution in own), _DIGITS)
        scores: dict[str, float] = {}
        blocked: list[str] = []
        best, best_saving, best_score = None, None, -1.0
        for pool in self._candidates(machine, day):
            if self._hive.recent(pool.id, moment):
                blocked.append(pool.id)
                continue
            saving = 1 - pool.quote.millionths / here.quote.millionths
            worth = round(saving - pool.risk, 4)
            scores[pool.id] = worth
            if worth > best_score:
                best, best_saving, best_score = pool, saving, worth
        worth_it = (
            best is not None
            and best_saving is not None
            and best_saving >= LEAST_SAVING
            and best.risk < MOST_RISK
            and best_score > -score
        )
        return Verdict(here, own, score, best if worth_it else None, best_saving, scores, blocked)

    def _pool(self, zone: str, type_name: str, day: date) -> Pool:
        key = (zone, type_name, day)
        if key not in self._pools:
            quote = self._market.quote(zone, type_name, day)
            band = self._market.band(zone[:-1], type_name)
            features = _features(quote, band)
            risk = round(BASE_VALUE + sum(attribution for _, _, attribution in features), _DIGITS)
            self._pools[key] = Pool(f"{zone[:-1]}:{zone}:{type_name}", zone, type_name, quote, band, features, risk)
        return self._pools[key]

    def _candidates(self, machine: Machine, day: date) -> list[Pool]:
        """Return the pools that could do the instance's work; never those of the avoided band."""
        key = (machine.zone, machine.type, day)
        if key not in self._others:
            purpose = KINDS[machine.type].purpose
            pools = [
                self._pool(machine.region + letter, kind.name, day)
                for kind in KINDS.values()
                if kind.purpose == purpose
                for letter in ZONES
            ]
            self._others[key] = [
                pool for pool in pools if pool.band < AVOIDED_BAND and (pool.zone, pool.type) != key[:2]
            ]
        return self._others[key]


def score_range(band: int) -> tuple[float, float]:
    """Return between which scores the model stays for an advisor band: what AWS says of it, as a probability."""
    return (_BAND_WIDTH * band, _BAND_WIDTH * (band + 1)) if band < AVOIDED_BAND else (_BAND_WIDTH * band, 1.0)


def _features(quote: Quote, band: int) -> tuple[Feature, ...]:
    """Attribute most to the advisor's band, a little to the price: together they never leave the band's range."""
    middle = _BAND_WIDTH * (band + 0.5) if band < AVOIDED_BAND else _AVOIDED_SCORE
    return (
        ("advisor_band", band, round(middle - BASE_VALUE, _DIGITS)),
        ("price_ratio", quote.ratio, round((quote.ratio - _USUAL_RATIO) * 0.1, _DIGITS)),
        ("price_change_1d", quote.change, round(max(-0.15, min(0.15, quote.change)) * 0.02, _DIGITS)),
    )


def _interruptions(recent: int) -> Feature:
    return ("interruptions_15d", recent, round(min(recent, 3) * 0.003, _DIGITS))


def _uptime(moment: datetime, launched: datetime) -> Feature:
    hours = int((moment - launched).total_seconds()) // 3600
    return ("uptime_hours", hours, 0.001 if hours < 1 else 0.0)
