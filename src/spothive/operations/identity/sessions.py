"""Sessions of people who signed in."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import SessionLog


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
