"""Looking at AWS for waste: a region with all its kinds, or one resource and whatever the claim about it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from spothive.clock import utc_now
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError, CredentialsRefused
from spothive.gateways.waste_answer import ObservedVolume
from spothive.models import WasteType
from spothive.operations.fleet.scanning import side_by_side
from spothive.operations.waste.judging import (
    GONE,
    Claim,
    Neighbours,
    Rules,
    Verdict,
    images_behind,
    judge_address,
    judge_image,
    judge_sharing,
    judge_snapshot,
    judge_volume,
)
from spothive.operations.waste.memory import Memory

SHARES_AT_ONCE: Final = 4
"""Snapshots and images of a region whose sharing is asked for side by side."""

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Eye:
    """Who looks, and what is known beforehand.

    Attributes:
        gateway: the way to AWS.
        credentials: of the account.
        rules: by which it is judged.
        memory: of volumes and deletions, from the database.
    """

    gateway: AwsGateway
    credentials: Credentials
    rules: Rules
    memory: Memory = field(default_factory=Memory)

    def shared_with(self, region: str, kind: WasteType, name: str) -> Sequence[str]:
        """Ask whom a snapshot or image is shared with."""
        image = kind is WasteType.AMI
        ask = self.gateway.image_shared_with if image else self.gateway.snapshot_shared_with
        return ask(self.credentials, region, name)

    def judge_volume(self, seen: ObservedVolume, now: datetime) -> Verdict:
        """Judge a volume by what is known of it beforehand."""
        return judge_volume(seen, self.rules, now, self.memory.unused_since(seen.volume_id, seen.created_at))


@dataclass(slots=True)
class KindSeen:
    """What a region holds of one kind: how many things on how many pages, and what was judged of each."""

    pages: int
    items: int
    claims: list[Claim] = field(default_factory=list)
    spared: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, pages: int, verdicts: Sequence[Verdict]) -> KindSeen:
        """Sort verdicts into claims and what was spared, with the reason."""
        seen = cls(pages, len(verdicts))
        for verdict in verdicts:
            if isinstance(verdict, Claim):
                seen.claims.append(verdict)
            else:
                seen.spared[verdict.resource_id] = verdict.reason
        return seen


@dataclass(slots=True)
class RegionSeen:
    """What a region holds: each kind, or why it could not be read."""

    eye: Eye
    region: str
    kinds: dict[WasteType, KindSeen] = field(default_factory=dict)
    failed: dict[WasteType, AwsError] = field(default_factory=dict)

    def read(self, kinds: Sequence[WasteType], ask: Callable[[], Answer]) -> Answer | None:
        """Return an answer that these kinds rest on; without it none of them is known.

        Raises:
            CredentialsRefused: nothing else of the region could be read either.
        """
        try:
            return ask()
        except CredentialsRefused:
            raise
        except AwsError as error:
            for kind in kinds:
                self.failed.setdefault(kind, error)
            return None


def look_at_region(eye: Eye, region: str) -> RegionSeen:
    """Read and judge a region. Of a kind that misses a page, or a list it rests on, nothing is known.

    Raises:
        AwsError: no kind could be read.
    """
    seen, now = RegionSeen(eye, region), utc_now()
    address, volume, snapshot, image = WasteType
    gateway, credentials, rules = eye.gateway, eye.credentials, eye.rules
    addresses = seen.read([address], lambda: gateway.addresses(credentials, region))
    if addresses is not None:
        seen.kinds[address] = KindSeen.of(1, [judge_address(each, rules) for each in addresses])
    volumes = seen.read([volume], lambda: _whole(gateway.volumes(credentials, region)))
    if volumes is not None:
        judged = [eye.judge_volume(each, now) for each in volumes[1]]
        seen.kinds[volume] = KindSeen.of(volumes[0], judged)
    # The references come last, so that they hold what was started or set up while the rest was read.
    images = seen.read([image, snapshot], lambda: _whole(gateway.images(credentials, region)))
    snapshots = seen.read([snapshot], lambda: _whole(gateway.snapshots(credentials, region)))
    references = seen.read([image, snapshot], lambda: gateway.references(credentials, region))
    if images is not None and references is not None:
        judged = [judge_image(each, rules, now, references) for each in images[1]]
        _settle(seen, image, images[0], judged)
        if snapshots is not None:
            there = {each.volume_id for each in volumes[1]} if volumes is not None else ()
            beside = Neighbours(references, images_behind(images[1]), there, eye.memory.undoes)
            judged = [judge_snapshot(each, rules, now, beside) for each in snapshots[1]]
            _settle(seen, snapshot, snapshots[0], judged)
    if not seen.kinds:
        raise next(iter(seen.failed.values()))
    return seen


def look_at_one(eye: Eye, region: str, kind: WasteType, name: str) -> Verdict | None:
    """Read one resource, and all the claim about it rests on, and judge it anew; None if AWS knows it no more.

    Raises:
        AwsError: something of it could not be read.
    """
    gateway, credentials, now = eye.gateway, eye.credentials, utc_now()
    verdict: Verdict | None = None
    if kind is WasteType.ELASTIC_IP:
        for address in gateway.addresses(credentials, region, only=[name]):
            verdict = judge_address(address, eye.rules)
    elif kind is WasteType.EBS_VOLUME:
        for volume in _whole(gateway.volumes(credentials, region, only=[name]))[1]:
            if volume.state not in GONE:
                verdict = eye.judge_volume(volume, now)
    elif kind is WasteType.AMI:
        for image in _whole(gateway.images(credentials, region, only=[name]))[1]:
            if image.state not in GONE:
                verdict = judge_image(image, eye.rules, now, gateway.references(credentials, region))
    else:
        found = _whole(gateway.snapshots(credentials, region, only=[name]))[1]
        behind = images_behind(_whole(gateway.images(credentials, region))[1]) if found else {}
        for snapshot in found:
            beside = Neighbours(gateway.references(credentials, region), behind, undoes=eye.memory.undoes)
            verdict = judge_snapshot(snapshot, eye.rules, now, beside)
    return next(_with_sharing(eye, region, [verdict])) if verdict is not None else None


def _settle(seen: RegionSeen, kind: WasteType, pages: int, judged: Sequence[Verdict]) -> None:
    """Ask of what is left as candidates whom it is shared with, and note the kind as seen."""
    settled = seen.read([kind], lambda: list(_with_sharing(seen.eye, seen.region, judged)))
    if settled is not None:
        seen.kinds[kind] = KindSeen.of(pages, settled)


def _with_sharing(eye: Eye, region: str, judged: Sequence[Verdict]) -> Iterator[Verdict]:
    """Yield what was judged, with claims about snapshots and images judged by their sharing as well."""
    shareable = {WasteType.EBS_SNAPSHOT, WasteType.AMI}
    asked: dict[str, Claim] = {}
    for verdict in judged:
        if isinstance(verdict, Claim) and verdict.resource_type in shareable:
            asked[verdict.resource_id] = verdict
        else:
            yield verdict
    kinds = {name: claim.resource_type for name, claim in asked.items()}
    ask = partial(_shared_with, eye, region, kinds)
    for name, answer in side_by_side(ask, list(asked), SHARES_AT_ONCE):
        if isinstance(answer, Exception):
            raise answer
        yield judge_sharing(asked[name], answer)


def _shared_with(eye: Eye, region: str, kinds: Mapping[str, WasteType], name: str) -> Sequence[str]:
    return eye.shared_with(region, kinds[name], name)


def _whole(pages: Iterable[Sequence[Thing]]) -> tuple[int, list[Thing]]:
    """Return how many pages there are and what is on them, read to the last."""
    number = 0
    things: list[Thing] = []
    for page in pages:
        number += 1
        things.extend(page)
    return number, things
