"""``spothive account`` and ``spothive instance``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import confirm
from spothive.cli.call import Call, command, named
from spothive.cli.files import read_files
from spothive.cli.output import Column, hourly, monthly
from spothive.cli.progress import show_progress

if TYPE_CHECKING:
    from spothive.database import Account
    from spothive.gateways.ec2_answer import RefusedInstance
    from spothive.operations.fleet import FleetGroup, ImportResult, InstanceFilter, Listed

account_commands = typer.Typer(rich_markup_mode=None)
instance_commands = typer.Typer(rich_markup_mode=None)

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
INSTANCE_COLUMNS = (
    Column("instance", "instance_id"),
    Column("type", "instance_type"),
    Column("zone", "availability_zone", optional=True),
    Column("state", "state"),
    Column("lifecycle", "lifecycle", optional=True),
    Column("account", "account", fold=True, optional=True),
    Column("cluster", "cluster", fold=True, optional=True),
    Column("launched", "launched_at", optional=True),
)
REFUSED_SHOWN = 20
GROUPS_SHOWN = 12
PAGE = 500

# Spelled out like the roles in identity.py, and for the same reason.
Environment = Literal["PROD", "LAB"]
State = Literal["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]
Lifecycle = Literal["on-demand", "spot"]
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
        call.out.json({"name": name, "refused": _refused_facts(nothing.refused)})
        _tell_refused(call, nothing.refused)
        raise
    call.out.json(_import_facts(result))
    _tell_import(call, result)


@command(account_commands, "list")
def list_accounts(call: Call) -> None:
    """List the tenant's accounts.

    Live instances are those that are not terminated.
    """
    from spothive.operations import fleet

    with call.reading() as session:
        rows = [
            _account_facts(found.account) | {"live_instances": found.instances, "clusters": found.clusters}
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
        facts = _account_facts(account)
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
    call.out.json(_account_facts(account))
    call.out.line(f"account {account.account_name} is {account.environment_type}")


@command(account_commands, "disconnect")
def disconnect_account(
    call: Call, name: AccountName, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Forget an account with its instances, clusters and scans.

    Interrupted, it goes on when called again.
    """
    from spothive.database import get_db_session
    from spothive.operations import fleet

    actor, tenant_id = call.actor, call.tenant_id
    confirm(f"account {name} will be forgotten, with all its instances, clusters and scans", yes=yes)
    with show_progress(f"forgetting {name}") as progress:
        gone = fleet.disconnect_account(get_db_session, actor, tenant_id=tenant_id, name=name, progress=progress)
    call.out.json({"name": name, "deleted": gone})
    call.out.line(f"account {name} is gone: " + ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in gone.items()))


@command(instance_commands, "list")
def list_instances(
    call: Call,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Of this account only.")] = None,
    region: Annotated[str | None, typer.Option(metavar="REGION", help="In this region only.")] = None,
    state: Annotated[
        State | None, typer.Option(help="In this state only; else terminated ones are listed too.")
    ] = None,
    lifecycle: Annotated[Lifecycle | None, typer.Option(help="Bought in this way only.")] = None,
    family: Annotated[str | None, typer.Option(metavar="FAMILY", help="Of this family only, such as m6i.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="NAME", help="Of this cluster only.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most instances to list.")] = PAGE,
    after: Annotated[str | None, typer.Option(metavar="INSTANCE_ID", help="Begin behind this one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all, whatever the limit.")] = False,
) -> None:
    """List the tenant's instances by their ids, terminated ones included."""
    from spothive.models import InstanceState, Lifecycle as LifecycleEnum
    from spothive.operations.fleet import InstanceFilter

    wanted = InstanceFilter(
        account=account,
        region=region,
        state=InstanceState(state) if state else None,
        lifecycle=LifecycleEnum(lifecycle) if lifecycle else None,
        family=family,
        cluster=cluster,
        after=after,
        limit=limit,
    )
    rows = [_instance_facts(found) for page in _pages(call, wanted, everything=everything) for found in page]
    call.out.json(rows)
    call.out.table(rows, INSTANCE_COLUMNS, empty="no such instances; accounts are filled by spothive account import")
    terminated = sum(row["state"] == InstanceState.TERMINATED for row in rows)
    if terminated and not state:
        call.out.line(f"{len(rows)} listed, {terminated} of them terminated; --state running lists running ones only")
    if len(rows) == limit and not everything:
        call.out.line(f"perhaps more: --after {rows[-1]['instance_id']}, or --all")


@command(instance_commands, "show")
def show_instance(
    call: Call, instance_id: Annotated[str, typer.Argument(metavar="INSTANCE_ID", help="Such as i-0123456789abcdef0.")]
) -> None:
    """Show all that is known of one instance."""
    from spothive.operations.fleet import find_instance, on_demand_price

    with call.reading() as session:
        found = find_instance(session, instance_id)
        facts = _instance_facts(found) | {"on_demand_price": on_demand_price(session, found.instance)}
    call.out.json(facts)
    call.out.facts(facts | {"on_demand_price": hourly(facts["on_demand_price"])}, skip=["tags"])
    for key, value in facts["tags"].items():
        call.out.line(f"tag {key} = {value}")


def _pages(call: Call, wanted: InstanceFilter, *, everything: bool) -> Iterator[list[Listed]]:
    """Yield the page that was asked for, or from it on every page, all from one moment."""
    from spothive.operations import fleet
    from spothive.operations.fleet import find_account
    from spothive.operations.fleet.listing import MAX_PAGE

    with call.reading() as session:
        if wanted.account is not None:
            wanted = replace(wanted, account=find_account(session, wanted.account).account_name)
        if everything:
            wanted = replace(wanted, limit=MAX_PAGE)
        while page := fleet.list_instances(session, wanted):
            yield page
            if not everything or len(page) < wanted.limit:
                return
            wanted = replace(wanted, after=page[-1].instance.instance_id)


def _tell_import(call: Call, result: ImportResult) -> None:
    """Say in words what an import did."""
    call.out.line(
        f"{result.account_name}: {result.seen} instances seen in {', '.join(result.regions)}; "
        f"{len(result.added)} added, {len(result.changed)} changed, {len(result.vanished)} gone, "
        f"{len(result.refused)} refused"
    )
    if result.clusters_added:
        call.out.line(f"new clusters: {', '.join(result.clusters_added)}")
    _tell_refused(call, result.refused)
    if result.status.value != "COMPLETE":
        call.out.line("the answer was incomplete: what it does not list was left as it is")


def _tell_refused(call: Call, refused: Sequence[RefusedInstance]) -> None:
    for entry in refused[:REFUSED_SHOWN]:
        call.out.line(f"refused {entry.instance_id or 'one'} in {entry.source}: {entry.reason}")
    if len(refused) > REFUSED_SHOWN:
        call.out.line(f"and {len(refused) - REFUSED_SHOWN} more refused, all of them with --json")


def _refused_facts(refused: Sequence[RefusedInstance]) -> list[dict[str, Any]]:
    return [{"instance_id": entry.instance_id, "source": entry.source, "reason": entry.reason} for entry in refused]


def _import_facts(result: ImportResult) -> dict[str, Any]:
    return {
        "name": result.account_name,
        "status": result.status,
        "regions": result.regions,
        "seen": result.seen,
        "added": result.added,
        "changed": result.changed,
        "vanished": result.vanished,
        "changes": [
            {"instance_id": c.instance_id, "field": c.name, "before": c.before, "after": c.after}
            for c in result.changes
        ],
        "refused": _refused_facts(result.refused),
        "clusters_added": result.clusters_added,
    }


def _account_facts(account: Account) -> dict[str, Any]:
    proven = not account.account_id.startswith("pending-")
    return {
        "id": account.id,
        "name": account.account_name,
        "aws_account_id": account.account_id if proven else account.account_metadata.get("claimed_account_id"),
        "proven": proven,
        "environment": account.environment_type,
        "connection_method": account.connection_method,
        "status": account.status,
        "status_reason": account.status_reason,
        "last_discovered_at": account.last_discovered_at,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    }


def _group_facts(group: FleetGroup) -> dict[str, Any]:
    return {
        "key": group.key,
        "live_instances": group.instances,
        "running": group.billed,
        "monthly_cost": group.monthly_cost if group.billed > group.unpriced or not group.billed else None,
        "unpriced": group.unpriced,
    }


def _instance_facts(found: Listed) -> dict[str, Any]:
    instance = found.instance
    about = instance.instance_metadata
    return {
        "id": instance.id,
        "instance_id": instance.instance_id,
        "account": found.account_name,
        "instance_type": instance.instance_type,
        "region": instance.region,
        "availability_zone": instance.availability_zone,
        "state": instance.state,
        "lifecycle": instance.lifecycle,
        "cluster": found.cluster_name,
        "vcpus": instance.cpu,
        "memory_mib": instance.memory,
        "price": instance.price,
        "auth_status": instance.auth_status,
        "orchestrator": instance.orchestrator_type,
        "pipeline": instance.pipeline_mode,
        "is_replica": instance.is_replica,
        "launched_at": instance.launched_at,
        "terminated_at": instance.terminated_at,
        "vpc_id": about.get("vpc_id"),
        "subnet_id": about.get("subnet_id"),
        "tags": dict(sorted(about.get("tags", {}).items())),  # JSONB forgets the order
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
    }
