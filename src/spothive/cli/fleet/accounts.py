"""``spothive account import|list|show|mark|disconnect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import confirm
from spothive.cli.call import Call, command, named
from spothive.cli.files import read_files
from spothive.cli.fleet.results import account_facts, refused_facts, scan_facts, tell_refused, tell_scan
from spothive.cli.output import Column, monthly
from spothive.cli.progress import show_progress

if TYPE_CHECKING:
    from spothive.operations.fleet import FleetGroup

account_commands = typer.Typer(rich_markup_mode=None)

ACCOUNT_COLUMNS = (
    Column("account", "name", fold=True),
    Column("AWS account", "aws_account_id"),
    Column("proven", "proven"),
    Column("mark", "environment"),
    Column("status", "status"),
    Column("live instances", "live_instances", right=True),
    Column("clusters", "clusters", right=True, optional=True),
    Column("since", "created_at", optional=True),
)
GROUP_COLUMNS = (
    Column("live instances", "live_instances", right=True),
    Column("running", "running", right=True),
    Column("on demand", "monthly_cost", monthly, right=True),
    Column("unpriced", "unpriced", right=True),
)
GROUPS_SHOWN = 12

# Spelled out like the roles in identity.py, and for the same reason.
Environment = Literal["PROD", "LAB"]
AccountName = Annotated[str, typer.Argument(metavar="NAME", help="Name or AWS account id.")]


@command(account_commands, "import")
def import_account(
    call: Call,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the account in spothive.")],
    file: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="What describe-instances printed; - is standard input. Repeatable."),
    ],
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="REGION", help="Region that was asked though it may have none. Repeatable."),
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="USERNAME", help="Who answers for a new account.")] = None,
) -> None:
    """Bring an account to what `aws ec2 describe-instances` printed.

    Ask AWS with --output json. Several files are one answer. Instances of its regions that it does not list count as
    terminated. An instance that cannot be used is refused by name and the rest is taken.
    """
    from spothive.errors import NothingToImport
    from spothive.gateways.ec2_answer import read_answers
    from spothive.operations.fleet import import_fleet

    actor = call.actor  # found before anything is read
    named(name, "--name")
    sources = read_files(file)
    with show_progress("understanding"):
        answer = read_answers(sources)
    try:
        with show_progress(f"writing {len(answer.instances)} instances"), call.writing() as session:
            result = import_fleet(session, actor, name=name, answer=answer, regions=region or (), owner=owner)
    except NothingToImport as nothing:
        call.out.json({"name": name, "refused": refused_facts(nothing.refused)})
        tell_refused(call, nothing.refused)
        raise
    call.out.json(scan_facts(result))
    tell_scan(call, result)


@command(account_commands, "list")
def list_accounts(call: Call) -> None:
    """List the tenant's accounts.

    Live instances are those that are not terminated.
    """
    from spothive.operations import fleet

    with call.reading() as session:
        rows = [
            account_facts(found.account) | {"live_instances": found.instances, "clusters": found.clusters}
            for found in fleet.list_accounts(session)
        ]
    call.out.json(rows)
    call.out.table(rows, ACCOUNT_COLUMNS, empty="no accounts yet: spothive account import --help")


@command(account_commands, "show")
def show_account(call: Call, name: AccountName) -> None:
    """Show an account, and its live fleet in groups.

    The groups are by region, family, lifecycle and cluster, with what they would cost on demand. Terminated instances
    do not count.
    """
    from spothive.operations.fleet import find_account, summarise_fleet

    with call.reading() as session:
        account = find_account(session, name)
        facts = account_facts(account)
        groups = {
            by: [_group_facts(group) for group in summarise_fleet(session, by, account_id=account.id)]
            for by in ("region", "family", "lifecycle", "cluster")
        }
    call.out.json(facts | {"fleet": groups})
    call.out.facts(facts)
    for by, rows in groups.items():
        call.out.line()
        columns = (Column(by, "key", fold=True), *GROUP_COLUMNS)
        call.out.table(rows[:GROUPS_SHOWN], columns, empty=f"no live instances to group by {by}")
        if len(rows) > GROUPS_SHOWN:
            call.out.line(f"and {len(rows) - GROUPS_SHOWN} smaller ones, all of them with --json")


@command(account_commands, "mark")
def mark_account(
    call: Call,
    name: AccountName,
    environment: Annotated[Environment, typer.Argument(metavar="ENVIRONMENT", help="What the account is from now on.")],
) -> None:
    """Mark an account PROD or LAB.

    Interruptions of a PROD account count for everyone. Only an account that was connected to AWS can be PROD.
    """
    from spothive.models import EnvironmentType
    from spothive.operations.fleet import set_environment

    with call.writing() as session:
        account = set_environment(session, call.actor, name=name, environment=EnvironmentType(environment))
    call.out.json(account_facts(account))
    call.out.line(f"account {account.account_name} is {account.environment_type}")


@command(account_commands, "disconnect")
def disconnect_account(
    call: Call,
    name: AccountName,
    leave_asleep: Annotated[bool, typer.Option("--leave-asleep", help="Also if clusters sleep.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget an account with its instances, clusters and scans.

    Interrupted, it goes on when called again. Clusters that hibernation has
    put to sleep have to be woken first, or stay asleep.
    """
    from spothive.database import get_db_session
    from spothive.operations import fleet

    actor, tenant_id = call.actor, call.tenant_id
    confirm(f"account {name} will be forgotten, with all its instances, clusters and scans", yes=yes)
    with show_progress(f"forgetting {name}") as progress:
        gone = fleet.disconnect_account(
            get_db_session, actor, tenant_id=tenant_id, name=name, leave_asleep=leave_asleep, progress=progress
        )
    call.out.json({"name": name, "deleted": gone})
    call.out.line(f"account {name} is gone: " + ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in gone.items()))


def _group_facts(group: FleetGroup) -> dict[str, Any]:
    return {
        "key": group.key,
        "live_instances": group.instances,
        "running": group.billed,
        "monthly_cost": group.monthly_cost if group.billed > group.unpriced or not group.billed else None,
        "unpriced": group.unpriced,
    }
