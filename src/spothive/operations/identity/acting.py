"""Finding who acts, and in which tenant, for whoever holds the database URL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from spothive.database import read_session, system_scope
from spothive.database.look_ups import login_row
from spothive.database.seed_data import ADMIN
from spothive.errors import NotAllowed, NotFound
from spothive.models import Tenant
from spothive.operations.actor import Actor
from spothive.operations.identity.names import normal_name


def find_actor(username: str, tenant_slug: str, *, via: str = "") -> tuple[Actor, UUID]:
    """Return the actor called ``username`` and the id of the tenant called ``tenant_slug``; opens its own blocks.

    Raises:
        NotFound: no such user, or no such tenant as far as this user may know.
        NotAllowed: the user is disabled, or the tenant suspended.
    """
    with read_session() as session:
        row = login_row(session, normal_name(username))
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
