"""Writers of an SQLite file take turns, and give the turn back however their transaction ends."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, update

from spothive.database import SessionLocal, get_db, get_db_session, get_engine, read_session, sqlite_turns
from spothive.database.turns import Turns
from spothive.errors import Conflict, NotAllowed, ParentMissing
from spothive.models import Instance, User
from tests.conftest import Database, settings
from tests.factories import make_account, make_instance, make_tenant, make_user

pytestmark = pytest.mark.engines("sqlite")


@pytest.fixture
def tenant(db: Database) -> UUID:
    return make_tenant("alpha")


@pytest.fixture
def user(tenant: UUID) -> UUID:
    return make_user(tenant).id


def turns() -> Turns[None]:
    return sqlite_turns.turns_of(str(get_engine().url.database))


def is_free() -> bool:
    return turns().free() == [None]


def count_up(tenant: UUID, user: UUID, times: int = 1) -> None:
    for _ in range(times):
        with get_db_session(tenant=tenant) as session:
            session.get_one(User, user).failed_logins += 1


def counted(tenant: UUID, user: UUID) -> int:
    with read_session(tenant=tenant) as session:
        return session.get_one(User, user).failed_logins


def waits(count: int) -> None:
    while turns().waiting() < count:
        threading.Event().wait(0.001)


def started(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_threads_write_in_the_order_they_came(tenant: UUID) -> None:
    wrote: list[int] = []

    def write(number: int) -> None:
        with get_db_session(tenant=tenant) as session:
            session.connection()
            wrote.append(number)

    threads = []
    with get_db_session(tenant=tenant) as session:
        session.connection()
        assert not is_free()
        for number in range(8):
            threads.append(started(partial(write, number)))
            waits(number + 1)
        with read_session(tenant=tenant) as reader:
            assert reader.scalars(select(User.id)).all() == [], "reading waits for nobody"
    for thread in threads:
        thread.join(60)
    assert wrote == list(range(8))
    assert is_free()


OTHER = """
import sqlite3, sys
file, times = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None), int(sys.argv[2])
for _ in range(times or 1):
    file.execute("BEGIN IMMEDIATE")
    ((count,),) = file.execute("SELECT failed_logins FROM users").fetchall()
    file.execute("UPDATE users SET failed_logins = ?", (count + 1,))
    if not times:
        print("writing", flush=True)
        sys.stdin.read()
    file.execute("COMMIT")
"""
"""A program that counts the only user's failed log-ins up, so often; with 0 it stops in the middle of the first."""


@contextmanager
def other_process(times: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OTHER, str(get_engine().url.database), str(times)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_threads_and_processes_lose_no_update(tenant: UUID, user: UUID) -> None:
    with other_process(50) as one, other_process(50) as two:
        threads = [started(partial(count_up, tenant, user, 20)) for _ in range(4)]
        for thread in threads:
            thread.join(120)
        assert (one.wait(120), two.wait(120)) == (0, 0)
    assert counted(tenant, user) == 180
    assert is_free()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_block_that_fails_gives_its_turn_back(tenant: UUID, user: UUID, error: type[BaseException]) -> None:
    with suppress(error), get_db_session(tenant=tenant) as session:
        session.get_one(User, user).failed_logins += 1
        session.flush()
        raise error
    assert is_free()
    assert counted(tenant, user) == 0


def test_a_request_that_is_dropped_gives_its_turn_back(db: Database) -> None:
    generator: Any = get_db()
    copy_context().run(next, generator).connection()  # what it marks as open does not end in this thread
    assert not is_free()
    thread = started(generator.close)  # a web framework may end it in another thread
    thread.join(60)
    assert is_free()


def test_a_commit_that_is_refused_gives_its_turn_back(tenant: UUID) -> None:
    make_instance(tenant, make_account(tenant).id)
    with pytest.raises(ParentMissing), get_db_session(tenant=tenant) as session:
        session.execute(update(Instance).values(cluster_id=UUID(int=7)))
    assert is_free()


def test_a_forgotten_session_gives_its_turn_back(tenant: UUID) -> None:
    session = SessionLocal(tenant=tenant)
    session.connection()
    session.info["itself"] = session
    del session
    gc.collect()
    assert is_free()


def test_a_connection_that_is_lost_gives_its_turn_back(tenant: UUID) -> None:
    for lose in (Connection.invalidate, Connection.detach):
        connection = get_engine().connect()
        connection.begin()
        assert not is_free()
        lose(connection)
        connection.close()
        assert is_free()


def test_a_connection_keeps_its_turn_no_longer_than_its_transaction(db: Database) -> None:
    with get_engine().connect() as connection:
        for end in ("commit", "rollback"):
            with connection.begin() as transaction:
                assert not is_free()
                getattr(transaction, end)()
                assert is_free()
        with connection.begin():
            driver: Any = connection.connection.dbapi_connection
            driver.execute("COMMIT")  # as text
            assert is_free()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            assert not is_free()
    assert is_free()


def test_a_driver_connection_that_nobody_knows_any_more_gives_its_turn_back(db: Database) -> None:
    file = str(get_engine().url.database)
    connection = sqlite3.connect(file, timeout=1, isolation_level=None, factory=sqlite_turns.WritersConnection)
    with get_engine().connect():
        connection.execute("BEGIN IMMEDIATE")
        assert not is_free()
        if hasattr(connection, "setconfig"):  # newer drivers warn of a connection that nobody closed
            connection.close()
        del connection
        gc.collect()
        assert is_free()


def test_whoever_waits_too_long_is_told_so_and_loses_nothing(tenant: UUID, user: UUID) -> None:
    with settings(SPOTHIVE_SQLITE_BUSY_TIMEOUT="0.1"):
        with get_db_session(tenant=tenant) as session:
            session.connection()
            with pytest.raises(Conflict, match="try again"):
                count_up(tenant, user)
            assert turns().waiting() == 0
        count_up(tenant, user)
        with get_engine().connect() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 100, "as patient as before"
        assert is_free()
    assert counted(tenant, user) == 1


def test_whoever_waits_for_another_process_too_long_gives_the_turn_back(tenant: UUID, user: UUID, db: Database) -> None:
    with settings(SPOTHIVE_SQLITE_BUSY_TIMEOUT="0.1"):
        with db.raw() as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Conflict, match="try again"):
                count_up(tenant, user)
            assert is_free()
            other.execute("ROLLBACK")
        count_up(tenant, user)


def test_a_process_that_is_killed_while_it_writes_stops_nobody(tenant: UUID, user: UUID) -> None:
    with other_process(0) as process:
        assert process.stdout
        assert process.stdout.readline() == "writing\n"
        thread = started(partial(count_up, tenant, user))
        while is_free():
            threading.Event().wait(0.001)
        process.kill()
        thread.join(60)
    assert counted(tenant, user) == 1
    assert is_free()


def test_a_forked_process_knows_nothing_of_the_turn_its_parent_had(tenant: UUID, user: UUID) -> None:
    turns().take(1)
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            count_up(tenant, user, 3)
            ended = 0
        finally:
            os._exit(ended)
    turns().give(None)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    count_up(tenant, user)
    assert counted(tenant, user) == 4
    with closing(sqlite3.connect(str(get_engine().url.database))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_sessions_of_a_kind_let_sqlite_keep_what_it_has_prepared(tenant: UUID, user: UUID) -> None:
    """A PRAGMA that sets something has every statement of the connection prepared anew, which takes longer than it."""
    spoken: list[str] = []
    with read_session(tenant=tenant) as session:
        driver: Any = session.connection().connection.dbapi_connection
        driver.set_trace_callback(spoken.append)
    counted(tenant, user)
    count_up(tenant, user, 3)
    counted(tenant, user)
    assert counted(tenant, user) == 3
    driver.set_trace_callback(None)
    assert any(each.startswith("UPDATE users") for each in spoken)
    assert [each for each in spoken if "query_only =" in each] == [
        "PRAGMA query_only = OFF",
        "PRAGMA query_only = ON",
    ]


def test_a_pragma_past_the_session_lets_the_next_one_write_nothing(tenant: UUID, user: UUID) -> None:
    with read_session(tenant=tenant) as session:
        session.connection().exec_driver_sql("PRAGMA query_only = OFF")
    with read_session(tenant=tenant) as session, pytest.raises(NotAllowed, match="only reads"):
        session.execute(update(User).where(User.id == user).values(failed_logins=5))
    assert counted(tenant, user) == 0
