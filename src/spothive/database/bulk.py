"""Writing many rows at once, checked by every rule: COPY on PostgreSQL, one prepared statement on SQLite.

COPY goes into a temporary table first, because PostgreSQL allows no COPY into a table with row security; from there
INSERT .. SELECT and UPDATE .. FROM pass policies, keys, CHECKs and triggers like any other statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql as pg

from spothive.database.tenancy import TenantSession
from spothive.errors import NotAllowed, TenantMismatch
from spothive.models import Base

Row = dict[str, Any]


def insert_rows(session: TenantSession, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert ``rows`` into ``model``'s table. All have the same columns, its primary key among them.

    Raises:
        RuleBroken: a row breaks a rule; none is written once the caller rolls back.
    """
    if not rows:
        return
    table, connection = _table(model), session.connection()
    _check_tenant(session, table, rows)
    if connection.dialect.name != "postgresql":
        connection.execute(sa.insert(table), list(rows))
        return
    staged = _copy(connection, table, rows)
    connection.execute(sa.insert(table).from_select([c.name for c in staged.columns], sa.select(staged)))


def update_rows(session: TenantSession, model: type[Base], rows: Sequence[Row]) -> None:
    """Set the given columns of the rows with these primary keys. All rows have the same columns.

    Raises:
        RuleBroken: a row breaks a rule; none is written once the caller rolls back.
    """
    if not rows:
        return
    table, connection = _table(model), session.connection()
    _check_tenant(session, table, rows)
    key = [column.name for column in table.primary_key]
    changed = [name for name in rows[0] if name not in key]
    if connection.dialect.name != "postgresql":
        where = [table.c[name] == sa.bindparam(f"row_{name}") for name in key]
        statement = sa.update(table).where(*where).values({name: sa.bindparam(f"row_{name}") for name in changed})
        connection.execute(statement, [{f"row_{name}": value for name, value in row.items()} for row in rows])
        return
    staged = _copy(connection, table, rows)
    where = [table.c[name] == staged.c[name] for name in key]
    connection.execute(sa.update(table).where(*where).values({name: staged.c[name] for name in changed}))


def _table(model: type[Base]) -> Table:
    assert isinstance(model.__table__, Table)  # noqa: S101 - no model of ours maps anything else
    return model.__table__


def _check_tenant(session: TenantSession, table: Table, rows: Sequence[Row]) -> None:
    """Refuse rows of another tenant; on PostgreSQL the row policies would, on SQLite nothing else does."""
    if session.in_system_scope:
        return
    if "tenant_id" not in table.c:
        msg = f"{table.name} is shared by every tenant: write it in system_scope(session, reason)"
        raise NotAllowed(msg)
    if any(row["tenant_id"] != session.tenant_id for row in rows):
        msg = "a row names another tenant than the session's"
        raise TenantMismatch(msg)


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> Table:
    """COPY ``rows`` in binary form into a temporary table that goes with the transaction; return it."""
    columns = [table.c[name] for name in rows[0]]
    staged = Table(
        f"staged_{uuid4().hex}",
        sa.MetaData(),
        *(sa.Column(c.name, c.type) for c in columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    staged.create(connection)
    convert = [_converter(column, connection.dialect) for column in columns]
    names = ", ".join(column.name for column in columns)
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {staged.name} ({names}) FROM STDIN WITH (FORMAT BINARY)") as copy:  # type: ignore[attr-defined]  # psycopg's
        copy.set_types([_copy_type(column, connection.dialect) for column in columns])
        for row in rows:
            copy.write_row([one(row[c.name]) if one else row[c.name] for one, c in zip(convert, columns, strict=True)])
    cursor.close()
    return staged


def _converter(column: sa.Column[Any], dialect: sa.engine.Dialect) -> Any:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _copy_type(column: sa.Column[Any], dialect: sa.engine.Dialect) -> str:
    kind = column.type.dialect_impl(dialect)
    plain = kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
    names = {
        pg.JSONB: "jsonb",
        sa.Uuid: "uuid",
        sa.Boolean: "bool",
        sa.DateTime: "timestamptz",
        sa.BigInteger: "int8",
        sa.Float: "float8",
        sa.Numeric: "numeric",
        sa.String: "text",
    }
    return next(name for base, name in names.items() if isinstance(plain, base))
