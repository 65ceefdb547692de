"""``spothive replica``: what stands by for instances that AWS may take away."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.moments import moment
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.operations.risk import ListedReplica

replica_commands = typer.Typer(rich_markup_mode=None)

LISTED = 500
REPLICA_COLUMNS = (
    Column("replica", "replica"),
    Column("state", "state"),
    Column("stands by for", "primary"),
    Column("its state", "primary_state", optional=True),
    Column("type", "instance_type", optional=True),
    Column("zone", "availability_zone"),
    Column("until", "expires_at"),
    Column("account", "account", fold=True, optional=True),
)

# Spelled out like the roles in identity.py, and for the same reason.
Outcome = Literal["launched", "failed", "stopped"]


@command(replica_commands, "list")
def list_replicas(
    call: Call,
    everything: Annotated[bool, typer.Option("--all", help="Those that ended without taking over, too.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", help="Most replicas to list.")] = LISTED,
) -> None:
    """List the replicas that are planned or stand by."""
    from spothive.operations.risk import list_replicas

    with call.reading() as session:
        rows = [_facts(found) for found in list_replicas(session, everything=everything, limit=limit)]
    call.out.json(rows)
    call.out.table(rows, REPLICA_COLUMNS, empty="no replica is planned or stands by")
    if len(rows) == limit:
        call.out.line("perhaps more: --limit")


@command(replica_commands, "outcome")
def record_outcome(
    call: Call,
    replica: Annotated[str, typer.Argument(metavar="REPLICA", help="The id it was planned under, or EC2's.")],
    outcome: Annotated[Outcome, typer.Argument(metavar="OUTCOME", help="launched, failed or stopped.")],
    instance: Annotated[str | None, typer.Option(metavar="ID", help="EC2's id of a replica that was launched.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="30m, 2h .. ago, or 2026-03-04T10:30 in UTC; now if not given.")
    ] = None,
) -> None:
    """Tell what became of a replica at AWS.

    One that was launched takes over at once if its primary is gone.
    """
    from spothive.operations.risk import ReplicaOutcome, record_replica_outcome

    when = moment(at, "--at")
    with call.writing() as session:
        result = record_replica_outcome(
            session, call.actor, replica=replica, outcome=ReplicaOutcome(outcome), instance_id=instance, at=when
        )
    call.out.json(asdict(result))
    call.out.line(f"{result.replica} {result.reason}")


@command(replica_commands, "expire")
def expire_replicas(call: Call) -> None:
    """End the replicas whose time is over.

    Where the primary is gone its replica takes over; else it was a false alarm.
    """
    from spothive.operations.risk import expire_replicas

    with call.writing() as session:
        result = expire_replicas(session, call.actor)
    call.out.json(asdict(result))
    for what, names in (("took over", result.promoted), ("given up: terminate it, if AWS runs it", result.retired)):
        for name in names:
            call.out.line(f"{name} {what}")
    if not result.promoted and not result.retired:
        call.out.line("no replica's time is over")


def _facts(found: ListedReplica) -> dict[str, Any]:
    replica, primary = found.replica, found.primary
    return {
        "replica": replica.instance_id,
        "state": "planned" if replica.is_planned and replica.terminated_at is None else replica.state,
        "primary": primary.instance_id,
        "primary_state": primary.state,
        "account": found.account_name,
        "instance_type": replica.instance_type,
        "region": replica.region,
        "availability_zone": replica.availability_zone,
        "launched_at": replica.launched_at,
        "expires_at": replica.replica_expiry,
        "terminated_at": replica.terminated_at,
    }
