"""Finding and listing clusters."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import Account, Cluster, ClusterPolicy, HibernationSchedule, Instance, InstanceState


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


def find_cluster(session: TenantSession, named: str, *, for_update: bool = False) -> Cluster:
    """Return the cluster with this name or id; ``for_update`` lets one at a time change what belongs to it.

    Raises:
        NotFound: the tenant has no such cluster, or its account is being disconnected.
        Conflict: several accounts or regions have one of this name.
    """
    query = select(Cluster).join(Account, Account.id == Cluster.account_id).where(Account.disconnecting_at.is_(None))
    if for_update:
        query = query.with_for_update(of=Cluster, key_share=True)
    cluster_id = id_in(named)
    by_id = session.scalar(query.where(Cluster.id == cluster_id)) if cluster_id else None
    found = (
        [by_id] if by_id else session.scalars(query.where(Cluster.name == named).order_by(Cluster.id).limit(2)).all()
    )
    if len(found) > 1:
        msg = f"several clusters are called {named!r}: give the id of one, see `spothive cluster list --json`"
        raise Conflict(msg)
    if not found:
        msg = f"no cluster is called {named[:255]!r}: see `spothive cluster list`"
        raise NotFound(msg)
    return found[0]


def id_in(text: str) -> UUID | None:
    """Return the id that somebody typed, or None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
