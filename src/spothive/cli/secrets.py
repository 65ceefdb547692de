"""``spothive secrets``."""

from __future__ import annotations

from typing import Annotated

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.output import Column, cell
from spothive.errors import InvalidInput

commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("table", "table"),
    Column("column", "column"),
    Column("key", "key_id"),
    Column("values", "rows", right=True),
    Column("key is here", "key_present"),
    Column("withdrawn", "key_withdrawn", optional=True),
)
SHOWN = 20
"""Most values that do not open in the table for people."""
UNOPENED = (
    Column("table", "table"),
    Column("column", "column"),
    Column("id", "id"),
    Column("reason", "reason", fold=True),
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
    """Count the sealed values of all tenants by key. Exit 1 if a key they need is missing.

    Tells which keys were withdrawn, and what rotate would do.
    """
    from spothive.operations import secrets

    with call.writing() as session:
        counts = secrets.status(session, call.actor)
        withdrawn = secrets.list_withdrawn(session)
    present, gone = _present(), {key.key_id for key in withdrawn}
    rows = [
        {
            "table": c.table,
            "column": c.column,
            "key_id": c.key_id,
            "rows": c.rows,
            "key_present": c.key_id in present,
            "key_withdrawn": c.key_id in gone,
        }
        for c in counts
    ]
    plan = secrets.plan_rotation(counts, present, gone) if present else None
    call.out.json(
        {
            "keys": list(present),
            "withdrawn": [
                {"key_id": w.key_id, "withdrawn_at": w.withdrawn_at, "person_name": w.person_name} for w in withdrawn
            ],
            "sealed": rows,
            "rotate": None if plan is None else {"new_key": plan.new_key, "values": plan.values},
        }
    )
    call.out.line(f"keys: {', '.join(present)}; the first seals" if present else "keys: none")
    for key in withdrawn:
        call.out.line(f"withdrawn: {key.key_id} on {cell(key.withdrawn_at)} by {key.person_name}")
    call.out.table(rows, COLUMNS, empty="no secrets are stored")
    if plan is not None and plan.values:
        call.out.line(f"rotate would seal {plan.values} values with {'a new key' if plan.new_key else present[0]}")
    if missing := sorted({c.key_id for c in counts if c.key_id not in present}):
        msg = f"sealing keys are missing: {', '.join(missing)}; bring them back in the key file"
        raise CheckFailed(msg)


@command(commands, "rotate")
def rotate_keys(
    call: Call,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new key even if values of older ones are still stored.")
    ] = False,
) -> None:
    """Seal all secrets with a new key, while everything goes on.

    Where values of an older key are stored, as after an interruption, it makes no new key but finishes with the one
    there is. The older keys stay in the key file, until they are withdrawn. Exit 1 if a value does not open or was
    sealed with an older key meanwhile.
    """
    from spothive import runtime
    from spothive.cli.progress import show_progress
    from spothive.database import get_db_session
    from spothive.operations import secrets

    with show_progress("sealing anew") as progress:
        done = secrets.rotate(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            keyring=runtime.keyring(),
            key_file=runtime.key_file(),
            new_key=new_key,
            progress=progress,
        )
    unopened = [
        {"table": u.table, "column": u.column, "tenant_id": u.tenant_id, "id": u.row_id, "reason": u.reason}
        for u in done.unopened
    ]
    call.out.json(
        {
            "key_id": done.key_id,
            "new_key": done.new_key,
            "resealed": done.resealed,
            "unopened": unopened,
            "left": done.left,
        }
    )
    if done.new_key:
        call.out.line(f"made the key {done.key_id}; keep a copy, apart from the backups of the database")
    call.out.line(f"sealed {done.resealed} values with {done.key_id}")
    if unopened:
        call.out.table(unopened[:SHOWN], UNOPENED, empty="")
        if len(unopened) > SHOWN:
            call.out.line(f"and {len(unopened) - SHOWN} more, all of them with --json")
        msg = f"{len(unopened)} values do not open and were left alone: bring back their keys, or store them again"
        raise CheckFailed(msg)
    if done.left:
        msg = f"{done.left} values were sealed with an older key meanwhile: restart what still holds it, rotate again"
        raise CheckFailed(msg)


@command(commands, "withdraw")
def withdraw_key(
    call: Call, key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key, 8 hexadecimal digits.")]
) -> None:
    """Let a key seal nothing more, and take it out of the key file.

    Refused as long as a stored value needs it. The database takes no value it sealed any more, from nobody.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import secrets

    key_file = runtime.key_file()
    new = secrets.withdraw(
        get_db_session,
        call.actor,
        tenant_id=call.tenant_id,
        key_id=key_id,
        keyring=runtime.keyring(),
        key_file=key_file,
    )
    call.out.json({"key_id": key_id, "withdrawn_now": new})
    call.out.line(f"{'withdrew' if new else 'was withdrawn before:'} {key_id}")
    if key_file is None:
        call.out.line("take it out of SPOTHIVE_SEALING_KEYS now")
    call.out.line("keep a copy as long as there are backups from before")


def _present() -> tuple[str, ...]:
    from spothive import runtime
    from spothive.errors import KeyMissing

    try:
        return runtime.keyring().key_ids
    except KeyMissing:
        return ()
