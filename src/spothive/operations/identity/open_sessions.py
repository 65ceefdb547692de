"""Open sessions: who may see and end them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import NotFound
from spothive.models import ResourceType, SessionLog, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import require_over
from spothive.operations.identity.sessions import end_one, end_sessions, is_open


def list_sessions(session: TenantSession, actor: Actor, username: str | None = None) -> list[SessionLog]:
    """Return the open sessions of a user of the session's tenant, the last used first.

    Args:
        session: may be one that only reads.
        actor: who asks; everybody may see the own ones.
        username: whose; the actor's own when None.

    Raises:
        Denied: ``actor`` may not manage that user.
        NotFound: no such user in this tenant.
    """
    user_id = actor.user_id
    if username is not None:
        user = find_user(session, username)
        require_over(actor, user, attempt="session.listed")
        user_id = user.id
    query = select(SessionLog).where(SessionLog.user_id == user_id, *is_open(utc_now()))
    return list(session.scalars(query.order_by(SessionLog.last_active_at.desc(), SessionLog.id.desc())))


def end_session(session: TenantSession, actor: Actor, session_id: UUID) -> None:
    """End a session: anybody an own one, others who may manage that user.

    Raises:
        Denied: it is another user's, whom ``actor`` may not manage.
        NotFound: no such session in this tenant, or it has ended.
    """
    row = session.get(SessionLog, session_id)
    user = session.get_one(User, row.user_id) if row else None
    if user is not None:
        require_over(actor, user, attempt="session.ended")
    if user is None or not end_one(session, session_id, reason=f"ended by {actor.username}"):
        msg = f"no open session has the id {session_id}: see `spothive session list`"
        raise NotFound(msg)
    record(session, actor, "session.ended", user.username, ResourceType.USER, before={"session_id": session_id})


def end_other_sessions(session: TenantSession, actor: Actor, keep: UUID | None = None) -> int:
    """End the acting user's sessions, all but ``keep``; return how many there were.

    Raises:
        NotFound: ``actor`` is no user of the session's tenant.
    """
    user = find_user(session, actor.username)
    ended = end_sessions(session, user.id, reason=f"ended by {actor.username}", keep=keep)
    if ended:
        before = {"sessions": ended, "kept": keep}
        record(session, actor, "session.others_ended", user.username, ResourceType.USER, before=before)
    return ended
