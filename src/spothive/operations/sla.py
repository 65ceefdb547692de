"""Service level: how long spothive itself kept a cluster down in a month, against what it may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, or_, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import InvalidInput, NotFound
from spothive.models import Cluster, DowntimeLog

BUDGET_SECONDS: Final = 60
"""Seconds a cluster may be down in a calendar month by what spothive did or failed to do."""

_LAST_YEAR = 9998  # the month after it is still a date

Outage = tuple[datetime, datetime | None]
"""Its first second, and the second in which it was over; None while it lasts. UTC."""


@dataclass(frozen=True, slots=True)
class DowntimeBudget:
    """How much of its budget a cluster used in a month.

    Attributes:
        cluster_id: the cluster; None for instances of none.
        cluster_name: its name; None if it is gone, or there was none.
        month: first day of the calendar month, in UTC.
        seconds: in which at least one of its instances was down, up to now.
        outages: how many outages that were.
        ongoing: how many of them last.
        budget: seconds that are allowed.
    """

    cluster_id: UUID | None
    cluster_name: str | None
    month: date
    seconds: int
    outages: int
    ongoing: int
    budget: int = BUDGET_SECONDS

    @property
    def left(self) -> int:
        """Seconds that are left; negative if it was down for longer than allowed."""
        return self.budget - self.seconds

    @property
    def is_kept(self) -> bool:
        """Whether it was down no longer than allowed."""
        return self.left >= 0


def downtime_budget(
    session: TenantSession, *, cluster: UUID, month: date, now: datetime | None = None
) -> DowntimeBudget:
    """Return how much of its budget a cluster used: outages at once count once, and are cut at the month's ends.

    Args:
        session: session of the tenant.
        cluster: id of the cluster.
        month: any day of the calendar month, in UTC.
        now: until when what still lasts is counted; the present if None.

    Raises:
        NotFound: the tenant has no such cluster.
        InvalidInput: the month is beyond what dates can tell.
    """
    name = session.scalar(select(Cluster.name).where(Cluster.id == cluster))
    if name is None:
        msg = f"no cluster has the id {cluster}: `spothive sla report` lists them"
        raise NotFound(msg)
    start, end = _ends(month)
    query = _outages(start, end).where(DowntimeLog.cluster_id == cluster)
    outages = [(begun, over) for _, begun, over in session.execute(query)]
    return _budget(cluster, name, start, end, outages, now or utc_now())


def downtime_report(session: TenantSession, *, month: date, now: datetime | None = None) -> list[DowntimeBudget]:
    """Return the same for every cluster, by name; then for those that are gone, and instances of none, that were down.

    Raises:
        InvalidInput: the month is beyond what dates can tell.
    """
    start, end = _ends(month)
    down: dict[UUID | None, list[Outage]] = defaultdict(list)
    for cluster_id, begun, over in session.execute(_outages(start, end)):
        down[cluster_id].append((begun, over))
    moment, names = now or utc_now(), dict(session.execute(select(Cluster.id, Cluster.name)).all())
    known = sorted(names, key=lambda cluster_id: (names[cluster_id], cluster_id))
    gone = sorted(down.keys() - names.keys(), key=str)
    return [
        _budget(each, names.get(each) if each else None, start, end, down[each], moment) for each in [*known, *gone]
    ]


def seconds_down(outages: Iterable[Outage], start: datetime, end: datetime) -> int:
    """Return in how many seconds from ``start`` to before ``end`` at least one outage was under way."""
    total, covered = 0, start
    for begun, over in sorted((begun, end if over is None else over) for begun, over in outages):
        first, last = max(begun, covered), min(over, end)
        if last > first:
            total += int((last - first).total_seconds())
            covered = last
    return total


def _ends(month: date) -> tuple[datetime, datetime]:
    if month.year > _LAST_YEAR:
        msg = f"a month is before the year {_LAST_YEAR + 1}"
        raise InvalidInput(msg)
    following = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)  # noqa: PLR2004 - December
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


def _outages(start: datetime, end: datetime) -> Select[UUID | None, datetime, datetime | None]:
    """Return the query for what was down between two moments, if only for less than a second."""
    lasted = or_(DowntimeLog.end_time.is_(None), DowntimeLog.end_time > start, DowntimeLog.start_time >= start)
    columns = select(DowntimeLog.cluster_id, DowntimeLog.start_time, DowntimeLog.end_time)
    return columns.where(DowntimeLog.start_time < end, lasted)


def _budget(  # noqa: PLR0917 - one argument a fact
    cluster_id: UUID | None, name: str | None, start: datetime, end: datetime, outages: list[Outage], now: datetime
) -> DowntimeBudget:
    until = min(end, now.replace(microsecond=0))
    outages = [] if until <= start else outages  # a month to come
    seconds = seconds_down(outages, start, until)
    ongoing = sum(over is None for _, over in outages)
    return DowntimeBudget(cluster_id, name, start.date(), seconds, len(outages), ongoing)
