"""Outages: what is written down of each, when it begins and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import Conflict, InvalidInput
from spothive.models import Cluster, DowntimeCause, DowntimeLog, Instance, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet import find_instance
from spothive.operations.identity import Action, require
from spothive.operations.sla.months import lasted_within, month_ends
from spothive.operations.sla.told import tell_of_end, tell_of_outage

OUTAGES_MAX: Final = 10_000
"""Most outages that are listed at once."""

_KIND: Final = ResourceType.INSTANCE
_FIRST_YEAR: Final = 2015
_LONGEST: Final = timedelta(days=366)


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
        query = query.where(*lasted_within(*month_ends(month)))
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
    tell_of_outage(session, outage)
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

    That verb tells people of it, too: see :func:`~spothive.operations.sla.told.tell_of_outage`.

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
    tell_of_end(session, outages)
    return outages


def end_outages(
    session: TenantSession, ends: Mapping[str, datetime], *, cause: DowntimeCause | None = None
) -> list[DowntimeLog]:
    """End the outages of instances that last, or those of one cause, as part of another verb; return them.

    That verb tells people if a budget was exceeded: see :func:`~spothive.operations.sla.told.tell_of_end`.

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
