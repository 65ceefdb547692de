"""Addresses, volumes, snapshots and images in a made-up account, and what uses them.

They go into moto directly: only so they can have an age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot, Volume
from moto.ec2.models.elastic_ip_addresses import ElasticAddress

from spothive.gateways.aws_stand_in_groups import hold_launch_configuration

if TYPE_CHECKING:
    from threading import RLock

STRANGER = "333333333333"
"""Another account, with which things are shared."""


@dataclass(slots=True)
class HeldWaste:
    """What :meth:`StandInWaste.hold_waste` made.

    Attributes:
        addresses: those that nothing has.
        volumes: those that no instance has, 40 days old or more.
        snapshots: those of volumes that are gone, behind no image and 200 days old or more.
        images: those that nothing is launched from, 200 days old or more.
        spared: the others, and why each is no waste.
    """

    region: str
    addresses: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    spared: dict[str, str] = field(default_factory=dict)


class StandInWaste:
    """Makes things in an account that may be waste. Ages are days before ``now``, which is this moment if not given.

    Every method takes the region first, which the account must have enabled, and returns the id of what it made.
    """

    account_id: str
    image_parameters: dict[str, str]
    _busy: RLock

    @cached_property
    def _dice(self) -> Random:
        return Random(self.account_id)  # noqa: S311  # made-up ids

    def make_address(self, region: str, *, used: bool = False, tags: Mapping[str, str] | None = None) -> str:
        """Allocate an elastic IP address; ``used`` associates it."""
        with self._held(region) as ec2:
            address = ElasticAddress(  # type: ignore[abstract]  # for CloudFormation only; moto itself leaves them out
                ec2, "vpc", _public_ip(self._dice)
            )
            address.id = address.allocation_id = self._id("eipalloc")
            address.association_id = self._id("eipassoc") if used else None
            address.add_tags(dict(tags or {}))
            ec2.addresses.append(address)
            return address.id

    def free_address(self, region: str, allocation_id: str) -> None:
        """Take the address from whatever has it."""
        with self._held(region) as ec2:
            next(each for each in ec2.addresses if each.allocation_id == allocation_id).association_id = None

    def make_volume(
        self,
        region: str,
        *,
        size_gb: int = 100,
        volume_type: str = "gp3",
        days: float = 0,
        now: datetime | None = None,
        attached_to: str | None = None,
        encrypted: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Make a volume, attached to an instance of the region or to none."""
        with self._held(region) as ec2:
            volume = self._volume(ec2, f"{region}a", size_gb, volume_type, encrypted=encrypted)
            volume.create_time = _before(now, days)
            volume.add_tags(dict(tags or {}))
            ec2.volumes[volume.id] = volume
        if attached_to:
            self.attach_volume(region, volume.id, attached_to)
        return volume.id

    def attach_volume(self, region: str, volume_id: str, instance_id: str) -> None:
        """Give the volume to an instance."""
        with self._held(region) as ec2:
            ec2.attach_volume(volume_id, instance_id, f"/dev/{volume_id}")

    def detach_volume(self, region: str, volume_id: str) -> None:
        """Take the volume from its instance."""
        with self._held(region) as ec2:
            ec2.volumes[volume_id].attachment = None

    def make_snapshot(
        self,
        region: str,
        volume_id: str | None = None,
        *,
        size_gb: int = 100,
        days: float = 0,
        now: datetime | None = None,
        state: str = "completed",
        tier: str = "standard",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Make a snapshot of a volume; without one, of a volume of ``size_gb`` that is gone."""
        with self._held(region) as ec2:
            gone = self._volume(ec2, f"{region}a", size_gb, "gp3", encrypted=False)
            snapshot = Snapshot(ec2, self._id("snap"), ec2.volumes[volume_id] if volume_id else gone, "")
            snapshot.start_time = _before(now, days)
            snapshot.status, snapshot.storage_tier = state, tier
            snapshot.add_tags(dict(tags or {}))
            ec2.snapshots[snapshot.id] = snapshot
            return snapshot.id

    def share_snapshot(self, region: str, snapshot_id: str, *holders: str) -> None:
        """Share the snapshot with accounts, or with ``all``."""
        with self._held(region) as ec2:
            snapshot = ec2.snapshots[snapshot_id]
            snapshot.create_volume_permission_groups |= {"all"} & {*holders}
            snapshot.create_volume_permission_userids |= {*holders} - {"all"}

    def make_image(
        self,
        region: str,
        snapshots: Sequence[str] = (),
        *,
        name: str = "",
        days: float = 0,
        now: datetime | None = None,
        disabled: bool = False,
        image_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Register an image on snapshots, or on one of 8 GiB made for it; ``image_id`` is for one that runs already."""
        snapshots = snapshots or [self.make_snapshot(region, size_gb=8, days=days, now=now)]
        with self._held(region) as ec2:
            image_id = image_id or self._id("ami")
            image = _Image(ec2, image_id, name=name or image_id, region_name=f"{region}a", tags=dict(tags or {}))
            del ec2.snapshots[image.ebs_snapshot.id]  # moto made one; we have our own
            image.disks = {each: ec2.snapshots[each].volume_size for each in snapshots}
            image.creation_date = _before(now, days)
            image.state = "disabled" if disabled else "available"
            ec2.amis[image_id] = image
            return image_id

    def share_image(self, region: str, image_id: str, **permission: str) -> None:
        """Let others launch the image: ``UserId``, ``OrganizationArn``, ``OrganizationalUnitArn`` or ``Group``."""
        with self._held(region) as ec2:
            ec2.amis[image_id].launch_permissions.append(permission)

    def make_template(self, region: str, name: str, *images: str, disks: Sequence[str] = ()) -> str:
        """Make a launch template with a version for each image; the first is the default and has disks of snapshots."""
        mappings = [{"DeviceName": f"/dev/{each}", "Ebs": {"SnapshotId": each}} for each in disks]
        with self._held(region) as ec2:
            first = {"ImageId": images[0], "BlockDeviceMappings": mappings}
            template = ec2.create_launch_template(name, "", first, {})
            for image in images[1:]:
                template.create_version({"ImageId": image}, "")
            return template.id

    def make_configuration(self, region: str, name: str, image_id: str, *, disks: Sequence[str] = ()) -> str:
        """Make a launch configuration, and return its name."""
        with self._held(region):
            hold_launch_configuration(self.account_id, region, name, image_id, disks)
        return name

    def make_group(self, region: str, name: str, **launched_from: Any) -> str:
        """Make an empty Auto Scaling group, and return its name.

        ``launched_from`` is one of ``launch_config_name``, ``launch_template`` and ``mixed_instances_policy``, the
        latter two spelled as AWS does.
        """
        given: dict[str, Any] = {"launch_config_name": "", "launch_template": {}} | launched_from
        with self._held(region):
            autoscaling_backends[self.account_id][region].create_auto_scaling_group(
                name=name,
                availability_zones=[f"{region}a"],
                desired_capacity=0,
                max_size=10,
                min_size=0,
                vpc_zone_identifier=None,
                default_cooldown=None,
                health_check_period=None,
                health_check_type=None,
                load_balancers=[],
                target_group_arns=[],
                placement_group=None,
                termination_policies=[],
                tags=[],
                **given,
            )
        return name

    def hold_waste(self, region: str, *, now: datetime | None = None, seed: int = 7) -> HeldWaste:
        """Make what gathers in an account over two years, and what only looks like it.

        Running instances of the region, if there are any, use some of it: make the fleet first. The same fleet, region
        and seed make the same things.
        """
        now = now or datetime.now(UTC)
        self._dice = Random(f"{self.account_id} {region} {seed}")  # noqa: S311  # made-up ids
        held = HeldWaste(region)
        running = [each for each in ec2_backends[self.account_id][region].all_instances() if each.state == "running"]
        self._hold_volumes(held, now, [str(each.id) for each in running[:2]])
        self._hold_snapshots(held, now)
        self._hold_images(held, now, [str(each.image_id) for each in running[:1]])
        return held

    def _hold_volumes(self, held: HeldWaste, now: datetime, instances: Sequence[str]) -> None:
        region, size = held.region, self._dice.choice
        held.addresses += [self.make_address(region, tags={"Name": name}) for name in ("old-vpn", "blue-green")]
        held.spared[self.make_address(region, used=True, tags={"Name": "nat"})] = "associated"
        for name, volume_type, days in (
            ("database-before-rds", "io1", 410),
            ("jenkins-home", "gp2", 230),
            ("elasticsearch-3", "gp3", 90),
            ("kubernetes-dynamic-pvc", "gp3", 40),
        ):
            given: dict[str, Any] = {"days": days, "now": now, "tags": {"Name": name}}
            held.volumes.append(
                self.make_volume(region, size_gb=size((50, 100, 500)), volume_type=volume_type, **given)
            )
        held.spared[self.make_volume(region, days=0.5, now=now, tags={"Name": "just-made"})] = "young"
        for instance_id in instances:
            attached = self.make_volume(region, days=300, now=now, attached_to=instance_id)
            held.spared[attached] = f"attached to {instance_id}"

    def _hold_snapshots(self, held: HeldWaste, now: datetime) -> None:
        region = held.region
        for name, days in (("before-migration", 700), ("nightly", 420), ("nightly", 390), ("test-restore", 200)):
            size_gb = self._dice.choice((20, 100, 250))
            held.snapshots.append(self.make_snapshot(region, size_gb=size_gb, days=days, now=now, tags={"Name": name}))
        held.spared[self.make_snapshot(region, held.volumes[0], days=400, now=now)] = "its volume is there"
        held.spared[self.make_snapshot(region, days=2, now=now)] = "young"
        shared = self.make_snapshot(region, days=500, now=now, tags={"Name": "for-the-partner"})
        self.share_snapshot(region, shared, STRANGER)
        held.spared[shared] = f"shared with {STRANGER}"

    def _hold_images(self, held: HeldWaste, now: datetime, running: Sequence[str]) -> None:
        region = held.region
        old: dict[str, Any] = {"days": 450, "now": now}
        disks = [self.make_snapshot(region, size_gb=size_gb, **old) for size_gb in (8, 200)]
        held.images += [
            self.make_image(region, disks, name="web-2024-02", **old),
            self.make_image(region, name="web-2023-11", days=540, now=now, disabled=True),
        ]
        former = self.make_image(region, name="api-1", **old)
        current = self.make_image(region, name="api-2", days=60, now=now)
        template = self.make_template(region, f"api-{former[-6:]}", former, current)
        configured = self.make_image(region, name="batch", **old)
        configuration = self.make_configuration(region, f"batch-{configured[-6:]}", configured)
        self.make_group(region, f"batch-{configured[-6:]}", launch_config_name=configuration)
        shared = self.make_image(region, name="base", **old)
        self.share_image(region, shared, UserId=STRANGER)
        held.spared |= {
            former: f"launch template {template} version 1",
            current: f"launch template {template} version 2",
            configured: f"launch configuration {configuration}",
            shared: f"shared with {STRANGER}",
            self.make_image(region, name="api-3", days=1, now=now): "young",
        }
        for image_id in running:
            self.make_image(region, name="fleet", image_id=image_id, **old)
            held.spared[image_id] = "an instance runs from it"
        for image in ec2_backends[self.account_id][region].amis.values():
            for disk in image.block_device_mappings:
                held.spared.setdefault(disk["Ebs"]["SnapshotId"], f"behind {image.id}")

    @contextmanager
    def _held(self, region: str) -> Iterator[EC2Backend]:
        with self._busy:
            yield ec2_backends[self.account_id][region]

    def _id(self, kind: str) -> str:
        return f"{kind}-{self._dice.getrandbits(68):017x}"

    def _volume(self, ec2: EC2Backend, zone: str, size_gb: int, volume_type: str, *, encrypted: bool) -> Volume:
        return Volume(  # type: ignore[abstract]  # as above
            ec2, self._id("vol"), size_gb, ec2.get_zone_by_name(zone), volume_type=volume_type, encrypted=encrypted
        )


class _Image(Ami):
    """An image on any snapshots: size in GiB by id."""

    disks: dict[str, int]

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """Return a device for each snapshot: the one it boots from first."""
        disks = getattr(self, "disks", {})
        names = [self.root_device_name, *(f"/dev/sd{letter}" for letter in "bcdefghijklmnop")]
        return [
            {"DeviceName": name, "Ebs": {"SnapshotId": each, "VolumeSize": size}}
            for name, (each, size) in zip(names, disks.items(), strict=False)
        ]


def _before(now: datetime | None, days: float) -> datetime:
    """Return a moment as moto keeps them: without zone."""
    return ((now or datetime.now(UTC)) - timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)


def _public_ip(dice: Random) -> str:
    """Return an address of a block that is kept for documentation."""
    return f"198.51.100.{dice.randrange(1, 255)}"
