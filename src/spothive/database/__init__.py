"""The database of spothive: sessions, models and migrations under one name.

    from spothive.database import Account, get_db_session
    with get_db_session(tenant=tenant_id) as session:
        session.scalars(select(Account)).all()

Importing this package connects to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spothive.database import models
from spothive.database.connection import (
    SessionLocal,
    SessionScoped,
    dispose_engine,
    get_db,
    get_db_session,
    get_engine,
    read_session,
)
from spothive.database.models import *  # noqa: F403 - the models are this package's purpose
from spothive.database.revisions import init_database, run_all_migrations, run_migration
from spothive.database.tenancy import TenantSession, bind_tenant, system_scope

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from spothive.database.fastapi import DbSession as DbSession, db_for as db_for
    from spothive.database.seed_data import seed_initial_data

    engine: Engine

# Without the names that are made at first use: `import *` connects to nothing either.
__all__ = [
    "SessionLocal",
    "SessionScoped",
    "TenantSession",
    "bind_tenant",
    "dispose_engine",
    "get_db",
    "get_db_session",
    "get_engine",
    "init_database",
    "read_session",
    "run_all_migrations",
    "run_migration",
    "seed_initial_data",
    "system_scope",
]
__all__ += models.__all__


def __dir__() -> list[str]:
    """Name what is offered, also what is made at first use, and nothing this file imports for itself."""
    return sorted({*__all__, "DbSession", "db_for", "engine"})


def __getattr__(name: str) -> Any:
    """Make ``engine`` at first use, and import FastAPI for those only who ask for its dependencies."""
    if name == "engine":
        return get_engine()
    if name in {"DbSession", "db_for"}:
        from spothive.database import fastapi

        return getattr(fastapi, name)
    if name == "seed_initial_data":  # `python -m spothive.database.seed_data` wants to be the first to import it
        from spothive.database.seed_data import seed_initial_data

        return seed_initial_data
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
