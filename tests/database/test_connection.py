"""Engines and sessions: made late, used once a block, and given back whatever happens."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from spothive import database
from spothive.database import (
    SessionLocal,
    SessionScoped,
    TenantSession,
    bind_tenant,
    dispose_engine,
    get_db,
    get_db_session,
    get_engine,
    read_session,
    run_all_migrations,
)
from spothive.errors import AuditNote, Conflict, DatabaseUnavailable, Denied, NotAllowed, ParentMissing, Refused
from spothive.models import PLATFORM_TENANT_ID, AuditLog, Instance, Outcome, User
from tests.conftest import Database, settings
from tests.factories import make_account, make_instance, make_tenant, make_user

HEAVY = "pydantic_settings structlog prometheus_client cryptography bcrypt alembic typer boto3 fastapi psycopg zxcvbn"


class Boom(Exception):
    """Something went wrong in the block."""


@pytest.fixture
def tenant(db: Database) -> UUID:
    return make_tenant("alpha")


def new_user(name: str = "ann", **values: Any) -> User:
    return User(username=name, email=f"{name}@example.com", password_hash="none", **values)


def users(tenant: UUID) -> list[str]:
    with read_session(tenant=tenant) as session:
        return list(session.scalars(select(User.username).order_by(User.username)))


def in_use() -> int:
    return int(get_engine().pool.checkedout())  # type: ignore[attr-defined]  # a FairPool


# late


def test_the_package_names_what_it_offers_and_nothing_else() -> None:
    assert {"engine", "DbSession", "Account", "get_db_session"} <= set(dir(database))
    assert {"Any", "TYPE_CHECKING", "annotations"}.isdisjoint(dir(database))


@pytest.mark.parametrize("how", ["import spothive.database", "from spothive.database import *"])
def test_importing_loads_nothing_heavy_and_makes_no_engine(how: str) -> None:
    code = (
        f"{how}\nimport sys\n"
        f"assert not (loaded := set('{HEAVY}'.split()) & set(sys.modules)), loaded\n"
        "from spothive.database import connection\nassert connection._engines is None\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, env={**os.environ, "DATABASE_URL": "nonsense"}
    )


def test_what_a_name_needs_is_imported_when_somebody_asks_for_it() -> None:
    code = (
        "import sys, spothive.database as database\n"
        "assert not (loaded := {'sqlalchemy', 'psycopg', 'pydantic'} & set(sys.modules)), loaded\n"
        "assert [name for name in database.__all__ if not hasattr(database, name)] == []\n"
        "from spothive import models\n"
        "assert set(models.__all__) <= set(database.__all__)\n"
        "assert database.Instance is models.Instance\n"
        "assert not hasattr(database, 'Instances') and not hasattr(database, 'get_sessions')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_session_connects_at_its_first_statement(db: Database) -> None:
    with settings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing"):
        session = SessionLocal(tenant=PLATFORM_TENANT_ID)
        session.add(new_user())
        with pytest.raises(DatabaseUnavailable):
            session.flush()
        session.close()


def test_a_disposed_engine_is_made_anew_from_the_settings(db: Database) -> None:
    before = get_engine()
    assert get_engine() is before
    dispose_engine()
    assert get_engine() is not before
    with settings(SPOTHIVE_POOL_SIZE="2"):
        assert get_engine().pool.size() == 2  # type: ignore[attr-defined]  # a FairPool


def test_one_engine_is_made_however_many_ask_at_once(db: Database) -> None:
    engines: list[Any] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        engines.append(get_engine())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(engines)) == 1


# sessions


def test_session_local_is_as_promised(tenant: UUID) -> None:
    with SessionLocal(tenant=tenant) as session:
        assert session.autoflush is False
        user = new_user()
        session.add(user)
        assert session.scalar(select(func.count(User.id))) == 0, "nothing is flushed unasked"
        session.commit()
    assert user.username == "ann", "readable after commit and close"


def test_a_thread_has_its_own_scoped_session(tenant: UUID) -> None:
    mine, others = SessionScoped(tenant=tenant), []

    def work() -> None:
        others.append(SessionScoped(tenant=tenant))
        SessionScoped.scalars(select(User)).all()
        SessionScoped.remove()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert SessionScoped() is mine
    assert others[0] is not mine
    SessionScoped.remove()
    assert in_use() == 0


def test_a_block_commits_at_its_end(tenant: UUID) -> None:
    with get_db_session(tenant=tenant) as session:
        session.add(new_user())
    assert users(tenant) == ["ann"]
    assert in_use() == 0


@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_block_that_fails_changes_nothing(tenant: UUID, error: type[BaseException]) -> None:
    with suppress(error), get_db_session(tenant=tenant) as session:
        session.add(new_user())
        session.flush()
        raise error
    assert users(tenant) == []
    assert in_use() == 0


def test_a_commit_that_is_refused_changes_nothing_and_frees_the_connection(tenant: UUID) -> None:
    instance = make_instance(tenant, make_account(tenant).id)
    for open_session in (get_db_session, SessionLocal):
        with pytest.raises(ParentMissing):
            commit_orphan(open_session(tenant=tenant), instance.id)
        assert in_use() == 0
        with get_db_session(tenant=tenant) as session:
            session.execute(update(User).values(full_name="x"))
            assert session.scalars(select(Instance.cluster_id)).all() == [None]


def commit_orphan(opened: AbstractContextManager[TenantSession], nowhere: UUID) -> None:
    with opened as session:
        session.execute(update(Instance).values(cluster_id=nowhere))
        session.commit()


# what a dependency of a web framework does


def request(tenant: UUID) -> tuple[Any, TenantSession]:
    generator = get_db()
    session = next(generator)
    bind_tenant(session, tenant)
    session.add(new_user())
    session.flush()
    return generator, session


def test_get_db_commits_when_the_request_is_done(tenant: UUID) -> None:
    generator, _ = request(tenant)
    assert list(generator) == []
    assert users(tenant) == ["ann"]
    assert in_use() == 0


def test_get_db_rolls_back_what_failed_or_was_cancelled(tenant: UUID) -> None:
    generator, _ = request(tenant)
    with pytest.raises(Boom):
        generator.throw(Boom())
    generator, _ = request(tenant)
    generator.close()
    assert users(tenant) == []
    assert in_use() == 0


# reading


def test_a_reading_session_writes_nothing(tenant: UUID) -> None:
    writes = (
        lambda s: (s.add(new_user()), s.flush()),
        lambda s: s.execute(update(User).values(full_name="x")),
        lambda s: s.connection().exec_driver_sql("UPDATE users SET full_name = 'x'"),
    )
    for write in writes:
        with read_session(tenant=tenant) as session, pytest.raises(NotAllowed, match="this session only reads"):
            write(session)
    with get_db_session(tenant=tenant) as session:
        session.add(new_user())
    assert users(tenant) == ["ann"]


def test_a_session_that_is_given_its_engine_only_reads_if_it_is_to(tenant: UUID) -> None:
    with (
        SessionLocal(bind=get_engine(), tenant=tenant, read_only=True) as session,
        pytest.raises(NotAllowed, match="this session only reads"),
    ):
        session.add(new_user())
        session.flush()
    with SessionLocal(bind=get_engine(), tenant=tenant) as session:
        session.add(new_user())
        session.commit()
    assert users(tenant) == ["ann"]


def test_a_reading_session_sees_one_moment_and_stops_no_writer(tenant: UUID) -> None:
    with read_session(tenant=tenant) as session:
        count = select(func.count(User.id))
        if session.get_bind().dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        assert session.scalar(count) == 0
        make_user(tenant)
        assert session.scalar(count) == 0


# refusals that are remembered


def refusal(**values: Any) -> Denied:
    note = AuditNote(event="user.disable", resource="bob", resource_type="USER", actor_name="ann (cli)", **values)
    return Denied("ann may not", note=note)


@pytest.mark.parametrize("open_session", [get_db_session, read_session])
def test_a_refusal_is_remembered_and_the_block_is_not(tenant: UUID, open_session: Any) -> None:
    raised = refusal(details={"why": "role", "by": "ann"}, outcome="FAILURE")
    with settings(SPOTHIVE_POOL_SIZE="1", SPOTHIVE_MAX_OVERFLOW="0", SPOTHIVE_POOL_TIMEOUT="1"):
        with pytest.raises(Refused) as caught:
            fail(open_session(tenant=tenant), raised)
        assert caught.value is raised
        assert users(tenant) == []
        with read_session(tenant=tenant) as session:
            (row,) = session.scalars(select(AuditLog))
    assert (row.event, row.resource, row.actor_name, row.outcome) == (
        "user.disable",
        "bob",
        "ann (cli)",
        Outcome.FAILURE,
    )
    assert row.diff_after == '{"by":"ann","why":"role"}'


def fail(opened: AbstractContextManager[TenantSession], error: Exception) -> None:
    with opened as session:
        session.add(new_user())
        if not session.read_only:
            session.flush()
        raise error


def test_a_refusal_goes_to_the_tenant_bound_in_the_block_else_to_the_platform(tenant: UUID) -> None:
    with suppress(Refused), get_db_session() as session:
        bind_tenant(session, tenant)
        raise refusal()
    with suppress(Refused), get_db_session():
        raise refusal()
    for owner in (tenant, PLATFORM_TENANT_ID):
        with read_session(tenant=owner) as session:
            assert session.scalar(select(func.count(AuditLog.id))) == 1


# the pool


def pool_settings() -> tuple[Any, ...]:
    pool: Any = get_engine().pool
    return pool.size(), pool._max_overflow, pool.timeout(), pool._recycle, pool._looks  # noqa: SLF001 - no public way to ask


def test_the_pool_is_as_promised(db: Database) -> None:
    assert pool_settings() == (30, 30, 30, 3600, True)
    assert get_engine().echo is False


def test_the_pool_is_as_set(db: Database) -> None:
    values = {"SIZE": "3", "TIMEOUT": "1.5", "RECYCLE": "60", "PRE_PING": "false"}
    values = {f"SPOTHIVE_POOL_{name}": value for name, value in values.items()}
    with settings(**values, SPOTHIVE_MAX_OVERFLOW="2", SPOTHIVE_SQL_ECHO="true"):
        assert pool_settings() == (3, 2, 1.5, 60, False)
        assert get_engine().echo is True


def test_waiting_too_long_for_a_connection_is_an_error_of_ours(db: Database) -> None:
    with settings(SPOTHIVE_POOL_SIZE="1", SPOTHIVE_MAX_OVERFLOW="1", SPOTHIVE_POOL_TIMEOUT="0.05"):
        with get_engine().connect(), get_engine().connect():
            for ask in (_ask_session, _ask_block, _ask_engine):
                with pytest.raises(DatabaseUnavailable, match="every database connection is in use: try again") as full:
                    ask()
                assert full.value.__cause__ is None
        assert _ask_block() == 1
        assert in_use() == 0


def _ask_session() -> Any:
    with SessionLocal() as session:
        return session.scalar(text("SELECT 1"))


def _ask_block() -> Any:
    with read_session() as session:
        return session.scalar(text("SELECT 1"))


def _ask_engine() -> Any:
    with get_engine().connect() as connection:
        return connection.scalar(text("SELECT 1"))


def kill_service(db: Database) -> int:
    with db.raw(owner=True) as owner:
        rows = owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    assert all(ended for (ended,) in rows)
    return len(rows)


@pytest.mark.engines("postgresql")
def test_connections_that_died_in_the_pool_are_not_noticed(db: Database, tenant: UUID) -> None:
    sessions = [SessionLocal(tenant=tenant) for _ in range(3)]
    for session in sessions:
        session.scalars(select(User)).all()
    for session in sessions:
        session.close()
    assert kill_service(db) == 3
    for _ in range(5):
        assert users(tenant) == []


@pytest.mark.engines("postgresql")
def test_a_connection_that_dies_in_a_block_is_an_error_and_the_next_is_fine(db: Database, tenant: UUID) -> None:
    ends: tuple[Callable[[TenantSession], Any], ...] = (
        lambda session: session.scalars(select(User)).all(),
        lambda session: session.commit(),
        lambda _: None,
    )
    for end in ends:
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            write_and_die(db, tenant, end)
        assert users(tenant) == []
        assert in_use() == 0


def write_and_die(db: Database, tenant: UUID, end: Callable[[TenantSession], Any]) -> None:
    with get_db_session(tenant=tenant) as session:
        session.add(new_user())
        session.flush()
        assert kill_service(db) == 1
        end(session)


def fail_after_dying(_: TenantSession) -> None:
    raise Boom


@pytest.mark.engines("postgresql")
def test_an_error_inside_the_block_is_not_hidden_by_a_dead_connection(db: Database, tenant: UUID) -> None:
    with pytest.raises(Boom):
        write_and_die(db, tenant, fail_after_dying)
    assert users(tenant) == []
    assert in_use() == 0


@pytest.mark.engines("postgresql")
def test_what_was_read_stays_read_when_the_connection_dies_after(db: Database, tenant: UUID) -> None:
    with read_session(tenant=tenant) as session:
        assert session.scalars(select(User)).all() == []
        kill_service(db)
    assert in_use() == 0


# what is not told


def test_an_error_that_is_not_ours_does_not_tell_its_parameters(db: Database) -> None:
    with pytest.raises(SQLAlchemyError) as error, read_session() as session:
        session.execute(text("SELECT sum(:x) OVER w"), {"x": "hunter2"})
    assert "hunter2" not in str(error.value)


# a new file


@pytest.mark.engines("sqlite")
def test_a_new_file_that_somebody_begins_to_write_is_waited_for(empty_db: Database, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect(tmp_path / "empty.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with settings(SPOTHIVE_SQLITE_BUSY_TIMEOUT="0.1"), pytest.raises(Conflict):
            run_all_migrations()
        later = threading.Timer(0.2, other.rollback)
        later.start()
        assert run_all_migrations()
        later.join()
