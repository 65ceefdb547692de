"""``spothive db``: the rows as a whole. These commands act as nobody: the URL is enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.asking import confirm
from spothive.cli.call import Call, command, named
from spothive.cli.db.schema import commands
from spothive.cli.output import Column
from spothive.cli.progress import show_progress, show_steps

if TYPE_CHECKING:
    from spothive.database.copying import Copied

SAMPLE_COLUMNS = (Column("table", "table"), Column("rows", "rows", right=True))


@command(commands, "seed")
def seed(call: Call) -> None:
    """Make the first user, admin, and the default dataset; once. Prints admin's password, this one time.

    With --json the password is in the field "password"; it is null when it was given in SPOTHIVE_ADMIN_PASSWORD.
    """
    from spothive.database.seed_data import ADMIN, seed_initial_data

    seeded = seed_initial_data()
    call.out.json(
        {
            "admin_created": seeded.admin_created,
            "username": ADMIN,
            "password": seeded.password,
            "dataset_created": seeded.dataset_created,
        }
    )
    if not seeded.admin_created and not seeded.dataset_created:
        call.out.line("nothing to seed")
    if seeded.admin_created:
        shown = (
            f"password, shown this once: {seeded.password}"
            if seeded.password
            else "password as in SPOTHIVE_ADMIN_PASSWORD"
        )
        call.out.line(f"made user {ADMIN}, {shown}")
    if seeded.dataset_created:
        call.out.line("made dataset default")


@command(commands, "sample")
def sample(
    call: Call,
    tenants: Annotated[int, typer.Option(metavar="N", help="Made-up companies.")] = 3,
    instances: Annotated[int, typer.Option(metavar="N", help="Instances of each, at least 10.")] = 50,
    days: Annotated[int, typer.Option(metavar="N", help="Days of history; each has a decision an instance.")] = 30,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed makes other companies.")] = 1,
) -> None:
    """Fill every table with made-up companies.

    For a database of its own. All of it or, if anything goes wrong, nothing. The same options make the same rows, up
    to the same hour. Nobody can sign in as a user of a sample, no API key fits, and no mail or webhook can reach
    anyone; the prices are synthetic. Audit seals are real ones or none, so there are none.
    """
    from spothive import runtime
    from spothive.database.revisions import require_head
    from spothive.database.sample import make_sample

    require_head()
    keyring = runtime.keyring()
    with show_progress("taking decisions") as progress:
        made = make_sample(keyring, tenants=tenants, instances=instances, days=days, seed=seed, progress=progress)
    call.out.json(
        {
            "tenants": made.slugs,
            "seed": seed,
            "until": made.until,
            "rows": made.counts,
            "seconds": round(made.seconds, 2),
        }
    )
    rows = [{"table": table, "rows": count} for table, count in sorted(made.counts.items())]
    call.out.table(rows, SAMPLE_COLUMNS, empty="")
    total = sum(made.counts.values())
    call.out.line(f"made {total} rows in {made.seconds:.1f} s, up to {made.until:%Y-%m-%d %H:%M} UTC")
    call.out.line(f"tenants {made.slugs[0]} .. {made.slugs[-1]}; nobody can sign in as one of their users")


@command(commands, "backup")
def backup(call: Call, file: Annotated[str, typer.Argument(metavar="FILE", help="File to make.")]) -> None:
    """Back up every row to a file, while the database is in use.

    The file is an SQLite database, whatever was backed up. Keep it as safe as the database. The keys that open sealed
    values are not in it: keep SPOTHIVE_SEALING_KEY_FILE elsewhere.
    """
    from spothive.database.backup import back_up

    with show_steps() as progress:
        made = back_up(Path(file), progress=progress)
    call.out.json({"file": file} | _facts(made))
    call.out.line(f"backed up {_summary(made)} to {file}, {_size(made)}")


@command(commands, "restore")
def restore(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Backup to read.")],
    replace: Annotated[bool, typer.Option("--replace", help="Lose the rows that are there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Restore a backup into an empty database, whole or not at all.

    A database that is not there is made. A backup of an earlier revision is upgraded on the way.
    """
    from spothive.database.backup import restore as put_back
    from spothive.database.status import read_status

    if replace:
        confirm(f"restoring {file} replaces every row of {read_status().place}", yes=yes)
    with show_steps() as progress:
        restored = put_back(Path(file), replace=replace, progress=progress)
    call.out.json({"file": file} | _facts(restored))
    call.out.line(f"restored {_summary(restored)} from {file}")


@command(commands, "copy")
def copy(
    call: Call,
    to: Annotated[str, typer.Option(metavar="URL", help="Owner's URL of an empty database.")],
) -> None:
    """Copy every row into another database, of either kind.

    Its tables are made if it has none. What is written here meanwhile is not copied: stop the service first. Keep a
    password out of the URL, which every process can read: PGPASSWORD and ~/.pgpass work.
    """
    from spothive.database.copying import copy_database

    with show_steps() as progress:
        copied = copy_database(named(to, "--to"), progress=progress)
    call.out.json(_facts(copied))
    call.out.line(f"copied {_summary(copied)}, {_size(copied)}")
    call.out.line("next: spothive db upgrade, with DATABASE_URL and SPOTHIVE_OWNER_URL of the copy")


def _facts(copied: Copied) -> dict[str, Any]:
    return {
        "revision": copied.revision,
        "tables": [
            {"table": name, "rows": total.rows, "checksum": total.checksum} for name, total in copied.tables.items()
        ],
        "rows": copied.rows,
        "seconds": round(copied.seconds, 3),
        "bytes": copied.size,
    }


def _summary(copied: Copied) -> str:
    return f"{copied.rows:,} rows of {len(copied.tables)} tables at {copied.revision}"


def _size(copied: Copied) -> str:
    from rich.filesize import decimal

    return decimal(copied.size)
