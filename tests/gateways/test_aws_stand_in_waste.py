"""The waste of the stand-in's accounts: it is believable, and the same again."""

from __future__ import annotations

from datetime import UTC, datetime

from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_stand_in import AwsStandIn

REGION = "eu-west-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_waste_is_seen_as_it_was_made_and_what_is_spared_has_its_reason(gateway: AwsGateway, aws: AwsStandIn) -> None:
    account = aws.make_account(regions=[REGION], instances=60)
    who, held = account.credentials, account.hold_waste(REGION, now=NOW)
    uses = gateway.references(who, REGION)
    addresses = {each.allocation_id: each for each in gateway.addresses(who, REGION)}
    volumes = {each.volume_id: each for page in gateway.volumes(who, REGION) for each in page}
    snapshots = {each.snapshot_id: each for page in gateway.snapshots(who, REGION) for each in page}
    images = {each.image_id: each for page in gateway.images(who, REGION) for each in page}

    assert {key for key, each in addresses.items() if each.used_by is None} == {*held.addresses}
    assert {key for key, each in volumes.items() if not each.attached_to and _days(each.created_at) >= 40} == {
        *held.volumes
    }
    behind = {snapshot for image in images.values() for snapshot in image.snapshots}
    assert {
        key
        for key, each in snapshots.items()
        if key not in behind | uses.snapshots.keys()
        and each.volume_id not in volumes
        and _days(each.started_at) >= 200
        and not gateway.snapshot_shared_with(who, REGION, key)
    } == {*held.snapshots}
    assert {
        key
        for key, each in images.items()
        if key not in uses.images and _days(each.created_at) >= 200 and not gateway.image_shared_with(who, REGION, key)
    } == {*held.images}
    assert "disabled" in {images[key].state for key in held.images}
    wasted = {*held.addresses, *held.volumes, *held.snapshots, *held.images}
    everything = addresses.keys() | volumes.keys() | snapshots.keys() | images.keys()
    assert everything == wasted | held.spared.keys()
    assert not wasted & held.spared.keys()
    assert not uses.unresolved
    for reason in ("associated", "attached to", "shared with", "behind", "an instance runs from it", "young"):
        assert any(each.startswith(reason) for each in held.spared.values())


def _days(moment: datetime) -> float:
    return (NOW - moment).total_seconds() / 86_400
