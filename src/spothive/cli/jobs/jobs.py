"""``spothive job list|show|open``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.jobs.asked import LISTED, Before, InCluster, Limit, OfCluster, cluster_id_of, id_of
from spothive.cli.moments import to_the_second
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import OptimizationJob

job_commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("id", "id", whole=True),
    Column("status", "status"),
    Column("cluster", "cluster", fold=True, optional=True),
    Column("opened", "created_at", to_the_second, optional=True),
    Column("why it failed", "error", fold=True, optional=True, why=True),
)

Status = Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED"]


@command(job_commands, "list")
def list_jobs(
    call: Call,
    cluster: OfCluster = None,
    status: Annotated[Status | None, typer.Option(help="In this status only.")] = None,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List the jobs of the optimiser, newest first."""
    from spothive.models import JobStatus
    from spothive.operations import jobs

    with call.reading() as session:
        page = jobs.list_jobs(
            session,
            cluster_id=cluster_id_of(session, cluster),
            statuses=[JobStatus(status)] if status else (),
            limit=limit,
            before=before,
        )
        rows = [_facts(job) for job in page.rows]
    call.out.json({"jobs": rows, "next": page.next})
    call.out.table(rows, COLUMNS, empty="no job fits" if cluster or status else "no job was opened")
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(job_commands, "show")
def show_job(call: Call, job: Annotated[str, typer.Argument(metavar="JOB", help="Id, see job list.")]) -> None:
    """Show a job, and how its actions are."""
    from collections import Counter

    from spothive.database.pages import MAX_PAGE
    from spothive.operations import jobs

    with call.reading() as session:
        found = jobs.find_job(session, id_of(job, "job list"))
        actions = jobs.list_actions(session, jobs.ActionFilter(job_id=found.id), limit=MAX_PAGE).rows
        facts = _facts(found) | {"actions": dict(sorted(Counter(action.status.value for action in actions).items()))}
    call.out.json(facts)
    counts = ", ".join(f"{number} {status}" for status, number in facts["actions"].items())
    call.out.facts(facts | {"results": json.dumps(facts["results"], sort_keys=True), "actions": counts})
    if actions:
        call.out.line(f"see them: spothive action list --job {facts['id']}")


@command(job_commands, "open")
def open_job(call: Call, cluster: InCluster) -> None:
    """Ask for one run of the optimiser over a cluster.

    It waits for a worker: a program of yours that takes jobs by start_job and
    ends them by finish_job, see the guide on agents. spothive runs none.
    """
    from spothive.operations import jobs

    with call.writing() as session:
        facts = _facts(jobs.find_job(session, jobs.open_job(session, call.actor, cluster=cluster).id))
    call.out.json(facts)
    call.out.line(f"job {facts['id']} of {facts['cluster']} is {facts['status']}")
    call.out.line("it waits for a worker: a program of yours that calls start_job and finish_job")


def _facts(job: OptimizationJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "cluster": job.cluster.name,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "leased_until": job.leased_until,
        "completed_at": job.completed_at,
        "results": dict(job.results),
        "error": job.error_message,
    }
