"""Reading the audit trail: pages of it, and one row with what changed.

Imported by its own name, not through the package: who may read is known to ``identity``, which writes the trail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import NotFound
from spothive.models import AuditLog, Outcome, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.identity import Action, require

WHOLE = "(all of it)"
"""Field of a change whose record is no JSON object."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that an audited action told of; None where it did not say.

    Attributes:
        field: its name.
        before: what it was.
        after: what it is.
    """

    field: str
    before: Any
    after: Any


def list_audit(  # noqa: PLR0913 - a filter each
    session: TenantSession,
    actor: Actor,
    *,
    event: str | None = None,
    resource: str | None = None,
    resource_type: ResourceType | None = None,
    outcome: Outcome | None = None,
    actor_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    before: str | None = None,
) -> Page[AuditLog]:
    """Return one page of the audit trail of the session's tenant, newest first; what is None does not matter.

    Args:
        session: bound to the tenant.
        actor: who reads.
        event: exactly this, for example ``account.imported``.
        resource: exactly this name or id.
        resource_type: this kind of thing only.
        outcome: ended in this way only.
        actor_name: done by the user of this name, however the user came in.
        since: from this moment on, UTC.
        until: up to this moment, which is left out, UTC.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    _require(actor, "audit.listed", "audit trail")
    exact = {
        AuditLog.event: event,
        AuditLog.resource: resource,
        AuditLog.resource_type: resource_type,
        AuditLog.outcome: outcome,
    }
    query = select(AuditLog).where(*(column == value for column, value in exact.items() if value is not None))
    if actor_name is not None:
        came_in = f"{actor_name} ("  # as in Actor.label; not by LIKE, to which SQLite's letters have no case
        query = query.where(
            or_(AuditLog.actor_name == actor_name, func.substr(AuditLog.actor_name, 1, len(came_in)) == came_in)
        )
    return newest_first(session, AuditLog, query, limit=limit, since=since, until=until, before=before)


def show_audit(session: TenantSession, actor: Actor, row_id: UUID) -> AuditLog:
    """Return one row of the audit trail of the session's tenant.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: the tenant has no such row.
    """
    _require(actor, "audit.shown", str(row_id))
    row = session.get(AuditLog, row_id)
    if row is None:
        msg = f"no audit row has the id {row_id}: see `spothive audit list`"
        raise NotFound(msg)
    return row


def changes_of(row: AuditLog) -> list[Change]:
    """Return what ``row`` tells of each field, by name. Never raises: whatever was stored is shown."""
    was, now = _fields(row.diff_before), _fields(row.diff_after)
    return [Change(name, was.get(name), now.get(name)) for name in sorted(was.keys() | now.keys())]


def _require(actor: Actor, attempt: str, resource: str) -> None:
    require(actor, Action.READ, attempt=attempt, resource=resource, resource_type=ResourceType.SYSTEM)


def _fields(diff: str | None) -> dict[str, Any]:
    if diff is None:
        return {}
    try:
        fields = json.loads(diff)
    except (ValueError, RecursionError):  # written by other means than record()
        fields = diff
    return fields if isinstance(fields, dict) else {WHOLE: fields}
