"""Things that may be waste: as AWS describes them, and an AWS in memory that holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import literal

from spothive.blocks import refuse_in_block
from spothive.clock import utc_now
from spothive.database import EnvironmentType, ScanStatus, get_db_session
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.waste_answer import (
    ObservedAddress,
    ObservedImage,
    ObservedSnapshot,
    ObservedVolume,
    References,
)
from spothive.operations.actor import Actor
from spothive.operations.fleet import scanning as runs
from spothive.operations.waste import (
    Deletion,
    WasteScan,
    applying,
    delete_due,
    looking,
    memory,
    request_deletion,
    scan_waste,
    schedule_deletion,
)
from spothive.schema.types import UtcDateTime
from tests.factories.approvals import approved, no_keys
from tests.factories.fleets import connected_account

HOME, AWAY = "us-east-1", "eu-west-1"
AWS_ID = "210987654321"
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOTHING = References({}, {}, {"instances": 0, "launch templates": 0})


def address(number: int = 1, **facts: Any) -> ObservedAddress:
    """Return an elastic IP address that belongs to nothing."""
    return replace(ObservedAddress(f"eipalloc-{number:017x}", HOME, f"203.0.113.{number}", None), **facts)


def volume(number: int = 1, **facts: Any) -> ObservedVolume:
    """Return a volume of 100 GB that no instance has had for long."""
    name = f"vol-{number:017x}"
    seen = ObservedVolume(name, HOME, f"{HOME}a", "gp3", 100, "available", (), LONG_AGO, encrypted=True)
    return replace(seen, **facts)


def snapshot(number: int = 1, **facts: Any) -> ObservedSnapshot:
    """Return an old snapshot of 40 GB."""
    name, of = f"snap-{number:017x}", f"vol-{number + 900:017x}"
    return replace(ObservedSnapshot(name, HOME, of, 40, "completed", LONG_AGO, "standard", "nightly"), **facts)


def image(number: int = 1, **facts: Any) -> ObservedImage:
    """Return an image that stands on snapshot 500 + its number, of 20 GB."""
    on = f"snap-{number + 500:017x}"
    seen = ObservedImage(f"ami-{number:017x}", HOME, f"web {number}", "available", {on: 20}, LONG_AGO, is_public=False)
    more = {"architecture": "x86_64", "root_device": "/dev/xvda", "devices": {"/dev/xvda": on}}
    return replace(seen, **more | facts)


class WasteWorld(AwsGateway):
    """An AWS in memory that holds what may be waste.

    Attributes:
        things: by AWS's id.
        references: what uses images and snapshots, by region.
        shares: whom a snapshot or image is shared with, by its id.
        trouble: error to raise, by name of the call and region.
        removed: what AWS was told to remove, in that order.
        on_answer: called after each removal, before the answer arrives.
        page: things on a page.
    """

    def __init__(self, *things: Any, regions: Sequence[str] = (HOME,)) -> None:
        super().__init__()
        self.regions = list(regions)
        self.things: dict[str, Any] = {}
        self.add(*things)
        self.references_of: dict[str, References] = {}
        self.shares: dict[str, tuple[str, ...]] = {}
        self.trouble: dict[tuple[str, str], AwsError] = {}
        self.removed: list[str] = []
        self.snapshot_state = "completed"
        self.on_answer: Callable[[], object] = lambda: None
        self.calls: Counter[str] = Counter()
        self.page = 2

    def add(self, *things: Any) -> None:
        """Hold these as well, or as they are now."""
        self.things |= {_name(thing): thing for thing in things}

    def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
        self._asked("assume_role", HOME)
        return Credentials(role_arn, "secret", external_id)

    def enabled_regions(self, _: Credentials) -> list[str]:
        self._asked("enabled_regions", HOME)
        return sorted(self.regions)

    def addresses(self, _: Credentials, region: str, only: Sequence[str] = ()) -> list[ObservedAddress]:
        self._asked("addresses", region)
        return [each for each in self._of(ObservedAddress, region) if not only or _name(each) in only]

    def volumes(self, _: Credentials, region: str, only: Sequence[str] = ()) -> Iterator[list[ObservedVolume]]:
        yield from self._paged("volumes", ObservedVolume, region, only)

    def snapshots(self, _: Credentials, region: str, only: Sequence[str] = ()) -> Iterator[list[ObservedSnapshot]]:
        yield from self._paged("snapshots", ObservedSnapshot, region, only)

    def images(self, _: Credentials, region: str, only: Sequence[str] = ()) -> Iterator[list[ObservedImage]]:
        yield from self._paged("images", ObservedImage, region, only)

    def references(self, _: Credentials, region: str) -> References:
        self._asked("references", region)
        return self.references_of.get(region, NOTHING)

    def snapshot_shared_with(self, _: Credentials, region: str, snapshot_id: str) -> tuple[str, ...]:
        self._asked("snapshot_shared_with", region)
        return self.shares.get(snapshot_id, ())

    def image_shared_with(self, _: Credentials, region: str, image_id: str) -> tuple[str, ...]:
        self._asked("image_shared_with", region)
        return self.shares.get(image_id, ())

    def release_address(self, _: Credentials, region: str, allocation_id: str) -> bool:
        return self._remove("release_address", region, allocation_id)

    def delete_volume(self, _: Credentials, region: str, volume_id: str) -> bool:
        return self._remove("delete_volume", region, volume_id)

    def delete_snapshot(self, _: Credentials, region: str, snapshot_id: str) -> bool:
        return self._remove("delete_snapshot", region, snapshot_id)

    def deregister_image(self, _: Credentials, region: str, image_id: str) -> bool:
        return self._remove("deregister_image", region, image_id)

    def final_snapshot(
        self, _: Credentials, region: str, volume_id: str, token: str, not_before: datetime
    ) -> ObservedSnapshot:
        self._asked("final_snapshot", region)
        tags = {"spothive:final-snapshot": token}
        for made in self._of(ObservedSnapshot, region):
            if made.tags == tags and (made.state == "pending" or made.started_at >= not_before):
                break
        else:
            name = f"snap-final-{self.calls['final_snapshot']}"
            made = snapshot(1, snapshot_id=name, volume_id=volume_id, started_at=utc_now(), tags=tags)
        self.add(replace(made, state=self.snapshot_state))
        return self.things[made.snapshot_id]  # type: ignore[no-any-return]  # it is one

    def _asked(self, call: str, region: str) -> None:
        refuse_in_block(call)
        self.calls[call] += 1
        if error := self.trouble.get((call, region)):
            raise error

    def _of(self, kind: type[Any], region: str) -> list[Any]:
        return [each for each in list(self.things.values()) if isinstance(each, kind) and each.region == region]

    def _paged(self, call: str, kind: type[Any], region: str, only: Sequence[str]) -> Iterator[list[Any]]:
        found = [each for each in self._of(kind, region) if not only or _name(each) in only]
        for first in range(0, max(1, len(found)), self.page):
            if first:
                self._asked(f"{call}, another page", region)
            else:
                self._asked(call, region)
            yield found[first : first + self.page]

    def _remove(self, call: str, region: str, name: str) -> bool:
        self._asked(call, region)
        self.removed.append(name)
        was_there = self.things.pop(name, None) is not None
        self.on_answer()
        return was_there


def connect(tenant_id: UUID, user_id: UUID, name: str = "shop", account_id: str = AWS_ID) -> UUID:
    """Connect a PROD account; return its row's id."""
    with get_db_session(tenant=tenant_id) as session:
        account = connected_account(session, user_id, name=name, account_id=account_id)
        account.environment_type = EnvironmentType.PROD
        return account.id


@contextmanager
def as_of(ago: timedelta) -> Iterator[None]:
    """Let scans believe that it is so long ago."""
    with ExitStack() as stack:
        for module in (memory, applying, looking):
            stack.enter_context(patch.object(module, "utc_now", lambda: utc_now() - ago))
        stack.enter_context(patch.object(runs, "clock_timestamp", lambda: literal(utc_now() - ago, UtcDateTime())))
        yield


def scan(actor: Actor, aws: AwsGateway, *, ago: timedelta = timedelta(0), **other: Any) -> WasteScan:
    """Scan the account ``shop`` for waste, as if it were so long ago."""
    given: dict[str, Any] = {"tenant_id": actor.home_tenant_id, "name": "shop", "keys": no_keys, **other}
    with as_of(ago):
        return scan_waste(get_db_session, actor, gateway=aws, **given)


def flagged(actor: Actor, aws: AwsGateway) -> None:
    """Scan twice, a day and more apart."""
    assert scan(actor, aws, ago=timedelta(hours=25)).status is ScanStatus.COMPLETE
    assert scan(actor, aws).status is ScanStatus.COMPLETE


def approve(actor: Actor, name: str) -> UUID:
    """Have the deletion of a flagged resource approved; return the request's id."""
    with get_db_session(tenant=actor.home_tenant_id) as session:
        request = request_deletion(session, actor, resource=name)
    return approved(request)


def schedule(actor: Actor, *names: str) -> None:
    """Have the deletion of flagged resources approved, and schedule it."""
    for name in names:
        request_id = approve(actor, name)
        with get_db_session(tenant=actor.home_tenant_id) as session:
            schedule_deletion(session, actor, request_id=request_id)


def delete(actor: Actor, aws: AwsGateway, **other: Any) -> list[Deletion]:
    """Delete what is due."""
    given: dict[str, Any] = {"tenant_id": actor.home_tenant_id, "keys": no_keys, **other}
    return delete_due(get_db_session, actor, gateway=aws, **given)


def _name(thing: Any) -> str:
    for column in ("allocation_id", "snapshot_id", "volume_id", "image_id"):
        if hasattr(thing, column):
            return str(getattr(thing, column))
    raise AssertionError(f"{thing} has no id")
