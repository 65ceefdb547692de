"""What is to be done about the hibernation of clusters: the hours, the approvals, and how far earlier runs came."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select, update

from spothive.database import TenantSession
from spothive.errors import InvalidInput
from spothive.models import (
    Account,
    ApprovalRequest,
    ApprovalStatus,
    Cluster,
    ClusterPolicy,
    HibernationOverride,
    HibernationSchedule,
    SleepState,
)
from spothive.operations.clusters.hibernation import find_hibernation
from spothive.operations.clusters.hours import DAYS_MAX, Hours, hours_of, plan, state_at
from spothive.schema.types import clock_timestamp

_AHEAD: Final = 8
"""Days in which nearly every sleep ends: without a long override, only that of a week that is asleep throughout."""


_PRESENT: Final = select(clock_timestamp()).scalar_subquery()
"""The database's time of day, asked once a statement: the clocks of two processes that run this may differ."""


class Step(enum.StrEnum):
    """What is to be done about a cluster now."""

    NONE = "none"
    SLEEP = "sleep"
    WAKE = "wake"
    ASK = "ask"
    """It is to sleep, and nobody was asked for approval yet."""
    WAIT = "wait"
    """It is to sleep, and waits for an approval."""
    STAY = "stay"
    """It is to sleep, and that was not approved: it stays awake until the next time."""
    UNKNOWN = "unknown"
    """Nobody can tell, and it is awake."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be done about a cluster, and why.

    Attributes:
        step: what.
        note: why it is not what its hours say, or cannot be; for people.
        until: when the sleep that is due ends (UTC); None if it does not, or where no approval is needed.
        request_id: the approval that the sleep takes and that is not used up yet.
    """

    step: Step
    note: str | None = None
    until: datetime | None = None
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DueHibernation:
    """A cluster about which something is to be done or told.

    Attributes:
        cluster_id: row of the cluster.
        cluster: its name.
        account_name: account it is in.
        region: AWS region.
        applied: what spothive made of it last.
        step: what is to be done.
        note: why it is not what its hours say; for people.
    """

    cluster_id: UUID
    cluster: str
    account_name: str
    region: str
    applied: SleepState
    step: Step
    note: str | None


def due_hibernation(
    session: TenantSession, *, cluster: str | None = None, now: datetime | None = None
) -> list[DueHibernation]:
    """Return the clusters about whose hibernation something is to be done or told, those to be woken first.

    Two statements, whatever their number; three more for one ``cluster``.

    Args:
        session: of the tenant.
        cluster: name or id of the only one to look at; all of the tenant's when None.
        now: the moment (UTC); the present by the database's clock when None.

    Raises:
        NotFound: no such cluster, or it has no schedule.
        Conflict: several clusters have this name.
    """
    return [due for due, _ in _due(session, cluster, now)]


def due_and_tidied(session: TenantSession, cluster: str | None, now: datetime | None) -> list[DueHibernation]:
    """Return the same, and forget what was in the way of clusters about which nothing is to be done any more."""
    found = _due(session, cluster, now, every=True)
    settled = [schedule.id for due, schedule in found if due.step is Step.NONE and schedule.obstacle is not None]
    if settled:
        forget = update(HibernationSchedule).where(HibernationSchedule.id.in_(settled)).values(obstacle=None)
        session.execute(forget, execution_options={"synchronize_session": False})
    return [due for due, _ in found if due.step is not Step.NONE]


def _due(
    session: TenantSession, cluster: str | None, now: datetime | None, *, every: bool = False
) -> list[tuple[DueHibernation, HibernationSchedule]]:
    query = _schedules()
    if cluster is not None:
        query = query.where(Cluster.id == find_hibernation(session, cluster, since=now).cluster.id)
    overrides: dict[UUID, list[HibernationOverride]] = defaultdict(list)
    for override in session.scalars(_overrides(now)):
        overrides[override.schedule_id].append(override)
    found = []
    for clock, schedule, target, account_name, config, request in session.execute(query):
        judged = judge(schedule, overrides[schedule.id], config, request, now or clock, clock=clock)
        facts = (target.id, target.name, account_name, target.region, schedule.applied_state)
        if every or judged.step is not Step.NONE:
            found.append((DueHibernation(*facts, judged.step, judged.note), schedule))
    return sorted(found, key=lambda pair: pair[0].step is not Step.WAKE)


def _schedules() -> Select[Any]:
    return (
        select(_PRESENT, HibernationSchedule, Cluster, Account.account_name, ClusterPolicy.config, ApprovalRequest)
        .join(Cluster, Cluster.id == HibernationSchedule.cluster_id)
        .join(Account, Account.id == Cluster.account_id)
        .outerjoin(ClusterPolicy, ClusterPolicy.cluster_id == Cluster.id)
        .outerjoin(ApprovalRequest, ApprovalRequest.id == HibernationSchedule.request_id)
        .where(Account.disconnecting_at.is_(None))
        .order_by(Cluster.name, Cluster.id)
    )


def _overrides(now: datetime | None) -> Select[Any]:
    return (
        select(HibernationOverride)
        .join(HibernationSchedule, HibernationSchedule.id == HibernationOverride.schedule_id)  # by whom it is indexed
        .where(HibernationOverride.ends_at > (now or _PRESENT))
    )


def judge(
    schedule: HibernationSchedule,
    overrides: Iterable[HibernationOverride],
    config: dict[str, Any] | None,
    request: ApprovalRequest | None,
    now: datetime,
    *,
    clock: datetime,
) -> Judgement:
    """Decide what is to be done about a cluster; asks neither database nor AWS.

    Args:
        schedule: its schedule, with how far earlier runs came.
        overrides: at least those that are not over.
        config: of its policy.
        request: the one that ``schedule.request_id`` names.
        now: the moment whose state is wanted.
        clock: the database's time of day, by which requests run out.
    """
    wake = schedule.applied_state is SleepState.ASLEEP or schedule.restore_state is not None
    try:
        hours = hours_of(schedule, overrides) if schedule.enabled else None  # off is awake, whatever its zone is
    except InvalidInput as error:
        note = f"{error}; until then the cluster stays awake"
        return Judgement(Step.WAKE if wake else Step.UNKNOWN, note)
    if hours is None or state_at(hours, now) is SleepState.AWAKE:
        return Judgement(Step.WAKE if wake else Step.NONE)
    if schedule.applied_state is SleepState.ASLEEP:
        return Judgement(Step.NONE)
    if (config or {}).get("require_approval") is not True:
        return Judgement(Step.SLEEP)
    judged = _by_approval(schedule, request, _end_of_sleep(hours, now), clock)
    if wake and judged.step in {Step.WAIT, Step.STAY}:  # half asleep, for which nobody's approval stands
        return Judgement(Step.WAKE, judged.note)
    return judged


def _by_approval(
    schedule: HibernationSchedule, request: ApprovalRequest | None, until: datetime | None, clock: datetime
) -> Judgement:
    """Decide about a sleep that takes an approval. A request is for the sleep that ends when it says, and no other."""
    if request is None or request.action_payload.get("until") != payload_of(until)["until"]:
        return Judgement(Step.ASK, until=until)
    if request.executed_at is not None:
        # Used up for this very sleep, in which an earlier run did not come to the end; else it has been awake since.
        return Judgement(Step.SLEEP if schedule.restore_state is not None else Step.ASK, until=until)
    if request.status is ApprovalStatus.REJECTED:
        why = f"{request.approver_name} rejected it: {request.rejection_reason}"
        return Judgement(Step.STAY, f"stays awake this time, {why}", until)
    if request.status is ApprovalStatus.EXPIRED or request.expires_at <= clock:
        return Judgement(Step.STAY, f"stays awake this time, request {request.id} ran out unused", until)
    if request.status is ApprovalStatus.PENDING:
        note = f"waits for approval until {request.expires_at:%Y-%m-%d %H:%M} UTC: spothive approval show {request.id}"
        return Judgement(Step.WAIT, note, until)
    return Judgement(Step.SLEEP, until=until, request_id=request.id)


def payload_of(until: datetime | None) -> dict[str, str | None]:
    """Return what exactly an approval is for: the sleep that ends then."""
    return {"until": until.isoformat() if until else None}


def _end_of_sleep(hours: Hours, now: datetime) -> datetime | None:
    """Return when a cluster that is to be asleep now is to be awake again; None if not within a year."""
    for days in (_AHEAD, DAYS_MAX):
        _, *following = plan(hours, days, now)
        if following:
            return following[0].at
    return None
