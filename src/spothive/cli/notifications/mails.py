"""``spothive notify mails``, ``send`` and ``test``: what became of mails, and sending them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.moments import to_the_second
from spothive.cli.notifications.notify import LISTED, Before, Limit, notify_commands
from spothive.cli.output import Column, cell, plural

if TYPE_CHECKING:
    from datetime import datetime

    from spothive.models import EmailLog


def _moment(value: datetime | None) -> str:
    return cell(None) if value is None else to_the_second(value)


COLUMNS = (
    Column("asked for", "created_at", _moment, optional=True),
    Column("status", "status"),
    Column("to", "to", fold=True),
    Column("subject", "subject", fold=True),
    Column("attempts", "attempts", right=True, optional=True),
    Column("next", "next_attempt_at", _moment, optional=True),
    Column("why", "last_error", fold=True, optional=True, why=True),
)

# Spelled out like the roles in identity.py, and for the same reason.
Status = Literal["pending", "sent", "failed"]


@command(notify_commands, "mails")
def list_mails(
    call: Call,
    status: Annotated[Status | None, typer.Option(help="Only those that wait, were sent, or were given up.")] = None,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List mails: sent, waiting or given up, and why.

    Your own; for who manages the tenant, all of its users'.
    """
    from spothive.models import DeliveryStatus
    from spothive.operations import notifications

    wanted = DeliveryStatus(status) if status else None
    with call.reading() as session:
        page = notifications.list_mails(session, call.actor, status=wanted, limit=limit, before=before)
        rows = [_facts(mail) for mail in page.rows]
    call.out.json({"mails": rows, "next": page.next})
    call.out.table(rows, COLUMNS, empty="no mail fits" if status else "no mails")
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(notify_commands, "send")
def send_now(call: Call) -> None:
    """Write the tenant's due digests and send what waits.

    The sweep does the same for every tenant. Exits 1 if the server takes none.
    """
    from contextlib import closing
    from dataclasses import asdict

    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import notifications

    where: dict[str, Any] = {"tenant_id": call.tenant_id}
    with closing(runtime.mailer()) as mailer:
        digests = notifications.queue_digests(get_db_session, call.actor, **where)
        sent = notifications.send_mails(get_db_session, call.actor, **where, mailer=mailer)
    call.out.json({"digests": asdict(digests), "mails": asdict(sent)})
    call.out.line(f"digests: {digests.written} written, of {plural(digests.entries, 'event')}")
    call.out.line(f"mails: {sent.sent} sent, {sent.deferred} to be tried again, {sent.failed} given up")
    if sent.obstacle:
        raise CheckFailed(sent.obstacle)


@command(notify_commands, "test")
def send_test_mail(call: Call) -> None:
    """Send yourself a mail, and say if the server took it.

    It goes through the outbox as any other. Exits 1 if it was not taken.
    """
    from contextlib import closing

    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import notifications

    with closing(runtime.mailer()) as mailer:
        with call.writing() as session:
            mail_id = notifications.queue_test_mail(session, call.actor).id
        how: dict[str, Any] = {"tenant_id": call.tenant_id, "mailer": mailer, "only": mail_id}
        obstacle = notifications.send_mails(get_db_session, call.actor, **how).obstacle
    with call.reading() as session:
        facts = _facts(notifications.find_mail(session, call.actor, mail_id))
    call.out.json(facts)
    if facts["status"] != "sent":
        why = facts["last_error"] or obstacle or "another process has it"
        when = f", from {_moment(facts['next_attempt_at'])} on" if facts["next_attempt_at"] else ""
        again = f"; it waits, and the sweep or spothive notify send tries again{when}"
        msg = f"the mail to {facts['to']} was not taken: {why}{again if facts['status'] == 'pending' else ''}"
        raise CheckFailed(msg)
    if facts["provider"] == "console":
        call.out.line(f"printed, since there is no server: set SPOTHIVE_SMTP_HOST to have it sent to {facts['to']}")
    else:
        call.out.line(f"the server took the mail to {facts['to']}, its Message-ID is {facts['message_id']}")


def _facts(mail: EmailLog) -> dict[str, Any]:
    return {
        "id": mail.id,
        "created_at": mail.created_at,
        "status": mail.status,
        "to": mail.recipient_email,
        "event": mail.event_type,
        "subject": mail.subject,
        "provider": mail.provider,
        "message_id": mail.message_id,
        "attempts": mail.attempts,
        "next_attempt_at": mail.next_attempt_at,
        "sent_at": mail.sent_at,
        "last_error": mail.last_error,
    }
