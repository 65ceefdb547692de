"""What one session did to its connection, or to its own errors, is nobody else's trouble."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from spothive.database import (
    Account,
    AccountStatus,
    Instance,
    TenantSession,
    get_db_session,
    get_engine,
    read_session,
)
from spothive.errors import Conflict, IllegalMove, InvalidInput, NotAllowed, SpothiveError
from tests.conftest import Database, settings
from tests.factories import make_account, make_instance, make_tenant


def test_a_swallowed_refusal_is_not_reported_as_success(db: Database) -> None:
    tenant = make_tenant()
    make_account(tenant, "before")
    with pytest.raises(Conflict, match="nothing of it is kept"), get_db_session(tenant=tenant) as session:
        session.execute(update(Account).values(account_name="after"))
        with pytest.raises(IllegalMove):
            session.execute(update(Account).values(status=AccountStatus.ACTIVE))
    with read_session(tenant=tenant) as session:
        assert session.scalar(select(Account.account_name)) == "before"


def test_what_may_fail_is_tried_in_a_savepoint(db: Database) -> None:
    tenant = make_tenant()
    make_account(tenant, "before")
    with get_db_session(tenant=tenant) as session:
        session.execute(update(Account).values(account_name="after"))
        with pytest.raises(IllegalMove), session.begin_nested():
            session.execute(update(Account).values(status=AccountStatus.ACTIVE))
    with read_session(tenant=tenant) as session:
        assert session.scalar(select(Account.account_name)) == "after"


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    "words",
    [
        "SET ROLE spothive_system",
        "RESET ROLE",
        "SELECT set_config('spothive.tenant_id', '{tenant}', false)",
        "CREATE TEMPORARY TABLE instances (id uuid)",
        "SET search_path TO pg_temp, public",
    ],
)
def test_what_a_session_sets_ends_with_it(words: str, db: Database) -> None:
    first, second = make_tenant(), make_tenant()
    for tenant in (first, second):
        make_instance(tenant, make_account(tenant).id)
    with settings(SPOTHIVE_POOL_SIZE="1", SPOTHIVE_MAX_OVERFLOW="0"):
        with get_db_session(tenant=first) as session:
            session.execute(text(words.format(tenant=first)))
        assert _instances(second) == 1
        with get_db_session() as session:
            assert session.execute(text("SELECT count(*) FROM public.instances")).scalar_one() == 0


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("one_login", [False, True])
@pytest.mark.parametrize(
    ("words", "trace"),
    [
        ("SET row_security = off", "current_setting('row_security')"),
        ("SET statement_timeout = '7s'", "current_setting('statement_timeout')"),
        ("SET default_transaction_read_only = on", "current_setting('default_transaction_read_only')"),
        ("SET timezone TO 'Asia/Tokyo'", "current_setting('timezone')"),
        ("RESET ROLE", "current_user"),
        ("SET ROLE spothive_app", "current_user"),
        (
            "SELECT pg_advisory_lock(7)",
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
        ),
        ("CREATE TEMPORARY TABLE kept (id uuid)", "to_regclass('pg_temp.kept')::text"),
        ("LISTEN news", "(SELECT count(*) FROM pg_listening_channels())"),
        ("DECLARE kept CURSOR WITH HOLD FOR SELECT 1", "(SELECT count(*) FROM pg_cursors WHERE name = 'kept')"),
    ],
)
def test_a_connection_returns_to_the_pool_as_it_was(words: str, trace: str, one_login: bool, db: Database) -> None:
    login = {"DATABASE_URL": db.owner_url} if one_login else {}
    with settings(**login, SPOTHIVE_POOL_SIZE="1", SPOTHIVE_MAX_OVERFLOW="0"):
        before = _bare(trace)
        with get_db_session() as session:
            session.execute(text(words))
        assert _bare(trace) == before


def _bare(expression: str) -> object:
    """Evaluate SQL on the pooled connection and outside of sessions, in a statement that is its own transaction."""
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.exec_driver_sql(f"SELECT {expression}").scalar()


@pytest.mark.parametrize("word", ["COMMIT", "rollback", " Begin", "-- so\n/* and; so */ commit", "; END", "ABORT"])
def test_text_does_not_end_the_transaction(word: str, db: Database) -> None:
    tenant = make_tenant()
    account = make_account(tenant, "before")
    with pytest.raises(NotAllowed), get_db_session(tenant=tenant) as session:
        session.execute(update(Account).values(account_name="after"))
        session.execute(text(word))
    with read_session(tenant=tenant) as session:
        assert session.scalar(select(Account.account_name)) == account.account_name


@pytest.mark.parametrize("read_only", [False, True])
def test_a_session_in_autocommit_is_refused(read_only: bool, db: Database) -> None:
    open_session = read_session if read_only else get_db_session
    with pytest.raises(NotAllowed, match="leave AUTOCOMMIT out"), open_session(tenant=make_tenant()) as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(NotAllowed, match="leave AUTOCOMMIT out"), TenantSession(engine) as session:
        session.execute(text("SELECT 1"))


@pytest.mark.parametrize("comment", ["-- hi\n", "/* hi */ ", " /* -- */\n--/*\n"])
def test_text_may_begin_with_a_comment(comment: str, db: Database) -> None:
    with read_session() as session:
        assert session.execute(text(f"{comment}SELECT 1")).scalar_one() == 1


def _instances(tenant: UUID) -> int:
    with read_session(tenant=tenant) as session:
        return session.scalar(select(func.count()).select_from(Instance)) or 0


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(
    "words",
    [
        "DROP TRIGGER temp.spothive_INSERT_instances",
        "PRAGMA ignore_check_constraints = ON",
        " pragma query_only = OFF",
        "/* */ PRAGMA writable_schema = ON",
        "/* */ PRAGMA ignore_check_constraints = ON /* */ SELECT 1",
        "-- SELECT\nPRAGMA query_only = OFF",
        "ATTACH ':memory:' AS other",
        "CREATE TEMP TABLE x (y)",
        "COMMIT",
    ],
)
def test_text_does_not_take_the_guards_away(words: str, db: Database) -> None:
    with pytest.raises(NotAllowed), get_db_session(tenant=make_tenant()) as session:
        session.execute(text(words))


@pytest.mark.parametrize("tenant", ["acme", "00000000-0000-7000-8000-000000000001", 1])
def test_a_tenant_is_given_by_its_id(tenant: object, db: Database) -> None:
    with pytest.raises(InvalidInput):
        TenantSession(tenant=tenant)  # type: ignore[arg-type]  # what is tried here
    assert issubclass(InvalidInput, SpothiveError)
