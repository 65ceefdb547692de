"""Fifty writers put fifty models into production at the same moment, and readers look all the while."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event
from uuid import UUID

import pytest

from tests.conftest import Database
from tests.factories.active_model import activate, active_models, make_enabled_models
from tests.torture.processes import OVER, Child
from tests.torture.works import activate_each

pytestmark = pytest.mark.torture

WRITERS, READERS, PROCESSES, ROUNDS = 50, 4, 5, 5


def watch(over: Event) -> Counter[int]:
    """Look how many models are active until ``over``; return how often there were how many."""
    seen = Counter([len(active_models())])
    while not over.is_set():
        seen[len(active_models())] += 1
    return seen


def test_fifty_threads_leave_one_active_model(db: Database) -> None:
    first, *others = make_enabled_models(WRITERS + 1)
    activate(first)
    for number in range(ROUNDS):
        start, over = Barrier(WRITERS), Event()

        def write(model_id: UUID, start: Barrier = start) -> int:
            start.wait()
            return activate(model_id)

        with ThreadPoolExecutor(WRITERS + READERS) as threads:
            readers = [threads.submit(watch, over) for _ in range(READERS)]
            writers = [threads.submit(write, model_id) for model_id in others]
            try:
                attempts = [writer.result() for writer in writers]
            finally:
                over.set()
            seen = sum((reader.result() for reader in readers), Counter[int]())
        assert seen.keys() == {1}, f"round {number}: {seen}"
        assert len(active_models()) == 1
        print(f"{db.engine}, round {number}: {sum(attempts)} attempts of {WRITERS} threads, {seen.total()} looks")


def test_fifty_writers_in_five_processes_leave_one_active_model(db: Database) -> None:
    first, *others = make_enabled_models(WRITERS + 1)
    activate(first)
    over = Event()
    with ExitStack() as stack, ThreadPoolExecutor(READERS) as threads:
        children = [stack.enter_context(Child(activate_each, others[number::PROCESSES])) for number in range(PROCESSES)]
        readers = [threads.submit(watch, over) for _ in range(READERS)]
        try:
            for child in children:
                child.go()
            attempts = [child.hear() for child in children]
            assert [child.hear() for child in children] == [OVER] * PROCESSES, attempts
        finally:
            over.set()
        seen = sum((reader.result() for reader in readers), Counter[int]())
    assert seen.keys() == {1}, seen
    assert len(active_models()) == 1
    print(f"{db.engine}: {sum(attempts)} attempts of {WRITERS} writers in {PROCESSES} processes, {seen.total()} looks")
