"""Listing clusters."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, true

from spothive.database import TenantSession
from spothive.models import Account, Cluster, ClusterPolicy, HibernationSchedule, Instance, InstanceState
from spothive.operations.clusters.finding import find_cluster


@dataclass(frozen=True, slots=True)
class ListedCluster:
    """A cluster with what hangs on it.

    Attributes:
        cluster: the cluster.
        account_name: the account it is in.
        instances: how many instances of it run.
        policy_version: how often its policy was set; None if it has none.
        hibernation: whether its schedule is enabled; None if it has none.
    """

    cluster: Cluster
    account_name: str
    instances: int
    policy_version: int | None
    hibernation: bool | None


def list_clusters(session: TenantSession) -> list[ListedCluster]:
    """Return the tenant's clusters by name, without those of accounts that are being disconnected. Two statements."""
    return _listed(session, true(), true())


def describe_cluster(session: TenantSession, named: str) -> ListedCluster:
    """Return the same of one cluster; four statements at most, raises like :func:`find_cluster`."""
    cluster = find_cluster(session, named)
    [described] = _listed(session, Cluster.id == cluster.id, Instance.cluster_id == cluster.id)
    return described


def _listed(session: TenantSession, which: ColumnElement[bool], whose: ColumnElement[bool]) -> list[ListedCluster]:
    query = (
        select(Cluster, Account.account_name, ClusterPolicy.version, HibernationSchedule.enabled)
        .join(Account, Account.id == Cluster.account_id)
        .outerjoin(ClusterPolicy, ClusterPolicy.cluster_id == Cluster.id)
        .outerjoin(HibernationSchedule, HibernationSchedule.cluster_id == Cluster.id)
        .where(Account.disconnecting_at.is_(None), which)
        .order_by(Cluster.name, Account.account_name, Cluster.region)
    )
    running = select(Instance.cluster_id, func.count()).where(Instance.state == InstanceState.RUNNING, whose)
    counts = dict(session.execute(running.group_by(Instance.cluster_id)).all())
    return [
        ListedCluster(cluster, account, counts.get(cluster.id, 0), version, enabled)
        for cluster, account, version, enabled in session.execute(query)
    ]
