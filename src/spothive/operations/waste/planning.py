"""What was approved to be deleted, whether that still is what is there, and how much may go in a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, not_, select

from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.models import ApprovalAction, ApprovalRequest, AuditLog, ScanUnit, WasteResource, WasteStatus
from spothive.operations.approvals.reading import database_clock
from spothive.operations.approvals.targets import find_target, plan_hash
from spothive.operations.waste.judging import Claim
from spothive.operations.waste.reading import latest_scan
from spothive.settings import get_settings

DAY = timedelta(hours=24)

DELETING: Final = "waste.deleting"
"""Event of the audit trail: AWS is about to be told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A deletion as it was approved, read in one transaction to be used outside of any.

    Attributes:
        hash: SHA-256 of what was approved.
        payload: what the approval said is to be done.
        observed: what the inventory says of the resource, by which it was approved.
        token: by which the final snapshot of this very deletion is known.
        begun_at: when a run began it that did not come back.
    """

    hash: str
    payload: dict[str, Any]
    observed: dict[str, Any]
    token: str
    begun_at: datetime | None

    def is_that_of(self, row: WasteResource) -> bool:
        """Tell whether the row still is scheduled for it, and nobody has begun it since."""
        scheduled = row.status is WasteStatus.SCHEDULED_DELETE and row.deletion_begun_at == self.begun_at
        return scheduled and row.plan_hash == self.hash and _token(row) == self.token


def read_plan(session: TenantSession, row: WasteResource) -> Plan:
    """Return the plan of a resource whose deletion is scheduled.

    Raises:
        Conflict: nobody approved it.
    """
    asked = ApprovalRequest
    query = select(asked.action_payload).where(asked.waste_resource_id == row.id, asked.plan_hash == row.plan_hash)
    payload = session.scalar(query.where(asked.executed_at.is_not(None)).limit(1))
    if payload is None or row.plan_hash is None:
        msg = f"no approval is known by which {row.resource_id} was scheduled: take it back and ask for one"
        raise Conflict(msg)
    observed = find_target(session, ApprovalAction.DELETE_WASTE, row.id).observed
    return Plan(row.plan_hash, dict(payload), observed, _token(row), row.deletion_begun_at)


def same_plan(plan: Plan, claim: Claim) -> bool:
    """Tell whether what is claimed now is what was approved."""
    observed = plan.observed | {"evidence": claim.evidence}
    return plan_hash(ApprovalAction.DELETE_WASTE, plan.payload, observed) == plan.hash


def is_put_off(session: TenantSession, row: WasteResource) -> int | None:
    """Return how many of its kind may be deleted in 24 hours, if so many have begun; None if it may go now.

    A kind has as many resources as the last COMPLETE scan of the account saw. What AWS gives no answer about counts
    from when it first began, however often it is tried. The account must be locked.
    """
    scan = latest_scan(session, row.account_id, complete=True)
    items = _items(session, scan.id, row) if scan else 0
    most = max(1, int(items * get_settings().waste_daily_share))
    since = database_clock(session) - DAY
    mine = (WasteResource.account_id == row.account_id, WasteResource.resource_type == row.resource_type)
    begun = (WasteResource.deletion_begun_at > since, WasteResource.id != row.id)
    counts = not_(_began_before(since))
    gone = session.scalar(select(func.count()).select_from(WasteResource).where(*mine, *begun, counts)) or 0
    return most if gone >= most else None


def _items(session: TenantSession, run_id: UUID, row: WasteResource) -> int:
    units = (ScanUnit.scan_run_id == run_id, ScanUnit.resource_kind == row.resource_type.value)
    return session.scalar(select(func.sum(ScanUnit.items)).where(*units)) or 0


def _began_before(since: datetime) -> ColumnElement[bool]:
    """Return the condition that a deletion that is scheduled has begun before ``since`` already, and did not end."""
    waste, told = WasteResource, AuditLog
    about = (told.tenant_id == waste.tenant_id, told.resource == waste.resource_id, told.event == DELETING)
    at = (told.timestamp <= since, told.timestamp > waste.scheduled_deletion_date)
    return and_(waste.status == WasteStatus.SCHEDULED_DELETE, exists().where(*about, *at))


def _token(row: WasteResource) -> str:
    """Return a token that another scheduling of the same resource does not have."""
    at = row.scheduled_deletion_date
    return f"{row.id.hex}-{at:%Y%m%dT%H%M%S.%f}" if at else row.id.hex
