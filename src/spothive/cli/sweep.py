"""``spothive sweep``: what has to be done again and again."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from spothive.cli.call import Call, CheckFailed
from spothive.cli.moments import to_the_second
from spothive.cli.output import Column, cell, to_stderr
from spothive.cli.until_told import until_told
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.gateways.aws import AwsGateway
    from spothive.operations.sweeps import DutyStanding, Run, Tools


def _moment(value: datetime | None) -> str:
    return cell(None) if value is None else to_the_second(value)


COLUMNS = (
    Column("duty", "duty"),
    Column("every", "every", right=True),
    Column("last run", "last_run_at", _moment),
    Column("next due", "next_due", _moment),
    Column("held by", "holder", fold=True, optional=True),
    Column("until", "leased_until", _moment, optional=True),
    Column("what came of it", "last_result", fold=True),
)
SHOWN = 20
"""Most failures of a run that are shown to people; JSON and the log name more."""


def sweep(call: Call, *, only: str | None, loop: bool, listed: bool) -> None:
    """Run, or list, the duties of the sweep.

    Raises:
        InvalidInput: the options do not go together.
        CheckFailed: something could not be done.
    """
    if listed + loop + (only is not None) > 1:
        msg = "give one of --only, --loop and --list"
        raise InvalidInput(msg)
    if listed:
        _list(call)
    elif loop:
        _keep_on(call)
    else:
        _once(call, only)


def _list(call: Call) -> None:
    from spothive.operations import sweeps

    with call.reading() as session:
        rows = [_standing(each) for each in sweeps.list_duties(session, call.actor)]
    call.out.json(rows)
    call.out.table([row | {"every": _span(row["period"])} for row in rows], COLUMNS, empty="")


def _standing(found: DutyStanding) -> dict[str, Any]:
    return {
        "duty": found.duty.name,
        "purpose": found.duty.purpose,
        "each_tenant": found.duty.each_tenant,
        "period": round(found.duty.period.total_seconds()),
        "last_run_at": found.standing.last_run_at,
        "next_due": found.next_due,
        "holder": found.standing.holder,
        "leased_until": found.standing.leased_until,
        "last_result": found.standing.last_result,
    }


def _once(call: Call, only: str | None) -> None:
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import sweeps

    def tell(run: Run) -> None:
        call.out.line(f"{run.duty}: {run.summary}")
        call.out.flush()

    actor = call.actor
    with closing(runtime.aws_gateway()) as gateway:
        runs = sweeps.sweep(get_db_session, actor, _tools(gateway), only=only, tell=tell)
    call.out.json([_facts(run) for run in runs])
    if not runs:
        call.out.line("nothing is due: see spothive sweep --list, or name a duty with --only")
    for run in runs:
        for what, reason in list(run.failures.items())[:SHOWN]:
            call.out.line(f"{run.duty}: {what}: {reason}")
        if len(run.failures) > SHOWN:
            call.out.line(f"{run.duty}: and {len(run.failures) - SHOWN} more: spothive logs --component sweep --json")
    if unsound := [run for run in runs if not run.is_sound]:
        first = unsound[0]
        names = ", ".join(run.duty for run in unsound)
        msg = f"not everything was done: {names}" + (f"; {first.duty}: {first.error}" if first.error else "")
        raise CheckFailed(msg)


def _keep_on(call: Call) -> None:
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import sweeps

    actor, speaking = call.actor, Lock()

    def tell(run: Run) -> None:
        with speaking:
            call.out.json_line(_facts(run))
            call.out.line(f"{run.duty}: {run.summary}")
            call.out.flush()

    def complain(duty: str, reason: str) -> None:
        with speaking:
            to_stderr(f"{duty}: {reason}")

    with closing(runtime.aws_gateway()) as gateway, until_told() as stop:
        sweeps.keep_sweeping(get_db_session, actor, _tools(gateway), stop=stop, tell=tell, complain=complain)


def _tools(gateway: AwsGateway) -> Tools:
    from spothive import runtime
    from spothive.operations.sweeps import Tools

    return Tools(
        gateway,
        runtime.keyring,
        runtime.signing_keys,
        runtime.audit_anchor,
        runtime.mailer,
        runtime.webhook_sender,
        runtime.dataset_store,
    )


def _facts(run: Run) -> dict[str, Any]:
    return {
        "duty": run.duty,
        "outcome": run.outcome.value,
        "began_at": run.began_at,
        "seconds": round(run.seconds, 3),
        "did": run.summary.partition(": ")[2],
        "counts": run.counts,
        "failures": run.failures,
        "error": run.error,
    }


def _span(seconds: int) -> str:
    """Return how often, as people say it; ``off`` for never."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{timedelta(seconds=seconds) // timedelta(seconds=size)} {unit}"
    return f"{seconds} s" if seconds else "off"
