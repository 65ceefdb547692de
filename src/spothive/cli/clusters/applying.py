"""``spothive hibernation apply``: putting clusters to sleep and waking them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.clusters.hibernation import hibernation_commands
from spothive.cli.output import Column
from spothive.cli.progress import show_progress

if TYPE_CHECKING:
    from spothive.operations.clusters import AppliedHibernation

COLUMNS = (
    Column("cluster", "cluster", fold=True),
    Column("to be", "to"),
    Column("outcome", "outcome"),
    Column("groups", "scaled", right=True),
    Column("why", "message", fold=True, optional=True),
)
DUE_COLUMNS = (
    Column("cluster", "cluster", fold=True),
    Column("account", "account", fold=True),
    Column("is", "applied"),
    Column("to do", "step"),
    Column("why", "message", fold=True, optional=True),
)
NOTHING = "every cluster is what it is to be: spothive hibernation list"


@command(hibernation_commands, "apply")
def apply(
    call: Call,
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="This one only, by name or id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; ask nothing of AWS.")] = False,
) -> None:
    """Put clusters to sleep and wake them, by now.

    Their node groups are scaled at AWS. Run it every minute: what is as it is
    to be costs nothing. Exit 1 if a cluster could not be made what it is to be.
    """
    if dry_run:
        _show_due(call, cluster)
        return
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.clusters import Outcome, apply_hibernation

    actor, tenant_id = call.actor, call.tenant_id
    with closing(runtime.aws_gateway()) as gateway, show_progress("applying hibernation") as progress:
        done = apply_hibernation(
            get_db_session,
            actor,
            tenant_id=tenant_id,
            gateway=gateway,
            keys=runtime.keyring,
            cluster=cluster,
            progress=progress,
        )
    rows = [_facts(each) for each in done]
    call.out.json(rows)
    call.out.table([row | {"scaled": len(row["groups"])} for row in rows], COLUMNS, empty=NOTHING)
    if any(each.outcome is Outcome.WAITING for each in done):
        call.out.line("somebody has to approve: spothive approval list --status PENDING")
    if failed := [each.cluster for each in done if each.outcome is Outcome.FAILED]:
        msg = f"not all are what they are to be: {', '.join(failed)}; the next run tries again"
        raise CheckFailed(msg)


def _show_due(call: Call, cluster: str | None) -> None:
    from spothive.operations.clusters import due_hibernation

    with call.reading() as session:
        rows = [
            {
                "cluster": due.cluster,
                "cluster_id": due.cluster_id,
                "account": due.account_name,
                "region": due.region,
                "applied": due.applied,
                "step": due.step,
                "message": due.note,
            }
            for due in due_hibernation(session, cluster=cluster)
        ]
    call.out.json(rows)
    call.out.table(rows, DUE_COLUMNS, empty=NOTHING)
    if rows:
        call.out.line("do it: spothive hibernation apply" + (f" --cluster {cluster}" if cluster else ""))


def _facts(done: AppliedHibernation) -> dict[str, Any]:
    return {
        "cluster": done.cluster,
        "cluster_id": done.cluster_id,
        "to": done.to,
        "outcome": done.outcome,
        "groups": done.groups,
        "gone": done.gone,
        "message": done.message,
    }
