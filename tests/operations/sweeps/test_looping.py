"""Sweeping on and on: each duty when it is due, one that waits holds up no other, and an end that is asked for."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any, Self
from uuid import UUID

import pytest

from spothive.database import get_db_session
from spothive.errors import DatabaseUnavailable, Denied
from spothive.operations.notifications import Turns, WebhooksSent
from spothive.operations.notifications.delivering import _Turn
from spothive.operations.notifications.webhook_outbox import Place
from spothive.operations.sweeps import Duty, Outcome, Run, Tools, duties, keep_sweeping, looping
from spothive.operations.sweeps.work import Stopped, Work
from tests.conftest import Database, settings
from tests.operations.conftest import World
from tests.operations.sweeps.conftest import a_lease, did, duty, lease_of

PATIENCE = 30
HOOK = UUID(int=7)


class Loop:
    """A loop in a thread of its own, which ends with the block."""

    def __init__(self, world: World, tools: Tools, *duties: Duty, sessions: Any = get_db_session) -> None:
        self.stop = Event()
        self.runs: list[Run] = []
        self.complaints: list[tuple[str, str]] = []
        how: dict[str, Any] = {"stop": self.stop, "tell": self.runs.append, "duties": duties}
        how["complain"] = lambda *said: self.complaints.append(said)
        self.thread = Thread(target=keep_sweeping, args=(sessions, world.admin, tools), kwargs=how)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


def test_a_duty_is_done_again_and_again_while_another_waits(db: Database, world: World, tools: Tools) -> None:
    often, under_way, go_on = Event(), Event(), Event()
    times: list[int] = []

    def quick(_: Work) -> None:
        times.append(1)
        if len(times) == 3:
            often.set()

    def slow(_: Work) -> None:
        under_way.set()
        assert go_on.wait(PATIENCE)

    with settings(SPOTHIVE_SWEEP_RISK="1"), Loop(world, tools, duty(quick, "risk"), duty(slow, "health")) as loop:
        assert under_way.wait(PATIENCE)
        assert often.wait(PATIENCE)
        go_on.set()
    assert [run.outcome for run in loop.runs if run.duty == "health"] == [Outcome.DONE]
    assert len([run for run in loop.runs if run.duty == "risk"]) >= 3
    assert loop.complaints == []


def test_asked_to_end_it_finishes_the_tenant_at_hand(db: Database, world: World, tools: Tools) -> None:
    under_way, go_on = Event(), Event()
    seen: list[str] = []

    def do(work: Work) -> None:
        for tenant in work.tenants():
            with work.part(tenant.slug):
                under_way.set()
                assert go_on.wait(PATIENCE)
                seen.append(tenant.slug)

    with Loop(world, tools, duty(do)) as loop:
        assert under_way.wait(PATIENCE)
        loop.stop.set()
        go_on.set()
    assert seen == ["platform"]
    assert [run.outcome for run in loop.runs] == [Outcome.STOPPED]
    assert lease_of()["last_run_at"] is None


def test_asked_to_end_it_waits_for_webhooks_that_outlasted_their_run(db: Database, world: World, tools: Tools) -> None:
    known: list[Turns] = []

    def leaving(work: Work) -> None:
        assert work.turns is not None
        if not known:
            work.turns.longest = PATIENCE
            work.turns.places[HOOK] = Place(world.acme, HOOK)
            known.append(work.turns)

    with Loop(world, tools, duty(leaving)) as loop:
        while not loop.runs:
            Event().wait(0.01)
        loop.stop.set()
        loop.thread.join(0.1)
        assert loop.thread.is_alive()
        known[0].ended.put(_Turn(Place(world.acme, HOOK)))
    assert known[0].places == {}


def test_a_stopped_run_says_what_was_sent_until_then(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sending(*_: Any, came_to: WebhooksSent, **__: Any) -> None:
        came_to.counts["sent"] += 2
        came_to.failures["webhook 1"] = "a defect"
        raise Stopped

    monkeypatch.setattr(duties, "send_webhooks", sending)
    run = did(world, tools, "webhooks")
    assert (run.outcome, run.counts, run.failures) == (Outcome.STOPPED, {"sent": 2}, {"webhook 1": "a defect"})


def test_a_database_that_is_away_is_waited_for(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looping, "FIRST_PAUSE", 0.01)
    done, tries = Event(), 0

    def sessions(*given: Any, **how: Any) -> Any:
        nonlocal tries
        tries += 1
        if 1 < tries < 5:
            raise DatabaseUnavailable("the database is away")
        return get_db_session(*given, **how)

    with Loop(world, tools, duty(lambda _: done.set()), sessions=sessions) as loop:
        assert done.wait(PATIENCE)
    assert loop.complaints == [("risk", "the database is away")] * 3
    assert [run.outcome for run in loop.runs] == [Outcome.DONE]


def test_what_another_process_does_and_what_is_off_is_left_to_it(db: Database, world: World, tools: Tools) -> None:
    assert a_lease("risk").claim(None)
    done = Event()
    duties = [duty(lambda _: pytest.fail("it is another's"), "risk"), duty(lambda _: done.set(), "health")]
    off = duty(lambda _: pytest.fail("it is off"), "market")
    with settings(SPOTHIVE_SWEEP_MARKET="0"), Loop(world, tools, *duties, off) as loop:
        assert done.wait(PATIENCE)
    assert [run.duty for run in loop.runs] == ["health"]


def test_it_is_for_staff_of_platform(db: Database, world: World, tools: Tools) -> None:
    with pytest.raises(Denied):
        keep_sweeping(get_db_session, world.anna, tools, stop=Event(), tell=lambda _: None)
