"""``spothive tag``: the words that lab experiments are found by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli import asking
from spothive.cli.call import Call, command, named
from spothive.cli.output import Column, plural

if TYPE_CHECKING:
    from spothive.models import Tag

tag_commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("tag", "name", fold=True),
    Column("in a search", "slug"),
    Column("colour", "color"),
    Column("experiments", "experiments", right=True),
)

TagName = Annotated[str, typer.Argument(metavar="TAG", help="Its name, or how a search spells it.")]
Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name, or its id.")]
Color = Annotated[str | None, typer.Option("--color", metavar="COLOUR", help="For example #ff8800.")]


@command(tag_commands, "create")
def create_tag(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")], color: Color = None
) -> None:
    """Make a tag for lab experiments."""
    from spothive.operations import datasets

    with call.writing() as session:
        facts = _facts(datasets.create_tag(session, call.actor, name=named(name, "NAME"), color=color))
    call.out.json(facts)
    call.out.line(f"made tag {facts['name']}: spothive search tag:{facts['slug']} finds what it is on")


@command(tag_commands, "list")
def list_tags(call: Call) -> None:
    """List the tags, and on how many experiments each is."""
    from spothive.operations import datasets

    with call.reading() as session:
        rows = [_facts(each.tag) | {"experiments": each.experiments} for each in datasets.list_tags(session)]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="no tags: spothive tag create --help")


@command(tag_commands, "rename")
def rename_tag(
    call: Call,
    tag: TagName,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Its new name; none leaves it.")] = None,
    color: Annotated[
        str | None, typer.Option("--color", metavar="COLOUR", help="Its new colour; an empty one takes it away.")
    ] = None,
) -> None:
    """Give a tag another name or colour.

    Searches spell it by its new name; saved ones that spell the old one find it
    no more.
    """
    from spothive.operations import datasets

    with call.writing() as session:
        facts = _facts(datasets.change_tag(session, call.actor, tag=tag, name=name, color=color))
    call.out.json(facts)
    call.out.line(f"tag {facts['name']}: tag:{facts['slug']} in a search, colour {facts['color'] or 'none'}")


@command(tag_commands, "delete")
def delete_tag(
    call: Call, tag: TagName, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete a tag; the experiments stay."""
    from spothive.operations import datasets
    from spothive.operations.datasets.tags import find_tag

    with call.reading() as session:
        found = find_tag(session, tag)
        [on] = [each.experiments for each in datasets.list_tags(session) if each.tag.id == found.id]
        words = f"tag {found.name}, which is on {plural(on, 'experiment')},"
    asking.confirm(f"{words} would be deleted", yes=yes)
    with call.writing() as session:
        experiments = datasets.delete_tag(session, call.actor, tag=tag)
    call.out.json({"tag": tag, "experiments": experiments})
    call.out.line(f"deleted tag {tag}, which was on {plural(experiments, 'experiment')}")


@command(tag_commands, "add")
def add_tag(call: Call, experiment: Experiment, tag: TagName) -> None:
    """Put a tag on an experiment."""
    from spothive.operations import datasets

    with call.writing() as session:
        datasets.add_tag(session, call.actor, experiment=experiment, tag=tag)
    call.out.json({"experiment": experiment, "tag": tag})
    call.out.line(f"put {tag} on {experiment}")


@command(tag_commands, "remove")
def remove_tag(call: Call, experiment: Experiment, tag: TagName) -> None:
    """Take a tag off an experiment."""
    from spothive.operations import datasets

    with call.writing() as session:
        datasets.remove_tag(session, call.actor, experiment=experiment, tag=tag)
    call.out.json({"experiment": experiment, "tag": tag})
    call.out.line(f"took {tag} off {experiment}")


def _facts(tag: Tag) -> dict[str, Any]:
    return {"id": tag.id, "name": tag.name, "slug": tag.slug, "color": tag.color, "created_at": tag.created_at}
