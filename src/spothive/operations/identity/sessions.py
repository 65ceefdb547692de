"""Sessions of people who signed in: how they begin, go on and end.

A session is a random token of 256 bits, of which the SHA-256 is stored: enough for what nobody can guess. It ends when
it is left or revoked, when it was not used for a while, and after a day in any case.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession, read_session
from spothive.database.look_ups import SessionRow, session_row
from spothive.errors import SessionEnded
from spothive.models import ResourceType, SessionLog, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.user_agents import read_user_agent
from spothive.operations.sessions import Sessions
from spothive.settings import get_settings

TOKEN_BYTES = 32
TOKEN_LENGTH = 43
"""Characters of a token: 32 bytes in base64url."""
NOTED_EVERY = 60
"""Seconds that pass at least before the use of a session is written down again."""


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that has just begun.

    Attributes:
        row: as it is stored.
        token: opens it; a secret, shown this once.
        ended: ids of the sessions that ended for it, since a user has only so many.
    """

    row: SessionLog
    token: str = field(repr=False)
    ended: list[UUID]


def start_session(
    session: TenantSession, user: User, *, ip_address: str | None, user_agent: str | None
) -> StartedSession:
    """Start a session of ``user``; if there are too many, end those used least lately.

    It is part of signing in, which is audited, so it writes no audit row of its own. It flushes, to have an id.

    Args:
        session: of the user's tenant.
        user: the row, locked, so that of ten who sign in at once each counts the others' sessions.
        ip_address: from where, at most 45 characters.
        user_agent: what the browser calls itself, at most 500 characters.
    """
    now, settings = utc_now(), get_settings()
    open_ones = session.scalars(
        select(SessionLog.id)
        .where(SessionLog.user_id == user.id, *is_open(now))
        .order_by(SessionLog.last_active_at.desc(), SessionLog.id.desc())
    ).all()
    surplus = list(open_ones[settings.sessions_per_user - 1 :])
    if surplus:
        ended = update(SessionLog).where(SessionLog.id.in_(surplus), SessionLog.logged_out_at.is_(None))
        ended = ended.values(logged_out_at=now, revoked_reason=f"only {settings.sessions_per_user} may be open")
        session.execute(ended.execution_options(synchronize_session=False))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    device_type, browser = read_user_agent(user_agent)
    row = SessionLog(
        user_id=user.id,
        token_hash=_hash(token),
        ip_address=ip_address,
        user_agent=user_agent,
        device_type=device_type,
        browser=browser,
        last_active_at=now,
        expires_at=now + timedelta(seconds=settings.session_lifetime),
    )
    session.add(row)
    session.flush()
    return StartedSession(row, token, surplus)


def end_sessions(session: TenantSession, user_id: UUID, *, reason: str, keep: UUID | None = None) -> int:
    """End the open sessions of a user, all but ``keep``; return how many there were. One statement.

    It is part of a change that is audited, so it writes no audit row of its own.

    Args:
        session: of the user's tenant.
        user_id: whose sessions.
        reason: why, for people, for example ``the password was changed``.
        keep: id of a session that stays open.
    """
    ended = (
        update(SessionLog)
        .where(SessionLog.user_id == user_id, SessionLog.logged_out_at.is_(None))
        .values(logged_out_at=utc_now(), revoked_reason=reason)
    )
    if keep is not None:
        ended = ended.where(SessionLog.id != keep)
    result = session.execute(ended.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a CursorResult, since this is DML


# --- procedures --------------------------------------------------------------------------------------------------


def resume(sessions: Sessions, token: str) -> tuple[Actor, SessionRow]:
    """Return who signed in with ``token``, and the session, for one request (a procedure).

    One look-up; the use is written down at most once a minute. ``must_change_password`` of the session tells a door
    to let the user do nothing else.

    Raises:
        SessionEnded: no session has this token; or it was left, revoked, not used for too long or open for too long;
            or the user is disabled or the tenant suspended. Which of these is not told.
    """
    now, row = utc_now(), _look_up(token)
    if row is None or not _may_go_on(row, now):
        msg = "you are not signed in, or your session has ended: sign in again"
        raise SessionEnded(msg)
    age = (now - row.last_active_at).total_seconds()
    if age >= min(NOTED_EVERY, get_settings().session_idle // 2):
        with sessions(tenant=row.tenant_id) as session:
            # Compared with what was read, so that of many requests at once one writes.
            unnoted = SessionLog.last_active_at == row.last_active_at
            used = update(SessionLog).where(SessionLog.id == row.session_id, unnoted)
            session.execute(used.values(last_active_at=now).execution_options(synchronize_session=False))
    return _actor_of(row), row


def log_out(sessions: Sessions, token: str) -> None:
    """End the session that ``token`` opens (a procedure); where there is none, nothing is left to do."""
    row = _look_up(token)
    if row is None or row.logged_out_at is not None:
        return
    with sessions(tenant=row.tenant_id) as session:
        if end_one(session, row.session_id, reason=None):
            before = {"session_id": row.session_id}
            record(session, _actor_of(row), "session.left", row.username, ResourceType.USER, before=before)


# --- rows --------------------------------------------------------------------------------------------------------


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _look_up(token: str) -> SessionRow | None:
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    with read_session() as session:
        return session_row(session, _hash(token))


def _actor_of(row: SessionRow) -> Actor:
    return Actor(row.user_id, row.username, row.role, row.tenant_id)


def _may_go_on(row: SessionRow, now: datetime) -> bool:
    idle_since = now - timedelta(seconds=get_settings().session_idle)
    is_open = row.logged_out_at is None and row.expires_at > now and row.last_active_at > idle_since
    return is_open and row.is_active and row.tenant_is_active


def is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which a session is open at a moment."""
    idle_since = now - timedelta(seconds=get_settings().session_idle)
    return (SessionLog.logged_out_at.is_(None), SessionLog.expires_at > now, SessionLog.last_active_at > idle_since)


def end_one(session: TenantSession, session_id: UUID, *, reason: str | None) -> bool:
    """End one session by compare-and-set; tell whether this call did. The caller writes the audit row."""
    ended = update(SessionLog).where(SessionLog.id == session_id, SessionLog.logged_out_at.is_(None))
    ended = ended.values(logged_out_at=utc_now(), revoked_reason=reason)
    result = session.execute(ended.execution_options(synchronize_session=False))
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]  # a CursorResult, since this is DML
