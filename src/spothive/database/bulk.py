"""Many rows at once, checked by every rule: COPY on PostgreSQL, one prepared statement on SQLite.

COPY goes into a temporary table first, because PostgreSQL allows no COPY into a table with row security; from there
INSERT .. SELECT and UPDATE .. FROM pass policies, keys, CHECKs and triggers like any other statement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql as pg

from spothive.database import monitoring, postgresql
from spothive.database.refusals import to_error
from spothive.database.tenancy import TenantSession
from spothive.errors import DatabaseUnavailable, InvalidInput, NotAllowed, TenantMismatch
from spothive.models import Base

if TYPE_CHECKING:
    from psycopg import Copy

Row = dict[str, Any]

Columns = Sequence[sa.Column[Any]]
Parts = Iterable[list[tuple[Any, ...]]]

_CONVERTED_AT_ONCE = 1000
"""Rows whose values are converted together."""

_INSERTED_AT_ONCE = 5_000
"""Rows that are inserted by one statement."""

_CANCEL_PATIENCE = 5.0
"""Seconds that asking a server to stop an INSERT may take."""


def insert_rows(session: TenantSession, model: type[Base], rows: Iterable[Row]) -> None:
    """Insert ``rows`` into ``model``'s table. All have the same columns; the others get the database's defaults.

    PostgreSQL writes five thousand of them while the next are made: rows that come from a generator cost no memory, and
    no time of their own. What makes them keeps off the session. A row that others point to comes before them.

    After an error none of five thousand or more is there, even if the caller goes on; of fewer, once it rolls back.

    Raises:
        RuleBroken: a row breaks a rule.
        InvalidInput: the rows have different columns, or a value is none of its column's type.
        TenantMismatch: a row names another tenant than the session's.
    """
    waiting = iter(rows)
    first = next(waiting, None)
    if first is None:
        return
    table, connection = _table(model), session.connection()
    columns = [table.c[name] for name in first]
    insert = _insert_staged if connection.dialect.name == "postgresql" else _insert_each

    def checked() -> Iterator[Row]:
        for part in _parts(chain([first], waiting), _CONVERTED_AT_ONCE):
            _check_tenant(session, table, part)
            yield from part

    finished = _parts(_converted(connection, columns, checked()), _INSERTED_AT_ONCE)
    part = next(finished)
    with connection.begin_nested() if len(part) == _INSERTED_AT_ONCE else nullcontext():
        insert(connection, table, columns, chain([part], finished))


def _insert_each(connection: Connection, table: Table, columns: Columns, finished: Parts) -> None:
    insert = f"INSERT INTO {table.name} ({_names(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for part in finished:
        connection.exec_driver_sql(insert, part)


def _insert_staged(connection: Connection, table: Table, columns: Columns, finished: Parts) -> None:
    """COPY and insert; while the server does the second, which takes most of its time, the next part is made here."""
    names = _names(columns)

    def insert(staged: str) -> None:
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {staged}")

    driver = connection.connection
    with ThreadPoolExecutor(1) as beside:
        inserting: Future[None] | None = None
        try:
            for part in finished:
                if inserting is not None:
                    inserting.result()
                    inserting = None
                staged = _copy(connection, table, columns, part)
                if len(part) == _INSERTED_AT_ONCE:
                    inserting = beside.submit(copy_context().run, insert, staged)
                else:
                    insert(staged)
            if inserting is not None:
                inserting.result()
        except BaseException:
            if inserting is not None and not inserting.done():
                with suppress(Exception):  # whatever it says, what went wrong is told
                    driver.cancel_safe(timeout=_CANCEL_PATIENCE)
            raise


def update_rows(session: TenantSession, model: type[Base], rows: Sequence[Row]) -> None:
    """Set the given columns of the rows with these primary keys. All have the same columns, ``updated_at`` too.

    Raises:
        RuleBroken: a row breaks a rule; none is written once the caller rolls back.
    """
    if not rows:
        return
    table, connection = _table(model), session.connection()
    _check_tenant(session, table, rows)
    key = [column.name for column in table.primary_key]
    changed = [name for name in rows[0] if name not in key]
    columns = [table.c[name] for name in (*changed, *key)]
    finished = list(_converted(connection, columns, rows))
    if connection.dialect.name == "postgresql":
        staged = _copy(connection, table, columns, finished)
        new = ", ".join(f"{name} = {staged}.{name}" for name in changed)
        same = " AND ".join(f"{table.name}.{name} = {staged}.{name}" for name in key)
        connection.exec_driver_sql(f"UPDATE {table.name} SET {new} FROM {staged} WHERE {same}")
    else:
        update = f"UPDATE {table.name} SET {' = ?, '.join(changed)} = ? WHERE {' = ? AND '.join(key)} = ?"
        connection.exec_driver_sql(update, finished)


def is_any_of(session: TenantSession, column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text ``column`` is one of ``values``, as one parameter however many there are.

    IN has a parameter for each value: 100,000 of them take longer to spell out than to look up, and too many for
    either database.
    """
    if session.get_bind().dialect.name == "postgresql":
        return column == sa.any_(sa.literal(list(values), pg.ARRAY(sa.Text)))  # type: ignore[no-any-return]  # any column's
    listed = sa.func.json_each(sa.literal(list(values), sa.JSON)).table_valued("value")
    return column.in_(sa.select(listed.c.value))  # type: ignore[no-any-return]  # as above


def listed_rows(session: TenantSession, name: str, columns: Sequence[str], rows: Collection[Sequence[str]]) -> Any:
    """Return rows of texts as a table called ``name`` with these columns, to be joined: a parameter or one a column."""
    if session.get_bind().dialect.name == "postgresql":
        parts = zip(*rows, strict=True) if rows else ((),) * len(columns)
        arrays = [sa.literal(list(part), pg.ARRAY(sa.Text)) for part in parts]
        return sa.func.unnest(*arrays).table_valued(*(sa.column(c, sa.Text) for c in columns)).render_derived(name)
    each = sa.func.json_each(sa.literal([list(row) for row in rows], sa.JSON)).table_valued("value")
    cells = (sa.func.json_extract(each.c.value, f"$[{at}]", type_=sa.Text).label(c) for at, c in enumerate(columns))
    return sa.select(*cells).subquery(name)


def _table(model: type[Base]) -> Table:
    assert isinstance(model.__table__, Table)  # noqa: S101 - no model of ours maps anything else
    return model.__table__


def _check_tenant(session: TenantSession, table: Table, rows: Sequence[Row]) -> None:
    """Refuse rows of another tenant before the database does, which would just not find them in an UPDATE."""
    if session.in_system_scope:
        return
    if "tenant_id" not in table.c:
        msg = f"{table.name} is shared by every tenant: write it in system_scope(session, reason)"
        raise NotAllowed(msg)
    if any(row["tenant_id"] != session.tenant_id for row in rows):
        msg = "a row names another tenant than the session's"
        raise TenantMismatch(msg)


def _copy(connection: Connection, table: Table, columns: Columns, finished: Sequence[Any]) -> str:
    """COPY rows in binary form into a temporary table that goes with the transaction; return its name."""
    names = _names(columns)
    staged = f"staged_{uuid4().hex}"
    empty = f"SELECT {names} FROM {table.name} WITH NO DATA"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS {empty}")
    statement = f"COPY {staged} ({names}) FROM STDIN WITH (FORMAT BINARY)"
    started = time.perf_counter()
    with copy_in(connection, statement) as copy:
        copy.set_types([_copy_type(column, connection.dialect) for column in columns])
        for values in finished:
            copy.write_row(values)
    monitoring.note(connection, statement, len(finished), started)
    return staged


def _names(columns: Columns) -> str:
    return ", ".join(column.name for column in columns)


@contextmanager
def copy_in(connection: Connection, statement: str) -> Iterator[Copy]:
    """Run ``COPY .. FROM STDIN`` for as long as the block writes rows.

    Raises:
        RuleBroken: a row breaks a rule; raised at the end of the block.
        DatabaseUnavailable: the connection was lost.
    """
    from psycopg import Error  # which SQLite does without

    try:
        with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]  # psycopg's
            yield copy
    except Error as error:  # SQLAlchemy, which has refusals translated elsewhere, knows nothing of COPY
        raw = postgresql.read_refusal(error)
        if raw is not None:
            raise to_error(raw) from error
        connection.invalidate(error)
        msg = "the database went away in the middle of a bulk write: nothing was written, try again"
        raise DatabaseUnavailable(msg) from error


def _converted(connection: Connection, columns: Columns, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row as the driver takes them, checked by the columns' types."""
    convert = [(column.name, _converter(column, connection.dialect)) for column in columns]
    for part in _parts(rows, _CONVERTED_AT_ONCE):
        if any(len(row) != len(convert) for row in part):
            msg = "the rows of one bulk write all have the same columns"
            raise InvalidInput(msg)
        yield from zip(*(_cells([row[name] for row in part], one) for name, one in convert), strict=True)


def _parts(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    waiting = iter(rows)
    while part := list(islice(waiting, size)):
        yield part


def _cells(values: list[Any], convert: Callable[[Any], Any] | None) -> list[Any]:
    """Return ``values`` converted, each object once: most columns of many rows hold the same few."""
    if convert is None:
        return values
    keys = list(map(id, values))
    distinct = dict(zip(keys, values, strict=True))
    if len(distinct) == len(values):
        return list(map(convert, values))
    cells = {key: convert(value) for key, value in distinct.items()}
    return list(map(cells.__getitem__, keys))


def _converter(column: sa.Column[Any], dialect: sa.engine.Dialect) -> Any:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _copy_type(column: sa.Column[Any], dialect: sa.engine.Dialect) -> str:
    plain = plain_type(column, dialect)
    names = {
        pg.JSONB: "jsonb",
        sa.Uuid: "uuid",
        sa.Boolean: "bool",
        sa.DateTime: "timestamptz",
        sa.Date: "date",
        sa.LargeBinary: "bytea",
        sa.BigInteger: "int8",
        sa.Float: "float8",
        sa.Numeric: "numeric",
        sa.String: "text",
    }
    return next(name for base, name in names.items() if isinstance(plain, base))


def plain_type(column: sa.Column[Any], dialect: sa.engine.Dialect) -> sa.types.TypeEngine[Any]:
    """Return the type in which ``dialect`` stores ``column``, without what ours add to it."""
    kind = column.type.dialect_impl(dialect)
    return kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
