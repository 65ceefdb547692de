"""Adding, changing and removing webhooks, and asking for deliveries anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import AuditLog, get_db_session, read_session
from spothive.errors import (
    Conflict,
    IllegalMove,
    InvalidInput,
    NotFound,
    SecretUnreadable,
    SpothiveError,
    ValueRefused,
)
from spothive.gateways.webhooks import Answer, Trouble
from spothive.models import DeliveryStatus, NoticeEvent, WebhookConfiguration, WebhookLog, WebhookProvider
from spothive.operations.notifications import (
    NewWebhook,
    Turns,
    add_webhook,
    find_webhook,
    list_deliveries,
    list_webhooks,
    redeliver,
    remove_webhook,
    rotate_signing_secret,
    set_webhook_active,
    set_webhook_events,
    show_webhook,
)
from spothive.operations.notifications.webhook_outbox import LADDER, Place
from spothive.operations.secrets import rotate
from spothive.schema.sealed import unseal
from tests.conftest import settings
from tests.factories.sealing import two_keyrings
from tests.factories.webhooks import EVENT, RING, delivery, make_deliveries, make_webhook, sent, webhook
from tests.operations.conftest import World
from tests.operations.notifications.test_delivering import BAD, Scripted
from tests.watching import everything, rows_of, statements

URL = "https://hooks.example/q8Zr-secret-part"
SLACK = "https://hooks.slack.com/services/T0001/B0001/q8Zr-secret-part"


def test_a_webhook_is_added_with_its_url_and_its_secret_sealed(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        new = NewWebhook(WebhookProvider.WEBHOOK, URL, [NoticeEvent.WASTE_FLAGGED, EVENT, EVENT], "incidents")
        row, secret = add_webhook(session, world.anna, new, keyring=RING)
        assert repr(new) != "", "which does not show the URL"
    assert "q8Zr" not in repr(new)
    assert secret is not None
    with read_session(tenant=world.acme) as session:
        found = find_webhook(session, "incidents")
        assert (unseal(RING, found, "webhook_url"), unseal(RING, found, "signing_secret")) == (URL, secret)
        assert (found.url_host, found.enabled_events) == ("hooks.example", [EVENT, NoticeEvent.WASTE_FLAGGED])
        assert found.id == row.id
    stored = str(everything())
    assert [part for part in ("q8Zr", secret, secret[6:]) if part in stored] == []


def test_slack_needs_no_signature_and_takes_no_other_url(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        _, secret = add_webhook(session, world.anna, NewWebhook(WebhookProvider.SLACK, SLACK), keyring=RING)
    assert secret is None
    with (
        pytest.raises(InvalidInput, match="copy the one that Slack shows"),
        get_db_session(tenant=world.acme) as session,
    ):
        add_webhook(session, world.anna, NewWebhook(WebhookProvider.SLACK, URL), keyring=RING)


@pytest.mark.parametrize(
    ("new", "error", "said"),
    [
        ({"url": "http://hooks.example/"}, InvalidInput, "begins with https"),
        ({"url": "https://user:word@hooks.example/"}, InvalidInput, "no user, no password"),
        ({"url": "https://2130706433/"}, InvalidInput, "no other spelling"),
        ({"name": " "}, InvalidInput, "neither blank nor an id"),
        ({"name": str(UUID(int=5))}, InvalidInput, "neither blank nor an id"),
        ({"name": "x" * 101}, InvalidInput, "at most 100 characters"),
        ({"owner": "nobody"}, NotFound, "no user of this tenant"),
        ({"owner": "gina"}, NotFound, "no user of this tenant"),
        ({"actor": "admin"}, InvalidInput, "name whose it is"),
    ],
)
def test_what_is_no_webhook_is_refused(
    world: World, new: dict[str, Any], error: type[SpothiveError], said: str
) -> None:
    facts = NewWebhook(WebhookProvider.WEBHOOK, new.get("url", URL), name=new.get("name"))
    actor = getattr(world, new.get("actor", "anna"))
    with pytest.raises(error, match=said), get_db_session(tenant=world.acme) as session:
        add_webhook(session, actor, facts, keyring=RING, owner=new.get("owner"))
    assert rows_of(WebhookConfiguration) == []


def test_staff_add_one_for_a_user_of_the_tenant(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        row, _ = add_webhook(session, world.admin, NewWebhook(WebhookProvider.WEBHOOK, URL), keyring=RING, owner="udo")
    assert row.user_id == world.udo.user_id


def test_a_network_that_is_allowed_may_be_named(world: World) -> None:
    hook, _ = make_webhook(world.anna, "http://127.0.0.1:8080/hook")
    assert webhook(hook)["url_host"] == "127.0.0.1"


CHANGES: dict[str, Callable[..., Any]] = {
    "show": lambda session, _, name: show_webhook(session, name),
    "enable": lambda session, actor, name: set_webhook_active(session, actor, name, active=True),
    "events": lambda session, actor, name: set_webhook_events(session, actor, name, [EVENT]),
    "remove": remove_webhook,
    "rotate": lambda session, actor, name: rotate_signing_secret(session, actor, name, keyring=RING),
    "deliveries": lambda session, _, name: list_deliveries(session, webhook=name),
    "redeliver": lambda session, actor, name: redeliver(session, actor, "msg_1", webhook=name),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_tenants_webhook_answers_like_none(world: World, change: str) -> None:
    theirs, _ = make_webhook(world.gina, URL, name="theirs")
    make_deliveries(world.globex, theirs)
    before, said = everything(), set()
    for name in (str(theirs), str(uuid4()), "theirs"):
        with pytest.raises(NotFound) as caught, get_db_session(tenant=world.acme) as session:
            CHANGES[change](session, world.anna, name)
        said.add(str(caught.value).replace(name, "X"))
    assert len(said) == 1
    assert everything() == before


def test_another_tenants_message_answers_like_none(world: World) -> None:
    theirs, _ = make_webhook(world.gina, URL)
    (message,) = make_deliveries(world.globex, theirs)
    sent(sender=Scripted())
    for name in (message, "msg_none"):
        with pytest.raises(NotFound, match="no message"), get_db_session(tenant=world.acme) as session:
            redeliver(session, world.anna, name)


def test_a_name_that_several_have_names_none(world: World) -> None:
    make_webhook(world.anna, URL, name="twin")
    other, _ = make_webhook(world.anna, URL)
    with pytest.raises(Conflict, match="a webhook is called 'twin' already"):
        make_webhook(world.anna, URL, name="twin")
    with get_db_session(tenant=world.acme) as session:  # as two that were added at once
        session.get_one(WebhookConfiguration, other).name = "twin"
    with pytest.raises(InvalidInput, match="by its id"), read_session(tenant=world.acme) as session:
        show_webhook(session, "twin")


def test_the_list_is_one_statement_and_counts_what_waits(world: World) -> None:
    hooks = [make_webhook(world.anna, URL, name=f"number {number}")[0] for number in range(3)]
    make_deliveries(world.acme, hooks[1], 4)
    with read_session(tenant=world.acme) as session:
        session.connection()
        with statements() as seen:
            listed = list_webhooks(session)
        assert seen.total() == 1
    assert [(each.webhook.id, each.owner, each.waiting) for each in listed] == [
        (hooks[0], "anna", 0),
        (hooks[1], "anna", 4),
        (hooks[2], "anna", 0),
    ]


def test_removed_it_takes_its_deliveries_along(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL)
    make_deliveries(world.acme, hook, 3)
    with get_db_session(tenant=world.acme) as session:
        assert remove_webhook(session, world.anna, str(hook)) == 3
    assert (rows_of(WebhookConfiguration), rows_of(WebhookLog)) == ([], [])


def test_a_new_secret_stands_beside_the_old_one_for_a_day_unless_it_leaked(world: World) -> None:
    hook, first = make_webhook(world.anna, URL)
    with get_db_session(tenant=world.acme) as session:
        row, second = rotate_signing_secret(session, world.anna, str(hook), keyring=RING)
        assert row.previous_until is not None
        assert timedelta(hours=23) < row.previous_until - utc_now() <= timedelta(hours=24)
    with read_session(tenant=world.acme) as session:
        found = find_webhook(session, str(hook))
        assert unseal(RING, found, "signing_secret") == second
        assert unseal(RING, found, "previous_secret") == first
        found.previous_secret = found.signing_secret
        with pytest.raises(SecretUnreadable):
            unseal(RING, found, "previous_secret")
    secrets = {first, second}
    for at_once, overlap in ((True, "86400"), (False, "0")):
        with settings(SPOTHIVE_WEBHOOK_OVERLAP=overlap), get_db_session(tenant=world.acme) as session:
            row, third = rotate_signing_secret(session, world.anna, str(hook), keyring=RING, at_once=at_once)
        assert (row.previous_secret, row.previous_until) == (None, None)
        assert third not in secrets
        secrets.add(third)
    told = [row for row in rows_of(AuditLog) if row["event"] == "webhook.rotated"]
    assert [part for part in secrets if part in str(told)] == []
    slack, _ = make_webhook(world.anna, SLACK, provider=WebhookProvider.SLACK)
    with pytest.raises(InvalidInput, match="no signature"), get_db_session(tenant=world.acme) as session:
        rotate_signing_secret(session, world.anna, str(slack), keyring=RING)


def test_rotating_the_sealing_keys_takes_both_secrets_along(world: World) -> None:
    old, new = two_keyrings()
    with get_db_session(tenant=world.acme) as session:
        row, first = add_webhook(session, world.anna, NewWebhook(WebhookProvider.WEBHOOK, URL), keyring=old)
        session.flush()
        _, second = rotate_signing_secret(session, world.anna, str(row.id), keyring=old)
    done = rotate(get_db_session, world.admin, tenant_id=world.admin.home_tenant_id, keyring=new)
    assert (done.resealed, done.left) == (3, 0)
    with read_session(tenant=world.acme) as session:
        found = find_webhook(session, str(row.id))
        opened = [unseal(new, found, name) for name in ("webhook_url", "signing_secret", "previous_secret")]
        assert opened == [URL, second, first]
        assert all(new.primary in str(getattr(found, name)) for name in ("signing_secret", "previous_secret"))


# --- sending once more -----------------------------------------------------------------------------------------------


def redelivered(world: World, message: str, **how: Any) -> int:
    with get_db_session(tenant=world.acme) as session:
        return redeliver(session, world.anna, message, **how)


def test_what_was_sent_is_sent_once_more_with_its_id(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL)
    (message,) = make_deliveries(world.acme, hook)
    sender = Scripted()
    sent(sender=sender)
    before = delivery()
    assert redelivered(world, message) == 1
    waiting = delivery()
    assert (waiting["status"], waiting["sent_at"], waiting["http_status_code"]) == ("pending", None, None)
    assert (waiting["attempts"], waiting["earlier_attempts"]) == (1, 1)
    with pytest.raises(Conflict, match="waits to be sent already"):
        redelivered(world, message)
    sent(sender=sender)
    after = delivery()
    assert (after["status"], after["attempts"], after["payload"]) == ("sent", 2, before["payload"])
    assert [each.id for each in sender.messages] == [message, message]


def test_what_was_given_up_begins_its_ladder_anew(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL)
    (message,) = make_deliveries(world.acme, hook)
    with get_db_session(tenant=world.acme) as session:
        session.query(WebhookLog).one().attempts = len(LADDER)
    sent(sender=Scripted(BAD))
    assert delivery()["status"] == DeliveryStatus.FAILED
    redelivered(world, message)
    sent(sender=Scripted(BAD))
    row = delivery()
    assert (row["status"], row["attempts"], row["earlier_attempts"]) == ("pending", len(LADDER) + 2, len(LADDER) + 1)
    assert row["next_attempt_at"] - utc_now() < timedelta(seconds=6)


def test_a_message_goes_anew_to_all_its_webhooks_or_to_one(world: World) -> None:
    hooks = [make_webhook(world.anna, URL, name=f"number {number}")[0] for number in range(2)]
    for hook in hooks:
        with get_db_session(tenant=world.acme) as session:
            session.add(WebhookLog(webhook_config_id=hook, message_id="msg_1", event_type=EVENT, payload={}))
    sent(sender=Scripted())
    assert redelivered(world, "msg_1", webhook="number 1") == 1
    assert {row["webhook_config_id"]: row["status"] for row in rows_of(WebhookLog)} == {
        hooks[0]: "sent",
        hooks[1]: "pending",
    }
    assert redelivered(world, "msg_1") == 1
    with pytest.raises(NotFound), get_db_session(tenant=world.acme) as session:
        redeliver(session, world.anna, "msg_1", webhook="number 2")


def test_what_was_tried_too_often_is_not_tried_again(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL)
    (message,) = make_deliveries(world.acme, hook)
    sent(sender=Scripted())
    with get_db_session(tenant=world.acme) as session:
        session.query(WebhookLog).one().attempts = 95
    with pytest.raises(Conflict, match="was tried 95 times"):
        redelivered(world, message)


def test_the_database_refuses_what_would_lose_the_count(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL)
    make_deliveries(world.acme, hook)
    sent(sender=Scripted())
    changes: tuple[tuple[str, Any, str], ...] = (
        ("attempts", 0, "lc_webhook_logs_attempts"),
        ("payload", {"other": 1}, "lc_webhook_logs_message"),
        ("message_id", "msg_other", "lc_webhook_logs_message"),
        ("earlier_attempts", 1, "lc_webhook_logs_anew"),
    )
    for name, value, rule in changes:
        with pytest.raises((ValueRefused, IllegalMove)) as caught, get_db_session(tenant=world.acme) as session:
            setattr(session.query(WebhookLog).one(), name, value)
        assert caught.value.rule == rule
    with pytest.raises(ValueRefused) as refused, get_db_session(tenant=world.acme) as session:
        session.query(WebhookConfiguration).one().consecutive_failures = 10
    assert refused.value.rule == "ck_webhook_configurations_failing"


def test_deliveries_come_page_by_page_newest_first(world: World) -> None:
    hook, _ = make_webhook(world.anna, URL, name="mine")
    other, _ = make_webhook(world.anna, URL)
    names = [make_deliveries(world.acme, hook)[0] for _ in range(5)]
    make_deliveries(world.acme, other)
    turns = Turns()
    turns.places[other] = Place(world.acme, other)
    sent(sender=Scripted(Answer(Trouble.TIMEOUT, "no answer in time")), turns=turns)
    with read_session(tenant=world.acme) as session:
        first = list_deliveries(session, webhook="mine", limit=3)
        second = list_deliveries(session, webhook="mine", limit=3, before=first.next)
        waiting = list_deliveries(session, statuses=[DeliveryStatus.PENDING])
    assert [row.message_id for row in (*first.rows, *second.rows)] == names[::-1]
    assert (second.next, len(waiting.rows), waiting.rows[-1].last_error) == (None, 6, "timeout")
