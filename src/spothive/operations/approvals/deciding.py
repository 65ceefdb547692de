"""Deciding about requests: one decision each, by somebody else than who asked, before it expires."""

from __future__ import annotations

from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import select, update

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput
from spothive.models import ApprovalRequest, ApprovalStatus, DecidedBy, ResourceType, RiskLevel
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import (
    database_clock,
    find_approval,
    locked_approval,
    target_name,
    what_became,
)
from spothive.operations.approvals.told import TAKES, tell_of_decision, tell_of_expired
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.identity.permissions import denied, require_person
from spothive.schema.types import clock_timestamp


class _Called(TypedDict):
    """What an attempt is called in the audit trail."""

    attempt: str
    resource: str
    resource_type: ResourceType


def approve(session: TenantSession, actor: Actor, request_id: UUID) -> ApprovalRequest:
    """Approve a request: it may be executed once, until it expires.

    Raises:
        Denied: the role does not allow it for this risk, it is the actor's own request, or an API key that asks.
        NotFound: the tenant has no such request.
        Conflict: it was decided, is over, or somebody else was faster; the message says what became of it.
    """
    return _decide(session, actor, request_id, ApprovalStatus.APPROVED)


def reject(session: TenantSession, actor: Actor, request_id: UUID, *, reason: str) -> ApprovalRequest:
    """Reject a request, and say why.

    Raises:
        Denied: as for :func:`approve`.
        NotFound: the tenant has no such request.
        Conflict: as for :func:`approve`.
        InvalidInput: no reason is given.
    """
    if not reason.strip():
        msg = "say why: whoever asked has to know what to do otherwise"
        raise InvalidInput(msg)
    return _decide(session, actor, request_id, ApprovalStatus.REJECTED, reason)


def expire_approvals(session: TenantSession, actor: Actor) -> int:
    """End the requests that were not decided, or not executed, in time, and tell who asked; return how many.

    One statement, beside the telling.

    Nothing depends on it: what is past its time can be neither decided nor executed, whether or not it was ended.

    Raises:
        Denied: the role does not allow it.
    """
    event, called = "approvals.expired", "approvals"
    require(actor, Action.MANAGE, attempt=event, resource=called, resource_type=ResourceType.APPROVAL)
    due = (
        select(ApprovalRequest.id)
        .where(ApprovalRequest.status.in_([ApprovalStatus.PENDING, ApprovalStatus.APPROVED]))
        .where(ApprovalRequest.executed_at.is_(None), ApprovalRequest.expires_at < clock_timestamp())
        .with_for_update(skip_locked=True)  # whoever has one locked is about to find out by the clock
    )
    end = update(ApprovalRequest).where(ApprovalRequest.id.in_(due)).values(status=ApprovalStatus.EXPIRED)
    ended = session.scalars(end.returning(ApprovalRequest), execution_options={"synchronize_session": False}).all()
    if ended:
        record(session, actor, event, called, ResourceType.APPROVAL, after={"expired": len(ended)})
        tell_of_expired(session, ended)
    return len(ended)


def _decide(
    session: TenantSession, actor: Actor, request_id: UUID, to: ApprovalStatus, reason: str | None = None
) -> ApprovalRequest:
    """Move a request that still waits; exactly one decision finds it waiting."""
    event = "approval.approved" if to is ApprovalStatus.APPROVED else "approval.rejected"
    called = _Called(attempt=event, resource=str(request_id), resource_type=ResourceType.APPROVAL)
    require(actor, Action.MANAGE, **called)
    risk, requester = _asked(session, request_id)
    require(actor, TAKES[risk], **called)
    require_person(actor, **called)
    if requester == actor.actor_id:
        msg = f"{actor.username} asked for this: somebody else decides about it"
        raise denied(actor, msg, **called)
    locked = locked_approval(session, request_id)  # waits here, so that the clock is read after the wait
    changes: dict[str, Any] = {
        "status": to,
        "decided_by": DecidedBy.PERSON,
        "decided_at": clock_timestamp(),
        "approver_id": actor.user_id,
        "approver_name": actor.username,
        "rejection_reason": reason,
    }
    waits = (ApprovalRequest.status == ApprovalStatus.PENDING, ApprovalRequest.expires_at > clock_timestamp())
    decide = update(ApprovalRequest).where(ApprovalRequest.id == request_id, *waits).values(changes)
    moved = session.execute(
        decide.returning(ApprovalRequest.id), execution_options={"synchronize_session": "fetch"}
    ).all()
    if not moved:
        msg = f"this request {what_became(locked, database_clock(session))}"
        raise Conflict(msg)
    session.refresh(locked, ["decided_at"])  # the database knows it
    after = {"status": to, "action": locked.action_type, "risk": risk, **({"reason": reason} if reason else {})}
    before = {"status": ApprovalStatus.PENDING}
    record(session, actor, event, str(request_id), ResourceType.APPROVAL, before=before, after=after)
    tell_of_decision(session, locked, target_name(locked))
    return locked


def _asked(session: TenantSession, request_id: UUID) -> tuple[RiskLevel, UUID | None]:
    """Return the risk of a request and who asked, which never change."""
    request = find_approval(session, request_id)
    return request.risk_level, request.requester_id
