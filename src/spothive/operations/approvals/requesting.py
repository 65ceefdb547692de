"""Asking for approval: what is at stake, how long the request stands, and what a policy approves at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from spothive.database import TenantSession, system_scope
from spothive.errors import Conflict, InvalidInput
from spothive.models import (
    ApprovalAction,
    ApprovalRequest,
    ApprovalStatus,
    DecidedBy,
    Decision,
    DecisionStatus,
    EnvironmentType,
    ResourceType,
    RiskLevel,
    Tenant,
)
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import database_clock
from spothive.operations.approvals.targets import COLUMN_OF, Target, find_target, plan_hash, require_fit
from spothive.operations.approvals.told import tell_of_decision, tell_of_request
from spothive.operations.audit import record
from spothive.operations.decisions.reading import find_decision
from spothive.operations.identity import Action, require
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp
from spothive.settings import get_settings

RISK_OF: Final = {
    ApprovalAction.SWITCH_INSTANCE: RiskLevel.LOW,
    ApprovalAction.HIBERNATE_CLUSTER: RiskLevel.MEDIUM,
    ApprovalAction.DELETE_WASTE: RiskLevel.HIGH,
    ApprovalAction.TERMINATE_ROGUE: RiskLevel.CRITICAL,
}
"""How bad it is if the action was wrong: by whether it can be undone, and by how much is lost if it cannot."""

_AUTO: Final = "auto_approve_low"
_ASKED: Final = "approval.requested"
_POLICY: Final = "approval.policy"


def request_approval(
    session: TenantSession,
    actor: Actor,
    *,
    action: ApprovalAction,
    target_id: UUID,
    description: str,
    payload: Mapping[str, Any] | None = None,
    by_spothive: bool = False,
) -> ApprovalRequest:
    """Ask that something be done to a target as it is now; everybody of the tenant may.

    Who asks again for the same gets the request that stands. One whose target has changed meanwhile, or that asks for
    something else, is EXPIRED at once and replaced: nobody could have used it. A policy of the tenant approves at once
    what it may, see :func:`set_auto_approval`.

    Args:
        session: of the tenant.
        actor: who asks.
        action: what is to be done.
        target_id: row of the instance, waste resource or cluster it is done to.
        description: what would happen, for those who decide; 1 to 4,000 characters.
        payload: what exactly is to be done, as far as the action leaves it open; JSON.
        by_spothive: whether a schedule asks, and ``actor`` only runs it: then nobody is the one who asked.

    Returns:
        The request: PENDING, or APPROVED already.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such target.
        Conflict: the target is in no state for it.
        InvalidInput: the payload is no JSON, or the description is empty or too long.
    """
    require(actor, Action.READ, attempt=_ASKED, resource=str(target_id), resource_type=ResourceType.APPROVAL)
    if not description.strip():
        msg = "say what would happen: a request without a description cannot be judged"
        raise InvalidInput(msg)
    target = find_target(session, action, target_id, lock=True)  # of two who ask at once the second finds the first's
    require_fit(action, target)
    wanted = dict(payload or {})
    try:
        digest = plan_hash(action, wanted, target.observed)
    except (TypeError, ValueError, RecursionError):
        msg = "what exactly is to be done has to be JSON: texts, whole numbers, lists and objects of those"
        raise InvalidInput(msg) from None
    before = _standing(session, action, target_id, digest)
    if isinstance(before, ApprovalRequest):
        return before
    now = database_clock(session)
    request = ApprovalRequest(
        requester_id=None if by_spothive else actor.actor_id,
        requester_name="spothive" if by_spothive else actor.username,
        action_type=action,
        action_description=description,
        risk_level=RISK_OF[action],
        action_payload=wanted,
        plan_hash=digest,
        requested_at=now,
        expires_at=now + _window(RISK_OF[action]),
        **{COLUMN_OF[action]: target_id},
    )
    session.add(request)
    session.flush()  # the unique index decides here whether it is the one that waits
    if _policy_approves(session, target, request.risk_level):
        decided = {"decided_by": DecidedBy.POLICY, "decided_at": clock_timestamp()}
        move(session, request, ApprovalRequest.status, ApprovalStatus.APPROVED, **decided)
        session.refresh(request)  # the database knows it
    after = {"action": action, "target": target.name, "risk": request.risk_level, "status": request.status}
    after["expires_at"] = request.expires_at.isoformat()
    replaced = {"replaced": [str(each) for each in before]} if before else None
    record(session, actor, _ASKED, str(request.id), ResourceType.APPROVAL, before=replaced, after=after)
    tell_about = tell_of_request if request.status is ApprovalStatus.PENDING else tell_of_decision
    tell_about(session, request, target.name)
    return request


def request_switch(session: TenantSession, actor: Actor, *, decision_id: UUID) -> ApprovalRequest:
    """Ask that the switch a decision is for be made.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such decision.
        Conflict: it is no SWITCH, was recorded only, or has been acted upon; or the instance is gone.
    """
    require(actor, Action.READ, attempt=_ASKED, resource=str(decision_id), resource_type=ResourceType.APPROVAL)
    decision = find_decision(session, decision_id)
    if decision.decision is not Decision.SWITCH or decision.is_shadow_run:
        what = "a shadow run, recorded only" if decision.is_shadow_run else f"a {decision.decision}"
        msg = f"decision {decision_id} is {what}: there is no switch to be approved"
        raise Conflict(msg)
    if decision.status is not DecisionStatus.RECORDED:
        msg = f"decision {decision_id} is {decision.status}: its switch was made already"
        raise Conflict(msg)
    payload = {
        "decision": str(decision.id),
        "type": decision.selected_instance_type,
        "zone": decision.selected_availability_zone,
    }
    words = (
        f"Move {decision.instance.instance_id} from {decision.instance.instance_type} in "
        f"{decision.instance.availability_zone} to {payload['type']} in {payload['zone']}: {decision.decision_reason}"
    )
    return request_approval(
        session,
        actor,
        action=ApprovalAction.SWITCH_INSTANCE,
        target_id=decision.instance.id,
        description=words[:4000],
        payload=payload,
    )


def set_auto_approval(session: TenantSession, actor: Actor, *, on: bool) -> bool:
    """Let the tenant's policy approve what is LOW, and anything on a LAB account, or let it ask people; tell if it did.

    It holds for requests made from now on.

    Raises:
        Denied: the role does not allow it.
    """
    require(actor, Action.MANAGE, attempt=_POLICY, resource=_AUTO, resource_type=ResourceType.POLICY)
    with system_scope(session, f"{actor.label}: {_POLICY}"):
        tenant = session.scalars(select(Tenant).where(Tenant.id == session.tenant_id).with_for_update()).one()
        before = tenant.settings.get(_AUTO) is True
        if before != on:
            tenant.settings[_AUTO] = on
            was, now = {_AUTO: before}, {_AUTO: on}
            record(session, actor, _POLICY, _AUTO, ResourceType.POLICY, before=was, after=now)
    return before != on


def _standing(
    session: TenantSession, action: ApprovalAction, target_id: UUID, digest: str
) -> ApprovalRequest | list[UUID]:
    """Return the request for the same that stands; else the ids of those that waited in vain, which are EXPIRED now."""
    query = select(ApprovalRequest).where(_about(action, target_id), _unused()).order_by(ApprovalRequest.id.desc())
    rows = session.scalars(query.with_for_update(), execution_options={"populate_existing": True}).all()
    now = database_clock(session)  # after the wait for whoever decides about them
    for row in rows:
        if row.plan_hash == digest and row.expires_at > now:
            return row
    void = [row.id for row in rows if row.status is ApprovalStatus.PENDING]
    if void:
        end = update(ApprovalRequest).where(ApprovalRequest.id.in_(void)).values(status=ApprovalStatus.EXPIRED)
        session.execute(end, execution_options={"synchronize_session": "fetch"})
    return void


def _about(action: ApprovalAction, target_id: UUID) -> ColumnElement[bool]:
    column: Any = getattr(ApprovalRequest, COLUMN_OF[action])
    is_it: ColumnElement[bool] = column == target_id
    return is_it & (ApprovalRequest.action_type == action)


def _unused() -> ColumnElement[bool]:
    open_ones = ApprovalRequest.status.in_([ApprovalStatus.PENDING, ApprovalStatus.APPROVED])
    return open_ones & ApprovalRequest.executed_at.is_(None)


def _window(risk: RiskLevel) -> timedelta:
    settings = get_settings()
    seconds = {RiskLevel.HIGH: settings.approval_window_high, RiskLevel.CRITICAL: settings.approval_window_critical}
    return timedelta(seconds=seconds.get(risk, settings.approval_window))


def _policy_approves(session: TenantSession, target: Target, risk: RiskLevel) -> bool:
    if risk is not RiskLevel.LOW and target.environment is not EnvironmentType.LAB:
        return False
    settings = session.scalar(select(Tenant.settings).where(Tenant.id == session.tenant_id))
    return (settings or {}).get(_AUTO) is True
