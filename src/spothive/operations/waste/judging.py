"""Whether something is waste: pure rules over what AWS said. What cannot be proven to be unused is spared.

A claim carries its evidence: what was looked for, and what else makes this claim and no other. It holds nothing that
changes by itself, no time and no count, because it is part of the hash of what is approved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from spothive.gateways.aws_waste import FINAL_SNAPSHOT_TAG
from spothive.gateways.waste_answer import ObservedAddress, ObservedImage, ObservedSnapshot, ObservedVolume, References
from spothive.models import WasteType
from spothive.settings import get_settings

KEEP_TAG: Final = "spothive:keep"
"""Tag, with any value, by which an owner says that something is wanted although nothing uses it."""

MANAGED_TAGS: Final = ("aws:backup:", "aws:dlm:")
"""How the tags begin of what AWS Backup or a lifecycle policy made, and removes by its own rules."""

GONE: Final = frozenset({"deleting", "deleted", "deregistered"})
"""States at AWS of what is as good as gone."""

_SHARES: Final = "other accounts it is shared with"
_LOOKED_FOR: Final[Mapping[WasteType, tuple[str, ...]]] = {
    WasteType.ELASTIC_IP: ("association", "network interface", "instance", "service"),
    WasteType.EBS_VOLUME: ("attachment", "former attachment, as far as spothive saw one"),
    WasteType.EBS_SNAPSHOT: (
        "own images, disabled ones included",
        "launch templates, every version",
        "launch configurations",
        _SHARES,
        "AWS Backup and lifecycle policies",
        "deletions it is the undo of",
    ),
    WasteType.AMI: (
        "instances, stopped ones included",
        "launch templates, every version",
        "launch configurations",
        "Auto Scaling groups",
        "launches of late",
        _SHARES,
        "AWS Backup and lifecycle policies",
    ),
}
_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """Prices in USD a month and ages in days, by which waste is judged."""

    address_price: Decimal
    volume_price: Decimal
    snapshot_price: Decimal
    archive_price: Decimal
    volume_days: int
    snapshot_days: int
    image_days: int
    undo_days: int


@dataclass(frozen=True, slots=True)
class Claim:
    """That something is waste.

    Attributes:
        monthly_cost: USD for a month of 30 days.
        days_unused: days since anything used it, as far as known; None if nothing is known.
        evidence: what was looked for, ready for JSON.
        metadata: the resource as AWS described it, ready for JSON.
        reason: why it is waste, for people.
        unused_since: of a volume, since when nothing used it, as far as known.
    """

    resource_type: WasteType
    resource_id: str
    region: str
    monthly_cost: Decimal
    days_unused: int | None
    evidence: dict[str, Any]
    metadata: dict[str, Any]
    reason: str
    unused_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spared:
    """That something is no waste, and why."""

    resource_type: WasteType
    resource_id: str
    reason: str


Verdict: TypeAlias = Claim | Spared


def current_rules() -> Rules:
    """Return the rules as they are set."""
    settings = get_settings()
    return Rules(
        address_price=settings.waste_address_price,
        volume_price=settings.waste_volume_price,
        snapshot_price=settings.waste_snapshot_price,
        archive_price=settings.waste_archive_price,
        volume_days=settings.waste_volume_days,
        snapshot_days=settings.waste_snapshot_days,
        image_days=settings.waste_image_days,
        undo_days=settings.waste_undo_days,
    )


def judge_address(seen: ObservedAddress, rules: Rules) -> Verdict:
    """Judge an elastic IP address: waste while nothing has it."""
    kind, name = WasteType.ELASTIC_IP, seen.allocation_id
    if why := _kept(seen.tags) or (f"in use by {seen.used_by}" if seen.used_by else None):
        return Spared(kind, name, why)
    reason = f"the address {seen.public_ip} belongs to nothing"
    metadata = {"public_ip": seen.public_ip, "tags": dict(seen.tags)}
    evidence = _evidence(kind, public_ip=seen.public_ip)
    return Claim(kind, name, seen.region, rules.address_price, None, evidence, metadata, reason)


def judge_volume(seen: ObservedVolume, rules: Rules, now: datetime, unused_since: datetime | None = None) -> Verdict:
    """Judge a volume: waste when no instance has it, and it is some days old.

    AWS does not tell since when a volume is detached. What was in use of late is waste too, and flagged later.

    Args:
        seen: the volume.
        rules: prices and ages.
        now: the present.
        unused_since: since when nothing used it, as far as known; since it was made if None.
    """
    kind, name = WasteType.EBS_VOLUME, seen.volume_id
    since = max(seen.created_at, unused_since or seen.created_at)
    age, days = (now - seen.created_at).days, max((now - since).days, 0)
    why = _kept(seen.tags)
    if seen.attached_to:
        why = why or f"in use by {_some(seen.attached_to)}"
    elif seen.state != "available":
        why = why or f"AWS calls it {seen.state}"
    elif age < rules.volume_days:
        why = why or f"made {_days(max(age, 0))} ago"
    if why:
        return Spared(kind, name, why)
    metadata = {
        "size_gb": seen.size_gb,
        "type": seen.volume_type,
        "zone": seen.availability_zone,
        "encrypted": seen.encrypted,
        "created_at": seen.created_at.isoformat(),
        "tags": dict(seen.tags),
    }
    evidence = _evidence(kind, unused_days=rules.volume_days, size_gb=seen.size_gb, type=seen.volume_type)
    whence = "it was made then" if since == seen.created_at else "before that it may have been in use"
    reason = f"no instance has it, and spothive knows of none since {since:%Y-%m-%d}: {whence}"
    cost = seen.size_gb * rules.volume_price
    return Claim(kind, name, seen.region, cost, days, evidence, metadata, reason, unused_since=since)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a region holds beside a snapshot or image.

    Attributes:
        references: what uses images and snapshots.
        images: ids of the own images that stand on a snapshot, disabled ones too, by its id.
        volumes: ids of the volumes, as far as known.
        undoes: what was deleted that a snapshot brings back, by its id.
    """

    references: References
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    volumes: Collection[str] = ()
    undoes: Mapping[str, str] = field(default_factory=dict)


def judge_snapshot(seen: ObservedSnapshot, rules: Rules, now: datetime, beside: Neighbours) -> Verdict:
    """Judge a snapshot, as if it was shared with nobody: waste when it is old and nothing stands on it.

    Args:
        seen: the snapshot.
        rules: prices and ages.
        now: the present.
        beside: what else the region holds.
    """
    kind, name = WasteType.EBS_SNAPSHOT, seen.snapshot_id
    days = (now - seen.started_at).days
    undo = FINAL_SNAPSHOT_TAG in seen.tags
    needed = rules.undo_days if undo else rules.snapshot_days
    what = "undo of a deletion" if undo else "snapshot"
    why = (
        _kept(seen.tags)
        or _used(beside.images.get(name, ()), "behind")
        or _used(beside.references.snapshots.get(name, ()), "named by")
        or (f"the undo of the deletion of {beside.undoes[name]}" if name in beside.undoes else None)
        or (f"AWS calls it {seen.state}" if seen.state not in {"completed", "error"} else None)
        or (f"an {what} of {_days(max(days, 0))}" if undo and days < needed else None)
        or (f"made {_days(max(days, 0))} ago" if days < needed else None)
        or _unresolved(beside.references)
    )
    if why:
        return Spared(kind, name, why)
    price = rules.archive_price if seen.tier == "archive" else rules.snapshot_price
    metadata = {
        "size_gb": seen.size_gb,
        "volume_id": seen.volume_id,
        "tier": seen.tier,
        "started_at": seen.started_at.isoformat(),
        "description": _text(seen.description),
        "tags": dict(seen.tags),
    }
    evidence = _evidence(kind, unused_days=needed, volume_id=seen.volume_id, size_gb=seen.size_gb)
    still = "; the volume it was made of is still there" if seen.volume_id in beside.volumes else ""
    reason = f"made on {seen.started_at:%Y-%m-%d}, and nothing stands on it{still}"
    return Claim(kind, name, seen.region, seen.size_gb * price, days, evidence, metadata, reason)


def judge_image(seen: ObservedImage, rules: Rules, now: datetime, references: References) -> Verdict:
    """Judge an image, as if it was shared with nobody: waste when nothing runs it or may start it."""
    kind, name = WasteType.AMI, seen.image_id
    since = max(seen.created_at, seen.last_launched_at or seen.created_at)
    days = max((now - since).days, 0)
    how = "launched" if since != seen.created_at else "made"
    why = (
        _kept(seen.tags)
        or _used(references.images.get(name, ()), "used by")
        or ("public: everybody may start it" if seen.is_public else None)
        or (f"{how} {_days(days)} ago" if days < rules.image_days else None)
        or (f"AWS calls it {seen.state}" if seen.state in {"pending", "transient"} else None)
        or _unresolved(references)
    )
    if why:
        return Spared(kind, name, why)
    cost = sum(seen.snapshots.values()) * rules.snapshot_price
    metadata = {
        "name": seen.name,
        "state": seen.state,
        "snapshots": dict(seen.snapshots),
        "architecture": seen.architecture,
        "root_device": seen.root_device,
        "devices": dict(seen.devices),
        "created_at": seen.created_at.isoformat(),
        "tags": dict(seen.tags),
    }
    evidence = _evidence(kind, unused_days=rules.image_days, name=seen.name, snapshots=sorted(seen.snapshots))
    reason = f"made on {seen.created_at:%Y-%m-%d}; nothing runs it, and nothing is set up to start it"
    return Claim(kind, name, seen.region, cost, days, evidence, metadata, reason)


def judge_sharing(claim: Claim, shared_with: Sequence[str]) -> Verdict:
    """Judge a claim about a snapshot or image anew, by whom it is shared with."""
    if not shared_with:
        return claim
    whom = "public" if "all" in shared_with else f"shared with {_some(shared_with)}"
    return Spared(claim.resource_type, claim.resource_id, whom)


def images_behind(images: Sequence[ObservedImage]) -> dict[str, list[str]]:
    """Return the ids of the images that stand on each snapshot."""
    behind: dict[str, list[str]] = {}
    for image in images:
        for snapshot_id in image.snapshots:
            behind.setdefault(snapshot_id, []).append(image.image_id)
    return behind


def counted_from(claim: Claim, first_seen: datetime, now: datetime) -> Claim:
    """Return the claim with the days since it was first seen, where nothing else is known."""
    return claim if claim.days_unused is not None else replace(claim, days_unused=max((now - first_seen).days, 0))


def _kept(tags: Mapping[str, str]) -> str | None:
    if KEEP_TAG in tags:
        return f"kept by its tag {KEEP_TAG}"
    managed = any(name.startswith(MANAGED_TAGS) for name in tags)
    return "AWS Backup or a lifecycle policy looks after it" if managed else None


def _used(by: Sequence[str], how: str) -> str | None:
    return f"{how} {_some(by)}" if by else None


def _unresolved(references: References) -> str | None:
    """Return why nothing in the region is proven to be unused, if that is so."""
    for named, by in references.unresolved.items():
        return f"maybe used by {_some(by)}, which names {named}: spothive cannot tell what that is"
    return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return _text(", ".join(names[:_LISTED]) + more)


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _text(text: str) -> str:
    """Return a stranger's text as a row can hold it."""
    return text[:1000].replace("\0", " ")


def _evidence(kind: WasteType, **what: Any) -> dict[str, Any]:
    return {"looked_for": list(_LOOKED_FOR[kind]), "found": [], **what}
