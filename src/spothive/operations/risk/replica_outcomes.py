"""What became of replicas: started, failed or stopped as whoever runs the fleet tells, or past their time."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import aliased

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import TenantSession, system_scope
from spothive.database.bulk import update_rows
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, AuthStatus, DowntimeCause, Instance, InstanceState, ResourceType
from spothive.models.fleet.instances import NO_REPLICA, PLANNED
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.reconcile import GONE
from spothive.operations.identity import Action, require
from spothive.operations.risk.notices import INSTANCE_ID, shortly
from spothive.operations.risk.replicas import ENDING, announced, note_takeover, promote, retire, stands_by
from spothive.operations.sla import end_outages
from spothive.operations.sla.told import tell_of_end
from spothive.schema.states import move

_PLANNED_ID: Final = re.compile(rf"{PLANNED}([0-9a-f]{{32}})")
_EARLY: Final = timedelta(hours=24)
"""How long before it was planned a replica may have been started, as where its event came late."""

_CALLED: Final = "replicas"
"""How the audit trail calls all of a tenant's replicas together."""


class ReplicaOutcome(enum.StrEnum):
    """What became of a replica at AWS."""

    LAUNCHED = "launched"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ReplicaResult:
    """What an outcome changed.

    Attributes:
        replica: EC2's id of the replica; the planned one if it has none.
        reason: what was done, in words.
        changed: whether anything was; an outcome that is told again changes nothing.
        promoted: whether the replica took over at once.
        outages_ended: outages of its primary that are over.
    """

    replica: str
    reason: str
    changed: bool = True
    promoted: bool = False
    outages_ended: int = 0


@dataclass(frozen=True, slots=True)
class ReplicasExpired:
    """Replicas past their time by their ids, and how many outages those ended that took over."""

    promoted: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    outages_ended: int = 0


def record_replica_outcome(
    session: TenantSession,
    actor: Actor,
    *,
    replica: str,
    outcome: ReplicaOutcome,
    instance_id: str | None = None,
    at: datetime | None = None,
) -> ReplicaResult:
    """Take what became of a replica at AWS; of several who tell at once one is first, and the rest find it done.

    One that was started stands by; if its primary is gone, or about to go, it takes over at once and the outage is
    over. One that failed or was stopped ends, and the next announcement may plan another.

    Args:
        session: session of the tenant.
        actor: who tells.
        replica: the id it was planned under, or EC2's.
        outcome: what became of it.
        instance_id: EC2's id of a replica that was started, and of no other.
        at: when (UTC); now if None.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such replica.
        InvalidInput: a started replica has no id of EC2's, another one has, or the time is in the future.
        Conflict: it took over or ended before; or EC2's id is that of something else.
    """
    event = f"replica.{outcome}"
    require(actor, Action.MANAGE, attempt=event, resource=replica, resource_type=ResourceType.INSTANCE)
    started = _check(outcome, instance_id, at)
    row, primary = _locked(session, replica)
    known_as = row.instance_id
    result = _outcome(session, row, primary, started)
    if result.changed:
        session.flush()  # a refusal is this verb's, not the commit's
        after: dict[str, Any] = {"replica": result.replica, "primary": primary and primary.instance_id}
        after |= {"promoted": result.promoted, "outages_ended": result.outages_ended}
        record(session, actor, event, known_as, ResourceType.INSTANCE, after=after)
    return result


@dataclass(frozen=True, slots=True)
class _Started:
    """EC2's id of a replica that was started, and when."""

    instance_id: str
    at: datetime


def _check(outcome: ReplicaOutcome, instance_id: str | None, at: datetime | None) -> _Started | None:
    """Return what is told of a replica that was started; None of any other."""
    now = utc_now()
    if outcome is ReplicaOutcome.LAUNCHED and not INSTANCE_ID.fullmatch(instance_id or ""):
        msg = f"a replica that was started has an id of EC2's, such as i-0123456789abcdef0; got {shortly(instance_id)}"
        raise InvalidInput(msg)
    if outcome is not ReplicaOutcome.LAUNCHED and instance_id is not None:
        msg = "an id of EC2's is told of a replica that was started, and of no other"
        raise InvalidInput(msg)
    if at is not None and at > now + CLOCKS_DIFFER:
        msg = f"{at:%Y-%m-%d %H:%M:%S} UTC is in the future: tell what became of a replica once it did"
        raise InvalidInput(msg)
    return _Started(instance_id, min(at or now, now)) if instance_id else None


def _locked(session: TenantSession, replica: str) -> tuple[Instance, Instance | None]:
    """Return a replica and its primary, both locked in the order in which everybody locks them.

    Raises:
        NotFound: there is none, or its account is being disconnected.
        Conflict: another outcome was first.
    """
    planned = _PLANNED_ID.fullmatch(replica)
    called = Instance.id == UUID(planned[1]) if planned else Instance.instance_id == replica
    found = session.execute(select(Instance.id, Instance.account_id, Instance.replica_of_id).where(called)).first()
    account = select(Account.id).where(Account.disconnecting_at.is_(None))
    shared = account.where(Account.id == found.account_id).with_for_update(read=True) if found else None
    if found is None or shared is None or session.scalar(shared) is None:
        msg = f"no replica is called {replica[:60]!a}: see `spothive replica list`"
        raise NotFound(msg)
    primary = session.scalar(select(Instance).where(Instance.id == found.replica_of_id).with_for_update())
    row = session.scalar(select(Instance).where(Instance.id == found.id).with_for_update())
    if row is None:
        msg = f"another outcome of {replica} was told first: see `spothive replica list`"
        raise Conflict(msg)
    return row, primary


def _outcome(
    session: TenantSession, row: Instance, primary: Instance | None, started: _Started | None
) -> ReplicaResult:
    told_before = ReplicaResult(row.instance_id, "was told before", changed=False)
    if started and row.instance_id == started.instance_id and row.terminated_at is None:
        return told_before
    if primary is None or not row.is_replica:
        msg = f"{row.instance_id} is no replica, or took over: what becomes of it is found by the next discovery"
        raise Conflict(msg)
    if row.terminated_at is not None:
        if started is None:
            return told_before
        ended = f"{row.terminated_at:%Y-%m-%d %H:%M} UTC"
        msg = f"{row.instance_id} was given up at {ended}: terminate {started.instance_id} at AWS, it replaces nothing"
        raise Conflict(msg)
    if started:
        return _launched(session, row, primary, started)
    retire(row)
    return ReplicaResult(row.instance_id, "ended")


def _launched(session: TenantSession, row: Instance, primary: Instance, told: _Started) -> ReplicaResult:
    instance_id = told.instance_id
    if told.at < row.created_at - _EARLY:
        msg = (
            f"it was planned at {row.created_at:%Y-%m-%d %H:%M} UTC and cannot have started a day before: correct --at"
        )
        raise InvalidInput(msg)
    if not row.is_planned:
        msg = f"the replica of {primary.instance_id} runs as {row.instance_id}: terminate {instance_id} at AWS"
        raise Conflict(msg)
    with system_scope(session, "a replica was started: did AWS announce the end of its primary?"):
        leaving = announced(session, [primary.instance_id, instance_id])
    if instance_id in leaving:
        msg = f"AWS has announced to take {instance_id} away: tell that the replica failed"
        raise Conflict(msg)
    started = _at_ec2(session, row, told)
    if primary.instance_id not in leaving and primary.state not in ENDING:
        return ReplicaResult(instance_id, f"stands by for {primary.instance_id}")
    promote(started)
    ended = end_outages(session, {primary.instance_id: told.at}, cause=DowntimeCause.NO_REPLICA)
    tell_of_end(session, ended)
    if primary.instance_id not in leaving:
        note_takeover(session, primary, started)
    return ReplicaResult(instance_id, f"took over from {primary.instance_id}", promoted=True, outages_ended=len(ended))


def _at_ec2(session: TenantSession, row: Instance, told: _Started) -> Instance:
    """Give a planned replica the id that EC2 gave it; return its row, which discovery may have made already."""
    instance_id = told.instance_id
    found = session.scalar(select(Instance).where(Instance.instance_id == instance_id).with_for_update())
    if found is None:
        row.instance_id, row.state, row.launched_at = instance_id, InstanceState.RUNNING, told.at
        return row
    if found.account_id != row.account_id:
        msg = f"{instance_id} is held by another account: a replica runs in the account of its primary"
        raise Conflict(msg)
    if found.is_replica or found.id == row.replica_of_id or found.state in ENDING:
        msg = f"{instance_id} cannot be this replica: it is another one, its own primary, or gone"
        raise Conflict(msg)
    standing_for = {"is_replica": True, "replica_of_id": row.replica_of_id, "replica_expiry": row.replica_expiry}
    session.execute(delete(Instance).where(Instance.id == row.id))  # a primary has one live replica
    for name, value in standing_for.items():
        setattr(found, name, value)
    if found.auth_status in {AuthStatus.FLAGGED, AuthStatus.UNAUTHORIZED}:  # it is ours
        session.flush()
        move(session, found, Instance.auth_status, AuthStatus.AUTHORIZED, flagged_at=None)
    return found


def expire_replicas(session: TenantSession, actor: Actor, *, now: datetime | None = None) -> ReplicasExpired:
    """End what replicas past their time were planned for; a constant number of statements.

    If the primary lives it was a false alarm, and the replica is given up; whoever runs the fleet terminates it. If the
    primary is gone, a replica that stands by takes over, and one that does not is given up.

    Args:
        session: session of the tenant.
        actor: who asks.
        now: what has expired by then (UTC); by now if None.

    Raises:
        Denied: the role does not allow it.
    """
    require(actor, Action.MANAGE, attempt="replicas.expired", resource=_CALLED, resource_type=ResourceType.RISK)
    moment = now or utc_now()
    due = (
        Instance.replica_of_id.is_not(None),
        Instance.terminated_at.is_(None),
        Instance.replica_expiry <= moment,
    )
    # Held alone, the accounts keep everybody out who locks single instances of them.
    accounts = select(Account.id).where(
        Account.id.in_(select(Instance.account_id).where(*due)), Account.disconnecting_at.is_(None)
    )
    held = session.scalars(accounts.order_by(Account.id).with_for_update()).all()
    primary = aliased(Instance)
    query = select(Instance, primary).join(primary, primary.id == Instance.replica_of_id)
    pairs = [(row[0], row[1]) for row in session.execute(query.where(*due, Instance.account_id.in_(held)))]
    if not pairs:
        return ReplicasExpired()
    result = _expire(session, pairs, moment)
    after: dict[str, Any] = {"promoted": result.promoted, "retired": result.retired}
    after["outages_ended"] = result.outages_ended
    record(session, actor, "replicas.expired", _CALLED, ResourceType.RISK, after=after)
    return result


def _expire(session: TenantSession, pairs: list[tuple[Instance, Instance]], moment: datetime) -> ReplicasExpired:
    with system_scope(session, "replicas expire: did AWS announce the end of their primaries?"):
        leaving = announced(session, [primary.instance_id for _, primary in pairs])
    gone = [(r, p) for r, p in pairs if p.instance_id in leaving or p.state in ENDING]
    successors = [(replica, primary) for replica, primary in gone if stands_by(replica)]
    heirs = {replica.id for replica, _ in successors}
    retired = [replica for replica, _ in pairs if replica.id not in heirs]
    base = {"tenant_id": session.tenant_id, "updated_at": utc_now()}
    over = {"state": InstanceState.TERMINATED, "terminated_at": moment, "content_hash": GONE}
    update_rows(session, Instance, [base | {"id": replica.id} | over for replica in retired])
    update_rows(session, Instance, [base | {"id": each} | NO_REPLICA for each in sorted(heirs)])
    ends = {primary.instance_id: replica.launched_at or moment for replica, primary in successors}
    ended = end_outages(session, ends, cause=DowntimeCause.NO_REPLICA)
    tell_of_end(session, ended)
    for replica, primary in successors:
        if primary.instance_id not in leaving:
            note_takeover(session, primary, replica)
    promoted = sorted(replica.instance_id for replica, _ in successors)
    return ReplicasExpired(promoted, sorted(replica.instance_id for replica in retired), len(ended))
