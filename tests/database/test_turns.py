"""First come, first served: whatever happens to those who wait, nothing that is lent gets lost."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from spothive.database.turns import Turns


def started(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def waits(turns: Turns[Any], count: int) -> None:
    """Come back when so many threads wait."""
    while turns.waiting() < count:
        threading.Event().wait(0.001)


def test_they_are_served_in_the_order_they_came() -> None:
    turns = Turns(["one"])
    thing, served = turns.take(1), []

    def take(number: int) -> None:
        mine = turns.take(60)
        served.append(number)
        turns.give(mine)

    threads = []
    for number in range(20):
        threads.append(started(partial(take, number)))
        waits(turns, number + 1)
    turns.give(thing)
    for thread in threads:
        thread.join(60)
    assert served == list(range(20))
    assert turns.free() == ["one"]


def test_a_newcomer_does_not_overtake() -> None:
    turns = Turns(["one"])
    thing, got = turns.take(1), []
    waiter = started(lambda: got.append(turns.take(60)))
    waits(turns, 1)
    turns.give(thing)
    with pytest.raises(TimeoutError):
        turns.take(0)
    waiter.join(60)
    assert got == ["one"]


def test_the_last_one_is_lent_first_unless_it_is_laid_behind_the_others() -> None:
    turns = Turns([1, 2])
    assert turns.take(0) == 2
    turns.give(2, last=True)
    assert [turns.take(0), turns.take(0)] == [1, 2]


def test_whoever_gives_up_is_passed_over() -> None:
    turns = Turns(["one"])
    thing, got = turns.take(1), []
    with pytest.raises(TimeoutError):
        turns.take(0.01)
    waiter = started(lambda: got.append(turns.take(60)))
    waits(turns, 1)
    turns.give(thing)
    waiter.join(60)
    assert (got, turns.waiting()) == (["one"], 0)


class Gate:
    """A gate at which its thread is interrupted, before or after it was served."""

    def __init__(self, gate: Any, before: Callable[[], None]) -> None:
        self.gate, self.before = gate, before
        self.release = gate.release

    def acquire(self, *_: Any, **__: Any) -> bool:
        self.before()
        raise KeyboardInterrupt


@pytest.mark.parametrize("served", [False, True])
def test_whoever_is_interrupted_loses_nothing(monkeypatch: pytest.MonkeyPatch, served: bool) -> None:
    from spothive.database import turns as room

    turns = Turns(["one"])
    thing = turns.take(1)

    class Interrupted(room._Waiter):  # noqa: SLF001 - where a signal would arrive
        __slots__ = ()

        def __init__(self) -> None:
            super().__init__()
            self.gate = Gate(self.gate, lambda: turns.give(thing) if served else None)  # type: ignore[assignment]

    with monkeypatch.context() as patch:
        patch.setattr(room, "_Waiter", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            turns.take(60)
    if not served:
        turns.give(thing)
    assert (turns.free(), turns.waiting()) == (["one"], 0)


def test_whoever_is_served_at_the_last_moment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from spothive.database import turns as room

    turns = Turns(["one"])
    thing = turns.take(1)

    class Late(room._Waiter):  # noqa: SLF001 - between the end of the patience and the withdrawal
        __slots__ = ()

        def __init__(self) -> None:
            super().__init__()
            self.gate = LateGate(lambda: turns.give(thing))  # type: ignore[assignment]

    monkeypatch.setattr(room, "_Waiter", Late)
    assert turns.take(60) == "one"
    assert turns.free() == []


class LateGate:
    def __init__(self, before: Callable[[], None]) -> None:
        self.acquire = lambda **_: before()
        self.release = lambda: None


class Leaked:
    """What gives back in the garbage collector, as a forgotten session does."""

    def __init__(self, turns: Turns[Any], thing: Any) -> None:
        self.itself, self.turns, self.thing = self, turns, thing

    def __del__(self) -> None:
        self.turns.give(self.thing)


def test_the_garbage_collector_may_give_back_while_this_thread_has_the_lock() -> None:
    turns = Turns(["one"])
    got: list[Any] = []
    Leaked(turns, turns.take(1))
    waiter = started(lambda: got.append(turns.take(60)))
    with turns._lock:  # noqa: SLF001 - a moment that no test can wait for
        gc.collect()
    turns._serve()  # noqa: SLF001 - what everyone does after letting go of it
    waiter.join(60)
    assert got == ["one"]


def test_many_threads_that_give_up_lose_nothing() -> None:
    turns = Turns(range(3))
    holders: list[set[int]] = [set(), set(), set()]
    shared = []

    def work(number: int) -> None:
        for turn in range(200):
            try:
                mine = turns.take(0.0002 * (turn % 5))
            except TimeoutError:
                continue
            holders[mine].add(number)
            if len(holders[mine]) != 1:
                shared.append(mine)
            holders[mine].discard(number)
            turns.give(mine)

    threads = [started(partial(work, number)) for number in range(20)]
    for thread in threads:
        thread.join(60)
    assert (sorted(turns.free()), turns.waiting(), shared) == ([0, 1, 2], 0, [])
