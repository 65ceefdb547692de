"""``spothive savings``: what decisions came to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import date

    from spothive.operations.decisions import Savings

savings_commands = typer.Typer(rich_markup_mode=None)

COUNTS = (
    Column("decisions", "decisions", right=True),
    Column("switches", "switches", right=True),
    Column("holds", "holds", right=True, optional=True),
    Column("failed", "failures", right=True, optional=True),
    Column("shadow", "shadow", right=True, optional=True),
    Column("saves, USD", "projected_savings", right=True),
    Column("per switch, USD/hour", "savings_per_switch", right=True),
)

COUNTED_FOR = "each switch counted for one hour"

# Spelled out like the roles in people.py, and for the same reason.
ByName = Literal["account", "day", "model"]


@command(savings_commands, "report")
def report_savings(
    call: Call,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Calendar month in UTC; the present one if none is given.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day in UTC, with --until.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Day after the last one.")] = None,
    by: Annotated[ByName, typer.Option(help="What each line is about.")] = "account",
) -> None:
    """Show what decisions save, as projected.

    Each switch that was no shadow run counts for the one hour that follows it:
    deciding every hour, the sum is what following all decisions saves. It is
    exact up to the last decision, whether or not its day is counted yet.
    """
    from spothive.operations.decisions import By, savings_report

    first, end = _span(month, since, until)
    with call.reading() as session:
        report = savings_report(session, since=first, until=end, by=By(by))
    rows, total = [_facts(row, by) for row in report.rows], _facts(report.total, by)
    sums = {key: value for key, value in total.items() if key not in {by, f"{by}_id"}}
    span = {"since": first.isoformat(), "until": end.isoformat()}
    call.out.json(span | {"by": by, "rows": rows, "total": sums})
    call.out.line(f"decisions from {first} to before {end} (UTC)")
    if rows:
        rows.append(total | {by: "all"})
    call.out.table(rows, (Column(by, by, fold=by != "day"), *COUNTS), empty="no decisions")
    if rows:
        call.out.line(COUNTED_FOR)


def _span(month: str | None, since: str | None, until: str | None) -> tuple[date, date]:
    from spothive.clock import utc_now

    if since is None and until is None:
        return _month(f"{utc_now():%Y-%m}" if month is None else month)
    if month is not None or since is None or until is None:
        msg = "give --month, or both --since and --until"
        raise InvalidInput(msg)
    return _day(since, "--since"), _day(until, "--until")


def _month(text: str) -> tuple[date, date]:
    from datetime import date, timedelta

    if not re.fullmatch(r"[0-9]{4}-(?:0[1-9]|1[0-2])", text) or not "0001" <= text[:4] <= "9998":
        msg = f"--month: {text[:40]!r} is no month: write 2026-03"
        raise InvalidInput(msg)
    first = date.fromisoformat(f"{text}-01")
    return first, (first + timedelta(days=31)).replace(day=1)


def _day(text: str, option: str) -> date:
    from datetime import date

    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    msg = f"{option}: {text[:40]!r} is no day: write 2026-03-04"
    raise InvalidInput(msg)


def _facts(row: Savings, by: ByName) -> dict[str, Any]:
    if by == "day":
        who: dict[str, Any] = {"day": str(row.key)}
    else:
        who = {by: row.name or "none", f"{by}_id": row.key}
    return who | {
        "decisions": row.decisions,
        "switches": row.switches,
        "holds": row.holds,
        "failures": row.failures,
        "shadow": row.shadow,
        "real_switches": row.real_switches,
        "projected_savings": row.projected_savings,
        "savings_per_switch": row.savings_per_switch,
    }
