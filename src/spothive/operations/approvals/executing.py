"""Doing what was approved: an unauthorised instance is terminated at AWS, a switch is handed out.

The approval is used up first, in a transaction of its own; then AWS acts; then the outcome is written. Whoever dies in
between leaves a used request without an outcome, and the next run finds out what AWS did: see decision 0039.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.ec2_answer import ObservedInstance
from spothive.keyring import Keys
from spothive.models import (
    ApprovalAction,
    ApprovalRequest,
    AuthStatus,
    Instance,
    InstanceState,
    ResourceType,
)
from spothive.operations.actor import Actor
from spothive.operations.approvals.consuming import consume, require_same, require_usable
from spothive.operations.approvals.reading import database_clock, find_approval, what_became
from spothive.operations.approvals.targets import find_target, target_id_of
from spothive.operations.audit import record, record_failure
from spothive.operations.fleet.access import Access, locked, read_access
from spothive.operations.fleet.describing import described
from spothive.operations.fleet.reconcile import GONE, is_answered_for
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.states import move

ANSWER_WITHIN: Final = timedelta(minutes=2)
"""How long whoever used up an approval is left alone before another run looks after it.

AWS may be silent for longer (``ConnectionOptions.longest_call``). Then two runs ask it to end the same instance, which
comes to the same, and the end is written once.
"""

_EXECUTED: Final = "approval.executed"
_TERMINATED: Final = "instance.terminated"
_ENDING: Final = frozenset({InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED})
_ELSEWHERE: Final = {
    ApprovalAction.DELETE_WASTE: "`spothive waste schedule`",
    ApprovalAction.HIBERNATE_CLUSTER: "the cluster's hibernation",
}


@dataclass(frozen=True, slots=True)
class Executed:
    """What came of executing a request.

    Attributes:
        request_id: which.
        action: what was done.
        target: EC2's id of the instance.
        state: its state at AWS now; None for a switch, for which AWS was not called.
        hand_out: what exactly is to be done by whoever runs the fleet, for a switch.
        resumed: whether an earlier run had used up the approval and did not come back.
    """

    request_id: UUID
    action: ApprovalAction
    target: str
    state: InstanceState | None = None
    hand_out: dict[str, Any] | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be terminated, read in one transaction to be used outside of any."""

    request_id: UUID
    instance_row_id: UUID
    instance_id: str
    region: str
    access: Access
    used_at: datetime | None
    is_over: bool
    """Whether the request's time has passed."""


def execute_approved(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, request_id: UUID, gateway: AwsGateway, keys: Keys
) -> Executed:
    """Do what an approved request is for, once (a procedure).

    TERMINATE_ROGUE: AWS is asked what the instance is now; unless it is what was approved, nothing happens.
    SWITCH_INSTANCE: nothing is done at AWS; what to do is handed out, and ``record_switch_outcome`` takes the outcome.
    The others are executed by what they are for, which uses up the approval itself.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such request.
        Conflict: it is not approved, was executed, is over, is for something that is executed elsewhere; or the
            target is not any more what was approved. Nothing was done.
        AwsError: AWS refused, or gave no answer. Where the approval was used up by then, executing the same request
            again finds out what happened, and tries again until it expires.
    """
    with sessions(tenant=tenant_id) as session:
        called = str(request_id)
        require(actor, Action.MANAGE, attempt=_EXECUTED, resource=called, resource_type=ResourceType.APPROVAL)
        request = find_approval(session, request_id)
        if request.action_type is ApprovalAction.SWITCH_INSTANCE:
            return _hand_out(session, actor, request)
        if request.action_type is not ApprovalAction.TERMINATE_ROGUE:
            msg = f"request {request_id} is for {request.action_type}: {_ELSEWHERE[request.action_type]} uses it"
            raise Conflict(msg)
        plan = _plan(session, request, keys)
    seen = described(gateway, plan.access, plan.region, plan.instance_id)
    gone = seen is None or seen.state in _ENDING
    with sessions(tenant=tenant_id) as session:
        if plan.used_at is not None and gone:
            state = InstanceState(seen.state) if seen else InstanceState.TERMINATED
            return _record_end(session, actor, plan, state, resumed=True)
        _begin(session, actor, plan, seen)
    try:
        ended = gateway.terminate(plan.access.credentials(gateway), plan.region, plan.instance_id)
    except AwsError as error:
        with sessions(tenant=tenant_id) as session:
            record_failure(session, actor, _TERMINATED, plan.instance_id, ResourceType.INSTANCE, reason=error)
        raise
    with sessions(tenant=tenant_id) as session:
        return _record_end(session, actor, plan, InstanceState(ended), resumed=plan.used_at is not None)


def _hand_out(session: TenantSession, actor: Actor, request: ApprovalRequest) -> Executed:
    used, target = consume(session, request.id, action=ApprovalAction.SWITCH_INSTANCE)
    hand_out = dict(used.action_payload)
    after = {"action": used.action_type, "target": target.name, "hand_out": hand_out}
    record(session, actor, _EXECUTED, str(used.id), ResourceType.APPROVAL, after=after)
    return Executed(used.id, used.action_type, target.name, hand_out=hand_out)


def _plan(session: TenantSession, request: ApprovalRequest, keys: Keys) -> _Plan:
    """Read what is to be terminated; refuse what needs no question to AWS to be refused."""
    instance = session.get_one(Instance, target_id_of(request))
    now = database_clock(session)
    if request.executed_at is None:
        require_usable(session, request)
    elif instance.auth_status is AuthStatus.TERMINATED:
        msg = f"request {request.id} {what_became(request, now)}, and {instance.instance_id} is terminated"
        raise Conflict(msg)
    elif now - request.executed_at < ANSWER_WITHIN:
        minutes = int(ANSWER_WITHIN.total_seconds() // 60)
        msg = f"request {request.id} is being executed: if nothing comes of it, execute it again in {minutes} minutes"
        raise Conflict(msg)
    target = find_target(session, request.action_type, instance.id)
    return _Plan(
        request.id,
        instance.id,
        instance.instance_id,
        instance.region,
        read_access(session, target.account_name, keys),
        request.executed_at,
        request.expires_at <= now,
    )


def _begin(session: TenantSession, actor: Actor, plan: _Plan, seen: ObservedInstance | None) -> None:
    """Use up the approval if AWS describes what was approved; for one that is used up, only look."""
    locked(session, plan.access)  # before the instance, as discovery does
    if seen is None or seen.state in _ENDING:
        msg = (
            f"AWS runs no instance {plan.instance_id} any more: nothing was done; `spothive account discover` notes it"
        )
        raise Conflict(msg)
    facts = _facts(seen)
    if plan.used_at is None:
        request, target = consume(session, plan.request_id, action=ApprovalAction.TERMINATE_ROGUE, seen=facts)
        after = {"action": request.action_type, "target": target.name}
        record(session, actor, _EXECUTED, str(request.id), ResourceType.APPROVAL, after=after)
        return
    if plan.is_over:
        msg = (
            f"request {plan.request_id} was used up and is over, and AWS still runs {plan.instance_id}: ask again, "
            "if it is still to be terminated"
        )
        raise Conflict(msg)
    request = find_approval(session, plan.request_id)
    require_same(request, find_target(session, request.action_type, plan.instance_row_id, lock=True), facts)


def _facts(seen: ObservedInstance) -> dict[str, Any]:
    """Return what AWS says of an instance, by the names of what is observed of it."""
    facts = {
        "type": seen.instance_type,
        "zone": seen.availability_zone,
        "state": seen.state,
        "lifecycle": seen.lifecycle,
    }
    # Discovery has not come by yet, but somebody answers for it now.
    return facts | ({"auth_status": AuthStatus.AUTHORIZED} if is_answered_for(seen) else {})


def _record_end(session: TenantSession, actor: Actor, plan: _Plan, state: InstanceState, *, resumed: bool) -> Executed:
    """Write down what AWS says of the instance now; once, whoever else found out."""
    locked(session, plan.access)
    query = select(Instance).where(Instance.id == plan.instance_row_id).with_for_update()
    instance = session.scalars(query, execution_options={"populate_existing": True}).one()
    done = Executed(plan.request_id, ApprovalAction.TERMINATE_ROGUE, plan.instance_id, state, resumed=resumed)
    before: dict[str, Any] = {"auth_status": instance.auth_status, "state": instance.state}
    if instance.auth_status is AuthStatus.TERMINATED:
        return done
    if instance.state is not InstanceState.TERMINATED:
        instance.state, instance.content_hash = state, GONE  # so that the next discovery writes what AWS says
        instance.terminated_at = utc_now() if state is InstanceState.TERMINATED else None
    if instance.auth_status is AuthStatus.UNAUTHORIZED:  # else somebody answered for it while AWS ended it
        move(session, instance, Instance.auth_status, AuthStatus.TERMINATED, flagged_at=None)
    after = {"auth_status": instance.auth_status, "state": state, "approval": str(plan.request_id)}
    record(session, actor, _TERMINATED, plan.instance_id, ResourceType.INSTANCE, before=before, after=after)
    return done
