"""Which revision the database is at, and how it gets to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from spothive.database import guards, roles
from spothive.database.connection import dispose_engine, get_read_engine, make_owner_engine
from spothive.errors import InvalidInput, MigrationFailed, NotAllowed, SchemaOutdated, SchemaTooNew

if TYPE_CHECKING:
    from alembic.config import Config

    from spothive.settings import Settings

VERSIONS = Path(__file__).parent / "migrations" / "versions"
CURE = "run `spothive db upgrade`"


def revisions() -> list[str]:
    """Return the names of all revisions, oldest first; a revision is named like its file."""
    return sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))


def head() -> str:
    """Return the newest revision this code knows."""
    return revisions()[-1]


def resolve(name: str) -> str:
    """Return the revision meant by ``name``: ``001``, ``001_add_api_keys`` or ``001_add_api_keys.sql``.

    Raises:
        InvalidInput: no revision has this name.
    """
    wanted = name.strip().removesuffix(".sql").removesuffix(".py")
    known = revisions()
    if wanted in {"head", "heads"}:
        return known[-1]
    matches = [revision for revision in known if wanted and (revision == wanted or revision.split("_")[0] == wanted)]
    if not matches:
        msg = f"no migration is called {name[:60]!r}; there are {known[0]} .. {known[-1]}"
        raise InvalidInput(msg)
    return matches[0]


def apply_migrations(name: str = "head", *, settings: Settings | None = None) -> list[str]:
    """Upgrade up to and including revision ``name``; what is applied already stays. Never downgrades.

    Args:
        name: the revision.
        settings: say which database, if it is not that of this process.

    Returns:
        The revisions this very call applied, oldest first; none where another process came first.

    Raises:
        InvalidInput: no such revision.
        SchemaTooNew: the database was migrated by a newer spothive.
        MigrationFailed: a revision failed; the database is at the one before it.
        DatabaseUnavailable: the database cannot be reached or written.
    """
    return _upgrade(name, settings)[0]


def run_migration(name: str = "head") -> str:
    """Do what :func:`apply_migrations` does, with the same errors; return the revision the database is at then."""
    return _upgrade(name)[1]


def _upgrade(name: str, settings: Settings | None = None) -> tuple[list[str], str]:
    """Return the revisions that were applied, and the one the database is at then."""
    target = resolve(name)
    current, complete = _look(settings)
    if current == target and complete:  # without Alembic, the lock, and transactions that write nothing
        dispose_engine()  # as after an upgrade: another process may have made it
        return [], current
    if current is None or revisions().index(current) <= revisions().index(target):
        return _alembic("upgrade", target, settings)
    return [], current


def run_all_migrations() -> str:
    """Upgrade to the newest revision; return it."""
    return run_migration("head")


def revisions_after(name: str) -> list[str]:
    """Return the revisions the database has after ``name`` (or ``base``), newest first: what a downgrade takes back.

    Raises:
        InvalidInput: no such revision, or one the database has not reached.
        SchemaTooNew: this code does not know the revision of the database.
    """
    known = revisions()
    current = current_revision()
    reached = 0 if current is None else known.index(current) + 1
    kept = 0 if name.strip() == "base" else known.index(resolve(name)) + 1
    if kept > reached:
        msg = (
            f"the database is at {current or 'base'}, which is before {known[kept - 1]}: there is nothing to take back"
        )
        raise InvalidInput(msg)
    return known[kept:reached][::-1]


def downgrade(name: str) -> str | None:
    """Take revisions back until the database is at ``name`` (or ``base``); their data is lost.

    Returns:
        The revision afterwards; None at base.

    Raises:
        InvalidInput: no such revision, or one the database has not reached.
        MigrationFailed: a revision could not be taken back.
    """
    if not revisions_after(name):
        return current_revision()
    return _alembic("downgrade", "base" if name.strip() == "base" else resolve(name))[1] or None


def restore_guards() -> None:
    """Raise every guard anew, and the roles, as the owner: the repair for what somebody dropped or changed.

    In one transaction, under the lock of upgrades. Tables, columns, constraints and indexes are left as they are.

    Raises:
        SchemaOutdated: the database is empty or older: an upgrade raises the guards, too.
        SchemaTooNew: this code does not know the revision of the database.
        MigrationFailed: a guard cannot be raised, or this login may not create roles; nothing was changed.
    """
    from spothive.database.migrations import upgrade
    from spothive.settings import get_settings

    engine = make_owner_engine(get_settings())
    try:
        with _explained("restoring the guards"), upgrade.upgrade_lock(engine), engine.begin() as connection:
            _require_head(connection)
            if connection.dialect.name == "postgresql":
                roles.make_roles(connection, get_settings())
            guards.raise_anew(connection)
    finally:
        engine.dispose()
    dispose_engine()


def init_database() -> None:
    """Create everything straight from the models, guards included, and stamp the newest revision.

    For throw-away databases; one that is to live is made by :func:`run_all_migrations`. Does nothing at head.

    Raises:
        MigrationFailed: the database holds another revision already.
    """
    from spothive.database.migrations import picture, upgrade
    from spothive.models import Base
    from spothive.settings import get_settings

    current = current_revision()
    if current == head():
        return
    if current is not None:
        msg = f"the database is at {current}: {CURE}"
        raise MigrationFailed(msg)
    engine = make_owner_engine(get_settings())
    try:
        with _explained("making the database"), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                roles.make_roles(connection, get_settings())
            Base.metadata.create_all(connection)
            guards.run(connection, [picture.platform_row(connection.dialect.name)])
            upgrade.stamp(connection, head())
            guards.raise_all(connection)
    finally:
        engine.dispose()
    dispose_engine()


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database stands: its revision (None when empty) and the code's newest."""

    current: str | None
    head: str

    @property
    def at_head(self) -> bool:
        """Whether code and database agree."""
        return self.current == self.head


def current_revision(settings: Settings | None = None) -> str | None:
    """Return the revision the database is at, asked as its owner; None when it is empty.

    Args:
        settings: say which database, if it is not that of this process.

    Raises:
        SchemaTooNew: this code does not know the revision.
    """
    with _looking(settings) as connection:
        return read_revision(connection) if connection else None


def _look(settings: Settings | None) -> tuple[str | None, bool]:
    """Return the revision the database is at, and whether its roles and guards are all that can stand there."""
    from spothive.settings import get_settings

    with _looking(settings) as connection:
        current = read_revision(connection) if connection else None
        if connection is None or current is None:
            return None, False
        made = connection.dialect.name == "sqlite" or roles.are_made(connection, settings or get_settings())
        return current, made and guards.are_current(connection)


@contextmanager
def _looking(settings: Settings | None) -> Iterator[Connection | None]:
    """Give a connection of the owner, to read only; None if there is no database."""
    from spothive.settings import get_settings

    engine = make_owner_engine(settings or get_settings()).execution_options(spothive_read_only=True)
    try:
        if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
            yield None  # connecting as the owner would make the file
        else:
            with engine.connect() as connection:
                yield connection
    finally:
        engine.dispose()


def require_head() -> SchemaStatus:
    """Check, as the service, that the database fits this code.

    Raises:
        SchemaOutdated: it is empty or older.
        SchemaTooNew: it is newer.
    """
    with get_read_engine().connect() as connection:
        return _require_head(connection)


def _require_head(connection: Connection) -> SchemaStatus:
    status = SchemaStatus(read_revision(connection), head())
    if not status.at_head:
        found = f"at {status.current}, this spothive needs {status.head}" if status.current else "empty"
        msg = f"the database is {found}: {CURE}"
        raise SchemaOutdated(msg)
    return status


def read_revision(connection: Connection) -> str | None:
    """Return what :func:`current_revision` does, asked through ``connection``.

    Raises:
        SchemaTooNew: this code does not know the revision.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in revisions():
        shown = str(found)[:40]
        msg = f"the database is at revision {shown!r}, which this spothive does not know: install a newer spothive"
        raise SchemaTooNew(msg)
    return None if found is None else str(found)


def alembic_config() -> Config:
    """Return Alembic's configuration for the packaged revisions."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _alembic(command: str, target: str, settings: Settings | None = None) -> tuple[list[str], str]:
    """Run a command of Alembic.

    Returns:
        The revisions it applied or took back, in their order, and the one the database is at then; "" at base.
    """
    from alembic import command as commands

    from spothive.database.migrations.upgrade import APPLIED, REACHED, SETTINGS

    config = alembic_config()
    applied: list[str] = []
    config.attributes.update({APPLIED: applied, SETTINGS: settings})
    with _explained(f"{command} to {target}"):
        getattr(commands, command)(config, target)
    dispose_engine()  # pooled connections may have prepared statements over the old tables
    return applied, config.attributes[REACHED]


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what Alembic, SQLAlchemy and the drivers raise into one line."""
    try:
        yield
    except Exception as error:
        told = error.__cause__ if isinstance(error, NotAllowed) else error  # the owner hears what exactly was denied
        if type(told).__module__.partition(".")[0] not in {"alembic", "sqlalchemy", "psycopg", "sqlite3"}:
            raise
        reason = next(iter(str(told).splitlines()), type(told).__name__)[:200]
        msg = f"{what} failed: {reason}; the database is at a whole revision"
        raise MigrationFailed(msg) from error
