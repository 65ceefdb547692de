"""SQLAlchemy as its documentation shows it, bound to a tenant in the usual way: BEGIN, set_config, work, COMMIT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from bench.place import Database

_BIND = text("SELECT set_config('spothive.tenant_id', :tenant, true)")


@contextmanager
def plain_engine(database: Database, *, owner: bool = False, **options: Any) -> Iterator[Engine]:
    """Open an engine with SQLAlchemy's own pool, as the service or as the owner."""
    engine = create_engine(database.owner_url if owner else database.service_url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def bound_session(engine: Engine, tenant_id: UUID) -> Iterator[Session]:
    """Open a transaction of a tenant on PostgreSQL, and commit it."""
    with Session(engine) as session, session.begin():
        session.execute(_BIND, {"tenant": str(tenant_id)})
        yield session
