"""Guards follow their declaration: raised with their tables, lowered for a revision, replaced when they change."""

from __future__ import annotations

from uuid import uuid4

import pytest
import sqlalchemy as sa

from spothive.database import get_db_session, guards, run_all_migrations, run_migration, system_scope
from spothive.database.drift import Catalogue, find_drift
from spothive.database.revisions import require_head, restore_guards, revisions
from spothive.errors import AppendOnly, IllegalMove, SchemaOutdated
from spothive.models import Account, AuditLog, User
from spothive.schema.refusal import Refusal
from spothive.schema.types import UtcDateTime
from tests.conftest import Database
from tests.database.as_owner import catalogue, owner
from tests.database.revision_folder import RevisionFolder
from tests.factories.samples import TABLES, sample_graph

QUIET = Refusal(
    rule="lc_datasets_quiet",
    events=("insert", "update"),
    when=lambda _, new: new.c.name == "LOUD",
    message="the name of a dataset is not shouted",
)


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


def test_at_head_an_upgrade_waits_for_no_lock(db: Database) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("BEGIN IMMEDIATE" if db.engine == "sqlite" else "BEGIN")
        if db.engine == "postgresql":
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('spothive.migrations', 0))")
            connection.execute("LOCK TABLE spothive_guards, users IN EXCLUSIVE MODE")
        assert run_all_migrations() == revisions()[-1]


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
        "rewrite",
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
        "wrong",
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
        "rebuild",
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
    lines = [f'op.execute("""ALTER TABLE users ADD COLUMN locked_until {kind} {check}""")']
    if empty_db.engine == "postgresql":
        said = f"COMMENT ON COLUMN users.locked_until IS '{TABLES['users'].c.locked_until.comment}'"
        folder.edit(core, f"{said};\n\n", "")
        lines.append(f'op.execute("""{said}""")')
    folder.add("lock", "\n".join(lines))

    former = revisions()[-2]
    run_migration("000")
    found = guards_in(catalogue())
    assert any("lc_users_last_admin_gone" in name for name in found)
    if empty_db.engine == "postgresql":
        assert "policy tenant on users" in found
        assert "function login_row(name text)" not in found  # it reads the column
    run_migration(former)
    fill()
    run_all_migrations()
    assert find_drift() == []


# --- the repair ----------------------------------------------------------------------------------------

DAMAGE: dict[str, str] = {
    "a trigger is gone": "DROP TRIGGER lc_accounts_status_move{on_accounts}",
    "a trigger too many": 'CREATE TRIGGER "an extra" BEFORE INSERT ON accounts {anything}',
    "the ledger is gone": "DROP TABLE spothive_guards\nDROP TRIGGER lc_accounts_status_move{on_accounts}",
}
DAMAGE_ON_POSTGRESQL = {
    "a trigger is off": "ALTER TABLE accounts DISABLE TRIGGER lc_accounts_status_move",
    "a policy is gone": "DROP POLICY tenant ON accounts",
    "a policy is wide open": "ALTER POLICY tenant ON accounts USING (true)",
    "a policy too many": "CREATE POLICY extra ON accounts USING (true)",
    "the owner sees all": "ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY",
    "everybody sees all": "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
    "a grant is gone": "REVOKE INSERT ON audit_logs FROM spothive_app",
    "a grant too many": "GRANT UPDATE ON ml_models TO spothive_app\nGRANT SELECT (password_hash) ON users TO PUBLIC",
    "a function refuses nothing": (
        "CREATE OR REPLACE FUNCTION spothive_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    ),
    "a function looks at temporary tables first": "ALTER FUNCTION guard_lc_users_last_admin RESET search_path",
    "a function is for nobody": "REVOKE EXECUTE ON FUNCTION spothive_refuse FROM PUBLIC",
    "a look-up is gone": "DROP FUNCTION login_row(text)",
    "a look-up is for all": "GRANT EXECUTE ON FUNCTION login_row TO PUBLIC",
    "a look-up has another owner": "ALTER FUNCTION account_owner_exists OWNER TO CURRENT_USER",
}


def damage(db: Database, statements: str) -> None:
    anything = {"postgresql": "FOR EACH ROW EXECUTE FUNCTION spothive_stamp()", "sqlite": "BEGIN SELECT 1; END"}
    on_accounts = {"postgresql": " ON accounts", "sqlite": ""}[db.engine]
    with db.raw(owner=True) as connection:
        for statement in statements.format(on_accounts=on_accounts, anything=anything[db.engine]).split("\n"):
            connection.execute(statement)


def assert_repaired(db: Database, kinds: dict[str, str]) -> None:
    before = catalogue()
    for kind, statements in kinds.items():
        damage(db, statements)
        assert catalogue() != before, kind
        restore_guards()
        assert catalogue() == before, kind
        with owner() as connection, connection.begin():
            assert guards.raise_all(connection) == [], f"the ledger knows what stands after {kind}"
    assert find_drift() == []


def test_a_damaged_guard_is_restored(db: Database) -> None:
    assert_repaired(db, DAMAGE)


@pytest.mark.engines("postgresql")
def test_what_only_postgresql_has_is_restored_too(db: Database) -> None:
    assert_repaired(db, DAMAGE_ON_POSTGRESQL)


def test_a_restored_guard_refuses_again(db: Database) -> None:
    fill()
    move = sa.update(Account).values(status="active")
    with db.raw(owner=True) as connection:
        (status,) = connection.execute("SELECT status FROM accounts").fetchone()
    damage(db, DAMAGE["a trigger is gone"])
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(move)
        session.execute(sa.update(Account).values(status=status))
    restore_guards()
    with pytest.raises(IllegalMove), get_db_session() as session, system_scope(session, "test"):
        session.execute(move)


@pytest.mark.engines("postgresql")
def test_a_service_that_may_not_even_read_the_revision_is_repaired(db: Database) -> None:
    damage(db, "REVOKE ALL ON alembic_version FROM spothive_app")
    restore_guards()
    assert require_head().at_head


def test_what_is_no_guard_is_left_as_it_is(db: Database) -> None:
    damage(db, "DROP INDEX ix_accounts_tenant_id_status\nALTER TABLE accounts ADD COLUMN extra TEXT")
    found = find_drift()
    assert len(found) == 2
    restore_guards()
    assert find_drift() == found


def test_an_empty_database_has_no_guards_to_restore(empty_db: Database) -> None:
    with pytest.raises(SchemaOutdated, match="spothive db upgrade"):
        restore_guards()
    assert catalogue() == {}


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
    assert needs["lc_users_last_admin"] == needs["lc_users_last_admin_gone"] == columns
    assert needs["uq_users_email"] == columns | {"users.email"}, "what keeps REPLACE from the last admin"
