"""SQLite's half of tenancy: the row policies it does not have.

A connection of the service works for the tenant of its session, or for none, and tells SQLite so by two functions:
``spothive_tenant()`` and ``spothive_system()``. Two things stand on them.

Reading: the compiler writes ``FROM accounts`` as ``FROM (SELECT * FROM main.accounts WHERE tenant_id =
spothive_tenant()) AS accounts`` wherever it meets the table, in ORM and Core and however deep. SQLite dissolves such
a subquery and uses the same indexes. UPDATE and DELETE get the condition too. Text cannot be filtered, so it may not
name a table that belongs to tenants. A table for system scope alone may not be named at all.

Writing: temporary triggers, which exist for this one connection, refuse every row of another tenant and every row of
a table that all tenants share, whatever the statement was.

What SQLite does not promise: whoever opens the file without spothive, calls ``exec_driver_sql``, or smuggles a table's
name into a statement by a type or construct of his own making sees all.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Alias, Connection, Delete, Dialect, Engine, Row, Select, TableClause, Update, event, func
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDDLCompiler, SQLiteIdentifierPreparer

from spothive.database.refusals import COMMENTS, RawRefusal, to_error
from spothive.errors import NotAllowed, SpothiveError, TenantNotBound
from spothive.models import Base
from spothive.schema.tenancy import owner_column

_SCOPE = "spothive_scope"
_HARMLESS = re.compile(rf"{COMMENTS}(select|with|values|insert|update|delete)\b", re.IGNORECASE)
"""How a statement begins that only reads or writes rows. sqlite3 runs one statement at a time, so no second follows."""

_ALL_TENANTS = "spothive_all_tenants"


@dataclass(slots=True)
class _Scope:
    """What one connection tells SQLite about its transaction."""

    tenant: str | None = None
    system: bool = False


def install(engine: Engine) -> None:
    """Make every connection of ``engine`` keep to the tenant of its session."""
    engine.dialect.ddl_compiler = _NoDdl
    unfiltered = copy.copy(engine.dialect)
    unfiltered.statement_compiler = _RowsOnly
    engine.update_execution_options(**{_ALL_TENANTS: unfiltered})
    engine.dialect.statement_compiler = TenantCompiler
    engine.dialect.identifier_preparer = _Preparer(engine.dialect)
    event.listen(engine, "commit", _on_end)
    event.listen(engine, "rollback", _on_end)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "checkout", _on_checkout)
    event.listen(engine, "checkin", _on_checkin)


def begin(connection: Connection, *, tenant_id: UUID | None, system: bool, **_: bool) -> None:
    """Tell the transaction whose it is; the engine has made it read-only already, and each is a snapshot."""
    scope = _scope(connection)
    scope.tenant = tenant_id.hex if tenant_id else None
    scope.system = system
    # SQLAlchemy keeps compiled statements by dialect: what was compiled without the filter never comes back with it.
    connection.dialect = _unfiltered(connection) if system else connection.engine.dialect


def look_up(connection: Connection, name: str, query: Select[Any], argument: str) -> Row[Any] | None:
    """Return the first row of ``query`` for ``argument``, of any tenant; on PostgreSQL it is the function ``name``."""
    del name
    with _every_tenant(connection):
        return connection.execute(query, {"argument": argument}).first()


@contextmanager
def _every_tenant(connection: Connection) -> Iterator[None]:
    former, connection.dialect = connection.dialect, _unfiltered(connection)
    try:
        yield
    finally:
        connection.dialect = former


def _unfiltered(connection: Connection) -> Dialect:
    dialect: Dialect = connection.get_execution_options()[_ALL_TENANTS]
    return dialect


def _scope(connection: Connection) -> _Scope:
    scope = connection.info.get(_SCOPE)
    if scope is None:
        msg = "this engine does not keep tenants apart: open sessions on the one get_engine() returns"
        raise NotAllowed(msg)
    assert isinstance(scope, _Scope)  # noqa: S101 - the name is ours
    return scope


def _on_connect(dbapi_connection: Any, record: Any) -> None:
    scope = record.info[_SCOPE] = _Scope()
    dbapi_connection.create_function("spothive_tenant", 0, lambda: scope.tenant, deterministic=True)
    dbapi_connection.create_function("spothive_system", 0, lambda: scope.system, deterministic=True)


def _on_end(connection: Connection) -> None:
    """Forget at the end of a transaction whose it was, as PostgreSQL does."""
    if not connection.invalidated:
        begin(connection, tenant_id=None, system=False)


def _on_checkin(_: Any, record: Any) -> None:
    if scope := record.info.get(_SCOPE):  # none if the connection was lost
        scope.tenant, scope.system = None, False


def _on_checkout(dbapi_connection: Any, record: Any, _: Any) -> None:
    """Raise the triggers; again and again as long as the database lacks tables that a migration may bring."""
    if record.info.get("spothive_guarded"):
        return
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table'"
    present = {name for (name,) in dbapi_connection.execute(query)}
    dbapi_connection.execute("PRAGMA query_only = OFF")  # as a reading session left it
    for table in sorted(present & (_owners().keys() | _shared())):
        for trigger in _triggers(table):
            dbapi_connection.execute(trigger)
    record.info["spothive_guarded"] = present >= set(Base.metadata.tables)


@cache  # every connection asks for every table
def _triggers(table: str) -> tuple[str, ...]:
    """Return the triggers that let a connection write its tenant's rows of ``table``, or none."""
    from spothive.database.guards import refusals_of

    owner = None if table in _shared() else _owners().get(table)
    if owner is None:
        refused = [("true", f"privilege {table}")]
        return tuple(_trigger(verb, table, refused) for verb in ("INSERT", "UPDATE", "DELETE"))
    foreign = {row: (f"{row}.{owner} IS NOT spothive_tenant()", f"tenant {table}") for row in ("OLD", "NEW")}
    update, delete = [foreign["OLD"]], [foreign["OLD"]]
    # In the words of PostgreSQL, where a trigger that guards the key speaks before the row policy does.
    rules = {refusal.rule for refusal in refusals_of(Base.metadata.tables[table])}
    given_away = next(iter({f"lc_{table}_key", f"ao_{table}_update"} & rules), f"tenant {table}")
    update.append((foreign["NEW"][0], given_away))
    if f"ao_{table}_delete" in rules:  # the file's own trigger, which cannot ask who deletes, lets old rows go
        delete.append(("true", f"ao_{table}_delete"))
    return (
        _trigger("INSERT", table, [foreign["NEW"]]),
        _trigger("UPDATE", table, update),
        _trigger("DELETE", table, delete),
    )


def _trigger(verb: str, table: str, refusals: list[tuple[str, str]]) -> str:
    """Return the trigger that raises the first of ``refusals``, (condition, what it says), that applies."""
    raises = " ".join(
        f"SELECT RAISE(ABORT, '{says}') WHERE ({when}) AND NOT spothive_system();" for when, says in refusals
    )
    return (
        f"CREATE TEMPORARY TRIGGER IF NOT EXISTS spothive_{verb}_{table}\n"
        f"BEFORE {verb} ON main.{table} BEGIN {raises} END"
    )


class _RowsOnly(SQLiteCompiler):
    """Write SQL for rows alone: not even in system scope does a session take the guards away."""

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> Any:
        """Let text read and write rows; PRAGMA, DROP TRIGGER, ATTACH or COMMIT would take the guards away."""
        if not self.stack and not _HARMLESS.match(textclause.text):
            msg = "as text a session runs SELECT, WITH, VALUES, INSERT, UPDATE and DELETE only"
            raise NotAllowed(msg)
        return super().visit_textclause(textclause, *args, **kw)  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy


class TenantCompiler(_RowsOnly):
    """Write SQL that sees the rows of one tenant. SQLAlchemy has no types for what is overridden here."""

    def visit_table(self, table: Any, *args: Any, **kw: Any) -> Any:
        """Read a tenant-owned table through its filter; the target of an UPDATE or DELETE stays itself."""
        name = super().visit_table(table, *args, **kw)  # type: ignore[no-untyped-call]  # see the class
        if table.name.lower() in _system_only():
            raise _no_privilege(table.name.lower())
        owner = _owners().get(table.name.lower())
        if owner is None or kw.get("ashint"):
            return name
        if self.preparer.schema_for_object(table):
            msg = f"{table.name} belongs to tenants: on SQLite it is named without a schema"
            raise NotAllowed(msg)
        if kw.get("iscrud") or kw.get("of_target"):
            return name
        if kw.get("within_tstring"):
            _refuse_mention(name)
        if not kw.get("asfrom"):
            return name
        mine = f"(SELECT * FROM main.{name} WHERE {owner} = spothive_tenant())"  # "main", for a CTE may have this name
        alias = kw.get("enclosing_alias")
        return mine if alias is not None and alias.element is table else f"{mine} AS {name}"

    def visit_alias(self, alias: Any, *args: Any, **kw: Any) -> Any:
        """Tell the table below that its alias is the target of an UPDATE or DELETE."""
        kw["of_target"] = kw.get("iscrud") or kw.get("of_target")
        return super().visit_alias(alias, *args, **kw)  # type: ignore[no-untyped-call]  # see the class

    def visit_update(self, update_stmt: Update, *args: Any, **kw: Any) -> str:
        """Change rows of this tenant."""
        return super().visit_update(_of_this_tenant(update_stmt), *args, **kw)

    def visit_delete(self, delete_stmt: Delete, *args: Any, **kw: Any) -> Any:
        """Delete rows of this tenant."""
        return super().visit_delete(_of_this_tenant(delete_stmt), *args, **kw)  # type: ignore[no-untyped-call]  # as above

    def post_process_text(self, text: str) -> Any:
        """Take text as it is written, unless it names a tenant-owned table."""
        return super().post_process_text(_refuse_mention(text))  # type: ignore[no-untyped-call]  # as above

    def escape_literal_column(self, text: str) -> Any:
        """Take literal columns and custom operators likewise."""
        return super().escape_literal_column(_refuse_mention(text))  # type: ignore[no-untyped-call]  # as above

    def get_statement_hint_text(self, hint_texts: Any) -> Any:
        """Take hints likewise."""
        return super().get_statement_hint_text([_refuse_mention(hint) for hint in hint_texts])  # type: ignore[no-untyped-call]  # as above


class _Preparer(SQLiteIdentifierPreparer):
    def quote(self, ident: str) -> str:
        """Quote as needed, also a ``quoted_name`` that asks to be taken as it is written."""
        return super().quote(ident if getattr(ident, "quote", None) else str(ident))


class _NoDdl(SQLiteDDLCompiler):
    def process(self, obj: Any, **_: Any) -> str:
        msg = f"{type(obj).__name__}: the schema is changed by migrations only"
        raise NotAllowed(msg)


def _of_this_tenant(statement: Any) -> Any:
    """Add the filter to an UPDATE or DELETE.

    Raises:
        NotAllowed: all tenants share the table, or the target is no table.
    """
    target = table = statement.table
    while isinstance(table, Alias):
        table = table.element
    if not isinstance(table, TableClause):
        msg = "UPDATE and DELETE change a table or its alias: name the model"
        raise NotAllowed(msg)
    if table.name.lower() in _shared():
        raise _no_privilege(table.name.lower())
    owner = _owners().get(table.name.lower())
    if owner is None:
        return statement
    if owner not in target.c:
        _refuse_mention(table.name)  # a bare sa.table() cannot be filtered
    return statement.where(target.c[owner] == func.spothive_tenant())


def _no_privilege(table: str) -> SpothiveError:
    return to_error(RawRefusal("privilege", "", table))


def _refuse_mention(text: str) -> str:
    if found := _unspeakable().search(text):
        if found[0].lower() in _system_only():
            raise _no_privilege(found[0].lower())
        msg = f"{found[0]} belongs to tenants: on SQLite a session reaches it through its model, not by text"
        raise TenantNotBound(msg)
    return text


@lru_cache(maxsize=1)
def _owners() -> dict[str, str]:
    """Return the column that tells the tenant, for each tenant-owned table and ``tenants`` itself."""
    owners = ((table.name, owner_column(table)) for table in Base.metadata.sorted_tables)
    return {name: owner for name, owner in owners if owner}


@lru_cache(maxsize=1)
def _shared() -> frozenset[str]:
    """Return the tables that belong to no tenant, the two that migrations keep among them."""
    shared = (table.name for table in Base.metadata.sorted_tables if "global" in table.info)
    return frozenset(("alembic_version", "spothive_guards", *shared))


@lru_cache(maxsize=1)
def _system_only() -> frozenset[str]:
    """Return the shared tables that not even the application may read."""
    return frozenset(table.name for table in Base.metadata.sorted_tables if table.info.get("system_only"))


@lru_cache(maxsize=1)
def _unspeakable() -> re.Pattern[str]:
    """Return what finds a table that text may not name."""
    return re.compile(rf"\b(?:{'|'.join(_owners().keys() | _system_only())})\b", re.IGNORECASE)
