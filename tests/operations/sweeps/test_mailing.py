"""The duties that let people hear of what happened, tenant by tenant over one connection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spothive.database import get_db_session
from spothive.errors import ConfigurationError
from spothive.gateways.mail import Mail, Mailer, MailRefused, MailServerUnusable
from spothive.models import AuditLog, EmailLog, NoticeEvent
from spothive.operations.notifications import tell
from spothive.operations.sweeps import Outcome, Tools
from tests.operations.conftest import World
from tests.operations.notifications.mailing import FLAGGED, PostOffice, wait_for_digest
from tests.operations.sweeps.conftest import did
from tests.watching import rows_of, statements


def with_post(tools: Tools, post: PostOffice) -> Tools:
    return replace(tools, mailer=lambda: post)


@pytest.fixture
def waiting(world: World) -> World:
    """Return the people; four mails wait in two tenants."""
    for tenant_id in (world.acme, world.globex):
        with get_db_session(tenant=tenant_id) as session:
            tell(session, NoticeEvent.ACCOUNT_FAILED, "Account main failed", "AWS refused it.")
    return world


def test_mails_of_every_tenant_are_sent(waiting: World, tools: Tools) -> None:
    post = PostOffice(wrong={"udo@acme.io": MailRefused("550 no such user")})
    run = did(waiting, with_post(tools, post), "mails")
    assert (run.outcome, run.counts) == (Outcome.DONE, {"sent": 3, "given_up": 1})
    assert post.recipients == ["anna@acme.io", "lena@acme.io", "gina@globex.io"]
    assert not rows_of(AuditLog, event="mails.sent")


def test_a_server_that_takes_none_is_asked_once_for_all_tenants(waiting: World, tools: Tools) -> None:
    tried: list[Mail] = []
    down = MailServerUnusable("mail.acme.io:587 cannot be used: refused")
    post = PostOffice(closed=down, before=tried.append)
    run = did(waiting, with_post(tools, post), "mails")
    assert (run.outcome, run.failures) == (Outcome.PARTIAL, {"mail server": str(down)})
    assert len(tried) == 1
    assert {row["attempts"] for row in rows_of(EmailLog)} == {0}
    post.closed = None
    assert did(waiting, with_post(tools, post), "mails").counts == {"sent": 1}, "acme's wait for five minutes"


def test_settings_that_do_not_go_together_are_told(waiting: World, tools: Tools) -> None:
    def refuses() -> Mailer:
        raise ConfigurationError("set both or none")

    run = did(waiting, replace(tools, mailer=refuses), "mails")
    assert run.failures == {"mail server": "set both or none"}


def test_digests_are_written_and_then_sent_like_any_mail(world: World, tools: Tools) -> None:
    for actor in (world.udo, world.gina):
        wait_for_digest(actor, FLAGGED)
    post = PostOffice()
    run = did(world, tools, "digests")
    assert (run.outcome, run.counts) == (Outcome.DONE, {"digests": 2, "events": 2})
    assert did(world, with_post(tools, post), "mails").counts == {"sent": 2}
    assert post.recipients == ["udo@acme.io", "gina@globex.io"]


def test_a_tenant_for_which_nothing_waits_costs_nothing(world: World, tools: Tools) -> None:
    post = PostOffice()
    for name in ("digests", "mails"):
        with statements() as sent:
            did(world, with_post(tools, post), name)
        assert not [each for each in sent if "FROM email_" in each and "FROM tenants" not in each]
