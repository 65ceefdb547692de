"""Tenants: making, suspending and resuming them, and whoever comes as a new one."""

from __future__ import annotations

from sqlalchemy import select

from spothive.database import TenantSession, system_scope
from spothive.database.passwords import hash_password
from spothive.errors import NotFound
from spothive.models import ResourceType, Role, Tenant, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.names import normal_name, require_email, require_username
from spothive.operations.identity.permissions import Action, require
from spothive.operations.sessions import Sessions


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


def register_client(
    sessions: Sessions,
    *,
    tenant_name: str,
    slug: str,
    username: str,
    email: str,
    password: str,
    full_name: str | None = None,
    via: str = "",
) -> Actor:
    """Make a tenant and its first user, a client, for somebody who comes by themselves (a procedure).

    Args:
        sessions: opens transactions.
        tenant_name: name of the tenant for people.
        slug: its short name, a-z, 0-9 and hyphens.
        username: name the user signs in with.
        email: the user's address.
        password: chosen by the user, who need not change it.
        full_name: name of the user for people.
        via: how the user came in, for the audit trail.

    Returns:
        The new user, who may act in the new tenant.

    Raises:
        InvalidInput: the e-mail is none; or the password is too short, too long, common or the user's own name.
        DuplicateValue: slug, user name or e-mail is taken.
        ValueRefused: other characters than lower-case ASCII, or a name too long.
    """
    username, email = normal_name(username), normal_name(email)
    require_username(username)
    require_email(email)
    password_hash = hash_password(password, username, email)
    with sessions() as session, system_scope(session, f"{username} registers tenant {slug}"):
        tenant = Tenant(slug=slug, name=tenant_name)
        session.add(tenant)
        session.flush()  # its user needs its id
        user = User(
            tenant_id=tenant.id,
            username=username,
            email=email,
            full_name=full_name,
            role=Role.CLIENT,
            password_hash=password_hash,
        )
        session.add(user)
        session.flush()  # the audit row needs the user's id
        client = Actor(user.id, username, Role.CLIENT, tenant.id, via)
        after = {"slug": slug, "name": tenant_name, "username": username, "email": email, "role": Role.CLIENT}
        record(session, client, "tenant.registered", slug, ResourceType.TENANT, after=after, tenant_id=tenant.id)
    return client
