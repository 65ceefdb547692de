"""``spothive instance``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column, hourly

if TYPE_CHECKING:
    from spothive.operations.fleet import InstanceFilter, Listed

instance_commands = typer.Typer(rich_markup_mode=None)

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
UNANSWERED_COLUMNS = (*INSTANCE_COLUMNS[:-1], Column("nobody answers since", "flagged_at"))
PAGE = 500

# Spelled out like the roles in identity.py, and for the same reason.
State = Literal["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]
Lifecycle = Literal["on-demand", "spot"]
Authorisation = Literal["authorized", "flagged", "unauthorized", "terminated"]


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
    auth_status: Annotated[
        Authorisation | None, typer.Option(help="Of this standing only: nobody answers for flagged ones.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most instances to list.")] = PAGE,
    after: Annotated[str | None, typer.Option(metavar="INSTANCE_ID", help="Begin behind this one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all, whatever the limit.")] = False,
) -> None:
    """List the tenant's instances by their ids, terminated ones included."""
    from spothive.models import AuthStatus, InstanceState, Lifecycle as LifecycleEnum
    from spothive.operations.fleet import InstanceFilter

    wanted = InstanceFilter(
        account=account,
        region=region,
        state=InstanceState(state) if state else None,
        lifecycle=LifecycleEnum(lifecycle) if lifecycle else None,
        family=family,
        cluster=cluster,
        auth_status=AuthStatus(auth_status) if auth_status else None,
        after=after,
        limit=limit,
    )
    rows = [_instance_facts(found) for page in _pages(call, wanted, everything=everything) for found in page]
    call.out.json(rows)
    columns = UNANSWERED_COLUMNS if auth_status in {"flagged", "unauthorized"} else INSTANCE_COLUMNS
    call.out.table(rows, columns, empty="no such instances; accounts are filled by spothive account import")
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
        "flagged_at": instance.flagged_at,
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
