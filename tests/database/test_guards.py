"""Guards follow their declaration: raised with their tables, lowered for a revision, replaced when they change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from spothive.database import get_db_session, guards, run_all_migrations, run_migration, system_scope
from spothive.database.connection import make_owner_engine
from spothive.database.drift import Catalogue, find_drift, read_catalogue
from spothive.errors import AppendOnly, IllegalMove
from spothive.models import Account, AuditLog, User
from spothive.schema.refusal import Refusal
from spothive.schema.types import UtcDateTime
from spothive.settings import get_settings
from tests.conftest import Database
from tests.database.revision_folder import RevisionFolder
from tests.factories.samples import TABLES, sample_graph

QUIET = Refusal(
    rule="lc_datasets_quiet",
    events=("insert", "update"),
    when=lambda _, new: new.c.name == "LOUD",
    message="the name of a dataset is not shouted",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RevisionFolder:
    return RevisionFolder(tmp_path / "migrations", monkeypatch)


@contextmanager
def owner() -> Iterator[sa.Connection]:
    engine = make_owner_engine(get_settings())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def catalogue() -> Catalogue:
    with owner() as connection:
        return read_catalogue(connection)


def guards_in(found: Catalogue) -> Catalogue:
    return {name: text for name, text in found.items() if name.startswith(("trigger", "policy", "function"))}


def fill() -> None:
    with get_db_session() as session, system_scope(session, "test"):
        sample_graph(session, uuid4())


# --- at head ----------------------------------------------------------------------------------------


def test_at_head_nothing_is_rebuilt(db: Database) -> None:
    with owner() as connection, connection.begin():
        assert guards.raise_all(connection) == []
    before = _identities(db)
    run_all_migrations()
    assert _identities(db) == before


def _identities(db: Database) -> list[tuple[object, ...]]:
    """Return what would differ if a guard had been dropped and made again."""
    queries = {
        "postgresql": "SELECT oid::text, tgname FROM pg_trigger UNION SELECT oid::text, polname FROM pg_policy "
        "UNION SELECT oid::text, proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "sqlite": "SELECT rowid, name FROM sqlite_master ORDER BY 1",
    }
    with db.raw(owner=True) as connection:
        return list(connection.execute(queries[db.engine]).fetchall())


def test_a_changed_declaration_is_raised_and_its_withdrawal_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue()
    info = TABLES["datasets"].info
    with monkeypatch.context() as patched:
        patched.setitem(info, "refusals", [QUIET])
        assert [line for line in find_drift() if "is missing" in line]
        run_all_migrations()
        assert find_drift() == []
        assert len(guards_in(catalogue()).keys() - before.keys()) == (1 if db.engine == "postgresql" else 2)
    run_all_migrations()
    assert catalogue() == before


def test_a_guard_that_somebody_tampered_with_comes_back_with_the_next_change(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES["users"].info, "refusals", [*TABLES["users"].info["refusals"], QUIET_USER])
    with db.raw(owner=True) as connection:
        on_table = " ON users" if db.engine == "postgresql" else ""
        connection.execute(f"DROP TRIGGER lc_users_last_admin{on_table}")
    run_all_migrations()
    assert find_drift() == []


QUIET_USER = Refusal(
    rule="lc_users_quiet", events=("insert",), when=lambda _, new: new.c.full_name == "LOUD", message="no shouting"
)


# --- in a revision -----------------------------------------------------------------------------------


def test_a_revision_may_rewrite_what_guards_forbid_and_finds_every_row(db: Database, folder: RevisionFolder) -> None:
    fill()
    before = guards_in(catalogue())
    folder.add(
        "001_rewrite",
        "with guards.lowered(op, 'audit_logs', 'accounts'):\n"
        "    done = op.get_bind().execute(sa.text(\"UPDATE audit_logs SET actor_name = 'rewritten'\"))\n"
        "    assert done.rowcount == 1\n"
        "    done = op.get_bind().execute(sa.text(\"UPDATE accounts SET status = 'active'\"))\n"
        "    assert done.rowcount == 1",
    )
    run_all_migrations()
    assert guards_in(catalogue()) == before
    assert find_drift() == []
    with get_db_session() as session, system_scope(session, "test"):
        assert session.scalars(sa.select(AuditLog.actor_name)).all() == ["rewritten"]
        assert session.scalars(sa.select(Account.status)).all() == ["active"]
    with pytest.raises(AppendOnly), get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.update(AuditLog).values(actor_name="again"))
    with pytest.raises(IllegalMove), get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.update(Account).values(status="pending"))


def test_only_the_named_tables_are_lowered_on_postgresql(db: Database, folder: RevisionFolder) -> None:
    fill()
    folder.add(
        "001_wrong",
        "with guards.lowered(op, 'accounts'):\n    op.execute(\"UPDATE audit_logs SET actor_name = 'forged'\")",
    )
    if db.engine == "sqlite":  # a rebuild there needs every trigger down
        run_all_migrations()
        return
    with pytest.raises(Exception, match="ao_audit_logs_update"):
        run_all_migrations()


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("table", ["accounts", "users", "audit_logs", "instances", "scan_runs", "tenants"])
def test_a_table_can_be_rebuilt_on_sqlite(db: Database, folder: RevisionFolder, table: str) -> None:
    fill()
    with db.raw() as connection:
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        everything = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in TABLES}
    folder.add(
        "001_rebuild",
        f"with guards.lowered(op, {table!r}), op.batch_alter_table({table!r}, recreate='always') as batch:\n"
        f"    batch.create_check_constraint(op.f('ck_{table}_new'), \"id <> 'x'\")",
        f"with guards.lowered(op, {table!r}), op.batch_alter_table({table!r}, recreate='always') as batch:\n"
        f"    batch.drop_constraint(op.f('ck_{table}_new'), type_='check')",
    )
    run_all_migrations()
    assert find_drift() == [f"constraint ck_{table}_new on {table} is not declared"]
    with db.raw() as connection:
        assert connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() == rows
        assert {n: connection.execute(f"SELECT count(*) FROM {n}").fetchone() for n in TABLES} == everything
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_guards_stand_at_every_revision_on_what_exists_there(empty_db: Database, folder: RevisionFolder) -> None:
    """At a revision that lacks a column, what does not need the column is guarded all the same."""
    condition = next(c.condition for c in UtcDateTime().checks("locked_until") if c.dialect == empty_db.engine)
    check = f"CONSTRAINT ck_users_locked_until_utc CHECK ({condition})"
    kind = {"postgresql": "TIMESTAMP WITH TIME ZONE", "sqlite": "TEXT"}[empty_db.engine]
    core = f"000_core.{empty_db.engine}.sql"
    folder.edit(core, f"    locked_until {kind},\n", "")
    folder.edit(core, f"    {check},\n", "")
    folder.add("001_lock", f'op.execute("""ALTER TABLE users ADD COLUMN locked_until {kind} {check}""")')

    run_migration("000")
    found = guards_in(catalogue())
    assert any("lc_users_last_admin_gone" in name for name in found)
    if empty_db.engine == "postgresql":
        assert "policy tenant on users" in found
        assert "function login_row(name text)" not in found  # it reads the column
    fill()
    run_all_migrations()
    assert find_drift() == []


# --- one guard -----------------------------------------------------------------------------------------


def test_a_temporary_table_cannot_stand_in_for_the_one_a_guard_asks(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        rows = sample_graph(session, uuid4())
    if db.engine == "sqlite":
        return  # a trigger there names tables of its own schema only
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        session.execute(sa.text("CREATE TEMPORARY TABLE scan_units (LIKE scan_units)"))
        session.execute(sa.text("SET LOCAL search_path TO pg_temp, public"))
        unit = ", ".join(f"'{rows['scan_units'][name]}'" for name in ("tenant_id", "id", "scan_run_id"))
        session.execute(
            sa.text(
                "INSERT INTO scan_units (tenant_id, id, scan_run_id, region, resource_kind, status, pages, items, "
                f"created_at, updated_at) VALUES ({unit}, 'r', 'k', 'DONE', 0, 0, now(), now())"
            )
        )
        with pytest.raises(IllegalMove, match="lc_scan_runs_complete"):
            session.execute(sa.text("UPDATE scan_runs SET status = 'COMPLETE', finished_at = now()"))
        session.rollback()


def test_every_guard_has_a_rule_of_its_own_and_says_what_it_means() -> None:
    refusals = [refusal for table in TABLES.values() for refusal in guards.refusals_of(table)]
    rules = [refusal.rule for refusal in refusals]
    assert len(rules) == len(set(rules))
    assert all(10 < len(refusal.message) < 150 for refusal in refusals)


def test_a_refusal_knows_what_it_needs() -> None:
    needs = {refusal.rule: refusal.needs(User.__table__) for refusal in guards.refusals_of(User.__table__)}  # type: ignore[arg-type]  # a Table
    columns = {"users", "users.id", "users.tenant_id", "users.role", "users.is_active"}
    assert needs == {"lc_users_last_admin": columns, "lc_users_last_admin_gone": columns}
