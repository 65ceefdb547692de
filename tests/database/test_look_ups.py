"""Before a tenant is known a session may ask just these questions, of any tenant, and learns just the answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from spothive.database import SessionLocal, get_db_session, read_session, run_all_migrations, system_scope
from spothive.database.look_ups import account_owner_exists, api_key_row, login_row, session_row
from spothive.database.policies import look_ups
from spothive.errors import IllegalMove
from spothive.models import ApiKey, ApiScope, Role, SessionLog, User
from tests.conftest import Database
from tests.database.as_owner import catalogue
from tests.database.revision_folder import RevisionFolder
from tests.factories import make_account, make_cluster, make_tenant, make_user

FUNCTIONS = ("login_row", "session_row", "api_key_row", "account_owner_exists")


def test_a_user_is_found_by_name_and_by_e_mail_whatever_the_tenant(db: Database) -> None:
    tenant, other = make_tenant("alpha"), make_tenant("beta")
    until = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    ann = make_user(tenant, "ann", role=Role.LAB, failed_logins=3, locked_until=until, must_change_password=True)
    for name in ("ann", "ann@example.com"):
        for bound in (None, tenant, other):
            with read_session(tenant=bound) as session:
                row = login_row(session, name)
                assert row is not None
                assert (row.id, row.tenant_id, row.tenant_slug, row.tenant_is_active) == (ann.id, tenant, "alpha", True)
                assert (row.username, row.role, row.is_active, row.must_change_password) == (
                    "ann",
                    Role.LAB,
                    True,
                    True,
                )
                assert (row.password_hash, row.failed_logins, row.locked_until) == ("none", 3, until)


@pytest.mark.parametrize("name", ["nobody", "", "ANN", "' OR '1'='1", "ann%", "a" * 10_000])
def test_nobody_else_is_found(db: Database, name: str) -> None:
    make_user(make_tenant(), "ann")
    with get_db_session() as session:
        assert login_row(session, name) is None


def test_no_user_name_is_an_address_by_which_another_signs_in(db: Database) -> None:
    tenant = make_tenant()
    make_user(tenant, "bob", email="ann@example.com")
    with pytest.raises(IllegalMove) as refused:
        make_user(tenant, "ann@example.com", email="ann@elsewhere.example")
    assert refused.value.rule == "lc_users_username"


def test_the_hash_is_not_shown(db: Database) -> None:
    make_user(make_tenant("alpha"), "ann", password_hash="secret-hash")
    with get_db_session() as session:
        row = login_row(session, "ann")
    assert repr(row) == "<LoginRow ann of alpha>"


def test_a_session_is_found_by_the_hash_of_its_token_whatever_the_tenant(db: Database) -> None:
    tenant, other = make_tenant("alpha"), make_tenant("beta")
    ann = make_user(tenant, "ann", role=Role.LAB)
    until = datetime(2036, 1, 2, 3, 4, 5, 678, UTC)
    with get_db_session(tenant=tenant) as session:
        session.add(SessionLog(user_id=ann.id, token_hash="ab" * 32, expires_at=until))
    for bound in (None, tenant, other):
        with read_session(tenant=bound) as session:
            row = session_row(session, "ab" * 32)
            assert row is not None
            assert (row.tenant_id, row.tenant_slug, row.tenant_is_active) == (tenant, "alpha", True)
            assert (row.user_id, row.username, row.role, row.is_active) == (ann.id, "ann", Role.LAB, True)
            assert (row.expires_at, row.logged_out_at, row.must_change_password) == (until, None, False)
            assert session_row(session, "cd" * 32) is None


def test_an_api_key_is_found_by_its_prefix_whatever_the_tenant(db: Database) -> None:
    tenant, other = make_tenant("alpha"), make_tenant("beta")
    ann = make_user(tenant, "ann", role=Role.CLIENT)
    cluster = make_cluster(tenant, make_account(tenant).id)
    with get_db_session(tenant=tenant) as session:
        session.add(ApiKey(user_id=ann.id, name="ci", prefix="sh_live_1", key_hash="ab" * 32, scopes=[ApiScope.READ]))
        session.add(
            ApiKey(cluster_id=cluster.id, name="agent", prefix="sh_agent_1", key_hash="cd" * 32, scopes=["agent"])
        )
    for bound in (None, tenant, other):
        with read_session(tenant=bound) as session:
            row = api_key_row(session, "sh_live_1")
            assert row is not None
            assert (row.tenant_id, row.tenant_slug, row.tenant_is_active) == (tenant, "alpha", True)
            assert (row.user_id, row.username, row.role, row.is_active) == (ann.id, "ann", Role.CLIENT, True)
            assert (row.key_hash, row.scopes, row.rate_limit, row.cluster_id) == ("ab" * 32, ["read"], 1000, None)
            assert repr(row) == "<ApiKeyRow ci of alpha>"
            agent = api_key_row(session, "sh_agent_1")
            assert agent is not None
            assert (agent.cluster_id, agent.user_id, agent.role, agent.scopes) == (cluster.id, None, None, ["agent"])
            assert api_key_row(session, "sh_live_2") is None


def test_an_account_is_known_to_be_claimed_and_not_by_whom(db: Database) -> None:
    account = make_account(make_tenant())
    for tenant in (None, make_tenant()):
        with read_session(tenant=tenant) as session:
            assert account_owner_exists(session, account.account_id) is True
            assert account_owner_exists(session, "123456789012") is False


def test_a_question_opens_nothing_and_closes_nothing(db: Database) -> None:
    alpha, beta = make_tenant("alpha"), make_tenant("beta")
    make_user(alpha, "ann")
    make_user(beta, "bob")
    names = select(User.username).order_by(User.username)
    with SessionLocal(tenant=beta) as session:
        assert login_row(session, "ann") is not None
        assert session.scalars(names).all() == ["bob"]
        with system_scope(session, "test"):
            assert login_row(session, "ann") is not None
            assert session.scalars(names).all() == ["ann", "bob"]
        assert session.scalars(names).all() == ["bob"]


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_for_the_application_alone(db: Database, name: str) -> None:
    with db.raw(owner=True) as owner:
        found = owner.execute(
            "SELECT proowner::regrole::text, prosecdef, proconfig, ARRAY(SELECT r FROM unnest(%s::text[]) AS r "
            "WHERE has_function_privilege(r, oid, 'EXECUTE')), has_function_privilege('public', oid, 'EXECUTE') "
            "FROM pg_proc WHERE proname = %s",
            (["spothive_app", "spothive_readonly", "spothive_gate", "spothive_system"], name),
        ).fetchall()
    assert found == [
        ("spothive_system", True, ["search_path=public, pg_temp"], ["spothive_app", "spothive_system"], False)
    ]


@pytest.mark.engines("postgresql")
def test_the_owner_of_the_functions_may_create_nothing(db: Database) -> None:
    with db.raw(owner=True) as owner:
        row = owner.execute("SELECT has_schema_privilege('spothive_system', 'public', 'CREATE')").fetchone()
    assert row == (False,)


@pytest.mark.engines("postgresql")
def test_a_temporary_table_does_not_stand_in_for_a_real_one(db: Database) -> None:
    ann = make_user(make_tenant("alpha"), "ann")
    with get_db_session() as session:
        raw = session.connection().exec_driver_sql
        raw("CREATE TEMPORARY TABLE users (LIKE users) ON COMMIT DROP")
        raw("CREATE TEMPORARY TABLE accounts (LIKE accounts) ON COMMIT DROP")
        raw("INSERT INTO pg_temp.users SELECT * FROM pg_temp.users")
        raw("GRANT ALL ON pg_temp.users, pg_temp.accounts TO spothive_system")
        row = login_row(session, "ann")
        assert row is not None
        assert row.id == ann.id
        assert account_owner_exists(session, "pending-00") is False


@pytest.mark.engines("postgresql")
def test_another_search_path_does_not_lead_elsewhere(db: Database) -> None:
    ann = make_user(make_tenant("alpha"), "ann")
    with db.raw(owner=True) as owner:
        owner.execute("CREATE SCHEMA trap AUTHORIZATION spothive_test_service")
    with db.raw() as service:
        service.execute("CREATE TABLE trap.users (LIKE public.users)")
        service.execute("CREATE TABLE trap.tenants (LIKE public.tenants)")
        service.execute("SET search_path TO trap, public")
        assert service.execute("SELECT id FROM login_row('ann')").fetchall() == [(ann.id,)]


# --- what a look-up needs -------------------------------------------------------------------------------


def test_a_look_up_needs_the_columns_its_query_names_and_no_other() -> None:
    needs = {name: needed for name, needed, _ in look_ups()}
    assert needs["account_owner_exists"] == {"accounts.id", "accounts.account_id"}
    assert {column.partition(".")[0] for column in needs["login_row"]} == {"users", "tenants"}
    named = {f"users.{column}" for column in ("username", "email", "password_hash", "tenant_id", "locked_until")}
    assert named <= needs["login_row"]
    assert not {"users.full_name", "users.timezone", "tenants.settings"} & needs["login_row"]


@pytest.mark.engines("postgresql")
def test_a_look_up_stands_where_a_column_it_does_not_name_is_missing(db: Database, folder: RevisionFolder) -> None:
    ann = make_user(make_tenant("alpha"), "ann")
    folder.add("001_less", "with guards.lowered(op, 'users'):\n    op.drop_column('users', 'timezone')")
    run_all_migrations()
    with get_db_session() as session:
        row = login_row(session, "ann")
    assert row is not None
    assert row.id == ann.id


@pytest.mark.engines("postgresql")
def test_a_look_up_goes_down_where_a_column_it_names_is_missing(db: Database, folder: RevisionFolder) -> None:
    folder.add("001_less", "with guards.lowered(op, 'users'):\n    op.drop_column('users', 'locked_until')")
    run_all_migrations()
    assert "function login_row(name text)" not in catalogue()
    assert "function account_owner_exists(name text)" in catalogue()
