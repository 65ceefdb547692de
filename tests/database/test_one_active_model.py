"""Of all models one is active in production, whoever changes that and whenever one looks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from uuid import UUID

import pytest

from spothive.database import get_db_session, system_scope
from spothive.errors import DuplicateValue
from tests.conftest import Database
from tests.factories.active_model import activate, active_models, deactivate, make_enabled_models, put_in_place

WRITERS, READERS = 8, 2


def test_a_second_active_model_is_refused(db: Database) -> None:
    first, second = make_enabled_models(2)
    activate(first)
    with pytest.raises(DuplicateValue) as refused, get_db_session() as session, system_scope(session, "test"):
        put_in_place(session, second)
    assert refused.value.rule == "uq_ml_models_one_active"
    assert active_models() == [first]


def test_a_change_half_done_is_seen_by_nobody(db: Database) -> None:
    first, second = make_enabled_models(2)
    activate(first)
    seen = []
    with get_db_session() as session, system_scope(session, "test"):
        deactivate(session)
        seen.append(active_models())
        put_in_place(session, second)
        seen.append(active_models())
    seen.append(active_models())
    assert seen == [[first], [first], [second]]


def test_a_change_given_up_leaves_the_model_before_it(db: Database) -> None:
    first, second = make_enabled_models(2)
    activate(first)
    with pytest.raises(RuntimeError), get_db_session() as session, system_scope(session, "test"):
        deactivate(session)
        put_in_place(session, second)
        raise RuntimeError
    assert active_models() == [first]


def test_writers_that_meet_leave_one_and_readers_never_see_none_or_two(db: Database) -> None:
    first, *others = make_enabled_models(WRITERS + 1)
    activate(first)
    start, over = Barrier(WRITERS + READERS), Event()

    def write(model_id: UUID) -> int:
        start.wait()
        return activate(model_id)

    def read() -> list[list[UUID]]:
        start.wait()
        seen = [active_models()]
        while not over.is_set():
            seen.append(active_models())
        return seen

    with ThreadPoolExecutor(WRITERS + READERS) as threads:
        readers = [threads.submit(read) for _ in range(READERS)]
        writers = [threads.submit(write, model_id) for model_id in others]
        try:
            attempts = [writer.result() for writer in writers]
        finally:
            over.set()
        seen = [found for reader in readers for found in reader.result()]
    assert len(attempts) == WRITERS
    assert {len(found) for found in seen} == {1}
    assert len(active_models()) == 1
    assert active_models()[0] in others
