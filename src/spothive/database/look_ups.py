"""The questions that are asked before a tenant is known.

On PostgreSQL each is a function that answers this one question and nothing else (see ``policies.py``); on SQLite
the same query runs unfiltered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from spothive.database import postgresql
from spothive.database.connection import get_read_engine, read_session
from spothive.database.tenancy import TenantSession, engine_words
from spothive.models import Account, ApiKey, Role, SessionLog, Tenant, User
from spothive.schema.types.texts import sendable_text


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


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What a request needs to know of the session whose token it brings. Times are UTC.

    Attributes:
        session_id: id of the session.
        user_id: who signed in; ``username``, ``role``, ``is_active`` and ``must_change_password`` are that user's.
        last_active_at: when a request was last noted.
        expires_at: after this nothing prolongs it.
        logged_out_at: when it was left or revoked; None while it is open.
    """

    tenant_id: UUID
    tenant_slug: str
    tenant_is_active: bool
    session_id: UUID
    user_id: UUID
    username: str
    role: Role
    is_active: bool
    must_change_password: bool
    last_active_at: datetime
    expires_at: datetime
    logged_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """What a request needs to know of the API key it brings. ``key_hash`` is to be compared in constant time.

    Attributes:
        key_id: id of the key.
        cluster_id: cluster whose agent holds it; None for a user's key.
        user_id: user who holds it, with ``username``, ``role`` and ``is_active``; all None for an agent's key.
        scopes: values of :class:`~spothive.models.ApiScope`.
        rate_limit: requests an hour.
        expires_at: UTC; None if it does not expire. Likewise ``revoked_at`` and ``last_used_at``.
    """

    tenant_id: UUID
    tenant_slug: str
    tenant_is_active: bool
    key_id: UUID
    cluster_id: UUID | None
    user_id: UUID | None
    username: str | None
    role: Role | None
    is_active: bool | None
    key_name: str
    key_hash: str
    scopes: list[str]
    rate_limit: int
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def __repr__(self) -> str:
        """Leave the hash out."""
        return f"<ApiKeyRow {self.key_name} of {self.tenant_slug}>"


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
        .limit(1)  # a name with an @ is an address, one without a user name: no two users have it
    )


def session_row_query(token_hash: Any) -> sa.Select[Any]:
    """Return the query for the session with this SHA-256 of its token, whatever the tenant."""
    sessions, users, tenants = SessionLog.__table__, User.__table__, Tenant.__table__
    return (
        sa.select(
            sessions.c.tenant_id,
            tenants.c.slug.label("tenant_slug"),
            tenants.c.is_active.label("tenant_is_active"),
            sessions.c.id.label("session_id"),
            sessions.c.user_id,
            users.c.username,
            users.c.role,
            users.c.is_active,
            users.c.must_change_password,
            sessions.c.last_active_at,
            sessions.c.expires_at,
            sessions.c.logged_out_at,
        )
        .join(users, sa.and_(users.c.tenant_id == sessions.c.tenant_id, users.c.id == sessions.c.user_id))
        .join(tenants, tenants.c.id == sessions.c.tenant_id)
        .where(sessions.c.token_hash == token_hash)
    )


def api_key_row_query(prefix: Any) -> sa.Select[Any]:
    """Return the query for the API key that begins with ``prefix``, whatever the tenant."""
    keys, users, tenants = ApiKey.__table__, User.__table__, Tenant.__table__
    return (
        sa.select(
            keys.c.tenant_id,
            tenants.c.slug.label("tenant_slug"),
            tenants.c.is_active.label("tenant_is_active"),
            keys.c.id.label("key_id"),
            keys.c.cluster_id,
            keys.c.user_id,
            users.c.username,
            users.c.role,
            users.c.is_active,
            keys.c.name.label("key_name"),
            keys.c.key_hash,
            keys.c.scopes,
            keys.c.rate_limit,
            keys.c.last_used_at,
            keys.c.expires_at,
            keys.c.revoked_at,
        )
        .join(tenants, tenants.c.id == keys.c.tenant_id)
        .outerjoin(users, sa.and_(users.c.tenant_id == keys.c.tenant_id, users.c.id == keys.c.user_id))
        .where(keys.c.prefix == prefix)
    )


def account_owner_query(account_id: Any) -> sa.Select[Any]:
    """Return the query that tells whether any tenant has claimed an AWS account."""
    accounts = Account.__table__
    return sa.select(sa.exists(sa.select(accounts.c.id).where(accounts.c.account_id == account_id)).label("found"))


def login_row(session: TenantSession, name: str) -> LoginRow | None:
    """Return the user called ``name`` (user name or e-mail, in lower case) of any tenant, or None."""
    row = _look_up(session, "login_row", login_row_query, name)
    return LoginRow(**row._mapping) if row else None  # noqa: SLF001 - the documented way to read a row by name


def session_row(session: TenantSession, token_hash: str) -> SessionRow | None:
    """Return the session, of any tenant, whose token has this SHA-256 (64 hexadecimal digits), or None."""
    row = _look_up(session, "session_row", session_row_query, token_hash)
    return SessionRow(**row._mapping) if row else None  # noqa: SLF001 - as above


def api_key_row(session: TenantSession, prefix: str) -> ApiKeyRow | None:
    """Return the API key, of any tenant, that begins with ``prefix``, or None. The prefix alone proves nothing."""
    row = _look_up(session, "api_key_row", api_key_row_query, prefix)
    return ApiKeyRow(**row._mapping) if row else None  # noqa: SLF001 - as above


def find_api_key_row(prefix: str) -> ApiKeyRow | None:
    """Do what :func:`api_key_row` does, without a session: each request of a program asks this first.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    engine = get_read_engine()
    if engine.dialect.name == "postgresql":
        rows = postgresql.look_up_alone(engine, "api_key_row", _API_KEY_COLUMNS, sendable_text(prefix))
        if rows is not None:
            return _api_key_row(rows[0]) if rows else None
    with read_session() as session:
        return api_key_row(session, prefix)


_API_KEY_COLUMNS = tuple(field.name for field in fields(ApiKeyRow))


def _api_key_row(values: Sequence[Any]) -> ApiKeyRow:
    found = dict(zip(_API_KEY_COLUMNS, values, strict=True))
    role = found.pop("role")
    return ApiKeyRow(**found, role=None if role is None else Role(role))


def account_owner_exists(session: TenantSession, account_id: str) -> bool:
    """Tell whether any tenant holds the AWS account with these 12 digits; never which."""
    row = _look_up(session, "account_owner_exists", account_owner_query, account_id)
    return bool(row and row.found)


def _look_up(
    session: TenantSession, name: str, query: Callable[[Any], sa.Select[Any]], argument: str
) -> sa.Row[Any] | None:
    connection = session.connection()
    # What no column can hold is refused here: a function of PostgreSQL's knows nothing of column types.
    row: sa.Row[Any] | None = engine_words(connection).look_up(
        connection, name, _asked_by(query), sendable_text(argument)
    )
    return row


@cache  # every request asks one of them, and building it takes longer than running it
def _asked_by(query: Callable[[Any], sa.Select[Any]]) -> sa.Select[Any]:
    return query(sa.bindparam("argument"))
