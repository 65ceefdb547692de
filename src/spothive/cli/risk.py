"""``spothive market``: facts of the spot market, shared by every tenant."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command
from spothive.cli.files import read_files
from spothive.cli.progress import show_progress

if TYPE_CHECKING:
    from spothive.operations.risk import MarketRead

commands = typer.Typer(rich_markup_mode=None)

REFUSED_SHOWN = 20


@command(commands, "import")
def import_market(
    call: Call, file: Annotated[str, typer.Argument(metavar="FILE", help="File to read; - is standard input.")]
) -> None:
    """Import on-demand prices, ratings or spot prices.

    The file is told by its shape: on-demand prices of Linux in USD per hour
    ({"regions": {"us-east-1": {"t3.micro": "0.0104"}}, "source": "..."}), the
    file of AWS's Spot Instance Advisor, or what
    aws ec2 describe-spot-price-history --output json prints.
    """
    from spothive.operations.risk import read_market

    _ = call.actor  # found before anything is read
    [(name, content)] = read_files([file])
    read = read_market(name, content)
    facts = _import(call, read)
    call.out.json(facts)


def _import(call: Call, read: MarketRead) -> dict[str, Any]:
    """Store what was read, tell people about it, and return it for programs."""
    from spothive.operations.risk import import_market

    with show_progress(f"writing {len(read.facts)} {read.fact}"), call.writing() as session:
        result = import_market(session, call.actor, read)
    call.out.line(
        f"{read.fact} from {read.source}: {result.added} added, {result.changed} changed, "
        f"{result.unchanged} unchanged, {len(read.refused)} refused"
    )
    if result.kept:
        call.out.line(f"{result.kept} true ones were kept: made-up facts never take their place")
    _tell_refused(call, read.refused)
    return {"facts": read.fact.value, "source": read.source} | asdict(result) | {"refused": read.refused}


def _tell_refused(call: Call, refused: list[str]) -> None:
    for entry in refused[:REFUSED_SHOWN]:
        call.out.line(f"refused {entry}")
    if len(refused) > REFUSED_SHOWN:
        call.out.line(f"and {len(refused) - REFUSED_SHOWN} more refused, all of them with --json")
