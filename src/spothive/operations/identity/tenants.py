"""Tenants: making, suspending and resuming them."""

from __future__ import annotations

from sqlalchemy import select

from spothive.database import TenantSession, system_scope
from spothive.errors import NotFound
from spothive.models import ResourceType, Tenant
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.permissions import Action, require


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
