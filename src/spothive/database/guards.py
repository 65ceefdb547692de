"""Guards: the triggers, policies, grants and look-ups that hold the rules a CHECK cannot.

They are derived from the models, not migrated: a revision changes tables, and whatever guards those tables need
at that point is (re)built in the same transaction. ``spothive_guards`` remembers a checksum for each table, so at
head nothing is rebuilt and nothing is locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Table, inspect, text

from spothive.database import policies, sqlite
from spothive.models import Base
from spothive.schema.refusal import Refusal
from spothive.schema.states import state_refusals

LEDGER = "spothive_guards"
SHARED = "*shared*"


@dataclass(frozen=True, slots=True)
class GuardSet:
    """All guards of one table (or the shared functions): what it needs to exist, and the DDL that raises it."""

    name: str
    needs: frozenset[str]
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """Digest of the DDL."""
        return hashlib.sha256("\n".join(self.statements).encode()).hexdigest()


def refusals_of(table: Table) -> Iterator[Refusal]:
    """Yield every trigger ``table`` declares: its state machines, its append-only rule, its own rules."""
    yield from state_refusals(table)
    if append_only := table.info.get("append_only"):
        yield from append_only.refusals(table)
    yield from table.info.get("refusals", ())


def declared(dialect: str) -> list[GuardSet]:
    """Return the guard sets of every table, in the order in which they go up."""
    sets = []
    for table in Base.metadata.sorted_tables:
        statements = [ddl for refusal in refusals_of(table) for ddl in refusal.statements(table, dialect)]
        if dialect == "postgresql":
            if append_only := table.info.get("append_only"):
                statements += append_only.stamp_statements(table)
            statements += policies.statements(table)
        columns = frozenset(f"{table.name}.{column.name}" for column in table.columns)
        sets.append(GuardSet(table.name, columns, tuple(statements)))
    if dialect == "postgresql":
        sets.insert(0, GuardSet(SHARED, frozenset(), tuple(policies.shared_statements())))
        sets += [GuardSet(name, needs, ddl) for name, needs, ddl in policies.look_ups()]
    return sets


def raise_all(connection: Connection) -> list[str]:
    """Raise every guard set whose tables exist and whose stored checksum differs; return their names.

    Runs in the caller's transaction. Sets whose columns do not exist yet at this revision stay down.
    """
    _make_ledger(connection)
    if connection.dialect.name == "postgresql":
        policies.fix_search_path(connection)
    present = _present_columns(connection)
    stored = {name: checksum for name, checksum in connection.execute(text(f"SELECT name, checksum FROM {LEDGER}"))}
    wanted = [guard_set for guard_set in declared(connection.dialect.name) if guard_set.needs <= present]
    changed = [guard_set for guard_set in wanted if stored.get(guard_set.name) != guard_set.checksum]
    for guard_set in changed:
        _lower(connection, guard_set.name)
        run(connection, guard_set.statements)
        connection.execute(
            text(f"INSERT INTO {LEDGER} (name, checksum) VALUES (:name, :checksum)"),
            {"name": guard_set.name, "checksum": guard_set.checksum},
        )
    for name in stored.keys() - {guard_set.name for guard_set in wanted}:
        _lower(connection, name)
    if connection.dialect.name == "postgresql":
        policies.drop_orphans(connection)
    return [guard_set.name for guard_set in changed]


@contextmanager
def lowered(connection: Connection, *tables: str) -> Iterator[None]:
    """Take the guards of ``tables`` down for a revision that rebuilds or rewrites them, and raise them again after.

    On SQLite a rebuild fails if any trigger mentions the table, so there all triggers go down.
    On PostgreSQL the tables also get NO FORCE, without which a data step of the owner would see no rows.
    """
    names = tables
    if connection.dialect.name == "sqlite":
        names = tuple(connection.execute(text(f"SELECT name FROM {LEDGER}")).scalars())
    for name in names:
        _lower(connection, name)
    yield
    raise_all(connection)


def run(connection: Connection, statements: tuple[str, ...] | list[str]) -> None:
    """Execute DDL exactly as written: no parameter markers, so ``%`` and ``:`` mean themselves."""
    dbapi_connection = connection.connection.dbapi_connection
    assert dbapi_connection is not None  # noqa: S101 - an open connection has one
    connection.get_transaction() or connection.begin()
    for statement in statements:
        dbapi_connection.execute(statement)  # type: ignore[attr-defined]  # both drivers have it, PEP 249 does not


def _make_ledger(connection: Connection) -> None:
    if not inspect(connection).has_table(LEDGER):
        connection.execute(text(f"CREATE TABLE {LEDGER} (name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)"))


def _present_columns(connection: Connection) -> set[str]:
    found = inspect(connection).get_multi_columns()
    return {f"{table}.{column['name']}" for (_, table), columns in found.items() for column in columns}


def _lower(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        policies.lower(connection, name)
    else:
        sqlite.drop_triggers(connection, name)
    connection.execute(text(f"DELETE FROM {LEDGER} WHERE name = :name"), {"name": name})
