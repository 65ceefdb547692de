"""Hibernation: the hours of a cluster's week, and exceptions from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, Cluster, HibernationOverride, HibernationSchedule, ResourceType, SleepState
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.clusters.finding import find_cluster, id_in
from spothive.operations.clusters.hours import Hours, hours_of, zone_named
from spothive.operations.clusters.week import check_week, tell_week
from spothive.operations.identity import Action, require

PREWARM_MAX: Final = 120
"""Minutes a cluster may wake up early."""

OVERRIDE_MAX: Final = timedelta(days=366)
"""How far ahead an override may end: it is an exception."""

OVERRIDES_MAX: Final = 100
"""Most overrides of a cluster that are not over."""

_KIND: Final = ResourceType.HIBERNATION


@dataclass(frozen=True, slots=True)
class Hibernation:
    """The schedule of a cluster, with the overrides that are not over, in the order they were made."""

    cluster: Cluster
    schedule: HibernationSchedule
    overrides: list[HibernationOverride]

    @property
    def hours(self) -> Hours:
        """What decides whether the cluster is awake.

        Raises:
            InvalidInput: this machine does not know the schedule's zone.
        """
        return hours_of(self.schedule, self.overrides)


def find_hibernation(session: TenantSession, cluster: str, *, since: datetime | None = None) -> Hibernation:
    """Return the schedule of a cluster with the overrides that end after ``since`` (UTC), or now; three statements.

    Raises:
        NotFound: no such cluster, or it has no schedule.
        Conflict: several clusters have this name.
    """
    found = find_cluster(session, cluster)
    schedule = _needed(session, found)
    query = select(HibernationOverride).where(
        HibernationOverride.schedule_id == schedule.id, HibernationOverride.ends_at > (since or utc_now())
    )
    return Hibernation(found, schedule, list(session.scalars(query.order_by(HibernationOverride.id))))


def list_hibernation(session: TenantSession) -> list[Hibernation]:
    """Return the schedules of all clusters by name, with the overrides that are not over; two statements.

    Those of accounts that are being disconnected are left out.
    """
    query = (
        select(Cluster, HibernationSchedule)
        .join(HibernationSchedule, HibernationSchedule.cluster_id == Cluster.id)
        .join(Account, Account.id == Cluster.account_id)
        .where(Account.disconnecting_at.is_(None))
        .order_by(Cluster.name, Cluster.id)
    )
    overrides: dict[UUID, list[HibernationOverride]] = defaultdict(list)
    lasting = (
        select(HibernationOverride)
        .join(HibernationSchedule, HibernationSchedule.id == HibernationOverride.schedule_id)  # by whom it is indexed
        .where(HibernationOverride.ends_at > utc_now())
        .order_by(HibernationOverride.id)
    )
    for override in session.scalars(lasting):
        overrides[override.schedule_id].append(override)
    return [Hibernation(cluster, schedule, overrides[schedule.id]) for cluster, schedule in session.execute(query)]


def hours_if(
    session: TenantSession,
    cluster: str,
    *,
    week: Sequence[int] | None = None,
    timezone: str | None = None,
    prewarm_minutes: int | None = None,
) -> Hours:
    """Return what the hours of a cluster would be, switched on, after :func:`set_schedule` with the same arguments.

    Raises:
        NotFound: no such cluster, or it has no schedule and no week is given.
        Conflict: several clusters have this name.
        InvalidInput: as for :func:`set_schedule`.
    """
    given = _checked(week, timezone, prewarm_minutes)
    try:
        present = find_hibernation(session, cluster).hours
    except NotFound:
        if given.week is None:
            raise
        present = Hours(given.week, zone_named("UTC"))
    return replace(
        present,
        week=given.week or present.week,
        zone=zone_named(given.zone) if given.zone else present.zone,
        prewarm=present.prewarm if prewarm_minutes is None else timedelta(minutes=prewarm_minutes),
        enabled=True,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """A week and the name of a zone, as they may be stored; None where none was given."""

    week: list[int] | None
    zone: str | None


def _checked(week: Sequence[int] | None, timezone: str | None, prewarm_minutes: int | None) -> _Given:
    if prewarm_minutes is not None and not 0 <= prewarm_minutes <= PREWARM_MAX:
        msg = f"a cluster wakes up 0 to {PREWARM_MAX} minutes early"
        raise InvalidInput(msg)
    return _Given(None if week is None else check_week(week), None if timezone is None else zone_named(timezone).key)


def set_schedule(
    session: TenantSession,
    actor: Actor,
    *,
    cluster: str,
    week: Sequence[int] | None = None,
    timezone: str | None = None,
    prewarm_minutes: int | None = None,
) -> HibernationSchedule:
    """Set the hours in which a cluster is awake; what is None stays as it is.

    Args:
        session: session of the tenant.
        actor: who does it.
        cluster: name or id.
        week: 168 hours of the local week, Monday 00:00 first, 1 = awake; needed the first time.
        timezone: IANA name of where the week is local; UTC the first time.
        prewarm_minutes: how early the cluster wakes up, 1 to 120; 0 is not early, as the first time.

    Returns:
        The schedule; as it was if nothing of it changes. A new one is enabled.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such cluster.
        Conflict: several clusters have this name.
        InvalidInput: the week is none, the zone is unknown, or the minutes are out of their limits.
    """
    require(actor, Action.MANAGE, attempt="hibernation.scheduled", resource=cluster, resource_type=_KIND)
    given = _checked(week, timezone, prewarm_minutes)
    found = find_cluster(session, cluster, for_update=True)
    schedule = find_schedule(session, found)
    before = None if schedule is None else _facts(schedule)
    if schedule is None:
        if given.week is None:
            msg = f"{found.name} has no hibernation yet: say when it is awake"
            raise InvalidInput(msg)
        schedule = HibernationSchedule(cluster_id=found.id, schedule_matrix=given.week, timezone="UTC", enabled=True)
        schedule.prewarm_enabled, schedule.applied_state = False, SleepState.AWAKE
        session.add(schedule)
    if given.week is not None and given.week != list(schedule.schedule_matrix):
        schedule.schedule_matrix = given.week
    schedule.timezone = given.zone or schedule.timezone
    if prewarm_minutes is not None:
        schedule.prewarm_enabled = prewarm_minutes > 0
        schedule.prewarm_minutes = prewarm_minutes or schedule.prewarm_minutes
    after = _facts(schedule)
    if after != before:
        session.flush()  # the next change in this transaction begins with it
        record(session, actor, "hibernation.scheduled", found.name, _KIND, before=before, after=after)
    return schedule


def set_schedule_enabled(session: TenantSession, actor: Actor, *, cluster: str, enabled: bool) -> HibernationSchedule:
    """Switch the hibernation of a cluster on or off. While it is off the cluster is to be awake.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such cluster, or it has no schedule.
        Conflict: several clusters have this name.
    """
    event = "hibernation.enabled" if enabled else "hibernation.disabled"
    require(actor, Action.MANAGE, attempt=event, resource=cluster, resource_type=_KIND)
    found = find_cluster(session, cluster, for_update=True)
    schedule = _needed(session, found)
    if schedule.enabled is not enabled:
        schedule.enabled = enabled
        session.flush()  # the next change in this transaction begins with it
        before, after = {"enabled": not enabled}, {"enabled": enabled}
        record(session, actor, event, found.name, _KIND, before=before, after=after)
    return schedule


def set_override(
    session: TenantSession,
    actor: Actor,
    *,
    cluster: str,
    state: SleepState,
    ends_at: datetime,
    reason: str,
    starts_at: datetime | None = None,
) -> HibernationOverride:
    """Let a cluster be awake or asleep for a while, whatever its schedule says; where several hold, the last one does.

    Args:
        session: session of the tenant.
        actor: who does it.
        cluster: name or id.
        state: what holds.
        ends_at: until when (UTC), at most 366 days ahead.
        reason: why, for people; up to 255 characters.
        starts_at: since when (UTC), not in the past; now when None.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such cluster, or it has no schedule.
        Conflict: several clusters have this name, hibernation is off, or the cluster has 100 overrides already.
        InvalidInput: it would end before it begins, begin in the past, or end later than in 366 days.
        ValueRefused: there is no reason, or a longer one.
    """
    require(actor, Action.MANAGE, attempt="hibernation.overridden", resource=cluster, resource_type=_KIND)
    now = utc_now()
    begins = starts_at or now
    if not now <= begins < ends_at <= now + OVERRIDE_MAX:
        msg = f"an override begins now or later, ends after that, and within {OVERRIDE_MAX.days} days"
        raise InvalidInput(msg)
    found = find_cluster(session, cluster, for_update=True)
    schedule = _needed(session, found)
    if not schedule.enabled:
        msg = f"hibernation of {found.name} is off, it stays awake: `spothive hibernation enable {found.name}` first"
        raise Conflict(msg)
    lasting = (HibernationOverride.schedule_id == schedule.id, HibernationOverride.ends_at > now)
    if (session.scalar(select(func.count()).select_from(HibernationOverride).where(*lasting)) or 0) >= OVERRIDES_MAX:
        msg = f"{found.name} has {OVERRIDES_MAX} overrides that are not over: cancel some, or change its week"
        raise Conflict(msg)
    override = HibernationOverride(
        schedule_id=schedule.id,
        starts_at=begins,
        ends_at=ends_at,
        state=state,
        reason=reason,
        created_by=actor.user_id,
        person_name=actor.username,
    )
    session.add(override)
    session.flush()  # its id is told, and the rule about the reason answers here
    record(session, actor, "hibernation.overridden", found.name, _KIND, after=_override_facts(override))
    return override


def cancel_override(session: TenantSession, actor: Actor, *, cluster: str, override: str) -> datetime | None:
    """End an override now if it holds, or take it back if it has not begun.

    Args:
        session: session of the tenant.
        actor: who does it.
        cluster: name or id.
        override: its id.

    Returns:
        When it ended (UTC), or None if it never began and is gone.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such cluster, or it has no such override that is not over.
        Conflict: several clusters have this name.
    """
    require(actor, Action.MANAGE, attempt="hibernation.override_cancelled", resource=cluster, resource_type=_KIND)
    found = find_cluster(session, cluster, for_update=True)
    now, kept = utc_now(), _override(session, found, id_in(override))
    if kept is None or kept.ends_at <= now:
        msg = f"{found.name} has no override {override[:60]!r} that is not over: see `spothive hibernation show`"
        raise NotFound(msg)
    before = _override_facts(kept)
    if kept.starts_at < now:
        kept.ends_at = now
        after: dict[str, Any] | None = {"ends_at": now.isoformat()}
    else:
        session.delete(kept)
        after = None
    session.flush()  # it is over for whatever follows in this transaction
    record(session, actor, "hibernation.override_cancelled", found.name, _KIND, before=before, after=after)
    return now if after else None


def find_schedule(session: TenantSession, cluster: Cluster) -> HibernationSchedule | None:
    """Return the schedule of a cluster, as the database has it now, if there is one."""
    query = select(HibernationSchedule).where(HibernationSchedule.cluster_id == cluster.id)
    return session.scalar(query.execution_options(populate_existing=True))


def _needed(session: TenantSession, cluster: Cluster) -> HibernationSchedule:
    schedule = find_schedule(session, cluster)
    if schedule is None:
        msg = f'{cluster.name} has no hibernation: `spothive hibernation set {cluster.name} --awake "mon-fri 07-19"`'
        raise NotFound(msg)
    return schedule


def _override(session: TenantSession, cluster: Cluster, override_id: UUID | None) -> HibernationOverride | None:
    query = (
        select(HibernationOverride)
        .join(HibernationSchedule, HibernationSchedule.id == HibernationOverride.schedule_id)
        .where(HibernationSchedule.cluster_id == cluster.id, HibernationOverride.id == override_id)
    )
    return session.scalar(query.execution_options(populate_existing=True))


def _facts(schedule: HibernationSchedule) -> dict[str, Any]:
    return {
        "awake": tell_week(schedule.schedule_matrix),
        "timezone": schedule.timezone,
        "prewarm_minutes": schedule.prewarm_minutes if schedule.prewarm_enabled else 0,
    }


def _override_facts(override: HibernationOverride) -> dict[str, Any]:
    return {
        "override": str(override.id),
        "state": override.state,
        "starts_at": override.starts_at.isoformat(),
        "ends_at": override.ends_at.isoformat(),
        "reason": override.reason,
    }
