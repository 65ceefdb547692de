"""PostgreSQL: what a connection needs before it is used, and how its refusals are read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import URL

from spothive.database.refusals import RawRefusal
from spothive.errors import SchemaOutdated
from spothive.settings import Settings

APP_ROLE = "spothive_app"
READONLY_ROLE = "spothive_readonly"
SYSTEM_ROLE = "spothive_system"
GATE_ROLE = "spothive_gate"
TENANT_SETTING = "spothive.tenant_id"

_CHECK, _UNIQUE, _FOREIGN_KEY, _NOT_NULL = "23514", "23505", "23503", "23502"
_ROW_POLICY = "42501"
_TRY_AGAIN = {"40001", "40P01", "55P03"}
_UNDEFINED_TABLE = {"42P01", "42703", "42883", "3F000"}
_UNDEFINED_ROLE = "22023"


def connect_args(settings: Settings) -> dict[str, Any]:
    """Return what psycopg is told for every connection."""
    args: dict[str, Any] = {"connect_timeout": settings.connect_timeout, "application_name": "spothive"}
    if settings.behind_pgbouncer:
        args["prepare_threshold"] = None
    return args


def prepare_service(engine: Engine, *, step_down: bool) -> None:
    """Make every connection of ``engine`` a service connection: UTC, and never more than ``spothive_app``.

    Args:
        engine: engine of the service.
        step_down: the login owns the tables, so it becomes ``spothive_app`` before anything else.
    """

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: Any, record: Any) -> None:
        previous, dbapi_connection.autocommit = dbapi_connection.autocommit, True
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
            if step_down:
                _step_down(cursor)
            cursor.execute("SELECT current_user")
            record.info["role"] = cursor.fetchone()[0]
        dbapi_connection.autocommit = previous


def _step_down(cursor: Any) -> None:
    cursor.execute("SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (APP_ROLE,))
    found = cursor.fetchone()
    if not found or not found[0]:
        msg = "this database has no spothive roles for this login yet: run `spothive db upgrade`"
        raise SchemaOutdated(msg)
    cursor.execute(f"SET ROLE {APP_ROLE}")


def prepare_owner(engine: Engine, settings: Settings) -> None:
    """Make every connection of ``engine`` fit for migrations: UTC, and a bounded wait for table locks."""

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection: Any, _: Any) -> None:
        previous, dbapi_connection.autocommit = dbapi_connection.autocommit, True
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
            cursor.execute(f"SET lock_timeout TO '{int(settings.migration_lock_timeout * 1000)}ms'")
        dbapi_connection.autocommit = previous


def begin(connection: Connection, *, tenant_id: UUID | None, system: bool, read_only: bool) -> None:
    """Tell the transaction that has just begun whose it is; everything set here ends with it."""
    settings = {}
    if tenant_id is not None:
        settings[TENANT_SETTING] = str(tenant_id)
    if system:
        settings["role"] = SYSTEM_ROLE
    if read_only:
        settings["transaction_read_only"] = "on"
    if settings:
        calls = ", ".join(f"set_config('{name}', :v{n}, true)" for n, name in enumerate(settings))
        values = {f"v{n}": value for n, value in enumerate(settings.values())}
        connection.execute(text(f"SELECT {calls}"), values)  # names are the constants above


def enter_system(connection: Connection) -> None:
    """Become ``spothive_system`` until the end of the transaction."""
    connection.execute(text("SELECT set_config('role', :role, true)"), {"role": SYSTEM_ROLE})


def leave_system(connection: Connection) -> None:
    """Become the service role again.

    By its name: ``RESET ROLE`` and ``NONE`` lead back to the login, which may own the tables.
    """
    connection.execute(text("SELECT set_config('role', :role, true)"), {"role": connection.info["role"]})


def read_refusal(error: Any) -> RawRefusal | None:
    """Return what PostgreSQL refused, or None if it is no refusal."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return None
    diag = error.diag
    table, rule = diag.table_name or "", diag.constraint_name or ""
    if state == _CHECK:
        return RawRefusal("check", rule, table)
    if state == _UNIQUE:
        return RawRefusal("unique", rule, table)
    if state == _FOREIGN_KEY:
        # The detail tells which side broke: a missing parent, or children that would lose theirs.
        kind = "children" if "is still referenced" in (diag.message_detail or "") else "parent"
        return RawRefusal(kind, rule, table)
    if state == _NOT_NULL:
        return RawRefusal("not_null", f"nn_{table}_{diag.column_name}", table)
    if state == _ROW_POLICY:
        policy = "row-level security" in (diag.message_primary or "")
        return RawRefusal("tenant" if policy else "privilege", "", _quoted(diag.message_primary))
    if state in _TRY_AGAIN:
        return RawRefusal("busy", "", table)
    if state in _UNDEFINED_TABLE or (state == _UNDEFINED_ROLE and "role" in (diag.message_primary or "")):
        return RawRefusal("schema", "", "")
    if state.startswith("22"):
        return RawRefusal("value", "", table)
    if state in {"25006", "53100", "57P03", "53300", "3D000", "28P01", "28000"}:
        return RawRefusal("unavailable", "", diag.message_primary or "")
    return None


def _quoted(message: str | None) -> str:
    parts = (message or "").split('"')
    return parts[1] if len(parts) > 1 else ""


def place(url: URL) -> str:
    """Say where the database is, without the password."""
    return url.render_as_string(hide_password=True)


def size(connection: Connection) -> int:
    """Return the bytes the database takes on disk."""
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
