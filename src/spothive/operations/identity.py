"""Identity: who may do what, tenants and users."""

from __future__ import annotations

import enum
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value

from spothive.database import TenantSession, read_session, system_scope
from spothive.database.look_ups import login_row
from spothive.database.seed_data import ADMIN
from spothive.errors import AuditNote, Conflict, Denied, InvalidInput, NotAllowed, NotFound
from spothive.models import PLATFORM_TENANT_ID, STAFF_ROLES, ResourceType, Role, Tenant, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record, storable


class Action(enum.StrEnum):
    """What a role may be allowed to do."""

    READ = "read the own tenant, set own preferences, request an approval"
    EXPERIMENT = "run lab experiments, assign models to LAB instances"
    MANAGE = "manage accounts, schedules, policies, templates, webhooks, API keys, datasets; approve LOW and MEDIUM"
    MANAGE_USERS = "invite and disable users"
    APPROVE_HIGH = "approve HIGH"
    MANAGE_PLATFORM = "manage models, market facts, tenants and sealing keys (staff of platform only)"
    APPROVE_CRITICAL = "approve CRITICAL"
    MAKE_ADMINS = "make or unmake admins"


_USER = {Action.READ}
_LAB = _USER | {Action.EXPERIMENT}
_CLIENT = _LAB | {Action.MANAGE, Action.MANAGE_USERS}
_ADMIN = _CLIENT | {Action.APPROVE_HIGH, Action.MANAGE_PLATFORM}
ALLOWED: dict[Role, frozenset[Action]] = {
    Role.USER: frozenset(_USER),
    Role.LAB: frozenset(_LAB),
    Role.CLIENT: frozenset(_CLIENT),
    Role.ADMIN: frozenset(_ADMIN),
    Role.SUPER_ADMIN: frozenset(_ADMIN | {Action.APPROVE_CRITICAL, Action.MAKE_ADMINS}),
}
"""The permission table. The docs are generated from it and nothing else decides."""


def may(actor: Actor, action: Action) -> bool:
    """Tell whether ``actor`` may do ``action``."""
    if action is Action.MANAGE_PLATFORM and not actor.is_staff:
        return False
    return action in ALLOWED[actor.role]


def require(actor: Actor, action: Action, *, attempt: str, resource: str, resource_type: ResourceType) -> None:
    """Let ``actor`` pass, or refuse and have the attempt remembered.

    Args:
        actor: who tries.
        action: permission it takes.
        attempt: audit event of the attempt, for example ``account.import``.
        resource: name or id of what it was tried on.
        resource_type: kind of the resource.

    Raises:
        Denied: the role does not allow it; the door writes a DENIED audit row.
    """
    if may(actor, action):
        return
    note = AuditNote(
        event=attempt,
        resource=storable(resource),
        resource_type=resource_type,
        actor_name=actor.label,
        actor_id=actor.user_id,
    )
    able = ", ".join(role for role in Role if action in ALLOWED[role])
    msg = f"{actor.username} ({actor.role}) may not {action.value.split(';')[0].split(' (')[0]}: ask {able}"
    raise Denied(msg, note=note)


def find_actor(username: str, tenant_slug: str, *, via: str = "") -> tuple[Actor, UUID]:
    """Return the actor called ``username`` and the id of the tenant called ``tenant_slug``; opens its own blocks.

    Raises:
        NotFound: no such user, or no such tenant as far as this user may know.
        NotAllowed: the user is disabled, or the tenant suspended.
    """
    with read_session() as session:
        row = login_row(session, username.lower())
        if row is None:
            hint = "`spothive db seed` makes the first one" if username == ADMIN else "choose another with --as"
            msg = f"no user is called {username!r}: {hint}"
            raise NotFound(msg)
        actor = Actor(row.id, row.username, row.role, row.tenant_id, via)
        if not row.is_active:
            msg = f"{row.username} is disabled"
            raise NotAllowed(msg)
        if tenant_slug == row.tenant_slug:
            if not row.tenant_is_active:
                msg = f"tenant {tenant_slug} is suspended: ask the staff of platform"
                raise NotAllowed(msg)
            return actor, row.tenant_id
        tenant_id = None
        if actor.is_staff:
            with system_scope(session, f"{actor.label} acts in tenant {tenant_slug}"):
                tenant_id = session.scalar(select(Tenant.id).where(Tenant.slug == tenant_slug))
    if tenant_id is None:
        msg = f"no tenant is called {tenant_slug!r}: see `spothive tenant list`"
        raise NotFound(msg)
    return actor, tenant_id


def list_tenants(session: TenantSession, actor: Actor) -> list[Tenant]:
    """Return all tenants to staff of platform, and to anybody else the own one, by slug."""
    query = select(Tenant).order_by(Tenant.slug)
    if not actor.is_staff:
        return list(session.scalars(query))
    with system_scope(session, f"{actor.label} lists tenants"):
        return list(session.scalars(query))


def create_tenant(session: TenantSession, actor: Actor, *, slug: str, name: str) -> Tenant:
    """Create a tenant.

    Raises:
        Denied: ``actor`` is no staff of platform.
        DuplicateValue: the slug is taken.
        ValueRefused: the slug has other characters than lower-case letters, digits and hyphens.
    """
    require(
        actor,
        Action.MANAGE_PLATFORM,
        attempt="tenant.created",
        resource=slug,
        resource_type=ResourceType.TENANT,
    )
    with system_scope(session, f"{actor.label} creates tenant {slug}"):
        tenant = Tenant(slug=slug, name=name)
        session.add(tenant)
        session.flush()  # the audit row needs its id
        record(
            session,
            actor,
            "tenant.created",
            slug,
            ResourceType.TENANT,
            after={"slug": slug, "name": name},
            tenant_id=tenant.id,
        )
    return tenant


def set_tenant_active(session: TenantSession, actor: Actor, *, slug: str, active: bool) -> Tenant:
    """Suspend a tenant, or let it work again; the users of a suspended tenant are refused everywhere.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such tenant.
        IllegalMove: ``platform`` cannot be suspended.
    """
    event = "tenant.resumed" if active else "tenant.suspended"
    require(actor, Action.MANAGE_PLATFORM, attempt=event, resource=slug, resource_type=ResourceType.TENANT)
    with system_scope(session, f"{actor.label}: {event} {slug}"):
        tenant = session.scalar(select(Tenant).where(Tenant.slug == slug).with_for_update())
        if tenant is None:
            msg = f"no tenant is called {slug!r}: see `spothive tenant list`"
            raise NotFound(msg)
        if tenant.is_active != active:
            before, tenant.is_active = {"is_active": tenant.is_active}, active
            record(
                session,
                actor,
                event,
                slug,
                ResourceType.TENANT,
                before=before,
                after={"is_active": active},
                tenant_id=tenant.id,
            )
    return tenant


def list_users(session: TenantSession) -> list[User]:
    """Return the users of the session's tenant, by user name."""
    return list(session.scalars(select(User).order_by(User.username)))


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
    username, email = username.strip().lower(), email.strip().lower()
    if role in STAFF_ROLES and not _first_super_admin(session, actor, role):
        action = Action.MAKE_ADMINS
    else:
        action = Action.MANAGE_USERS
    require(actor, action, attempt="user.created", resource=username, resource_type=ResourceType.USER)
    _check_email(email)
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
    user = _user(session, username)
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
    user = _user(session, username)
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


def _user(session: TenantSession, username: str) -> User:
    user = session.scalar(select(User).where(User.username == username.strip().lower()))
    if user is None:
        msg = f"no user of this tenant is called {username!r}: see `spothive user list`"
        raise NotFound(msg)
    return user


def _first_super_admin(session: TenantSession, actor: Actor, role: Role) -> bool:
    """Tell whether this is staff making platform's first super_admin, whom nobody else could make."""
    if role is not Role.SUPER_ADMIN or not actor.is_staff or session.tenant_id != PLATFORM_TENANT_ID:
        return False
    return session.scalar(select(User.id).where(User.role == Role.SUPER_ADMIN).limit(1)) is None


def _check_email(email: str) -> None:
    name, at, host = email.partition("@")
    if not (name and at and host) or "@" in host or any(c.isspace() for c in email):
        msg = f"{email[:80]!r} is no e-mail address: it needs a name, one @ and a host"
        raise InvalidInput(msg)
