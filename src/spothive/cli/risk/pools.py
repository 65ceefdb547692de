"""``spothive risk``: which spot pools are blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.operations.risk import PoolRisk

risk_commands = typer.Typer(rich_markup_mode=None)

RISK_COLUMNS = (
    Column("pool", "pool_id"),
    Column("blocked", "blocked"),
    Column("until", "until"),
    Column("interruptions", "interruptions", right=True),
    Column("last interruption", "last_interruption", optional=True),
)
HISTORY_COLUMNS = (
    Column("reported", "reported_at"),
    Column("event", "event_type"),
    Column("counted", "counted"),
)
Pool = Annotated[str, typer.Argument(metavar="POOL", help="region:zone:type, as us-east-1:us-east-1a:m5.large.")]


@command(risk_commands, "check")
def check_risk(
    call: Call, pools: Annotated[list[str], typer.Argument(metavar="POOL...", help="region:zone:type, any number.")]
) -> None:
    """Tell which pools are blocked, until when and why."""
    from spothive.operations.risk import check_pools

    with call.reading() as session:
        rows = [_risk_facts(risk) for risk in check_pools(session, pools).values()]
    call.out.json(rows)
    call.out.table(rows, RISK_COLUMNS, empty="")


@command(risk_commands, "list")
def list_risks(call: Call) -> None:
    """List the pools that are blocked now."""
    from spothive.operations.risk import list_blocked

    with call.reading() as session:
        rows = [_risk_facts(risk) for risk in list_blocked(session)]
    call.out.json(rows)
    call.out.table(rows, RISK_COLUMNS, empty="no pool is blocked")


@command(risk_commands, "why")
def explain_risk(
    call: Call, pool: Pool, limit: Annotated[int, typer.Option(metavar="N", help="Most events to show.")] = 50
) -> None:
    """Show what AWS announced about a pool, newest first."""
    from spothive.operations.risk import why_pool

    with call.reading() as session:
        history = why_pool(session, pool, limit=limit)
    events = [
        {"reported_at": event.reported_at, "event_type": event.event_type, "counted": event.counted}
        for event in history.events
    ]
    facts = _risk_facts(history.risk)
    call.out.json(facts | {"events": events})
    call.out.facts(facts)
    call.out.line()
    call.out.table(events, HISTORY_COLUMNS, empty="AWS announced nothing about this pool")


def _risk_facts(risk: PoolRisk) -> dict[str, Any]:
    return {
        "pool_id": risk.pool_id,
        "blocked": risk.blocked,
        "until": risk.until,
        "interruptions": risk.interruptions,
        "last_interruption": risk.last_interruption,
        "reason": risk.reason,
    }
