"""``spothive market``: facts of the spot market, shared by every tenant."""

from __future__ import annotations

from typing import Annotated

import typer

from spothive.cli.call import Call, command
from spothive.cli.files import read_files
from spothive.cli.progress import show_progress

commands = typer.Typer(rich_markup_mode=None)

REFUSED_SHOWN = 20


@command(commands, "import")
def import_market(
    call: Call, file: Annotated[str, typer.Argument(metavar="FILE", help="Price table; - is standard input.")]
) -> None:
    """Import on-demand prices of Linux, in USD per hour.

    The file is JSON: {"regions": {"us-east-1": {"t3.micro": "0.0104"}}, "source": "..."}.
    """
    from spothive.operations.risk import import_prices, read_prices

    actor = call.actor  # found before anything is read
    [(name, content)] = read_files([file])
    read = read_prices(name, content)
    with show_progress(f"writing {len(read.prices)} prices"), call.writing() as session:
        result = import_prices(session, actor, read)
    call.out.json(
        {
            "source": read.source,
            "added": result.added,
            "changed": result.changed,
            "unchanged": result.unchanged,
            "refused": read.refused,
        }
    )
    call.out.line(
        f"prices from {read.source}: {result.added} added, {result.changed} changed, {result.unchanged} unchanged, "
        f"{len(read.refused)} refused"
    )
    for entry in read.refused[:REFUSED_SHOWN]:
        call.out.line(f"refused {entry}")
    if len(read.refused) > REFUSED_SHOWN:
        call.out.line(f"and {len(read.refused) - REFUSED_SHOWN} more refused, all of them with --json")
