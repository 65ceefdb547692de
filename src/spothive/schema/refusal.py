"""The one building block of every guard: a trigger that refuses a write, on both databases.

A rule that spans two states of a row, two rows or two tables cannot be a CHECK. It is written once, as SQLAlchemy
expressions over the row as it was (``old``) and as it would be (``new``), and compiled to a trigger per database.
A refused write fails as if the CHECK named :attr:`Refusal.rule` had failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import Select
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.util import ReadOnlyProperties

Event = Literal["insert", "update", "delete", "truncate"]
Condition = Callable[["HasColumns", "HasColumns"], ColumnElement[bool]]

# The paramstyle of psycopg would double every % in a literal.
_DIALECTS = {"postgresql": postgresql.dialect(paramstyle="named"), "sqlite": sqlite.dialect()}  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy


class HasColumns(Protocol):
    """Something with columns in ``c``: a table, or the row a trigger sees."""

    @property
    def c(self) -> Any:
        """Columns by name."""


@dataclass(frozen=True)
class Refusal:
    """Refuse ``events`` on a table for each row for which ``when(old, new)`` is true.

    Attributes:
        rule: name of the trigger and of the refusal, unique in the schema.
        events: the writes that are looked at.
        when: condition over the old and the new row; on insert only ``new`` exists, on delete only ``old``.
        message: what the refusal means, in one line for people.
        columns: an update is looked at only if it names one of these; all when empty.
        lock: rows that PostgreSQL locks, or a lock it takes, before it judges, so that two transactions cannot both
            be right. SQLite has one writer at a time and needs none.
        serialise: name of a lock under which PostgreSQL judges such writes one after the other. It is taken
            before any row is locked, so that mutual writes wait instead of dying in a deadlock.
        dialects: databases that need it.
        only: a cheap condition over the row alone; where it is false nothing else is looked at, nor locked.
    """

    rule: str
    events: tuple[Event, ...]
    when: Condition
    message: str
    columns: tuple[str, ...] = ()
    lock: Callable[[HasColumns, HasColumns], Select[Any]] | None = None
    serialise: str = ""
    dialects: tuple[str, ...] = ("postgresql", "sqlite")
    only: Condition | None = None

    def needs(self, table: sa.Table) -> frozenset[str]:
        """Return the tables and columns (as ``table.column``) without which this refusal cannot go up."""
        old, new = _Row(table, "old"), _Row(table, "new")
        asked = [part(old, new) for part in (self.when, self.lock, self.only) if part]
        found = {table.name, *(f"{table.name}.{name}" for name in self.columns)}
        for part in (part for expression in asked for part in iterate(expression)):
            if isinstance(part, sa.Column):
                asked_of = getattr(part.table, "element", part.table)  # an alias stands for its table
                found.add(f"{asked_of.name}.{part.name}")
            elif isinstance(part, sa.ColumnClause) and part.name.startswith(("old.", "new.")):
                found.add(f"{table.name}.{part.name[4:]}")
        return frozenset(found)

    def statements(self, table: sa.Table, dialect: str) -> Iterator[str]:
        """Yield the DDL that puts this refusal on ``table``."""
        if dialect not in self.dialects:
            return
        condition = self._compiled(self.when(_Row(table, "old"), _Row(table, "new")), dialect)
        if dialect == "sqlite":
            if only := self._looked_at(table, dialect):
                condition = f"CASE WHEN {only} THEN {condition} ELSE 0 END"  # AND promises no order
            yield from self._sqlite(table, condition)
        else:
            yield from self._postgresql(table, condition)

    def _sqlite(self, table: sa.Table, condition: str) -> Iterator[str]:
        for event in self.events:
            name = self.rule if len(self.events) == 1 else f"{self.rule}_{event}"
            yield (
                f"CREATE TRIGGER {name} BEFORE {self._event(event)} ON {table.name} FOR EACH ROW\n"
                f"WHEN {condition}\nBEGIN SELECT RAISE(ABORT, '{self.rule}'); END"
            )

    def _postgresql(self, table: sa.Table, condition: str) -> Iterator[str]:
        events = " OR ".join(self._event(event) for event in self.events)
        if self.serialise:
            yield (
                f"CREATE TRIGGER {self.rule}_lock BEFORE {events} ON {table.name} FOR EACH STATEMENT\n"
                f"EXECUTE FUNCTION spothive_serialise('{self.serialise}')"
            )
        if "truncate" in self.events:
            yield (
                f"CREATE TRIGGER {self.rule} BEFORE TRUNCATE ON {table.name} FOR EACH STATEMENT\n"
                f"EXECUTE FUNCTION spothive_refuse('{self.rule}')"
            )
            return
        expression = self.when(_Row(table, "old"), _Row(table, "new"))
        if not self.lock and not self.only and not any(isinstance(part, Select) for part in iterate(expression)):
            yield (
                f"CREATE TRIGGER {self.rule} BEFORE {events} ON {table.name} FOR EACH ROW\n"
                f"WHEN ({condition})\nEXECUTE FUNCTION spothive_refuse('{self.rule}')"
            )
            return
        lock = ""
        if self.lock:
            locked = self._compiled(self.lock(_Row(table, "old"), _Row(table, "new")), "postgresql")
            lock = f"  PERFORM 1 FROM ({locked}) AS locked;\n"
        # The fixed search_path keeps a caller's temporary table of the same name from being asked instead.
        yield (
            f"CREATE OR REPLACE FUNCTION guard_{self.rule}() RETURNS trigger LANGUAGE plpgsql\n"
            f"SET search_path FROM CURRENT AS $guard$\nBEGIN\n{lock}"
            f"  IF {condition} THEN\n"
            f"    RAISE EXCEPTION '{self.rule}' USING ERRCODE = '23514', CONSTRAINT = '{self.rule}', "
            f"TABLE = TG_TABLE_NAME;\n"
            "  END IF;\n"
            "  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\n  RETURN NEW;\nEND\n$guard$"
        )
        only = self._looked_at(table, "postgresql")
        yield (
            f"CREATE TRIGGER {self.rule} BEFORE {events} ON {table.name} FOR EACH ROW\n"
            + (f"WHEN ({only})\n" if only else "")
            + f"EXECUTE FUNCTION guard_{self.rule}()"
        )

    def _looked_at(self, table: sa.Table, dialect: str) -> str:
        """Return the SQL of ``only``; nothing if every row is looked at."""
        return self._compiled(self.only(_Row(table, "old"), _Row(table, "new")), dialect) if self.only else ""

    def _event(self, event: Event) -> str:
        return f"UPDATE OF {', '.join(self.columns)}" if event == "update" and self.columns else event.upper()

    @staticmethod
    def _compiled(expression: Any, dialect: str) -> str:
        return str(expression.compile(dialect=_DIALECTS[dialect], compile_kwargs={"literal_binds": True}))


class _Row:
    """The row a trigger sees; its columns bring no table into a FROM clause."""

    def __init__(self, table: sa.Table, name: Literal["old", "new"]) -> None:
        columns = {c.name: sa.literal_column(f"{name}.{c.name}", c.type) for c in table.columns}
        self.c = ReadOnlyProperties(columns)


def never_again(table: sa.Table) -> Refusal:
    """Refuse to insert an id that exists, on SQLite, before REPLACE deletes the row that has it, whoever owns that.

    Without ``PRAGMA recursive_triggers`` no delete trigger would see that row go. The refusal is named after the
    primary key, which PostgreSQL refuses by.
    """
    return Refusal(
        rule=str(table.primary_key.name),
        events=("insert",),
        when=lambda _, new: sa.exists(sa.select(sa.literal(1)).select_from(table).where(table.c.id == new.c.id)),
        message=f"a row of {table.name} with this id exists",
        dialects=("sqlite",),
    )


def rewritten(*columns: str) -> Condition:
    """Return the condition that an update changes one of ``columns``."""
    return lambda old, new: sa.or_(*(old.c[name].is_distinct_from(new.c[name]) for name in columns))


def irreplaceable(table: sa.Table, refusals: Sequence[Refusal]) -> Iterator[Refusal]:
    """Yield what keeps REPLACE on SQLite from deleting a row whose deletion one of ``refusals`` refuses.

    REPLACE deletes every row that has a key the new one takes, and without ``PRAGMA recursive_triggers`` no delete
    trigger sees them go. So each key of such a row refuses first, by the name by which PostgreSQL does.
    """
    known = {refusal.rule for refusal in refusals}
    keepers = [refusal for refusal in refusals if "delete" in refusal.events]
    if not keepers:
        return
    if not {f"lc_{table.name}_key", f"ao_{table.name}_update"} & known:
        yield Refusal(
            rule=f"lc_{table.name}_id",
            events=("update",),
            columns=("id",),
            when=lambda old, new: old.c.id != new.c.id,
            message=f"the id of a row of {table.name} never changes: it could take the place of another",
        )
    yield from _rowids(table, keepers, frozen=f"ao_{table.name}_update" in known)
    for name, columns, where in _keys(table):
        if name not in known:
            yield Refusal(
                rule=name,
                events=("insert",) if columns == ("id",) else ("insert", "update"),
                columns=columns,
                when=partial(_takes, table, columns, where, keepers),
                message=f"a row of {table.name} that stays has this {', '.join(columns)}",
                dialects=("sqlite",),
            )


def _rowids(table: sa.Table, keepers: Sequence[Refusal], *, frozen: bool) -> Iterator[Refusal]:
    """Yield the same for the key that SQLite gives every row by itself. Of a row that names none it is -1 here."""
    kept, taken = table.alias("kept"), sa.literal_column("kept.rowid") == sa.literal_column("NEW.rowid")
    stays = sa.or_(*(keeper.when(kept, kept) for keeper in keepers))
    yield Refusal(
        rule=f"lc_{table.name}_rowid",
        events=("insert",),
        when=lambda *_: sa.exists(sa.select(sa.literal(1)).select_from(kept).where(taken, stays)),
        message=f"a row of {table.name} that stays has this rowid",
        dialects=("sqlite",),
    )
    if not frozen:  # else no update passes at all
        yield Refusal(
            rule=f"lc_{table.name}_moved",
            events=("update",),
            when=lambda *_: sa.literal_column("OLD.rowid") != sa.literal_column("NEW.rowid"),
            message=f"the rowid of a row of {table.name} never changes: it could take the place of another",
            dialects=("sqlite",),
        )


def _takes(
    table: sa.Table, columns: Sequence[str], where: Any, keepers: Sequence[Refusal], _: HasColumns, new: HasColumns
) -> sa.Exists:
    """Return the condition that the new row takes a key from a row that stays."""
    kept = table.alias("kept")
    same = [kept.c[name] == new.c[name] for name in columns]
    another = [] if columns == ("id",) else [kept.c.id != new.c.id]
    stays = sa.or_(*(keeper.when(kept, kept) for keeper in keepers))
    partly = [] if where is None else [where]
    return sa.exists(sa.select(sa.literal(1)).select_from(kept).where(*same, *another, stays, *partly))


def _keys(table: sa.Table) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield (name, columns, condition) of every key.

    A partial one is taken to be over the columns of its condition, so that a row with equal columns meets it too.
    """
    yield str(table.primary_key.name), ("id",), None
    keys: list[tuple[Any, Any]] = [(key, None) for key in table.constraints if isinstance(key, sa.UniqueConstraint)]
    keys += [(index, index.dialect_options["sqlite"]["where"]) for index in table.indexes if index.unique]
    for key, where in sorted(keys, key=lambda found: str(found[0].name)):
        columns = tuple(column.name for column in key.columns)
        if "id" not in columns:
            yield str(key.name), columns, where


def set_once(table: str, *columns: str, message: str) -> Refusal:
    """Refuse to change ``columns`` once they hold a value; the rule is named after the first."""
    return Refusal(
        rule=f"lc_{table}_{columns[0]}_once",
        events=("update",),
        columns=columns,
        when=lambda old, new: sa.or_(
            *(sa.and_(old.c[name].is_not(None), old.c[name].is_distinct_from(new.c[name])) for name in columns)
        ),
        message=message,
    )


class older_than(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a time column lies more than ``hours`` back on the database's clock."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: ColumnElement[Any], hours: int) -> None:
        """Compare ``column`` with the present minus ``hours``."""
        super().__init__(column)
        self.hours = hours


@compiles(older_than, "postgresql")
def _older_than_postgresql(element: older_than, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"({column} < clock_timestamp() - interval '{element.hours} hours')"


@compiles(older_than, "sqlite")
def _older_than_sqlite(element: older_than, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"({column} < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{element.hours} hours'))"


class ahead_by_more_than(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a time column lies more than ``hours`` ahead on the database's clock."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: ColumnElement[Any], hours: int) -> None:
        """Compare ``column`` with the present plus ``hours``."""
        super().__init__(column)
        self.hours = hours


@compiles(ahead_by_more_than, "postgresql")
def _ahead_by_more_than_postgresql(element: ahead_by_more_than, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"({column} > clock_timestamp() + interval '{element.hours} hours')"


@compiles(ahead_by_more_than, "sqlite")
def _ahead_by_more_than_sqlite(element: ahead_by_more_than, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"({column} > strftime('%Y-%m-%d %H:%M:%f000', 'now', '+{element.hours} hours'))"


class other_keys(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a JSON object has a key that is none of ``keys``, plain words; of what is no object a CHECK judges."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: ColumnElement[Any], keys: Iterable[str]) -> None:
        """Compare the keys of ``column``."""
        super().__init__(column)
        self.keys = tuple(keys)


@compiles(other_keys, "postgresql")
def _other_keys_postgresql(element: other_keys, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    keys = ", ".join(f"'{key}'" for key in element.keys)
    # Of a scalar PostgreSQL would not even try to take keys away.
    return (
        f"(CASE WHEN jsonb_typeof({column}) = 'object' THEN {column} - ARRAY[{keys}] <> '{{}}'::jsonb ELSE FALSE END)"
    )


@compiles(other_keys, "sqlite")
def _other_keys_sqlite(element: other_keys, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    keys = ", ".join(f"'$.{key}'" for key in element.keys)
    return f"(CASE WHEN json_type({column}) = 'object' THEN json_remove({column}, {keys}) <> '{{}}' ELSE 0 END)"


class by_system(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if the writer is in system scope; SQLite's file cannot tell, its sessions can (``sqlite_filter.py``)."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(by_system, "postgresql")
def _by_system_postgresql(*_: Any, **__: Any) -> str:
    return "current_user = 'spothive_system'"


@compiles(by_system, "sqlite")
def _by_system_sqlite(*_: Any, **__: Any) -> str:
    return "1"


class transaction_number(FunctionElement[int]):  # noqa: N801 - reads as an SQL function
    """The number of PostgreSQL's transaction, which gets one here if it has none yet. SQLite has no such numbers.

    A guard asks for it in the WHERE of its lock: what is only selected there PostgreSQL may leave out.
    """

    inherit_cache = True
    type = sa.BigInteger()


@compiles(transaction_number, "postgresql")
def _transaction_number(*_: Any, **__: Any) -> str:
    return "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"


class fixed_snapshot(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if the writer does not see what others commit from now on, not even after it has waited for their lock."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(fixed_snapshot, "postgresql")
def _fixed_snapshot_postgresql(*_: Any, **__: Any) -> str:
    return "current_setting('transaction_isolation') IN ('repeatable read', 'serializable')"


@compiles(fixed_snapshot, "sqlite")
def _fixed_snapshot_sqlite(*_: Any, **__: Any) -> str:
    return "0"


class off_the_clock(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a time column differs from SQLite's clock by more than ``seconds``."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: ColumnElement[Any], seconds: int) -> None:
        """Compare ``column`` with the present."""
        super().__init__(column)
        self.seconds = seconds


@compiles(off_the_clock, "sqlite")
def _off_the_clock(element: off_the_clock, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"(abs(julianday({column}) - julianday('now')) * 86400 > {element.seconds})"


class has_all_of(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a JSON object has every key of another one, with the same value. SQLite compares the text of values."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(has_all_of, "postgresql")
def _has_all_of_postgresql(element: has_all_of, compiler: Any, **kw: Any) -> str:
    larger, smaller = (compiler.process(part, **kw) for part in element.clauses)
    return f"({larger} @> {smaller})"


@compiles(has_all_of, "sqlite")
def _has_all_of_sqlite(element: has_all_of, compiler: Any, **kw: Any) -> str:
    larger, smaller = (compiler.process(part, **kw) for part in element.clauses)
    same = f"SELECT 1 FROM json_each({larger}) AS has WHERE has.key = was.key AND has.value IS was.value"
    return f"(NOT EXISTS (SELECT 1 FROM json_each({smaller}) AS was WHERE NOT EXISTS ({same})))"
