"""The verbs about waste, as data, beside those of ``verbs.py``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import ApprovalAction, ApprovalRequest, RiskLevel, WasteResource, get_db_session
from spothive.operations.actor import Actor
from spothive.operations.approvals.targets import find_target, plan_hash
from spothive.operations.waste import keep, request_deletion, schedule_deletion
from tests.factories.approvals import approved
from tests.factories.waste import WasteWorld, connect, flagged, volume
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

REQUEST = UUID("0197a1f0-0000-7000-8000-000000000004")
VOLUME = volume(1).volume_id


def _account(world: World) -> None:
    connect(world.acme, world.anna.user_id)


def _flagged(world: World) -> None:
    _account(world)
    flagged(world.anna, WasteWorld(volume(1)))


def _approved(world: World) -> None:
    _flagged(world)
    now = utc_now()
    with get_db_session(tenant=world.acme) as session:
        row = session.query(WasteResource).one()
        target = find_target(session, ApprovalAction.DELETE_WASTE, row.id)
        request = ApprovalRequest(
            id=REQUEST,
            requester_id=world.udo.user_id,
            requester_name="udo",
            action_type=ApprovalAction.DELETE_WASTE,
            waste_resource_id=row.id,
            action_description="a test",
            risk_level=RiskLevel.HIGH,
            action_payload={},
            plan_hash=plan_hash(ApprovalAction.DELETE_WASTE, {}, target.observed),
            requested_at=now,
            expires_at=now + timedelta(hours=2),
        )
        session.add(request)
    approved(request)


def _scheduled(world: World) -> None:
    _approved(world)
    with get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=REQUEST)


def _request(actor: Actor, tenant_id: UUID) -> Any:
    with get_db_session(tenant=tenant_id) as session:
        return request_deletion(session, actor, resource=VOLUME)


_ASKED = {"action": "DELETE_WASTE", "target": VOLUME, "risk": "HIGH", "status": "PENDING", "expires_at": ANY}

WASTE_VERBS: tuple[Verb, ...] = (
    Verb(
        "ask for a deletion",
        _request,
        "anna",
        None,
        "acme",
        (("approval.requested", ANY, None, _ASKED),),
        prepare=_flagged,
    ),
    verb(
        "schedule a deletion",
        schedule_deletion,
        {"request_id": REQUEST},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "waste.scheduled",
            str(REQUEST),
            {"status": "FLAGGED"},
            {"status": "SCHEDULED_DELETE", "resource": VOLUME, "deleted_from": ANY},
        ),
        prepare=_approved,
    ),
    verb(
        "keep what is scheduled",
        keep,
        {"resource": VOLUME},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("waste.kept", VOLUME, {"status": "SCHEDULED_DELETE", "deleted_from": ANY}, {"status": "FLAGGED"}),
        prepare=_scheduled,
    ),
)
"""Scanning and deleting are told of in ``waste/``: they write more than one transaction."""
