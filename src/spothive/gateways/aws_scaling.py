"""The node groups of a cluster at AWS: which there are, how large they are to be, and making them larger or smaller.

A managed node group of EKS is scaled by EKS alone: what is done to its Auto Scaling group directly, EKS undoes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from spothive.gateways.aws_calls import AwsCaller, Call
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsCallFailed

_OF_CLUSTER = "kubernetes.io/cluster/"
_OF_EKS, _OF_NODE_GROUP = "eks:cluster-name", "eks:nodegroup-name"
_GONE = "ResourceNotFoundException"
_ENDING: Final = frozenset({"DELETING"})
_BUSY: Final = frozenset({"ResourceInUseException", "ScalingActivityInProgress", "ResourceContention"})
_NO_GROUP = "ValidationError"
"""What Auto Scaling answers for a group that it does not know, and for much else."""


class GroupKind(StrEnum):
    """Who scales a node group."""

    AUTO_SCALING = "auto_scaling"
    EKS = "eks"


class Scaled(StrEnum):
    """What came of setting the sizes of a group."""

    SET = "set"
    GONE = "gone"
    """The group is not there any more."""
    BUSY = "busy"
    """AWS is still changing it for an earlier reason; the same call works later."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many nodes a group has at least and at most, and how many it is to have now."""

    minimum: int
    maximum: int
    desired: int

    def at_least(self, other: Sizes) -> Sizes:
        """Return the larger of each."""
        return Sizes(
            max(self.minimum, other.minimum), max(self.maximum, other.maximum), max(self.desired, other.desired)
        )


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A group of nodes of a cluster.

    Attributes:
        kind: who scales it.
        name: as AWS knows it; unique among those of its kind in a cluster.
        sizes: its present ones.
    """

    kind: GroupKind
    name: str
    sizes: Sizes

    @property
    def key(self) -> str:
        """Name that no other group of the cluster has: ``eks:general``."""
        return f"{self.kind}:{self.name}"

    @property
    def asleep(self) -> Sizes:
        """Sizes without any node. EKS takes no largest size of 0; of an Auto Scaling group it keeps others away."""
        return Sizes(0, self.sizes.maximum if self.kind is GroupKind.EKS else 0, 0)


class ScalingCalls(AwsCaller):
    """What the gateway asks and does about the node groups of clusters; raises like all of it."""

    def node_groups(
        self, credentials: Credentials, region: str, cluster: str, *, also: Collection[str] = ()
    ) -> list[NodeGroup]:
        """Return the node groups of a cluster, each once, by key.

        These are the managed node groups of the EKS cluster of this name, and the Auto Scaling groups tagged
        ``kubernetes.io/cluster/<name>`` or ``eks:cluster-name`` that belong to none of those, nor to another cluster
        besides. What AWS is deleting is left out.

        Args:
            credentials: of the account.
            region: where the cluster is.
            cluster: its name.
            also: names of Auto Scaling groups that belong to it, whatever their tags say by now.
        """
        managed, theirs = self._managed(credentials, region, cluster)
        groups = [
            NodeGroup(GroupKind.AUTO_SCALING, group["AutoScalingGroupName"], _asg_sizes(group))
            for page in self._pages(credentials, region, Call.DESCRIBE_AUTO_SCALING_GROUPS)
            for group in page["AutoScalingGroups"]
            if group["AutoScalingGroupName"] not in theirs and not group.get("Status")  # else it is being deleted
            if group["AutoScalingGroupName"] in also or _is_of(group, cluster)
        ]
        return sorted({group.key: group for group in (*managed, *groups)}.values(), key=lambda group: group.key)

    def scale(self, credentials: Credentials, region: str, cluster: str, group: NodeGroup, sizes: Sizes) -> Scaled:
        """Set the sizes of a group of a cluster; set again, nothing changes."""
        try:
            if group.kind is GroupKind.EKS:
                wanted = {"minSize": sizes.minimum, "maxSize": sizes.maximum, "desiredSize": sizes.desired}
                names = {"clusterName": cluster, "nodegroupName": group.name}
                self._ask(credentials, region, Call.UPDATE_NODEGROUP_CONFIG, **names, scalingConfig=wanted)
            else:
                wanted = {"MinSize": sizes.minimum, "MaxSize": sizes.maximum, "DesiredCapacity": sizes.desired}
                named = {"AutoScalingGroupName": group.name}
                self._ask(credentials, region, Call.UPDATE_AUTO_SCALING_GROUP, **named, **wanted)
        except AwsCallFailed as error:
            if error.code in _BUSY:
                return Scaled.BUSY
            if error.code == _GONE or (error.code == _NO_GROUP and not self._is_there(credentials, region, group)):
                return Scaled.GONE
            raise
        return Scaled.SET

    def _managed(self, credentials: Credentials, region: str, cluster: str) -> tuple[list[NodeGroup], set[str]]:
        """Return the node groups that EKS manages, and the names of the Auto Scaling groups they are made of."""
        try:
            pages = self._pages(credentials, region, Call.LIST_NODEGROUPS, clusterName=cluster)
            names = [name for page in pages for name in page["nodegroups"]]
        except AwsCallFailed as error:
            if error.code == _GONE:  # no cluster of EKS, or not any more
                return [], set()
            raise
        groups, theirs = [], set()
        for name in names:
            described = self._nodegroup(credentials, region, cluster, name)
            if described is None:
                continue
            theirs |= {each["name"] for each in described.get("resources", {}).get("autoScalingGroups", ())}
            if described["status"] not in _ENDING:
                groups.append(NodeGroup(GroupKind.EKS, name, _eks_sizes(described["scalingConfig"])))
        return groups, theirs

    def _nodegroup(self, credentials: Credentials, region: str, cluster: str, name: str) -> dict[str, Any] | None:
        asked = {"clusterName": cluster, "nodegroupName": name}
        try:
            found: dict[str, Any] = self._ask(credentials, region, Call.DESCRIBE_NODEGROUP, **asked)["nodegroup"]
        except AwsCallFailed as error:
            if error.code == _GONE:
                return None
            raise
        return found

    def _is_there(self, credentials: Credentials, region: str, group: NodeGroup) -> bool:
        only = {"AutoScalingGroupNames": [group.name]}
        pages = self._pages(credentials, region, Call.DESCRIBE_AUTO_SCALING_GROUPS, **only)
        return any(found for page in pages for found in page["AutoScalingGroups"])


def _is_of(group: dict[str, Any], cluster: str) -> bool:
    """Tell whether the tags of an Auto Scaling group name this cluster alone, and no node group of EKS."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}
    named = {key.removeprefix(_OF_CLUSTER) for key in tags if key.startswith(_OF_CLUSTER)}
    named |= {tags[_OF_EKS]} if _OF_EKS in tags else set()
    return _OF_NODE_GROUP not in tags and named == {cluster}


def _asg_sizes(group: dict[str, Any]) -> Sizes:
    return Sizes(group["MinSize"], group["MaxSize"], group["DesiredCapacity"])


def _eks_sizes(config: dict[str, Any]) -> Sizes:
    return Sizes(config.get("minSize", 0), config.get("maxSize", 1), config.get("desiredSize", 0))
