"""The database of spothive: sessions, models and migrations under one name.

    from spothive.database import Account, get_db_session
    with get_db_session(tenant=tenant_id) as session:
        session.scalars(select(Account)).all()

Importing this package connects to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from spothive.database.models import __all__ as _models
from spothive.database.revisions import init_database, run_all_migrations, run_migration
from spothive.database.tenancy import TenantSession, bind_tenant, system_scope

if TYPE_CHECKING:
    from sqlalchemy import Engine

    engine: Engine

__all__ = [  # noqa: PLE0604 - the models' names are strings too
    "SessionLocal",
    "SessionScoped",
    "TenantSession",
    "bind_tenant",
    "dispose_engine",
    "engine",
    "get_db",
    "get_db_session",
    "get_engine",
    "init_database",
    "read_session",
    "run_all_migrations",
    "run_migration",
    "system_scope",
    *_models,
]


def __getattr__(name: str) -> Any:
    """Make ``engine`` at first use."""
    if name == "engine":
        return get_engine()
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
