"""``spothive market``: facts of the spot market, shared by every tenant."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.files import read_files
from spothive.cli.output import Column, hourly
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spothive.operations.risk import MarketEntry, MarketImported, MarketRead

market_commands = typer.Typer(rich_markup_mode=None)

REFUSED_SHOWN = 20
PAGE = 100
MARKET_COLUMNS = (
    Column("region", "region", optional=True),
    Column("type", "type"),
    Column("zone", "zone"),
    Column("spot", "spot", right=True),
    Column("on demand", "on_demand", right=True),
    Column("band", "band", right=True),
    Column("saves %", "savings", right=True),
    Column("since", "since", optional=True),
)
STATUS_COLUMNS = (
    Column("facts", "facts"),
    Column("source", "source", fold=True),
    Column("rows", "rows", right=True),
    Column("newest", "newest", optional=True),
    Column("hours old", "age_hours", right=True),
)
_NO_OFFER = {"zone": None, "spot": None, "since": None}
MADE_UP = " *"
"""Stands behind what was made up."""


@command(market_commands, "import")
def import_market(
    call: Call,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="File to read; - is standard input.", show_default=False)
    ] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Make facts up instead of reading any.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other made-up facts.")] = 7,
) -> None:
    """Import on-demand prices, ratings or spot prices.

    The file is told by its shape: on-demand prices of Linux in USD per hour
    ({"regions": {"us-east-1": {"t3.micro": "0.0104"}}, "source": "..."}), the
    file of AWS's Spot Instance Advisor, or what
    aws ec2 describe-spot-price-history --output json prints.
    """
    from spothive.operations.risk import import_market, made_up_market, read_market

    _ = call.actor  # found before anything is read
    if (file is None) is not synthetic:
        msg = "give either a FILE or --synthetic"
        raise InvalidInput(msg)
    if file is None:
        reads = made_up_market(seed)
    else:
        [(name, content)] = read_files([file])
        reads = [read_market(name, content)]
    with show_progress(f"writing {sum(len(read.facts) for read in reads)} facts"), call.writing() as session:
        results = [import_market(session, call.actor, read) for read in reads]
    facts = [_tell_import(call, read, result) for read, result in zip(reads, results, strict=True)]
    call.out.json(facts if synthetic else facts[0])
    if any(read.refused and not read.facts for read in reads):
        msg = "every entry was refused: nothing was stored"
        raise CheckFailed(msg)


@command(market_commands, "refresh")
def refresh_market(
    call: Call,
    region: Annotated[
        list[str] | None, typer.Option(metavar="REGION", help="Ask for this region; again for more.")
    ] = None,
    instance_type: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Ask for this type; again for more.")
    ] = None,
) -> None:
    """Ask AWS for the spot prices of the last 24 hours.

    Without --region every region is asked for in which a tenant has instances.
    spothive asks as itself, with its own credentials.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.risk import refresh_market

    actor = call.actor
    with closing(runtime.aws_gateway()) as gateway, show_progress("asking AWS"):
        result = refresh_market(get_db_session, actor, regions=region or (), types=instance_type or (), gateway=gateway)
    call.out.json(asdict(result))
    call.out.line(
        f"spot prices of {', '.join(result.regions)}: {result.added} added, {result.changed} changed, "
        f"{result.unchanged} unchanged, {len(result.refused)} refused"
    )
    _tell_refused(call, result.refused)
    if result.failed:
        for name, reason in result.failed.items():
            call.out.line(f"{name}: {reason}")
        msg = f"not all could be read: {', '.join(result.failed)}"
        raise CheckFailed(msg)


@command(market_commands, "list")
def list_market(
    call: Call,
    region: Annotated[str | None, typer.Option(metavar="REGION", help="In this region only.")] = None,
    instance_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="This type only.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most types of a region to list.")] = PAGE,
) -> None:
    """List what instance types cost under Linux, by zone.

    Prices are USD per hour; a spot price is the newest of its zone. What was
    made up has a mark, and in JSON a source that begins "synthetic". Band and
    savings are those of AWS's Spot Instance Advisor: interrupted in a month
    under 5 % (0), 10 % (1), 15 % (2), 20 % (3) or more (4).
    """
    from spothive.operations.risk import list_market

    with call.reading() as session:
        found = list_market(session, region=region, instance_type=instance_type, limit=limit)
    call.out.json([asdict(entry) for entry in found])
    rows = [row for entry in found for row in _rows_of(entry)]
    call.out.table(rows, MARKET_COLUMNS, empty="no such facts of the market: see spothive market import and refresh")
    if any(str(value).endswith(MADE_UP) for row in rows for value in row.values()):
        call.out.line("* made up by spothive, not read anywhere")
    if len(found) == limit:
        call.out.line("perhaps more: --limit, --region and --type")


@command(market_commands, "status")
def show_status(call: Call) -> None:
    """Show how many facts are stored and how old they are."""
    from spothive.clock import utc_now
    from spothive.operations.risk import market_status

    with call.reading() as session:
        found = market_status(session)
    now = utc_now()
    rows = [
        {
            "facts": each.fact.value,
            "source": each.source,
            "rows": each.rows,
            "newest": each.newest,
            "age_hours": each.newest and round((now - each.newest).total_seconds() / 3600, 1),
        }
        for each in found
    ]
    call.out.json(rows)
    call.out.table(rows, STATUS_COLUMNS, empty="")


def _rows_of(entry: MarketEntry) -> Iterator[dict[str, Any]]:
    """Yield a row for each zone of a type, or one without a zone where no spot price is known."""
    known = {
        "region": entry.region,
        "type": entry.instance_type,
        "on_demand": _marked(entry.on_demand, entry.on_demand_source, hourly),
        "band": _marked(entry.band, entry.advisor_source),
        "savings": _marked(entry.savings_percent, entry.advisor_source),
    }
    for offer in entry.offers:
        spot = _marked(offer.price, offer.source, hourly)
        yield known | {"zone": offer.zone, "spot": spot, "since": offer.observed_at}
    if not entry.offers:
        yield known | _NO_OFFER


def _marked(value: Any, source: str | None, render: Callable[[Any], str] = str) -> str | None:
    from spothive.operations.risk import is_made_up

    if value is None or source is None:
        return None
    return f"{render(value)}{MADE_UP if is_made_up(source) else ''}"


def _tell_import(call: Call, read: MarketRead, result: MarketImported) -> dict[str, Any]:
    """Tell people what was stored, and return it for programs."""
    call.out.line(
        f"{read.fact} from {read.source}: {result.added} added, {result.changed} changed, "
        f"{result.unchanged} unchanged, {len(read.refused)} refused"
    )
    if result.kept:
        call.out.line(f"{result.kept} made-up ones were left out: true ones are known")
    if result.removed:
        call.out.line(f"{result.removed} made-up ones were removed: true ones take their place")
    _tell_refused(call, read.refused)
    return {"facts": read.fact.value, "source": read.source} | asdict(result) | {"refused": read.refused}


def _tell_refused(call: Call, refused: list[str]) -> None:
    for entry in refused[:REFUSED_SHOWN]:
        call.out.line(f"refused {entry}")
    if len(refused) > REFUSED_SHOWN:
        call.out.line(f"and {len(refused) - REFUSED_SHOWN} more refused, all of them with --json")
