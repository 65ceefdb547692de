"""The database of spothive: sessions, models and migrations under one name.

    from spothive.database import Account, get_db_session
    with get_db_session(tenant=tenant_id) as session:
        session.scalars(select(Account)).all()

Importing this package connects to nothing, and imports nothing: each name brings along what it needs when it is first
asked for. Who imports names, as above, has them ready before the first request.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
    from spothive.database.fastapi import DbSession as DbSession, db_for as db_for
    from spothive.database.models import *  # noqa: F403 - the models are this package's purpose
    from spothive.database.revisions import init_database, run_all_migrations, run_migration
    from spothive.database.seed_data import seed_initial_data
    from spothive.database.tenancy import TenantSession, bind_tenant, system_scope

    engine: Engine

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

_HOMES = {
    "SessionLocal": "connection",
    "SessionScoped": "connection",
    "TenantSession": "tenancy",
    "bind_tenant": "tenancy",
    "dispose_engine": "connection",
    "get_db": "connection",
    "get_db_session": "connection",
    "get_engine": "connection",
    "init_database": "revisions",
    "read_session": "connection",
    "run_all_migrations": "revisions",
    "run_migration": "revisions",
    "seed_initial_data": "seed_data",
    "system_scope": "tenancy",
}
"""Name to the file it is in; what is not among them and begins with a capital letter is a model."""
_ASKED_FOR = {"DbSession": "fastapi", "db_for": "fastapi"}
"""The same for what `import *` leaves out: FastAPI is imported for those only who ask for its dependencies."""


def __dir__() -> list[str]:
    """Name what is offered, also what is made at first use, and nothing this file imports for itself."""
    return sorted({*_all(), *_ASKED_FOR, "engine"})


def __getattr__(name: str) -> Any:
    """Import what ``name`` needs; ``engine`` is made at first use and again after each `dispose_engine()`."""
    if name == "__all__":
        return _all()
    if name == "engine":
        return import_module("spothive.database.connection").get_engine()
    home = (_HOMES | _ASKED_FOR).get(name, "models" if name[:1].isupper() else "")
    found = getattr(import_module(f"spothive.database.{home}"), name, None) if home else None
    if found is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = found  # the next one who asks does not come here
    return found


def _all() -> list[str]:
    """Return what `import *` brings: without the names that are made at first use, it connects to nothing either."""
    return [*_HOMES, *import_module("spothive.database.models").__all__]
