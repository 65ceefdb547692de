"""Webhooks leave with the change that is told of, again until they are taken, and not for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Barrier, Event, Semaphore, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from spothive.clock import utc_now
from spothive.database import AuditLog, get_db_session, read_session, system_scope
from spothive.errors import DatabaseUnavailable, KeyMissing
from spothive.gateways.webhook_stand_in import Reply, Request, WebhookStandIn
from spothive.gateways.webhooks import Answer, Limits, Message, Trouble, WebhookSender
from spothive.models import (
    EmailLog,
    Notice,
    NoticeEvent,
    Tenant,
    User,
    WebhookConfiguration,
    WebhookLog,
    WebhookProvider,
)
from spothive.operations.notifications import (
    Turns,
    delivering,
    rotate_signing_secret,
    send_test,
    send_webhooks,
    set_webhook_active,
    show_webhook,
    tell,
)
from spothive.operations.notifications.webhook_outbox import LADDER, LEASE, Outcome, claim_next, find_due, settle
from spothive.operations.sweeps.work import Stopped
from tests.conftest import Database
from tests.factories.sealing import make_keyring
from tests.factories.webhooks import (
    EVENT,
    RING,
    delivery,
    make_deliveries,
    make_due,
    make_webhook,
    sent,
    told,
    webhook,
)
from tests.operations.conftest import World
from tests.watching import explained, rows_of, statements

OK = Answer(None, "answered 200", 200, "ok")
BAD = Answer(Trouble.HTTP, "answered 500", 500, "oh")
PATIENCE = 30


@pytest.fixture
def receiver() -> Iterator[WebhookStandIn]:
    with WebhookStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def hook(world: World, receiver: WebhookStandIn) -> UUID:
    """Add a webhook of anna to the receiver, which verifies."""
    webhook_id, secret = make_webhook(world.anna, receiver.url)
    receiver.keys = [secret]
    return webhook_id


class Scripted(WebhookSender):
    """Answers what a test says, and keeps what it was to send."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.messages: list[Message] = []

    def send(self, message: Message) -> Answer:
        self.messages.append(message)
        return self.answers.pop(0) if self.answers else OK


def test_what_is_committed_is_sent_once_and_signed(world: World, receiver: WebhookStandIn, hook: UUID) -> None:
    with pytest.raises(ZeroDivisionError), get_db_session(tenant=world.acme) as session:
        tell(session, EVENT, "never", "it was rolled back")
        session.flush()
        raise ZeroDivisionError
    assert dict(sent().counts) == {}
    told(world.acme)
    assert sent().counts["sent"] == 1
    assert dict(sent().counts) == {}
    row = delivery()
    (payload,) = receiver.taken.values()
    assert payload["data"]["title"] == "Account main failed"
    assert (row["status"], row["attempts"], row["http_status_code"], row["response_body"]) == ("sent", 1, 200, "ok")
    assert receiver.taken.keys() == {row["message_id"]}
    assert webhook(hook)["last_used_at"] == row["sent_at"]


def test_a_failed_delivery_climbs_down_the_ladder_with_one_id_and_is_given_up(world: World, hook: UUID) -> None:
    (message,) = make_deliveries(world.acme, hook)
    sender = Scripted(*[BAD] * 7)
    for number, pause in enumerate(LADDER, 1):
        assert sent(sender=sender).counts == {"retried_later": 1}
        row = delivery()
        assert (row["status"], row["attempts"], row["last_error"]) == ("pending", number, "http")
        assert pause - timedelta(seconds=30) < row["next_attempt_at"] - utc_now() <= pause
        assert dict(sent(sender=sender).counts) == {}, "not before its time"
        make_due()
    assert [pause.total_seconds() for pause in LADDER] == [5, 300, 1800, 7200, 18000, 36000]
    assert sent(sender=sender).counts == {"given_up": 1}
    row = delivery()
    assert (row["status"], row["attempts"], row["next_attempt_at"], row["sent_at"]) == ("failed", 7, None, None)
    assert {each.id for each in sender.messages} == {message}
    assert webhook(hook)["consecutive_failures"] == 7


def test_ten_failures_in_a_row_disable_it_and_tell_its_owner_once(world: World, hook: UUID) -> None:
    other, _ = make_webhook(world.anna, "https://other.example/", NoticeEvent.WEBHOOK_DISABLED)
    make_deliveries(world.acme, hook, 12)
    sender = Scripted(*[BAD] * 10)
    for number in range(1, 11):
        counts = sent(sender=sender).counts
        assert (counts["retried_later"], counts["disabled"]) == (1, number == 10)
        row = webhook(hook)
        assert (row["consecutive_failures"], row["is_active"]) == (number, number < 10)
    assert webhook(hook)["last_error"] == "http: answered 500"
    assert [(each["user_id"], each["event_type"]) for each in rows_of(Notice)] == [
        (world.anna.user_id, "webhook.disabled")
    ]
    assert len(rows_of(EmailLog)) == 1
    assert [each["attempts"] for each in rows_of(WebhookLog, webhook_config_id=hook)].count(1) == 10
    make_due(webhook_config_id=hook)
    sent(sender=sender)
    assert [message.url for message in sender.messages[10:]] == ["https://other.example/"], "the other hears of it"
    assert len(rows_of(WebhookLog, webhook_config_id=other)) == 1
    with get_db_session(tenant=world.acme) as session:
        set_webhook_active(session, world.anna, str(hook), active=True)
    assert webhook(hook)["consecutive_failures"] == 0
    assert sent(sender=sender).counts == {"sent": 12}
    assert len(rows_of(Notice)) == 1


def test_nine_failures_and_a_success_begin_anew(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook, 30)
    sender = Scripted(*[BAD] * 9, OK, *[BAD] * 9)
    for _ in range(9):
        sent(sender=sender)
    assert webhook(hook)["consecutive_failures"] == 9
    assert sent(sender=sender).counts == {"sent": 1, "retried_later": 1}
    for _ in range(8):
        sent(sender=sender)
    row = webhook(hook)
    assert (row["consecutive_failures"], row["is_active"], rows_of(Notice)) == (9, True, [])


def test_two_senders_at_once_count_right_and_disable_it_once(db: Database, world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook, 20)
    together = Barrier(2, timeout=PATIENCE)

    class Both(Scripted):
        def send(self, message: Message) -> Answer:
            together.wait()  # both hold a claim
            return super().send(message)

    sender = Both(*[BAD] * 20)
    for number in range(1, 6):
        threads = [Thread(target=sent, kwargs={"sender": sender}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert webhook(hook)["consecutive_failures"] == 2 * number
    assert len({message.id for message in sender.messages}) == 10, "no delivery was claimed twice"
    assert (webhook(hook)["is_active"], len(rows_of(Notice))) == (False, 1)


def test_a_claim_that_was_taken_over_settles_nothing(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook)
    with get_db_session(tenant=world.acme) as session:
        first = claim_next(session, hook, RING)
        assert claim_next(session, hook, RING) is None
    leased = delivery()["next_attempt_at"] - utc_now()
    assert LEASE - timedelta(seconds=30) < leased <= LEASE
    make_due()  # the process has died
    with get_db_session(tenant=world.acme) as session:
        second = claim_next(session, hook, RING)
    assert first is not None
    assert second is not None
    assert (first.attempts, second.attempts, first.message.id) == (1, 2, second.message.id)
    with get_db_session(tenant=world.acme) as session:
        assert settle(session, first, BAD).outcome is Outcome.LOST
    assert webhook(hook)["consecutive_failures"] == 0
    with get_db_session(tenant=world.acme) as session:
        assert settle(session, second, OK).outcome is Outcome.SENT
    with get_db_session(tenant=world.acme) as session:
        assert settle(session, second, BAD).outcome is Outcome.LOST
    assert (delivery()["status"], delivery()["attempts"]) == ("sent", 2)


def test_a_webhook_that_is_removed_meanwhile_is_no_trouble(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook)
    with get_db_session(tenant=world.acme) as session:
        claim = claim_next(session, hook, RING)
        assert claim is not None
        session.delete(session.get_one(WebhookConfiguration, hook))
    with get_db_session(tenant=world.acme) as session:
        assert settle(session, claim, OK).outcome is Outcome.LOST


def test_what_was_tried_a_hundred_times_is_given_up(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook)
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(WebhookLog).values(attempts=100))
    assert dict(sent(sender=Scripted()).counts) == {}
    assert delivery()["status"] == "failed"


def test_too_many_requests_hold_all_back_and_are_no_failure(world: World) -> None:
    hook, _ = make_webhook(world.anna, "http://127.0.0.1:1/", provider=WebhookProvider.SLACK)
    make_deliveries(world.acme, hook, 3)
    sender = Scripted(Answer(Trouble.RATE_LIMITED, "answered 429", 429, "", 120.0))
    assert sent(sender=sender).counts == {"retried_later": 1}
    assert sender.messages[0].to_slack
    assert sender.messages[0].keys == []
    waits = [row["next_attempt_at"] - utc_now() for row in rows_of(WebhookLog)]
    assert all(timedelta(seconds=90) < wait <= timedelta(seconds=120) for wait in waits)
    first = rows_of(WebhookLog)[0]
    assert (first["last_error"], first["attempts"]) == ("rate_limited", 1)
    assert (webhook(hook)["consecutive_failures"], webhook(hook)["last_error"]) == (0, "rate_limited: answered 429")
    assert dict(sent(sender=sender).counts) == {}


def test_a_receiver_that_is_gone_is_told_nothing_more(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook, 2)
    assert sent(sender=Scripted(Answer(Trouble.HTTP, "answered 410", 410, ""))).counts["disabled"] == 1
    assert webhook(hook)["is_active"] is False
    assert "it answered that it is gone" in rows_of(Notice)[0]["body"]


def test_a_slow_receiver_holds_up_itself_alone(
    world: World, receiver: WebhookStandIn, hook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deliveries(world.acme, hook, 3)
    go_on, turns = Event(), Turns()
    with WebhookStandIn() as silent:
        slow, _ = make_webhook(world.gina, silent.url)

        def answer(_: Request) -> Reply:
            assert go_on.wait(PATIENCE)
            return Reply(200)

        monkeypatch.setattr(silent, "answer", answer)
        (message,) = make_deliveries(world.globex, slow)
        sender = WebhookSender(receiver.networks, limits=Limits(read=PATIENCE, whole=PATIENCE))
        monkeypatch.setattr(delivering, "RUN", 0.2)
        done = Counter(sent(sender=sender, turns=turns).counts)
        while done["sent"] < 3:
            done += sent(sender=sender, turns=turns).counts
        assert turns.places.keys() == {slow}
        make_deliveries(world.acme, hook)
        make_deliveries(world.globex, slow)
        done.update(sent(sender=sender, turns=turns).counts)
        assert len(rows_of(WebhookLog, webhook_config_id=slow, attempts=0)) == 1, "it is left alone until it is done"
        go_on.set()
        while done["sent"] < 6:  # that of the first run is counted by a later one
            done += sent(sender=sender, turns=turns).counts
        assert done == {"sent": 6}
    assert delivery(message_id=message)["status"] == "sent"


def test_of_one_tenant_a_few_are_sent_to_at_once_and_the_others_have_their_turn(world: World) -> None:
    hooks = [make_webhook(world.anna, f"https://r{number}.example/")[0] for number in range(6)]
    other, _ = make_webhook(world.gina, "https://globex.example/")
    for each in hooks:
        make_deliveries(world.acme, each, 2)
    make_deliveries(world.globex, other)
    go_on, looks = Event(), Semaphore(0)
    inside: list[str] = []

    class Waiting(Scripted):
        def send(self, message: Message) -> Answer:
            if "globex" not in message.url:
                inside.append(message.url)
                assert go_on.wait(PATIENCE)
            return super().send(message)

    sender = Waiting()
    how: dict[str, Any] = {"sender": sender, "go_on": looks.release}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivering, "LOOK_AGAIN", 0.01)
        thread = Thread(target=sent, kwargs=how)
        thread.start()
        while len(inside) < delivering.OF_ONE_TENANT or not sender.messages:
            Event().wait(0.01)
        for _ in range(looks._value + 3):  # noqa: SLF001 - it looked three times since
            assert looks.acquire(timeout=PATIENCE)
        assert len(inside) == delivering.OF_ONE_TENANT
        assert [message.url for message in sender.messages] == ["https://globex.example/"]
        go_on.set()
        thread.join(PATIENCE)
    assert {row["status"] for row in rows_of(WebhookLog)} == {"sent"}


def test_a_disabled_webhook_keeps_what_waits(world: World, hook: UUID) -> None:
    (before,) = make_deliveries(world.acme, hook)
    with get_db_session(tenant=world.acme) as session:
        set_webhook_active(session, world.anna, str(hook), active=False)
    assert dict(sent(sender=Scripted()).counts) == {}
    assert delivery()["attempts"] == 0
    told(world.acme)
    with get_db_session(tenant=world.acme) as session:
        set_webhook_active(session, world.anna, str(hook), active=True)
    sender = Scripted()
    assert sent(sender=sender).counts == {"sent": 1}
    assert [message.id for message in sender.messages] == [before], "what happened meanwhile is not sent"
    assert {row["event_type"] for row in rows_of(Notice)} == {EVENT}, "and there all the same"


@pytest.mark.parametrize("whose", ["owner", "tenant"])
def test_nothing_is_sent_for_a_disabled_owner_or_a_suspended_tenant(world: World, hook: UUID, whose: str) -> None:
    (message,) = make_deliveries(world.acme, hook)
    asleep = update(User).where(User.id == world.anna.user_id) if whose == "owner" else update(Tenant)
    asleep = asleep if whose == "owner" else asleep.where(Tenant.id == world.acme)

    def wake(active: bool) -> None:
        with get_db_session(tenant=world.acme) as session, system_scope(session, "a test"):
            session.execute(asleep.values(is_active=active))

    wake(False)
    assert dict(sent(sender=Scripted()).counts) == {}
    with get_db_session(tenant=world.acme) as session:
        assert claim_next(session, hook, RING) is None
        assert show_webhook(session, str(hook)).owner_is_active is (whose == "tenant")
    assert (delivery()["status"], delivery()["attempts"]) == ("pending", 0)
    wake(True)
    sender = Scripted()
    assert sent(sender=sender).counts == {"sent": 1}
    assert [each.id for each in sender.messages] == [message]


def test_the_secret_of_before_signs_until_its_time_is_over(world: World, receiver: WebhookStandIn, hook: UUID) -> None:
    old = receiver.keys[0]
    with get_db_session(tenant=world.acme) as session:
        _, new = rotate_signing_secret(session, world.anna, str(hook), keyring=RING)
    make_deliveries(world.acme, hook, 2)
    sender = Scripted(OK)
    sent(sender=sender)
    assert [list(message.keys) for message in sender.messages] == [[new, old]] * 2
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(WebhookConfiguration).values(previous_until=utc_now() - timedelta(seconds=1)))
    make_deliveries(world.acme, hook)
    sent(sender=sender)
    assert list(sender.messages[-1].keys) == [new]
    row = webhook(hook)
    assert (row["previous_secret"], row["previous_until"]) == (None, None), "what signs no more is kept no longer"


def test_what_is_due_is_found_by_an_index_of_what_waits(db: Database, world: World, hook: UUID) -> None:
    with read_session() as session, system_scope(session, "as the sweep asks"):
        if db.engine == "postgresql":  # which reads a table that is empty from end to end
            session.execute(text("SET LOCAL enable_seqscan = off"))
        look = partial(find_due, session, skip=frozenset(), taken={world.globex: 4}, each_tenant=4, limit=32)
        plan = explained(session, "webhook_logs", look)
    assert "ix_webhook_logs_due" in plan


# --- tests ---------------------------------------------------------------------------------------------------------


def try_out(world: World, hook: UUID, sender: WebhookSender) -> Answer:
    known: dict[str, Any] = {"tenant_id": world.acme, "webhook": str(hook), "sender": sender, "keys": lambda: RING}
    return send_test(get_db_session, world.anna, **known).answer


def test_a_test_is_sent_at_once_even_to_a_disabled_webhook(world: World, receiver: WebhookStandIn, hook: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_webhook_active(session, world.anna, str(hook), active=False)
    assert try_out(world, hook, WebhookSender(receiver.networks)).trouble is None
    (payload,) = receiver.taken.values()
    assert (payload["type"], delivery()["status"]) == ("webhook.test", "sent")
    assert [row["event"] for row in rows_of(AuditLog)][-1] == "webhook.tested"


def test_a_test_that_fails_is_not_tried_again_and_does_not_count(world: World, hook: UUID) -> None:
    for answer in (BAD, Answer(Trouble.HTTP, "answered 410", 410, "")):
        assert try_out(world, hook, Scripted(answer)) == answer
    assert {row["status"] for row in rows_of(WebhookLog)} == {"failed"}
    assert (webhook(hook)["consecutive_failures"], webhook(hook)["is_active"]) == (0, True)


def test_a_test_whose_process_died_is_sent_like_any_other(world: World, hook: UUID) -> None:
    class Dying(Scripted):
        def send(self, message: Message) -> Answer:
            raise ZeroDivisionError(message.id)

    with pytest.raises(ZeroDivisionError):
        try_out(world, hook, Dying())
    assert dict(sent(sender=Scripted()).counts) == {}
    make_due()
    assert sent(sender=Scripted()).counts == {"sent": 1}


# --- what is in the way ----------------------------------------------------------------------------------------------


def test_what_a_missing_key_keeps_from_being_opened_stays_and_is_named(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook)
    other = make_keyring("ffffffff")
    done = send_webhooks(get_db_session, sender=Scripted(), keys=lambda: other)
    assert "a1b2c3d4" in done.failures[f"webhook {hook}"]
    assert (delivery()["status"], delivery()["attempts"]) == ("pending", 0)

    def none() -> Any:
        raise KeyMissing("no key at all")

    with pytest.raises(KeyMissing):
        send_webhooks(get_db_session, sender=Scripted(), keys=none)
    sent(sender=Scripted())
    assert dict(send_webhooks(get_db_session, sender=Scripted(), keys=none).counts) == {}, (
        "nothing is due: no key needed"
    )


def test_a_defect_stops_no_other_webhook_and_a_lost_database_stops_all(
    world: World, hook: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    fine, _ = make_webhook(world.anna, "https://fine.example/")
    for each in (hook, fine):
        make_deliveries(world.acme, each)

    class Broken(Scripted):
        error: Exception = ZeroDivisionError("a secret")

        def send(self, message: Message) -> Answer:
            if "fine" in message.url:
                return super().send(message)
            raise self.error

    done = sent(sender=Broken())
    assert done.counts == {"sent": 1, "retried_later": 1}
    assert done.failures == {f"webhook {hook}": "a defect of spothive: ZeroDivisionError"}
    assert "a webhook could not be sent" in caplog.text
    (row,) = rows_of(WebhookLog, webhook_config_id=hook)
    assert (row["status"], row["attempts"], row["last_error"], row["response_body"]) == ("pending", 1, "http", None)
    assert webhook(hook)["last_error"] == "http: a defect of spothive: ZeroDivisionError"
    assert webhook(hook)["consecutive_failures"] == 1
    make_due()
    broken = Broken()
    broken.error = DatabaseUnavailable("it went away")
    with pytest.raises(DatabaseUnavailable):
        sent(sender=broken)


def test_asked_to_end_it_finishes_what_is_under_way(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook, 5)
    asked = iter([False, True])

    def go_on() -> None:
        if next(asked):
            raise Stopped

    began = Event()

    class Slow(Scripted):
        def send(self, message: Message) -> Answer:
            began.set()
            Event().wait(0.1)
            return super().send(message)

    with pytest.raises(Stopped), pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivering, "LOOK_AGAIN", 0.01)
        sent(sender=Slow(), go_on=go_on)
    statuses = [row["status"] for row in rows_of(WebhookLog)]
    assert (statuses.count("sent"), {row["attempts"] for row in rows_of(WebhookLog)}) == (1, {0, 1})


def test_a_delivery_costs_a_handful_of_statements(world: World, hook: UUID) -> None:
    make_deliveries(world.acme, hook, 10)
    with statements() as seen:
        assert sent(sender=Scripted()).counts == {"sent": 10}
    # Looking for what is due is asked by the clock, however much is sent.
    no_work = ("PRAGMA", "BEGIN", "SELECT set_config")
    words = Counter({text: n for text, n in seen.items() if not text.startswith(no_work) and "row_number" not in text})
    assert words.total() <= 10 * 5 + 1, words
