"""Puts a made-up fleet into moto, so that its EC2, Auto Scaling and EKS tell one story."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState, autoscaling_backends
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, Reservation
from moto.ec2.utils import random_reservation_id
from moto.eks.models import eks_backends

from spothive.gateways.aws_stand_in_groups import make_cluster
from spothive.gateways.fleet_stand_in import Answer
from spothive.gateways.instance_types import region_of_zone

_GROUP_TAG = "aws:autoscaling:groupName"
_CLUSTER_TAG = "eks:cluster-name"
_NODE_GROUP_TAG = "eks:nodegroup-name"
_MEMBER_STATES = frozenset({"pending", "running"})
_LARGEST_GROUP = 100_000


def hold_fleet(account_id: str, answer: Answer, regions: frozenset[str]) -> None:
    """Make the account hold exactly the instances of ``answer`` in ``regions``, and the groups and clusters they name.

    An instance that is there already keeps its network and changes its type, state, start and tags; one that is
    not in the answer is gone, as after the hour AWS lists a terminated one.
    """
    wanted: dict[str, dict[str, Answer]] = {region: {} for region in regions}
    for instance in _instances(answer):
        wanted[_region(instance)][instance["InstanceId"]] = instance
    for region, instances in wanted.items():
        ec2 = ec2_backends[account_id][region]
        held = _hold_instances(ec2, instances)
        _hold_groups(autoscaling_backends[account_id][region], held)
        _hold_clusters(account_id, ec2, held)


def _hold_instances(ec2: EC2Backend, wanted: dict[str, Answer]) -> list[_Instance]:
    held: dict[str, _Instance] = {}
    for reservation_id, reservation in list(ec2.reservations.items()):
        [instance] = reservation.instances
        if isinstance(instance, _Instance) and instance.id in wanted:
            held[instance.id] = instance
        else:
            del ec2.reservations[reservation_id]
    subnets = {zone: subnet.id for zone, subnet in ec2.get_default_subnets().items()}
    for instance_id, raw in wanted.items():
        if instance_id not in held:
            held[instance_id] = _run(ec2, raw, subnets)
        _set(held[instance_id], raw)
    return list(held.values())


class _Instance(Instance):
    """An instance that moto describes in half the time."""

    tags: dict[str, str]

    @property
    def network_interfaces(self) -> list[NetworkInterface]:
        """Return none: they fill half of every answer, and nobody here reads them."""
        return []

    def get_tags(self) -> list[dict[str, str]]:
        """Return the tags, which moto would look for among those of everything."""
        return [{"key": key, "value": value} for key, value in self.tags.items()]


def _run(ec2: EC2Backend, raw: Answer, subnets: dict[str, str]) -> _Instance:
    """Put an instance into moto: one by one over HTTP, and with a disk, a fleet of thousands would take minutes."""
    zone = raw["Placement"]["AvailabilityZone"]
    subnet_id = subnets.get(zone, next(iter(subnets.values())))
    instance = _Instance(  # type: ignore[abstract]  # for CloudFormation only; moto itself leaves them out
        ec2, raw["ImageId"], None, [], lifecycle=raw.get("InstanceLifecycle"), subnet_id=subnet_id
    )
    instance.id = raw["InstanceId"]
    instance.placement.zone = zone
    reservation = Reservation(random_reservation_id(), ec2.account_id)
    reservation.instances.append(instance)
    ec2.reservations[reservation.id] = reservation
    return instance


def _set(instance: _Instance, raw: Answer) -> None:
    instance.tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
    instance.instance_type = raw["InstanceType"]
    instance.instance_state.name = raw["State"]["Name"]
    instance.instance_state.code = raw["State"]["Code"]
    launched_at = datetime.fromisoformat(raw["LaunchTime"]).astimezone(UTC)
    instance.launch_time = launched_at.replace(tzinfo=None)  # moto's clock carries no zone


def _hold_groups(scaling: AutoScalingBackend, held: list[_Instance]) -> None:
    """Make every group that a tag names, with the living instances that name it."""
    members: dict[str, list[_Instance]] = {name: [] for name in scaling.autoscaling_groups}
    for instance in held:
        if instance.state in _MEMBER_STATES and (name := instance.tags.get(_GROUP_TAG)):
            members.setdefault(name, []).append(instance)
    for name, instances in members.items():
        group = scaling.autoscaling_groups.get(name) or _make_group(scaling, name, instances[0])
        group.instance_states = [InstanceState(each, autoscaling_group=group) for each in instances]


def _make_group(scaling: AutoScalingBackend, name: str, model: _Instance) -> FakeAutoScalingGroup:
    return scaling.create_auto_scaling_group(
        name=name,
        availability_zones=[str(model.availability_zone)],
        desired_capacity=0,
        max_size=_LARGEST_GROUP,
        min_size=0,
        launch_config_name="",
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
        instance_id=model.id,
    )


def _hold_clusters(account_id: str, ec2: EC2Backend, held: list[_Instance]) -> None:
    """Make every EKS cluster that a tag names, and its node groups. One without nodes stays: it may sleep."""
    eks = eks_backends[account_id][ec2.region_name]
    sizes: dict[tuple[str, str], int] = {}
    for instance in held:
        if name := instance.tags.get(_CLUSTER_TAG, ""):
            if name not in eks.clusters:
                make_cluster(eks, account_id, ec2.region_name, name)
            key = (name, instance.tags.get(_NODE_GROUP_TAG, ""))
            sizes[key] = sizes.get(key, 0) + (instance.state in _MEMBER_STATES)
    for (cluster, group_name), nodes in sorted(sizes.items()):
        if group_name and group_name not in eks.clusters[cluster].nodegroups:
            group = eks.create_nodegroup(cluster, f"arn:aws:iam::{account_id}:role/nodes", group_name, ["subnet-1"])
            group.scaling_config = {"minSize": 0, "maxSize": nodes + 1, "desiredSize": nodes}
            group.resources["autoScalingGroups"] = [{"name": f"{cluster}-{group_name}"}]


def _instances(answer: Answer) -> Iterator[Answer]:
    for reservation in answer["Reservations"]:
        yield from reservation["Instances"]


def _region(instance: Answer) -> str:
    return str(region_of_zone(instance["Placement"]["AvailabilityZone"]))
