"""Ways to write to a database: objects, statements of a session, and SQL text through the driver alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa

from spothive.database import TenantSession, postgresql, sqlite
from spothive.database.postgresql import SYSTEM_ROLE, TENANT_SETTING
from spothive.database.refusals import to_error
from spothive.errors import IllegalMove, SpothiveError
from spothive.models import Base
from spothive.schema import states
from tests.factories.lives import machine_of
from tests.factories.samples import TABLES, Row, sql_delete, sql_insert, sql_update


class Way(Protocol):
    """A way to write single rows, and to undo what was written."""

    refusals: tuple[type[Exception], ...]
    """What it raises when a move is refused."""

    def insert(self, table: str, row: Row) -> None: ...

    def update(self, table: str, row_id: UUID, values: Row) -> None: ...

    def delete(self, table: str, row_id: UUID) -> None: ...

    def undone(self) -> AbstractContextManager[None]: ...


class Core:
    """Statements of a session in system scope."""

    refusals: tuple[type[Exception], ...] = (IllegalMove,)

    def __init__(self, session: TenantSession) -> None:
        self.session = session

    def insert(self, table: str, row: Row) -> None:
        self.session.execute(sa.insert(TABLES[table]).values(**row))

    def update(self, table: str, row_id: UUID, values: Row) -> None:
        by_id = TABLES[table].c.id == row_id
        changed = self.session.execute(sa.update(TABLES[table]).where(by_id).values(**values))
        assert changed.rowcount == 1  # type: ignore[attr-defined]  # a CursorResult

    def delete(self, table: str, row_id: UUID) -> None:
        self.session.execute(sa.delete(TABLES[table]).where(TABLES[table].c.id == row_id))

    @contextmanager
    def undone(self) -> Iterator[None]:
        nested = self.session.begin_nested()
        try:
            yield
        finally:
            nested.rollback()


class Orm(Core):
    """Objects; their states are moved by ``states.move``."""

    def __init__(self, session: TenantSession) -> None:
        super().__init__(session)
        self.objects: dict[UUID, Any] = {}

    def insert(self, table: str, row: Row) -> None:
        model = next(mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is TABLES[table])
        stored = self.objects[row["id"]] = model(**row)
        self.session.add(stored)
        self.session.flush()

    def update(self, table: str, row_id: UUID, values: Row) -> None:
        guarded = machine_of(table)
        if guarded is None or guarded[0] not in values or row_id not in self.objects:
            super().update(table, row_id, values)
            return
        stored, column = self.objects[row_id], guarded[0]
        rest = {name: value for name, value in values.items() if name != column}
        states.move(self.session, stored, getattr(type(stored), column), values[column], **rest)


class Raw:
    """SQL text, through a driver that knows nothing of spothive, in a transaction.

    With a ``tenant`` it works on PostgreSQL as the application's login bound to that tenant, and becomes
    spothive_system only for rows that this login may not write. Without, it stays whoever opened the connection.
    """

    refusals: tuple[type[Exception], ...] = (sqlite3.Error, psycopg.Error)

    def __init__(self, engine: str, connection: Any, tenant: UUID | None = None) -> None:
        self.engine, self.connection, self.tenant = engine, connection, tenant
        self.statement: str | None = None
        """The last statement; None once it is the commit that may be refused."""
        self._foreign: set[UUID] = set()
        connection.execute("BEGIN")
        if engine == "postgresql" and tenant:
            connection.execute(f"SET LOCAL {TENANT_SETTING} = '{tenant}'")

    @property
    def in_transaction(self) -> bool:
        """Whether the driver still has a transaction to be rolled back."""
        if self.engine == "sqlite":
            return bool(self.connection.in_transaction)
        return bool(self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE)

    def insert(self, table: str, row: Row) -> None:
        if row.get("tenant_id") != self.tenant:
            self._foreign.add(row["id"])
        self._run(sql_insert(self.engine, table, row), table, row["id"])

    def update(self, table: str, row_id: UUID, values: Row) -> None:
        changed = self._run(sql_update(self.engine, table, row_id, **values), table, row_id)
        assert changed.rowcount == 1

    def delete(self, table: str, row_id: UUID) -> None:
        self._run(sql_delete(self.engine, table, row_id), table, row_id)

    def truncate(self, table: str) -> None:
        self.statement = f"TRUNCATE {table} CASCADE"
        self.connection.execute(self.statement)

    def take_rowid(self, table: str, row: Row, kept: UUID) -> None:
        """Insert ``row`` on SQLite with the rowid of the row ``kept``, as REPLACE could."""
        named, values = sql_insert(self.engine, table, row).split(" VALUES (", 1)
        taken = f"(SELECT rowid FROM {table} WHERE id = '{kept.hex}')"
        self.statement = f"{named.replace('(', '(rowid, ', 1)} VALUES ({taken}, {values}"
        self.connection.execute(self.statement)

    def move_rowid(self, table: str) -> None:
        """Give every row on SQLite another rowid."""
        self.statement = f"UPDATE {table} SET rowid = rowid + 1000000"
        self.connection.execute(self.statement)

    def commit(self) -> None:
        self.statement = None
        self.connection.execute("COMMIT")

    @contextmanager
    def undone(self) -> Iterator[None]:
        name = f"s{uuid4().hex}"
        self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        finally:
            self.connection.execute(f"ROLLBACK TO SAVEPOINT {name}")

    def _run(self, statement: str, table: str, row_id: UUID) -> Any:
        if self.engine == "postgresql" and self.tenant:
            shared = "global" in TABLES[table].info or row_id in self._foreign
            self.connection.execute(f"SET LOCAL ROLE {SYSTEM_ROLE}" if shared else "SET LOCAL ROLE NONE")
        self.statement = statement
        return self.connection.execute(statement)


def meaning(
    engine: str, error: Exception, connection: Any = None, statement: str | None = None
) -> SpothiveError | None:
    """Return spothive's error for a driver's; SQLite is asked over ``connection`` which key ``statement`` broke."""
    if engine == "postgresql":
        refusal = postgresql.read_refusal(error)
    else:
        where = SimpleNamespace(connection=connection)
        refusal = sqlite.read_refusal(error, SimpleNamespace(connection=where, statement=statement, parameters=()))
    return to_error(refusal) if refusal else None
