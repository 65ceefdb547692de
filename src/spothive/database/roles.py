"""The roles as a script for somebody who may create them, and the same done here and now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from spothive.database import guards, policies
from spothive.database.connection import make_engine, make_owner_engine, service_url
from spothive.errors import ConfigurationError, MigrationFailed, NotAllowed

if TYPE_CHECKING:
    from spothive.settings import Settings


def role_script() -> str:
    """Return the SQL that makes the roles for the two logins in the settings; empty on SQLite. Connects to nothing.

    Raises:
        ConfigurationError: a URL names no user, so the script could not name the login either.
    """
    from spothive.settings import get_settings

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
    from spothive.settings import get_settings

    settings = get_settings()
    engine = make_owner_engine(settings)
    try:
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                make_roles(connection, settings)
    finally:
        engine.dispose()


def make_roles(connection: Connection, settings: Settings) -> None:
    """Make the roles and let the owner's and the service's login use them.

    Raises:
        MigrationFailed: this login may not create roles; the message says how to print the SQL for someone who may.
    """
    logins = _logins(connection, settings)
    missing = policies.missing_roles(connection, logins)
    if not missing:
        return
    try:
        guards.run(connection, policies.role_statements(*logins))
    except NotAllowed:
        msg = (
            f"{logins[0]} may not create roles or hand them out ({', '.join(missing)}): have somebody who may run the "
            "output of `spothive db roles`, then run this again; nothing was changed"
        )
        raise MigrationFailed(msg) from None


def are_made(connection: Connection, settings: Settings) -> bool:
    """Tell whether :func:`make_roles` would have nothing to do."""
    return not policies.missing_roles(connection, _logins(connection, settings))


def _logins(connection: Connection, settings: Settings) -> list[str]:
    """Return the login of the owner, whose ``connection`` is, and that of the service if it is another."""
    service = make_url(service_url(settings)).username
    owner = connection.execute(text("SELECT current_user")).scalar_one()
    return [owner] if service in {None, owner} else [owner, service]
