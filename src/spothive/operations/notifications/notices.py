"""What users are told in the application: the own notices, unread ones first."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from spothive.database import TenantSession
from spothive.database.pages import MAX_PAGE, Page, newest_first
from spothive.errors import InvalidInput, NotFound
from spothive.models import Notice, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.permissions import Action, require
from spothive.operations.notifications.preferences import own_user
from spothive.schema.types import clock_timestamp

_READ: Final = "notices.read"
_UNREAD_PART, _READ_PART = "unread", "read"


def list_notices(
    session: TenantSession, actor: Actor, *, unread: bool = False, limit: int = 100, before: str | None = None
) -> Page[Notice]:
    """Return one page of the actor's notices: those not read yet, then the others, each newest first.

    Three statements at most.

    Args:
        session: of the actor's tenant.
        actor: whose.
        unread: only those that were not read.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
        NotFound: the actor is no user of this tenant.
    """
    own_user(session, actor)
    if not 1 <= limit <= MAX_PAGE:
        msg = f"a page has 1 to {MAX_PAGE} rows"
        raise InvalidInput(msg)
    part, _, place = (before or _UNREAD_PART).partition(":")
    if part not in {_UNREAD_PART, _READ_PART}:
        msg = f"{part[:80]!r} is no place to go on from: give what the page before named"
        raise InvalidInput(msg)
    rows: list[Notice] = []
    for which in (_UNREAD_PART, _READ_PART)[part == _READ_PART : 1 if unread else 2]:
        if len(rows) == limit:
            return Page(rows, which) if _any(session, actor) else Page(rows, None)
        page = _part(session, actor, which, limit - len(rows), place if which == part and place else None)
        rows += page.rows
        if page.next:
            return Page(rows, f"{which}:{page.next}")
    return Page(rows, None)


def mark_read(session: TenantSession, actor: Actor, notice_id: UUID | None = None) -> int:
    """Mark one notice of the actor as read, or all; return how many were not.

    Args:
        session: of the actor's tenant.
        actor: whose.
        notice_id: which; all when None.

    Raises:
        Denied: the role does not allow it.
        NotFound: the actor has no such notice, or is no user of this tenant.
    """
    called = "notices" if notice_id is None else str(notice_id)
    require(actor, Action.READ, attempt=_READ, resource=called, resource_type=ResourceType.NOTICE)
    own_user(session, actor)
    mine = [Notice.user_id == actor.user_id]
    if notice_id is not None:
        mine.append(Notice.id == notice_id)
        if session.scalar(select(Notice.id).where(*mine)) is None:
            msg = f"no notice of yours has the id {called!r}: see `spothive notify list`"
            raise NotFound(msg)
    mark = update(Notice).where(*mine, Notice.read_at.is_(None)).values(read_at=clock_timestamp())
    marked = len(session.execute(mark.returning(Notice.id), execution_options={"synchronize_session": False}).all())
    if marked:
        record(session, actor, _READ, called, ResourceType.NOTICE, after={"read": marked})
    return marked


def _part(session: TenantSession, actor: Actor, which: str, limit: int, before: str | None) -> Page[Notice]:
    is_in = Notice.read_at.is_(None) if which == _UNREAD_PART else Notice.read_at.is_not(None)
    query = select(Notice).where(Notice.user_id == actor.user_id, is_in)
    return newest_first(session, Notice, query, limit=limit, before=before, by="created_at")


def _any(session: TenantSession, actor: Actor) -> bool:
    """Tell whether the actor has read any notice."""
    query = select(Notice.id).where(Notice.user_id == actor.user_id, Notice.read_at.is_not(None)).limit(1)
    return session.scalar(query) is not None
