"""Locking out whoever guesses: failures in a row are counted, and after some of them nobody gets in for a while."""

from __future__ import annotations

import enum
from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, literal, null, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.settings import get_settings

NOBODY = UUID(int=0)
"""Id of no user, so that an unknown name costs the same statements as a known one."""


class Failure(enum.StrEnum):
    """Why somebody was not let in, for the own staff; what the caller is told says less."""

    UNKNOWN_NAME = "unknown name"
    LOCKED = "locked"
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - a reason, no password
    DISABLED = "the user is disabled"
    SUSPENDED = "the tenant is suspended"
    CODE_NEEDED = "no code was given"
    WRONG_CODE = "wrong code"
    USED_CODE = "the code was used before"

    @property
    def counts(self) -> bool:
        """Whether it was, or may have been, a guess."""
        return self not in {Failure.DISABLED, Failure.SUSPENDED, Failure.CODE_NEEDED}


def locked_user(session: TenantSession, user_id: UUID) -> User | None:
    """Return the user's row as it is now, locked to the end of the transaction: attempts are judged one by one."""
    session.flush()  # else what was changed and not sent yet would be lost by reading the row anew
    query = select(User).where(User.id == user_id).with_for_update()
    return session.scalar(query, execution_options={"populate_existing": True})


def is_locked(user: User | None) -> bool:
    """Tell whether ``user`` is locked out at this moment."""
    return user is not None and user.locked_until is not None and user.locked_until > utc_now()


def count_failure(session: TenantSession, user: User | None) -> None:
    """Count one failure of ``user``, and lock the user if it is one too many; one statement.

    Once a lock has ended counting begins again. Failures while it lasts are counted and do not prolong it. The audit
    trail gets one row when a user is locked, and none for the attempts: those are in ``login_history``.

    Args:
        session: of the user's tenant.
        user: the row, locked by :func:`locked_user`; None if there is no such user.
    """
    now, settings = utc_now(), get_settings()
    until = now + timedelta(seconds=settings.login_lock)
    moment = User.locked_until.type
    failures = case((User.locked_until <= now, 1), else_=User.failed_logins + 1)
    lock = case(
        (User.locked_until > now, User.locked_until),
        (failures >= settings.login_attempts, literal(until, moment)),
        else_=null(),
    )
    statement = update(User).where(User.id == (user.id if user else NOBODY))
    statement = statement.values(failed_logins=failures, locked_until=lock)
    session.execute(statement.execution_options(synchronize_session=False))
    if user is None or is_locked(user):
        return
    count = 1 if user.locked_until else user.failed_logins + 1  # what the statement wrote: the row is ours
    if count >= settings.login_attempts:
        guesser = Actor(user.id, user.username, user.role, user.tenant_id, via="not signed in")
        after = {"failed_logins": count, "locked_until": until}
        record(session, guesser, "user.locked", user.username, ResourceType.USER, after=after)
