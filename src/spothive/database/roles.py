"""The roles as a script for somebody who may create them, and the same done here and now."""

from __future__ import annotations

from spothive.database import policies
from spothive.database.connection import make_engine, make_owner_engine, service_url
from spothive.errors import ConfigurationError
from spothive.settings import get_settings


def role_script() -> str:
    """Return the SQL that makes the roles for the two logins in the settings; empty on SQLite. Connects to nothing.

    Raises:
        ConfigurationError: a URL names no user, so the script could not name the login either.
    """
    settings = get_settings()
    owner, service = make_owner_engine(settings), make_engine(service_url(settings), settings)
    if owner.dialect.name == "sqlite":
        return ""
    logins = list(dict.fromkeys(engine.url.username for engine in (owner, service)))
    if None in logins:
        msg = "DATABASE_URL and SPOTHIVE_OWNER_URL must name their users for this: postgresql://user@host/database"
        raise ConfigurationError(msg)
    return "".join(f"{statement};\n\n" for statement in policies.role_statements(*map(str, logins)))


def apply_roles() -> None:
    """Make the roles, as the owner; does nothing on SQLite or where all is there.

    Raises:
        MigrationFailed: the owner may not create roles.
    """
    from spothive.database.migrations.upgrade import make_roles

    settings = get_settings()
    engine = make_owner_engine(settings)
    try:
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                make_roles(connection, settings)
    finally:
        engine.dispose()
