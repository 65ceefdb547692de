"""What may be waste, against AWS's stand-in: what is read of it, and that it is removed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from spothive.blocks import database_block
from spothive.errors import InvalidInput, NetworkInTransaction
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import AwsClients, ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed, AwsUnavailable
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.aws_waste import FINAL_SNAPSHOT_TAG, IDS_AT_A_TIME
from spothive.gateways.onboarding_template import granted
from spothive.gateways.waste_answer import (
    ObservedAddress,
    ObservedImage,
    ObservedSnapshot,
    ObservedVolume,
)

REGION = "eu-west-1"
YESTERDAY = datetime.now(UTC) - timedelta(hours=24)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRANGER = "333333333333"

Remove = Callable[[AwsGateway, Credentials, str], bool]

REMOVALS: dict[str, tuple[Callable[[StandInAccount], str], Remove]] = {
    "ReleaseAddress": (
        lambda account: account.make_address(REGION),
        lambda gateway, who, name: gateway.release_address(who, REGION, name),
    ),
    "DeleteVolume": (
        lambda account: account.make_volume(REGION),
        lambda gateway, who, name: gateway.delete_volume(who, REGION, name),
    ),
    "DeleteSnapshot": (
        lambda account: account.make_snapshot(REGION),
        lambda gateway, who, name: gateway.delete_snapshot(who, REGION, name),
    ),
    "DeregisterImage": (
        lambda account: account.make_image(REGION, disabled=True),
        lambda gateway, who, name: gateway.deregister_image(who, REGION, name),
    ),
}
PAGED: dict[str, Callable[[AwsGateway, Credentials], object]] = {
    "DescribeVolumes": lambda gateway, who: list(gateway.volumes(who, REGION)),
    "DescribeSnapshots": lambda gateway, who: list(gateway.snapshots(who, REGION)),
    "DescribeImages": lambda gateway, who: list(gateway.images(who, REGION)),
}


@pytest.fixture
def account(aws: AwsStandIn) -> StandInAccount:
    return aws.make_account(regions=[REGION])


@pytest.fixture
def actor(account: StandInAccount) -> Credentials:
    _, credentials = account.make_user(actions=granted("full"))
    return credentials


@pytest.fixture
def clients(aws: AwsStandIn) -> Iterator[AwsClients]:
    """Lend clients that ask what the gateway never would."""
    made = AwsClients(ConnectionOptions(endpoint_url=aws.url, attempts=1), platform=aws.platform)
    yield made
    made.close()


def _instance(account: StandInAccount, aws: AwsStandIn) -> str:
    """Give the account a fleet, and return one of its running instances."""
    other = aws.make_account(regions=[REGION], instances=20, seed=int(account.account_id) % 97)
    account.set_fleet(other.fleet)
    return next(
        str(each["InstanceId"])
        for reservation in account.fleet["Reservations"]
        for each in reservation["Instances"]
        if each["State"]["Name"] == "running"
    )


def test_addresses_are_told_with_what_has_them(gateway: AwsGateway, account: StandInAccount) -> None:
    free = account.make_address(REGION, tags={"Name": "vpn"})
    used = account.make_address(REGION, used=True)
    seen = {each.allocation_id: each for each in gateway.addresses(account.credentials, REGION)}
    assert seen[free] == ObservedAddress(free, REGION, seen[free].public_ip, None, {"Name": "vpn"})
    assert (seen[used].used_by or "").startswith("eipassoc-")
    assert seen.keys() == {free, used}
    account.free_address(REGION, used)
    assert {each.used_by for each in gateway.addresses(account.credentials, REGION)} == {None}


def test_volumes_are_told_with_the_instances_that_have_them(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount
) -> None:
    instance_id = _instance(account, aws)
    idle = account.make_volume(REGION, size_gb=50, days=40, now=NOW, encrypted=True, tags={"Name": "db"})
    used = account.make_volume(REGION, volume_type="gp2", attached_to=instance_id)
    [page] = gateway.volumes(account.credentials, REGION)
    seen = {each.volume_id: each for each in page}
    assert seen.keys() == {idle, used}
    assert seen[idle] == ObservedVolume(
        volume_id=idle,
        region=REGION,
        availability_zone=f"{REGION}a",
        volume_type="gp3",
        size_gb=50,
        state="available",
        attached_to=(),
        created_at=NOW - timedelta(days=40),
        encrypted=True,
        tags={"Name": "db"},
    )
    assert (seen[used].state, seen[used].attached_to) == ("in-use", (instance_id,))
    account.detach_volume(REGION, used)
    [[freed]] = gateway.volumes(account.credentials, REGION, only=[used])
    assert (freed.state, freed.attached_to) == ("available", ())


def test_a_volume_that_a_service_manages_is_not_the_accounts(gateway: AwsGateway, account: StandInAccount) -> None:
    own, managed = account.make_volume(REGION), account.make_volume(REGION)
    volume: Any = ec2_backends[account.account_id][REGION].volumes[managed]
    volume.operator = {"Managed": True, "Principal": "eks.amazonaws.com"}
    [[seen]] = gateway.volumes(account.credentials, REGION)
    assert seen.volume_id == own


def test_snapshots_are_told_when_their_volume_has_gone(gateway: AwsGateway, account: StandInAccount) -> None:
    volume_id = account.make_volume(REGION, size_gb=30)
    alive = account.make_snapshot(REGION, volume_id, days=3, now=NOW, tags={"Name": "nightly"})
    orphan = account.make_snapshot(REGION, size_gb=70, state="error", tier="archive")
    [page] = gateway.snapshots(account.credentials, REGION)
    seen = {each.snapshot_id: each for each in page}
    assert seen.keys() == {alive, orphan}
    assert seen[alive] == ObservedSnapshot(
        snapshot_id=alive,
        region=REGION,
        volume_id=volume_id,
        size_gb=30,
        state="completed",
        started_at=NOW - timedelta(days=3),
        tier="standard",
        description="",
        tags={"Name": "nightly"},
    )
    assert (seen[orphan].size_gb, seen[orphan].state, seen[orphan].tier) == (70, "error", "archive")
    assert seen[orphan].volume_id != volume_id


def test_snapshots_of_others_are_left_out(gateway: AwsGateway, account: StandInAccount) -> None:
    foreign, own = account.make_snapshot(REGION), account.make_snapshot(REGION)
    ec2_backends[account.account_id][REGION].snapshots[foreign].owner_id = STRANGER
    [[seen]] = gateway.snapshots(account.credentials, REGION)
    assert seen.snapshot_id == own


def test_images_are_told_disabled_ones_too(gateway: AwsGateway, account: StandInAccount) -> None:
    disks = [account.make_snapshot(REGION, size_gb=size_gb) for size_gb in (8, 200)]
    usual = account.make_image(REGION, disks, name="web", days=9, now=NOW, tags={"Team": "shop"})
    disabled = account.make_image(REGION, disabled=True)
    public = account.make_image(REGION)
    account.share_image(REGION, public, Group="all")
    [page] = gateway.images(account.credentials, REGION)
    seen = {each.image_id: each for each in page}
    assert seen.keys() == {usual, disabled, public}
    assert seen[usual] == ObservedImage(
        image_id=usual,
        region=REGION,
        name="web",
        state="available",
        snapshots={disks[0]: 8, disks[1]: 200},
        created_at=NOW - timedelta(days=9),
        is_public=False,
        root_device="/dev/sda1",
        devices={"/dev/sda1": disks[0], "/dev/sdb": disks[1]},
        tags={"Team": "shop"},
    )
    assert seen[disabled].state == "disabled"
    assert seen[public].is_public


def test_an_image_tells_when_it_was_last_launched(gateway: AwsGateway, account: StandInAccount) -> None:
    launched, never = account.make_image(REGION), account.make_image(REGION)
    image: Any = ec2_backends[account.account_id][REGION].amis[launched]
    image.last_launched_time = "2026-02-28T09:30:00.000Z"
    [page] = gateway.images(account.credentials, REGION)
    assert {each.image_id: each.last_launched_at for each in page} == {
        launched: datetime(2026, 2, 28, 9, 30, tzinfo=UTC),
        never: None,
    }


def test_an_image_that_was_just_deregistered_is_left_out(gateway: AwsGateway, account: StandInAccount) -> None:
    image_id = account.make_image(REGION)
    ec2_backends[account.account_id][REGION].amis[image_id].state = "deregistered"
    assert list(gateway.images(account.credentials, REGION)) == [[]]


def test_the_stand_in_hides_disabled_images_unless_asked_as_aws_does(
    clients: AwsClients, account: StandInAccount
) -> None:
    account.make_image(REGION, disabled=True)
    client = clients.get(account.credentials, "ec2", REGION)
    assert client.describe_images(Owners=["self"])["Images"] == []
    assert len(client.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]) == 1


@pytest.mark.parametrize("operation", PAGED)
def test_a_list_is_read_by_pages_and_fails_as_a_whole(
    aws: AwsStandIn, connect: Callable[..., AwsGateway], account: StandInAccount, operation: str
) -> None:
    for _ in range(5):
        account.make_volume(REGION)
        account.make_image(REGION)  # and a snapshot
    gateway = connect(page_size=2)
    pages = PAGED[operation](gateway, account.credentials)
    assert isinstance(pages, list)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({each for page in pages for each in (_name(thing) for thing in page)}) == 5
    aws.inject(Fault(Trouble.SERVER_ERROR, operation=operation, account_id=account.account_id, after=1))
    with pytest.raises(AwsUnavailable, match=operation):
        PAGED[operation](gateway, account.credentials)


def _name(thing: ObservedVolume | ObservedSnapshot | ObservedImage) -> str:
    match thing:
        case ObservedVolume():
            return thing.volume_id
        case ObservedSnapshot():
            return thing.snapshot_id
        case ObservedImage():
            return thing.image_id


def test_an_id_that_is_not_there_is_left_out(gateway: AwsGateway, account: StandInAccount) -> None:
    who = account.credentials
    volume_id, snapshot_id = account.make_volume(REGION), account.make_snapshot(REGION)
    image_id = account.make_image(REGION, [snapshot_id], disabled=True)
    account.make_volume(REGION)
    account.make_image(REGION)
    [[volume]] = gateway.volumes(who, REGION, only=["vol-0", volume_id])
    [[snapshot]] = gateway.snapshots(who, REGION, only=[snapshot_id, "snap-0"])
    [[image]] = gateway.images(who, REGION, only=["ami-0", image_id])
    assert (volume.volume_id, snapshot.snapshot_id, image.image_id) == (volume_id, snapshot_id, image_id)
    address = account.make_address(REGION)
    account.make_address(REGION)
    assert [each.allocation_id for each in gateway.addresses(who, REGION, only=["eipalloc-0", address])] == [address]
    for none in (gateway.volumes(who, REGION, ["vol-0"]), gateway.images(who, REGION, ["ami-0"])):
        assert [each for page in none for each in page] == []


def test_more_ids_than_a_filter_takes_are_asked_for_in_parts(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount
) -> None:
    volume_id = account.make_volume(REGION)
    many = [f"vol-{number:08x}" for number in range(IDS_AT_A_TIME)]
    pages = list(gateway.volumes(account.credentials, REGION, only=[*many, volume_id]))
    assert [each.volume_id for page in pages for each in page] == [volume_id]
    assert aws.calls("ec2", "DescribeVolumes", account_id=account.account_id) == 2


def test_everybody_a_thing_is_shared_with_is_told(gateway: AwsGateway, account: StandInAccount) -> None:
    snapshot_id, image_id = account.make_snapshot(REGION), account.make_image(REGION)
    assert gateway.snapshot_shared_with(account.credentials, REGION, snapshot_id) == ()
    assert gateway.image_shared_with(account.credentials, REGION, image_id) == ()
    account.share_snapshot(REGION, snapshot_id, STRANGER, "all")
    assert gateway.snapshot_shared_with(account.credentials, REGION, snapshot_id) == (STRANGER, "all")
    organisation = f"arn:aws:organizations::{STRANGER}:organization/o-1"
    unit = f"arn:aws:organizations::{STRANGER}:ou/o-1/ou-1"
    account.share_image(REGION, image_id, UserId=STRANGER)
    account.share_image(REGION, image_id, OrganizationArn=organisation)
    account.share_image(REGION, image_id, OrganizationalUnitArn=unit)
    account.share_image(REGION, image_id, Group="all")
    everybody = gateway.image_shared_with(account.credentials, REGION, image_id)
    assert everybody == tuple(sorted((STRANGER, organisation, unit, "all")))


def test_what_has_gone_is_shared_with_nobody(gateway: AwsGateway, account: StandInAccount, actor: Credentials) -> None:
    image_id = account.make_image(REGION)
    assert gateway.deregister_image(actor, REGION, image_id)
    assert gateway.image_shared_with(account.credentials, REGION, image_id) == ()
    assert gateway.snapshot_shared_with(account.credentials, REGION, "snap-0") == ()


# --- acting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", REMOVALS)
def test_a_thing_is_removed_once_and_asking_again_is_no_error(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials, operation: str
) -> None:
    make, remove = REMOVALS[operation]
    name, other = make(account), make(account)
    assert [remove(gateway, actor, name) for _ in range(3)] == [True, False, False]
    assert remove(gateway, actor, other)
    assert not remove(gateway, actor, f"{name[:-8]}00000000")


@pytest.mark.parametrize("operation", REMOVALS)
def test_read_only_access_removes_nothing(gateway: AwsGateway, account: StandInAccount, operation: str) -> None:
    make, remove = REMOVALS[operation]
    name = make(account)
    with pytest.raises(AccessDenied, match=operation):
        remove(gateway, account.credentials, name)


@pytest.mark.parametrize("operation", REMOVALS)
def test_a_removal_that_brings_no_answer_may_be_asked_again(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount, actor: Credentials, operation: str
) -> None:
    make, remove = REMOVALS[operation]
    name = make(account)
    aws.inject(Fault(Trouble.SERVER_ERROR, operation=operation, times=1))
    with pytest.raises(AwsUnavailable, match=operation):
        remove(gateway, actor, name)
    assert remove(gateway, actor, name)


def test_what_is_in_use_is_kept_and_the_refusal_says_so(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount, actor: Credentials
) -> None:
    address = account.make_address(REGION, used=True)
    volume = account.make_volume(REGION, attached_to=_instance(account, aws))
    snapshot = account.make_snapshot(REGION)
    images = [account.make_image(REGION, [snapshot]) for _ in range(2)]
    tries: dict[str, Callable[[], bool]] = {
        "InvalidIPAddress.InUse": lambda: gateway.release_address(actor, REGION, address),
        "VolumeInUse": lambda: gateway.delete_volume(actor, REGION, volume),
        "InvalidSnapshot.InUse": lambda: gateway.delete_snapshot(actor, REGION, snapshot),
    }
    for code, attempt in tries.items():
        with pytest.raises(AwsCallFailed) as refused:
            attempt()
        assert refused.value.code == code
    assert [each.allocation_id for each in gateway.addresses(actor, REGION)] == [address]
    assert gateway.deregister_image(actor, REGION, images[0])
    with pytest.raises(AwsCallFailed, match=r"InvalidSnapshot\.InUse"):
        gateway.delete_snapshot(actor, REGION, snapshot)
    assert gateway.deregister_image(actor, REGION, images[1])
    account.free_address(REGION, address)
    account.detach_volume(REGION, volume)
    assert all(attempt() for attempt in tries.values())


def test_a_final_snapshot_is_made_once_for_each_token(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount, actor: Credentials
) -> None:
    volume_id, other = account.make_volume(REGION, size_gb=40), account.make_volume(REGION)
    made = gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY)
    assert (made.volume_id, made.size_gb, made.region) == (volume_id, 40, REGION)
    assert made.tags == {FINAL_SNAPSHOT_TAG: "finding-1"}
    assert volume_id in made.description
    assert gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY) == made
    assert aws.calls("ec2", "CreateSnapshot", account_id=account.account_id) == 1
    ids = {
        made.snapshot_id,
        gateway.final_snapshot(actor, REGION, volume_id, "finding-2", YESTERDAY).snapshot_id,
        gateway.final_snapshot(actor, REGION, other, "finding-1", YESTERDAY).snapshot_id,
    }
    assert len(ids) == 3
    assert gateway.delete_volume(actor, REGION, volume_id)
    assert gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY) == made


def test_a_final_snapshot_that_failed_is_made_again_and_of_several_the_oldest_counts(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials
) -> None:
    volume_id = account.make_volume(REGION)
    tags = {FINAL_SNAPSHOT_TAG: "finding-1"}
    failed = account.make_snapshot(REGION, volume_id, state="error", tags=tags)
    made = gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY)
    assert made.snapshot_id != failed
    older = account.make_snapshot(REGION, volume_id, days=1, state="pending", tags=tags)
    assert gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY).snapshot_id == older


def test_a_final_snapshot_that_is_too_old_is_left_and_another_is_made(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials
) -> None:
    volume_id = account.make_volume(REGION)
    tags = {FINAL_SNAPSHOT_TAG: "finding-1"}
    old = account.make_snapshot(REGION, volume_id, days=1.1, tags=tags)
    made = gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY)
    assert made.snapshot_id != old
    assert gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY) == made
    pending = account.make_snapshot(REGION, volume_id, days=2, state="pending", tags=tags)
    found = gateway.final_snapshot(actor, REGION, volume_id, "finding-1", YESTERDAY)
    assert found.snapshot_id == pending, "what AWS works on is waited for"
    there = [each.snapshot_id for page in gateway.snapshots(actor, REGION) for each in page]
    assert sorted(there) == sorted([old, made.snapshot_id, pending]), "none is deleted"


def test_a_final_snapshot_of_a_volume_that_is_gone_is_refused(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials
) -> None:
    with pytest.raises(AwsCallFailed) as refused:
        gateway.final_snapshot(actor, REGION, "vol-00000000000000000", "finding-1", YESTERDAY)
    assert refused.value.code == "InvalidVolume.NotFound"
    assert [each for page in gateway.snapshots(account.credentials, REGION) for each in page] == []


@pytest.mark.parametrize("token", ["", "*", "finding-?", "x" * 257, "a b"])
def test_a_token_is_no_pattern(gateway: AwsGateway, actor: Credentials, token: str) -> None:
    with pytest.raises(InvalidInput, match="the token of a final snapshot"):
        gateway.final_snapshot(actor, REGION, "vol-1", token, YESTERDAY)


@pytest.mark.parametrize("missing", ["ec2:CreateSnapshot", "ec2:CreateTags"])
def test_a_final_snapshot_needs_both_grants(gateway: AwsGateway, account: StandInAccount, missing: str) -> None:
    volume_id = account.make_volume(REGION)
    _, credentials = account.make_user(actions=tuple(each for each in granted("full") if each != missing))
    with pytest.raises(AccessDenied, match="ec2:CreateSnapshot"):
        gateway.final_snapshot(credentials, REGION, volume_id, "finding-1", YESTERDAY)


def test_the_grant_to_tag_reaches_nothing_that_is_there(
    clients: AwsClients, account: StandInAccount, actor: Credentials
) -> None:
    volume_id = account.make_volume(REGION)
    client = clients.get(actor, "ec2", REGION)
    with pytest.raises(Exception, match="UnauthorizedOperation"):
        client.create_tags(Resources=[volume_id], Tags=[{"Key": "Name", "Value": "mine"}])


def test_nothing_is_asked_inside_a_transaction(gateway: AwsGateway, actor: Credentials) -> None:
    asking: list[Callable[[], object]] = [
        lambda: gateway.addresses(actor, REGION),
        *(lambda ask=ask: ask(gateway, actor) for ask in PAGED.values()),
        *(lambda remove=remove: remove(gateway, actor, "x") for _, remove in REMOVALS.values()),
        lambda: gateway.references(actor, REGION),
        lambda: gateway.snapshot_shared_with(actor, REGION, "snap-1"),
        lambda: gateway.image_shared_with(actor, REGION, "ami-1"),
        lambda: gateway.final_snapshot(actor, REGION, "vol-1", "finding-1", YESTERDAY),
    ]
    for ask in asking:
        with database_block(), pytest.raises(NetworkInTransaction):
            ask()
