"""Writing the audit trail, in the transaction of the change it tells of."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import SpothiveError, TenantMismatch
from spothive.models import AuditLog, Outcome, ResourceType
from spothive.models.audit import DIFF_MAX
from spothive.operations.actor import Actor

_FIELDS, _SHORT = 50, 64
"""Of a diff that does not fit: fields that are kept, and characters of each. One takes six where JSON escapes it."""


def record(
    session: TenantSession,
    actor: Actor,
    event: str,
    resource: str,
    resource_type: ResourceType,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Add one row that says what ``actor`` did. If it cannot be written, the change does not happen.

    Args:
        session: session of the change.
        actor: who did it.
        event: what was done, for example ``account.imported``.
        resource: name or id of what it was done to.
        resource_type: kind of the resource.
        before: what changed, as it was; never a secret.
        after: what changed, as it is now; never a secret.
        tenant_id: tenant whose trail it belongs to; the session's when None.

    Raises:
        TenantMismatch: the actor belongs to another tenant and is no staff of platform. Every change is recorded, so
            this is where a door is stopped that lets somebody act in a tenant that is not his.
    """
    trail = tenant_id or session.tenant_id
    if trail != actor.home_tenant_id and not actor.is_staff:
        msg = f"{actor.username} belongs to another tenant, and acts in the own one alone"
        raise TenantMismatch(msg)
    row = _row(actor, event, resource, resource_type, tenant_id=trail)
    row.outcome = Outcome.SUCCESS
    row.diff_before, row.diff_after = _canonical(before), _canonical(after)
    session.add(row)


def record_failure(
    session: TenantSession,
    actor: Actor,
    event: str,
    resource: str,
    resource_type: ResourceType,
    *,
    reason: SpothiveError,
    outcome: Outcome = Outcome.FAILURE,
) -> None:
    """Add one row that says what ``actor`` tried in vain, and why; in a transaction that outlives the attempt.

    Args:
        session: session of a transaction of its own.
        actor: who tried.
        event: what was tried, for example ``account.connected``.
        resource: name or id of what it was tried on.
        resource_type: kind of the resource.
        reason: the refusal; its message never holds a secret.
        outcome: FAILURE, or DENIED if the attempt was not rightful.
    """
    row = _row(actor, event, resource, resource_type, tenant_id=session.tenant_id)
    row.outcome = outcome
    row.diff_after = _canonical({"reason": str(reason)})
    session.add(row)


def is_recorded(
    session: TenantSession,
    *,
    event: str,
    resource: str,
    since: datetime,
    after: dict[str, Any],
    outcome: Outcome = Outcome.SUCCESS,
) -> bool:
    """Tell whether the trail holds such a row already: what is tried again and again is told once. One statement.

    Args:
        session: of the tenant.
        event: exactly this.
        resource: name or id of what it is about.
        since: rows before this moment do not count, UTC.
        after: what the row says; of a failure ``{"reason": ...}``.
        outcome: how it ended.
    """
    exact = (AuditLog.event == event, AuditLog.resource == storable(resource), AuditLog.outcome == outcome)
    told = (AuditLog.timestamp >= since, AuditLog.diff_after == _canonical(after))
    return session.scalar(select(AuditLog.id).where(*exact, *told).limit(1)) is not None


def _row(actor: Actor, event: str, resource: str, resource_type: ResourceType, *, tenant_id: UUID | None) -> AuditLog:
    """Begin the row of what ``actor`` did or tried."""
    return AuditLog(
        tenant_id=tenant_id,
        actor_id=actor.actor_id,
        actor_name=actor.label,
        event=event,
        resource=storable(resource),
        resource_type=resource_type,
    )


def storable(resource: str, length: int = 255) -> str:
    """Return the name of a thing as a row can hold it, whatever somebody typed: an attempt is remembered too.

    Args:
        resource: as it was typed.
        length: at most so many characters.
    """
    text = resource[:length].encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text[:length] or "(no name)"


def _canonical(diff: dict[str, Any] | None) -> str | None:
    """Return ``diff`` as the JSON that is stored. Never raises: no verb fails because what it did is hard to tell."""
    if diff is None:
        return None
    try:
        text = _json(diff)
    except (TypeError, ValueError, RecursionError):  # no JSON, or deeper than Python likes to look
        text = ""
    return text if 0 < len(text) <= DIFF_MAX else _json(_shortened(diff))


def _json(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair has no other form


def _shortened(diff: dict[str, Any]) -> dict[str, Any]:
    """Return what fits of ``diff`` in any case: some of its fields, of texts the beginning, of lists the length."""
    names = sorted(diff, key=str)
    counts = {str(name)[:_SHORT]: _in_short(diff[name]) for name in names[:_FIELDS]}
    left_out = {"left_out": len(names) - _FIELDS} if len(names) > _FIELDS else {}
    return {"shortened": True, "counts": counts} | left_out


def _in_short(value: Any) -> Any:
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return len(value)
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return str(value)[:_SHORT] if isinstance(value, (str, float, Decimal)) else type(value).__name__
