"""The roles as a script for somebody who may create them, and the same done here and now."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from spothive.database import policies
from spothive.database.connection import make_owner_engine, owner_url, service_url
from spothive.errors import ConfigurationError
from spothive.settings import get_settings


def role_script() -> str:
    """Return the SQL that makes the roles for the two logins in the settings; empty on SQLite. Connects to nothing.

    Raises:
        ConfigurationError: a URL names no user, so the script could not name the login either.
    """
    settings = get_settings()
    urls = [make_url(owner_url(settings)), make_url(service_url(settings))]
    if urls[0].get_backend_name() == "sqlite":
        return ""
    logins = list(dict.fromkeys(url.username for url in urls))
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
