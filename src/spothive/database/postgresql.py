"""PostgreSQL: what a connection needs before it is used, and how its refusals are read."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Select, Text, bindparam, column, event, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import PoolResetState

from spothive.database.refusals import COMMENTS, RawRefusal, unreachable
from spothive.errors import NotAllowed, SchemaOutdated

if TYPE_CHECKING:
    from spothive.settings import Settings

APP_ROLE = "spothive_app"
READONLY_ROLE = "spothive_readonly"
SYSTEM_ROLE = "spothive_system"
GATE_ROLE = "spothive_gate"
TENANT_SETTING = "spothive.tenant_id"
COLUMNS = """
SELECT pg_class.relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""
"""Names every table of the current schema, and its columns."""

_RULES = {"23514": "check", "23505": "unique", "23503": "foreign key", "23502": "not_null"}
_NO_PRIVILEGE = "42501"
_NO_ACCESS = re.compile(r'permission denied (?:for table|to set role) "?(\w+)')
_INVALID_SETTING = "22023"
_KINDS = {
    **dict.fromkeys(("40001", "40P01", "55P03"), "busy"),
    **dict.fromkeys(("42P01", "42703", "42883", "3F000"), "missing"),
    **dict.fromkeys(("42601", "42803", "42P10"), "syntax"),
    **dict.fromkeys(("57014", "25P03", "25P04"), "timeout"),
    "25P02": "swallowed",
    "25006": "read_only",
    **dict.fromkeys(("53100", "53300", "57P03", "3D000", "28P01", "28000"), "unavailable"),
}
"""What a refusal that names no rule of ours means, by SQLSTATE."""
_ENDS = re.compile(
    rf"{COMMENTS}(commit|end|abort|begin|start|prepare\s+transaction|rollback(?!\s+to\b)"
    r"|(?:savepoint|release|rollback\s+to)(?!\s+(?:savepoint\s+)?sa_savepoint_))\b",  # but for begin_nested()'s own
    re.IGNORECASE,
)
"""How a statement begins that would end or begin a transaction, or a savepoint, behind the session's back."""
_RESTORE = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; "
    "SET timezone TO 'UTC'; SET ROLE %I; SELECT pg_advisory_unlock_all()"
)
"""What undoes whatever a session did to its connection: DISCARD ALL, less the prepared statements psycopg counts on."""
_NO_SUCH = re.compile(r'(relation|column|function) "?(?:\w+\.)?(\w+)')


def connect_args(settings: Settings) -> dict[str, Any]:
    """Return what psycopg is told for every connection."""
    args: dict[str, Any] = {"connect_timeout": settings.connect_timeout, "application_name": "spothive"}
    if settings.behind_pgbouncer:
        args["prepare_threshold"] = None
    return args


def prepare_service(engine: Engine) -> None:
    """Make every connection of ``engine`` a service connection: UTC, and under the row policies whoever logged in.

    It is one again whenever it returns to the pool, whatever raw SQL has set, locked or made in the meantime.
    """
    from spothive.database.service_connection import ServiceConnection

    _tell_no_secret(engine, ServiceConnection)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: Any, record: Any) -> None:
        with _outside_transaction(dbapi_connection) as cursor:
            cursor.execute("SET timezone TO 'UTC'")
            _step_down(cursor)
            cursor.execute(
                "SELECT current_user, coalesce(quote_ident(current_schema()), ''), format(%s, current_user)",
                (_RESTORE,),
            )
            role, schema, restore = cursor.fetchone()
        record.info.update(role=role, schema=schema, search_path=f"{schema}, pg_temp", restore=restore.encode())
        dbapi_connection.touched = False
        dbapi_connection.autocommit = True  # transactions are announced

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            dbapi_connection: Any = connection.connection.dbapi_connection
            dbapi_connection.announce()

    @event.listens_for(engine, "reset")
    def _on_reset(dbapi_connection: Any, record: Any, state: PoolResetState) -> None:
        if not state.terminate_only and not dbapi_connection.restore(record.info["restore"]):
            record.invalidate()

    @event.listens_for(engine, "before_cursor_execute")
    def _on_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        if found := _ENDS.match(statement):
            msg = f"{found[1].upper()} as text would change the transaction unnoticed: leave that to the session"
            raise NotAllowed(msg)


def _tell_no_secret(engine: Engine, kind: Any = None) -> None:
    """Keep what the URL says after its question mark out of errors and of their causes; libpq repeats it.

    Args:
        engine: whose connections are opened.
        kind: class of the connections; the driver's own if None.
    """

    @event.listens_for(engine, "do_connect")
    def _on_open(dialect: Any, _: Any, arguments: Any, options: Any) -> Any:
        try:
            return (kind or dialect).connect(*arguments, **options)
        except dialect.loaded_dbapi.Error as error:
            raise unreachable(error, *map(str, engine.url.query.values())) from None


_MUST_STEP_DOWN = f"""
SELECT rolsuper OR rolbypassrls
    OR EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('tenants') AND pg_has_role(relowner, 'USAGE'))
    OR EXISTS (SELECT FROM pg_roles WHERE rolname = '{SYSTEM_ROLE}' AND pg_has_role(oid, 'USAGE'))
    OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}' AND pg_has_role(oid, 'USAGE'))
FROM pg_roles WHERE rolname = current_user
"""


def _step_down(cursor: Any) -> None:
    """Become ``spothive_app``, if the login is more than that (it could pass by the row policies) or less.

    Raises:
        SchemaOutdated: the roles are missing.
    """
    cursor.execute(_MUST_STEP_DOWN)
    if not cursor.fetchone()[0]:
        return
    cursor.execute("SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (APP_ROLE,))
    found = cursor.fetchone()
    if not found or not found[0]:
        msg = "this database has no spothive roles for this login yet: run `spothive db upgrade`"
        raise SchemaOutdated(msg)
    cursor.execute(f"SET ROLE {APP_ROLE}")


@contextmanager
def _outside_transaction(dbapi_connection: Any) -> Iterator[Any]:
    """Yield a cursor of a new connection in autocommit; close the connection if it cannot be prepared."""
    previous, dbapi_connection.autocommit = dbapi_connection.autocommit, True
    try:
        with dbapi_connection.cursor() as cursor:
            yield cursor
        dbapi_connection.autocommit = previous
    except BaseException:
        dbapi_connection.close()
        raise


def prepare_owner(engine: Engine, settings: Settings) -> None:
    """Make every connection of ``engine`` fit for migrations: UTC, a bounded wait for table locks, no other limit."""
    _tell_no_secret(engine)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: Any, _: Any) -> None:
        with _outside_transaction(dbapi_connection) as cursor:
            cursor.execute("; ".join(("SET timezone TO 'UTC'", _lock_timeout(settings), _NO_LIMIT)))


_NO_LIMIT = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""
"""A revision takes as long as it takes, and the lock of upgrades is held by a connection that does nothing else."""


def script_limits(settings: Settings) -> list[str]:
    """Return the SQL that gives a printed migration the limits of :func:`prepare_owner`, whatever its session has."""
    return [_lock_timeout(settings), "SET statement_timeout TO 0"]


def _lock_timeout(settings: Settings) -> str:
    return f"SET lock_timeout TO '{int(settings.migration_lock_timeout * 1000)}ms'"


_WORDS = ", ".join(f"set_config('{name}', %s, true)" for name in ("role", "search_path", TENANT_SETTING))
_WHOSE = f"SELECT {_WORDS}"
_WHOSE_READING = f"SELECT {_WORDS}, set_config('transaction_read_only', 'on', true)"


def begin(
    connection: Connection, *, tenant_id: UUID | None, system: bool, read_only: bool, snapshot: bool, each: bool
) -> None:
    """Tell the transaction that has just begun whose it is; everything set here ends with it.

    It travels with the next statement. All of it is set each time, in one statement: whatever raw SQL of an earlier
    user of this connection has set for longer (a role, a tenant, a search path with a temporary table in front) counts
    for nothing.

    Args:
        connection: of a session.
        tenant_id: whose rows it may see; None sees none.
        system: it sees every tenant's.
        read_only: every write is refused.
        snapshot: all statements see the database as it is at the first of them.
        each: plain statements are transactions of their own, which nobody has to begin and to end.
    """
    info = connection.info
    role, tenant = SYSTEM_ROLE if system else info["role"], "" if tenant_id is None else str(tenant_id)
    dbapi_connection: Any = connection.connection.dbapi_connection
    dbapi_connection.tell(
        _WHOSE_READING if read_only else _WHOSE, (role, info["search_path"], tenant), snapshot=snapshot, each=each
    )


def look_up(connection: Connection, name: str, query: Select[Any], argument: str) -> Row[Any] | None:
    """Return the first row the function ``name`` finds for ``argument``; it has the columns of ``query``."""
    return connection.execute(_call(name, query), {"argument": argument}).first()


def look_up_alone(engine: Engine, name: str, columns: tuple[str, ...], argument: str) -> list[Any] | None:
    """Return the rows the function ``name`` finds for ``argument``, without a session; None if the driver refused.

    It asks past SQLAlchemy's statements, which cost ten times what the look-up does. The function reads what it may as
    whoever asks, with a search path of its own, so no transaction has to be told whose it is. What went wrong is told
    by asking once more in a session.

    Args:
        engine: of the service.
        name: a look-up.
        columns: what is wanted of it, in order.
        argument: of the function.
    """
    from psycopg import Error

    from spothive.database.monitoring import note

    pooled = None
    try:
        pooled = engine.raw_connection()
        query, started = _question(pooled.info["schema"], name, columns), time.perf_counter()
        dbapi_connection: Any = pooled.dbapi_connection
        rows: list[Any] = dbapi_connection.ask(query, argument)
        note(engine, query, len(rows), started)
    except Error:
        if pooled is not None:
            pooled.invalidate()
        return None
    finally:
        if pooled is not None:
            pooled.close()
    return rows


@cache
def _question(schema: str, name: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(columns)} FROM {schema}.{name}(%s)"


@cache  # as the queries are
def _call(name: str, query: Select[Any]) -> Select[Any]:
    columns = [column(found.name, found.type) for found in query.selected_columns]
    function = getattr(func, name)(bindparam("argument", type_=Text())).table_valued(*columns).alias("found")
    return select(*columns).select_from(function)


def read_refusal(error: Any) -> RawRefusal | None:
    """Return what PostgreSQL refused, or None if it is no refusal."""
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        from psycopg import DataError  # as it refuses NUL in a text, before the server sees it

        return RawRefusal("value", "", "") if isinstance(error, DataError) else None
    message = error.diag.message_primary or ""
    if state in _RULES:
        return _broken_rule(_RULES[state], error.diag)
    if state == _NO_PRIVILEGE:
        return _no_privilege(message)
    if state == _INVALID_SETTING and "role" in message:
        return RawRefusal("roles", "", "")
    kind = _KINDS.get(state) or ("value" if state.startswith("22") else "")
    if kind == "missing":
        found = _NO_SUCH.match(message)
        return RawRefusal(kind, found[1].replace("relation", "table"), found[2]) if found else RawRefusal(kind, "", "")
    about = message if kind in {"unavailable", "read_only"} else error.diag.table_name or ""
    return RawRefusal(kind, state if kind in {"read_only", "timeout"} else "", about) if kind else None


def _no_privilege(message: str) -> RawRefusal:
    if "row-level security" in message:
        return RawRefusal("tenant", "", _quoted(message))
    found = _NO_ACCESS.match(message)
    return RawRefusal("gate" if "to set role" in message else "privilege", "", found[1] if found else "")


def _broken_rule(kind: str, diag: Any) -> RawRefusal:
    table, rule = diag.table_name or "", diag.constraint_name or ""
    if kind == "foreign key":
        # The detail tells which side broke: a missing parent, or children that would lose theirs.
        kind = "children" if "is still referenced" in (diag.message_detail or "") else "parent"
    if kind == "not_null":
        rule = f"nn_{table}_{diag.column_name}"
    return RawRefusal(kind, rule, table)


def _quoted(message: str | None) -> str:
    parts = (message or "").split('"')
    return parts[1] if len(parts) > 1 else ""


def place(url: URL) -> str:
    """Say where the database is, without the passwords; libpq takes some among the parameters, too."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def size(connection: Connection) -> int:
    """Return the bytes the database takes on disk."""
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def analyse(connection: Connection, tables: Iterable[str]) -> None:
    """Let PostgreSQL see what ``tables`` hold now, not when autovacuum comes round: until then its plans are guesses.

    Tables of another owner, and those that somebody has locked, are left out.
    """
    connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {', '.join(tables)}")
