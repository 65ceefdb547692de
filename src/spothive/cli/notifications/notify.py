"""``spothive notify``: notices, and how each user wants to hear of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import Notice, NoticeEvent
    from spothive.operations.notifications import Preference

notify_commands = typer.Typer(rich_markup_mode=None)

NOTICE_COLUMNS = (
    Column("notice", "id", whole=True),
    Column("when", "created_at", optional=True),
    Column("event", "event", optional=True),
    Column("title", "title", fold=True),
    Column("read", "is_read", optional=True),
    Column("read on", "link", fold=True, optional=True),
)

PREFERENCE_COLUMNS = (
    Column("event", "event"),
    Column("mail", "mail"),
    Column("in app", "in_app"),
    Column("slack", "slack"),
    Column("webhook", "webhook"),
    Column("said by", "said_by", optional=True),
)
LISTED = 100

# Spelled out like the roles in identity.py, and for the same reason.
Frequency = Literal["immediate", "digest_daily", "digest_weekly"]
Limit = Annotated[int, typer.Option(metavar="N", help="Most rows to list.")]
Before = Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")]


@command(notify_commands, "list")
def list_notices(
    call: Call,
    unread: Annotated[bool, typer.Option("--unread", help="Only what was not read.")] = False,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List your notices, those not read yet first."""
    from spothive.operations import notifications

    with call.reading() as session:
        page = notifications.list_notices(session, call.actor, unread=unread, limit=limit, before=before)
        rows = [_notice(row) for row in page.rows]
    call.out.json({"notices": rows, "next": page.next})
    call.out.table(rows, NOTICE_COLUMNS, empty="no notice that was not read" if unread else "no notices")
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(notify_commands, "read")
def mark_read(
    call: Call,
    notice: Annotated[str | None, typer.Argument(metavar="NOTICE", help="Id of the notice.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of yours.")] = False,
) -> None:
    """Show a notice and mark it as read, or mark all."""
    from spothive.models import Notice as Row
    from spothive.operations import notifications

    if (notice is None) is not every:
        msg = "give the id of a notice, or --all"
        raise InvalidInput(msg)
    notice_id = None if notice is None else _id(notice)
    with call.writing() as session:
        marked = notifications.mark_read(session, call.actor, notice_id)
        shown = None if notice_id is None else _notice(session.get_one(Row, notice_id))
    if shown is None:
        call.out.json({"read": marked})
        call.out.line(f"{marked} marked as read" if marked else "all were read already")
        return
    call.out.json(shown)
    call.out.facts(shown, skip=["id", "is_read"])


@command(notify_commands, "preferences")
def list_preferences(call: Call) -> None:
    """Show how you hear of what."""
    from spothive.operations import notifications

    with call.reading() as session:
        rows = [_preference(each) for each in notifications.list_preferences(session, call.actor)]
        timezone = notifications.own_user(session, call.actor).timezone
    call.out.json({"timezone": timezone, "preferences": rows})
    words = {True: "default", False: "you"}
    shown = [row | {"mail": _mail(row), "said_by": words[row["default"]]} for row in rows]
    call.out.table(shown, PREFERENCE_COLUMNS, empty="")
    call.out.line(f"digests come at 09:00 in {timezone}, weekly ones on Mondays: spothive notify zone")


@command(notify_commands, "set")
def set_preference(
    call: Call,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Of what, see notify preferences.")],
    email: Annotated[bool | None, typer.Option("--email/--no-email", help="By mail.")] = None,
    in_app: Annotated[bool | None, typer.Option("--in-app/--no-in-app", help="By a notice.")] = None,
    slack: Annotated[bool | None, typer.Option("--slack/--no-slack", help="In Slack.")] = None,
    webhook: Annotated[bool | None, typer.Option("--webhook/--no-webhook", help="By webhook.")] = None,
    frequency: Annotated[Frequency | None, typer.Option(help="When a mail is sent: at once, or in a digest.")] = None,
) -> None:
    """Say how you want to hear of an event."""
    from spothive.models import EmailFrequency, WebhookProvider

    # Loaded here, before the transaction begins.
    from spothive.operations.notifications import Change, has_follower, set_preference as prefer

    change = Change(
        email_enabled=email,
        in_app_enabled=in_app,
        slack_enabled=slack,
        webhook_enabled=webhook,
        email_frequency=EmailFrequency(frequency) if frequency else None,
    )
    with call.writing() as session:
        facts = _preference(prefer(session, call.actor, event=_event(event), change=change))
        lacking = [
            provider
            for provider, wanted in ((WebhookProvider.SLACK, slack), (WebhookProvider.WEBHOOK, webhook))
            if wanted and not has_follower(session, call.actor.user_id, provider)
        ]
    call.out.json(facts)
    ways = [words for words in (f"mail {_mail(facts)}" if facts["email"] else "", *_ways(facts)) if words]
    call.out.line(f"you hear of {facts['event']} by: {', '.join(ways) or 'nothing'}")
    for provider in lacking:
        what = "Slack webhook" if provider is WebhookProvider.SLACK else "webhook"
        add = f"spothive webhook add --provider {provider} --owner {call.actor.username}"
        call.out.line(f"but you own no active {what} that follows what you say: {add}")


@command(notify_commands, "zone")
def set_timezone(
    call: Call,
    timezone: Annotated[str, typer.Argument(metavar="ZONE", help="Such as Europe/Berlin.")],
) -> None:
    """Say in which time zone your digests come at nine."""
    from spothive.operations import notifications

    with call.writing() as session:
        name = notifications.set_timezone(session, call.actor, timezone=timezone)
    call.out.json({"timezone": name})
    call.out.line(f"digests come at 09:00 in {name}, weekly ones on Mondays")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        msg = f"{text[:60]!r} is no id: copy it from spothive notify list"
        raise InvalidInput(msg) from None


def _event(text: str) -> NoticeEvent:
    from spothive.models import NoticeEvent
    from spothive.operations.notifications import EVENTS

    try:
        return NoticeEvent(text)
    except ValueError:
        msg = f"nobody is told of {text[:60]!r}: there are {', '.join(EVENTS)}"
        raise InvalidInput(msg) from None


def _notice(row: Notice) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_at": row.created_at,
        "event": row.event_type,
        "title": row.title,
        "body": row.body,
        "link": row.link,
        "is_read": row.read_at is not None,
        "read_at": row.read_at,
    }


def _preference(each: Preference) -> dict[str, Any]:
    return {
        "event": each.event,
        "email": each.wishes.email_enabled,
        "in_app": each.wishes.in_app_enabled,
        "slack": each.wishes.slack_enabled,
        "webhook": each.wishes.webhook_enabled,
        "frequency": each.wishes.email_frequency,
        "default": each.is_default,
    }


def _mail(facts: dict[str, Any]) -> str:
    if not facts["email"]:
        return "no"
    return {"immediate": "at once", "digest_daily": "daily", "digest_weekly": "weekly"}[facts["frequency"]]


def _ways(facts: dict[str, Any]) -> list[str]:
    names = {"in_app": "notice", "slack": "Slack", "webhook": "webhook"}
    return [name for key, name in names.items() if facts[key]]
