"""``spothive audit list`` and ``show``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from spothive.cli.audit.group import audit_commands
from spothive.cli.call import Call, command
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column, cell, shortened
from spothive.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from spothive.models import AuditLog, ResourceType

ROW_COLUMNS = (
    Column("when", "timestamp", to_the_second),
    Column("event", "event"),
    Column("resource", "resource", fold=True),
    Column("outcome", "outcome"),
    Column("who", "actor_name", fold=True),
    Column("id", "id", optional=True),
)


def _value(value: Any) -> str:
    """Return a value of a diff for people, as JSON unless it is text."""
    return cell(value) if value is None or isinstance(value, str) else shortened(json.dumps(value))


CHANGE_COLUMNS = (
    Column("field", "field"),
    Column("before", "before", _value, fold=True),
    Column("after", "after", _value, fold=True),
)

# The outcomes of the model, spelled out: the model's module would cost `spothive --help` half a second.
OutcomeName = Literal["SUCCESS", "FAILURE", "DENIED"]


@command(audit_commands, "list")
def list_audit(
    call: Call,
    event: Annotated[str | None, typer.Option(metavar="EVENT", help="Exactly this, such as account.imported.")] = None,
    resource: Annotated[str | None, typer.Option(metavar="NAME", help="On the thing of this name or id only.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="On this kind of thing only, such as account.")
    ] = None,
    outcome: Annotated[OutcomeName | None, typer.Option(help="Ended in this way.", case_sensitive=False)] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="USERNAME", help="Done by this user only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 2h, 7d .. ago, or from 2026-03-04T10:30.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Before this, given likewise.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most rows to list.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """List who did or tried what, newest first."""
    from spothive.models import Outcome
    from spothive.operations.audit.reading import list_audit as read

    with call.reading() as session:
        page = read(
            session,
            call.actor,
            event=event,
            resource=resource,
            resource_type=None if kind is None else _kind(kind),
            outcome=Outcome(outcome) if outcome else None,
            actor_name=by,
            since=moment(since, "--since"),
            until=moment(until, "--until"),
            limit=limit,
            before=before,
        )
    rows = [_facts(row) for row in page.rows]
    call.out.json({"entries": rows, "next": page.next})
    call.out.table(rows, ROW_COLUMNS, empty="no such audit rows")
    if page.next:
        call.out.line(f"older ones: --before {page.next}")


@command(audit_commands, "show")
def show_audit(
    call: Call, row_id: Annotated[str, typer.Argument(metavar="ID", help="As audit list shows it.")]
) -> None:
    """Show one row, with what was changed."""
    from spothive.operations.audit.reading import changes_of, show_audit as read

    with call.reading() as session:
        row = read(session, call.actor, _id(row_id))
    facts, changes = _facts(row), [asdict(change) for change in changes_of(row)]
    call.out.json(facts | {"changes": changes})
    call.out.facts(facts | {"timestamp": to_the_second(row.timestamp)})
    call.out.line()
    call.out.table(changes, CHANGE_COLUMNS, empty="it names no change")


def _kind(text: str) -> ResourceType:
    from spothive.models import ResourceType

    try:
        return ResourceType(text.strip().upper())
    except ValueError:
        msg = f"--kind: {text[:40]!r} is none; there are {', '.join(ResourceType).lower()}"
        raise InvalidInput(msg) from None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        msg = f"no audit row has the id {text[:60]!r}: see `spothive audit list`"
        raise NotFound(msg) from None


def _facts(row: AuditLog) -> dict[str, Any]:
    return {
        "id": row.id,
        "timestamp": row.timestamp,
        "event": row.event,
        "resource": row.resource,
        "resource_type": row.resource_type,
        "outcome": row.outcome,
        "actor_name": row.actor_name,
        "actor_id": row.actor_id,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent,
        "request_id": row.request_id,
    }
