"""The verbs of approvals, as data; see ``verbs.py``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import (
    ApprovalAction,
    ApprovalRequest,
    Decision,
    Instance,
    get_db_session,
)
from spothive.operations.actor import Actor
from spothive.operations.approvals import (
    approve,
    execute_approved,
    expire_approvals,
    reject,
    request_approval,
    request_switch,
    set_auto_approval,
)
from spothive.operations.approvals.targets import find_target, plan_hash
from tests.factories.approvals import ROGUE, OneInstance, approved, make_rogue, no_keys
from tests.factories.decisions import decide, decision
from tests.operations.conftest import World
from tests.operations.verbs import DECISION, Verb, verb

REQUEST = UUID("0197a1f0-0000-7000-8000-000000000002")
ROGUE_ROW = UUID("0197a1f0-0000-7000-8000-000000000003")
TERMINATE = ApprovalAction.TERMINATE_ROGUE


def _rogue(world: World) -> UUID:
    return make_rogue(world.acme, world.anna.user_id, id=ROGUE_ROW).id


def _asked(world: World, hours_ago: int = 0, action: ApprovalAction = TERMINATE) -> ApprovalRequest:
    machine, now = _rogue(world), utc_now() - timedelta(hours=hours_ago)
    with get_db_session(tenant=world.acme) as session:
        request = ApprovalRequest(
            id=REQUEST,
            requester_id=world.udo.user_id,
            requester_name="udo",
            action_type=action,
            instance_id=machine,
            action_description="a test",
            risk_level="LOW",
            action_payload={},
            plan_hash=plan_hash(action, {}, find_target(session, action, machine).observed),
            requested_at=now,
            expires_at=now + timedelta(hours=2),
        )
        session.add(request)
    return request


def _decided_switch(world: World) -> None:
    _rogue(world)
    with get_db_session(tenant=world.acme) as session:
        machine = session.get_one(Instance, ROGUE_ROW)
    decide(decision(machine, utc_now(), Decision.SWITCH, id=DECISION))


def _execute(actor: Actor, tenant_id: UUID) -> Any:
    known: dict[str, Any] = {"tenant_id": tenant_id, "gateway": OneInstance(), "keys": no_keys}
    return execute_approved(get_db_session, actor, request_id=REQUEST, **known)


def _deciding(name: str, change: Callable[..., Any], after: dict[str, str], **facts: Any) -> Verb:
    event = f"approval.{after['status'].lower()}"
    told = {"action": "TERMINATE_ROGUE", "risk": "LOW", **after}
    return verb(
        name,
        change,
        {"request_id": REQUEST, **facts},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(event, str(REQUEST), {"status": "PENDING"}, told),
        prepare=_asked,
    )


APPROVAL_VERBS = (
    verb(
        "ask for approval",
        request_approval,
        {"action": TERMINATE, "target_id": ROGUE_ROW, "description": "a test"},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(
            "approval.requested",
            ANY,  # the id, which is random
            None,
            {"action": "TERMINATE_ROGUE", "target": ROGUE, "risk": "CRITICAL", "status": "PENDING", "expires_at": ANY},
        ),
        prepare=_rogue,
    ),
    verb(
        "ask for a switch",
        request_switch,
        {"decision_id": DECISION},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(
            "approval.requested",
            ANY,
            None,
            {"action": "SWITCH_INSTANCE", "target": ROGUE, "risk": "LOW", "status": "PENDING", "expires_at": ANY},
        ),
        prepare=_decided_switch,
    ),
    _deciding("approve", approve, {"status": "APPROVED"}),
    _deciding("reject", reject, {"status": "REJECTED", "reason": "we need it"}, reason="we need it"),
    verb(
        "let a policy approve",
        set_auto_approval,
        {"on": True},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("approval.policy", "auto_approve_low", {"auto_approve_low": False}, {"auto_approve_low": True}),
    ),
    verb(
        "expire approvals",
        expire_approvals,
        {},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("approvals.expired", "approvals", None, {"expired": 1}),
        prepare=lambda world: _asked(world, hours_ago=3),
    ),
    Verb(
        "terminate what was approved",
        _execute,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            ("approval.executed", str(REQUEST), None, {"action": "TERMINATE_ROGUE", "target": ROGUE}),
            (
                "instance.terminated",
                ROGUE,
                {"auth_status": "unauthorized", "state": "running"},
                {"auth_status": "terminated", "state": "shutting-down", "approval": str(REQUEST)},
            ),
        ),
        prepare=lambda world: approved(_asked(world)),
    ),
    Verb(
        "hand an approved switch out",
        _execute,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            (
                "approval.executed",
                str(REQUEST),
                None,
                {"action": "SWITCH_INSTANCE", "target": ROGUE, "hand_out": {}},
            ),
        ),
        prepare=lambda world: approved(_asked(world, action=ApprovalAction.SWITCH_INSTANCE)),
    ),
)
