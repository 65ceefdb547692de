"""Node groups in the AWS stand-in: Auto Scaling groups and managed node groups of clusters, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.eks.models import EKSBackend, eks_backends

from spothive.gateways.aws_scaling import GroupKind, NodeGroup, Sizes

KUBERNETES_VERSION = "1.33"


class _Group(FakeAutoScalingGroup):
    """A group that keeps its sizes and runs nothing: moto would start and end an instance for each node."""

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Note how many nodes it is to have."""
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity


def hold_launch_configuration(
    account_id: str, region: str, name: str, image_id: str, disks: Sequence[str] = ()
) -> None:
    """Make a launch configuration of an image, with a block device for each of the snapshots ``disks``."""
    autoscaling_backends[account_id][region].create_launch_configuration(
        name=name,
        image_id=image_id,
        key_name=None,
        kernel_id="",
        ramdisk_id="",
        security_groups=[],
        user_data=None,
        instance_type="m5.large",
        instance_monitoring=False,
        instance_profile_name=None,
        spot_price=None,
        ebs_optimized=False,
        associate_public_ip_address=False,
        block_device_mappings=[{"DeviceName": f"/dev/{each}", "Ebs": {"SnapshotId": each}} for each in disks],
        instance_id=None,
        metadata_options=None,
        classic_link_vpc_id=None,
        classic_link_vpc_security_groups=None,
    )


def hold_auto_scaling_group(account_id: str, region: str, name: str, sizes: Sizes, tags: Mapping[str, str]) -> None:
    """Make an Auto Scaling group without instances, or change its sizes and tags."""
    scaling = autoscaling_backends[account_id][region]
    if name not in scaling.autoscaling_groups:
        hold_launch_configuration(account_id, region, name, "ami-12345678")
        scaling.create_auto_scaling_group(
            name=name,
            availability_zones=[f"{region}a"],
            desired_capacity=0,
            max_size=0,
            min_size=0,
            launch_config_name=name,
            launch_template={},
            vpc_zone_identifier=None,
            default_cooldown=None,
            health_check_period=None,
            health_check_type=None,
            load_balancers=[],
            target_group_arns=[],
            placement_group=None,
            termination_policies=[],
            tags=[],
            instance_id=None,
        ).__class__ = _Group  # type: ignore[type-abstract]  # for CloudFormation only; moto itself leaves them out
    group = scaling.autoscaling_groups[name]
    group.min_size, group.max_size, group.desired_capacity = sizes.minimum, sizes.maximum, sizes.desired
    group.tags = [
        {"Key": key, "Value": value, "ResourceId": name, "ResourceType": "auto-scaling-group"}
        | {"PropagateAtLaunch": "true"}
        for key, value in tags.items()
    ]


def hold_managed_group(account_id: str, region: str, cluster: str, name: str, sizes: Sizes) -> None:
    """Make a node group that EKS manages, with its Auto Scaling group and its cluster, or change its sizes."""
    eks = eks_backends[account_id][region]
    if cluster not in eks.clusters:
        make_cluster(eks, account_id, region, cluster)
    groups = eks.clusters[cluster].nodegroups
    made_of = f"eks-{cluster}-{name}"
    if name not in groups:
        role = f"arn:aws:iam::{account_id}:role/nodes"
        group = eks.create_nodegroup(cluster, role, name, ["subnet-1"], scaling_config={})
        group.resources["autoScalingGroups"] = [{"name": made_of}]
    wanted = {"minSize": sizes.minimum, "maxSize": sizes.maximum, "desiredSize": sizes.desired}
    groups[name].scaling_config = wanted
    tags = {f"kubernetes.io/cluster/{cluster}": "owned", "eks:cluster-name": cluster, "eks:nodegroup-name": name}
    hold_auto_scaling_group(account_id, region, made_of, sizes, tags)


def drop_group(account_id: str, region: str, cluster: str, key: str) -> None:
    """Delete a node group, named by its :attr:`~spothive.gateways.aws_scaling.NodeGroup.key`."""
    kind, _, name = key.partition(":")
    scaling = autoscaling_backends[account_id][region]
    if kind == GroupKind.EKS:
        del eks_backends[account_id][region].clusters[cluster].nodegroups[name]
        name = f"eks-{cluster}-{name}"
    del scaling.autoscaling_groups[name]


def held_groups(account_id: str, region: str, cluster: str) -> list[NodeGroup]:
    """Return the node groups of a cluster, by key, without those that the account's regions do not hold."""
    found = eks_backends[account_id][region].clusters.get(cluster)
    groups = [
        NodeGroup(GroupKind.EKS, name, Sizes(sizes["minSize"], sizes["maxSize"], sizes["desiredSize"]))
        for name, sizes in ((name, group.scaling_config) for name, group in (found.nodegroups if found else {}).items())
    ]
    for name, group in autoscaling_backends[account_id][region].autoscaling_groups.items():
        keys = {tag["Key"] for tag in group.tags}
        if f"kubernetes.io/cluster/{cluster}" in keys and "eks:nodegroup-name" not in keys:
            sizes = Sizes(group.min_size or 0, group.max_size or 0, group.desired_capacity or 0)
            groups.append(NodeGroup(GroupKind.AUTO_SCALING, name, sizes))
    return sorted(groups, key=lambda group: group.key)


def make_cluster(eks: EKSBackend, account_id: str, region: str, name: str) -> None:
    """Make an EKS cluster in the default network of a region."""
    subnet = next(iter(ec2_backends[account_id][region].get_default_subnets().values()))
    eks.create_cluster(
        name,
        f"arn:aws:iam::{account_id}:role/eks",
        {"vpcId": subnet.vpc_id, "subnetIds": [subnet.id]},
        version=KUBERNETES_VERSION,
    )
