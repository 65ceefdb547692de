"""What the processes do that send mails and write digests until they are killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event, insert

from spothive.database import get_db_session
from spothive.gateways.mail import SmtpMailer, SmtpOptions
from spothive.models import EmailDigestEntry, NoticeEvent
from spothive.operations.identity import find_actor
from spothive.operations.notifications import mailing, outbox, queue_digests, send_mails
from spothive.schema.types import new_id
from tests.factories.mail_server import HOST
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.004
"""Seconds a step is held up, so that a kill finds the process where it was meant to."""

LEASE = timedelta(seconds=1)


def mailer(port: int) -> SmtpMailer:
    return SmtpMailer(SmtpOptions(HOST, "spothive@acme.io", port=port, security="none"))


def shorten_leases() -> None:
    """Let a claim end soon, in this process: nobody wants to wait for a quarter of an hour."""
    setattr(outbox, "LEASE", LEASE)  # noqa: B010 - a constant, but for this test
    setattr(mailing, "MARGIN", timedelta(0))  # noqa: B010 - as above


def send_in_steps(voice: Voice, port: int) -> None:
    """Send what waits of acme, with a word before the claim, before and after each mail, and before what it became.

    A kill after the n-th word finds it: 1 before the claim, 2 after it, 3 when the server has taken a mail, 4 when that
    is written and not committed, 5 when it is committed.
    """
    shorten_leases()
    post = mailer(port)
    setattr(post, "send", _in_steps(voice, post.send, after=True))  # noqa: B010 - so that its signature is no matter
    setattr(outbox, "claim_mails", _in_steps(voice, outbox.claim_mails))  # noqa: B010 - as above
    noted = outbox.note_sent

    def note(*given: Any) -> bool:
        done = noted(*given)
        _step(voice)
        return done

    setattr(outbox, "note_sent", note)  # noqa: B010 - as above
    actor, tenant_id = find_actor("anna", "acme")
    voice.wait_for_start()
    send_mails(get_db_session, actor, tenant_id=tenant_id, mailer=post)
    voice.say(DONE)


def _in_steps(voice: Voice, do: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
    def slowly(*given: Any, **more: Any) -> Any:
        _step(voice)
        done = do(*given, **more)
        if after:
            _step(voice)
        return done

    return slowly


def _step(voice: Voice) -> None:
    voice.say(STEP)
    time.sleep(PAUSE)


def send_all(voice: Voice, port: int) -> None:
    """Send what waits of acme; say how many."""
    setattr(outbox, "BATCH", 3)  # noqa: B010 - as above: so that several have something to do
    actor, tenant_id = find_actor("anna", "acme")
    post = mailer(port)
    voice.wait_for_start()
    done = send_mails(get_db_session, actor, tenant_id=tenant_id, mailer=post)
    post.close()
    voice.say(done.sent)


def digest_in_steps(voice: Voice) -> None:
    """Write the digests of acme, with a word and a short pause before every statement and every commit."""
    actor, tenant_id = find_actor("anna", "acme")
    voice.wait_for_start()
    event.listen(Engine, "before_cursor_execute", lambda *_: _step(voice))
    event.listen(Engine, "commit", lambda *_: _step(voice))
    queue_digests(get_db_session, actor, tenant_id=tenant_id)
    voice.say(DONE)


def digest_on_and_on(voice: Voice, user_id: Any, due: Any, entries: int) -> None:
    """Let events of a past digest time come in, and write digests between them; say the ids of the events."""
    actor, tenant_id = find_actor("anna", "acme")
    told = []
    voice.wait_for_start()
    for _ in range(entries):
        row = {"id": new_id(), "tenant_id": tenant_id, "user_id": user_id, "event_type": NoticeEvent.WASTE_FLAGGED}
        row |= {"event_data": {"title": "it happened"}, "scheduled_for": due}
        with get_db_session(tenant=tenant_id) as session:
            session.execute(insert(EmailDigestEntry).values(row))
        told.append(row["id"])
        queue_digests(get_db_session, actor, tenant_id=tenant_id)
    voice.say(told)
