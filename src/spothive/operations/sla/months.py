"""Months: how long spothive itself kept a cluster down in one, against what it may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, true

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import InvalidInput, NotFound
from spothive.models import Account, Cluster, ClusterPolicy, DowntimeLog

BUDGET_SECONDS: Final = 60
"""Seconds a cluster may be down in a calendar month by what spothive did or failed to do, unless its policy says."""

BUDGET_KEY: Final = "downtime_budget_seconds"
"""Key of a cluster's policy that says otherwise: a whole number of seconds."""

BUDGET_MAX: Final = 31 * 24 * 3600
"""Seconds of the longest month: whoever allows so many allows everything."""

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
        region: where the cluster is; None if it is gone, or there was none.
        account_name: the account it is in, likewise: clusters of several may have one name.
    """

    cluster_id: UUID | None
    cluster_name: str | None
    month: date
    seconds: int
    outages: int
    ongoing: int
    budget: int = BUDGET_SECONDS
    region: str | None = None
    account_name: str | None = None

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
    known = known_clusters(session, Cluster.id == cluster).get(cluster)
    if known is None:
        msg = f"no cluster has the id {cluster}: `spothive sla report` lists them"
        raise NotFound(msg)
    start, end = month_ends(month)
    query = outages_between(start, end).where(DowntimeLog.cluster_id == cluster)
    outages = [(begun, over) for _, begun, over in session.execute(query)]
    return budget_in(cluster, known, start, end, outages, now or utc_now())


def downtime_report(session: TenantSession, *, month: date, now: datetime | None = None) -> list[DowntimeBudget]:
    """Return the same for every cluster, by name; then for those that are gone, and instances of none, that were down.

    Raises:
        InvalidInput: the month is beyond what dates can tell.
    """
    start, end = month_ends(month)
    down: dict[UUID | None, list[Outage]] = defaultdict(list)
    for cluster_id, begun, over in session.execute(outages_between(start, end)):
        down[cluster_id].append((begun, over))
    moment, clusters = now or utc_now(), known_clusters(session, true())
    known = sorted(clusters, key=lambda cluster_id: (clusters[cluster_id].order, cluster_id))
    gone = sorted(down.keys() - clusters.keys(), key=str)
    return [budget_in(each, clusters.get(each), start, end, down[each], moment) for each in [*known, *gone]]


def budget_of(policy: dict[str, Any] | None) -> int:
    """Return how many seconds a month a cluster's policy allows; what it says amiss counts as not said."""
    allowed = (policy or {}).get(BUDGET_KEY)
    sensible = isinstance(allowed, int) and not isinstance(allowed, bool) and 0 <= allowed <= BUDGET_MAX
    return allowed if sensible else BUDGET_SECONDS  # type: ignore[return-value]  # an int, if it is sensible


def seconds_down(outages: Iterable[Outage], start: datetime, end: datetime) -> int:
    """Return in how many seconds from ``start`` to before ``end`` at least one outage was under way."""
    total, covered = 0, start
    for begun, over in sorted((begun, end if over is None else over) for begun, over in outages):
        first, last = max(begun, covered), min(over, end)
        if last > first:
            total += int((last - first).total_seconds())
            covered = last
    return total


def month_ends(month: date) -> tuple[datetime, datetime]:
    """Return the first moment of a calendar month and of the one after it, UTC.

    Raises:
        InvalidInput: the month is beyond what dates can tell.
    """
    if month.year > _LAST_YEAR:
        msg = f"a month is before the year {_LAST_YEAR + 1}"
        raise InvalidInput(msg)
    following = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)  # noqa: PLR2004 - December
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """A cluster that is there, and how many seconds a month it may be down."""

    name: str
    region: str
    account_name: str
    allowed: int

    @property
    def order(self) -> tuple[str, str, str]:
        """By what it is listed."""
        return self.name, self.account_name, self.region


def known_clusters(session: TenantSession, condition: ColumnElement[bool]) -> dict[UUID | None, KnownCluster]:
    """Return the clusters that fulfil ``condition``."""
    query = select(Cluster.id, Cluster.name, Cluster.region, Account.account_name, ClusterPolicy.config)
    joined = query.join(Account, Account.id == Cluster.account_id)
    rows = session.execute(joined.outerjoin(ClusterPolicy, ClusterPolicy.cluster_id == Cluster.id).where(condition))
    return {row.id: KnownCluster(row.name, row.region, row.account_name, budget_of(row.config)) for row in rows}


def outages_between(start: datetime, end: datetime) -> Select[UUID | None, datetime, datetime | None]:
    """Return the query for what was down between two moments, if only for less than a second."""
    columns = select(DowntimeLog.cluster_id, DowntimeLog.start_time, DowntimeLog.end_time)
    return columns.where(*lasted_within(start, end))


def lasted_within(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for what was down between two moments, if only for less than a second."""
    lasted = or_(DowntimeLog.end_time.is_(None), DowntimeLog.end_time > start, DowntimeLog.start_time >= start)
    return DowntimeLog.start_time < end, lasted


def budget_in(  # noqa: PLR0917 - one argument a fact
    cluster_id: UUID | None,
    known: KnownCluster | None,
    start: datetime,
    end: datetime,
    outages: list[Outage],
    now: datetime,
) -> DowntimeBudget:
    """Return what a cluster used of its budget from ``start`` to ``end``, as far as that is over by ``now``."""
    until = min(end, now.replace(microsecond=0))
    outages = [] if until <= start else outages  # a month to come
    return DowntimeBudget(
        cluster_id,
        known.name if known else None,
        start.date(),
        seconds_down(outages, start, until),
        len(outages),
        sum(over is None for _, over in outages),
        known.allowed if known else BUDGET_SECONDS,
        known.region if known else None,
        known.account_name if known else None,
    )
