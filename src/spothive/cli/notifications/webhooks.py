"""``spothive webhook``: programs and channels that are told what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli import asking
from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.moments import to_the_second
from spothive.cli.output import Column, cell, plural
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

    from spothive.models import NoticeEvent, WebhookLog
    from spothive.operations.notifications import ListedWebhook

webhook_commands = typer.Typer(rich_markup_mode=None)

LISTED = 100


def _moment(value: datetime | None) -> str:
    return cell(None) if value is None else to_the_second(value)


COLUMNS = (
    Column("webhook", "id", whole=True),
    Column("name", "name", fold=True),
    Column("to", "host", fold=True, optional=True),
    Column("stands", "stands"),
    Column("waiting", "waiting", right=True, optional=True),
    Column("owner", "owner", optional=True),
    Column("last used", "last_used_at", _moment, optional=True),
    Column("last error", "last_error", fold=True, optional=True, why=True),
)
DELIVERIES = (
    Column("message", "message_id", whole=True),
    Column("status", "status"),
    Column("answer", "answer", fold=True, optional=True, why=True),
    Column("webhook", "webhook_name", fold=True, optional=True),
    Column("event", "event", optional=True),
    Column("attempts", "attempts", right=True, optional=True),
    Column("made", "created_at", to_the_second, optional=True),
    Column("next attempt", "next_attempt_at", _moment, optional=True),
)

# Spelled out like the roles in identity.py, and for the same reason.
Provider = Literal["webhook", "slack"]
Status = Literal["pending", "sent", "failed"]
WebhookName = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id or name of the webhook, see webhook list.")]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="EVENT", help="Told of this for the whole tenant; again for more. See the guide."),
]


@command(webhook_commands, "add")
def add(
    call: Call,
    provider: Annotated[Provider, typer.Option(help="Who receives it.")] = "webhook",
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Where to, unless it is secret: other processes can read this."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called.")] = None,
    event: EventOption = None,
    owner: Annotated[str | None, typer.Option(metavar="USERNAME", help="Whose it is; yours if not said.")] = None,
) -> None:
    """Add a webhook, and show the secret that signs, once.

    The URL comes from --url, from SPOTHIVE_WEBHOOK_URL, from standard input,
    or is asked for, unseen. Slack's is a secret as a whole, so not from --url.
    Without any --event the webhook follows the preferences of its owner.
    """
    from spothive import runtime
    from spothive.models import WebhookProvider
    from spothive.operations.notifications import NewWebhook, add_webhook, is_told_nothing, show_webhook
    from spothive.settings import get_settings

    new = NewWebhook(WebhookProvider(provider), _url(provider, url), _events(event or []), name)
    keyring = runtime.keyring()
    with call.writing() as session:
        networks = get_settings().webhook_networks
        row, secret = add_webhook(session, call.actor, new, keyring=keyring, networks=networks, owner=owner)
        facts = _facts(show_webhook(session, str(row.id)))
        is_silent = is_told_nothing(session, row)
    call.out.json(facts | {"signing_secret": secret})
    call.out.line(f"webhook {facts['id']} to {facts['host']} is added")
    if secret is not None:
        call.out.line(f"its receiver verifies with {secret}")
        call.out.line("this is not shown again")
    if is_silent:
        way = "--slack" if provider == "slack" else "--webhook"
        call.out.line(f"it hears of nothing yet: {facts['owner']} wants nothing told so")
        call.out.line(f"  either {facts['owner']} says: spothive notify set EVENT {way}")
        call.out.line(f"  or name events for it: spothive webhook events {facts['id']} --event EVENT")
    call.out.line(f"try it: spothive webhook test {facts['id']}")


@command(webhook_commands, "list")
def list_all(call: Call) -> None:
    """List the webhooks of the tenant."""
    from spothive.operations.notifications import list_webhooks

    with call.reading() as session:
        rows = [_facts(each) for each in list_webhooks(session)]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="no webhook is told anything: add one with spothive webhook add")


@command(webhook_commands, "show")
def show(call: Call, webhook: WebhookName) -> None:
    """Show a webhook; its URL and its secret stay sealed."""
    from spothive.operations.notifications import show_webhook

    with call.reading() as session:
        facts = _facts(show_webhook(session, webhook))
    call.out.json(facts)
    call.out.facts(facts | {"events": ", ".join(facts["events"]) or "as its owner prefers"})


@command(webhook_commands, "test")
def test(call: Call, webhook: WebhookName) -> None:
    """Send a message to a webhook now, and show what it answers.

    Sent to a disabled webhook, too. Exits 1 if it is not taken.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.notifications import send_test

    done = send_test(
        get_db_session,
        call.actor,
        tenant_id=call.tenant_id,
        webhook=webhook,
        sender=runtime.webhook_sender(),
        keys=runtime.keyring,
    )
    answer = done.answer
    call.out.json(
        {
            "message_id": done.message_id,
            "taken": answer.trouble is None,
            "error": answer.trouble,
            "said": answer.words,
            "http_status_code": answer.status,
            "response_body": answer.body,
        }
    )
    call.out.line(f"{done.message_id}: {answer.words if answer.trouble is None else 'not taken'}")
    if answer.body:
        call.out.line(answer.body)
    if answer.trouble is not None:
        msg = f"the webhook did not take it ({answer.trouble}): {answer.words}"
        raise CheckFailed(msg)


@command(webhook_commands, "rotate")
def rotate(
    call: Call,
    webhook: WebhookName,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Let the secret of before sign no more, as when it has leaked.")
    ] = False,
) -> None:
    """Give a webhook a new signing secret, and show it, once.

    The one of before signs too for a day, so that receivers can change over.
    """
    from spothive import runtime
    from spothive.operations.notifications import rotate_signing_secret

    keyring = runtime.keyring()
    with call.writing() as session:
        row, secret = rotate_signing_secret(session, call.actor, webhook, keyring=keyring, at_once=at_once)
        until = row.previous_until
    call.out.json({"id": row.id, "signing_secret": secret, "previous_until": until})
    call.out.line(f"the receiver verifies with {secret}")
    call.out.line("this is not shown again")
    too = (
        f"until {to_the_second(until)} the secret of before signs too"
        if until
        else "the secret of before signs no more"
    )
    call.out.line(too)


@command(webhook_commands, "enable")
def enable(call: Call, webhook: WebhookName) -> None:
    """Send to a webhook again; its failures begin at nothing."""
    _switch(call, webhook, active=True)


@command(webhook_commands, "disable")
def disable(call: Call, webhook: WebhookName) -> None:
    """Send nothing to a webhook until it is enabled.

    What happens meanwhile is not sent to it later either.
    """
    _switch(call, webhook, active=False)


@command(webhook_commands, "events")
def events(
    call: Call,
    webhook: WebhookName,
    event: EventOption = None,
    as_owner: Annotated[bool, typer.Option("--as-owner", help="Follow the preferences of its owner instead.")] = False,
) -> None:
    """Say what a webhook is told of from now on."""
    from spothive.operations.notifications import set_webhook_events

    if as_owner is bool(event):
        msg = "name events with --event, or say --as-owner"
        raise InvalidInput(msg)
    with call.writing() as session:
        row = set_webhook_events(session, call.actor, webhook, _events(event or []))
        wanted = list(row.enabled_events)
    call.out.json({"id": row.id, "events": wanted})
    call.out.line(f"it is told of {', '.join(wanted)}" if wanted else "it follows the preferences of its owner")


@command(webhook_commands, "remove")
def remove(
    call: Call,
    webhook: WebhookName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a webhook with all its deliveries."""
    from spothive.operations.notifications import remove_webhook, show_webhook

    with call.reading() as session:
        found = show_webhook(session, webhook)
    waiting = f", of which {found.waiting} wait to be sent," if found.waiting else ""
    asking.confirm(f"the webhook to {found.webhook.url_host} and its deliveries{waiting} would be removed", yes=yes)
    with call.writing() as session:
        deliveries = remove_webhook(session, call.actor, str(found.webhook.id))
    call.out.json({"id": found.webhook.id, "deliveries": deliveries})
    call.out.line(f"removed, with {plural(deliveries, 'delivery', 'deliveries')}")


@command(webhook_commands, "deliveries")
def list_sent(
    call: Call,
    webhook: Annotated[str | None, typer.Option("--webhook", metavar="WEBHOOK", help="To this webhook only.")] = None,
    status: Annotated[Status | None, typer.Option(help="In this status only.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most deliveries to list.")] = LISTED,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """List what is sent to webhooks, newest first."""
    from spothive.models import DeliveryStatus
    from spothive.operations.notifications import list_deliveries

    statuses = [DeliveryStatus(status)] if status else ()
    with call.reading() as session:
        page = list_deliveries(session, webhook=webhook, statuses=statuses, limit=limit, before=before)
        rows = [_delivery(each) for each in page.rows]
    call.out.json({"deliveries": rows, "next": page.next})
    call.out.table(
        [row | {"answer": _answer(row)} for row in rows],
        DELIVERIES,
        empty="no delivery fits" if webhook or status else "nothing was told to a webhook",
    )
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(webhook_commands, "redeliver")
def send_anew(
    call: Call,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Id of the message, see webhook deliveries.")],
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="WEBHOOK", help="To this webhook only, of those it went to.")
    ] = None,
) -> None:
    """Send a message once more, with the same id."""
    from spothive.operations.notifications import redeliver

    with call.writing() as session:
        webhooks = redeliver(session, call.actor, message, webhook=webhook)
    call.out.json({"message_id": message, "webhooks": webhooks})
    call.out.line(f"{message} is sent to {plural(webhooks, 'webhook')} with the next run of the sweep")


def _switch(call: Call, webhook: str, *, active: bool) -> None:
    from spothive.operations.notifications import set_webhook_active, show_webhook

    with call.writing() as session:
        row = set_webhook_active(session, call.actor, webhook, active=active)
        session.flush()  # so that it is shown as it is now
        facts = _facts(show_webhook(session, str(row.id)))
    call.out.json(facts)
    waiting = facts["waiting"]
    waits = f"; {plural(waiting, 'delivery waits', 'deliveries wait')}" if waiting else ""
    call.out.line(f"the webhook to {facts['host']} is {facts['stands']}{waits}")


def _url(provider: Provider, given: str | None) -> str:
    from spothive.settings import get_settings

    if given is not None and provider == "slack":
        msg = "Slack's URL is a secret, and a command line is read by every process: set SPOTHIVE_WEBHOOK_URL instead"
        raise InvalidInput(msg)
    if given is not None:
        return given
    url = get_settings().webhook_url
    return (
        url.get_secret_value().strip()
        if url is not None
        else asking.shown_secret("URL", instead="--url or SPOTHIVE_WEBHOOK_URL")
    )


def _events(words: list[str]) -> list[NoticeEvent]:
    from spothive.models import NoticeEvent

    known = [event.value for event in NoticeEvent]
    for word in words:
        if word not in known:
            msg = f"nothing is called {word[:60]!r} that a webhook is told of: there are {', '.join(known)}"
            raise InvalidInput(msg)
    return [NoticeEvent(word) for word in words]


def _answer(row: dict[str, Any]) -> str:
    status = row["http_status_code"]
    return " ".join(str(part) for part in (row["last_error"], status) if part) or cell(None)


def _stands(listed: ListedWebhook) -> str:
    if not listed.webhook.is_active:
        return "disabled"
    return "active" if listed.owner_is_active else "owner disabled"


def _facts(listed: ListedWebhook) -> dict[str, Any]:
    row = listed.webhook
    return {
        "id": row.id,
        "name": row.name,
        "provider": row.provider_type,
        "host": row.url_host,
        "stands": _stands(listed),
        "owner": listed.owner,
        "events": list(row.enabled_events),
        "waiting": listed.waiting,
        "consecutive_failures": row.consecutive_failures,
        "last_used_at": row.last_used_at,
        "last_error": row.last_error,
        "previous_secret_until": row.previous_until,
        "created_at": row.created_at,
    }


def _delivery(row: WebhookLog) -> dict[str, Any]:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "webhook": row.webhook_config_id,
        "webhook_name": row.configuration.name or row.configuration.url_host,
        "event": row.payload.get("type", row.event_type),
        "status": row.status,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "http_status_code": row.http_status_code,
        "response_body": row.response_body,
        "created_at": row.created_at,
        "next_attempt_at": row.next_attempt_at,
        "sent_at": row.sent_at,
    }
