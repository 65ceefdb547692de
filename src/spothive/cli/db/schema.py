"""``spothive db``: the schema itself. These commands act as nobody: the URL is enough."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spothive.cli.asking import confirm
from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.output import shortened, visible

commands = typer.Typer(rich_markup_mode=None)

DIFFERENCE_MAX = 300

Revision = Annotated[str, typer.Argument(metavar="REV", help="Such as 001 or 001_add_api_keys.")]


@command(commands, "upgrade")
def upgrade(call: Call, revision: Revision = "head") -> None:
    """Bring the database to a revision, by default the newest. Never takes one back."""
    from spothive.database.revisions import apply_migrations, current_revision, revisions

    applied = apply_migrations(revision)
    after = current_revision()
    earlier = revisions()[: revisions().index(applied[0])] if applied else [after]
    before = earlier[-1] if earlier else None
    call.out.json({"before": before, "revision": after})
    call.out.line(f"upgraded from {before or 'empty'} to {after}" if applied else f"at {after} already")
    if before is None:
        call.out.line("next: spothive db seed")


@command(commands, "downgrade")
def downgrade(
    call: Call,
    revision: Annotated[str, typer.Argument(metavar="REV", help="Revision to go back to, or base.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take revisions back, with all data in the tables they made."""
    from spothive.database.revisions import current_revision, downgrade as take_back, revisions_after

    before = current_revision()
    doomed = revisions_after(revision)
    if doomed:
        which = doomed[0] if len(doomed) == 1 else f"{doomed[0]} down to {doomed[-1]}"
        confirm(f"taking back {which} loses the data in their tables", yes=yes)
    after = take_back(revision)
    call.out.json({"before": before, "revision": after})
    if doomed:
        call.out.line(f"at {after or 'base'}, was at {before}")
    else:
        call.out.line(f"at {after or 'base'} already: there is nothing to take back")


@command(commands, "status")
def status(call: Call) -> None:
    """Tell revision, size and place. Exits 0 whatever the revision is; `db check` is the one that judges."""
    from rich.filesize import decimal

    from spothive.database.status import read_status

    found = read_status()
    facts = {
        "engine": found.engine,
        "place": found.place,
        "revision": found.schema.current,
        "head": found.schema.head,
        "at_head": found.schema.at_head,
        "size_bytes": found.size,
    }
    call.out.json(facts)
    call.out.facts(
        facts | {"size": decimal(found.size), "revision": found.schema.current or "none, it is empty"},
        skip=["size_bytes"],
    )
    if not found.schema.at_head:
        call.out.line("next: spothive db upgrade")


@command(commands, "check")
def check(
    call: Call,
    repair: Annotated[
        bool, typer.Option("--repair", help="First raise all triggers, policies, grants and look-ups anew.")
    ] = False,
) -> None:
    """Compare tables, keys, guards and grants with the code. Exit 1 on any difference.

    --repair restores guards only: a table, column, key or index that differs is still told.
    """
    from spothive.database.drift import find_drift
    from spothive.database.revisions import require_head, restore_guards

    if repair:
        restore_guards()
    revision = require_head().current
    differences = [shortened(visible(difference), DIFFERENCE_MAX) for difference in find_drift()]
    call.out.json({"revision": revision, "repaired": repair, "differences": differences})
    for difference in differences:
        call.out.line(difference)
    if differences:
        cure = (
            "undo by hand what was changed" if repair else "`spothive db check --repair` restores guards, and no more"
        )
        msg = f"the database differs from the code in {len(differences)} places: {cure}"
        raise CheckFailed(msg)
    call.out.line(f"at {revision}, exactly as declared")


@command(commands, "roles")
def roles(
    call: Call, apply: Annotated[bool, typer.Option("--apply", help="Run it, as the owner, instead.")] = False
) -> None:
    """Print the SQL that makes spothive's roles for its logins.

    It is for somebody who may create roles.
    """
    from spothive.database.roles import apply_roles, role_script

    script = role_script()
    if apply:
        apply_roles()
    call.out.json({"sql": script, "applied": apply and bool(script)})
    if not script:
        call.out.line("SQLite has no roles: whoever may read the file may read everything")
    elif apply:
        call.out.line("the roles are there")
    else:
        call.out.script(script)


@command(commands, "sql")
def sql(
    call: Call,
    span: Annotated[str, typer.Argument(metavar="[FROM:]TO", help="Revisions; FROM itself is left out.")] = "head",
    dialect: Annotated[
        Literal["postgresql", "sqlite"] | None,
        typer.Option(help="Database to write for [default: the one in DATABASE_URL]."),
    ] = None,
) -> None:
    """Print the migrations as SQL, for a DBA."""
    from spothive.database.migrations.script import migration_script

    script = migration_script(span, dialect)
    call.out.json({"sql": script})
    call.out.script(script)


@command(commands, "revision")
def revision(
    call: Call,
    message: Annotated[str, typer.Argument(metavar="TEXT", help="What it does, in a few words.")],
    sql: Annotated[bool, typer.Option("--sql", help="As SQL, in a file for each database.")] = False,
    autogenerate: Annotated[
        bool, typer.Option("--autogenerate", help="Fill in what the models have and the database has not.")
    ] = False,
) -> None:
    """Write the next revision, in a checkout.

    With --sql --autogenerate it makes new tables and columns, with --autogenerate alone the rest.
    """
    from spothive.database.migrations.new_revision import write_revision

    written = write_revision(message, sql=sql, autogenerate=autogenerate)
    files = [str(file) for file in written.files]
    call.out.json({"revision": written.name, "files": files, "left": list(written.left)})
    for file in files:
        call.out.line(f"wrote {file}")
    for difference in written.left:
        call.out.line(f"left to you: {shortened(visible(difference), DIFFERENCE_MAX)}")
    filled = "read" if autogenerate else "complete"
    call.out.line(f"next: {filled} it, run `make schema`, read the diff, `spothive db upgrade`, `spothive db check`")
