"""An AWS that knows node groups alone, kept in memory: hibernation can be run for weeks within a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from spothive.blocks import refuse_in_block
from spothive.database import Account, get_db_session
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.aws_scaling import GroupKind, NodeGroup, Scaled, Sizes
from spothive.operations.clusters import AppliedHibernation, apply_hibernation, set_schedule
from tests.factories import make_cluster
from tests.factories.approvals import no_keys
from tests.factories.fleets import connected_account

THREE, FIVE = Sizes(2, 12, 3), Sizes(1, 9, 5)
EKS, ASG = "eks:general", "auto_scaling:own"
NIGHT = [0] * 168
"""A week in which a cluster sleeps all the time."""


def group_of(key: str, sizes: Sizes) -> NodeGroup:
    kind, _, name = key.partition(":")
    return NodeGroup(GroupKind(kind), name, sizes)


class NodeGroups(AwsGateway):
    """The node groups of clusters, by name of the cluster and key.

    Attributes:
        held: sizes of each group.
        scaled: (cluster, key, sizes) of every change, in order.
        refusals: what a group, or the role of an account, answers instead; an error or an outcome.
        on_step: called with the name of each step before it is taken.
    """

    def __init__(self, **clusters: dict[str, Sizes]) -> None:
        super().__init__()
        self.held = {cluster: dict(groups) for cluster, groups in clusters.items()}
        self.scaled: list[tuple[str, str, Sizes]] = []
        self.refusals: dict[str, AwsError | Scaled] = {}
        self.on_step: Callable[[str], object] = lambda _: None
        self.asked = 0

    def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
        self._step("sts:AssumeRole")
        self._refuse(role_arn)
        return Credentials(role_arn, "secret", external_id)

    def node_groups(self, _: Credentials, __: str, cluster: str, **___: Any) -> list[NodeGroup]:  # type: ignore[override]  # nothing else matters here
        self._step("groups")
        self._refuse(cluster)
        return [group_of(key, sizes) for key, sizes in sorted(self.held.get(cluster, {}).items())]

    def scale(self, _: Credentials, __: str, cluster: str, group: NodeGroup, sizes: Sizes) -> Scaled:
        self._step(f"scale {group.key}")
        if isinstance(told := self._refuse(group.key), Scaled):
            return told
        if group.key not in self.held[cluster]:
            return Scaled.GONE
        self.held[cluster][group.key] = sizes
        self.scaled.append((cluster, group.key, sizes))
        self.on_step(f"scaled {group.key}")
        return Scaled.SET

    def is_asleep(self, cluster: str = "shop") -> bool:
        """Tell whether no group of a cluster is to have a node."""
        return all(sizes.desired == 0 for sizes in self.held[cluster].values())

    def _step(self, what: str) -> None:
        refuse_in_block(what)
        self.asked += 1
        self.on_step(what)

    def _refuse(self, what: str) -> Scaled | None:
        told = self.refusals.get(what)
        if isinstance(told, AwsError):
            raise told
        return told


def make_sleeper(tenant_id: UUID, actor: Any, name: str = "shop", *, account: str = "main", **facts: Any) -> UUID:
    """Make a cluster of a connected account that sleeps all the time unless ``facts`` say otherwise; return its id."""
    with get_db_session(tenant=tenant_id) as session:
        row = session.query(Account).filter_by(account_name=account).one_or_none()
        number = f"{abs(hash((tenant_id, account))) % 10**12:012d}"
        row = row or connected_account(session, actor.user_id, name=account, account_id=number)
        account_id = row.id
    cluster = make_cluster(tenant_id, account_id, name)
    with get_db_session(tenant=tenant_id) as session:
        set_schedule(session, actor, cluster=name, **{"week": NIGHT} | facts)
    return cluster.id


def run(tenant_id: UUID, actor: Any, gateway: AwsGateway, **facts: Any) -> list[AppliedHibernation]:
    """Apply hibernation once."""
    return apply_hibernation(get_db_session, actor, tenant_id=tenant_id, gateway=gateway, keys=no_keys, **facts)
