"""What AWS is asked, and told, about things that cost money while nothing uses them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from spothive.errors import InvalidInput
from spothive.gateways.aws_calls import AwsCaller, Call
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsCallFailed, kept_in_use
from spothive.gateways.aws_references import ReferenceCalls
from spothive.gateways.waste_answer import ObservedAddress, ObservedImage, ObservedSnapshot, ObservedVolume

FINAL_SNAPSHOT_TAG: Final = "spothive:final-snapshot"
"""Tag of a snapshot that spothive made of a volume before it deleted it; its value tells for which deletion."""

PENDING: Final = frozenset({"pending", "recovering"})
"""States of a snapshot that AWS works on."""

IDS_AT_A_TIME: Final = 200
"""The most values EC2 takes for one filter."""

_OURS = ["self"]
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,256}", re.ASCII)  # a filter would read * and ? as patterns
_NO_ADDRESS = ("InvalidAllocationID.NotFound", "InvalidAddress.NotFound")
_NO_VOLUME = ("InvalidVolume.NotFound",)
_NO_SNAPSHOT = ("InvalidSnapshot.NotFound",)
_NO_IMAGE = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")  # never there, deregistered


class WasteCalls(ReferenceCalls, AwsCaller):
    """Reads addresses, volumes, snapshots and images, and removes them one by one.

    What is read by pages is asked for when it is wanted. With ``only`` the answer holds those of the ids that are
    there, and an unknown one is no error. Pages that were yielded before an error stay true.

    A removal answers whether the thing was there, so it may be asked again after a crash; False may then mean that the
    former request removed it. AWS's refusal to remove what is in use is an
    :class:`~spothive.gateways.aws_errors.AwsCallFailed` with the code ``VolumeInUse``, ``InvalidSnapshot.InUse`` or
    ``InvalidIPAddress.InUse``.
    """

    # --- reading ------------------------------------------------------------------------------------

    def addresses(self, credentials: Credentials, region: str, only: Sequence[str] = ()) -> list[ObservedAddress]:
        """Return the elastic IP addresses of a region; EC2 answers them all at once."""
        return [
            _address(region, each)
            for chosen in _filters("allocation-id", only)
            for each in self._ask(credentials, region, Call.DESCRIBE_ADDRESSES, **chosen)["Addresses"]
            if each.get("AllocationId")
        ]

    def volumes(
        self, credentials: Credentials, region: str, only: Sequence[str] = ()
    ) -> Iterator[list[ObservedVolume]]:
        """Yield the volumes of a region, without those that a service of AWS manages: only it may delete them."""
        for chosen in _filters("volume-id", only):
            for page in self._pages(credentials, region, Call.DESCRIBE_VOLUMES, **chosen):
                own = (each for each in page["Volumes"] if not each.get("Operator", {}).get("Managed"))
                yield [_volume(region, each) for each in own]

    def snapshots(
        self, credentials: Credentials, region: str, only: Sequence[str] = ()
    ) -> Iterator[list[ObservedSnapshot]]:
        """Yield the snapshots of a region that the account owns."""
        for chosen in _filters("snapshot-id", only):
            for page in self._pages(credentials, region, Call.DESCRIBE_SNAPSHOTS, OwnerIds=_OURS, **chosen):
                yield [_snapshot(region, each) for each in page["Snapshots"]]

    def images(self, credentials: Credentials, region: str, only: Sequence[str] = ()) -> Iterator[list[ObservedImage]]:
        """Yield the images of a region that the account owns, disabled and deprecated ones too.

        EC2 lists those that were deregistered a moment ago; they are left out.
        """
        all_of_them = {"Owners": _OURS, "IncludeDisabled": True, "IncludeDeprecated": True}
        for chosen in _filters("image-id", only):
            for page in self._pages(credentials, region, Call.DESCRIBE_IMAGES, **all_of_them, **chosen):
                yield [_image(region, each) for each in page["Images"] if each["State"] != "deregistered"]

    def snapshot_shared_with(self, credentials: Credentials, region: str, snapshot_id: str) -> tuple[str, ...]:
        """Return whom the snapshot is shared with: ids of accounts, or ``all``; nobody if it has gone."""
        answer = _unless_gone(
            _NO_SNAPSHOT,
            lambda: self._ask(
                credentials,
                region,
                Call.DESCRIBE_SNAPSHOT_ATTRIBUTE,
                SnapshotId=snapshot_id,
                Attribute="createVolumePermission",
            ),
        )
        return _holders(answer.get("CreateVolumePermissions", ()) if answer else ())

    def image_shared_with(self, credentials: Credentials, region: str, image_id: str) -> tuple[str, ...]:
        """Return who else may launch the image; nobody if it has gone.

        They are ids of accounts, ARNs of organisations and of their units, or ``all``.
        """
        answer = _unless_gone(
            _NO_IMAGE,
            lambda: self._ask(
                credentials, region, Call.DESCRIBE_IMAGE_ATTRIBUTE, ImageId=image_id, Attribute="launchPermission"
            ),
        )
        return _holders(answer.get("LaunchPermissions", ()) if answer else ())

    # --- acting -------------------------------------------------------------------------------------

    def release_address(self, credentials: Credentials, region: str, allocation_id: str) -> bool:
        """Give the address back to AWS, for good, unless something has it; return whether it was there.

        In a default VPC, EC2 itself would take it from an instance that uses it. So it is looked at a moment before.
        """
        for address in self.addresses(credentials, region, [allocation_id]):
            if address.used_by:
                raise kept_in_use(Call.RELEASE_ADDRESS, region, "InvalidIPAddress.InUse")
        return _was_there(
            _NO_ADDRESS,
            lambda: self._ask(credentials, region, Call.RELEASE_ADDRESS, AllocationId=allocation_id),
        )

    def delete_volume(self, credentials: Credentials, region: str, volume_id: str) -> bool:
        """Delete the volume and what is on it; return whether it was there."""
        return _was_there(_NO_VOLUME, lambda: self._ask(credentials, region, Call.DELETE_VOLUME, VolumeId=volume_id))

    def delete_snapshot(self, credentials: Credentials, region: str, snapshot_id: str) -> bool:
        """Delete the snapshot; return whether it was there."""
        return _was_there(
            _NO_SNAPSHOT, lambda: self._ask(credentials, region, Call.DELETE_SNAPSHOT, SnapshotId=snapshot_id)
        )

    def deregister_image(self, credentials: Credentials, region: str, image_id: str) -> bool:
        """Deregister the image, and leave its snapshots; return whether it was there."""
        return _was_there(_NO_IMAGE, lambda: self._ask(credentials, region, Call.DEREGISTER_IMAGE, ImageId=image_id))

    def final_snapshot(
        self, credentials: Credentials, region: str, volume_id: str, token: str, not_before: datetime
    ) -> ObservedSnapshot:
        """Return the snapshot that was made of a volume for ``token``; make it if there is none.

        EC2 offers no other way to ask twice for one snapshot, so it is known by its tag. Of several the oldest counts;
        one that failed (``error``) does not, nor does one that was started before ``not_before`` and is not being made
        any more: both stay where they are. One that EC2 does not list yet, seconds after it was asked for, is made
        again: that costs a snapshot and loses nothing. The snapshot may be ``pending`` for long.

        Raises:
            InvalidInput: the token has other characters than letters, digits, ``.``, ``_`` and ``-``.
        """
        if not _TOKEN.fullmatch(token):
            raise InvalidInput(
                "the token of a final snapshot has 1 to 256 letters, digits or any of ._- and nothing else"
            )
        made_before = [
            {"Name": f"tag:{FINAL_SNAPSHOT_TAG}", "Values": [token]},
            {"Name": "volume-id", "Values": [volume_id]},
        ]
        made = [
            _snapshot(region, each)
            for page in self._pages(credentials, region, Call.DESCRIBE_SNAPSHOTS, OwnerIds=_OURS, Filters=made_before)
            for each in page["Snapshots"]
            if each["State"] != "error"
        ]
        found = [each for each in made if each.state in PENDING or each.started_at >= not_before]
        if found:
            return min(found, key=lambda each: (each.started_at, each.snapshot_id))
        tags = [{"Key": FINAL_SNAPSHOT_TAG, "Value": token}]
        new = self._ask(
            credentials,
            region,
            Call.CREATE_SNAPSHOT,
            VolumeId=volume_id,
            Description=f"Last state of {volume_id}, made by spothive before deleting it",
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
        )
        return _snapshot(region, new)


def _filters(name: str, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each request that is needed to ask for these ids, or for everything."""
    if not only:
        yield {}
    for first in range(0, len(only), IDS_AT_A_TIME):
        yield {"Filters": [{"Name": name, "Values": list(only[first : first + IDS_AT_A_TIME])}]}


def _unless_gone(codes: Sequence[str], ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the answer, or None when AWS says with one of the codes that there is no such thing."""
    try:
        return ask()
    except AwsCallFailed as error:
        if error.code in codes:
            return None
        raise


def _was_there(codes: Sequence[str], ask: Callable[[], dict[str, Any]]) -> bool:
    return _unless_gone(codes, ask) is not None


def _holders(permissions: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return what each permission names, whichever kind it is."""
    return tuple(sorted(holder for permission in permissions for holder in permission.values()))


def _address(region: str, raw: Mapping[str, Any]) -> ObservedAddress:
    holders = ("AssociationId", "NetworkInterfaceId", "InstanceId", "ServiceManaged")
    return ObservedAddress(
        allocation_id=raw["AllocationId"],
        region=region,
        public_ip=raw["PublicIp"],
        used_by=next((raw[holder] for holder in holders if raw.get(holder)), None),
        tags=_tags(raw),
    )


def _volume(region: str, raw: Mapping[str, Any]) -> ObservedVolume:
    return ObservedVolume(
        volume_id=raw["VolumeId"],
        region=region,
        availability_zone=raw["AvailabilityZone"],
        volume_type=raw["VolumeType"],
        size_gb=raw["Size"],
        state=raw["State"],
        attached_to=tuple(_attached_to(each) for each in raw.get("Attachments", ())),
        created_at=raw["CreateTime"].astimezone(UTC),
        encrypted=raw.get("Encrypted", False),
        tags=_tags(raw),
    )


def _attached_to(attachment: Mapping[str, Any]) -> str:
    """Return the instance, or the service that has the volume, as Fargate may."""
    return str(attachment.get("InstanceId") or attachment.get("AssociatedResource") or "unknown")


def _snapshot(region: str, raw: Mapping[str, Any]) -> ObservedSnapshot:
    return ObservedSnapshot(
        snapshot_id=raw["SnapshotId"],
        region=region,
        volume_id=raw["VolumeId"],
        size_gb=raw["VolumeSize"],
        state=raw["State"],
        started_at=raw["StartTime"].astimezone(UTC),
        tier=raw.get("StorageTier", "standard"),
        description=raw.get("Description", ""),
        tags=_tags(raw),
    )


def _image(region: str, raw: Mapping[str, Any]) -> ObservedImage:
    devices = {each["DeviceName"]: each["Ebs"] for each in raw.get("BlockDeviceMappings", ()) if "Ebs" in each}
    disks = {name: disk for name, disk in devices.items() if disk.get("SnapshotId")}
    launched = raw.get("LastLaunchedTime")
    return ObservedImage(
        image_id=raw["ImageId"],
        region=region,
        name=raw.get("Name", ""),
        state=raw["State"],
        snapshots={disk["SnapshotId"]: disk.get("VolumeSize", 0) for disk in disks.values()},
        created_at=datetime.fromisoformat(raw["CreationDate"]).astimezone(UTC),  # EC2 gives text here
        is_public=raw.get("Public", False),
        last_launched_at=datetime.fromisoformat(launched).astimezone(UTC) if launched else None,
        tags=_tags(raw),
        architecture=raw.get("Architecture", ""),
        root_device=raw.get("RootDeviceName", ""),
        devices={name: disk["SnapshotId"] for name, disk in disks.items()},
    )


def _tags(raw: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
