"""Replicas: instances that stand by for one that AWS may take away, from the plan to the day they take over.

spothive decides and writes down; whoever runs the fleet starts and stops them at AWS and tells the outcome. Locks are
taken in one order: the account (shared, against discovery), the primary, its replica, then the pool.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import InvalidInput
from spothive.models import (
    Account,
    DowntimeCause,
    DowntimeLog,
    GlobalRiskEvent,
    Instance,
    InstanceState,
    Lifecycle,
    RiskSource,
    SpotEventType,
)
from spothive.models.fleet.instances import NO_REPLICA, PLANNED
from spothive.operations.fleet.reconcile import GONE
from spothive.operations.risk.notices import SpotNotice
from spothive.operations.risk.zones import best_zone
from spothive.operations.sla import open_downtime
from spothive.schema.types import new_id

TWO_MINUTES: Final = timedelta(seconds=120)
"""How long AWS lets an instance run after a termination notice ("Spot Instance interruption notices", EC2 guide)."""

ONE_END: Final = timedelta(hours=24)
"""Termination notices about one instance that lie no further apart tell of one and the same end."""

REPLICAS_MAX: Final = 10_000
"""Most replicas that are listed at once."""

ENDING: Final = frozenset({InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED})
"""States from which no instance comes back."""

_STANDING_BY: Final = frozenset({InstanceState.PENDING, InstanceState.RUNNING})
_TAKEN_OVER = "taken_over_by"
"""In an outage of no second: which replica took over from an instance that was found gone before AWS said so."""


_UNSEEN = "unseen"
"""Marks a row that AWS has never described: discovery writes the metadata anew when it does."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an announcement did to the replicas of its instance, and to what spothive answers for.

    Attributes:
        reason: the same in words.
        planned: id of the replica that is planned now.
        zone: where it is to be started.
        promoted: EC2's id of the replica that took over.
        retired: EC2's id of the replica that was given up.
        down_since: since when nobody stands in (UTC), if nobody does or did.
        down_until: until when; None while it lasts.
    """

    reason: str
    planned: str | None = None
    zone: str | None = None
    promoted: str | None = None
    retired: str | None = None
    down_since: datetime | None = None
    down_until: datetime | None = None

    def facts(self) -> dict[str, Any]:
        """Return what the audit trail says of it."""
        moments = {name: value and value.isoformat() for name, value in self._moments().items()}
        named = {"planned": self.planned, "zone": self.zone, "promoted": self.promoted, "retired": self.retired}
        return {name: value for name, value in (named | moments).items() if value is not None}

    def _moments(self) -> dict[str, datetime | None]:
        return {"down_since": self.down_since, "down_until": self.down_until}


@dataclass(frozen=True, slots=True)
class ListedReplica:
    """A replica with its account and the instance it stands by for."""

    replica: Instance
    account_name: str
    primary: Instance


def list_replicas(session: TenantSession, *, everything: bool = False, limit: int = 500) -> list[ListedReplica]:
    """Return the replicas that are planned or stand by, those that expire first leading; one statement.

    Args:
        session: session of the tenant.
        everything: those that ended without taking over, too.
        limit: at most so many.

    Raises:
        InvalidInput: ``limit`` is not 1 to 10,000.
    """
    if not 1 <= limit <= REPLICAS_MAX:
        msg = f"a list has 1 to {REPLICAS_MAX} replicas"
        raise InvalidInput(msg)
    primary = aliased(Instance)
    query = (
        select(Instance, Account.account_name, primary)
        .join(primary, primary.id == Instance.replica_of_id)
        .join(Account, Account.id == Instance.account_id)
        .where(Instance.replica_of_id.is_not(None), Account.disconnecting_at.is_(None))
    )
    if not everything:
        query = query.where(Instance.terminated_at.is_(None))
    rows = session.execute(query.order_by(Instance.replica_expiry, Instance.id).limit(limit))
    return [ListedReplica(*row) for row in rows]


# --- what follows from an announcement -------------------------------------------------------------------------------


def standby_of(session: TenantSession, instance: Instance) -> Instance | None:
    """Return the replica that is planned or stands by for an instance, locked; the instance is locked before."""
    query = select(Instance).where(Instance.replica_of_id == instance.id, Instance.terminated_at.is_(None))
    return session.scalar(query.with_for_update())


def announced(session: TenantSession, instance_ids: Collection[str], *, near: datetime | None = None) -> set[str]:
    """Return those of the tenant's instances whose termination AWS has announced; only in system scope.

    A notice from before the last start of an instance was about an earlier run of it: AWS may stop a spot instance, or
    let it hibernate, and start it again.

    Args:
        session: session of the tenant, in system scope.
        instance_ids: EC2's ids.
        near: announced within :data:`ONE_END` of this moment only; at any time if None.
    """
    query = (
        select(RiskSource.instance_id)
        .join(GlobalRiskEvent, GlobalRiskEvent.id == RiskSource.risk_event_id)
        .outerjoin(
            Instance,
            and_(Instance.tenant_id == RiskSource.source_client_id, Instance.instance_id == RiskSource.instance_id),
        )
        .where(RiskSource.source_client_id == session.tenant_id)
        .where(is_any_of(session, RiskSource.instance_id, instance_ids))
        .where(GlobalRiskEvent.event_type == SpotEventType.TERMINATION_NOTICE)
        .where(or_(Instance.launched_at.is_(None), GlobalRiskEvent.reported_at >= Instance.launched_at))
    )
    if near is not None:
        query = query.where(GlobalRiskEvent.reported_at.between(near - ONE_END, near + ONE_END))
    return set(session.scalars(query))


def follow(
    session: TenantSession,
    notice: SpotNotice,
    instance: Instance,
    standby: Instance | None,
    *,
    was_announced: bool,
    lifetime: timedelta,
) -> Consequence:
    """Do to the replicas of an instance what a new announcement about it asks for.

    Args:
        session: session of the tenant.
        notice: what AWS announced; its event is written and has blocked its pool if it does.
        instance: whom it is about, locked.
        standby: its replica, locked.
        was_announced: whether its termination had been announced before.
        lifetime: how long a replica that is planned now stands by.
    """
    rebalance = notice.event_type is SpotEventType.REBALANCE_NOTICE
    if was_announced:
        return Consequence("its end was announced before")
    if rebalance and (instance.is_replica or instance.state in ENDING or standby is not None):
        return Consequence(_why_no_replica(instance, standby))
    if rebalance:
        return _plan(session, instance, lifetime)
    if instance.is_replica:
        retire(instance)
        return Consequence("this replica is given up", retired=instance.instance_id)
    return _taken(session, instance, standby, notice.reported_at + TWO_MINUTES, lifetime)


def _why_no_replica(instance: Instance, standby: Instance | None) -> str:
    if instance.is_replica:
        return "a replica has none of its own"
    return "it is gone" if standby is None else "it has a replica"


def _taken(
    session: TenantSession, instance: Instance, standby: Instance | None, at: datetime, lifetime: timedelta
) -> Consequence:
    """Let somebody take over from an instance that AWS takes ``at`` that moment, or note that nobody does."""
    if standby is not None and stands_by(standby):
        down = _gap(session, instance, at, standby.launched_at or at)
        promote(standby)
        return _with_gap(Consequence(f"replica {standby.instance_id} took over", promoted=standby.instance_id), down)
    earlier = _takeover(session, instance)
    if earlier is not None:  # found gone before, it has a successor
        down = _gap(session, instance, at, earlier.start_time)
        return _with_gap(Consequence("its replica took over before"), down)
    outage = open_downtime(session, instance, DowntimeCause.NO_REPLICA, at, details="no replica stood by")
    if standby is not None and standby.is_planned:
        standby.replica_expiry = utc_now() + lifetime  # it is needed now
        return Consequence("no replica stands by yet", down_since=outage.start_time)
    if standby is not None:  # it was started and stopped
        retire(standby)
        session.flush()  # it makes room for the next
    plan = _plan(session, instance, lifetime)
    return Consequence(
        f"no replica stands by; {plan.reason}",
        planned=plan.planned,
        zone=plan.zone,
        retired=standby.instance_id if standby else None,
        down_since=outage.start_time,
    )


def _gap(session: TenantSession, instance: Instance, since: datetime, until: datetime) -> DowntimeLog | None:
    """Write down that an instance was gone before its replica was there, if it was so."""
    if until.replace(microsecond=0) <= since.replace(microsecond=0):
        return None
    details = "its replica came late"
    return open_downtime(session, instance, DowntimeCause.NO_REPLICA, since, end=until, details=details)


def _with_gap(consequence: Consequence, down: DowntimeLog | None) -> Consequence:
    if down is None:
        return consequence
    return Consequence(
        f"{consequence.reason}, late",
        promoted=consequence.promoted,
        down_since=down.start_time,
        down_until=down.end_time,
    )


def _plan(session: TenantSession, instance: Instance, lifetime: timedelta) -> Consequence:
    zone = best_zone(session, instance)
    if zone is None:
        return Consequence("every known pool of its type is blocked: no replica")
    row_id = new_id()
    replica = Instance(
        id=row_id,
        instance_id=f"{PLANNED}{row_id.hex}",
        account_id=instance.account_id,
        cluster_id=instance.cluster_id,
        instance_type=instance.instance_type,
        region=instance.region,
        availability_zone=zone,
        state=InstanceState.PENDING,
        lifecycle=Lifecycle.SPOT,
        cpu=instance.cpu,
        memory=instance.memory,
        orchestrator_type=instance.orchestrator_type,
        cluster_membership=dict(instance.cluster_membership) if instance.cluster_membership else None,
        pipeline_mode=instance.pipeline_mode,
        is_replica=True,
        replica_of_id=instance.id,
        replica_expiry=utc_now() + lifetime,
        content_hash=GONE,
        instance_metadata={_UNSEEN: True},
    )
    session.add(replica)
    session.flush()  # whether it is the one live replica is decided here
    return Consequence(f"replica planned in {zone}", planned=replica.instance_id, zone=zone)


# --- the life of a replica --------------------------------------------------------------------------------------------


def stands_by(replica: Instance) -> bool:
    """Tell whether a replica runs, or is about to, and can take over."""
    return not replica.is_planned and replica.state in _STANDING_BY


def is_unseen(instance: Instance) -> bool:
    """Tell whether only an outcome says that an instance exists: whoever tells could make it up."""
    return _UNSEEN in instance.instance_metadata


def promote(replica: Instance) -> None:
    """Let a replica be an instance like any other, in the place of its primary."""
    for name, value in NO_REPLICA.items():
        setattr(replica, name, value)


def retire(replica: Instance) -> None:
    """End a replica that is not needed, or gone; one that AWS goes on listing is then an instance like any other."""
    replica.state, replica.content_hash = InstanceState.TERMINATED, GONE
    replica.terminated_at = replica.terminated_at or utc_now()


def note_takeover(session: TenantSession, primary: Instance, replica: Instance) -> None:
    """Remember who took over from an instance that was found gone: its termination notice may still come."""
    at = replica.launched_at or utc_now()
    details = "found gone; its replica took over"
    outage = open_downtime(session, primary, DowntimeCause.NO_REPLICA, at, end=at, details=details)
    outage.downtime_metadata = {_TAKEN_OVER: replica.instance_id}


def _takeover(session: TenantSession, instance: Instance) -> DowntimeLog | None:
    """Return what :func:`note_takeover` wrote about an instance."""
    query = select(DowntimeLog).where(
        DowntimeLog.instance_id == instance.instance_id, DowntimeLog.cause == DowntimeCause.NO_REPLICA
    )
    return next((row for row in session.scalars(query) if _TAKEN_OVER in row.downtime_metadata), None)
