"""The lease by which one run at a time puts a cluster to sleep or wakes it: taking it, keeping it, giving it back.

Every function here is called inside a block. Rows are locked in one order: account, cluster, schedule, request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, select, update

from spothive.database import TenantSession
from spothive.errors import Conflict, SpothiveError
from spothive.keyring import Keys
from spothive.models import (
    Account,
    AccountStatus,
    ApprovalAction,
    ApprovalRequest,
    Cluster,
    HibernationOverride,
    HibernationSchedule,
    ResourceType,
    SleepState,
)
from spothive.operations.actor import Actor
from spothive.operations.approvals import request_approval
from spothive.operations.approvals.reading import database_clock
from spothive.operations.approvals.targets import find_target, plan_hash
from spothive.operations.audit import record_failure
from spothive.operations.clusters.due import Judgement, Step, judge, payload_of
from spothive.operations.clusters.policies import find_policy
from spothive.operations.fleet.access import Access, read_access
from spothive.schema.types import clock_timestamp

LEASE: Final = timedelta(minutes=10)
"""How long a run has for one change at AWS before another run may take the cluster over.

More than ``ConnectionOptions.longest_call`` with the most attempts that settings allow (8): no change is still tried
when the lease is over.
"""

APPLIED: Final = "hibernation.applied"
"""What it is called in the audit trail."""

_OBSTACLE_MAX = 2000


class LeaseLost(Conflict):
    """The run took so long that another one may be at the cluster, or is."""


class Forgotten(Conflict):
    """Meanwhile cluster, schedule or account were deleted, or the account is being disconnected: nobody goes on."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A cluster that this run alone may scale.

    Attributes:
        cluster_id: row of the cluster.
        cluster: its name.
        region: AWS region.
        schedule_id: row of its schedule.
        token: proves that the lease is ours.
        to: what the cluster is to become.
        applied: what it was made last.
        restore: sizes that are stored already, by group.
        request_id: approval to be used up as it falls asleep.
        note: why it is not what its hours say.
        access: how its account is reached.
    """

    cluster_id: UUID
    cluster: str
    region: str
    schedule_id: UUID
    token: UUID
    to: SleepState
    applied: SleepState
    restore: dict[str, Any]
    request_id: UUID | None
    note: str | None
    access: Access


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Why there is nothing to do about a cluster for this run.

    Attributes:
        step: what is to be done about it; SLEEP or WAKE if something is in the way.
        note: why it is not done.
        taken: whether another run is at it.
    """

    step: Step
    note: str | None
    taken: bool = False


def claim(
    session: TenantSession, actor: Actor, cluster_id: UUID, now: datetime | None, keys: Keys
) -> Claim | NotClaimed:
    """Decide anew what is to be done about a cluster, and take the lease if it is to be scaled.

    Asks for the approval that a sleep takes, if nobody was asked yet. What is in the way is written down. It is
    decided for ``now``; for the present, by the database's clock, when that is None.
    """
    found = _locked(session, cluster_id)
    if found is None:
        return NotClaimed(Step.NONE, "it is gone, or its account is being disconnected")
    account, cluster, schedule = found
    clock = database_clock(session)
    if schedule.leased_until is not None and schedule.leased_until > clock:
        note = f"another run is at it; should that have died, another may begin at {schedule.leased_until:%H:%M:%S} UTC"
        return NotClaimed(Step.NONE, note, taken=True)
    judged = _judged(session, actor, cluster, schedule, now=now or clock, clock=clock)
    if judged.step not in {Step.SLEEP, Step.WAKE}:
        return NotClaimed(judged.step, judged.note)
    try:
        if judged.step is Step.SLEEP and account.status is AccountStatus.FAILED:
            msg = f"account {account.account_name} has failed ({account.status_reason}): mend that and recheck it"
            raise Conflict(msg)
        access = read_access(session, account.account_id, keys)
    except SpothiveError as error:
        note_obstacle(session, actor, cluster.name, schedule, error)
        return NotClaimed(judged.step, str(error))
    token = uuid4()
    schedule.lease_token, schedule.leased_until = token, clock + LEASE
    return Claim(
        cluster.id,
        cluster.name,
        cluster.region,
        schedule.id,
        token,
        SleepState.ASLEEP if judged.step is Step.SLEEP else SleepState.AWAKE,
        schedule.applied_state,
        dict(schedule.restore_state or {}),
        judged.request_id,
        judged.note,
        access,
    )


def held(session: TenantSession, mine: Claim) -> HibernationSchedule:
    """Return the schedule, locked with its cluster, if the lease is still ours; and extend it.

    Raises:
        LeaseLost: it is not.
        Forgotten: there is nothing to go on with.
    """
    found = _locked(session, mine.cluster_id)
    if found is None:
        raise _forgotten(mine)
    if found[2].lease_token != mine.token or not _lasts(session, found[2]):
        raise _lost(mine)
    found[2].leased_until = database_clock(session) + LEASE
    return found[2]


def keep(session: TenantSession, mine: Claim) -> None:
    """Extend the lease, if it is still ours.

    Raises:
        LeaseLost, Forgotten: it is not.
    """
    until = database_clock(session) + LEASE
    change(session, mine, leased_until=until)


def change(session: TenantSession, mine: Claim, **values: Any) -> None:
    """Write to the schedule, if the lease is still ours and nobody applied anything meanwhile.

    Raises:
        LeaseLost, Forgotten: it is not.
    """
    unchanged = HibernationSchedule.applied_state == mine.applied
    write = update(HibernationSchedule).where(*ours(mine), unchanged).values(**values)
    written = session.execute(
        write.returning(HibernationSchedule.id), execution_options={"synchronize_session": False}
    ).all()
    if not written:
        there = session.scalar(select(HibernationSchedule.id).where(HibernationSchedule.id == mine.schedule_id))
        raise _lost(mine) if there else _forgotten(mine)


def ours(mine: Claim) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which the lease is ours."""
    return (
        HibernationSchedule.id == mine.schedule_id,
        HibernationSchedule.lease_token == mine.token,
        HibernationSchedule.leased_until > clock_timestamp(),
    )


def give_back(session: TenantSession, actor: Actor, mine: Claim, error: SpothiveError | None) -> None:
    """Let another run begin at once, and note what was in the way; nothing if the lease is not ours."""
    query = select(HibernationSchedule).where(*ours(mine)).with_for_update()
    schedule = session.scalar(query, execution_options={"populate_existing": True})
    if schedule is None:
        return
    schedule.lease_token = schedule.leased_until = None
    if error is not None:
        note_obstacle(session, actor, mine.cluster, schedule, error)


def note_obstacle(
    session: TenantSession, actor: Actor, cluster: str, schedule: HibernationSchedule, error: SpothiveError
) -> None:
    """Note what is in the way; in the audit trail too, unless it has been in the way since an earlier run."""
    text = str(error)[:_OBSTACLE_MAX] or type(error).__name__
    if schedule.obstacle != text:
        schedule.obstacle = text
        record_failure(session, actor, APPLIED, cluster, ResourceType.HIBERNATION, reason=error)


def _locked(session: TenantSession, cluster_id: UUID) -> tuple[Account, Cluster, HibernationSchedule] | None:
    """Return account, cluster and schedule, as they are now; the last two locked, and the account not to be removed."""
    fresh = {"populate_existing": True}
    of_cluster = (
        select(Account)
        .join(Cluster, Cluster.account_id == Account.id)
        .where(Cluster.id == cluster_id, Account.disconnecting_at.is_(None))
    )
    account = session.scalar(of_cluster.with_for_update(read=True, of=Account), execution_options=fresh)
    query = select(Cluster).where(Cluster.id == cluster_id).with_for_update()
    cluster = session.scalar(query, execution_options=fresh) if account else None
    mine = select(HibernationSchedule).where(HibernationSchedule.cluster_id == cluster_id).with_for_update()
    schedule = session.scalar(mine, execution_options=fresh) if cluster else None
    return (account, cluster, schedule) if account and cluster and schedule else None


def _lasts(session: TenantSession, schedule: HibernationSchedule) -> bool:
    return schedule.leased_until is not None and schedule.leased_until > database_clock(session)


def _lost(mine: Claim) -> LeaseLost:
    return LeaseLost(f"the run took too long for {mine.cluster}: another one goes on where it was")


def _forgotten(mine: Claim) -> Forgotten:
    msg = (
        f"{mine.cluster}, its schedule or its account was deleted meanwhile: nobody goes on, and its groups stay as "
        "they are at AWS; look there which have no nodes"
    )
    return Forgotten(msg)


def _judged(
    session: TenantSession,
    actor: Actor,
    cluster: Cluster,
    schedule: HibernationSchedule,
    *,
    now: datetime,
    clock: datetime,
) -> Judgement:
    """Decide by what the database has now; a sleep that takes an approval is asked for if nobody was."""
    lasting = (HibernationOverride.schedule_id == schedule.id, HibernationOverride.ends_at > now)
    overrides = session.scalars(select(HibernationOverride).where(*lasting)).all()
    policy = find_policy(session, cluster)
    config = policy.config if policy else None
    request = session.get(ApprovalRequest, schedule.request_id) if schedule.request_id else None
    judged = judge(schedule, overrides, config, request, now, clock=clock)
    stale = judged.request_id is not None and request is not None and not _is_for(session, request)
    if judged.step is not Step.ASK and not stale:
        return judged
    until = f"until {judged.until:%Y-%m-%d %H:%M} UTC" if judged.until else "for good"
    request = request_approval(
        session,
        actor,
        action=ApprovalAction.HIBERNATE_CLUSTER,
        target_id=cluster.id,
        description=f"Put {cluster.name} in {cluster.region} to sleep {until}: its node groups are scaled to nothing",
        payload=payload_of(judged.until),
        by_spothive=True,
    )
    schedule.request_id = request.id
    return judge(schedule, overrides, config, request, now, clock=clock)


def _is_for(session: TenantSession, request: ApprovalRequest) -> bool:
    """Tell whether a request is for the cluster as it is now."""
    assert request.cluster_id is not None  # noqa: S101 - the rule target
    target = find_target(session, request.action_type, request.cluster_id)
    return plan_hash(request.action_type, request.action_payload, target.observed) == request.plan_hash
