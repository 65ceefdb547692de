"""``spothive sla``: how long spothive kept clusters down, against what it may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import date

    from spothive.operations.sla import DowntimeBudget

commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("cluster", "cluster"),
    Column("down, seconds", "seconds", right=True),
    Column("allowed", "budget", right=True),
    Column("left", "left", right=True),
    Column("kept", "kept"),
    Column("outages", "outages", right=True, optional=True),
    Column("ongoing", "ongoing", right=True, optional=True),
)


@command(commands, "report")
def report_downtime(
    call: Call,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Calendar month in UTC; the present one if not given.")
    ] = None,
) -> None:
    """Show how long each cluster was down in a month.

    What spothive did or failed to do counts; what AWS did does not. Seconds in
    which several instances of a cluster were down count once.
    """
    from spothive.operations.sla import downtime_report

    day = _month(month)
    with call.reading() as session:
        rows = [_facts(budget) for budget in downtime_report(session, month=day)]
    call.out.json({"month": f"{day:%Y-%m}", "clusters": rows})
    call.out.line(f"downtime in {day:%Y-%m} (UTC)")
    call.out.table(rows, COLUMNS, empty="no clusters, and nothing was down")


def _month(text: str | None) -> date:
    from datetime import date

    from spothive.clock import utc_now

    if text is None:
        return utc_now().date()
    if re.fullmatch(r"[0-9]{4}-(?:0[1-9]|1[0-2])", text) and not text.startswith("0000"):
        return date.fromisoformat(f"{text}-01")
    msg = f"--month: {text[:40]!r} is no month: write 2026-03"
    raise InvalidInput(msg)


def _facts(budget: DowntimeBudget) -> dict[str, Any]:
    named = budget.cluster_name
    if named is None:
        named = f"gone: {budget.cluster_id}" if budget.cluster_id else "in no cluster"
    return {
        "cluster": named,
        "cluster_id": budget.cluster_id,
        "seconds": budget.seconds,
        "budget": budget.budget,
        "left": budget.left,
        "kept": budget.is_kept,
        "outages": budget.outages,
        "ongoing": budget.ongoing,
    }
