"""The users of a tenant: making, disabling and enabling them, and setting passwords for them."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import PLATFORM_TENANT_ID, STAFF_ROLES, ResourceType, Role, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.names import normal_name, require_email
from spothive.operations.identity.permissions import Action, require


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
        InvalidInput: the e-mail is none.
        ValueRefused: other characters than lower-case ASCII.
    """
    username, email = normal_name(username), normal_name(email)
    if role in STAFF_ROLES and not _first_super_admin(session, actor, role):
        action = Action.MAKE_ADMINS
    else:
        action = Action.MANAGE_USERS
    require(actor, action, attempt="user.created", resource=username, resource_type=ResourceType.USER)
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
    """Disable a user, which is the normal end of one, or enable again.

    Raises:
        Denied: ``actor`` may not, or the user is an admin and ``actor`` may not unmake admins.
        NotFound: no such user in this tenant.
        IllegalMove: the last active admin of platform stays.
        Conflict: somebody else did the same at this moment.
    """
    event = "user.enabled" if active else "user.disabled"
    user = find_user(session, username)
    action = Action.MAKE_ADMINS if user.role in STAFF_ROLES else Action.MANAGE_USERS
    require(actor, action, attempt=event, resource=username, resource_type=ResourceType.USER)
    if user.is_active != active:
        _switch(session, user, active=active)
        before, after = {"is_active": not active}, {"is_active": active}
        record(session, actor, event, user.username, ResourceType.USER, before=before, after=after)
    return user


def set_password(session: TenantSession, actor: Actor, *, username: str, password_hash: str) -> User:
    """Set a user's password: anybody the own one, else who may manage that user.

    Raises:
        Denied: ``actor`` may not.
        NotFound: no such user in this tenant.
    """
    user = find_user(session, username)
    if user.id != actor.user_id:
        action = Action.MAKE_ADMINS if user.role in STAFF_ROLES else Action.MANAGE_USERS
        require(actor, action, attempt="user.password", resource=username, resource_type=ResourceType.USER)
    user.password_hash = password_hash
    user.must_change_password = user.id != actor.user_id
    user.failed_logins, user.locked_until = 0, None
    record(session, actor, "user.password", user.username, ResourceType.USER)
    return user


def _switch(session: TenantSession, user: User, *, active: bool) -> None:
    """Enable or disable ``user`` by compare-and-set.

    Locking the row first would be a deadlock between two admins who disable each other: the rule about the last admin
    waits for its own lock before it looks at any row.
    """
    session.flush()
    statement = update(User).where(User.id == user.id, User.is_active != active).values(is_active=active)
    switched = session.execute(statement.execution_options(synchronize_session=False))
    if switched.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        msg = f"{user.username} has just been changed by somebody else: see `spothive user list`"
        raise Conflict(msg)
    set_committed_value(user, "is_active", active)


def _first_super_admin(session: TenantSession, actor: Actor, role: Role) -> bool:
    """Tell whether this is staff making platform's first super_admin, whom nobody else could make."""
    if role is not Role.SUPER_ADMIN or not actor.is_staff or session.tenant_id != PLATFORM_TENANT_ID:
        return False
    return session.scalar(select(User.id).where(User.role == Role.SUPER_ADMIN).limit(1)) is None
