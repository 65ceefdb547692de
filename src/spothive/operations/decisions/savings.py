"""What decisions came to: roll-ups for the days that are counted, and the rest counted as it is now."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, and_, func, literal, select, union_all

from spothive.database import TenantSession
from spothive.errors import InvalidInput
from spothive.models import Account, DecisionRollup, ExperimentLog, MlModel, RollupWatermark
from spothive.models.decisions import COUNTING, NO_MODEL, counted_until
from spothive.operations.decisions.rollups import tallies
from spothive.schema.types import Id, Money, UtcDateTime, utc_day

_COUNTS = ("decisions", "switches", "holds", "failures", "shadow")


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
        projected_savings: sum of USD per hour over the switches that were no shadow runs, as projected when they were
            decided.
    """

    key: UUID | date | None
    name: str | None
    decisions: int
    switches: int
    holds: int
    failures: int
    shadow: int
    projected_savings: Decimal


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

    A decision is in it from the moment it is committed. Which days are counted is read in the same statement as their
    roll-ups and the decisions of all other days, so that none is missed or taken twice while days are being counted.

    Raises:
        InvalidInput: there is no day between the two.
    """
    if since >= until:
        msg = f"a report ends after it begins: {until} is not after {since}"
        raise InvalidInput(msg)
    rows = [
        Savings(key, name, *map(int, counts), projected_savings=saved)
        for key, name, *counts, saved in session.execute(_report(since, until, by))
    ]
    rows.sort(key=lambda row: (row.key is None, str(row.name or ""), str(row.key)))
    return SavingsReport(since, until, rows, _sum(rows))


def _sum(rows: Iterable[Savings]) -> Savings:
    rows = list(rows)
    counts = {name: sum(getattr(row, name) for row in rows) for name in _COUNTS}
    return Savings(None, None, **counts, projected_savings=sum((row.projected_savings for row in rows), Decimal(0)))


def _report(since: date, until: date, by: By) -> Select[Any]:
    """Return the one statement of a report."""
    parts = _parts(since, until, by).subquery("parts")
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


def _parts(since: date, until: date, by: By) -> CompoundSelect[Any]:
    """Return the query for the sums of the days that are counted, and those of all others."""
    log, rollup = ExperimentLog, DecisionRollup
    grouped: Any
    match by:
        case By.ACCOUNT:
            key, grouped = rollup.account_id, log.account_id
        case By.MODEL:
            key, grouped = rollup.model_id, log.model_id
        case By.DAY:
            key, grouped = rollup.day, utc_day(log.execution_time)
    key_of_log = func.coalesce(grouped, literal(NO_MODEL, Id())) if by is By.MODEL else grouped
    mark = select(counted_until(RollupWatermark.position)).where(RollupWatermark.name == COUNTING)
    never = literal(datetime(1, 1, 1, tzinfo=UTC), UtcDateTime())
    end = func.coalesce(mark.scalar_subquery(), never, type_=UtcDateTime())
    of_rollups = [getattr(rollup, name) for name in (*_COUNTS, "projected_savings")]
    counted = select(key.label("key"), *of_rollups).where(
        and_(rollup.day >= since, rollup.day < until, rollup.day < utc_day(end))
    )
    first, last = (datetime.combine(day, time(), UTC) for day in (since, until))
    rest = select(key_of_log.label("key"), *tallies()).where(
        log.execution_time >= first, log.execution_time < last, log.execution_time >= end
    )
    return union_all(counted, rest.group_by(grouped))
