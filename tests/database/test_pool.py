"""The pool: in order, and no place is ever lost."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from spothive.database import SessionLocal, dispose_engine, get_engine, pool as room
from spothive.database.pool import FairPool
from spothive.database.service_connection import ServiceConnection
from spothive.errors import DatabaseUnavailable
from tests.conftest import Database, settings


def pool_of(engine: Engine) -> FairPool:
    assert isinstance(engine.pool, FairPool)
    return engine.pool


@contextmanager
def small(size: int = 2, overflow: int = 0, timeout: float = 60, **more: str) -> Iterator[Engine]:
    """Use an engine with few connections."""
    few = {"SIZE": str(size), "TIMEOUT": str(timeout)} | more
    values = {f"SPOTHIVE_POOL_{name}": value for name, value in few.items()}
    with settings(**values, SPOTHIVE_MAX_OVERFLOW=str(overflow)):
        yield get_engine()


def ask(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def everything_is_back(engine: Engine, size: int = 2) -> None:
    """Check that no place is lost, by taking all of them at once."""
    pool = pool_of(engine)
    assert (pool.checkedout(), pool.waiting()) == (0, 0)
    with ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(engine.connect())
        assert pool.checkedout() == size
    assert pool.checkedout() == 0


def started(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def waits(engine: Engine, count: int) -> None:
    """Come back when so many threads wait."""
    deadline = time.monotonic() + 60
    while pool_of(engine).waiting() < count:
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def test_threads_are_served_in_the_order_they_came(db: Database) -> None:
    with small(size=1) as engine:
        served: list[int] = []

        def work(number: int) -> None:
            with engine.connect():
                served.append(number)

        threads = []
        with engine.connect():
            for number in range(10):
                threads.append(started(partial(work, number)))
                waits(engine, number + 1)
        for thread in threads:
            thread.join(60)
        assert served == list(range(10))
        everything_is_back(engine, 1)


def test_the_same_connection_is_used_again_and_surplus_ones_are_closed(db: Database) -> None:
    with small(size=1, overflow=2) as engine:
        opened: list[Any] = []
        event.listen(engine, "connect", lambda connection, _: opened.append(connection))
        for _ in range(3):
            ask(engine)
        assert len(opened) == 1
        with engine.connect(), engine.connect(), engine.connect():
            assert pool_of(engine).checkedout() == 3
        assert (len(opened), pool_of(engine).checkedin(), pool_of(engine).checkedout()) == (3, 1, 0)
        assert "in pool: 1" in pool_of(engine).status()


@contextmanager
def unreachable(engine: Engine, fail: Callable[..., Any]) -> Iterator[None]:
    """Let ``fail`` be what opens a connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceConnection if engine.dialect.name == "postgresql" else engine.dialect, "connect", fail)
        yield


def no_route(*_: Any, **__: Any) -> Any:
    raise OSError("no route")


def test_a_connection_that_cannot_be_opened_takes_no_place(db: Database) -> None:
    with small() as engine:
        with unreachable(engine, no_route):
            for _ in range(5):
                with pytest.raises(OSError, match="no route"):
                    ask(engine)
        assert ask(engine) == 1
        everything_is_back(engine)


def test_the_place_of_one_who_cannot_connect_goes_to_the_next(db: Database) -> None:
    with small(size=1) as engine:
        failures: list[BaseException] = []
        go = threading.Event()

        def fail(*_: Any, **__: Any) -> None:
            go.wait(60)
            no_route()

        def work() -> None:
            try:
                ask(engine)
            except OSError as error:
                failures.append(error)

        with unreachable(engine, fail):
            threads = [started(work) for _ in range(5)]
            waits(engine, 4)
            go.set()
            for thread in threads:
                thread.join(60)
        assert len(failures) == 5
        assert (pool_of(engine).checkedout(), pool_of(engine).waiting()) == (0, 0)


def test_a_connection_that_is_invalidated_in_use_is_replaced(db: Database) -> None:
    with small(size=1) as engine:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.invalidate()
        assert ask(engine) == 1
        with engine.connect() as connection:
            connection.detach()
            assert ask(engine) == 1
        everything_is_back(engine, 1)


def test_a_forgotten_session_gives_its_connection_back(db: Database) -> None:
    with small(size=1) as engine:
        session = SessionLocal()
        session.execute(text("SELECT 1"))
        session.info["itself"] = session
        assert pool_of(engine).checkedout() == 1
        del session
        gc.collect()
        assert ask(engine) == 1
        everything_is_back(engine, 1)


def test_a_pool_that_is_disposed_of_closes_what_comes_back(db: Database) -> None:
    with small() as engine:
        closed: list[Any] = []
        event.listen(engine, "close", lambda connection, _: closed.append(connection))
        old = pool_of(engine)
        with engine.connect():
            ask(engine)
            engine.dispose()
            assert (len(closed), pool_of(engine) is old) == (1, False)
        assert (len(closed), old.checkedin(), old.checkedout()) == (2, 0, 0)
        new = pool_of(engine)
        assert (new.size(), new.timeout(), new._max_overflow, new._looks) == (2, 60, 0, True)  # noqa: SLF001 - no public way
        assert ask(engine) == 1
        everything_is_back(engine)


def test_those_who_wait_are_served_by_a_pool_that_is_disposed_of(db: Database) -> None:
    with small(size=1) as engine:
        got: list[int] = []
        with engine.connect():
            waiter = started(lambda: got.append(ask(engine)))
            waits(engine, 1)
            dispose_engine()
        waiter.join(60)
        assert got == [1]
        assert (pool_of(engine).checkedin(), pool_of(engine).checkedout()) == (0, 0)


def test_forty_threads_that_give_up_and_fail_lose_no_place(db: Database) -> None:
    with small(timeout=0.002) as engine:
        ends: set[str] = set()

        def work(number: int) -> None:
            for turn in range(25):
                with suppress(DatabaseUnavailable, DBAPIError, ZeroDivisionError), engine.connect() as connection:
                    if (number + turn) % 4 == 0:
                        connection.invalidate()
                    elif (number + turn) % 4 == 1:
                        raise ZeroDivisionError
                    else:
                        connection.exec_driver_sql("SELECT 1")
                    ends.add("done")

        threads = [started(partial(work, number)) for number in range(40)]
        for thread in threads:
            thread.join(120)
        assert ends == {"done"}
        engine.pool._timeout = 60  # type: ignore[attr-defined]  # noqa: SLF001 - what is left has time
        everything_is_back(engine)


# --- whether a connection still lives


class Spoken:
    """A driver's connection whose server has sent something, or nothing, or is gone."""

    def __init__(self, fileno: Callable[[], int]) -> None:
        self.fileno = fileno


def test_a_server_that_has_spoken_or_hung_up_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not room._has_spoken(Spoken(ours.fileno))  # noqa: SLF001 - costs no round trip, so nothing else shows it
        theirs.send(b"x")
        assert room._has_spoken(Spoken(ours.fileno))  # noqa: SLF001
        ours.recv(1)
        theirs.close()
        assert room._has_spoken(Spoken(ours.fileno))  # noqa: SLF001
    assert room._has_spoken(Spoken(ours.fileno)), "closed here"  # noqa: SLF001
    assert not room._has_spoken(object()), "no socket, no server"  # noqa: SLF001


@contextmanager
def pings(engine: Engine, answer: Callable[[], bool]) -> Iterator[list[Any]]:
    """Let ``answer`` say whether a connection lives, and yield those that were asked."""
    asked: list[Any] = []

    def ping(connection: Any) -> bool:
        asked.append(connection)
        return answer()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.dialect, "do_ping", ping)
        yield asked


def test_only_a_connection_that_lay_for_long_is_asked(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for checks, count in (("true", 1), ("false", 0)):
        with small(PRE_PING=checks) as engine, pings(engine, lambda: True) as asked:
            ask(engine)
            ask(engine)
            assert asked == []
            with monkeypatch.context() as patch:
                patch.setattr(room, "LONG_IDLE", -1.0)
                assert ask(engine) == 1
            assert len(asked) == count


def test_one_that_died_is_replaced_and_older_ones_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with small() as engine, pings(engine, lambda: False) as asked:
        opened: list[Any] = []
        event.listen(engine, "connect", lambda connection, _: opened.append(connection))
        with engine.connect(), engine.connect():
            pass
        monkeypatch.setattr(room, "LONG_IDLE", -1.0)
        with engine.connect():
            monkeypatch.setattr(room, "LONG_IDLE", 60.0)
            assert (len(asked), len(opened)) == (1, 3)
            with engine.connect():
                assert (len(asked), len(opened)) == (1, 4)
        everything_is_back(engine)


def test_asking_that_fails_loses_no_place(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise KeyboardInterrupt

    with small(size=1) as engine:
        ask(engine)
        with pings(engine, fail), monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(room, "LONG_IDLE", -1.0)
            ask(engine)
        assert ask(engine) == 1
        everything_is_back(engine, 1)


def test_any_driver_and_any_engine_can_have_it() -> None:
    engine = create_engine("sqlite://", poolclass=FairPool, pool_size=1, max_overflow=0, pool_timeout=1)
    assert ask(engine) == 1
    everything_is_back(engine, 1)
    engine.dispose()
