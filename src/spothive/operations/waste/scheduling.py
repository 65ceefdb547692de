"""Asking for a deletion, scheduling what was approved, and taking it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.models import ApprovalAction, ApprovalRequest, ResourceType, ScanStatus, WasteResource, WasteStatus
from spothive.operations.actor import Actor
from spothive.operations.approvals import consume, request_approval
from spothive.operations.approvals.reading import database_clock
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.waste.judging import KEEP_TAG
from spothive.operations.waste.reading import find_waste, latest_scan
from spothive.operations.waste.undoing import WAYS_BACK
from spothive.schema.states import move
from spothive.settings import get_settings

_SCHEDULED: Final = "waste.scheduled"
_KEPT: Final = "waste.kept"


def request_deletion(session: TenantSession, actor: Actor, *, resource: str) -> ApprovalRequest:
    """Ask that a flagged resource be deleted; everybody of the tenant may. What undoes it is part of the request.

    Args:
        session: of the tenant.
        actor: who asks.
        resource: AWS's id, or that of the row.

    Raises:
        Denied: the role does not allow it.
        NotFound: no waste is called so.
        Conflict: it is not FLAGGED.
    """
    called = resource[:100]
    require(actor, Action.READ, attempt="approval.requested", resource=called, resource_type=ResourceType.APPROVAL)
    row = find_waste(session, resource, lock=True)
    _require_flagged(row)
    undo = WAYS_BACK[row.resource_type]
    words = (
        f"Delete {row.resource_type} {row.resource_id} in {row.region}, {row.monthly_cost:.2f} {row.currency} a month: "
        f"{row.reason}. Way back: {undo}"
    )
    return request_approval(
        session,
        actor,
        action=ApprovalAction.DELETE_WASTE,
        target_id=row.id,
        description=words[:4000],
        payload={"undo": undo},
    )


def schedule_deletion(session: TenantSession, actor: Actor, *, request_id: UUID) -> WasteResource:
    """Use an approval to schedule the deletion of a flagged resource, at the end of the grace.

    Args:
        session: of the tenant.
        actor: who schedules it.
        request_id: approved request to delete it.

    Returns:
        The resource, SCHEDULED_DELETE, with its account.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such request.
        Conflict: the request cannot be used, the resource is not FLAGGED or not any more what was approved, or the
            latest waste scan of its account that has ended is not COMPLETE. The approval is not used up.
    """
    require(actor, Action.MANAGE, attempt=_SCHEDULED, resource=str(request_id), resource_type=ResourceType.WASTE)
    request, target = consume(session, request_id, action=ApprovalAction.DELETE_WASTE)
    row = find_waste(session, str(target.id), lock=True)
    _require_flagged(row)
    scan = latest_scan(session, row.account_id)
    if scan is None or scan.status is not ScanStatus.COMPLETE:
        name = row.account.account_name
        msg = (
            f"the latest waste scan of {name} is not COMPLETE, so nothing can be scheduled: spothive waste scan {name}"
        )
        raise Conflict(msg)
    if row.scan_run_id != scan.id:
        msg = f"a waste scan is under way, or the latest did not see {row.resource_id}: try again after the next one"
        raise Conflict(msg)
    ends = database_clock(session) + timedelta(seconds=get_settings().waste_grace)
    before = {"status": row.status}
    planned = {"scheduled_deletion_date": ends, "plan_hash": request.plan_hash, "undo_recipe": None}
    move(session, row, WasteResource.status, WasteStatus.SCHEDULED_DELETE, **planned)
    after = {"status": row.status, "deleted_from": ends.isoformat(), "resource": row.resource_id}
    record(session, actor, _SCHEDULED, str(request_id), ResourceType.WASTE, before=before, after=after)
    return row


def keep(session: TenantSession, actor: Actor, *, resource: str) -> WasteResource:
    """Take a scheduled deletion back: the resource is FLAGGED again, and deleted only by another approval.

    A final snapshot that was made of a volume meanwhile stays at AWS; the audit row names it.

    Args:
        session: of the tenant.
        actor: who keeps it.
        resource: AWS's id, or that of the row.

    Raises:
        Denied: the role does not allow it.
        NotFound: no waste is called so.
        Conflict: its deletion is not scheduled, or has begun. What is not scheduled is kept by a tag at AWS.
    """
    require(actor, Action.MANAGE, attempt=_KEPT, resource=resource[:100], resource_type=ResourceType.WASTE)
    row = find_waste(session, resource, lock=True)
    if row.status is not WasteStatus.SCHEDULED_DELETE:
        msg = (
            f"{row.resource_id} is {row.status}: no deletion of it is scheduled; to be told of it no more, set the tag "
            f"{KEEP_TAG} on it at AWS"
        )
        raise Conflict(msg)
    if row.deletion_begun_at is not None:
        msg = f"the deletion of {row.resource_id} has begun: `spothive waste delete-due` finds out what became of it"
        raise Conflict(msg)
    before: dict[str, Any] = {
        "status": row.status,
        "deleted_from": (row.scheduled_deletion_date or row.last_seen_at).isoformat(),
    }
    before |= {"undo": dict(row.undo_recipe)} if row.undo_recipe else {}
    back = {"scheduled_deletion_date": None, "plan_hash": None, "undo_recipe": None}
    move(session, row, WasteResource.status, WasteStatus.FLAGGED, **back)
    record(session, actor, _KEPT, row.resource_id, ResourceType.WASTE, before=before, after={"status": row.status})
    return row


def _require_flagged(row: WasteResource) -> None:
    if row.status is not WasteStatus.FLAGGED:
        msg = (
            f"{row.resource_id} is {row.status}: only what two COMPLETE waste scans saw, at least 24 hours apart, is "
            "FLAGGED and can be deleted"
        )
        raise Conflict(msg)
