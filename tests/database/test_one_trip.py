"""A read is one round trip, and whatever a session did or met, the next one has a connection as good as new."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from psycopg.pq import Trace
from sqlalchemy import func, insert, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError

from spothive.database import (
    Account,
    SessionLocal,
    TenantSession,
    User,
    get_db,
    get_db_session,
    get_engine,
    read_session,
)
from spothive.database.bulk import copy_in
from spothive.database.look_ups import find_api_key_row
from spothive.database.service_connection import is_plain
from spothive.errors import Conflict, DatabaseUnavailable, NotAllowed, SpothiveError, ValueRefused
from tests.conftest import Database, settings
from tests.factories import make_account, make_tenant, make_user
from tests.watching import explained

pytestmark = pytest.mark.engines("postgresql")

LONG = text("SELECT pg_sleep(120)")


@pytest.fixture
def one(db: Database) -> Iterator[Database]:
    """Yield the database, reached by one connection alone."""
    with settings(SPOTHIVE_POOL_SIZE="1", SPOTHIVE_MAX_OVERFLOW="0", SPOTHIVE_POOL_PRE_PING="false"):
        yield db


def bare(expression: str) -> Any:
    """Evaluate SQL on the pooled connection, outside of sessions."""
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.exec_driver_sql(f"SELECT {expression}").scalar()


@contextmanager
def trips() -> Iterator[Callable[[], int]]:
    """Yield a function that tells how often the pooled connection has waited for the server in the block."""
    pooled = get_engine().raw_connection()
    libpq: Any = pooled.dbapi_connection.pgconn  # type: ignore[union-attr]  # psycopg's
    pooled.close()
    with tempfile.TemporaryFile() as file:

        def told() -> int:
            libpq.untrace()
            file.seek(0)
            return len(re.findall(rb"(?m)^F\t\d+\t(?:Sync|Query)\b", file.read()))

        libpq.trace(file.fileno())
        libpq.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        yield told


def read(session: TenantSession) -> None:
    session.scalars(select(User)).all()


def test_reads_and_writes_take_no_trip_more_than_they_need(one: Database) -> None:
    tenant = make_tenant()

    def in_one(open_session: Any, *statements: Any, **options: Any) -> int:
        with trips() as told:
            with open_session(tenant=tenant, **options) as session:
                for statement in statements:
                    session.execute(statement)
            return told()

    change = update(User).values(full_name="x").execution_options(synchronize_session=False)
    for _ in range(6):  # psycopg prepares what it has seen five times
        in_one(read_session, select(User))
    assert in_one(read_session, select(User)) == 1
    assert in_one(read_session, select(User), select(Account.id)) == 2
    assert in_one(read_session) == 0
    assert in_one(read_session, select(User), select(User), snapshot=True) == 3, "and its end"
    assert in_one(get_db_session, change) == 2, "and COMMIT"
    assert in_one(get_db_session, select(User)) == 2
    assert in_one(read_session, text("SELECT pg_advisory_lock(1)")) == 4, (
        "and ROLLBACK, after which psycopg forgets what is prepared, and what undoes it"
    )
    assert in_one(read_session, select(User)) == 1
    with settings(SPOTHIVE_BEHIND_PGBOUNCER="true"):
        in_one(read_session, select(User))
        assert in_one(read_session, select(User)) == 1
        assert bare("count(*) FROM pg_prepared_statements") == 0


def test_what_a_statement_was_told_ends_with_it(one: Database) -> None:
    tenant, other = make_tenant(), make_tenant()
    make_user(tenant)
    count = "SELECT count(*) FROM users"
    state = (
        "concat(current_user, current_setting('spothive.tenant_id', true), current_setting('transaction_read_only'))"
    )
    before = bare(state)
    with read_session(tenant=tenant) as session:
        assert len(session.scalars(select(User)).all()) == 1
        connection: Any = session.connection().connection.dbapi_connection
        assert connection.info.transaction_status.name == "IDLE"
        told = connection.pgconn.exec_(f"SELECT {state}".encode())
        assert told.get_value(0, 0).decode() == before
        assert session.scalar(text(count)) == 1
    with read_session(tenant=other) as session:
        assert session.scalar(text(count)) == 0
    with read_session() as session:
        assert session.scalar(text(count)) == 0
    assert bare("count(*) FROM users") == 0


def test_an_error_leaves_session_and_connection_as_they_were(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    backend = bare("pg_backend_pid()")
    with read_session(tenant=tenant) as session:
        with pytest.raises(ValueRefused) as caught:
            session.execute(select(literal_column("1 / 0")))
        assert getattr(caught.value.__cause__, "sqlstate", None) == "22012"
        assert len(session.scalars(select(User)).all()) == 1
        with pytest.raises(NotAllowed, match="only reads") as caught_writing:
            session.execute(update(User).values(full_name="x"))
        assert getattr(caught_writing.value.__cause__, "sqlstate", None) == "25006"
        with pytest.raises(SpothiveError):
            session.execute(select(User).where(User.username == "\0"))  # refused by the driver
        assert len(session.scalars(select(User)).all()) == 1
    assert bare("pg_backend_pid()") == backend


@pytest.mark.parametrize(
    ("statement", "trace"),
    [
        (text("SET statement_timeout = '7s'"), "current_setting('statement_timeout')"),
        (text("SET ROLE spothive_app; SELECT 1"), "current_user"),
        (text("SELECT set_config('statement_timeout', '7s', false)"), "current_setting('statement_timeout')"),
        (text("SELECT \"set_config\"('statement_timeout', '7s', false)"), "current_setting('statement_timeout')"),
        (text("SELECT set_config/**/('statement_timeout', '7s', false)"), "current_setting('statement_timeout')"),
        (
            text("WITH x AS (SELECT set_config('statement_timeout', '7s', false)) SELECT * FROM x"),
            "current_setting('statement_timeout')",
        ),
        (
            text("UPDATE pg_settings SET setting = '7s' WHERE name = 'statement_timeout'"),
            "current_setting('statement_timeout')",
        ),
        (
            select(func.set_config("statement_timeout", "7s", False)),
            "current_setting('statement_timeout')",
        ),
        (
            select(literal_column("set_config('statement_timeout', '7s', false)")),
            "current_setting('statement_timeout')",
        ),
        (
            select(func.pg_advisory_lock(7)),
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
        ),
        (text("CREATE TEMPORARY TABLE kept (id uuid)"), "to_regclass('pg_temp.kept')::text"),
        (text("SELECT 1 AS id INTO TEMPORARY kept"), "to_regclass('pg_temp.kept')::text"),
        (text("LISTEN news"), "(SELECT count(*) FROM pg_listening_channels())"),
        (
            text("DECLARE kept CURSOR WITH HOLD FOR SELECT 1"),
            "(SELECT count(*) FROM pg_cursors WHERE name = 'kept')",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("open_session", [read_session, get_db_session])
def test_nothing_a_session_did_is_left_for_the_next(
    statement: Any, trace: str, open_session: Any, one: Database
) -> None:
    before = bare(trace)
    with suppress(SpothiveError), open_session() as session:
        session.execute(select(literal_column("1")))
        session.execute(statement)
    assert bare(trace) == before


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        (str(select(User).where(User.id.in_([])).limit(3)), True),
        (str(select(func.count()).select_from(Account)), True),
        (str(insert(User)), True),
        (str(update(User).values(full_name="x")), True),
        ("SELECT 1; SELECT 2", False),
        ("SELECT pg_temp.lower('a')", False),
        ("SELECT schema.lower('a')", False),
        ("SELECT unknown ('a')", False),
        ("SELECT set_config--\n('a')", False),
        ("SELECT U&\"\\0073et_config\" ('a')", False),
        ("SELECT set\u00a9count('a')", False),
        ("DO $$ BEGIN END $$", False),
        ("CALL lower()", False),
        ("EXPLAIN SELECT 1", False),
        ("INSERT INTO a SELECT 1 INTO b", False),
        (f"SELECT {'1, ' * 5000} 1", False),
        (b"SELECT 1", False),
    ],
)
def test_only_what_is_known_to_be_harmless_is_plain(query: Any, plain: bool) -> None:
    assert is_plain(query) is plain


def test_a_read_session_still_streams_and_has_savepoints(one: Database) -> None:
    tenant = make_tenant()
    for name in ("ann", "bob", "cat"):
        make_user(tenant, name)
    with read_session(tenant=tenant) as session:
        names = select(User.username).order_by(User.username)
        assert session.scalars(names.execution_options(yield_per=2)).all() == ["ann", "bob", "cat"]
        with pytest.raises(ValueRefused), session.begin_nested():
            session.execute(select(literal_column("1 / 0")))
        assert session.scalars(names).all() == ["ann", "bob", "cat"]
        with pytest.raises(NotAllowed):
            session.execute(update(User).values(full_name="x"))
    with read_session() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 0


@pytest.mark.engines("sqlite", "postgresql")
def test_a_snapshot_sees_one_moment(db: Database) -> None:
    tenant = make_tenant()
    count = select(func.count(User.id))
    with read_session(tenant=tenant, snapshot=True) as fixed, read_session(tenant=tenant) as each:
        assert (fixed.scalar(count), each.scalar(count)) == (0, 0)
        make_user(tenant)
        assert fixed.scalar(count) == 0
        assert each.scalar(count) == (1 if db.engine == "postgresql" else 0)


def test_threads_of_many_tenants_see_their_own_rows(db: Database) -> None:
    tenants = [make_tenant() for _ in range(4)]
    for tenant in tenants:
        make_user(tenant)

    def work(number: int) -> set[tuple[UUID, UUID | None]]:
        seen: set[tuple[UUID, UUID | None]] = set()
        for turn in range(40):
            tenant = tenants[(number + turn) % len(tenants)]
            opened = get_db_session(tenant=tenant) if turn % 5 == 4 else read_session(tenant=tenant)
            with opened as session:
                rows = session.execute(select(User.tenant_id)).all()
                seen |= {(tenant, row.tenant_id) for row in rows} if len(rows) == 1 else {(tenant, None)}
                if turn % 7 == 0:
                    session.execute(text("SELECT pg_advisory_lock_shared(1)"))
        return seen

    with settings(SPOTHIVE_POOL_SIZE="8", SPOTHIVE_MAX_OVERFLOW="0"), ThreadPoolExecutor(16) as threads:
        found = set().union(*threads.map(work, range(16)))
    assert found == {(tenant, tenant) for tenant in tenants}


def when_it_runs(db: Database, what: Callable[[Any, int], object]) -> threading.Thread:
    """Start a thread that does something as soon as a statement sleeps, or waits for a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
    query += " AND (wait_event = 'PgSleep' OR wait_event_type = 'Lock')"

    def wait() -> None:
        deadline = time.monotonic() + 60
        with db.raw(owner=True) as owner:
            while not (found := owner.execute(query).fetchone()):
                assert time.monotonic() < deadline
            what(owner, found[0])

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def _end(way: str, owner: Any, pid: int) -> None:
    owner.execute(f"SELECT {way}(%s)", (pid,))


@pytest.mark.parametrize("open_session", [read_session, get_db_session])
def test_a_statement_that_is_cancelled_or_killed_costs_nobody_else_anything(open_session: Any, one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    ways = {
        "pg_cancel_backend": "statement_timeout or was cancelled",
        "pg_terminate_backend": "cannot be reached",
    }
    for way, told in ways.items():
        thread = when_it_runs(one, partial(_end, way))
        with pytest.raises(DatabaseUnavailable, match=told), open_session(tenant=tenant) as session:
            session.execute(LONG)
        thread.join()
        with read_session(tenant=tenant) as session:
            assert len(session.scalars(select(User)).all()) == 1
        with read_session() as session:
            assert session.scalar(text("SELECT count(*) FROM users")) == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt: a shell that starts tests in the background has it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
def test_a_statement_that_is_interrupted_gives_its_connection_back(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    main = threading.main_thread().ident or 0
    thread = when_it_runs(one, lambda *_: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), read_session(tenant=tenant) as session:
        session.execute(LONG)
    thread.join()
    with read_session(tenant=tenant) as session:
        assert len(session.scalars(select(User)).all()) == 1


def test_a_request_that_is_dropped_after_a_read_leaves_nothing(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    for error in (GeneratorExit, KeyboardInterrupt):
        generator: Any = get_db()
        session = next(generator)
        session.execute(text("SELECT pg_advisory_lock(1)"))
        with suppress(error):
            generator.throw(error())
        with read_session() as other:
            assert other.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0


def test_a_point_read_keeps_its_index_under_the_row_policy(db: Database) -> None:
    tenant = make_tenant()
    account = make_account(tenant)
    for _ in range(20):
        make_account(tenant, user_id=account.user_id)
    with db.raw(owner=True) as owner:
        owner.execute("ANALYZE accounts")
    with get_db_session(tenant=tenant) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = explained(session, "accounts", lambda: session.get(Account, account.id))
    assert "Index Scan using pk_accounts" in plan or "Index Scan using uq_accounts_id" in plan
    assert f"id = '{account.id}'" in plan.partition("Index Cond")[2].partition("\n")[0]


def test_an_api_key_is_asked_for_on_whatever_connection_there_is(one: Database) -> None:
    assert find_api_key_row("sh_live_nobodys0") is None
    with one.raw(owner=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(2):  # the first time it is prepared
        assert find_api_key_row("sh_live_nobodys0") is None
    with trips() as told:
        assert find_api_key_row("sh_live_nobodys0") is None
        assert told() == 1
    with one.raw(owner=True) as owner:
        owner.execute("ALTER FUNCTION api_key_row(text) RENAME TO gone")
    with pytest.raises(SpothiveError, match="db upgrade"):
        find_api_key_row("sh_live_nobodys0")
    with settings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing"), pytest.raises(DatabaseUnavailable):
        find_api_key_row("sh_live_nobodys0")


# a transaction that somebody has spoilt


def test_a_block_that_goes_on_after_a_refusal_in_bulk_is_not_reported_done(db: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    with pytest.raises(Conflict), get_db_session(tenant=tenant) as session:
        session.execute(update(User).values(full_name="kept"))
        connection = session.connection()
        connection.exec_driver_sql("CREATE TEMPORARY TABLE staged (number bigint) ON COMMIT DROP")
        # raised past SQLAlchemy, which does not know that the transaction is over
        with suppress(SpothiveError), copy_in(connection, "COPY staged FROM STDIN") as copy:
            copy.write_row(["no number"])
    with read_session(tenant=tenant) as session:
        assert session.scalar(select(User.full_name)) != "kept"


def test_a_session_that_drops_something_first_costs_the_next_ones_nothing(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    for _ in range(2):
        with get_db_session(tenant=tenant) as session:
            session.execute(text("DROP TABLE IF EXISTS pg_temp.nothing"))
        for _ in range(3):
            with read_session(tenant=tenant) as session:
                assert len(session.scalars(select(User)).all()) == 1
            assert find_api_key_row("sh_live_nobodys0") is None


def test_a_statement_that_could_not_be_prepared_is_prepared_later(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    names = select(User.username)

    def ask() -> int:
        with read_session(tenant=tenant) as session:
            return len(session.scalars(names).all())

    for _ in range(5):  # psycopg prepares it at the sixth time
        ask()
    with one.raw(owner=True) as owner:
        owner.execute("BEGIN")
        owner.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        thread = when_it_runs(one, partial(_end, "pg_cancel_backend"))
        with pytest.raises(DatabaseUnavailable):
            ask()
        thread.join()
        owner.execute("ROLLBACK")
    assert [ask() for _ in range(8)] == [1] * 8


def test_copying_as_text_is_refused_and_gives_the_place_back(one: Database) -> None:
    for statement in ("COPY (SELECT 1) TO STDOUT", "COPY users FROM STDIN"):
        for first in (True, False):
            with suppress(SpothiveError, DBAPIError), get_db_session() as session:
                if not first:
                    session.execute(text("SELECT 1"))
                session.execute(text(statement))
            with read_session() as session:
                assert session.scalar(text("SELECT 1")) == 1


def test_a_child_that_leaves_a_block_ends_nothing_of_its_parent(one: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    for leave in ("sys.exit()", "session.commit()", "session.close()", "session.execute(text('SELECT 1'))"):
        done = subprocess.run(
            [sys.executable, "-c", FORKS.format(tenant=tenant, leave=leave)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "kept\n", done.stderr


FORKS = """
import os, sys
from sqlalchemy import select, text, update
from uuid import UUID
from spothive.database import User, get_db_session, read_session
tenant = UUID("{tenant}")
with get_db_session(tenant=tenant) as session:
    session.execute(update(User).values(full_name="lost"))
    session.execute(update(User).values(full_name="kept"))
    if os.fork() == 0:
        sys.stderr = open(os.devnull, "w")
        {leave}
        sys.exit()
    os.wait()
with read_session(tenant=tenant) as session:
    print(session.scalar(select(User.full_name)))
"""


def test_whoever_is_given_the_connection_of_a_reading_session_reads(db: Database) -> None:
    tenant = make_tenant()
    make_user(tenant)
    with pytest.raises(NotAllowed), read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
        with SessionLocal(bind=session.connection(), tenant=tenant) as guest:
            guest.scalars(select(User)).all()
        session.execute(update(User).values(full_name="written"))
        session.commit()


def test_savepoints_are_begun_by_the_session_alone(db: Database) -> None:
    tenant = make_tenant()
    for words in ("SAVEPOINT x", "ROLLBACK TO x", "RELEASE x", "rollback to savepoint x", "release savepoint x"):
        with pytest.raises(NotAllowed, match="leave that to the session"), get_db_session(tenant=tenant) as session:
            session.execute(text(words))
    with get_db_session(tenant=tenant) as session:
        with session.begin_nested():
            session.execute(select(User))
        with suppress(KeyError), session.begin_nested():
            raise KeyError


def test_an_error_of_ours_in_the_first_statement_is_told_as_it_is(db: Database) -> None:
    tenant = make_tenant()
    with read_session(tenant=tenant) as session, pytest.raises(DBAPIError, match="number of parameters"):
        session.execute(select(func.count()).where(literal_column("1").in_(list(range(70_000)))))
    with get_db_session(tenant=tenant) as session:
        assert session.scalar(select(func.count()).select_from(User)) == 0


def test_a_pipeline_begun_by_hand_is_left_to_its_owner(db: Database) -> None:
    with get_db_session(tenant=make_tenant()) as session:
        driver: Any = session.connection().connection.dbapi_connection
        with driver.pipeline(), driver.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
