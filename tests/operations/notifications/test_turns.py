"""Who is sent to at once: fairly, few of one tenant, and nothing of it is lost when a run or a process ends."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Timer
from uuid import UUID, uuid4

import pytest

from spothive.database import read_session, system_scope
from spothive.errors import ValueRefused
from spothive.gateways.webhooks import Answer, Message
from spothive.models import WebhookLog
from spothive.operations.notifications import Turns, WebhooksSent, delivering
from spothive.operations.notifications.webhook_outbox import Place, find_due, settle
from spothive.operations.sweeps.work import Stopped
from tests.factories.webhooks import make_deliveries, make_due, make_webhook, sent, webhook
from tests.operations.conftest import World
from tests.operations.notifications.test_delivering import OK, PATIENCE, Scripted
from tests.watching import rows_of


class Silent(Scripted):
    """Answers only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may = Event(), Event()

    @property
    def longest(self) -> float:
        return float(PATIENCE)

    def send(self, message: Message) -> Answer:
        self.began.set()
        assert self.may.wait(PATIENCE)
        return super().send(message)


@pytest.fixture
def hook(world: World) -> UUID:
    return make_webhook(world.anna, "https://first.example/")[0]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    monkeypatch.setattr(delivering, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(delivering, "RUN", 0.05)
    sender = Silent()
    yield sender
    sender.may.set()


def due(taken: dict[UUID, int], limit: int = 32, each_tenant: int = 2) -> list[Place]:
    with read_session() as session, system_scope(session, "as a run asks"):
        return find_due(session, skip=frozenset(), taken=taken, each_tenant=each_tenant, limit=limit)


def test_places_are_shared_fairly_between_tenants_whatever_is_under_way(world: World) -> None:
    acme = [make_webhook(world.anna, f"https://r{number}.example/")[0] for number in range(3)]
    globex = [make_webhook(world.gina, f"https://r{number}.example/")[0] for number in range(3)]
    for each in globex:
        make_deliveries(world.globex, each)
    for each in acme:
        make_deliveries(world.acme, each)
    make_due(webhook_config_id=acme[0])  # a second ago: the others have been due for minutes
    first, second = due({}, limit=2)
    assert (first, second) == (Place(world.globex, globex[0]), Place(world.acme, acme[0])), "who waits for longest"
    assert [place.tenant_id for place in due({})].count(world.acme) == 2
    assert due({world.globex: 1}, limit=1) == [Place(world.acme, acme[0])], "who has none yet"
    assert due({world.globex: 1}) == [
        Place(world.acme, acme[0]),
        Place(world.globex, globex[0]),
        Place(world.acme, acme[1]),
    ]
    assert due({world.globex: 2}, limit=2) == [Place(world.acme, each) for each in acme[:2]], "the full take no room"
    assert due({world.globex: 2, world.acme: 5, uuid4(): 1}) == []


def test_of_one_tenant_no_more_are_sent_to_at_once_over_several_runs(world: World, silent: Silent) -> None:
    for number in range(delivering.OF_ONE_TENANT + 2):
        make_deliveries(world.acme, make_webhook(world.anna, f"https://r{number}.example/")[0])
    turns = Turns()
    for _ in range(3):
        sent(sender=silent, turns=turns)
    assert len(turns.places) == delivering.OF_ONE_TENANT
    silent.may.set()
    turns.finish()
    assert turns.places == {}
    assert len(silent.messages) == delivering.OF_ONE_TENANT


def test_what_breaks_after_its_run_is_logged_and_noted_by_the_next(
    world: World, hook: UUID, silent: Silent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_deliveries(world.acme, hook)

    def broken(_: Scripted, message: Message) -> Answer:
        raise ZeroDivisionError(message.id)

    monkeypatch.setattr(Scripted, "send", broken)
    turns = Turns()
    assert sent(sender=silent, turns=turns) == WebhooksSent()
    silent.may.set()
    while turns.ended.empty():
        Event().wait(0.01)
    assert "a webhook could not be sent" in caplog.text
    done = sent(sender=silent, turns=turns)
    assert done.counts == {"retried_later": 1}
    assert done.failures == {f"webhook {hook}": "a defect of spothive: ZeroDivisionError"}
    assert webhook(hook)["consecutive_failures"] == 1


def test_asked_to_end_a_run_waits_for_the_turns_of_earlier_ones_and_counts_them(
    world: World, hook: UUID, silent: Silent
) -> None:
    make_deliveries(world.acme, hook, 3)
    turns, done = Turns(), WebhooksSent()
    sent(sender=silent, turns=turns)
    assert silent.began.wait(PATIENCE)

    def stop() -> None:
        Timer(0.1, silent.may.set).start()
        raise Stopped

    with pytest.raises(Stopped):
        sent(sender=silent, turns=turns, go_on=stop, came_to=done)
    assert done.counts == {"sent": 1}
    assert [row["status"] for row in rows_of(WebhookLog)].count("sent") == 1, "and begins with nothing more"
    assert turns.places == {}


def test_who_ends_waits_no_longer_than_an_attempt_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "_SETTLING", 0.05)
    turns, hook = Turns(), uuid4()
    turns.places[hook] = Place(world.acme, hook)
    turns.finish()
    assert turns.places.keys() == {hook}


@pytest.mark.parametrize("breaks", ["once", "for this answer"])
def test_an_answer_that_cannot_be_written_down_is_a_failed_attempt_at_worst(
    world: World, hook: UUID, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    make_deliveries(world.acme, hook, 2)
    seen: list[Answer] = []

    def breaking(session: object, claim: object, answer: Answer) -> object:
        seen.append(answer)
        if answer == OK and (breaks != "once" or len(seen) == 1):
            raise ValueRefused("it does not fit", rule="ck_some_rule")
        return settle(session, claim, answer)  # type: ignore[arg-type]

    monkeypatch.setattr(delivering, "settle", breaking)
    done = sent(sender=Scripted())
    assert done.counts == ({"sent": 1} if breaks == "once" else {"retried_later": 1})
    assert list(done.failures) == [f"webhook {hook}"]
    rows = sorted(rows_of(WebhookLog), key=lambda row: -row["attempts"])
    assert [(row["status"], row["attempts"]) for row in rows] == [
        ("sent" if breaks == "once" else "pending", 1),
        ("pending", 0),
    ]
