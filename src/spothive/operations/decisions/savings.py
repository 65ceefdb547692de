"""What decisions came to: roll-ups for the days that are counted, and the rest counted as it is now."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    Select,
    func,
    literal,
    select,
    union_all,
)

from spothive.database import TenantSession
from spothive.errors import InvalidInput
from spothive.models import Account, DecisionRollup, ExperimentLog, MlModel
from spothive.models.decisions import NO_MODEL
from spothive.operations.decisions.rollups import counted_until, tallies
from spothive.schema.types import Id, Money, utc_day

_COUNTS = ("decisions", "switches", "holds", "failures", "shadow", "real_switches")
_PLACES = Decimal("0.000001")


class By(enum.StrEnum):
    """What each line of a report is about."""

    ACCOUNT = "account"
    DAY = "day"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Savings:
    """What decisions came to.

    Attributes:
        key: account, day in UTC, or model, by which they are grouped; None for decisions without a model, or for all.
        name: of the account; name and version of the model.
        decisions: all of them.
        switches: of these SWITCH.
        holds: of these HOLD.
        failures: of these FAILED.
        shadow: of these shadow runs.
        real_switches: of the switches those that were no shadow runs.
        projected_savings: USD that these save, each in the one hour that follows it, as projected when it was decided.
            Deciding every hour, that is what following all decisions saves.
    """

    key: UUID | date | None
    name: str | None
    decisions: int
    switches: int
    holds: int
    failures: int
    shadow: int
    real_switches: int
    projected_savings: Decimal

    @property
    def savings_per_switch(self) -> Decimal | None:
        """USD per hour that a switch saves in the mean, to 6 places; None if all of them were shadow runs, or none."""
        if not self.real_switches:
            return None
        return (self.projected_savings / self.real_switches).quantize(_PLACES)


@dataclass(frozen=True, slots=True)
class SavingsReport:
    """The lines of a report, by name or day, and their sum.

    Attributes:
        since: first day, in UTC.
        until: first day that is not in it.
        rows: one for each account, day or model that had decisions.
        total: all of them.
    """

    since: date
    until: date
    rows: list[Savings]
    total: Savings


def savings_report(session: TenantSession, *, since: date, until: date, by: By = By.ACCOUNT) -> SavingsReport:
    """Return what the tenant's decisions came to from ``since`` to before ``until``, days in UTC.

    A decision is in it from the moment it is committed, and is taken once while days are being counted: how far that
    has come is read first. Of the days before, roll-ups are taken, which stay as they are; of all others the decisions
    themselves, which stay too when their day is counted meanwhile.

    Raises:
        InvalidInput: there is no day between the two.
    """
    if since >= until:
        msg = f"a report ends after it begins: {until} is not after {since}"
        raise InvalidInput(msg)
    rows = [
        Savings(key, name, **dict(zip(_COUNTS, map(int, counts), strict=True)), projected_savings=saved)
        for key, name, *counts, saved in session.execute(_report(since, until, by, counted_until(session)))
    ]
    rows.sort(key=lambda row: (row.key is None, str(row.name or ""), str(row.key)))
    return SavingsReport(since, until, rows, _sum(rows))


def _sum(rows: Iterable[Savings]) -> Savings:
    rows = list(rows)
    counts = {name: sum(getattr(row, name) for row in rows) for name in _COUNTS}
    return Savings(None, None, **counts, projected_savings=sum((row.projected_savings for row in rows), Decimal(0)))


def _report(since: date, until: date, by: By, counted: date) -> Select[Any]:
    """Return the query for the rows of a report, in the order of the fields of :class:`Savings`."""
    parts = _parts(since, until, by, counted).subquery("parts")
    counts = [func.sum(parts.c[name]).label(name) for name in _COUNTS]
    saved = func.sum(parts.c.projected_savings, type_=Money(signed=True)).label("projected_savings")
    sums = select(parts.c.key, *counts, saved).group_by(parts.c.key).subquery("sums")
    numbers = [sums.c[name] for name in (*_COUNTS, "projected_savings")]
    match by:
        case By.ACCOUNT:
            return select(sums.c.key, Account.account_name, *numbers).join(Account, Account.id == sums.c.key)
        case By.MODEL:
            known = func.nullif(sums.c.key, literal(NO_MODEL, Id()), type_=Id())
            name = MlModel.name + " " + MlModel.version
            return select(known, name, *numbers).outerjoin(MlModel, MlModel.id == sums.c.key)
        case By.DAY:
            return select(sums.c.key, literal(None), *numbers)


def _parts(since: date, until: date, by: By, end: date) -> CompoundSelect[Any]:
    """Return the query for the roll-ups of the days before ``end``, and for the sums over all others."""
    log, rollup = ExperimentLog, DecisionRollup
    keys: dict[By, tuple[Any, Any]] = {
        By.ACCOUNT: (rollup.account_id, log.account_id),
        By.MODEL: (rollup.model_id, log.model_id),
        By.DAY: (rollup.day, utc_day(log.execution_time)),
    }
    key, grouped = keys[by]
    key_of_log = func.coalesce(grouped, literal(NO_MODEL, Id())) if by is By.MODEL else grouped
    of_rollups = [getattr(rollup, name) for name in (*_COUNTS, "projected_savings")]
    counted = select(key.label("key"), *of_rollups).where(rollup.day >= since, rollup.day < min(until, end))
    first, last = (datetime.combine(day, time(), UTC) for day in (max(since, end), until))
    rest = select(key_of_log.label("key"), *tallies())
    within = log.execution_time >= first, log.execution_time < last
    return union_all(counted, rest.where(*within).group_by(grouped))
