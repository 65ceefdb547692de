"""``spothive dataset generate``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spothive.cli.call import Call, command, named
from spothive.cli.datasets.group import LONGEST, NewName, Replace, dataset_commands, job_facts, made_facts, tell_made
from spothive.cli.moments import moment
from spothive.cli.progress import show_progress


@command(dataset_commands, "generate")
def generate_dataset(
    call: Call,
    name: NewName,
    kind: Annotated[Literal["decisions", "interruptions"], typer.Option(help="What its rows describe.")],
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 7d, 2w .. ago, or from 2026-03-04T10:30.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to then; now if not given.")] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="Of every tenant, none of whom it names (staff of platform).")
    ] = False,
    later: Annotated[bool, typer.Option("--later", help="Let the sweep make it.")] = False,
    replace: Replace = False,
) -> None:
    """Write decisions, or interruptions, into a dataset.

    Nothing in it tells whose they are.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.models import DatasetKind
    from spothive.operations import datasets

    wish = datasets.GenerationWish(
        name=named(name, "--name", longest=LONGEST),
        kind=DatasetKind(kind),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        all_tenants=all_tenants,
        replace=replace,
    )
    if later:
        with call.writing() as session:
            facts = job_facts(datasets.request_generation(session, call.actor, wish))
        call.out.json(facts)
        call.out.line(
            f"asked for {wish.name}: the sweep makes it; to take that back, spothive dataset cancel {facts['id']}"
        )
        return
    with show_progress(f"writing {wish.name}") as progress:
        made = datasets.generate_dataset(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            store=runtime.dataset_store(),
            wish=wish,
            progress=progress,
        )
    call.out.json(made_facts(made))
    tell_made(call, made)
