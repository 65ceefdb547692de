"""The rules: from what is known of the pools to SWITCH or HOLD, and why. Nothing here asks a database or a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from spothive.gateways.instance_types import architecture_of
from spothive.models import Decision
from spothive.operations.decisions.pool_facts import KnownPool, Pool
from spothive.operations.risk.spot_prices import FRESH

AVOIDED_BAND: Final = 4
"""AWS's advisor: more than 20 % of its instances are interrupted in a month."""

_HOURS = int(FRESH.total_seconds() // 3600)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a switch is worth it.

    Attributes:
        least_saving: part of the present price that it must save; 0.05 is 5 %.
        most_risk: probability of an interruption within 24 hours that the new pool must stay below.
    """

    least_saving: Decimal = Decimal("0.05")
    most_risk: float = 0.85


@dataclass(frozen=True, slots=True)
class Staying:
    """The instance where it is.

    Attributes:
        here: what is known of the pool of its type and zone.
        spot: whether it is a spot instance; AWS interrupts no other.
        risk: probability that it is interrupted within 24 hours; 0 for one on demand.
    """

    here: KnownPool
    spot: bool
    risk: float

    @property
    def price(self) -> Decimal | None:
        """What it costs now, USD per hour: the spot price of its pool, or the on-demand price."""
        return self.here.price if self.spot else self.here.on_demand

    @property
    def score(self) -> Decimal:
        """Of staying: it saves nothing, at its own risk."""
        return -_exact(self.risk)


@dataclass(frozen=True, slots=True)
class Compared:
    """A pool that was compared: part of the present price it saves (may be negative), risk, and saving - risk."""

    pool: Pool
    price: Decimal
    saving: Decimal
    risk: float
    score: Decimal


@dataclass(frozen=True, slots=True)
class Dropped:
    """A pool that was not compared: why in a word, to be counted, and why in full."""

    pool: Pool
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided.

    Attributes:
        decision: SWITCH or HOLD.
        reason: why, for people.
        staying: the instance where it is.
        target: where to go; None to stay.
        compared: pools that were compared, the best first.
        dropped: pools that were not, by name.
    """

    decision: Decision
    reason: str
    staying: Staying
    target: Compared | None
    compared: tuple[Compared, ...]
    dropped: tuple[Dropped, ...]


def drop(here: Pool, candidate: KnownPool) -> Dropped | None:
    """Return why nobody should go from ``here`` to a pool; None if one may."""
    pool = candidate.pool
    if architecture_of(pool.instance_type) != architecture_of(here.instance_type):
        built = f"its processors are {architecture_of(pool.instance_type)}, those of {here.instance_type} are not"
        return Dropped(pool, "of another architecture", built)
    if candidate.blocked_until is not None:
        return Dropped(pool, "blocked", f"blocked until {candidate.blocked_until:%Y-%m-%d %H:%M} UTC")
    if candidate.band is not None and candidate.band >= AVOIDED_BAND:
        often = "AWS's advisor: over 20 % interrupted a month"
        return Dropped(pool, "interrupted too often", often)
    if candidate.price is None:
        since = f"the newest is of {candidate.priced_at:%Y-%m-%d %H:%M} UTC" if candidate.priced_at else "none is known"
        return Dropped(pool, "without a fresh price", f"no spot price of the last {_HOURS} hours: {since}")
    return None


def decide(
    staying: Staying, candidates: Sequence[KnownPool], risks: Mapping[Pool, float], thresholds: Thresholds
) -> Verdict:
    """Decide about one instance: SWITCH to the best pool if that is worth it, else HOLD.

    A switch saves enough, its risk is low enough, and saving - risk is more than what staying scores. Among pools of
    one score the cheaper one is better, then the one whose name comes first.

    Args:
        staying: the instance where it is.
        candidates: pools to compare it with, each once.
        risks: probability of an interruption within 24 hours, of each pool that is not to be dropped.
        thresholds: when a switch is worth it.
    """
    here = staying.here.pool
    dropped = tuple(why for each in candidates if (why := drop(here, each)) is not None)
    out = {each.pool for each in dropped}
    price = staying.price
    if not price:
        return Verdict(Decision.HOLD, _no_price(staying), staying, None, (), dropped)
    left = [(each.pool, each.price) for each in candidates if each.pool not in out and each.price is not None]
    compared = sorted(
        (_compare(pool, cost, price, risks[pool]) for pool, cost in left),
        key=lambda each: (-each.score, each.price, each.pool.name),
    )
    worth_it = (each for each in compared if _obstacle(staying, each, thresholds) is None)
    target = next(worth_it, None)
    if target is not None:
        reason = f"{_offer(target)}; {_stays(staying)}"
        return Verdict(Decision.SWITCH, reason, staying, target, tuple(compared), dropped)
    return Verdict(
        Decision.HOLD, _why_hold(staying, compared, dropped, thresholds), staying, None, tuple(compared), dropped
    )


def _compare(pool: Pool, price: Decimal, present: Decimal, risk: float) -> Compared:
    saving = 1 - price / present
    return Compared(pool, price, saving, risk, saving - _exact(risk))


def _exact(risk: float) -> Decimal:
    """Return a probability as people read it, so that 0.3 - 0.1 is 0.2."""
    return Decimal(repr(risk))


def _obstacle(staying: Staying, pool: Compared, thresholds: Thresholds) -> str | None:
    """Return why it is not worth it to go to ``pool``; None if it is."""
    if pool.saving < thresholds.least_saving:
        return f"a switch must save {percent(thresholds.least_saving)}"
    if pool.risk >= thresholds.most_risk:
        return f"a switch needs a risk below {thresholds.most_risk:g}"
    if pool.score <= staying.score:
        return f"that is not worth more than staying, which risks {_risk(staying.risk)}"
    return None


# --- words ------------------------------------------------------------------------------------------------------------


def percent(part: Decimal) -> str:
    """Return a part of 1 for people, rounded down to a tenth of a percent: ``31 %``, ``4.9 %``."""
    tenths = (part * 100).quantize(Decimal("0.1"), ROUND_FLOOR)
    return f"{tenths:f} %".replace(".0 %", " %")


def _risk(risk: float) -> str:
    return f"{risk:.2f}"


def _offer(pool: Compared) -> str:
    saves = f"{percent(pool.saving)} cheaper" if pool.saving > 0 else "no cheaper"
    return f"{pool.pool.label} is {saves} at a risk of {_risk(pool.risk)}"


def _stays(staying: Staying) -> str:
    return f"staying risks {_risk(staying.risk)}" if staying.spot else "on demand it is not interrupted"


def _no_price(staying: Staying) -> str:
    here = staying.here.pool
    if staying.price is not None:
        return f"{here.label} costs nothing, and nothing is cheaper"
    if staying.spot:
        return f"what {here.label} costs is not known: no spot price of the last {_HOURS} hours"
    return f"what {here.instance_type} costs on demand in {here.region} is not known"


def _why_hold(
    staying: Staying, compared: Sequence[Compared], dropped: Sequence[Dropped], thresholds: Thresholds
) -> str:
    here = staying.here.pool
    if compared:
        # The pool that would be chosen if what is in its way were not; a saving that is too small is told last.
        best = next((each for each in compared if each.saving >= thresholds.least_saving), compared[0])
        others = f" (the best of {len(compared)} pools)" if len(compared) > 1 else ""
        return f"{_offer(best)}{others}: {_obstacle(staying, best, thresholds)}"
    if len(dropped) == 1:
        return f"{dropped[0].pool.label}, the only other pool, is out: {dropped[0].reason}"
    if dropped:
        counts = Counter(each.cause for each in dropped)
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(counts.items()))
        return f"each of the {len(dropped)} other pools is out: {causes}"
    return f"no other pool in {here.region} that could do the work of {here.instance_type} has a spot price"
