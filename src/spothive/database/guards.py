"""Guards: the triggers, policies, grants and look-ups that hold the rules a CHECK cannot.

They are derived from the models, not migrated: a revision changes tables, and whatever guards those tables need
at that point is (re)built in the same transaction. ``spothive_guards`` remembers a checksum for each table, so at
head nothing is rebuilt and nothing is locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, Table, text

from spothive.database import policies, postgresql, sqlite
from spothive.errors import MigrationFailed
from spothive.models import Base
from spothive.schema.detach import detachments
from spothive.schema.refusal import Refusal, irreplaceable
from spothive.schema.sealed import withdrawal_refusals
from spothive.schema.states import state_refusals

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

LEDGER = "spothive_guards"
MANIFEST = "spothive_backup"
"""Table in which the file of a backup says what it holds; other databases have none."""


class Migration(Protocol):
    """What a revision imports as ``op``."""

    def get_bind(self) -> Connection:
        """Return the connection of an upgrade that is not just printed."""

    def get_context(self) -> MigrationContext:
        """Return what Alembic knows of this upgrade."""


@dataclass(frozen=True, slots=True)
class Guard:
    """DDL that raises one guard, and the tables and columns (as ``table.column``) without which it cannot."""

    needs: frozenset[str]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuardSet:
    """The guards of one table, or one look-up, or what all share: they go up and down together."""

    name: str
    guards: tuple[Guard, ...]

    def statements(self, present: AbstractSet[str] | None = None) -> tuple[str, ...]:
        """Return the DDL of the guards that can stand on what is ``present``; of all when None."""
        return tuple(
            statement
            for guard in self.guards
            if present is None or guard.needs <= present
            for statement in guard.statements
        )


def refusals_of(table: Table) -> Iterator[Refusal]:
    """Yield every trigger ``table`` declares: its state machines, its sealed columns, its append-only rule, its own."""
    yield from _refusals_of(table, tuple(table.info.get("refusals", ())))


def _refusals_of(table: Table, own: tuple[Refusal, ...]) -> Iterator[Refusal]:
    found = [*state_refusals(table), *withdrawal_refusals(table), *own]
    if append_only := table.info.get("append_only"):
        found += append_only.refusals(table)
    yield from found
    yield from irreplaceable(table, found)


def declared(dialect: str) -> list[GuardSet]:
    """Return the guard sets of every table, in the order in which they go up."""
    sets = [
        GuardSet(table.name, _guards_of(table, dialect, tuple(table.info.get("refusals", ()))))
        for table in _in_order(frozenset(Base.metadata.tables))
    ]
    if dialect == "postgresql":
        shared = Guard(frozenset({"tenants"}), tuple(policies.shared_statements()))
        sets.insert(0, GuardSet(policies.SHARED, (shared,)))
        sets += [GuardSet(name, (Guard(needs, ddl),)) for name, needs, ddl in policies.look_ups()]
    return sets


@cache  # an upgrade asks after each revision
def _in_order(names: frozenset[str]) -> tuple[Table, ...]:
    """Return the tables ``names``, which are all there are, each behind those it points at."""
    return tuple(table for table in Base.metadata.sorted_tables if table.name in names)


@cache  # an upgrade asks after each revision, and wording them all takes longer than raising them
def _guards_of(table: Table, dialect: str, own: tuple[Refusal, ...]) -> tuple[Guard, ...]:
    """Return the guards of ``table``, which declares the refusals ``own`` besides what is derived."""
    found = [
        Guard(refusal.needs(table), tuple(refusal.statements(table, dialect))) for refusal in _refusals_of(table, own)
    ]
    found += [Guard(needs, statements) for needs, statements in detachments(table, dialect)]
    if dialect == "postgresql":
        if append_only := table.info.get("append_only"):
            found.append(Guard(frozenset({table.name}), tuple(append_only.stamp_statements(table))))
        found.append(Guard(frozenset({table.name}), tuple(policies.statements(table))))
    return tuple(found)


def raise_all(connection: Connection) -> list[str]:
    """Raise every guard set whose stored checksum differs from what can stand now; return their names.

    Runs in the caller's transaction. A guard whose tables or columns do not exist yet at this revision stays down.
    """
    dialect = connection.dialect.name
    run(connection, _preamble(dialect))
    stored, wanted = _stored(connection), _wanted(connection, _present(connection))
    changed = {name: statements for name, statements in wanted.items() if stored.get(name) != _checksum(statements)}
    raising = [ddl for name, statements in changed.items() for ddl in (*_lowering(connection, name), *statements)]
    if changed:
        raising += _forget(*changed), _remember(changed)
    run(connection, raising)
    gone = sorted(stored.keys() - wanted.keys(), reverse=True)  # what all share goes last
    run(connection, [*_lowering_all(connection, gone), *_finish(dialect)])
    return list(changed)


def are_current(connection: Connection) -> bool:
    """Tell whether :func:`raise_all` would change nothing, by what the ledger says. Writes and locks nothing."""
    present = _present(connection)
    wanted = {name: _checksum(statements) for name, statements in _wanted(connection, present).items()}
    return LEDGER in present and _stored(connection) == wanted


def _stored(connection: Connection) -> dict[str, str]:
    """Return what the ledger says: guard set to checksum."""
    return {row.name: row.checksum for row in connection.execute(text(f"SELECT name, checksum FROM {LEDGER}"))}


def _wanted(connection: Connection, present: AbstractSet[str]) -> dict[str, tuple[str, ...]]:
    """Return the DDL of every guard set of which something can stand on what is ``present``."""
    standing = {one.name: one.statements(present) for one in declared(connection.dialect.name)}
    return {name: statements for name, statements in standing.items() if statements}


def raise_anew(connection: Connection) -> None:
    """Take every guard down, whatever stands and whatever the ledger says, and raise all that can stand now.

    Runs in the caller's transaction, so nobody else sees a table without its guards.
    """
    lower_all(connection)
    raise_all(connection)


def lower_all(connection: Connection) -> None:
    """Take every guard down, whatever stands and whatever the ledger says, until :func:`raise_all`.

    Runs in the caller's transaction. On PostgreSQL that has every table to itself from here on.
    """
    dialect = connection.dialect.name
    names = [guard_set.name for guard_set in reversed(declared(dialect))]  # what all share goes last
    run(connection, [*_preamble(dialect), *_lowering_all(connection, names), *_finish(dialect)])


def script(dialect: str) -> Iterator[str]:
    """Yield the SQL that raises every guard at the newest revision, whatever stood before.

    On SQLite it is for a database without guards: there SQL cannot ask which triggers to drop.
    """
    yield from _preamble(dialect)
    for guard_set in declared(dialect):
        if statements := guard_set.statements():
            if dialect == "postgresql":
                yield policies.lower(guard_set.name)
            yield from (_forget(guard_set.name), *statements, _remember({guard_set.name: statements}))
    yield from _finish(dialect)


@contextmanager
def lowered(op: Migration, *tables: str) -> Iterator[None]:
    """Take the guards of ``tables`` down for a revision that rebuilds or rewrites them, and raise them again after.

    On SQLite a rebuild fails if any trigger mentions the table, so there all triggers go down.
    On PostgreSQL the tables also lose FORCE, under which a data step of the owner would see no rows.

    Raises:
        MigrationFailed: the upgrade is printed as a script for SQLite, which cannot say which triggers to drop.
    """
    context = op.get_context()
    if context.as_sql:
        if context.dialect.name == "sqlite":
            msg = "this revision rebuilds a table, which no SQLite script can do: run `spothive db upgrade` instead"
            raise MigrationFailed(msg)
        emit(context, map(policies.lower, tables))
        yield  # the script raises all guards at its end, whatever the ledger says, which there may not be yet
        return
    connection = op.get_bind()
    names = tables
    if connection.dialect.name == "sqlite":
        names = tuple(connection.execute(text(f"SELECT name FROM {LEDGER}")).scalars())
    run(connection, _lowering_all(connection, names))
    yield
    raise_all(connection)


def emit(context: MigrationContext, statements: Iterable[str]) -> None:
    """Run ``statements`` exactly as written, or print them when Alembic was asked for a script (``--sql``)."""
    if context.as_sql:
        for statement in statements:
            context.impl.static_output(f"{statement};")
    else:
        assert context.connection is not None  # noqa: S101 - it is None for scripts only
        run(context.connection, statements)


def run(connection: Connection, statements: Iterable[str]) -> None:
    """Execute DDL exactly as written: no parameter markers, so ``%`` and ``:`` mean themselves."""
    if connection.dialect.name == "postgresql":  # takes them all in one round trip, where SQLite takes one at a time
        statements = filter(None, [";\n".join(statements)])
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _preamble(dialect: str) -> list[str]:
    ledger = f"CREATE TABLE IF NOT EXISTS {LEDGER} (name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)"
    return [policies.fix_search_path(), ledger] if dialect == "postgresql" else [ledger]


def _finish(dialect: str) -> list[str]:
    return [policies.drop_unused("guard")] if dialect == "postgresql" else []


def _checksum(statements: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


def _remember(raised: Mapping[str, tuple[str, ...]]) -> str:
    rows = ", ".join(f"('{name}', '{_checksum(statements)}')" for name, statements in raised.items())
    return f"INSERT INTO {LEDGER} (name, checksum) VALUES {rows}"


def _forget(*names: str) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"DELETE FROM {LEDGER} WHERE name IN ({listed})"


def _lowering_all(connection: Connection, names: Sequence[str]) -> list[str]:
    """Return the DDL that takes down what stands under ``names``, in this order, and lets the ledger forget them."""
    return [ddl for name in names for ddl in _lowering(connection, name)] + ([_forget(*names)] if names else [])


def _lowering(connection: Connection, name: str) -> list[str]:
    """Return the DDL that takes down what stands under ``name``, whatever the ledger says."""
    return [policies.lower(name)] if connection.dialect.name == "postgresql" else sqlite.drop_triggers(connection, name)


def _present(connection: Connection) -> set[str]:
    """Return every table of the current schema, and its columns as ``table.column``."""
    words = postgresql if connection.dialect.name == "postgresql" else sqlite
    found = connection.execute(text(words.COLUMNS)).all()
    return {f"{table}.{column}" for table, column in found} | {table for table, _ in found}
