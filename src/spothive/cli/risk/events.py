"""``spothive event``: what AWS announces about spot instances."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.files import read_files
from spothive.cli.output import Column
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.operations.risk import EventResult

event_commands = typer.Typer(rich_markup_mode=None)

MALFORMED, UNANSWERED = "malformed", "unanswered"
EVENT_COLUMNS = (
    Column("line", "line", right=True),
    Column("outcome", "outcome"),
    Column("event", "event_type", optional=True),
    Column("instance", "instance_id", optional=True),
    Column("pool", "pool_id", optional=True),
    Column("blocked until", "blocked_until", optional=True),
    Column("down since", "down_since", optional=True),
    Column("reason", "reason", fold=True),
)
FOLLOWS = ("planned", "promoted", "retired", "down_since", "down_until")
FACTS = ("event_type", "instance_id", "reported_at", "pool_id", "blocked_until", *FOLLOWS)
Line = tuple[int, bytes]


@command(event_commands, "ingest")
def ingest_events(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="One event, or one a line; - is standard input.")],
) -> None:
    """Take events of AWS EventBridge about spot instances.

    Without --tenant, staff take events of all tenants. What was taken before is
    taken once. AWS is asked about an instance that discovery has not seen yet.
    Bad lines, and those AWS gave no answer for, are listed; exit 1 if any are.
    """
    actor, own = call.actor, call.tenant_id  # found before anything is read
    [(name, content)] = read_files([file])
    lines = _lines(content)
    if not lines:
        msg = f"{name} holds no event"
        raise InvalidInput(msg)
    from spothive.models import PLATFORM_TENANT_ID

    tenant_id = None if own == PLATFORM_TENANT_ID else own
    rows: list[dict[str, Any]] = []
    with show_progress("taking events", len(lines)) as progress:
        for facts in _taken(actor, tenant_id, lines):
            rows.append(facts)
            progress(len(rows), len(lines))
    counts = _counts(rows)
    call.out.json(counts | {"lines": rows})
    call.out.table(rows, EVENT_COLUMNS, empty="")
    call.out.line(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    left_out = [_of_lines(counts[MALFORMED], "malformed: mend the file")] if counts[MALFORMED] else []
    if counts[UNANSWERED]:
        left_out.append(_of_lines(counts[UNANSWERED], "unknown, and AWS gave no answer: mend what the reasons say"))
    if left_out:
        msg = f"{'; '.join(left_out)}; then take it again, nothing is taken twice"
        raise CheckFailed(msg)


def _of_lines(count: int, what: str) -> str:
    return f"{count} lines are {what}" if count > 1 else f"1 line is {what}"


def _lines(content: bytes) -> list[Line]:
    """Return the events with the numbers of their lines: one document over many lines, or one on each."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        whole = isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        whole = False
    if whole:
        return [(1, content)]
    return [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def _taken(actor: Any, tenant_id: Any, lines: list[Line]) -> Iterator[dict[str, Any]]:
    """Take each event in transactions of its own; yield what became of it."""
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.risk import record_spot_event

    with closing(runtime.aws_gateway()) as gateway:
        for number, line in lines:
            asking: dict[str, Any] = {"gateway": gateway, "keys": runtime.keyring}
            try:
                result = record_spot_event(get_db_session, actor, _event(line), tenant_id=tenant_id, **asking)
            except InvalidInput as error:
                yield {"line": number, "outcome": MALFORMED, **dict.fromkeys(FACTS), "reason": str(error)}
            else:
                yield {"line": number} | _event_facts(result)


def _event(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        msg = "this line is no JSON"
        raise InvalidInput(msg) from None


def _event_facts(result: EventResult) -> dict[str, Any]:
    notice, follows = result.notice, result.consequence
    facts = (
        notice and notice.event_type,
        notice and notice.instance_id,
        notice and notice.reported_at,
        result.pool_id,
        result.blocked_until,
        *(follows and getattr(follows, name) for name in FOLLOWS),
    )
    return {"outcome": result.outcome, **dict(zip(FACTS, facts, strict=True)), "reason": result.reason}


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    from spothive.operations.risk import EventOutcome

    outcomes = [row["outcome"] for row in rows]
    return {outcome: outcomes.count(outcome) for outcome in (*(known.value for known in EventOutcome), MALFORMED)}
