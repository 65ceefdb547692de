"""SQLite: the settings that make it a real database, and how its refusals are read."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from spothive.database import sqlite_turns
from spothive.database.refusals import RawRefusal
from spothive.errors import DatabaseUnavailable, SchemaOutdated

OLDEST = (3, 38)
_POLL_SECONDS = 0.02
COLUMNS = """
SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table'
"""
"""Names every table, and its columns."""
_BROKEN_KEYS = """
SELECT broken."table", broken.rowid, broken.parent FROM pragma_foreign_key_check AS broken
WHERE EXISTS (SELECT 1 FROM pragma_table_info(broken."table") WHERE name = 'id') LIMIT 1
"""
"""A table without id is none of spothive's."""
_COLUMNS = re.compile(r"constraint failed: ([\w., ]+)")
_INDEX = re.compile(r"constraint failed: index '(\w+)'")
_NO_SUCH = re.compile(r"(?:no such|table \w+ has no) (table|column|function)(?: named|:) (?:\w+\.)*(\w+)")


def connect_args(busy_timeout: float) -> dict[str, Any]:
    """Return what sqlite3 is told for every connection; transactions are begun by us, never by the driver."""
    return {
        "timeout": busy_timeout,
        "isolation_level": None,
        "check_same_thread": False,
        "factory": sqlite_turns.WritersConnection,
    }


def prepare(engine: Engine, *, migrating: bool = False) -> None:
    """Make every connection of ``engine`` keep the rules.

    Args:
        engine: engine on an SQLite file.
        migrating: only migrations make the file. They also do without foreign keys, since rebuilding a table would
            cascade its children away, and check them before each commit instead.
    """

    @event.listens_for(engine, "do_connect")
    def _on_open(*_: Any) -> None:
        if migrating:
            _make_file(engine.url)
        elif not Path(str(engine.url.database)).exists():
            msg = f"there is no database at {place(engine.url)}: run `spothive db upgrade`"
            raise SchemaOutdated(msg)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: sqlite3.Connection, _: Any) -> None:
        if sqlite3.sqlite_version_info < OLDEST:
            msg = f"SQLite {sqlite3.sqlite_version} is too old: spothive needs 3.38 or newer, or PostgreSQL"
            raise DatabaseUnavailable(msg)
        _switch_to_wal(dbapi_connection)
        for pragma in (
            "synchronous = NORMAL",
            f"foreign_keys = {'OFF' if migrating else 'ON'}",
            "recursive_triggers = ON",  # without it REPLACE deletes rows and no trigger sees it
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and then writes would lose to, or overwrite, another one.
        read_only = connection.get_execution_options().get("spothive_read_only", False)
        _let_write(connection.connection.dbapi_connection, not read_only)
        connection.exec_driver_sql("BEGIN DEFERRED" if read_only else sqlite_turns.BEGIN)

    @event.listens_for(engine, "reset")
    def _on_reset(dbapi_connection: sqlite3.Connection, *_: Any) -> None:
        # A COMMIT that a deferred key refuses leaves the transaction open, and SQLAlchemy takes it for ended.
        if dbapi_connection.in_transaction:
            dbapi_connection.rollback()


def _let_write(driver: Any, allowed: bool) -> None:  # noqa: FBT001 - that is all it is about
    """Let the connection write, or not; past SQLAlchemy, of which each statement asks its price.

    Only what is other is set: SQLite prepares every statement of the connection anew after that.
    """
    if driver.execute("PRAGMA query_only").fetchone() == (allowed,):
        driver.execute(f"PRAGMA query_only = {'OFF' if allowed else 'ON'}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, which the file remembers, and wait for others as long as for any lock.

    SQLite does not wait by itself while another connection begins to write a file that is not switched yet, as two
    upgrades of a new one do: it says that the file is locked, at once.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + patience / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _make_file(url: URL) -> None:
    """Make the folder of the database and an empty file that only its owner may read.

    Raises:
        DatabaseUnavailable: the place cannot be written.
    """
    file = Path(str(url.database)).absolute()
    if file.exists():  # touched, it would look changed
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        msg = f"cannot make {file} for the database ({error.strerror}): choose another DATABASE_URL"
        raise DatabaseUnavailable(msg) from None


def read_refusal(error: Any, context: Any) -> RawRefusal | None:
    """Return what SQLite refused, or None if it is no refusal."""
    message = str(error)
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return _broken_foreign_key(context)
    if name in _CONSTRAINTS:
        return _CONSTRAINTS[name](message)
    kind = next((kind for start, kind in _KINDS.items() if name.startswith(start)), "")
    # Of what a STRICT table says the driver knows no name.
    kind = kind or next((kind for start, kind in _MESSAGES.items() if message.startswith(start)), "")
    if found := _NO_SUCH.match(message):
        return RawRefusal("missing", found[1], found[2])
    return RawRefusal(kind, name, message if kind == "unavailable" else "") if kind else None


def _named(message: str) -> RawRefusal:
    """Read a CHECK or a trigger, which speak by name."""
    kind, _, table = message.partition(" ")
    if kind in {"tenant", "privilege"}:  # a trigger of sqlite_filter.py
        return RawRefusal(kind, "", table)
    rule = message.rpartition(": ")[2]
    # A trigger that guards a key against REPLACE speaks in the name of the key.
    return RawRefusal("unique" if rule.startswith(("pk_", "uq_")) else "check", rule, "")


def _unique(message: str) -> RawRefusal:
    if found := _INDEX.search(message):
        return RawRefusal("unique", found[1], "")
    table, columns = _table_and_columns(message)
    return RawRefusal("unique", "", table, columns)


def _required(message: str) -> RawRefusal:
    table, columns = _table_and_columns(message)
    return RawRefusal("not_null", f"nn_{table}_{columns[0]}", table)


_CONSTRAINTS = {
    "SQLITE_CONSTRAINT_CHECK": _named,
    "SQLITE_CONSTRAINT_TRIGGER": _named,
    "SQLITE_CONSTRAINT_UNIQUE": _unique,
    "SQLITE_CONSTRAINT_PRIMARYKEY": _unique,
    "SQLITE_CONSTRAINT_NOTNULL": _required,
}
_KINDS = {
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_CANTOPEN": "unavailable",
    "SQLITE_READONLY": "read_only",
    "SQLITE_CORRUPT": "unavailable",
    "SQLITE_NOTADB": "unavailable",
    "SQLITE_FULL": "unavailable",
    "SQLITE_IOERR": "unavailable",
    "SQLITE_PERM": "unavailable",
    "SQLITE_AUTH": "unavailable",
}
_MESSAGES = {
    "near ": "syntax",
    "incomplete input": "syntax",
    "unrecognized token": "syntax",
    "misuse of aggregate": "syntax",
    "cannot store": "value",
    "Could not decode to UTF-8": "damaged",
    "malformed JSON": "value",
    "Python int too large": "value",
}


def _table_and_columns(message: str) -> tuple[str, tuple[str, ...]]:
    found = _COLUMNS.search(message)
    names = [name.strip() for name in found[1].split(",")] if found else []
    return (names[0].partition(".")[0] if names else ""), tuple(name.rpartition(".")[2] for name in names)


def _broken_foreign_key(context: Any) -> RawRefusal:
    """Ask SQLite which key is broken; its own message does not say.

    The statement is repeated with the keys deferred, inside a savepoint that is rolled back, and the violations it
    adds are read. A refusal at commit has no statement and its violations are still there to be read.
    """
    connection: sqlite3.Connection | None = getattr(context.connection, "connection", None)
    if connection is None or not connection.in_transaction:
        return RawRefusal("parent", "", "")
    if context.statement is None:
        return _violation(connection, _violations(connection))
    connection.execute("SAVEPOINT spothive_why")
    try:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        before = _violations(connection)
        rows = context.parameters
        for row in rows if isinstance(rows, list) else [rows]:
            with suppress(sqlite3.Error):  # of many rows, those before the refused one are there already
                connection.execute(context.statement, row or ()).fetchall()
        return _violation(connection, _violations(connection) - before)
    finally:
        for undo in ("ROLLBACK TO spothive_why", "RELEASE spothive_why", "PRAGMA defer_foreign_keys = OFF"):
            connection.execute(undo)


def _violations(connection: sqlite3.Connection) -> set[tuple[Any, ...]]:
    """Return (table, rowid, parent, number of the key) of every row that lacks its parent."""
    return set(connection.execute("PRAGMA foreign_key_check"))


def _violation(connection: sqlite3.Connection, found: set[tuple[Any, ...]]) -> RawRefusal:
    for table, _, _, number in sorted(found, key=str):
        keys = connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        return RawRefusal("parent", "", table, tuple(key[3] for key in keys if key[0] == number))
    return RawRefusal("parent", "", "")


def drop_triggers(connection: Connection, table: str) -> list[str]:
    """Return the SQL that drops the triggers of ``table``."""
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    quoted = connection.dialect.identifier_preparer.quote
    return [f"DROP TRIGGER {quoted(name)}" for (name,) in connection.exec_driver_sql(query, (table,)).all()]


def place(url: URL) -> str:
    """Say where the database file is."""
    return str(Path(url.database).absolute()) if url.database and url.database != ":memory:" else "memory"


def size(url: URL) -> int:
    """Return the bytes of the database file and of its write-ahead log; 0 if there is none."""
    file = Path(str(url.database))
    return sum(part.stat().st_size for part in (file, Path(f"{file}-wal")) if part.exists())


def missing_parent(connection: Connection) -> str | None:
    """Return which row lacks the one it points at, for people; None if none does.

    Only a program that left foreign_keys off can have written such a row.
    """
    broken = connection.exec_driver_sql(_BROKEN_KEYS).first()
    if broken is None:
        return None
    table, rowid, parent = broken
    row_id = connection.exec_driver_sql(f'SELECT id FROM "{table}" WHERE rowid = ?', (rowid,)).scalar()
    return f"the row {row_id} of {table} lacks its row in {parent}"


def undecodable_text(connection: Connection, table: str, columns: Sequence[str]) -> str | None:
    """Return where ``table`` holds text that is no UTF-8, for people; None if nowhere.

    SQLite stores whatever bytes another program calls text, and the driver reads no further than the first of them.
    """
    raw: Any = connection.connection.dbapi_connection
    former, raw.text_factory = raw.text_factory, _text_or_bytes
    try:
        # Only text comes as str or, if it is none, as a bytearray; a blob comes as bytes.
        for row_id, *values in raw.execute(f"SELECT id, {', '.join(columns)} FROM {table}"):
            for name, value in zip(columns, values, strict=True):
                if isinstance(value, bytearray):
                    return f"{table}.{name} of the row {row_id}"
    finally:
        raw.text_factory = former
    return None


def _text_or_bytes(text: bytes) -> str | bytearray:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return bytearray(text)
