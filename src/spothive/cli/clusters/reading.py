"""``spothive cluster list|show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import Cluster
    from spothive.operations.clusters import ListedCluster

cluster_commands = typer.Typer(rich_markup_mode=None)

ClusterName = Annotated[str, typer.Argument(metavar="CLUSTER", help="Name or id.")]


def _hibernation(value: bool | None) -> str:
    return "-" if value is None else "on" if value else "off"


COLUMNS = (
    Column("cluster", "name", fold=True),
    Column("account", "account", fold=True),
    Column("region", "region"),
    Column("status", "status"),
    Column("running", "running", right=True),
    Column("policy", "policy_version", right=True, optional=True),
    Column("hibernation", "hibernation", _hibernation, optional=True),
)


@command(cluster_commands, "list")
def list_clusters(call: Call) -> None:
    """List the tenant's clusters.

    With how many instances of each run, the version of its policy, and
    whether its hibernation is on.
    """
    from spothive.operations import clusters

    with call.reading() as session:
        rows = [_facts(found) for found in clusters.list_clusters(session)]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="no clusters yet: discovery finds them by the tags of instances")


@command(cluster_commands, "show")
def show_cluster(call: Call, cluster: ClusterName) -> None:
    """Show a cluster."""
    from spothive.operations import clusters

    with call.reading() as session:
        found = clusters.describe_cluster(session, cluster)
        facts = _facts(found) | _more(found.cluster)
    call.out.json(facts)
    call.out.facts(facts | {"hibernation": _hibernation(found.hibernation)})


def _facts(found: ListedCluster) -> dict[str, Any]:
    return {
        "id": found.cluster.id,
        "name": found.cluster.name,
        "account": found.account_name,
        "region": found.cluster.region,
        "status": found.cluster.status,
        "running": found.instances,
        "policy_version": found.policy_version,
        "hibernation": found.hibernation,
    }


def _more(cluster: Cluster) -> dict[str, Any]:
    names = ("vpc_id", "api_endpoint", "k8s_version", "agent_installed", "agent_version", "last_heartbeat")
    return {name: getattr(cluster, name) for name in (*names, "created_at")}
