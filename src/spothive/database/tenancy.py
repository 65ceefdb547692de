"""Binding a session to a tenant.

On PostgreSQL the row policies decide; here the transaction is only told whose it is. SQLite has no policies, so
there the session itself filters every ORM statement and refuses the ways around it. What SQLite does not promise:
a connection that was not opened through a session sees everything.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    ColumnClause,
    Connection,
    Delete,
    Insert,
    Join,
    Select,
    Subquery,
    TableClause,
    TextClause,
    Update,
    event,
)
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, with_loader_criteria
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause, SelectBase
from sqlalchemy.sql.visitors import iterate

from spothive.database import postgresql
from spothive.errors import NotAllowed, TenantMismatch, TenantNotBound
from spothive.models import Base, Tenant
from spothive.schema.tenancy import TenantOwned

_log = logging.getLogger(__name__)
RAW = "spothive_raw"
"""Execution option that lets a statement on a bound SQLite session pass unfiltered; for ``database/`` alone."""


class TenantSession(Session):
    """A session that belongs to one tenant, or to none yet."""

    def __init__(self, *args: Any, tenant: UUID | None = None, read_only: bool = False, **kwargs: Any) -> None:
        """Bind to ``tenant`` from the start; with ``read_only`` the database refuses every write."""
        super().__init__(*args, **kwargs)
        self._given_tenant = tenant
        self.tenant_id = tenant
        self.read_only = read_only
        self.in_system_scope = False
        self._criteria: tuple[Any, ...] = ()

    def close(self) -> None:
        """Close, and forget a tenant that was bound later than at construction."""
        super().close()
        self.tenant_id = self._given_tenant
        self._criteria = ()

    @property
    def criteria(self) -> tuple[Any, ...]:
        """Loader options that filter every ORM statement; built once for each session."""
        if not self._criteria:
            tenant_id = self.tenant_id
            self._criteria = (
                with_loader_criteria(TenantOwned, lambda cls: cls.tenant_id == tenant_id, include_aliases=True),
                with_loader_criteria(Tenant, lambda cls: cls.id == tenant_id, include_aliases=True),
            )
        return self._criteria

    def bulk_save_objects(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: SQLAlchemy's legacy bulk calls pass no hook that knows the tenant."""
        msg = "use session.execute(insert(Model), rows): the legacy bulk calls are not tenant-safe"
        raise NotAllowed(msg)

    bulk_insert_mappings = bulk_update_mappings = bulk_save_objects


def bind_tenant(session: TenantSession, tenant_id: UUID) -> None:
    """Bind ``session`` to a tenant, until it is closed.

    Raises:
        TenantMismatch: it is bound to another one already, or holds another tenant's objects.
    """
    if session.tenant_id is not None and session.tenant_id != tenant_id:
        msg = "this session belongs to another tenant: open a new one"
        raise TenantMismatch(msg)
    for row in session:
        _refuse_foreign(row, tenant_id)
    session.tenant_id = tenant_id
    if session.in_transaction():
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            postgresql.begin(connection, tenant_id=tenant_id, system=session.in_system_scope, read_only=False)


@contextmanager
def system_scope(session: TenantSession, reason: str) -> Iterator[None]:
    """Let ``session`` see and write every tenant's rows, for the length of the block.

    Rare and explicit: for global tables and for staff work. Pending changes are flushed at both ends; objects of
    other tenants leave the session at the end.

    Args:
        session: bound or unbound.
        reason: why, for the log.

    Raises:
        NotAllowed: inside a savepoint, where PostgreSQL would keep or lose the role by how the savepoint ends.
    """
    if session.in_nested_transaction():
        msg = "system scope cannot start inside a savepoint: enter it before begin_nested()"
        raise NotAllowed(msg)
    if session.in_system_scope:
        yield
        return
    _log.info("system scope: %s", reason, extra={"tenant_id": str(session.tenant_id)})
    session.flush()
    was_begun = session.in_transaction()
    session.in_system_scope = True
    try:
        connection = session.connection()
        if was_begun and connection.dialect.name == "postgresql":
            postgresql.enter_system(connection)
        yield
        session.flush()
    finally:
        session.in_system_scope = False
        _leave(session)


def _leave(session: TenantSession) -> None:
    for row in list(session):
        if isinstance(row, TenantOwned) and row.tenant_id != session.tenant_id:
            session.expunge(row)
    if not session.in_transaction() or not session.is_active:
        return  # the role went with the transaction
    connection = session.connection()
    if connection.dialect.name == "postgresql" and _usable(connection):
        postgresql.leave_system(connection)


def _usable(connection: Connection) -> bool:
    """Tell whether PostgreSQL would still take a statement; after an error only a rollback is left."""
    from psycopg.pq import TransactionStatus

    status = connection.connection.dbapi_connection.info.transaction_status  # type: ignore[union-attr]  # psycopg's
    return bool(status == TransactionStatus.INTRANS)


@event.listens_for(TenantSession, "after_begin")
def _on_begin(session: TenantSession, _: SessionTransaction, connection: Connection) -> None:
    connection.info["tenant_id"] = session.tenant_id
    connection.info["read_only"] = session.read_only
    if connection.dialect.name == "postgresql":
        postgresql.begin(
            connection, tenant_id=session.tenant_id, system=session.in_system_scope, read_only=session.read_only
        )


@event.listens_for(TenantSession, "before_attach")
def _on_attach(session: TenantSession, row: Any) -> None:
    if session.tenant_id is not None and not session.in_system_scope:
        _refuse_foreign(row, session.tenant_id)


def _refuse_foreign(row: Any, tenant_id: UUID) -> None:
    if isinstance(row, TenantOwned) and row.__dict__.get("tenant_id") not in {None, tenant_id}:
        msg = f"this {type(row).__name__} belongs to another tenant"
        raise TenantMismatch(msg)


@event.listens_for(TenantSession, "before_flush")
def _on_flush(session: TenantSession, *_: Any) -> None:
    if session.in_system_scope:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantOwned):
            _refuse_global(type(row).__tablename__)
        elif session.tenant_id is None:
            _refuse_unbound(type(row).__name__)
        elif row.tenant_id is None:
            row.tenant_id = session.tenant_id
        else:
            _refuse_foreign(row, session.tenant_id)


@event.listens_for(TenantSession, "do_orm_execute")
def _on_execute(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, TenantSession)  # noqa: S101 - the event listens on this class
    if session.in_system_scope or state.execution_options.get(RAW):
        return
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    if not on_sqlite and session.tenant_id is not None:
        return  # the row policies decide
    owned = _inspect(state.statement, filtered=on_sqlite)
    if owned and session.tenant_id is None and (on_sqlite or state.is_orm_statement):
        _refuse_unbound(owned)
    if on_sqlite and session.tenant_id is not None:
        _filter(state, session, owned)


def _inspect(statement: Any, *, filtered: bool) -> str | None:
    """Return the name of a tenant-owned table in ``statement``; refuse what a session-side filter cannot see."""
    owned = None
    names, mention = _owned_names()
    for part in iterate(statement):
        if isinstance(part, TableClause) and part.name in names:
            owned = part.name
        if not filtered:
            continue
        for source in _sources(part):
            if (table := _plain_table(source)) in names:
                _refuse_raw(table)
        words = part.text if isinstance(part, TextClause) else part.name if _is_literal(part) else ""
        if found := mention.search(words):
            _refuse_raw(found[0])
    return owned


def _sources(part: Any) -> Iterator[Any]:
    """Yield where one element of a statement takes rows from, apart from what is mapped."""
    if isinstance(part, Join):
        yield from (part.left, part.right)
    elif isinstance(part, Select):
        explicit = [*part._from_obj, *(target for target, *_ in part._setup_joins)]  # noqa: SLF001 - as below
        yield from explicit
        yield from _implied(part._raw_columns + explicit, part._where_criteria)  # noqa: SLF001 - no public way to tell FROM from what the columns imply
    elif isinstance(part, (Insert, Update, Delete)):
        yield part.table
        yield from _implied([part.table], getattr(part, "_where_criteria", ()))


def _implied(entities: list[Any], criteria: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the tables that plain columns bring into FROM, except where the same table is there as a model."""
    columns = [*_columns(entities), *_columns(criteria)]
    mapped = {getattr(part, "table", part) for part in (*entities, *columns) if _is_mapped(part)}
    names = {table.name for table in mapped if isinstance(table, TableClause)}
    for column in columns:
        if not _is_mapped(column) and column.table is not None and getattr(column.table, "name", "") not in names:
            yield column.table


def _columns(parts: Iterable[Any]) -> Iterator[Any]:
    """Yield the columns below ``parts``, not those of nested queries: they answer for themselves."""
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, ColumnClause):
            yield part
        elif not isinstance(part, (SelectBase, FromClause)):
            waiting.extend(part.get_children())


def _plain_table(source: Any) -> str:
    """Return the table behind ``source`` if it is Core's, which the ORM does not filter; else an empty text."""
    while isinstance(source, AliasedReturnsRows) and not isinstance(source, Subquery) and not _is_mapped(source):
        source = source.element
    return source.name if isinstance(source, TableClause) and not _is_mapped(source) else ""


def _is_mapped(part: Any) -> bool:
    return "parententity" in part._annotations  # noqa: SLF001 - no public way to ask


def _is_literal(part: Any) -> bool:
    return isinstance(part, ColumnClause) and part.is_literal


def _filter(state: ORMExecuteState, session: TenantSession, owned: str | None) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        mapper = state.bind_mapper
        if mapper is not None and not issubclass(mapper.class_, TenantOwned):
            _refuse_global(mapper.class_.__tablename__)
        if owned is not None:
            _check_rows(state, session.tenant_id)
    if not state.is_insert and not state.is_column_load and not state.is_relationship_load:
        state.statement = state.statement.options(*session.criteria)


def _check_rows(state: ORMExecuteState, tenant_id: UUID | None) -> None:
    """Refuse rows of another tenant among an INSERT's values or an UPDATE's."""
    parameters = state.parameters
    rows = parameters if isinstance(parameters, (list, tuple)) else [parameters or {}]
    inline = getattr(state.statement, "_values", None) or {}
    inline_values = [getattr(v, "value", v) for k, v in inline.items() if k.name == "tenant_id"]
    many = [value for batch in getattr(state.statement, "_multi_values", ()) for row in batch for value in _tenant_of(row)]
    given = [row["tenant_id"] for row in rows if "tenant_id" in row] + inline_values + many
    if any(value != tenant_id for value in given):
        msg = "a row names another tenant than the session's"
        raise TenantMismatch(msg)
    if state.is_insert and not given:
        msg = "each row of a bulk insert names its tenant_id"
        raise TenantNotBound(msg)
    if state.is_insert and not inline_values and not many and len(given) != len(rows):
        msg = "each row of a bulk insert names its tenant_id"
        raise TenantNotBound(msg)
    if state.is_update and parameters is not None and isinstance(parameters, (list, tuple)):
        msg = "an update by primary key has no tenant filter on SQLite: use update(Model).where(...)"
        raise NotAllowed(msg)


def _tenant_of(row: Any) -> list[Any]:
    return [getattr(v, "value", v) for k, v in row.items() if getattr(k, "name", k) == "tenant_id"]


@lru_cache(maxsize=1)
def _owned_names() -> tuple[frozenset[str], re.Pattern[str]]:
    names = frozenset(
        m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, TenantOwned)  # type: ignore[attr-defined]  # tables
    ) | {Tenant.__tablename__}
    return names, re.compile("|".join(sorted(names)), re.IGNORECASE)


def _refuse_unbound(what: str) -> NoReturn:
    msg = (
        f"{what} belongs to tenants and this session to none: open it with get_db_session(tenant=...), "
        "or call bind_tenant(session, tenant_id) first"
    )
    raise TenantNotBound(msg)


def _refuse_global(table: str) -> NoReturn:
    msg = f"{table} is shared by every tenant: write it in system_scope(session, reason)"
    raise NotAllowed(msg)


def _refuse_raw(table: str) -> NoReturn:
    msg = f"{table} belongs to tenants: on SQLite a session reaches it through its model only, not by text or Core"
    raise TenantNotBound(msg)
