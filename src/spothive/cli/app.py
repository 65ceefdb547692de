"""The command line as a whole: one file a street, and what belongs to none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spothive.cli import db, fleet, identity, risk
from spothive.cli.call import Call, Options, command, group
from spothive.cli.output import Column
from spothive.errors import InvalidInput, SpothiveError

app = typer.Typer(
    help="The system of record for AWS spot fleets of many tenants.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to import than everything else together
)
