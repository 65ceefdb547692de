"""``spothive dataset``: list, show, verify and delete datasets, and the jobs that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli import asking
from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.output import Column, plural

if TYPE_CHECKING:
    from spothive.gateways.dataset_store import DatasetStore
    from spothive.models import Dataset
    from spothive.operations.datasets import Job, MadeDataset

dataset_commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("dataset", "name", fold=True),
    Column("kind", "kind"),
    Column("rows", "rows", right=True),
    Column("SHA-256", "file_hash", lambda digest: digest[:12]),
    Column("made", "created_at", optional=True),
)
JOB_COLUMNS = (
    Column("job", "id", whole=True),
    Column("what", "what", optional=True),
    Column("dataset", "name", fold=True),
    Column("status", "status"),
    Column("done", "progress", lambda percent: f"{percent} %", right=True, optional=True),
    Column("rows", "rows", right=True, optional=True),
    Column("asked", "created_at", optional=True),
    Column("why", "error", fold=True, optional=True, why=True),
)
VERIFIED_COLUMNS = (Column("dataset", "name", fold=True), Column("file", "state"), Column("path", "path", fold=True))
LISTED = 100
LONGEST = 255
"""Longest name of a dataset."""
NAMED = 5
"""Most datasets that an error names."""

# Spelled out like the roles in people.py, and for the same reason.
KindName = Literal["market", "interruptions", "decisions"]
StatusName = Literal["pending", "running", "completed", "failed", "cancelled"]
Name = Annotated[str, typer.Argument(metavar="DATASET", help="Its name, or its id.")]
NewName = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the dataset.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of a dataset of this name.")]
Limit = Annotated[int, typer.Option(metavar="N", help="Most rows to list.")]
Before = Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")]


@command(dataset_commands, "list")
def list_datasets(
    call: Call,
    kind: Annotated[KindName | None, typer.Option(help="Of this kind only.")] = None,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List datasets, newest first."""
    from spothive.models import DatasetKind
    from spothive.operations import datasets

    with call.reading() as session:
        wanted = DatasetKind(kind) if kind else None
        page = datasets.list_datasets(session, kind=wanted, limit=limit, before=before)
        rows = [_facts(row) for row in page.rows]
    call.out.json({"datasets": rows, "next": page.next})
    none = "no dataset fits" if kind else "no datasets: spothive dataset import --help, or generate --help"
    call.out.table(rows, COLUMNS, empty=none)
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(dataset_commands, "show")
def show_dataset(call: Call, dataset: Name) -> None:
    """Show a dataset and its columns."""
    from spothive.operations import datasets

    with call.reading() as session:
        facts = _facts(datasets.find_dataset(session, dataset))
    store = _own_store()
    path = facts["file_path"]
    facts["file"] = str(store.folder / path) if store.holds(call.tenant_id, path) else path
    call.out.json(facts)
    call.out.facts(facts | {"columns": ", ".join(map(str, facts["columns"]))}, skip=["file_path"])


@command(dataset_commands, "jobs")
def list_jobs(
    call: Call,
    status: Annotated[StatusName | None, typer.Option(help="Only those that are so far.")] = None,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List what makes datasets, newest first."""
    from spothive.models import DatasetJobStatus
    from spothive.operations import datasets

    with call.reading() as session:
        wanted = DatasetJobStatus(status) if status else None
        page = datasets.list_jobs(session, status=wanted, limit=limit, before=before)
        rows = [job_facts(job) for job in page.rows]
    call.out.json({"jobs": rows, "next": page.next})
    call.out.table(rows, JOB_COLUMNS, empty="no job fits" if status else "no jobs")
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(dataset_commands, "cancel")
def cancel_job(
    call: Call, job: Annotated[str, typer.Argument(metavar="JOB", help="Its id, see spothive dataset jobs.")]
) -> None:
    """Cancel a job that is pending or running.

    A worker that has it finds out within seconds, and leaves no file.
    """
    from spothive.operations import datasets

    with call.writing() as session:
        facts = job_facts(datasets.cancel_job(session, call.actor, job_id=job))
    call.out.json(facts)
    call.out.line(f"cancelled: {facts['name']} is not made")


@command(dataset_commands, "delete")
def delete_dataset(
    call: Call, dataset: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete a dataset, its jobs and its file."""
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import datasets

    with call.reading() as session:
        found = datasets.find_dataset(session, dataset)
        words = f"dataset {found.name} of {plural(found.row_count, 'row')}"
    asking.confirm(f"{words} would be deleted with its jobs and its file", yes=yes)
    store = runtime.dataset_store()
    removed = datasets.delete_dataset(get_db_session, call.actor, tenant_id=call.tenant_id, store=store, name=dataset)
    call.out.json({"dataset": dataset, "file_deleted": removed})
    call.out.line(f"deleted {dataset}" + ("" if removed else "; the dataset store had no file of it"))


@command(dataset_commands, "verify")
def verify_datasets(
    call: Call,
    dataset: Annotated[str | None, typer.Argument(metavar="DATASET", help="This one alone; all if not given.")] = None,
) -> None:
    """Compare files with the hashes in their rows.

    A file elsewhere than in the dataset store is not looked at. Exit 1 if one
    is missing or was changed.
    """
    from spothive import runtime
    from spothive.operations import datasets

    found = datasets.verify_datasets(call.tenant_id, store=runtime.dataset_store(), name=dataset)
    rows = [{"name": each.name, "state": each.state, "path": each.file_path} for each in found]
    call.out.json(rows)
    call.out.table(rows, VERIFIED_COLUMNS, empty="no datasets")
    missing, changed = (
        [each.name for each in found if each.state is state]
        for state in (datasets.FileState.MISSING, datasets.FileState.CHANGED)
    )
    problems = []
    if missing:
        problems.append(
            f"{_first(missing)} not found in {_own_store().folder.absolute()}: see that SPOTHIVE_DATASET_STORE names "
            "the folder they were made in, else bring the store's backup back, or delete them"
        )
    if changed:
        problems.append(f"{_first(changed)} not what it was: bring the store's backup back, or delete it")
    if problems:
        raise CheckFailed("; ".join(problems))


def _first(names: list[str]) -> str:
    """Return what is said of files of datasets: how many, and the names of the first."""
    more = ", .." if len(names) > NAMED else ""
    return f"{plural(len(names), 'file')} ({', '.join(names[:NAMED])}{more}) {'is' if len(names) == 1 else 'are'}"


def _own_store() -> DatasetStore:
    """Return where this database's files of datasets are."""
    from spothive import runtime
    from spothive.operations.datasets.place import own_part

    return own_part(runtime.dataset_store())


def made_facts(made: MadeDataset) -> dict[str, Any]:
    """Return what a job came to as JSON."""
    return {
        "id": made.id,
        "name": made.name,
        "kind": made.written.kind,
        "rows": made.written.rows,
        "file_hash": made.written.file_hash,
        "file_path": made.written.path,
        "refused": made.refused_count,
        "first_refused": [{"line": each.line, "reason": each.reason} for each in made.refused],
    }


def tell_made(call: Call, made: MadeDataset) -> None:
    """Tell people what a job came to."""
    written = made.written
    call.out.line(f"{made.name}: {plural(written.rows, 'row')} of kind {written.kind}, SHA-256 {written.file_hash}")


def job_facts(job: Job) -> dict[str, Any]:
    """Return a job as JSON."""
    from spothive.models import DatasetImport

    return {
        "id": job.id,
        "what": "import" if isinstance(job, DatasetImport) else "generation",
        "name": job.name,
        "status": job.status,
        "progress": job.progress,
        "rows": job.rows,
        "config": dict(job.config),
        "dataset_id": job.dataset_id,
        "error": job.error_message,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
    }


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "kind": dataset.kind,
        "description": dataset.description,
        "rows": dataset.row_count,
        "file_path": dataset.file_path,
        "file_hash": dataset.file_hash,
        "columns": list(dataset.columns),
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }
