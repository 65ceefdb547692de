"""PostgreSQL's half of the guards: roles, row policies, grants, and the look-ups made before a tenant is known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import sqlalchemy as sa
from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.visitors import iterate

from spothive.database.look_ups import (
    account_owner_query,
    api_key_row_query,
    login_row_query,
    session_row_query,
)
from spothive.database.postgresql import APP_ROLE, GATE_ROLE, READONLY_ROLE, SYSTEM_ROLE, TENANT_SETTING
from spothive.models import Tenant

_CURRENT_TENANT = f"(SELECT nullif(current_setting('{TENANT_SETTING}', true), '')::uuid)"
_ROLES = (APP_ROLE, READONLY_ROLE, SYSTEM_ROLE)
_SYSTEM_ONLY = "system_only"
SHARED = "*shared*"
"""Name of the functions and grants that the guards of all tables share."""


def role_statements(*logins: str) -> list[str]:
    """Return the SQL that makes the roles and lets ``logins`` use them; safe to run again, also concurrently.

    ``spothive_gate`` stands between a login and ``spothive_system``: a policy TO a role covers every login that
    inherits the role, and the gate inherits nothing.
    """
    statements = []
    for role, inherit in ((APP_ROLE, ""), (READONLY_ROLE, ""), (SYSTEM_ROLE, " NOINHERIT"), (GATE_ROLE, " NOINHERIT")):
        statements.append(
            f"DO $role$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN\n"
            f"    CREATE ROLE {role} NOLOGIN{inherit};\n  END IF;\n"
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;\nEND $role$"
        )
    statements.append(_grant(SYSTEM_ROLE, GATE_ROLE))
    for login in logins:
        statements += [_grant(APP_ROLE, login), _grant(GATE_ROLE, login)]
    return statements


def missing_roles(connection: Connection, logins: list[str]) -> list[str]:
    """Return what ``role_statements(*logins)`` would still have to create or grant, named for people."""
    roles = (APP_ROLE, READONLY_ROLE, SYSTEM_ROLE, GATE_ROLE)
    present = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    missing = [role for role in roles if role not in present]
    if missing:
        return missing
    wanted = [(SYSTEM_ROLE, GATE_ROLE), *((role, login) for login in logins for role in (APP_ROLE, GATE_ROLE))]
    asked = [(role, member) for role, member in wanted if member in present]
    held = connection.execute(
        text(
            "SELECT role, member FROM unnest(CAST(:roles AS text[]), CAST(:members AS text[])) AS asked (role, member) "
            f"WHERE pg_has_role(CAST(member AS name), CAST(role AS name), {_MAY_BECOME})"
        ),
        {"roles": [role for role, _ in asked], "members": [member for _, member in asked]},
    )
    found = {(role, member) for role, member in held}
    return [f"{role} for {member}" for role, member in wanted if (role, member) not in found]


# Since PostgreSQL 16 whoever creates a role is a member of it, yet may not become it.
_MAY_BECOME = "CASE WHEN current_setting('server_version_num') < '160000' THEN 'MEMBER' ELSE 'SET' END"


def _grant(role: str, member: str) -> str:
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    literal = member.replace("'", "''")
    return (
        f"DO $role$ BEGIN\n  IF NOT pg_has_role('{literal}', '{role}', {_MAY_BECOME}) THEN\n"
        f"    GRANT {role} TO {dialect.identifier_preparer.quote(member)};\n  END IF;\n"
        "EXCEPTION WHEN unique_violation THEN NULL;\nEND $role$"
    )


def shared_statements() -> Iterator[str]:
    """Yield the trigger functions every table uses, and the grants on the schema itself."""
    yield (
        "CREATE OR REPLACE FUNCTION spothive_refuse() RETURNS trigger LANGUAGE plpgsql AS $guard$\nBEGIN\n"
        "  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '23514', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;\n"
        "END\n$guard$"
    )
    yield (
        "CREATE OR REPLACE FUNCTION spothive_serialise() RETURNS trigger LANGUAGE plpgsql AS $guard$\nBEGIN\n"
        "  PERFORM pg_advisory_xact_lock(hashtextextended('spothive.' || TG_ARGV[0], 0));\n  RETURN NULL;\n"
        "END\n$guard$"
    )
    yield (
        "CREATE OR REPLACE FUNCTION spothive_stamp() RETURNS trigger LANGUAGE plpgsql AS $guard$\nBEGIN\n"
        "  NEW.timestamp := clock_timestamp();\n  NEW.txid := pg_current_xact_id()::text::bigint;\n  RETURN NEW;\n"
        "END\n$guard$"
    )
    roles = ", ".join(_ROLES)
    yield _on_schema(f"GRANT USAGE ON SCHEMA %I TO {roles}")
    yield f"GRANT SELECT ON spothive_guards TO {roles}"
    yield (
        "DO $grant$ BEGIN IF to_regclass('alembic_version') IS NOT NULL THEN "
        f"GRANT SELECT ON alembic_version TO {roles}; END IF; END $grant$"
    )


def statements(table: Table) -> Iterator[str]:
    """Yield grants and row policies of ``table``."""
    name = table.name
    yield f"REVOKE ALL ON {name} FROM PUBLIC, {', '.join(_ROLES)}"
    # Not ALL: TRUNCATE would pass by the triggers that keep the last admin, and TRIGGER could add others.
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {SYSTEM_ROLE}"
    if table.info.get(_SYSTEM_ONLY):
        return
    yield f"GRANT SELECT ON {name} TO {READONLY_ROLE}"
    if table.info.get("global"):
        yield f"GRANT SELECT ON {name} TO {APP_ROLE}"
    else:  # an append-only table too: its triggers refuse by the same rule as on SQLite
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {APP_ROLE}"
    owner_column = "id" if table is Tenant.__table__ else "tenant_id"
    if owner_column != "id" and owner_column not in table.c:
        return
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    mine = f"{owner_column} = {_CURRENT_TENANT}"
    yield f"CREATE POLICY tenant ON {name} USING ({mine}) WITH CHECK ({mine})"
    # A policy of its own: an OR inside the one above would cost every query its index.
    yield f"CREATE POLICY system ON {name} TO {SYSTEM_ROLE} USING (true) WITH CHECK (true)"


_DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT"
_LOOK_UPS = {
    "login_row": (
        login_row_query,
        (
            "tenant_id uuid, tenant_slug text, tenant_is_active boolean, id uuid, username text, "
            "role text, is_active boolean, must_change_password boolean, password_hash text, "
            "failed_logins bigint, locked_until timestamptz"
        ),
    ),
    "session_row": (
        session_row_query,
        (
            "tenant_id uuid, tenant_slug text, tenant_is_active boolean, session_id uuid, user_id uuid, username text, "
            "role text, is_active boolean, must_change_password boolean, last_active_at timestamptz, "
            "expires_at timestamptz, logged_out_at timestamptz"
        ),
    ),
    "api_key_row": (
        api_key_row_query,
        (
            "tenant_id uuid, tenant_slug text, tenant_is_active boolean, key_id uuid, cluster_id uuid, user_id uuid, "
            "username text, role text, is_active boolean, key_name text, key_hash text, scopes jsonb, "
            "rate_limit bigint, last_used_at timestamptz, expires_at timestamptz, revoked_at timestamptz"
        ),
    ),
    "account_owner_exists": (account_owner_query, "found boolean"),
}


@cache
def look_ups() -> tuple[tuple[str, frozenset[str], tuple[str, ...]], ...]:
    """Return (name, columns needed, DDL) of the look-ups that run before a tenant is known.

    Needed are the columns its query names, as ``table.column``, and no others: a later revision may add some.

    Each is SECURITY DEFINER, owned by ``spothive_system`` and executable by the application only: the one row it
    returns is all an unbound connection can ever see.
    """
    found = []
    for name, (query, returns) in _LOOK_UPS.items():
        asked = query(sa.literal_column("$1", sa.Text()))
        needs = frozenset(f"{part.table.name}.{part.name}" for part in iterate(asked) if isinstance(part, sa.Column))
        body = asked.compile(
            dialect=postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
            compile_kwargs={"literal_binds": True},
        )
        ddl = (
            _on_schema(f"GRANT CREATE ON SCHEMA %I TO {SYSTEM_ROLE}"),
            f"CREATE FUNCTION {name}(name text) RETURNS TABLE ({returns})\n{_DEFINER} AS $look_up$\n{body}\n$look_up$",
            f"REVOKE ALL ON FUNCTION {name}(text) FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {name}(text) TO {APP_ROLE}, {SYSTEM_ROLE}",
            f"ALTER FUNCTION {name}(text) OWNER TO {SYSTEM_ROLE}",
            _on_schema(f"REVOKE CREATE ON SCHEMA %I FROM {SYSTEM_ROLE}"),
        )
        found.append((name, needs, ddl))
    return tuple(found)


def _on_schema(grant: str) -> str:
    """Return the GRANT or REVOKE on the schema the migration works in, which is named when it runs."""
    return f"DO $grant$ BEGIN EXECUTE format('{grant}', current_schema()); END $grant$"


def fix_search_path() -> str:
    """Return SQL that lets functions made in this transaction see the current schema, and temporary tables last.

    PostgreSQL looks for tables among the temporary ones first unless told otherwise; a caller could put one of its
    own in the way of a guard.
    """
    return "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)"


def lower(name: str) -> str:
    """Return SQL that takes down the guards of table ``name``, the look-up of that name, or what all share.

    Trigger functions stay until :func:`drop_unused`, since their triggers may be about to come back.
    """
    if name == SHARED:
        return drop_unused("spothive")
    if name in _LOOK_UPS:
        # Only its owner may drop it: spothive_system, unless somebody changed that.
        return (
            "DO $lower$ DECLARE former text := current_user; holder text := (\n"
            f"  SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = to_regprocedure('{name}(text)')); BEGIN\n"
            "  IF holder IS NULL THEN RETURN; END IF;\n"
            "  PERFORM set_config('role', holder, true);\n"
            f"  DROP FUNCTION {name}(text);\n"
            "  PERFORM set_config('role', former, true);\nEND $lower$"
        )
    return (
        "DO $lower$ DECLARE found record; BEGIN\n"
        f"  IF to_regclass('{name}') IS NULL THEN RETURN; END IF;\n"
        f"  FOR found IN SELECT tgname FROM pg_trigger WHERE tgrelid = '{name}'::regclass AND NOT tgisinternal LOOP\n"
        f"    EXECUTE format('DROP TRIGGER %I ON {name}', found.tgname);\n  END LOOP;\n"
        f"  FOR found IN SELECT polname FROM pg_policy WHERE polrelid = '{name}'::regclass LOOP\n"
        f"    EXECUTE format('DROP POLICY %I ON {name}', found.polname);\n  END LOOP;\n"
        f"  ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;\nEND $lower$"
    )


def drop_unused(prefix: str) -> str:
    """Return SQL that drops the trigger functions called ``prefix_...`` that no trigger uses."""
    return (
        "DO $drop$ DECLARE found record; BEGIN\n"
        "  FOR found IN SELECT p.proname FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace\n"
        f"    AND starts_with(p.proname, '{prefix}_') AND p.prorettype = 'trigger'::regtype\n"
        "    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid) LOOP\n"
        "    EXECUTE format('DROP FUNCTION %I()', found.proname);\n  END LOOP;\nEND $drop$"
    )
