"""What the database refuses, as spothive's own errors: the same class and rule on every database.

A constraint is recognised by its name, once, here. Nothing above this file reads a driver's message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    Engine,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    UniqueConstraint,
    event,
)
from sqlalchemy.engine import ExceptionContext

from spothive import errors
from spothive.models import Base
from spothive.schema.tenancy import owner_column
from spothive.schema.types import derived_checks

_UNAVAILABLE = {
    "SQLITE_CANTOPEN": "it cannot be opened: check the path and its permissions",
    "SQLITE_READONLY": "it is read-only: check the permissions of the file and of its folder",
    "25006": "it takes no writes: connect to the primary server, or have default_transaction_read_only turned off",
    "SQLITE_CORRUPT": "the file is damaged: restore a backup",
    "SQLITE_NOTADB": "the file is no SQLite database: check DATABASE_URL",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk reports an error",
}


_TIMEOUTS = {
    "57014": "the database stopped the statement, which took longer than statement_timeout or was cancelled: "
    "make it smaller, or raise the limit",
    "25P03": "the transaction did nothing for longer than idle_in_transaction_session_timeout, so the database ended "
    "it and kept nothing: work in shorter transactions",
    "25P04": "the transaction took longer than transaction_timeout, so the database ended it and kept nothing: work "
    "in shorter transactions",
}
COMMENTS = r"(?:\s|;|--[^\n]*(?:\n|\Z)|(?>/\*(?s:.*?)\*/))*"
"""What may stand before the first word of a statement; the pattern does not go back into a comment that has ended."""


@dataclass(frozen=True, slots=True)
class RawRefusal:
    """What one driver said: the kind (a key of ``_ERRORS``), and what of rule, table and columns it knows."""

    kind: str
    rule: str
    table: str
    columns: tuple[str, ...] = ()


_SWALLOWED = "spothive_refused"
_QUOTED = re.compile(r"""(["'])(.+?)\1""", re.DOTALL)


def install(engine: Engine) -> None:
    """Make ``engine`` raise spothive's errors instead of the driver's, and commit no transaction that had one.

    PostgreSQL answers the COMMIT of a transaction in which a statement failed with a silent rollback. Whoever caught
    the refusal would believe that the rest was kept, so here the commit raises, on both databases.
    """
    event.listen(engine, "handle_error", _translate)
    event.listen(engine, "commit", _refuse_commit)
    for beginning in ("begin", "rollback", "rollback_savepoint"):
        event.listen(engine, beginning, _forget_refusal)


def _refuse_commit(connection: Connection) -> None:
    if connection.info.pop(_SWALLOWED, False):
        # SQLAlchemy takes a commit that raises for the end of the transaction, and would not roll it back.
        connection.dialect.do_rollback(connection.connection)
        raise _swallowed_error()


def _forget_refusal(connection: Connection, *_: Any) -> None:
    if not connection.invalidated:  # a connection that was lost has nothing to remember
        connection.info.pop(_SWALLOWED, None)


def _translate(context: ExceptionContext) -> BaseException | None:
    from spothive.database import postgresql, sqlite

    if context.is_pre_ping or not isinstance(context.original_exception, Exception):
        return None  # the pool opens another connection if one does not live, or its statement was interrupted
    if context.connection is not None and not context.connection.invalidated:
        context.connection.info[_SWALLOWED] = True
    error = context.original_exception
    if isinstance(error, errors.SpothiveError):
        return error  # raised by a column type or a connect hook, and wrapped by SQLAlchemy
    if isinstance(error, UnicodeEncodeError):
        return errors.InvalidInput("text is not valid Unicode; send it as UTF-8")
    on_sqlite = context.dialect.name == "sqlite"
    raw = sqlite.read_refusal(error, context) if on_sqlite else postgresql.read_refusal(error)
    if raw is None:
        return unreachable(error) if context.is_disconnect or context.connection is None else None
    if raw.kind == "read_only" and _only_reads(context):
        return errors.NotAllowed("this session only reads: write in get_db_session()")
    return to_error(raw)


def unreachable(error: object, *secrets: str) -> errors.DatabaseUnavailable:
    """Return the error for a database that does not answer; what a driver quotes from ``secrets`` is left out."""
    hidden = " ".join(secrets)
    told = _first_line(_QUOTED.sub(lambda quoted: "'***'" if quoted[2] in hidden else quoted[0], str(error)))
    msg = f"the database cannot be reached: {told}: check DATABASE_URL and the server, or try `spothive --postgres`"
    return errors.DatabaseUnavailable(msg)


def _only_reads(context: ExceptionContext) -> bool:
    """Tell whether the refusal came from our own read-only session, not from a read-only disk or server."""
    return context.connection is not None and bool(context.connection.info.get("read_only"))


def to_error(raw: RawRefusal) -> errors.SpothiveError:
    """Return the error for what a driver refused."""
    return _ERRORS[raw.kind](raw)


def _unique_error(raw: RawRefusal) -> errors.RuleBroken:
    rule, table, columns = _unique_rule(raw)
    what = ", ".join(c for c in columns if c != "tenant_id") or rule
    return errors.DuplicateValue(f"{table}: another row already has this {what}", rule=rule, table=table)


def _parent_error(raw: RawRefusal) -> errors.RuleBroken:
    rule = raw.rule or _foreign_key_rule(raw)
    message = f"{raw.table}: the row it points to does not exist in this tenant ({rule})"
    return errors.ParentMissing(message, rule=rule, table=raw.table)


def _children_error(raw: RawRefusal) -> errors.RuleBroken:
    message = f"{raw.table} still has rows that point here ({raw.rule})"
    return errors.ParentMissing(message, rule=raw.rule, table=raw.table)


def _required_error(raw: RawRefusal) -> errors.RuleBroken:
    column = raw.rule.removeprefix(f"nn_{raw.table}_")
    return errors.ValueRefused(f"{raw.table}.{column} is required", rule=raw.rule, table=raw.table)


def _value_error(raw: RawRefusal) -> errors.RuleBroken:
    return errors.ValueRefused("a value has the wrong type or does not fit its column", table=raw.table)


def _damaged_error(_: RawRefusal) -> errors.SpothiveError:
    return errors.TextDamaged(
        "a text in the file is no UTF-8, as only another program can write it: `spothive db backup` names its place"
    )


def _tenant_error(raw: RawRefusal) -> errors.SpothiveError:
    return errors.TenantMismatch(f"{raw.table}: the row belongs to another tenant, or no tenant is bound")


def _gate_error(raw: RawRefusal) -> errors.SpothiveError:
    return errors.NotAllowed(
        f"the login in DATABASE_URL may not become {raw.table}: have somebody who may run the output of "
        "`spothive db roles`"
    )


def _privilege_error(raw: RawRefusal) -> errors.SpothiveError:
    table = Base.metadata.tables.get(raw.table)
    if not raw.table or (table is not None and owner_column(table) and "global" not in table.info):
        return errors.NotAllowed("the login in DATABASE_URL may not do this in the database: see `spothive doctor`")
    if table is not None and table.info.get("system_only"):
        return errors.NotAllowed(f"{table.name} is for system scope alone: enter system_scope(session, reason)")
    return errors.NotAllowed("the application may only read this table: write it in system_scope(session, reason)")


def _busy_error(_: RawRefusal) -> errors.SpothiveError:
    return errors.Conflict("another transaction got there first or held the lock too long: try again")


def _swallowed_error(_: RawRefusal | None = None) -> errors.SpothiveError:
    return errors.Conflict(
        "a statement of this transaction was refused, so nothing of it is kept: roll back, and try what may fail in "
        "begin_nested()"
    )


def _roles_error(_: RawRefusal) -> errors.SpothiveError:
    return errors.SchemaOutdated("the database lacks a role of spothive: run `spothive db upgrade`")


def _syntax_error(_: RawRefusal) -> errors.SpothiveError:
    return errors.InvalidInput("the SQL is no statement this database understands: correct it")  # may hold a value


def _timeout_error(raw: RawRefusal) -> errors.SpothiveError:
    return errors.DatabaseUnavailable(_TIMEOUTS[raw.rule])


def _missing_error(raw: RawRefusal) -> errors.SpothiveError:
    kind, name = raw.rule, raw.table
    if name in _declared_names():
        return errors.SchemaOutdated(
            f"no {kind} {name} here: run `spothive db upgrade` if the database is empty or older, else correct the SQL"
        )
    if kind == "column":
        name = ""  # what the database takes for a column may be a value between the wrong quotes
    what = f"{kind} {name}" if name else "table, column, function or operator"
    return errors.InvalidInput(f"the SQL asks for a {what} that does not exist: correct it")


def _unavailable_error(raw: RawRefusal) -> errors.SpothiveError:
    reason = next((v for k, v in _UNAVAILABLE.items() if raw.rule.startswith(k)), _first_line(raw.table))
    return errors.DatabaseUnavailable(f"the database cannot be used: {reason}")


def _check_error(raw: RawRefusal) -> errors.RuleBroken:
    kind: type[errors.RuleBroken] = errors.ValueRefused
    if raw.rule.startswith("lc_"):
        kind = errors.IllegalMove
    elif raw.rule.startswith("ao_"):
        kind = errors.AppendOnly
    table, message = rule_messages().get(raw.rule, (raw.table, "a rule of the database refused it"))
    return kind(f"{message} ({raw.rule})", rule=raw.rule, table=table)


_ERRORS: dict[str, Callable[[RawRefusal], errors.SpothiveError]] = {
    "check": _check_error,
    "unique": _unique_error,
    "parent": _parent_error,
    "children": _children_error,
    "not_null": _required_error,
    "value": _value_error,
    "damaged": _damaged_error,
    "tenant": _tenant_error,
    "gate": _gate_error,
    "privilege": _privilege_error,
    "busy": _busy_error,
    "swallowed": _swallowed_error,
    "roles": _roles_error,
    "missing": _missing_error,
    "syntax": _syntax_error,
    "timeout": _timeout_error,
    "unavailable": _unavailable_error,
    "read_only": _unavailable_error,
}


@lru_cache(maxsize=1)
def rule_messages() -> dict[str, tuple[str, str]]:
    """Return rule name to (table, what it means in one line) for every CHECK and every guard."""
    from spothive.database.guards import refusals_of

    messages: dict[str, tuple[str, str]] = {}
    for table in Base.metadata.sorted_tables:
        for constraint in tuple(table.constraints):  # others may be declaring the derived ones
            if isinstance(constraint, CheckConstraint):
                messages[str(constraint.name)] = (table.name, constraint.info["message"])
        messages |= {name: (table.name, message) for name, message, _ in derived_checks(table)}
        for refusal in refusals_of(table):
            messages[refusal.rule] = (table.name, refusal.message)
    return messages


@lru_cache(maxsize=1)
def _declared_names() -> frozenset[str]:
    """Return the names of all tables, columns and look-ups."""
    from spothive.database.policies import look_ups

    tables = Base.metadata.tables
    columns = {column.name for table in tables.values() for column in table.columns}
    return frozenset(tables) | columns | {name for name, _, _ in look_ups()}


@lru_cache(maxsize=2)
def _keys(*, foreign: bool) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return (table, columns) to the name of the foreign key, or else of the unique key or index, over them."""
    names: dict[tuple[str, tuple[str, ...]], str] = {}
    kinds = (ForeignKeyConstraint,) if foreign else (UniqueConstraint, PrimaryKeyConstraint)
    for table in Base.metadata.sorted_tables:
        for key in table.constraints:
            if isinstance(key, kinds):
                names[table.name, tuple(column.name for column in key.columns)] = str(key.name)
        for index in table.indexes:
            if index.unique and not foreign:
                names[table.name, tuple(column.name for column in index.columns)] = str(index.name)
    return names


def _unique_rule(raw: RawRefusal) -> tuple[str, str, tuple[str, ...]]:
    """Return (rule, table, columns), from the rule's name or from table and columns."""
    by_columns = _keys(foreign=False)
    if raw.columns:
        rule, table, columns = by_columns.get((raw.table, raw.columns), ""), raw.table, raw.columns
    else:
        table, columns = next((key for key, name in by_columns.items() if name == raw.rule), (raw.table, ()))
        rule = raw.rule
    if columns == ("id",):  # an id that is taken breaks two keys, or one if another tenant has it: tell nobody which
        rule = str(Base.metadata.tables[table].primary_key.name)
    return rule, table, columns


def _foreign_key_rule(raw: RawRefusal) -> str:
    return _keys(foreign=True).get((raw.table, raw.columns), "")


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no reason given"
