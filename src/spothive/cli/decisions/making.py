"""``spothive decision make``, ``outcome`` and ``shadow``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.decisions.group import decision_commands
from spothive.cli.moments import moment
from spothive.cli.output import Column, cell
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from spothive.operations.decisions import Decided

InstanceId = Annotated[str, typer.Argument(metavar="INSTANCE", help="EC2's id, such as i-0123456789abcdef0.")]
DecisionId = Annotated[str, typer.Argument(metavar="ID", help="As decision list shows it.")]


def share(part: float | None) -> str:
    """Return a part of 1 for people, rounded down as in the reasons of decisions, for example ``31.2 %``."""
    return "-" if part is None else f"{math.floor(round(part * 1000, 3)) / 10} %"


def risk(probability: float | None) -> str:
    """Return a probability for people, for example ``0.043``."""
    return "-" if probability is None else f"{probability:.3f}"


MADE_COLUMNS = (
    Column("instance", "instance_id"),
    Column("decision", "decision"),
    Column("where to", "target", cell),
    Column("saving", "saving", share, right=True, optional=True),
    Column("risk", "risk", risk, right=True, optional=True),
    Column("reason", "reason", fold=True),
)


def decision_id(text: str) -> UUID:
    """Return the id that somebody typed.

    Raises:
        NotFound: it is none, so no decision has it.
    """
    try:
        return UUID(text)
    except ValueError:
        msg = f"no decision has the id {text[:60]!r}: see `spothive decision list`"
        raise NotFound(msg) from None


@command(decision_commands, "make")
def make_decisions(
    call: Call,
    instances: Annotated[
        list[str] | None, typer.Argument(metavar="INSTANCE...", help="EC2's ids; nothing with --all.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All running ones that a model can judge.")] = False,
    candidates: Annotated[
        list[str] | None,
        typer.Option("--candidate", metavar="POOL", help="Compare with region:zone:type only; any number."),
    ] = None,
) -> None:
    """Decide whether instances had better be in another pool.

    Each decision is recorded with all it was taken from; nothing is done about
    it here. Exit 1 if one FAILED.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import decisions

    if everything == bool(instances):
        msg = "name instances, or say --all"
        raise InvalidInput(msg)
    actor, tenant_id = call.actor, call.tenant_id
    with show_progress("deciding") as progress:
        made = decisions.make_decisions(
            get_db_session,
            actor,
            tenant_id=tenant_id,
            server=runtime.model_server(),
            instances=instances or None,
            candidates=candidates or None,
            progress=progress,
        )
    rows = [_made_facts(each) for each in made.decided]
    counts = made.counts()
    call.out.json(counts | {"left_out": made.left_out, "gone": made.gone, "decisions": rows})
    call.out.table(rows, MADE_COLUMNS, empty="no instance to decide about: spothive instance list --state running")
    told = [f"{count} {name}" for name, count in counts.items()]
    told += [f"{count} left out ({why})" for why, count in sorted(made.left_out.items())]
    call.out.line(", ".join(told + ([f"{made.gone} gone meanwhile"] if made.gone else [])))
    if counts["FAILED"]:
        which = "1 decision" if counts["FAILED"] == 1 else f"{counts['FAILED']} decisions"
        msg = f"{which} FAILED: mend what the reason says and decide again"
        raise CheckFailed(msg)


def _made_facts(made: Decided) -> dict[str, Any]:
    target = f"{made.zone} {made.instance_type}" if made.zone else None
    return {
        "id": made.decision_id,
        "instance_id": made.instance_id,
        "decision": made.decision,
        "target": target,
        "availability_zone": made.zone,
        "instance_type": made.instance_type,
        "saving": None if made.saving is None else round(float(made.saving), 6),
        "risk": made.risk,
        "reason": made.reason,
        "is_shadow_run": made.is_shadow_run,
    }


@command(decision_commands, "outcome")
def record_outcome(
    call: Call,
    decision: DecisionId,
    outcome: Annotated[Literal["acted", "reverted"], typer.Argument(metavar="OUTCOME", help="acted or reverted.")],
    source_lost: Annotated[
        str | None, typer.Option(metavar="WHEN", help="The source stopped 5m .. ago, or at 2026-03-04T10:30:05.")
    ] = None,
    target_ready: Annotated[
        str | None, typer.Option(metavar="WHEN", help="The target began to work; given likewise.")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="ID", help="EC2's id of the one that took over.")
    ] = None,
) -> None:
    """Record that a switch was made, or taken back.

    A source that was lost before the target was ready is an outage by spothive.
    """
    from spothive.models import DecisionStatus
    from spothive.operations import decisions

    lost, ready = moment(source_lost, "--source-lost"), moment(target_ready, "--target-ready")
    with call.writing() as session:
        found = decisions.record_switch_outcome(
            session,
            call.actor,
            decision_id=decision_id(decision),
            status=DecisionStatus(outcome.upper()),
            source_lost_at=lost,
            target_ready_at=ready,
            instance_id=instance,
        )
        facts = {"id": found.id, "instance_id": found.instance.instance_id, "status": found.status}
    call.out.json(facts)
    call.out.line(f"decision {facts['id']} about {facts['instance_id']} is {facts['status']}")


@command(decision_commands, "shadow")
def set_shadow(
    call: Call,
    instance: InstanceId,
    mode: Annotated[Literal["on", "off"], typer.Argument(metavar="MODE", help="on or off.")],
) -> None:
    """Only record what is decided about an instance, or stop that."""
    from spothive.operations import decisions

    with call.writing() as session:
        found = decisions.set_shadow_mode(session, call.actor, instance_id=instance, on=mode == "on")
        facts = {"instance_id": found.instance_id, "is_shadow_mode": found.is_shadow_mode}
    call.out.json(facts)
    what = "recorded only" if facts["is_shadow_mode"] else "handed out"
    call.out.line(f"decisions about {facts['instance_id']} are {what} from now on")
