"""Reading requests for approval."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import NotFound
from spothive.models import ApprovalAction, ApprovalRequest, ApprovalStatus, AuthStatus, InstanceState
from spothive.schema.types import clock_timestamp

_WITH_TARGETS = (
    joinedload(ApprovalRequest.instance),
    joinedload(ApprovalRequest.waste_resource),
    joinedload(ApprovalRequest.cluster),
)


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which requests to list; empty or None does not matter.

    Attributes:
        statuses: in one of these.
        since: asked for from this moment on (UTC).
    """

    statuses: Collection[ApprovalStatus] = ()
    since: datetime | None = None


def list_approvals(
    session: TenantSession, wanted: ApprovalFilter, *, limit: int = 100, before: str | None = None
) -> Page[ApprovalRequest]:
    """Return one page of the tenant's requests with their targets, newest first; one statement.

    Args:
        session: of the tenant.
        wanted: which.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(ApprovalRequest).options(*_WITH_TARGETS)
    if wanted.statuses:
        query = query.where(ApprovalRequest.status.in_(sorted(wanted.statuses)))
    return newest_first(
        session, ApprovalRequest, query, limit=limit, since=wanted.since, before=before, by="requested_at"
    )


def find_approval(session: TenantSession, request_id: UUID) -> ApprovalRequest:
    """Return one request with its target.

    Raises:
        NotFound: the tenant has no such request.
    """
    query = select(ApprovalRequest).where(ApprovalRequest.id == request_id).options(*_WITH_TARGETS)
    return _found(session.scalar(query), request_id)


def locked_approval(session: TenantSession, request_id: UUID) -> ApprovalRequest:
    """Return one request, locked and as it is now: whoever changes it next does not have to wait.

    Raises:
        NotFound: the tenant has no such request.
    """
    query = select(ApprovalRequest).where(ApprovalRequest.id == request_id).options(*_WITH_TARGETS)
    query = query.with_for_update(of=ApprovalRequest)
    return _found(session.scalar(query, execution_options={"populate_existing": True}), request_id)


def database_clock(session: TenantSession) -> datetime:
    """Return the database's time of day (UTC), by which requests expire."""
    return session.scalars(select(clock_timestamp())).one()


def what_became(request: ApprovalRequest, now: datetime) -> str:
    """Return how a request stands, as the rest of a sentence: ``was rejected by anna at 2026-03-04 10:30:00 UTC``."""
    if request.executed_at is not None:
        return f"was executed at {_at(request.executed_at)}"
    if request.status is ApprovalStatus.EXPIRED or request.expires_at < now:
        return f"is over: it stood until {_at(min(request.expires_at, now))}"
    if request.decided_at is not None:
        who = request.approver_name or "policy"
        return f"was {request.status.lower()} by {who} at {_at(request.decided_at)}"
    return f"waits for a decision until {_at(request.expires_at)}"


def target_name(request: ApprovalRequest) -> str:
    """Return what a request is about, by AWS's id or the name of a cluster.

    The request must come with its target, as :func:`list_approvals` and :func:`find_approval` return it.
    """
    if request.instance is not None:
        return request.instance.instance_id
    if request.waste_resource is not None:
        return request.waste_resource.resource_id
    assert request.cluster is not None  # noqa: S101 - the rule target
    return request.cluster.name


def has_outcome(request: ApprovalRequest) -> bool:
    """Tell whether it is known what came of a request that was used: only of a termination AWS's answer may be missing.

    The request must come with its target, as :func:`list_approvals` and :func:`find_approval` return it.
    """
    if request.action_type is not ApprovalAction.TERMINATE_ROGUE or request.instance is None:
        return True
    over = {InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED}
    return request.instance.auth_status is AuthStatus.TERMINATED or request.instance.state in over


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _found(request: ApprovalRequest | None, request_id: object) -> ApprovalRequest:
    if request is None:
        msg = f"no request for approval has the id {str(request_id)[:60]!r}: see `spothive approval list`"
        raise NotFound(msg)
    return request
