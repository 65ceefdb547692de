"""Measuring in turns: machines get faster and slower, so what is to be compared is done right after one another."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Generic, TypeVar

Given = TypeVar("Given")
One = TypeVar("One")


class Wrong(Exception):
    """What was measured did not do what it should have: there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio: the median over the rounds, and the lowest and highest of them."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each round took, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.seconds)

    def facts(self, rows: int | None = None) -> dict[str, Any]:
        """Return median and spread in seconds, with ``rows`` the rows per second too."""
        found: dict[str, Any] = {
            "median_s": round(self.median, 6),
            "spread_s": [round(min(self.seconds), 6), round(max(self.seconds), 6)],
        }
        return found | ({"rows_per_s": round(rows / self.median)} if rows else {})


Timings = dict[str, Timing]


def ratio(above: Timing, below: Timing) -> Ratio:
    """Return how many times as long ``above`` took as ``below``, round by round."""
    rounds = [one / other for one, other in zip(above.seconds, below.seconds, strict=True)]
    return Ratio(median(rounds), min(rounds), max(rounds))


def times(found: Ratio, factor: float) -> Ratio:
    """Return ``found`` for another number of rows: where one of both did ``factor`` times as many."""
    return Ratio(found.value * factor, found.low * factor, found.high * factor)


@dataclass(frozen=True, slots=True)
class Contender(Generic[Given]):
    """One of the things that are compared.

    Attributes:
        name: what it is called in tables.
        given: opens what a round needs, such as a fresh database; not measured, and neither is its end.
        run: does the work, told what ``given`` opened; this is measured.
        check: raises :class:`Wrong` if the work was not done; told the same, before it is closed.
    """

    name: str
    given: Callable[[], AbstractContextManager[Given]]
    run: Callable[[Given], object]
    check: Callable[[Given], None] = lambda _: None


def turns(those: Sequence[One], repeat: int) -> Iterator[One]:
    """Yield each of ``those`` once in each of ``repeat`` rounds; another one begins each round."""
    for round_no in range(repeat):
        first = round_no % len(those)
        yield from (*those[first:], *those[:first])


def in_turns(contenders: Sequence[Contender[Any]], repeat: int) -> Timings:
    """Measure each of ``contenders`` in turns, ``repeat`` times."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for contender in turns(contenders, repeat):
        with contender.given() as given:
            gc.collect()
            started = time.perf_counter()
            contender.run(given)
            seconds[contender.name].append(time.perf_counter() - started)
            contender.check(given)
    return {name: Timing(tuple(found)) for name, found in seconds.items()}


@contextmanager
def nothing() -> Iterator[None]:
    """Give nothing: for contenders that need nothing of their own."""
    yield


def repeated(work: Callable[[], object], count: int) -> Callable[[object], None]:
    """Return what does ``work`` ``count`` times: for what is too short to be measured once."""

    def run(_: object) -> None:
        for _ in range(count):
            work()

    return run


def for_a_while(work: Callable[[], object], seconds: float, threads: int) -> list[int]:
    """Let so many threads do ``work`` over and over, for so long; return how often each one did it.

    Raises:
        Wrong: a thread failed.
    """
    counts, failures = [0] * threads, list[BaseException]()
    begin, over = threading.Barrier(threads + 1), threading.Event()

    def loop(number: int) -> None:
        begin.wait()
        try:
            while not over.is_set():
                work()
                counts[number] += 1
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the thread that measures
            failures.append(error)

    workers = [threading.Thread(target=loop, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    over.wait(seconds)
    done = list(counts)  # what is under way at the end does not count, so that all had the same time
    over.set()
    for worker in workers:
        worker.join()
    if failures:
        raise Wrong(f"a thread failed: {failures[0]!r}") from failures[0]
    return done


def side_by_side(work: Callable[[int], object], threads: int) -> None:
    """Let so many threads do ``work``, each told its number, and wait for all.

    Raises:
        Wrong: a thread failed.
    """
    failures = list[BaseException]()

    def once(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - as above
            failures.append(error)

    workers = [threading.Thread(target=once, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise Wrong(f"a thread failed: {failures[0]!r}") from failures[0]


def must_be_equal(what: str, found: object, expected: object) -> None:
    """Raise unless both are equal.

    Raises:
        Wrong: they are not.
    """
    if found != expected:
        raise Wrong(f"{what}: found {str(found)[:200]}, expected {str(expected)[:200]}")
