"""Binding a session to a tenant.

A transaction tells its database whose it is. From there PostgreSQL's row policies decide, and on SQLite what
``sqlite_filter.py`` puts in their place; the checks in this file only say it earlier and more kindly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnClause, Connection, Engine, Table, event
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction
from sqlalchemy.sql.visitors import iterate

from spothive.database import postgresql, sqlite_filter
from spothive.errors import InvalidInput, NotAllowed, TenantMismatch, TenantNotBound
from spothive.schema.tenancy import owner_column

_log = logging.getLogger(__name__)


class TenantSession(Session):
    """A session that belongs to one tenant, or to none yet."""

    def __init__(
        self,
        *args: Any,
        tenant: UUID | None = None,
        read_only: bool = False,
        snapshot: bool = False,
        **kwargs: Any,
    ) -> None:
        """Make a session.

        Args:
            args: for SQLAlchemy, as ``kwargs`` are.
            tenant: bind it to this tenant from the start.
            read_only: the database refuses every write.
            snapshot: all statements of a transaction see the database as it is at the first of them.
            kwargs: see ``args``.
        """
        super().__init__(*args, **kwargs)
        _refuse_non_id(tenant)
        self._given_tenant = tenant
        self._tenant_id = tenant
        self.read_only = read_only
        self.snapshot = snapshot
        self.in_system_scope = False
        if read_only and isinstance(self.bind, Engine):
            # SQLite asks the engine, not the session, how a transaction begins.
            self.bind = self.bind.execution_options(spothive_read_only=True)

    @property
    def tenant_id(self) -> UUID | None:
        """Tenant the session is bound to; :func:`bind_tenant` sets it, once."""
        return self._tenant_id

    def close(self) -> None:
        """Close, and forget a tenant that was bound later than at construction."""
        try:
            super().close()
        finally:
            self._tenant_id = self._given_tenant


def install(engine: Engine) -> None:
    """Make sessions on ``engine`` keep tenants apart."""
    event.listen(engine, "commit", _on_end)
    event.listen(engine, "rollback", _on_end)
    event.listen(engine, "checkin", _forget)
    if engine.dialect.name == "sqlite":
        sqlite_filter.install(engine)


def engine_words(connection: Connection) -> ModuleType:
    """Return the module that speaks to ``connection``'s database of tenancy."""
    return postgresql if connection.dialect.name == "postgresql" else sqlite_filter


def bind_tenant(session: TenantSession, tenant_id: UUID) -> None:
    """Bind ``session`` to a tenant, until it is closed.

    Raises:
        InvalidInput: ``tenant_id`` is no UUID.
        TenantMismatch: it is bound to another one already, or holds another tenant's objects.
        NotAllowed: inside a savepoint, whose end could undo what PostgreSQL was told.
    """
    _refuse_non_id(tenant_id)
    if session.tenant_id not in {None, tenant_id}:
        msg = "this session belongs to another tenant: open a new one"
        raise TenantMismatch(msg)
    if _in_savepoint(session):
        msg = "a session cannot be bound inside a savepoint: bind it before begin_nested()"
        raise NotAllowed(msg)
    for row in session:
        _refuse_foreign(row, tenant_id)
    session._tenant_id = tenant_id  # noqa: SLF001 - the property is read-only so that only this function binds
    if session.in_transaction():
        _tell(session, session.connection())


@contextmanager
def system_scope(session: TenantSession, reason: str) -> Iterator[None]:
    """Let ``session`` see and write every tenant's rows, for the length of the block.

    Rare and explicit: for global tables and for staff work. Pending changes are flushed at both ends; objects of
    other tenants leave the session at the end.

    Args:
        session: bound or unbound.
        reason: why, for the log.

    Raises:
        NotAllowed: inside a savepoint, where PostgreSQL would keep or lose the role by how the savepoint ends; or at
            the end, if a savepoint begun in the block is still open.
    """
    if session.in_system_scope:
        yield
        return
    if _in_savepoint(session):
        msg = "system scope cannot start inside a savepoint: enter it before begin_nested()"
        raise NotAllowed(msg)
    _log.info("system scope: %s", reason, extra={"tenant_id": str(session.tenant_id)})
    session.flush()
    session.in_system_scope = True
    try:
        if session.in_transaction():  # one that begins later begins in system scope
            _tell(session, session.connection())
        yield
        session.flush()
        _refuse_open_savepoint(session)
    except BaseException:
        if _in_savepoint(session):
            session.rollback()
        raise
    finally:
        session.in_system_scope = False
        _leave(session)


def _in_savepoint(session: TenantSession) -> bool:
    """Tell whether a savepoint is open, the session's or one begun on its connection."""
    if session.in_nested_transaction() or not session.in_transaction() or not session.is_active:
        return session.in_nested_transaction()
    return session.connection().in_nested_transaction()


def _refuse_open_savepoint(session: TenantSession) -> None:
    if _in_savepoint(session):
        msg = "a savepoint outlives the system scope it was begun in: end it first; everything was rolled back"
        raise NotAllowed(msg)


def _leave(session: TenantSession) -> None:
    rows: list[Any] = list(session)
    for row in rows:
        if owner_column(row.__table__) and _owner(row) != session.tenant_id:
            session.expunge(row)
    if not session.in_transaction() or not session.is_active:
        return  # what the database was told ended with the transaction
    connection = session.connection()
    if not connection.invalidated:
        _tell(session, connection)


def _tell(session: TenantSession, connection: Connection) -> None:
    connection.info["tenant_id"] = session.tenant_id
    # A session that is given the connection of a reading one reads, too.
    read_only = connection.info["read_only"] = session.read_only or connection.info.get("read_only", False)
    engine_words(connection).begin(
        connection,
        tenant_id=session.tenant_id,
        system=session.in_system_scope,
        read_only=read_only,
        snapshot=session.snapshot,
        # A connection that the session was given may be in a transaction of the giver's.
        each=session.read_only and not session.snapshot and not isinstance(session.bind, Connection),
    )


def _on_end(connection: Connection) -> None:
    """Forget, when a transaction ends, whose it was."""
    if not connection.invalidated:
        connection.info.pop("tenant_id", None)
        connection.info.pop("read_only", None)


def _forget(_: Any, record: Any) -> None:
    """Forget, when a connection returns to the pool, whose it was."""
    record.info.pop("tenant_id", None)
    record.info.pop("read_only", None)


@event.listens_for(TenantSession, "after_begin")
def _on_begin(session: TenantSession, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return  # a savepoint, of a transaction that was told
    if str(connection.get_execution_options().get("isolation_level", "")).upper() == "AUTOCOMMIT":
        msg = "a session needs transactions, to tell the database whose they are: leave AUTOCOMMIT out"
        raise NotAllowed(msg)
    if connection.info.get("tenant_id") not in {None, session.tenant_id}:
        msg = "this connection already works for a session of another tenant: open sessions on the engine"
        raise TenantMismatch(msg)
    _tell(session, connection)


def _refuse_non_id(tenant_id: object) -> None:
    if tenant_id is not None and not isinstance(tenant_id, UUID):
        msg = f"a tenant is given by its id, a UUID; got {type(tenant_id).__name__}"
        raise InvalidInput(msg)


@event.listens_for(TenantSession, "before_attach")
def _on_attach(session: TenantSession, row: Any) -> None:
    if session.tenant_id is not None and not session.in_system_scope:
        _refuse_foreign(row, session.tenant_id)


@event.listens_for(TenantSession, "before_flush")
def _on_flush(session: TenantSession, *_: Any) -> None:
    if session.in_system_scope:
        return
    changed = [row for row in session.dirty if session.is_modified(row)]
    for row in (*session.new, *changed, *session.deleted):
        if "global" in row.__table__.info:
            _refuse_global(row.__tablename__)
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
    if session.tenant_id is None and not session.in_system_scope and (table := _owned_table(state.statement)):
        _refuse_unbound(table)


def _owned_table(statement: Any) -> str | None:
    """Return the name of a tenant-owned table that ``statement`` is about, if there is one."""
    for part in iterate(statement):
        source = part.table if isinstance(part, ColumnClause) else part  # a column's table is no part of its query
        for inner in (source,) if isinstance(source, Table) else iterate(source):
            if isinstance(inner, Table) and owner_column(inner):
                return inner.name
    return None


def _owner(row: Any) -> Any:
    """Return the tenant ``row`` belongs to, as far as the object knows it without asking the database."""
    return row.__dict__.get(owner_column(row.__table__))


def _refuse_foreign(row: Any, tenant_id: UUID) -> None:
    if _owner(row) not in {None, tenant_id}:
        msg = f"this {type(row).__name__} belongs to another tenant"
        raise TenantMismatch(msg)


def _refuse_unbound(what: str) -> NoReturn:
    msg = (
        f"{what} belongs to tenants and this session to none: open it with get_db_session(tenant=...), "
        "or call bind_tenant(session, tenant_id) first"
    )
    raise TenantNotBound(msg)


def _refuse_global(table: str) -> NoReturn:
    msg = f"{table} is shared by every tenant: write it in system_scope(session, reason)"
    raise NotAllowed(msg)
