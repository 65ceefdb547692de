"""The users of a tenant: making, disabling and deleting them, and what they may do."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Update, delete, select, update
from sqlalchemy.orm.attributes import InstrumentedAttribute, set_committed_value

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import PLATFORM_TENANT_ID, Account, ResourceType, Role, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.names import normal_name, require_email, require_username
from spothive.operations.identity.permissions import ALLOWED, Action, denied, managing, require
from spothive.operations.identity.sessions import end_sessions
from spothive.operations.sleepers import refuse_sleepers

NAMED = 10
"""Most accounts that a refusal names."""


def list_users(session: TenantSession) -> list[User]:
    """Return the users of the session's tenant, by user name."""
    return list(session.scalars(select(User).order_by(User.username)))


def find_user(session: TenantSession, username: str) -> User:
    """Return the user of the session's tenant called ``username``.

    Raises:
        NotFound: no such user in this tenant.
    """
    user = session.scalar(select(User).where(User.username == normal_name(username)))
    if user is None:
        msg = f"no user of this tenant is called {username!r}: see `spothive user list`"
        raise NotFound(msg)
    return user


def accounts_of(session: TenantSession, user: User, *, for_update: bool = False) -> list[Account]:
    """Return the AWS accounts that ``user`` answers for, by name, without those being disconnected.

    ``for_update`` locks them for the transaction.
    """
    mine = select(Account).where(*_answered_for(user)).order_by(Account.account_name)
    return list(session.scalars(mine.with_for_update() if for_update else mine))


def _answered_for(user: User) -> tuple[ColumnElement[bool], ...]:
    return Account.user_id == user.id, Account.disconnecting_at.is_(None)


def create_user(
    session: TenantSession,
    actor: Actor,
    *,
    username: str,
    email: str,
    role: Role,
    password_hash: str,
    full_name: str | None = None,
    must_change_password: bool = True,
) -> User:
    """Create a user of the session's tenant. The password is hashed by the caller, outside the transaction.

    Raises:
        Denied: ``actor`` may not make users, or not users of this role.
        DuplicateValue: user name or e-mail is taken, in this or another tenant.
        InvalidInput: the e-mail is none, or the user name could be one.
        ValueRefused: other characters than lower-case ASCII.
    """
    username, email = normal_name(username), normal_name(email)
    action = Action.MANAGE_USERS if _first_super_admin(session, actor, role) else managing(role)
    require(actor, action, attempt="user.created", resource=username, resource_type=ResourceType.USER)
    require_username(username)
    require_email(email)
    user = User(
        username=username,
        email=email,
        role=role,
        full_name=full_name,
        password_hash=password_hash,
        must_change_password=must_change_password,
    )
    session.add(user)
    session.flush()  # so that a taken name is refused here, where the caller can say which
    after = {"username": username, "email": email, "role": role}
    record(session, actor, "user.created", username, ResourceType.USER, after=after)
    return user


def set_user_active(session: TenantSession, actor: Actor, *, username: str, active: bool) -> User:
    """Disable a user, which is the normal end of one and ends the user's sessions, or enable one again.

    Raises:
        Denied: ``actor`` may not, or the user is an admin and ``actor`` may not unmake admins.
        NotFound: no such user in this tenant.
        IllegalMove: the last active admin of platform stays.
        Conflict: somebody else did the same at this moment.
    """
    event = "user.enabled" if active else "user.disabled"
    user = find_user(session, username)
    require(actor, managing(user.role), attempt=event, resource=username, resource_type=ResourceType.USER)
    if user.is_active != active:
        _switch(session, user, User.is_active, active)
        if not active:
            end_sessions(session, user.id, reason="the user was disabled")
        before, after = {"is_active": not active}, {"is_active": active}
        record(session, actor, event, user.username, ResourceType.USER, before=before, after=after)
    return user


def set_role(session: TenantSession, actor: Actor, *, username: str, role: Role) -> User:
    """Let a user do more, or less, from now on; the user's sessions end.

    Raises:
        Denied: ``actor`` may not, may not make or unmake admins, or would raise the own role.
        NotFound: no such user in this tenant.
        IllegalMove: the last active admin of platform stays.
        Conflict: somebody else changed the role at this moment.
    """
    user = find_user(session, username)
    kind = ResourceType.USER
    require(actor, managing(user.role, role), attempt="user.role", resource=username, resource_type=kind)
    # What is in the database counts: the actor may have been more a moment ago.
    if user.id == actor.user_id and not ALLOWED[role] <= ALLOWED[user.role]:
        msg = f"{actor.username} may not raise the own role from {user.role} to {role}: ask another"
        raise denied(actor, msg, attempt="user.role", resource=username, resource_type=kind)
    before = user.role
    if before is not role:
        _switch(session, user, User.role, role)
        end_sessions(session, user.id, reason="the role was changed")
        record(session, actor, "user.role", user.username, kind, before={"role": before}, after={"role": role})
    return user


def delete_user(
    session: TenantSession, actor: Actor, *, username: str, with_accounts: bool = False, leave_asleep: bool = False
) -> list[str]:
    """Delete a user with all that is the user's own; disabling is the normal end and keeps it.

    Args:
        session: of the user's tenant.
        actor: who deletes.
        username: whom.
        with_accounts: delete the AWS accounts the user answers for too, with all that spothive knows of them.
        leave_asleep: delete such accounts too if hibernation has put clusters of them to sleep, and the sizes to go
            back to with them.

    Returns:
        The names of the accounts that went with the user.

    Raises:
        Denied: ``actor`` may not, or the user is an admin and ``actor`` may not unmake admins.
        NotFound: no such user in this tenant.
        Conflict: the user answers for accounts, and ``with_accounts`` was not said; clusters of them sleep, and
            ``leave_asleep`` was not; or the user was deleted at this moment.
        IllegalMove: the last active admin of platform stays.
    """
    user = find_user(session, username)
    require(actor, managing(user.role), attempt="user.deleted", resource=username, resource_type=ResourceType.USER)
    session.flush()  # what hangs on the user and was not written yet goes, or stands in the way, too
    # In this order: the rule about the last admin, which looks at this update, waits for its own lock before any row is
    # locked; and a row that is locked gets no further accounts.
    session.execute(_of(user).values(is_active=False).execution_options(synchronize_session=False))
    session.execute(select(User.id).where(User.id == user.id).with_for_update())
    names = [account.account_name for account in accounts_of(session, user, for_update=True)]
    if names and not with_accounts:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        msg = (
            f"{user.username} answers for {', '.join(names[:NAMED])}{more}: hand them over with `spothive user "
            "transfer` first, or say --with-accounts to lose them too"
        )
        raise Conflict(msg)
    if names and not leave_asleep:
        refuse_sleepers(session, *_answered_for(user))
    before = {"username": user.username, "email": user.email, "role": user.role, "accounts": names}
    gone = session.execute(delete(User).where(User.id == user.id).execution_options(synchronize_session=False))
    if gone.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        raise _changed(user)
    session.expunge(user)
    record(session, actor, "user.deleted", user.username, ResourceType.USER, before=before)
    return names


def _switch(session: TenantSession, user: User, column: InstrumentedAttribute[Any], value: Any) -> None:
    """Set a column of ``user`` by compare-and-set.

    Locking the row first would be a deadlock between two admins who disable each other: the rule about the last admin
    waits for its own lock before it looks at any row.
    """
    session.flush()
    known = getattr(user, column.key)
    statement = _of(user, column == known).values({column: value})
    switched = session.execute(statement.execution_options(synchronize_session=False))
    if switched.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        raise _changed(user)
    set_committed_value(user, column.key, value)


def _changed(user: User) -> Conflict:
    return Conflict(f"{user.username} has just been changed by somebody else: see `spothive user list`")


def _of(user: User, *where: ColumnElement[bool]) -> Update:
    return update(User).where(User.id == user.id, *where)


def _first_super_admin(session: TenantSession, actor: Actor, role: Role) -> bool:
    """Tell whether this is staff making platform's first super_admin, whom nobody else could make."""
    if role is not Role.SUPER_ADMIN or not actor.is_staff or session.tenant_id != PLATFORM_TENANT_ID:
        return False
    return session.scalar(select(User.id).where(User.role == Role.SUPER_ADMIN).limit(1)) is None
