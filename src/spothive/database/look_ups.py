"""The questions that are asked before a tenant is known.

On PostgreSQL each is a function that answers this one question and nothing else (see ``policies.py``); on SQLite
the same query runs unfiltered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from spothive.database.tenancy import TenantSession, engine_words
from spothive.models import Account, Role, Tenant, User


@dataclass(frozen=True, slots=True)
class LoginRow:
    """What signing in needs to know of a user. ``password_hash`` is a secret."""

    tenant_id: UUID
    tenant_slug: str
    tenant_is_active: bool
    id: UUID
    username: str
    role: Role
    is_active: bool
    must_change_password: bool
    password_hash: str
    failed_logins: int
    locked_until: datetime | None

    def __repr__(self) -> str:
        """Leave the hash out."""
        return f"<LoginRow {self.username} of {self.tenant_slug}>"


def login_row_query(name: Any) -> sa.Select[Any]:
    """Return the query for the user named ``name`` (user name or e-mail), whatever the tenant."""
    users, tenants = User.__table__, Tenant.__table__
    return (
        sa.select(
            users.c.tenant_id,
            tenants.c.slug.label("tenant_slug"),
            tenants.c.is_active.label("tenant_is_active"),
            users.c.id,
            users.c.username,
            users.c.role,
            users.c.is_active,
            users.c.must_change_password,
            users.c.password_hash,
            users.c.failed_logins,
            users.c.locked_until,
        )
        .join(tenants, tenants.c.id == users.c.tenant_id)
        .where(sa.or_(users.c.username == name, users.c.email == name))
        # A name that is one user's user name and another's e-mail means the user name.
        .order_by(sa.case((users.c.username == name, 0), else_=1))
        .limit(1)
    )


def account_owner_query(account_id: Any) -> sa.Select[Any]:
    """Return the query that tells whether any tenant has claimed an AWS account."""
    accounts = Account.__table__
    return sa.select(sa.exists(sa.select(accounts.c.id).where(accounts.c.account_id == account_id)).label("found"))


def login_row(session: TenantSession, name: str) -> LoginRow | None:
    """Return the user called ``name`` (user name or e-mail, in lower case) of any tenant, or None."""
    row = _look_up(session, "login_row", login_row_query(name), name)
    return LoginRow(**row._mapping) if row else None  # noqa: SLF001 - the documented way to read a row by name


def account_owner_exists(session: TenantSession, account_id: str) -> bool:
    """Tell whether any tenant holds the AWS account with these 12 digits; never which."""
    row = _look_up(session, "account_owner_exists", account_owner_query(account_id), account_id)
    return bool(row and row.found)


def _look_up(session: TenantSession, name: str, query: sa.Select[Any], argument: str) -> sa.Row[Any] | None:
    connection = session.connection()
    row: sa.Row[Any] | None = engine_words(connection).look_up(connection, name, query, argument)
    return row
