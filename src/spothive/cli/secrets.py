"""``spothive secrets``."""

from __future__ import annotations

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.output import Column
from spothive.errors import InvalidInput

commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("table", "table"),
    Column("column", "column"),
    Column("key", "key_id"),
    Column("values", "rows", right=True),
    Column("key is here", "key_present"),
)


@command(commands, "init")
def make_keys(call: Call) -> None:
    """Make the file with the key that seals secrets.

    Keep a copy apart from the backups of the database: without it no stored secret can be read again.
    """
    from spothive.keyring import init_key_file
    from spothive.settings import get_settings

    settings = get_settings()
    if settings.sealing_keys is not None:
        msg = "SPOTHIVE_SEALING_KEYS is set, and a key file would not be read: unset it first"
        raise InvalidInput(msg)
    path = settings.sealing_key_file
    key_id = init_key_file(path)
    call.out.json({"key_id": key_id, "path": str(path.absolute())})
    call.out.line(f"made {path} with the key {key_id}; keep a copy, apart from the backups of the database")


@command(commands, "status")
def show_status(call: Call) -> None:
    """Count the sealed values of all tenants by key. Exit 1 if a key they need is missing."""
    from spothive.operations import secrets

    with call.writing() as session:
        counts = secrets.status(session, call.actor)
    present = _present()
    rows = [
        {"table": c.table, "column": c.column, "key_id": c.key_id, "rows": c.rows, "key_present": c.key_id in present}
        for c in counts
    ]
    call.out.json({"keys": list(present), "sealed": rows})
    call.out.line(f"keys: {', '.join(present) or 'none'}; the first seals" if present else "keys: none")
    call.out.table(rows, COLUMNS, empty="no secrets are stored")
    if missing := sorted({c.key_id for c in counts if c.key_id not in present}):
        msg = f"sealing keys are missing: {', '.join(missing)}; bring them back in the key file"
        raise CheckFailed(msg)


def _present() -> tuple[str, ...]:
    from spothive import runtime
    from spothive.errors import KeyMissing

    try:
        return runtime.keyring().key_ids
    except KeyMissing:
        return ()
