"""Copying every row of one spothive database into another, empty one, whatever their engines.

The source is read as it is at one moment and may be in use. In the target everything is one transaction: its guards
go down, since they would refuse rows born in a later state and stamp old ones with the present; the rows go in; counts,
checksums, keys and the guards, raised again, are checked. Whatever happens before the commit leaves it as it was.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection, inspect, text

from spothive.database import guards, policies, sqlite, status
from spothive.database.bulk import copy_in
from spothive.database.checksums import Progress, StoredRow, StoredTable, Sum, Total, measure, stored_tables
from spothive.database.connection import make_owner_engine
from spothive.database.drift import drift_of
from spothive.database.migrations.upgrade import upgrade_lock
from spothive.database.postgresql import SYSTEM_ROLE, analyse
from spothive.database.revisions import CURE, apply_migrations, current_revision, head, read_revision
from spothive.errors import (
    ConfigurationError,
    CopyFailed,
    DatabaseUnavailable,
    InvalidInput,
    RuleBroken,
    SchemaOutdated,
)
from spothive.models import Base
from spothive.settings import Settings, get_settings, normalise_url


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied.

    Attributes:
        revision: the revision of the rows, as they stand in what was made.
        tables: table to its number of rows and their checksum.
        seconds: how long it took.
        size: bytes of what was made, on disk.
    """

    revision: str
    tables: Mapping[str, Total]
    seconds: float
    size: int

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(total.rows for total in self.tables.values())


def ignore_progress(_: str, __: int, ___: int) -> None:
    """Tell nobody."""


def copy_database(to: str, *, progress: Progress = ignore_progress) -> Copied:
    """Copy the database of the settings, as its owner, into the one at ``to``, which is brought to its revision.

    Args:
        to: URL of the other database's owner: a secret.
        progress: is told what is going on, rows done and rows in all.

    Raises:
        InvalidInput: ``to`` is no URL, or that of this database.
        SchemaOutdated: this database is empty.
        SchemaTooNew: a newer spothive migrated one of them.
        CopyFailed: the other one is at another revision or holds rows, or the rows do not arrive whole.
        DatabaseUnavailable: one of them cannot be reached, read or written.
        MigrationFailed: the tables cannot be made there.
    """
    started = time.monotonic()
    settings = get_settings()
    with _named("--to"):
        target = settings_for(_url(to))
        at = current_revision(target)
    with snapshot(settings) as source:
        revision = revision_in(source)
        with _named("--to"):
            if at is None:
                apply_migrations(revision, settings=target)
            totals = copy_rows(source, target, progress=progress)
    return Copied(revision, totals, time.monotonic() - started, status.size_of(target))


def settings_for(url: str) -> Settings:
    """Return the settings of this process, changed to those of the database at ``url``, its owner's."""
    changes = {"database_url": SecretStr(url), "owner_url": None, "embedded_postgres": False}
    return get_settings().model_copy(update=changes)


@contextmanager
def snapshot(settings: Settings) -> Iterator[Connection]:
    """Open a transaction that sees the rows of every tenant as they are at one moment, whoever writes meanwhile.

    Raises:
        SchemaOutdated: the database is empty.
        SchemaTooNew: a newer spothive migrated it.
        CopyFailed: row security would hide rows even here.
    """
    if current_revision(settings) is None:
        msg = f"the database is empty: {CURE}, then `spothive db seed`"
        raise SchemaOutdated(msg)
    engine = make_owner_engine(settings)
    on_sqlite = engine.dialect.name == "sqlite"
    options = {"spothive_read_only": True} if on_sqlite else {"isolation_level": "REPEATABLE READ"}
    try:
        with engine.connect().execution_options(**options) as connection:
            if not on_sqlite:
                _see_everything(connection)
            revision_in(connection)  # on SQLite the first read is the moment
            yield connection
    finally:
        engine.dispose()


def revision_in(connection: Connection) -> str:
    """Return the revision of the database ``connection`` reads.

    Raises:
        SchemaOutdated: it is empty.
        SchemaTooNew: a newer spothive migrated it.
    """
    revision = read_revision(connection)
    if revision is None:
        msg = f"the database is empty: {CURE}"
        raise SchemaOutdated(msg)
    return revision


def _see_everything(connection: Connection) -> None:
    """Become ``spothive_system``, whom row security shows every tenant; the owner it shows nothing.

    The locks come before the snapshot: else a table that is rebuilt after it, but before it is read, would look empty.
    """
    names = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    connection.rollback()
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE")
    connection.exec_driver_sql(policies.fix_search_path())  # the role has one of its own
    if hidden := connection.scalars(text(_HIDDEN), {"role": SYSTEM_ROLE}).all():
        msg = f"row security hides rows of {', '.join(hidden)} from {SYSTEM_ROLE}: run `spothive db check --repair`"
        raise CopyFailed(msg)
    connection.exec_driver_sql(f"SET LOCAL ROLE {SYSTEM_ROLE}")


_HIDDEN = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
AND (EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive)
    OR NOT EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
        WHERE p.polrelid = c.oid AND r.rolname = :role AND p.polcmd = '*' AND p.polpermissive
        AND pg_get_expr(p.polqual, p.polrelid) = 'true'))
ORDER BY c.relname
"""


def copy_rows(
    source: Connection, target: Settings, *, replace: bool = False, progress: Progress = ignore_progress
) -> dict[str, Total]:
    """Copy every row ``source`` sees into the database of ``target``, which is at the same revision.

    Args:
        source: a :func:`snapshot`.
        target: say which database; its owner writes.
        replace: whether rows that are there make way for the new ones; else there may be none.
        progress: is told what is going on, rows done and rows in all.

    Returns:
        Table to what was read, and found again in the target.

    Raises:
        InvalidInput: both are the same database.
        CopyFailed: the target holds rows, or the rows do not arrive whole; it is as it was.
        DatabaseUnavailable: one of them cannot be read or written; the target is as it was.
    """
    engine = make_owner_engine(target)
    try:
        with upgrade_lock(engine), engine.begin() as connection:
            if _is_same(source, connection):
                msg = "source and target are the same database: name another one"
                raise InvalidInput(msg)
            _refuse_other_revision(revision_in(source), revision_in(connection))
            guards.lower_all(connection)
            tables = stored_tables(connection)
            _make_room(connection, tables, replace=replace)
            totals = {table.name: _copy_table(source, connection, table, progress) for table in stored_tables(source)}
            _check_keys(connection)
            _compare(totals, measure(connection, "verifying", progress))
            guards.raise_all(connection)
            _check_guards(connection)
            if connection.dialect.name == "postgresql":
                analyse(connection, [table.name for table in tables])
        return totals
    finally:
        engine.dispose()


def _refuse_other_revision(rows: str, target: str) -> None:
    if rows != target:
        msg = f"the rows are at {rows}, the target is at {target}: `spothive db upgrade` brings both to one revision"
        raise CopyFailed(msg)


def _is_same(source: Connection, target: Connection) -> bool:
    if source.dialect.name != target.dialect.name:
        return False
    if source.dialect.name == "sqlite":
        query = "SELECT file FROM pragma_database_list WHERE name = 'main'"
        files = [connection.exec_driver_sql(query).scalar_one() for connection in (source, target)]
        return Path(files[0]).samefile(files[1])
    # One database may be reached under many names, but a lock that is held can be had nowhere else in it.
    lock = {"key": secrets.token_hex()}
    mine = "hashtextextended(CAST(:key AS text) || current_schema(), 0)"
    source.execute(text(f"SELECT pg_advisory_xact_lock({mine})"), lock)
    return not target.scalar(text(f"SELECT pg_try_advisory_xact_lock({mine})"), lock)


def _make_room(target: Connection, tables: Sequence[StoredTable], *, replace: bool) -> None:
    """Remove all rows if that was asked for, or else the one that every new database has."""
    found = {table.name: table.count(target) for table in tables}
    platform = target.scalar(text("SELECT count(*) FROM tenants WHERE slug = 'platform'"))
    others = [name for name, rows in found.items() if rows > (platform if name == "tenants" else 0)]
    if others and not replace:
        msg = (
            f"the target holds rows already, of {', '.join(others[:5])}: a copy needs an empty database, as "
            "`spothive db upgrade` makes it; `spothive db restore --replace` empties one first"
        )
        raise CopyFailed(msg)
    if target.dialect.name == "sqlite":
        for table in reversed(tables):
            target.exec_driver_sql(f"DELETE FROM {table.name}")
    else:
        target.exec_driver_sql(f"TRUNCATE {', '.join(found)}")


def _copy_table(source: Connection, target: Connection, table: StoredTable, progress: Progress) -> Total:
    expected, read = table.count(source), Sum(table)

    def counted(batches: Iterator[Sequence[StoredRow]]) -> Iterator[Sequence[StoredRow]]:
        for rows in batches:
            read.add(rows)
            yield rows
            progress(f"copying {table.name}", read.rows, expected)

    write = _write_sqlite if target.dialect.name == "sqlite" else _write_postgresql
    try:
        with table.read(source) as batches:
            write(target, table, counted(batches))
    except RuleBroken as refusal:
        msg = f"a row of {table.name} is refused by the target: {refusal}; nothing was kept"
        raise CopyFailed(msg) from refusal
    return read.total()


def _write_sqlite(target: Connection, table: StoredTable, batches: Iterator[Sequence[StoredRow]]) -> None:
    names, marks = ", ".join(table.columns), ", ".join("?" * len(table.columns))
    for rows in batches:
        target.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))


def _write_postgresql(target: Connection, table: StoredTable, batches: Iterator[Sequence[StoredRow]]) -> None:
    with copy_in(target, f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN") as copy:
        for row in (row for rows in batches for row in rows):
            copy.write_row(_in_units(row, table.amounts) if table.amounts else row)


def _in_units(row: StoredRow, amounts: Sequence[int]) -> list[object]:
    """Return ``row`` with its amounts in units, as PostgreSQL has them, not in millionths."""
    values = list(row)
    for n in amounts:
        values[n] = None if values[n] is None else Decimal(values[n]).scaleb(-6)
    return values


def _check_keys(target: Connection) -> None:
    """Check every foreign key now, while it can still be told what is wrong."""
    if target.dialect.name == "sqlite":
        if broken := sqlite.missing_parent(target):
            msg = f"{broken}; nothing was kept"
            raise CopyFailed(msg)
        return
    try:
        target.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except RuleBroken as refusal:
        msg = f"{refusal}; nothing was kept"
        raise CopyFailed(msg) from refusal


def _compare(read: Mapping[str, Total], found: Mapping[str, Total]) -> None:
    if differing := differences(read, found):
        msg = f"{', '.join(differing)} did not arrive as read; nothing was kept"
        raise CopyFailed(msg)


def differences(one: Mapping[str, Total], other: Mapping[str, Total]) -> list[str]:
    """Return the tables whose count or checksum differs, by name."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _check_guards(target: Connection) -> None:
    """Hold the database against the models, which say nothing of earlier revisions."""
    if read_revision(target) == head() and (drift := drift_of(target)):
        msg = f"the target differs from the code ({drift[0][:200]}): see `spothive db check` there; nothing was kept"
        raise CopyFailed(msg)


def _url(to: str) -> str:
    try:
        return normalise_url(to)
    except ValueError as error:
        raise InvalidInput(f"--to: {error}") from None


@contextmanager
def _named(option: str) -> Iterator[None]:
    """Let errors that tell of DATABASE_URL tell of ``option``, by which the URL was given."""
    try:
        yield
    except (ConfigurationError, DatabaseUnavailable) as error:
        raise type(error)(str(error).replace("DATABASE_URL", option)) from error
