"""``spothive dataset import``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spothive.cli.call import Call, command, named
from spothive.cli.datasets.group import LONGEST, NewName, Replace, dataset_commands, made_facts, tell_made
from spothive.cli.output import Column, shortened
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput, RowsRefused

if TYPE_CHECKING:
    from spothive.operations.datasets import Source

BAD_COLUMNS = (Column("line", "line", right=True), Column("why it is bad", "reason", fold=True))
NAME_MAX = 200


@command(dataset_commands, "import")
def import_dataset(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or JSON.")],
    name: NewName,
    kind: Annotated[
        Literal["market", "interruptions"] | None, typer.Option(help="Refuse rows about anything else.")
    ] = None,
    keep_good: Annotated[bool, typer.Option("--keep-good", help="Leave bad rows out; else nothing is taken.")] = False,
    replace: Replace = False,
) -> None:
    """Read a file into a dataset.

    It takes advisor ratings, spot prices and what EventBridge announces of spot
    instances. Exit 1 with a table of the bad rows if there are any.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.models import DatasetKind
    from spothive.operations import datasets

    wish = datasets.ImportWish(
        named(name, "--name", longest=LONGEST), DatasetKind(kind) if kind else None, keep_good, replace
    )
    try:
        with _opened(file) as source, show_progress(f"importing {source.name}", source.size) as progress:
            made = datasets.import_dataset(
                get_db_session,
                call.actor,
                tenant_id=call.tenant_id,
                store=runtime.dataset_store(),
                source=source,
                wish=wish,
                progress=progress,
            )
    except RowsRefused as error:
        rows = [{"line": each.line, "reason": each.reason} for each in error.refused]
        call.out.json({"refused": error.count, "first_refused": rows})
        _tell_bad(call, rows, error.count)
        raise
    facts = made_facts(made)
    call.out.json(facts)
    tell_made(call, made)
    _tell_bad(call, facts["first_refused"], made.refused_count)


def _tell_bad(call: Call, rows: list[dict[str, object]], count: int) -> None:
    if rows:
        call.out.table(rows, BAD_COLUMNS, empty="")
        call.out.line(
            ("1 row is bad" if count == 1 else f"{count:,} rows are bad")
            + (f"; the first {len(rows)} are shown" if count > len(rows) else "")
        )


@contextmanager
def _opened(name: str) -> Iterator[Source]:
    """Open a plain file.

    Raises:
        InvalidInput: it is missing, is no plain file, or cannot be read.
    """
    from spothive.operations.datasets import Source

    shown = shortened(name, NAME_MAX)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # not to hang on a pipe
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or "that is no file name"
        msg = f"{shown} cannot be read: {reason}"
        raise InvalidInput(msg) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        msg = f"{shown} is no plain file: save what it holds, and name that"
        raise InvalidInput(msg)
    with os.fdopen(descriptor, "rb") as file:
        yield Source(Path(name).name[-NAME_MAX:], file, status.st_size)
