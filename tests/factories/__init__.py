"""Rows for tests, written through the same sessions as everything else; what a test does not name is made up."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.models import Account, Base, Cluster, ConnectionMethod, Instance, OnDemandPrice, Role, Tenant, User

Row = TypeVar("Row", bound=Base)


def _unique() -> str:
    return secrets.token_hex(4)


def make_tenant(slug: str = "", **values: Any) -> UUID:
    """Make a tenant; return its id."""
    slug = slug or f"t{_unique()}"
    tenant = Tenant(slug=slug, name=slug.title(), **values)
    _write_as_system(tenant)
    return tenant.id


def make_user(tenant_id: UUID, username: str = "", **values: Any) -> User:
    """Make a user who cannot sign in."""
    username = username or f"u{_unique()}"
    values = {"email": f"{username}@example.com", "password_hash": "none", "role": Role.CLIENT, **values}
    return _write(tenant_id, User(username=username, **values))


def make_account(tenant_id: UUID, account_name: str = "", **values: Any) -> Account:
    """Make an imported account; of the tenant's first user, made if need be, unless ``user_id`` is given."""
    if "user_id" not in values:
        with get_db_session(tenant=tenant_id) as session:
            user_id = session.scalar(select(User.id).order_by(User.username).limit(1))
        values["user_id"] = user_id or make_user(tenant_id).id
    values = {
        "account_id": f"pending-{secrets.token_hex(6)}",
        "connection_method": ConnectionMethod.IMPORT,
        **values,
    }
    return _write(tenant_id, Account(account_name=account_name or _unique(), **values))


def make_cluster(tenant_id: UUID, account_id: UUID, name: str = "", **values: Any) -> Cluster:
    """Make a cluster of an account."""
    return _write(
        tenant_id, Cluster(account_id=account_id, name=name or _unique(), **{"region": "eu-west-1", **values})
    )


def make_instance(tenant_id: UUID, account_id: UUID, instance_id: str = "", **values: Any) -> Instance:
    """Make a running instance of an account."""
    values = {
        "instance_type": "m5.large",
        "region": "eu-west-1",
        "availability_zone": "eu-west-1a",
        "state": "running",
        "lifecycle": "spot",
        "content_hash": 0,
        **values,
    }
    return _write(tenant_id, Instance(account_id=account_id, instance_id=instance_id or f"i-{_unique()}", **values))


def make_price(instance_type: str, price: str, **values: Any) -> OnDemandPrice:
    """Make an on-demand price, in USD per hour."""
    values = {"region": "eu-west-1", "source": "test", "observed_at": utc_now(), **values}
    return _write_as_system(OnDemandPrice(instance_type=instance_type, price=price, **values))


def _write(tenant_id: UUID, row: Row) -> Row:
    with get_db_session(tenant=tenant_id) as session:
        session.add(row)
    return row


def _write_as_system(row: Row) -> Row:
    with get_db_session() as session, system_scope(session, "test"):
        session.add(row)
    return row
