"""Using an approval, exactly once, inside the transaction of what was approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import update

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import ApprovalAction, ApprovalRequest, ApprovalStatus
from spothive.operations.approvals.reading import database_clock, find_approval, locked_approval, what_became
from spothive.operations.approvals.targets import Target, find_target, plan_hash, target_id_of
from spothive.schema.types import clock_timestamp


def consume(
    session: TenantSession, request_id: UUID, *, action: ApprovalAction, seen: Mapping[str, Any] | None = None
) -> tuple[ApprovalRequest, Target]:
    """Use an approved request, in the caller's transaction: rolled back, it was not used.

    Part of a verb, which writes the audit row. Call it right before the change it is for: what counts is the database's
    clock at that moment, not when the transaction began. Locks the target first, then the request.

    Args:
        session: of the tenant.
        request_id: which request.
        action: what the caller is about to do.
        seen: what AWS says of the target now, by the names of ``Target.observed``; the inventory's word where it is
            silent.

    Returns:
        The request, executed now, and its target, which stays as it is until the transaction ends.

    Raises:
        NotFound: the tenant has no such request.
        Conflict: the request is for something else, is not approved, was executed or is over; or the target is not any
            more what was approved. The message says which.
    """
    request = find_approval(session, request_id)
    if request.action_type is not action:
        msg = f"request {request_id} is for {request.action_type}, not for {action}"
        raise Conflict(msg)
    try:
        target = find_target(session, action, target_id_of(request), lock=True)
    except NotFound as error:
        msg = f"{error}; nothing was done"
        raise Conflict(msg) from None
    request = locked_approval(session, request_id)
    require_usable(session, request)
    require_same(request, target, seen)
    usable = (
        ApprovalRequest.status == ApprovalStatus.APPROVED,
        ApprovalRequest.executed_at.is_(None),
        ApprovalRequest.expires_at > clock_timestamp(),
    )
    use = update(ApprovalRequest).where(ApprovalRequest.id == request_id, *usable)
    used = session.execute(
        use.values(executed_at=clock_timestamp()).returning(ApprovalRequest.id),
        execution_options={"synchronize_session": "fetch"},
    ).all()
    if not used:
        msg = f"request {request_id} {what_became(request, database_clock(session))}; nothing was done"
        raise Conflict(msg)
    session.refresh(request, ["executed_at"])  # the database knows it
    return request, target


def require_usable(session: TenantSession, request: ApprovalRequest) -> None:
    """Refuse a request that is not approved, was executed, or is over.

    Raises:
        Conflict: it says which.
    """
    now = database_clock(session)
    if request.status is not ApprovalStatus.APPROVED or request.executed_at is not None or request.expires_at <= now:
        msg = f"request {request.id} {what_became(request, now)}; nothing was done"
        raise Conflict(msg)


def require_same(request: ApprovalRequest, target: Target, seen: Mapping[str, Any] | None = None) -> None:
    """Refuse a target that is not any more what was seen when the approval was asked for.

    Args:
        request: what was approved.
        target: what the inventory says of it now.
        seen: what AWS says of it now, which counts more.

    Raises:
        Conflict: it differs; the request stays as it is.
    """
    observed = target.observed | dict(seen or {})
    if plan_hash(request.action_type, request.action_payload, observed) != request.plan_hash:
        msg = (
            f"{target.name} is not any more what it was when approval was asked for; nothing was done: look at it "
            "(`spothive account discover` first, if AWS knows better) and ask again"
        )
        raise Conflict(msg)
