"""``spothive search``: find lab experiments, and keep searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command, named
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import SavedSearch
    from spothive.operations.datasets import FoundExperiment

search_commands = typer.Typer(rich_markup_mode=None)

FOUND_COLUMNS = (
    Column("experiment", "name", fold=True),
    Column("status", "status"),
    Column("model", "model", fold=True),
    Column("score", "score", right=True),
    Column("tags", "tags", ", ".join, fold=True),
    Column("made", "created_at", optional=True),
)
SAVED_COLUMNS = (
    Column("search", "name", fold=True),
    Column("pinned", "is_pinned"),
    Column("query", "query", fold=True),
    Column("used", "usage_count", right=True),
    Column("last used", "last_used_at", optional=True),
)
LISTED = 100

Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")]


@command(search_commands, "run")
def find(
    call: Call,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help='Such as tag:night score:>0.5 "second try".')
    ] = None,
    saved: Annotated[str | None, typer.Option("--saved", metavar="NAME", help="Make a saved search again.")] = None,
    save: Annotated[str | None, typer.Option("--save", metavar="NAME", help="Keep the search by this name.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most experiments to list.")] = LISTED,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """Find lab experiments, newest first.

    All of QUERY is to be true: tag:a, tag:a,b (either), status:, model:,
    created:>2026-01-31, score:>0.5; other words are looked for in names and
    notes. "run" may be left out.
    """
    from spothive.operations import datasets

    text = " ".join(query or [])
    if text.strip() and saved is not None:
        msg = "QUERY and --saved exclude each other: give one of them"
        raise InvalidInput(msg)
    if not text.strip() and saved is None:
        msg = "say what to look for, or which saved search to make: spothive search run --help"
        raise InvalidInput(msg)
    if saved is not None:
        if save is not None:
            msg = "--save keeps a search that is typed, and not a saved one"
            raise InvalidInput(msg)
        with call.writing() as session:
            text = datasets.use_search(session, call.actor, name=saved).query
    if save is not None:
        with call.writing() as session:
            datasets.save_search(session, call.actor, name=named(save, "--save"), text=text)
    with call.reading() as session:
        found = datasets.search_experiments(session, text, limit=limit, before=before)
        rows = [_facts(each) for each in found.page.rows]
    call.out.json({"query": text, "experiments": rows, "next": found.page.next, "unknown_tags": found.unknown_tags})
    call.out.table(rows, FOUND_COLUMNS, empty="nothing is found")
    if found.unknown_tags:
        call.out.line(f"no tag is called {', '.join(found.unknown_tags)}: see spothive tag list")
    if found.page.next:
        call.out.line(f"more: --before {found.page.next}")
    if save is not None:
        call.out.line(f"kept as {save}: spothive search --saved {save!r} makes it again")


@command(search_commands, "save")
def save_search(
    call: Call,
    name: Name,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", help="What to look for.")],
    pin: Annotated[bool, typer.Option("--pin", help="Show it first.")] = False,
) -> None:
    """Keep a search."""
    from spothive.operations import datasets

    with call.writing() as session:
        datasets.save_search(session, call.actor, name=named(name, "NAME"), text=" ".join(query))
    if pin:
        with call.writing() as session:
            datasets.pin_search(session, call.actor, name=name, pinned=True)
    call.out.json({"name": name, "query": " ".join(query), "is_pinned": pin})
    call.out.line(f"kept {name}: spothive search --saved {name!r} makes it again")


@command(search_commands, "list")
def list_searches(call: Call) -> None:
    """List your saved searches, pinned ones first."""
    from spothive.operations import datasets

    with call.reading() as session:
        rows = [_saved_facts(each) for each in datasets.list_searches(session, call.actor)]
    call.out.json(rows)
    call.out.table(rows, SAVED_COLUMNS, empty="no searches: spothive search save --help")


@command(search_commands, "pin")
def pin_search(
    call: Call, name: Name, off: Annotated[bool, typer.Option("--off", help="Show it first no longer.")] = False
) -> None:
    """Show a saved search first."""
    from spothive.operations import datasets

    with call.writing() as session:
        facts = _saved_facts(datasets.pin_search(session, call.actor, name=name, pinned=not off))
    call.out.json(facts)
    call.out.line(f"{facts['name']} is {'pinned' if facts['is_pinned'] else 'pinned no longer'}")


@command(search_commands, "delete")
def delete_search(call: Call, name: Name) -> None:
    """Forget a saved search."""
    from spothive.operations import datasets

    with call.writing() as session:
        datasets.delete_search(session, call.actor, name=name)
    call.out.json({"name": name})
    call.out.line(f"forgot {name}")


def _facts(found: FoundExperiment) -> dict[str, Any]:
    experiment = found.experiment
    return {
        "id": experiment.id,
        "name": experiment.name,
        "status": experiment.status,
        "model": f"{experiment.model.name}@{experiment.model.version}",
        "score": found.score,
        "tags": found.tags,
        "notes": experiment.notes,
        "created_at": experiment.created_at,
    }


def _saved_facts(saved: SavedSearch) -> dict[str, Any]:
    return {
        "name": saved.name,
        "query": saved.query,
        "is_pinned": saved.is_pinned,
        "usage_count": saved.usage_count,
        "last_used_at": saved.last_used_at,
    }
