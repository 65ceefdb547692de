"""Reading what is waste, what it costs, and what was decided about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import joinedload

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import NotFound
from spothive.models import (
    Account,
    ApprovalRequest,
    ScanKind,
    ScanRun,
    ScanStatus,
    WasteResource,
    WasteStatus,
    WasteType,
)
from spothive.operations.waste.memory import LIVE


@dataclass(frozen=True, slots=True)
class WasteFilter:
    """Which resources to list; empty or None does not matter.

    Attributes:
        statuses: in one of these; those that still are waste when empty.
        types: of one of these kinds.
        account_id: row of the account.
        since: detected from this moment on (UTC).
    """

    statuses: Collection[WasteStatus] = ()
    types: Collection[WasteType] = ()
    account_id: UUID | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WasteSum:
    """What the resources of a kind in a status cost together, in USD for a month of 30 days."""

    resource_type: WasteType
    status: WasteStatus
    resources: int
    monthly_cost: Decimal


def list_waste(
    session: TenantSession, wanted: WasteFilter, *, limit: int = 100, before: str | None = None
) -> Page[WasteResource]:
    """Return one page of the tenant's waste with its accounts, what was detected last first; one statement.

    Args:
        session: of the tenant.
        wanted: which.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(WasteResource).options(joinedload(WasteResource.account)).where(*_wanted(wanted))
    return newest_first(session, WasteResource, query, limit=limit, since=wanted.since, before=before, by="detected_at")


def sum_waste(session: TenantSession, wanted: WasteFilter) -> list[WasteSum]:
    """Return what the same resources cost, by kind and status, dearest first; one statement."""
    cost = func.sum(WasteResource.monthly_cost)
    query = select(WasteResource.resource_type, WasteResource.status, func.count(), cost).where(*_wanted(wanted))
    if wanted.since is not None:
        query = query.where(WasteResource.detected_at >= wanted.since)
    rows = session.execute(query.group_by(WasteResource.resource_type, WasteResource.status)).all()
    sums = [WasteSum(kind, status, number, costs) for kind, status, number, costs in rows]
    return sorted(sums, key=lambda each: (-each.monthly_cost, each.resource_type, each.status))


def find_waste(session: TenantSession, name: str, *, lock: bool = False) -> WasteResource:
    """Return a resource by AWS's id or by the id of its row, with its account; of several the one that is live.

    Args:
        session: of the tenant.
        name: such as ``vol-0123456789abcdef0``.
        lock: whether its row stays as it is until the transaction ends.

    Raises:
        NotFound: nothing of the tenant is called so, or its account is being disconnected.
    """
    try:
        called = WasteResource.id == UUID(name)
    except ValueError:
        called = WasteResource.resource_id == name
    query = select(WasteResource).join(WasteResource.account).where(called, Account.disconnecting_at.is_(None))
    live_first = case((WasteResource.status.in_(LIVE), 0), else_=1)
    query = query.order_by(live_first, WasteResource.detected_at.desc(), WasteResource.id.desc()).limit(1)
    query = query.options(joinedload(WasteResource.account))
    if lock:
        query = query.with_for_update(of=WasteResource)
    found = session.scalar(query, execution_options={"populate_existing": lock})
    if found is None:
        msg = f"no waste is called {name[:60]!r}: see `spothive waste list`"
        raise NotFound(msg)
    return found


def approvals_of(session: TenantSession, resource: WasteResource) -> Sequence[ApprovalRequest]:
    """Return the requests that a resource be deleted, newest first."""
    query = select(ApprovalRequest).where(ApprovalRequest.waste_resource_id == resource.id)
    return session.scalars(query.order_by(ApprovalRequest.id.desc())).all()


def latest_scan(session: TenantSession, account_id: UUID, *, complete: bool = False) -> ScanRun | None:
    """Return the latest waste scan of an account that has ended, or the latest that was COMPLETE."""
    ended = ScanRun.status == ScanStatus.COMPLETE if complete else ScanRun.status != ScanStatus.RUNNING
    mine = (ScanRun.account_id == account_id, ScanRun.kind == ScanKind.WASTE, ended)
    return session.scalar(select(ScanRun).where(*mine).order_by(ScanRun.started_at.desc()).limit(1))


def _wanted(wanted: WasteFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [WasteResource.status.in_(sorted(wanted.statuses or LIVE))]
    if wanted.types:
        where.append(WasteResource.resource_type.in_(sorted(wanted.types)))
    if wanted.account_id is not None:
        where.append(WasteResource.account_id == wanted.account_id)
    return where
