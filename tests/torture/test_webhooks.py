"""Whoever sends webhooks, or tells of a change, is killed anywhere: what was committed arrives, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

import pytest

from spothive.database import dispose_engine, get_db_session
from spothive.gateways.webhook_stand_in import Reply, WebhookStandIn
from spothive.models import Notice, WebhookLog
from spothive.operations.notifications import tell
from tests.conftest import Database
from tests.factories.webhooks import EVENT, make_deliveries, make_due, make_webhook, sent, told, webhook
from tests.torture import webhook_works
from tests.torture.conftest import wait_until_alone
from tests.torture.processes import Child, all_at_once, at_work
from tests.torture.test_approvals import make_acme
from tests.watching import rows_of

pytestmark = pytest.mark.torture

STEPS = 10
"""Words of a run with two messages: around each claim's commit, around each message, and around each settling."""


@pytest.fixture
def receiver() -> Iterator[WebhookStandIn]:
    with WebhookStandIn() as stand_in:
        yield stand_in


def send_the_rest() -> None:
    """Let the leases of the dead be over, and send what is left."""
    make_due()
    while sent().counts:
        make_due()


def test_what_was_committed_arrives_though_the_sender_is_killed_at_every_step(
    db: Database, receiver: WebhookStandIn
) -> None:
    anna, acme = make_acme()
    hook, secret = make_webhook(anna, receiver.url)
    receiver.keys = [secret]
    rng, killed, expected = Random(11), 0, set[str]()
    rounds = [*range(STEPS), *(rng.randrange(STEPS) for _ in range(STEPS))]
    for steps in rounds:
        expected |= set(make_deliveries(acme, hook, 2))
        with Child(webhook_works.send_until_killed) as child:
            child.go()
            child.take(steps)
            time.sleep(rng.random() * webhook_works.PAUSE * 1.5)
            killed += child.kill()
        dispose_engine()
        wait_until_alone(db)
        assert {row["status"] for row in rows_of(WebhookLog)} <= {"pending", "sent"}
        send_the_rest()
        assert set(receiver.taken) == expected
        assert {row["status"] for row in rows_of(WebhookLog)} == {"sent"}
    twice = sum(count > 1 for count in receiver.seen.values())
    most = max(row["attempts"] for row in rows_of(WebhookLog))
    print(f"{db.engine}: {len(rounds)} runs, {killed} killed at work; {len(expected)} messages, {twice} came twice")
    assert killed >= len(rounds) // 2
    assert (receiver.refused, most) == ([], 2)
    assert webhook(hook)["consecutive_failures"] == 0


def test_what_is_rolled_back_or_killed_before_its_commit_never_arrives(db: Database, receiver: WebhookStandIn) -> None:
    anna, acme = make_acme()
    _, secret = make_webhook(anna, receiver.url)
    receiver.keys = [secret]
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), get_db_session(tenant=acme) as session:
            tell(session, EVENT, "rolled back", "")
            session.flush()
            raise ZeroDivisionError
    rng, rounds = Random(12), 10
    for _ in range(rounds):
        with Child(webhook_works.tell_again_and_again, acme) as child:
            child.go()
            child.take(1)
            time.sleep(rng.random() * 0.05)
            child.kill()
        dispose_engine()
        wait_until_alone(db)
        send_the_rest()
    committed = len(rows_of(Notice))
    print(f"{db.engine}: {committed} changes in {rounds} lives")
    assert committed >= rounds
    assert len(receiver.taken) == len(rows_of(WebhookLog)) == committed
    assert {payload["data"]["title"] for payload in receiver.taken.values()} == {"Account main failed"}
    assert max(receiver.seen.values()) == 1


def test_two_senders_at_once_send_each_message_once(db: Database, receiver: WebhookStandIn) -> None:
    anna, acme = make_acme()
    hooks = [make_webhook(anna, receiver.url) for _ in range(5)]
    receiver.keys = [secret for _, secret in hooks]
    expected = {name for hook, _ in hooks for name in make_deliveries(acme, hook, 40)}
    dispose_engine()
    counts = [words[-2] for words in all_at_once(2, webhook_works.send_for, 8.0)]
    print(f"{db.engine}: two senders sent {counts}")
    assert sum(counts) == len(expected) == 200
    assert set(receiver.taken) == expected
    assert set(receiver.seen.values()) == {1}
    assert min(counts) > 0
    assert {row["attempts"] for row in rows_of(WebhookLog)} == {1}


def test_two_senders_at_once_disable_what_fails_once(db: Database, receiver: WebhookStandIn) -> None:
    anna, acme = make_acme()
    hook, _ = make_webhook(anna, receiver.url)
    receiver.always = Reply(500)
    make_deliveries(acme, hook, 60)
    dispose_engine()
    all_at_once(2, webhook_works.send_for, 6.0)
    row = webhook(hook)
    print(f"{db.engine}: {len(receiver.requests)} attempts, {row['consecutive_failures']} failures")
    assert row["is_active"] is False
    assert row["consecutive_failures"] == len(receiver.requests)
    assert row["consecutive_failures"] in {10, 11}, "the other one may have had a message under way"
    assert len([row for row in rows_of(Notice) if row["event_type"] == "webhook.disabled"]) == 1


def test_a_sender_that_is_killed_again_and_again_beside_another_loses_nothing(
    db: Database, receiver: WebhookStandIn
) -> None:
    anna, acme = make_acme()
    hook, secret = make_webhook(anna, receiver.url)
    receiver.keys = [secret]
    rng = Random(13)
    for _ in range(8):
        for _ in range(5):
            told(acme)
        dispose_engine()
        with at_work(webhook_works.send_for, 3.0) as steady, Child(webhook_works.send_until_killed) as child:
            child.go()
            time.sleep(rng.random() * 0.3)
            child.kill()
            make_due()
            assert isinstance(steady.hear(), int)
    send_the_rest()
    assert len(receiver.taken) == len(rows_of(WebhookLog)) == 40
    assert {row["status"] for row in rows_of(WebhookLog)} == {"sent"}
    assert webhook(hook)["consecutive_failures"] == 0
