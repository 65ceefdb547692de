"""``spothive sla``: how long spothive kept clusters down, against what it may, and the outages themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import date, datetime

    from spothive.models import DowntimeLog
    from spothive.operations.sla import DowntimeBudget

commands = typer.Typer(rich_markup_mode=None)


def _until(value: datetime | None) -> str:
    return "lasts" if value is None else to_the_second(value)


COLUMNS = (
    Column("cluster", "cluster", fold=True),
    Column("account", "account", fold=True),
    Column("region", "region"),
    Column("down, seconds", "seconds", right=True),
    Column("allowed", "budget", right=True),
    Column("left", "left", right=True),
    Column("kept", "kept", optional=True),
    Column("outages", "outages", right=True, optional=True),
    Column("ongoing", "ongoing", right=True, optional=True),
)
OUTAGE_COLUMNS = (
    Column("instance", "instance_id"),
    Column("cluster", "cluster", optional=True),
    Column("cause", "cause"),
    Column("since", "start_time", to_the_second),
    Column("until", "end_time", _until),
    Column("seconds", "seconds", right=True),
    Column("details", "details", fold=True, optional=True),
)
LISTED = 500

# Spelled out like the roles in identity.py, and for the same reason.
Cause = Literal["emergency_switch", "no_replica", "optimizer_failure", "worker_crash"]
InstanceId = Annotated[str, typer.Argument(metavar="INSTANCE", help="EC2's id, such as i-0123456789abcdef0.")]
Month = Annotated[
    str | None, typer.Option(metavar="YYYY-MM", help="Calendar month in UTC; the present one if not given.")
]


@command(commands, "report")
def report_downtime(call: Call, month: Month = None) -> None:
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


@command(commands, "outages")
def list_outages(
    call: Call,
    month: Month = None,
    only_open: Annotated[bool, typer.Option("--open", help="Those that last, of any month if none is given.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", help="Most outages to list.")] = LISTED,
) -> None:
    """List the outages of a month, the latest first."""
    from spothive.operations.sla import list_outages

    day = None if only_open and month is None else _month(month)
    with call.reading() as session:
        found = list_outages(session, month=day, only_open=only_open, limit=limit)
    rows = [_outage_facts(each.outage, each.cluster_name) for each in found]
    call.out.json(rows)
    call.out.table(rows, OUTAGE_COLUMNS, empty="no outage lasts" if only_open else "nothing was down")
    if len(rows) == limit:
        call.out.line("perhaps more: --limit")


@command(commands, "record")
def record_downtime(
    call: Call,
    instance: InstanceId,
    cause: Annotated[Cause, typer.Option(help="What spothive did, or failed to do.")],
    start: Annotated[str, typer.Option(metavar="TIME", help="Since 30m, 2h .. ago, or 2026-03-04T10:30 in UTC.")],
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until then, given likewise; it lasts if not given.")
    ] = None,
    details: Annotated[str | None, typer.Option(metavar="TEXT", help="The cause for people.")] = None,
) -> None:
    """Write down an outage that spothive caused.

    What AWS did is none. Fractions of a second are cut off at both ends.
    """
    from spothive.models import DowntimeCause
    from spothive.operations.sla import record_downtime

    since, until = moment(start, "--start"), moment(end, "--end")
    assert since is not None  # noqa: S101 - the option is required
    with call.writing() as session:
        outage = record_downtime(
            session,
            call.actor,
            instance_id=instance,
            cause=DowntimeCause(cause),
            start=since,
            end=until,
            details=details,
        )
    call.out.json(_outage_facts(outage))
    call.out.line(f"{instance} {_told(outage)}")


@command(commands, "end")
def end_downtime(
    call: Call,
    instance: InstanceId,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="30m, 2h .. ago, or 2026-03-04T10:30 in UTC; now if not given.")
    ] = None,
) -> None:
    """End the outages of an instance that last."""
    from spothive.clock import utc_now
    from spothive.operations.sla import end_downtime

    over = moment(at, "--at") or utc_now()
    with call.writing() as session:
        outages = end_downtime(session, call.actor, instance_id=instance, at=over)
    call.out.json([_outage_facts(outage) for outage in outages])
    for outage in outages:
        call.out.line(f"{instance} {_told(outage)}")


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
        "account": budget.account_name,
        "region": budget.region,
        "seconds": budget.seconds,
        "budget": budget.budget,
        "left": budget.left,
        "kept": budget.is_kept,
        "outages": budget.outages,
        "ongoing": budget.ongoing,
    }


def _outage_facts(outage: DowntimeLog, cluster_name: str | None = None) -> dict[str, Any]:
    return {
        "id": outage.id,
        "instance_id": outage.instance_id,
        "cluster": cluster_name,
        "cluster_id": outage.cluster_id,
        "cause": outage.cause,
        "start_time": outage.start_time,
        "end_time": outage.end_time,
        "seconds": outage.duration_seconds,
        "details": outage.cause_details,
        "decision_id": outage.decision_id,
    }


def _told(outage: DowntimeLog) -> str:
    since = f"down since {to_the_second(outage.start_time)} ({outage.cause})"
    return since if outage.end_time is None else f"{since} until {to_the_second(outage.end_time)}"
