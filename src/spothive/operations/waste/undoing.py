"""How a resource is got back after its deletion, if at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shlex import quote
from typing import Any, Final

from spothive.gateways.waste_answer import ObservedSnapshot
from spothive.models import WasteType

WAYS_BACK: Final[Mapping[WasteType, str]] = {
    WasteType.ELASTIC_IP: "none: AWS gives the same address to nobody again",
    WasteType.EBS_VOLUME: "a final snapshot, made before the volume is deleted",
    WasteType.EBS_SNAPSHOT: "none: what is on a deleted snapshot is lost",
    WasteType.AMI: "registering it again from its snapshots, which stay; its id is lost",
}
"""What undoes a deletion, for those who approve it."""

_PROVISIONED = frozenset({"io1", "io2"})
_RESERVED = "aws:"


def volume_recipe(region: str, metadata: Mapping[str, Any], snapshot: ObservedSnapshot) -> dict[str, Any]:
    """Return how a volume is made again from its final snapshot.

    Args:
        region: where.
        metadata: the volume as it was, as the judge keeps it.
        snapshot: the final one.
    """
    kind = str(metadata["type"])
    words = ["aws ec2 create-volume", "--region", region, "--availability-zone", str(metadata["zone"])]
    words += ["--snapshot-id", snapshot.snapshot_id, "--volume-type", kind, "--size", str(metadata["size_gb"])]
    words += ["--encrypted"] if metadata["encrypted"] else []
    recipe = {
        "snapshot": snapshot.snapshot_id,
        "state": snapshot.state,
        "command": " ".join([words[0], *map(quote, words[1:]), *_tags("volume", metadata["tags"])]),
    }
    return recipe | (
        {"note": "add --iops: AWS's list does not tell how many there were"} if kind in _PROVISIONED else {}
    )


def image_recipe(region: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an image is registered again from its snapshots."""
    devices = [
        {"DeviceName": name, "Ebs": {"SnapshotId": snapshot_id}}
        for name, snapshot_id in sorted(metadata["devices"].items())
    ]
    words = ["aws ec2 register-image", "--region", region, "--name", str(metadata["name"])]
    words += ["--architecture", str(metadata["architecture"]), "--root-device-name", str(metadata["root_device"])]
    words += ["--virtualization-type", "hvm", "--ena-support", "--block-device-mappings", json.dumps(devices)]
    command = " ".join([words[0], *map(quote, words[1:]), *_tags("image", metadata["tags"])])
    note = "AWS's list tells no boot mode: add --boot-mode if the image had one"
    return {"snapshots": sorted(metadata["snapshots"]), "command": command, "note": note}


def _tags(resource: str, tags: Mapping[str, str]) -> list[str]:
    """Return the option that sets these tags again; those of AWS itself cannot be."""
    own = [{"Key": name, "Value": value} for name, value in sorted(tags.items()) if not name.startswith(_RESERVED)]
    if not own:
        return []
    return ["--tag-specifications", quote(json.dumps([{"ResourceType": resource, "Tags": own}]))]
