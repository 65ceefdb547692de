"""``spothive notify`` on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from spothive.database import Tenant, get_db_session
from spothive.models import NoticeEvent
from spothive.operations.notifications import tell
from spothive.operations.notifications.letters import READ_ON
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories.mail_server import HOST, MailServer, mail_server
from tests.watching import rows_of

USER = ["--tenant", "acme", "--as", "acme-user"]
CLIENT = ["--tenant", "acme", "--as", "acme-client"]


@pytest.fixture
def told(people: Database) -> None:
    """Let acme's people be told of two failures."""
    (acme,) = rows_of(Tenant, slug="acme")
    for name in ("main", "shop"):
        with get_db_session(tenant=acme["id"]) as session:
            tell(session, NoticeEvent.ACCOUNT_FAILED, f"Account {name} failed", "AWS \x1b[2J said no.", link="see here")


@pytest.fixture
def server(people: Database) -> Iterator[MailServer]:
    """Yield a mail server that the settings point to."""
    with mail_server() as running:
        where = {"SPOTHIVE_SMTP_HOST": HOST, "SPOTHIVE_SMTP_PORT": str(running.port)}
        with settings(**where, SPOTHIVE_SMTP_SECURITY="none", SPOTHIVE_MAIL_FROM="spothive@acme.io"):
            yield running


@pytest.mark.usefixtures("told")
def test_notices_are_listed_read_and_marked(done: Spothive, refused: Callable[..., str]) -> None:
    listed = done("notify", "list", "--json", *USER).json["notices"]
    assert [row["title"] for row in listed] == ["Account shop failed", "Account main failed"]
    first = listed[0]["id"]
    page = done("notify", "list", "--limit", "1", *USER).out
    assert "Account shop failed" in page
    place = page.rpartition("more: --before ")[2].strip()
    assert "Account main failed" in done("notify", "list", "--before", place, *USER).out
    shown = done("notify", "read", first, *USER).out
    assert r"AWS \x1b[2J said no." in shown
    assert "see here" in shown
    assert done("notify", "list", "--json", *USER).json["notices"][1]["is_read"] is True
    assert "no notice of yours has the id" in refused("notify", "read", first, *CLIENT)
    assert "is no id" in refused("notify", "read", "nonsense", *USER)
    assert refused("notify", "read", *USER) == "give the id of a notice, or --all"
    assert done("notify", "read", "--all", *USER).out == "1 marked as read\n"
    assert done("notify", "read", "--all", *USER).out == "all were read already\n"
    assert done("notify", "list", "--unread", *USER).out == "no notice that was not read\n"
    assert "admin is no user of this tenant" in refused("notify", "list", "--tenant", "acme")


def test_preferences_are_shown_and_set(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    rows = {row["event"]: row for row in done("notify", "preferences", "--json", *USER).json["preferences"]}
    assert (rows["account.failed"]["frequency"], rows["account.failed"]["default"]) == ("immediate", True)
    told = done("notify", "set", "waste.flagged", "--frequency", "digest_weekly", "--no-in-app", *USER).out
    assert told == "you hear of waste.flagged by: mail weekly\n"
    assert done("notify", "set", "waste.flagged", "--no-email", *USER).out == "you hear of waste.flagged by: nothing\n"
    facts = done("notify", "set", "waste.flagged", "--email", "--slack", "--webhook", "--in-app", "--json", *USER).json
    assert facts == {
        "event": "waste.flagged",
        "email": True,
        "in_app": True,
        "slack": True,
        "webhook": True,
        "frequency": "digest_weekly",
        "default": False,
    }
    assert done("notify", "zone", "Europe/Berlin", *USER).out.startswith("digests come at 09:00 in Europe/Berlin")
    shown = done("notify", "preferences", *USER).words
    assert "waste.flagged | weekly | yes | yes | yes | you" in shown
    assert "account.failed | at once | yes | no | no | default" in shown
    assert "09:00 in Europe/Berlin" in shown
    assert "what digests are filed under" in refused("notify", "set", "digest.weekly", "--no-email", *USER)
    assert "there are account.failed, " in refused("notify", "set", "nonsense", "--no-email", *USER)
    assert "say what is to be different" in refused("notify", "set", "waste.flagged", *USER)
    assert "is no time zone" in refused("notify", "zone", "Nowhere/Land", *USER)


@pytest.mark.usefixtures("told")
def test_mails_are_sent_and_what_became_of_them_is_shown(
    server: MailServer, done: Spothive, spothive: Spothive, refused: Callable[..., str]
) -> None:
    assert "may not manage" in refused("notify", "send", *USER)
    mine = done("notify", "mails", "--json", *USER).json["mails"]
    assert [row["status"] for row in mine] == ["pending", "pending"]
    server.to_recipient[mine[0]["to"]] = "550 no such user"
    assert done("notify", "send", *CLIENT).out == (
        "digests: 0 written, of 0 events\nmails: 4 sent, 0 to be tried again, 2 given up\n"
    )
    mine = done("notify", "mails", *USER).words
    assert "failed" in mine
    assert "the server refuses it: 550 no such user" in mine
    assert len(done("notify", "mails", "--json", *CLIENT).json["mails"]) == 6
    assert len(done("notify", "mails", "--status", "sent", "--json", *CLIENT).json["mails"]) == 4
    assert "more: --before" in done("notify", "mails", "--limit", "1", *CLIENT).out
    assert done("notify", "mails", "--status", "pending", *CLIENT).out == "no mail fits\n"
    assert done("notify", "send", "--json", *CLIENT).json["mails"] == {
        "sent": 0,
        "deferred": 0,
        "failed": 0,
        "obstacle": None,
    }


def test_a_test_mail_says_whether_the_server_took_it(server: MailServer, done: Spothive, spothive: Spothive) -> None:
    told = done("notify", "test", *USER).out
    assert told.startswith("the server took the mail to ")
    assert server.message_ids[0] in told
    server.to_recipient[server.recipients[0]] = "450 mailbox busy"
    ran = spothive("notify", "test", *USER)
    assert ran.code == 1
    assert "was not taken: the server does not take it now: 450 mailbox busy; it waits, and the sweep" in ran.err
    server.to_sender = "553 not yours"
    ran = spothive("notify", "test", "--json", *CLIENT)
    assert (ran.code, ran.json["status"], ran.json["attempts"]) == (1, "pending", 0)
    assert "SPOTHIVE_MAIL_FROM (spothive@acme.io): 553 not yours" in ran.err
    ran = spothive("notify", "send", *CLIENT)
    assert ran.code == 0, "it waits for five minutes"


def test_where_mails_say_to_read_on_is_a_command(done: Spothive) -> None:
    for place in {*READ_ON.values(), "spothive notify preferences"}:
        assert "Usage: spothive" in done(*place.split()[1:], "--help").out


def test_without_a_server_mails_are_printed(people: Database, spothive: Spothive) -> None:
    ran = spothive("notify", "test", *USER)
    assert ran.code == 0
    assert ran.out.startswith("printed, since there is no server: set SPOTHIVE_SMTP_HOST")
    assert "Subject: A test mail from spothive" in ran.err


def test_settings_that_cannot_be_used_are_one_line(people: Database, refused: Callable[..., str]) -> None:
    where = {"SPOTHIVE_SMTP_HOST": "mail.acme.io", "SPOTHIVE_SMTP_USER": "us"}
    for more, words in (
        ({}, "SPOTHIVE_SMTP_USER and SPOTHIVE_SMTP_PASSWORD go together"),
        ({"SPOTHIVE_SMTP_PASSWORD": "p", "SPOTHIVE_SMTP_SECURITY": "none"}, "could be read on its way"),
        ({"SPOTHIVE_MAIL_FROM": "spothive <spothive@acme.io>"}, "SPOTHIVE_MAIL_FROM: give a mail address alone"),
    ):
        with settings(**where, **more):
            assert words in refused("notify", "test", *CLIENT)
