"""What AWS says of things that cost money while nothing uses them, and of what may use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObservedAddress:
    """One elastic IP address.

    Attributes:
        allocation_id: AWS's id, ``eipalloc-...``.
        public_ip: the address itself.
        used_by: association, network interface, instance or service it belongs to; None while nothing has it.
    """

    allocation_id: str
    region: str
    public_ip: str
    used_by: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    """One EBS volume.

    Attributes:
        state: AWS's word; ``available`` while no instance has it.
        attached_to: EC2's ids of the instances that have it.
        size_gb: GiB.
        created_at: UTC.
    """

    volume_id: str
    region: str
    availability_zone: str
    volume_type: str
    size_gb: int
    state: str
    attached_to: tuple[str, ...]
    created_at: datetime
    encrypted: bool
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedSnapshot:
    """One EBS snapshot that the account owns.

    Attributes:
        volume_id: volume it was made of; AWS keeps the id when the volume has gone.
        state: AWS's word: pending, completed, error, recoverable or recovering.
        size_gb: GiB of the volume; what is stored, and paid, may be less.
        started_at: UTC.
        tier: ``standard`` or ``archive``.
    """

    snapshot_id: str
    region: str
    volume_id: str
    size_gb: int
    state: str
    started_at: datetime
    tier: str
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """One AMI that the account owns, disabled and deprecated ones too.

    Attributes:
        state: AWS's word, such as available, disabled or failed.
        snapshots: size in GiB of each EBS snapshot the image stands on, by its id.
        created_at: UTC.
        is_public: whether everybody may launch it.
        last_launched_at: when anybody last launched an instance from it, UTC, a day late; None if not since April 2017.
        architecture: such as x86_64.
        root_device: name of the device it boots from, such as /dev/xvda.
        devices: snapshot of each EBS device, by the name of the device.
    """

    image_id: str
    region: str
    name: str
    state: str
    snapshots: Mapping[str, int]
    created_at: datetime
    is_public: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    last_launched_at: datetime | None = None
    architecture: str = ""
    root_device: str = ""
    devices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class References:
    """What uses images and snapshots of a region, by the id of what is used.

    Attributes:
        images: for example ``{"ami-1": ("instance i-1", "launch template lt-1 version 3", "Auto Scaling group web")}``.
        snapshots: those that block devices of templates and configurations name; not those behind images.
        looked_at: how many of each were read, such as ``{"instances": 12, "launch template versions": 4}``.
        unresolved: what is named in the place of an image, or for one, and could not be followed to an image's id:
            ``{"resolve:ssm:/golden": ("launch template lt-1 version 2",)}``. Unless it is empty, an image that stands
            nowhere in ``images`` may be used all the same, and a snapshot likewise.
    """

    images: Mapping[str, tuple[str, ...]]
    snapshots: Mapping[str, tuple[str, ...]]
    looked_at: Mapping[str, int]
    unresolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
