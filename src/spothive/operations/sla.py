"""Service level: how long spothive itself kept a cluster down in a month, against what it may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, true

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, Cluster, ClusterPolicy, DowntimeCause, DowntimeLog, Instance, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet import find_instance
from spothive.operations.identity import Action, require

BUDGET_SECONDS: Final = 60
"""Seconds a cluster may be down in a calendar month by what spothive did or failed to do, unless its policy says."""

BUDGET_KEY: Final = "downtime_budget_seconds"
"""Key of a cluster's policy that says otherwise: a whole number of seconds."""

BUDGET_MAX: Final = 31 * 24 * 3600
"""Seconds of the longest month: whoever allows so many allows everything."""

OUTAGES_MAX: Final = 10_000
"""Most outages that are listed at once."""

_KIND: Final = ResourceType.INSTANCE
_FIRST_YEAR: Final = 2015
_LONGEST: Final = timedelta(days=366)
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
    known = _clusters(session, Cluster.id == cluster).get(cluster)
    if known is None:
        msg = f"no cluster has the id {cluster}: `spothive sla report` lists them"
        raise NotFound(msg)
    start, end = _ends(month)
    query = _outages(start, end).where(DowntimeLog.cluster_id == cluster)
    outages = [(begun, over) for _, begun, over in session.execute(query)]
    return _budget(cluster, known, start, end, outages, now or utc_now())


def downtime_report(session: TenantSession, *, month: date, now: datetime | None = None) -> list[DowntimeBudget]:
    """Return the same for every cluster, by name; then for those that are gone, and instances of none, that were down.

    Raises:
        InvalidInput: the month is beyond what dates can tell.
    """
    start, end = _ends(month)
    down: dict[UUID | None, list[Outage]] = defaultdict(list)
    for cluster_id, begun, over in session.execute(_outages(start, end)):
        down[cluster_id].append((begun, over))
    moment, clusters = now or utc_now(), _clusters(session, true())
    known = sorted(clusters, key=lambda cluster_id: (clusters[cluster_id].order, cluster_id))
    gone = sorted(down.keys() - clusters.keys(), key=str)
    return [_budget(each, clusters.get(each), start, end, down[each], moment) for each in [*known, *gone]]


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


# --- outages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListedOutage:
    """An outage with the name of its cluster, if that is still there."""

    outage: DowntimeLog
    cluster_name: str | None


def list_outages(
    session: TenantSession, *, month: date | None = None, only_open: bool = False, limit: int = 500
) -> list[ListedOutage]:
    """Return the outages that lasted into a month, or of all time, the latest beginning first.

    Args:
        session: session of the tenant.
        month: any day of the calendar month, in UTC; None for all.
        only_open: those that still last.
        limit: at most so many.

    Raises:
        InvalidInput: ``limit`` is not 1 to 10,000, or the month is beyond what dates can tell.
    """
    if not 1 <= limit <= OUTAGES_MAX:
        msg = f"a list has 1 to {OUTAGES_MAX} outages"
        raise InvalidInput(msg)
    query = select(DowntimeLog, Cluster.name).outerjoin(Cluster, Cluster.id == DowntimeLog.cluster_id)
    if month is not None:
        query = query.where(*_within(*_ends(month)))
    if only_open:
        query = query.where(DowntimeLog.end_time.is_(None))
    newest = query.order_by(DowntimeLog.start_time.desc(), DowntimeLog.id.desc()).limit(limit)
    return [ListedOutage(outage, name) for outage, name in session.execute(newest)]


def record_downtime(
    session: TenantSession,
    actor: Actor,
    *,
    instance_id: str,
    cause: DowntimeCause,
    start: datetime,
    end: datetime | None = None,
    details: str | None = None,
    decision_id: UUID | None = None,
) -> DowntimeLog:
    """Write down that an instance was down by what spothive did.

    Beginning and end both lose what is beyond their whole second. So an outage that begins where another ended neither
    shares a second with it nor leaves one between them, and one shorter than a second may count as none.

    Args:
        session: session of the tenant.
        actor: who says so.
        instance_id: EC2's id; its cluster is that of the inventory.
        cause: what spothive did.
        start: since when (UTC).
        end: when it was over (UTC); None while it lasts.
        details: the cause for people, up to 4,000 characters.
        decision_id: the decision that led to it.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such instance.
        InvalidInput: it ends before it begins or in the future, begins more than 5 minutes ahead or before the year
            2015, or lasted for more than a year: what is written cannot be corrected.
    """
    require(actor, Action.MANAGE, attempt="downtime.recorded", resource=instance_id, resource_type=_KIND)
    now = utc_now()
    if start > now + CLOCKS_DIFFER:
        msg = f"the outage begins at {start:%Y-%m-%d %H:%M:%S} UTC, in the future: correct the time, or the clock"
        raise InvalidInput(msg)
    if end is not None and (end < start or end > now):
        when = "before it begins" if end < start else "in the future"
        msg = f"the outage ends at {end:%Y-%m-%d %H:%M:%S} UTC, {when}: correct it, or leave it out while it lasts"
        raise InvalidInput(msg)
    if start.year < _FIRST_YEAR or (end is not None and end - start > _LONGEST):
        since = start.isoformat(" ", "minutes")
        msg = f"an outage since {since} lasts for more than a year, or is older than 2015: correct the times"
        raise InvalidInput(msg)
    instance = find_instance(session, instance_id).instance
    outage = open_downtime(session, instance, cause, start, end=end, details=details, decision_id=decision_id)
    session.flush()  # a refusal is this verb's, not the commit's
    record(session, actor, "downtime.recorded", instance_id, _KIND, after=_facts(outage))
    return outage


def open_downtime(
    session: TenantSession,
    instance: Instance,
    cause: DowntimeCause,
    start: datetime,
    *,
    end: datetime | None = None,
    details: str | None = None,
    decision_id: UUID | None = None,
) -> DowntimeLog:
    """Begin an outage as part of another verb, whose one audit row tells of it; with an ``end`` it is over already.

    Both lose their fraction of a second.
    """
    outage = DowntimeLog(
        instance_id=instance.instance_id,
        cluster_id=instance.cluster_id,
        start_time=start.replace(microsecond=0),
        cause=cause,
        cause_details=details,
        decision_id=decision_id,
        downtime_metadata={},
    )
    if end is not None:
        _end(outage, end)
    session.add(outage)
    return outage


def end_downtime(session: TenantSession, actor: Actor, *, instance_id: str, at: datetime) -> list[DowntimeLog]:
    """End every outage of an instance that lasts; of two who do so at once, one finds none.

    An outage foreseen to begin after ``at`` did not happen: it ends as it begins, and counts no second.

    Args:
        session: session of the tenant.
        actor: who says so.
        instance_id: EC2's id; the instance itself may be gone.
        at: when it was over (UTC), whose fraction of a second is lost.

    Returns:
        The outages that ended.

    Raises:
        Denied: the role does not allow it.
        Conflict: none lasts.
        InvalidInput: ``at`` is in the future, or before an outage began.
    """
    require(actor, Action.MANAGE, attempt="downtime.ended", resource=instance_id, resource_type=_KIND)
    now = utc_now()
    if at > now:
        msg = f"{at:%Y-%m-%d %H:%M:%S} UTC is in the future: say when it was over, once it is"
        raise InvalidInput(msg)
    outages = end_outages(session, {instance_id: at})
    if not outages:
        msg = f"no outage of {instance_id[:60]!r} lasts: see `spothive sla outages --open`"
        raise Conflict(msg)
    early = [outage for outage in outages if at.replace(microsecond=0) < outage.start_time <= now]
    if early:
        msg = f"an outage of {instance_id} began at {early[0].start_time:%Y-%m-%d %H:%M:%S} UTC: it ended later"
        raise InvalidInput(msg)
    session.flush()  # a refusal is this verb's, not the commit's
    after = {"outages": [_facts(outage) for outage in outages]}
    record(session, actor, "downtime.ended", instance_id, _KIND, after=after)
    return outages


def end_outages(
    session: TenantSession, ends: Mapping[str, datetime], *, cause: DowntimeCause | None = None
) -> list[DowntimeLog]:
    """End the outages of instances that last, or those of one cause, as part of another verb; return them.

    The rows are locked, so whoever comes second finds none that lasts. One that begins after its end ends as it begins.

    Args:
        session: session of the tenant.
        ends: EC2's id of each instance, and when it was over (UTC).
        cause: end those of this cause alone.
    """
    lasting = DowntimeLog.end_time.is_(None)
    query = select(DowntimeLog).where(is_any_of(session, DowntimeLog.instance_id, ends), lasting)
    if cause is not None:
        query = query.where(DowntimeLog.cause == cause)
    in_order = query.order_by(DowntimeLog.id).with_for_update()
    outages = list(session.scalars(in_order, execution_options={"populate_existing": True}))
    for outage in outages:
        _end(outage, max(ends[outage.instance_id], outage.start_time))
    return outages


def _end(outage: DowntimeLog, at: datetime) -> None:
    outage.end_time = at.replace(microsecond=0)
    outage.duration_seconds = int((outage.end_time - outage.start_time).total_seconds())


def _facts(outage: DowntimeLog) -> dict[str, Any]:
    """Return what the audit trail says of an outage."""
    return {
        "cause": outage.cause,
        "start_time": outage.start_time.isoformat(),
        "end_time": outage.end_time and outage.end_time.isoformat(),
        "cluster_id": outage.cluster_id,
        "decision_id": outage.decision_id,
    }


# --- months ---------------------------------------------------------------------------------------------------------


def _ends(month: date) -> tuple[datetime, datetime]:
    if month.year > _LAST_YEAR:
        msg = f"a month is before the year {_LAST_YEAR + 1}"
        raise InvalidInput(msg)
    following = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)  # noqa: PLR2004 - December
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Known:
    """A cluster that is there, and how many seconds a month it may be down."""

    name: str
    region: str
    account_name: str
    allowed: int

    @property
    def order(self) -> tuple[str, str, str]:
        return self.name, self.account_name, self.region


def _clusters(session: TenantSession, condition: ColumnElement[bool]) -> dict[UUID | None, _Known]:
    """Return the clusters that fulfil ``condition``."""
    query = select(Cluster.id, Cluster.name, Cluster.region, Account.account_name, ClusterPolicy.config)
    joined = query.join(Account, Account.id == Cluster.account_id)
    rows = session.execute(joined.outerjoin(ClusterPolicy, ClusterPolicy.cluster_id == Cluster.id).where(condition))
    return {row.id: _Known(row.name, row.region, row.account_name, budget_of(row.config)) for row in rows}


def _outages(start: datetime, end: datetime) -> Select[UUID | None, datetime, datetime | None]:
    """Return the query for what was down between two moments, if only for less than a second."""
    columns = select(DowntimeLog.cluster_id, DowntimeLog.start_time, DowntimeLog.end_time)
    return columns.where(*_within(start, end))


def _within(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    lasted = or_(DowntimeLog.end_time.is_(None), DowntimeLog.end_time > start, DowntimeLog.start_time >= start)
    return DowntimeLog.start_time < end, lasted


def _budget(  # noqa: PLR0917 - one argument a fact
    cluster_id: UUID | None,
    known: _Known | None,
    start: datetime,
    end: datetime,
    outages: list[Outage],
    now: datetime,
) -> DowntimeBudget:
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
