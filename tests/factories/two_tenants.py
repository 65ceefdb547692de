"""Two tenants alike but for their names: whatever says ``beta`` is none of alpha's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession, system_scope
from spothive.models import Account, Base, Cluster, Instance, User
from tests.factories import make_account, make_cluster, make_instance, make_price, make_tenant, make_user


@dataclass(frozen=True)
class Holding:
    """The rows of one tenant. ``instances`` holds two."""

    tenant_id: UUID
    user: User
    account: Account
    cluster: Cluster
    instances: tuple[Instance, Instance]


@dataclass(frozen=True)
class World:
    """The database's engine, and both tenants."""

    engine: str
    alpha: Holding
    beta: Holding


def make_world(engine: str) -> World:
    """Fill a migrated database."""
    make_price("m5.large", "0.107")
    make_price("m5.xlarge", "0.214")
    return World(engine, _holding("alpha"), _holding("beta"))


def _holding(name: str) -> Holding:
    tenant_id = make_tenant(name)
    user = make_user(tenant_id, name)
    digits = name.encode().hex()
    account = make_account(tenant_id, name, account_id=f"pending-{digits}", user_id=user.id)
    cluster = make_cluster(tenant_id, account.id, name)
    first = make_instance(tenant_id, account.id, f"i-{name}-1", cluster_id=cluster.id)
    return Holding(tenant_id, user, account, cluster, (first, make_instance(tenant_id, account.id, f"i-{name}-2")))


def rows_of(session: TenantSession, tenant_id: UUID) -> dict[tuple[str, UUID], Any]:
    """Return every row that belongs to a tenant, with all its columns, by table and id."""
    found = {}
    with system_scope(session, "test"):
        for table in Base.metadata.sorted_tables:
            if "tenant_id" in table.c:
                for row in session.execute(select(table).where(table.c.tenant_id == tenant_id)):
                    found[table.name, row.id] = tuple(row)
    return found
