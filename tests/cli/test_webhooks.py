"""``spothive webhook`` on both databases, with a receiver that verifies."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.database import Tenant
from spothive.gateways.webhook_stand_in import Reply, WebhookStandIn
from spothive.models import WebhookConfiguration, WebhookLog
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories.webhooks import make_due, told
from tests.watching import everything, rows_of

AT_HOME = ["--tenant", "acme", "--as", "acme-client"]
SLACK = "https://hooks.slack.com/services/T0001/B0001/q8Zr-secret-part"
KEYS = f"a1b2c3d4:{base64.b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def receiver(people: Database) -> Iterator[WebhookStandIn]:
    """Yield a receiver that spothive may reach; there are sealing keys."""
    with WebhookStandIn() as stand_in, settings(SPOTHIVE_WEBHOOK_NETWORKS="127.0.0.0/8", SPOTHIVE_SEALING_KEYS=KEYS):
        yield stand_in


@pytest.fixture
def acme() -> UUID:
    (tenant,) = rows_of(Tenant, slug="acme")
    found: UUID = tenant["id"]
    return found


def added(done: Spothive, receiver: WebhookStandIn, *words: str) -> str:
    """Add a webhook to the receiver, which then verifies; return its id."""
    given = ("--event", "account.failed", *words, "--json", *AT_HOME)
    made = done("webhook", "add", *given, given=f"{receiver.url}\n").json
    receiver.keys = [made["signing_secret"]]
    return str(made["id"])


def test_a_webhook_is_added_tested_told_and_listed(
    receiver: WebhookStandIn, acme: UUID, done: Spothive, refused: Callable[..., str]
) -> None:
    assert done("webhook", "list", *AT_HOME).out.startswith("no webhook is told anything")
    ran = done("webhook", "add", "--name", "tool", *AT_HOME, given=f"{receiver.url}\n")
    assert ran.words.startswith("webhook ")
    (secret,) = [line.split()[-1] for line in ran.out.splitlines() if "verifies with" in line]
    receiver.keys = [secret]
    hook = ran.out.split()[1]
    assert done("webhook", "test", hook, *AT_HOME).out.splitlines()[-1] == "ok"
    assert (
        done("webhook", "events", hook, "--event", "account.failed", *AT_HOME).out == "it is told of account.failed\n"
    )
    told(acme)
    assert "webhooks: done" in done("sweep", "--only", "webhooks").out
    assert len(receiver.taken) == 2
    listed = done("webhook", "deliveries", "--webhook", "tool", *AT_HOME).words
    assert done("webhook", "deliveries", "--status", "failed", *AT_HOME).out == "no delivery fits\n"
    assert [word for word in ("tool", "webhook.test", "account.failed", "sent", "200") if word not in listed] == []
    shown = done("webhook", "show", "tool", *AT_HOME).words
    assert [word for word in ("127.0.0.1", "active", "account.failed", "acme-client") if word not in shown] == []
    everywhere = shown + listed + done("webhook", "list", "--json", *AT_HOME).out + str(everything())
    assert [part for part in (secret, "/hook") if part in everywhere] == []
    assert done("webhook", "events", hook, "--as-owner", *AT_HOME).out == "it follows the preferences of its owner\n"
    assert "name events" in refused("webhook", "events", hook, *AT_HOME)
    assert "there are account.failed" in refused("webhook", "events", hook, "--event", "rain", *AT_HOME)


def test_a_webhook_that_hears_of_nothing_is_told_of(receiver: WebhookStandIn, done: Spothive) -> None:
    wants = ("notify", "set", "account.failed", "--webhook", *AT_HOME)
    assert "but you own no active webhook that follows what you say: spothive webhook add" in done(*wants).words
    done("notify", "set", "account.failed", "--no-webhook", *AT_HOME)
    told_so = done("webhook", "add", *AT_HOME, given=f"{receiver.url}\n").words
    assert "it hears of nothing yet: acme-client wants nothing told so" in told_so
    assert "spothive notify set EVENT --webhook" in told_so
    assert "but you own" not in done(*wants).words
    assert "hears of nothing" not in done("webhook", "add", *AT_HOME, given=f"{receiver.url}\n").words


def test_what_cannot_be_sent_to_or_told_apart_is_not_added(
    receiver: WebhookStandIn, done: Spothive, refused: Callable[..., str]
) -> None:
    added(done, receiver, "--name", "tool")
    for name, url, said in (
        ("tool", receiver.url, "a webhook is called 'tool' already"),
        ("x" * 101, receiver.url, "the name of a webhook has at most 100 characters, and this one has 101"),
        ("far", "https://10.0.0.1/hook", "webhooks do not go to 10.0.0.1, which is no public address"),
        ("far", "http://8.8.8.8/hook", "http:// goes only into a network of SPOTHIVE_WEBHOOK_NETWORKS"),
    ):
        assert refused("webhook", "add", "--name", name, *AT_HOME, given=f"{url}\n").startswith(said)
    assert len(rows_of(WebhookConfiguration)) == 1


def test_a_test_that_is_not_taken_ends_with_1_and_says_why(
    receiver: WebhookStandIn, done: Spothive, spothive: Spothive
) -> None:
    hook = added(done, receiver)
    receiver.always = Reply(302, "over there", {"location": "http://169.254.169.254/"})
    ran = spothive("webhook", "test", hook, *AT_HOME)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "over there")
    assert ran.err == "error: the webhook did not take it (http): answered 302, and redirects are not followed\n"
    with settings(SPOTHIVE_WEBHOOK_NETWORKS="127.0.0.2/32"):
        ran = spothive("webhook", "test", hook, "--json", *AT_HOME)
    assert (ran.code, ran.json["error"], ran.json["taken"]) == (1, "refused_address", False)
    assert {row["status"] for row in rows_of(WebhookLog)} == {"failed"}


def test_slack_is_added_from_the_environment_and_never_from_the_command_line(
    receiver: WebhookStandIn, done: Spothive, refused: Callable[..., str]
) -> None:
    said = refused("webhook", "add", "--provider", "slack", "--url", SLACK, *AT_HOME)
    assert "SPOTHIVE_WEBHOOK_URL" in said
    with settings(SPOTHIVE_WEBHOOK_URL=SLACK):
        made = done("webhook", "add", "--provider", "slack", "--json", *AT_HOME).json
    assert (made["signing_secret"], made["host"], made["provider"]) == (None, "hooks.slack.com", "slack")
    assert "no signature" in refused("webhook", "rotate", made["id"], *AT_HOME)
    assert "copy the one that Slack shows" in refused(
        "webhook", "add", "--provider", "slack", *AT_HOME, given="https://evil.example/services/q8Zr\n"
    )
    made = done("webhook", "add", "--url", "https://public.example/hook", "--json", *AT_HOME).json
    assert made["host"] == "public.example"
    assert "holds no URL" in refused("webhook", "add", *AT_HOME, given="")
    assert "q8Zr" not in str(everything())


def test_a_new_secret_is_shown_once_and_the_old_one_signs_too(receiver: WebhookStandIn, done: Spothive) -> None:
    hook = added(done, receiver)
    (old,) = receiver.keys
    rotated = done("webhook", "rotate", hook, *AT_HOME).out
    assert "the secret of before signs too" in rotated
    new = rotated.splitlines()[0].split()[-1]
    for key in (old, new):
        receiver.keys = [key]
        done("webhook", "test", hook, *AT_HOME)
    assert done("webhook", "rotate", hook, "--at-once", "--json", *AT_HOME).json["previous_until"] is None


def test_what_waits_for_a_disabled_webhook_goes_when_it_is_enabled(
    receiver: WebhookStandIn, acme: UUID, done: Spothive
) -> None:
    hook = added(done, receiver, "--name", "tool")
    assert done("webhook", "disable", "tool", *AT_HOME).out == "the webhook to 127.0.0.1 is disabled\n"
    done("webhook", "enable", "tool", *AT_HOME)
    told(acme)
    done("webhook", "disable", "tool", *AT_HOME)
    done("sweep", "--only", "webhooks")
    assert receiver.taken == {}
    assert done("webhook", "enable", hook, *AT_HOME).out == "the webhook to 127.0.0.1 is active; 1 delivery waits\n"
    done("sweep", "--only", "webhooks")
    assert len(receiver.taken) == 1


def test_a_message_is_sent_once_more_with_one_id(
    receiver: WebhookStandIn, acme: UUID, done: Spothive, refused: Callable[..., str]
) -> None:
    added(done, receiver)
    told(acme)
    done("sweep", "--only", "webhooks")
    (message,) = receiver.taken
    said = done("webhook", "redeliver", message, *AT_HOME).out
    assert said == f"{message} is sent to 1 webhook with the next run of the sweep\n"
    assert "waits to be sent already" in refused("webhook", "redeliver", message, *AT_HOME)
    make_due()
    done("sweep", "--only", "webhooks")
    assert (receiver.seen[message], len(receiver.taken)) == (2, 1)
    (row,) = done("webhook", "deliveries", "--status", "sent", "--json", *AT_HOME).json["deliveries"]
    assert (row["message_id"], row["attempts"]) == (message, 2)


def test_deliveries_come_page_by_page(receiver: WebhookStandIn, acme: UUID, done: Spothive) -> None:
    assert done("webhook", "deliveries", *AT_HOME).out == "nothing was told to a webhook\n"
    added(done, receiver)
    for _ in range(3):
        told(acme)
    page = done("webhook", "deliveries", "--limit", "2", "--json", *AT_HOME).json
    rest = done("webhook", "deliveries", "--limit", "2", "--before", page["next"], "--json", *AT_HOME).json
    assert len({row["message_id"] for row in [*page["deliveries"], *rest["deliveries"]]}) == 3
    assert "more: --before" in done("webhook", "deliveries", "--limit", "2", *AT_HOME).out


def test_a_webhook_is_removed_when_that_is_meant(
    receiver: WebhookStandIn, acme: UUID, done: Spothive, refused: Callable[..., str]
) -> None:
    hook = added(done, receiver)
    told(acme)
    assert "of which 1 wait to be sent, would be removed" in refused("webhook", "remove", hook, *AT_HOME)
    assert done("webhook", "remove", hook, "--yes", *AT_HOME).out == "removed, with 1 delivery\n"
    assert rows_of(WebhookConfiguration) == []


@pytest.mark.parametrize("words", ["show", "test", "rotate", "enable", "disable", "events", "remove"])
def test_another_tenants_webhook_answers_like_none(
    receiver: WebhookStandIn, done: Spothive, refused: Callable[..., str], words: str
) -> None:
    theirs = {"--tenant": "globex", "--as": "gina"}
    made: Any = done("webhook", "add", "--json", *sum(theirs.items(), ()), given=f"{receiver.url}\n").json
    more = {"events": ["--as-owner"], "remove": ["--yes"]}.get(words, [])
    said = {refused("webhook", words, name, *more, *AT_HOME).replace(name, "X") for name in (made["id"], str(uuid4()))}
    assert len(said) == 1
    assert "see `spothive webhook list`" in said.pop()
    assert receiver.requests == []
