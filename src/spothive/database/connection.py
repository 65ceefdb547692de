"""Engines and sessions: how everything above reaches the database.

Nothing connects, and no setting is read, before the first session is used.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from spothive.blocks import database_block
from spothive.database import postgresql, refusals, sqlite, tenancy
from spothive.database.pool import FairPool
from spothive.database.tenancy import TenantSession
from spothive.errors import ConfigurationError, DatabaseUnavailable, Refused
from spothive.models import PLATFORM_TENANT_ID, AuditLog

if TYPE_CHECKING:
    from spothive.settings import Settings

_lock = threading.Lock()
_engines: tuple[Engine, Engine] | None = None
_inherited: list[tuple[Engine, Engine] | None] = []


def _begin_anew() -> None:
    """In a forked process: open connections of our own, and neither use nor close those of the parent."""
    global _lock, _engines  # another thread of the parent may have held the lock
    _inherited.append(_engines)
    _lock, _engines = threading.Lock(), None


os.register_at_fork(after_in_child=_begin_anew)


class DatabaseSession(TenantSession):
    """A tenant session on the engine of this process, unless it is given another."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        """Return the engine, making it at first use."""
        if self.bind is not None:
            return super().get_bind(*args, **kwargs)
        return get_read_engine() if self.read_only else get_engine()


# Objects stay readable after commit: a closed block hands out rows, not surprises.
SessionLocal = sessionmaker(class_=DatabaseSession, autoflush=False, expire_on_commit=False)
"""Make a session: ``SessionLocal()`` or ``SessionLocal(tenant=tenant_id)``. The caller commits and closes."""

SessionScoped = scoped_session(SessionLocal)
"""One session a thread; ``SessionScoped.remove()`` at the end of the work."""


def get_engine() -> Engine:
    """Return the engine of the service, made at first use from the settings.

    Raises:
        ConfigurationError: the URL cannot be used.
        DatabaseUnavailable: the folder of an SQLite file cannot be made, or the embedded PostgreSQL not started.
    """
    return _both_engines()[0]


def get_read_engine() -> Engine:
    """Return the same engine, and pool, for transactions that only read."""
    return _both_engines()[1]


def _both_engines() -> tuple[Engine, Engine]:
    global _engines  # noqa: PLW0603 - one engine for each process, as SQLAlchemy advises
    engines = _engines
    if engines is None:
        with _lock:
            if _engines is None:
                from spothive.settings import get_settings

                settings = get_settings()
                engine = make_engine(service_url(settings), settings)
                _engines = engine, engine.execution_options(spothive_read_only=True)
            engines = _engines
    return engines


def dispose_engine() -> None:
    """Close every pooled connection and forget the engine; the next session reads the settings again."""
    global _engines  # noqa: PLW0603 - as above
    with _lock:
        if _engines is not None:
            _engines[0].dispose()
        _engines = None


def service_url(settings: Settings) -> str:
    """Return the URL the service connects to: a secret. Starts the embedded PostgreSQL if that is asked for."""
    if settings.embedded_postgres:
        from spothive.database.embedded_postgresql import shared_server

        return shared_server(settings.embedded_dir).owner_url
    return settings.service_url


def owner_url(settings: Settings) -> str:
    """Return the URL migrations connect to: a secret."""
    return service_url(settings) if settings.embedded_postgres else settings.migration_url


def make_engine(url: str, settings: Settings) -> Engine:
    """Make an engine for the service.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    from spothive.database import monitoring

    options: dict[str, Any] = {
        "poolclass": FairPool,
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": settings.pool_timeout,
        "pool_recycle": settings.pool_recycle,
        "pool_pre_ping": settings.pool_pre_ping,
    }
    engine = _create(url, settings, options)
    if engine.dialect.name == "postgresql":
        postgresql.prepare_service(engine)
    else:
        sqlite.prepare(engine)
    tenancy.install(engine)
    monitoring.watch(engine, slow=settings.slow_statement)
    return engine


def make_owner_engine(settings: Settings) -> Engine:
    """Make an engine for migrations: as the owner, one connection at a time, no pool.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    engine = _create(owner_url(settings), settings, {"poolclass": NullPool})
    if engine.dialect.name == "postgresql":
        postgresql.prepare_owner(engine, settings)
    else:
        sqlite.prepare(engine, migrating=True)
    return engine


def _create(url: str, settings: Settings, options: dict[str, Any]) -> Engine:
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        connect_args = sqlite.connect_args(settings.sqlite_busy_timeout)
    else:
        connect_args = postgresql.connect_args(settings)
    try:
        engine = create_engine(
            parsed,
            connect_args=connect_args,
            echo=settings.sql_echo,
            hide_parameters=True,
            json_serializer=partial(json.dumps, allow_nan=False, ensure_ascii=False),
            **options,
        )
    except (ArgumentError, ValueError):
        msg = "DATABASE_URL cannot be used: correct its host, its port, or what follows the question mark"
        raise ConfigurationError(msg) from None
    refusals.install(engine)
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or "@" in (parsed.host or ""):  # the rest of a password with an @ in it
        msg = "DATABASE_URL cannot be read: percent-encode special characters in the user name and password"
        raise ConfigurationError(msg)
    if "%00" in url:
        msg = "DATABASE_URL holds a NUL character (%00), which no name and no password can have: remove it"
        raise ConfigurationError(msg)
    if parsed.get_backend_name() == "sqlite":
        _refuse_odd_file(parsed)
    return parsed


def _refuse_odd_file(url: URL) -> None:
    if url.host or url.username:
        msg = "DATABASE_URL names a host, and an SQLite database has none: write sqlite:/// and the path of the file"
        raise ConfigurationError(msg)
    if url.database in {None, "", ":memory:"}:
        msg = "DATABASE_URL names no file: each connection to an SQLite database in memory would find a new one"
        raise ConfigurationError(msg)
    if url.query:
        msg = "DATABASE_URL of an SQLite file takes no parameters: remove what follows the question mark"
        raise ConfigurationError(msg)


@contextmanager
def get_db_session(tenant: UUID | None = None) -> Iterator[TenantSession]:
    """Open one transaction: commit at the end, roll back on any exception, close either way.

    A :class:`~spothive.errors.Refused` is remembered: its note goes into the audit trail in a transaction of its own.

    Args:
        tenant: bind the session to this tenant.
    """
    with database_block(), _closing(SessionLocal(tenant=tenant)) as session:
        yield session
        session.commit()


@contextmanager
def read_session(tenant: UUID | None = None, *, snapshot: bool = False) -> Iterator[TenantSession]:
    """Open a session in which the database refuses every write; on SQLite it blocks no writer.

    On PostgreSQL each statement sees what is committed when it starts, and takes one round trip.
    A :class:`~spothive.errors.Refused` is remembered as in :func:`get_db_session`.

    Args:
        tenant: bind the session to this tenant.
        snapshot: let all statements see the database as it is at the first of them, for what has to add up; on SQLite
            they always do.
    """
    with database_block(), _closing(SessionLocal(tenant=tenant, read_only=True, snapshot=snapshot)) as session:
        yield session


def get_db() -> Iterator[TenantSession]:
    """Yield the session of one web request: a FastAPI dependency, to be bound by ``bind_tenant``.

    Depend on it with ``scope="function"``, as ``DbSession`` does, so that the commit comes before the response.
    """
    with get_db_session() as session:
        yield session


@contextmanager
def _closing(session: TenantSession) -> Iterator[TenantSession]:
    """Close ``session`` at the end, which rolls back what was not committed; a refusal is written down after that."""
    try:
        yield session
    except Refused as refusal:
        tenant_id = session.tenant_id or PLATFORM_TENANT_ID
        _close(session)  # its connection may be the last one
        _remember(refusal, tenant_id)
        raise
    finally:
        _close(session)


def _close(session: TenantSession) -> None:
    # A connection that has died has nothing to roll back, and must not hide the error it died with.
    with suppress(DatabaseUnavailable):
        session.close()


def _remember(refusal: Refused, tenant_id: UUID) -> None:
    note = refusal.note
    details = json.dumps(note.details, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    with SessionLocal(tenant=tenant_id) as session:
        session.add(
            AuditLog(
                event=note.event,
                resource=note.resource,
                resource_type=note.resource_type,
                outcome=note.outcome,
                actor_id=note.actor_id,
                actor_name=note.actor_name,
                diff_after=details if note.details else None,
            )
        )
        session.commit()
