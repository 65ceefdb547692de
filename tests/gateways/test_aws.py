"""The gateway against AWS's stand-in, over boto3 and real HTTP: what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.eks.models import EKSBackend

from spothive.blocks import database_block
from spothive.errors import InvalidInput, NetworkInTransaction
from spothive.gateways import aws_clients
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import CallerIdentity
from spothive.gateways.aws_errors import AccessDenied
from spothive.gateways.aws_stand_in import PLATFORM_ACCOUNT, AwsStandIn, StandInAccount
from spothive.gateways.ec2_answer import ObservedInstance, read_answer

EXTERNAL_ID = "spothive-4711-secret"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")


@pytest.fixture(scope="module")
def account(world: AwsStandIn) -> StandInAccount:
    """Lend an account that no test changes."""
    return world.make_account(external_id=EXTERNAL_ID, instances=120)


def _truth(account: StandInAccount) -> dict[str, ObservedInstance]:
    """Return what the account holds, without what the stand-in does not keep."""
    answer = read_answer("the fleet", json.dumps(account.fleet).encode())
    assert not answer.refused
    return {each.instance_id: each for each in answer.instances}


def test_the_platform_learns_which_principal_accounts_must_trust(gateway: AwsGateway, aws: AwsStandIn) -> None:
    identity = gateway.platform_identity()
    assert identity == CallerIdentity(PLATFORM_ACCOUNT, aws.platform_arn)
    assert identity.principal_arn == aws.platform_arn


def test_a_session_of_a_role_is_trusted_as_the_role() -> None:
    session = CallerIdentity(PLATFORM_ACCOUNT, f"arn:aws-cn:sts::{PLATFORM_ACCOUNT}:assumed-role/control/i-0abc")
    assert session.principal_arn == f"arn:aws-cn:iam::{PLATFORM_ACCOUNT}:role/control"


def test_a_role_with_our_external_id_opens_its_account(gateway: AwsGateway, account: StandInAccount) -> None:
    credentials = gateway.assume_role(account.role_arn, EXTERNAL_ID)
    assert credentials.expires_at is not None
    assert credentials.expires_at.utcoffset() is not None
    assert gateway.caller_identity(credentials).account_id == account.account_id
    assert gateway.caller_identity(credentials).principal_arn == account.role_arn


@pytest.mark.parametrize("external_id", [None, "somebody-elses-id"])
def test_a_safe_role_is_refused_with_any_other_external_id(
    gateway: AwsGateway, account: StandInAccount, external_id: str | None
) -> None:
    with pytest.raises(AccessDenied, match=r"sts:AssumeRole in us-east-1 \(AccessDenied\)"):
        gateway.assume_role(account.role_arn, external_id)


@pytest.mark.parametrize("external_id", [None, "somebody-elses-id", EXTERNAL_ID])
def test_a_role_without_the_condition_lets_a_confused_deputy_in(
    gateway: AwsGateway, aws: AwsStandIn, external_id: str | None
) -> None:
    unsafe = aws.make_account(external_id=None)
    credentials = gateway.assume_role(unsafe.role_arn, external_id)
    assert gateway.caller_identity(credentials).account_id == unsafe.account_id


def test_a_role_that_trusts_somebody_else_or_does_not_exist_is_refused(gateway: AwsGateway, aws: AwsStandIn) -> None:
    account = aws.make_account(external_id=EXTERNAL_ID)
    account.change_trust(account.role_arn, trusts="arn:aws:iam::333333333333:root", external_id=EXTERNAL_ID)
    for role_arn in (account.role_arn, f"{account.role_arn}x", "arn:aws:iam::999999999999:role/nobody"):
        with pytest.raises(AccessDenied):
            gateway.assume_role(role_arn, EXTERNAL_ID)
    root = aws.platform_arn.replace("user/user-1", "root")
    account.change_trust(account.role_arn, trusts=root, external_id=EXTERNAL_ID)
    gateway.assume_role(account.role_arn, EXTERNAL_ID)


def test_a_key_pair_tells_its_account_and_user(gateway: AwsGateway, account: StandInAccount) -> None:
    identity = gateway.caller_identity(account.credentials)
    assert identity.account_id == account.account_id
    assert identity.arn.startswith(f"arn:aws:iam::{account.account_id}:user/")


def test_only_enabled_regions_are_listed(gateway: AwsGateway, aws: AwsStandIn) -> None:
    account = aws.make_account(regions=["sa-east-1"])
    assert gateway.enabled_regions(account.credentials) == ["sa-east-1", "us-east-1"]


def test_every_instance_arrives_as_aws_described_it(gateway: AwsGateway, account: StandInAccount) -> None:
    truth = _truth(account)
    seen: dict[str, ObservedInstance] = {}
    for region in REGIONS:
        for page in gateway.instance_pages(account.credentials, region):
            assert page.complete
            assert not page.refused
            assert page.owner_ids == {account.account_id}
            assert {each.region for each in page.instances} == {region}
            seen |= {each.instance_id: each for each in page.instances}
    assert seen.keys() == truth.keys()
    facts = ("instance_type", "availability_zone", "state", "lifecycle", "launched_at", "tags", "memory_mib")
    for instance_id, expected in truth.items():
        for fact in (*facts, "cluster_name", "node_group", "in_asg"):
            assert getattr(seen[instance_id], fact) == getattr(expected, fact)
    assert {each.state for each in seen.values()} >= {"running", "stopped", "terminated"}
    assert {each.lifecycle for each in seen.values()} == {"spot", "on-demand"}


def test_a_region_is_read_page_by_page_and_only_as_far_as_wanted(
    connect: Callable[..., AwsGateway], aws: AwsStandIn, account: StandInAccount
) -> None:
    pages = connect(page_size=20).instance_pages(account.credentials, "us-east-1")
    asked = aws.calls("ec2", "DescribeInstances")
    first = next(pages)
    assert len(first.instances) == 20
    assert not first.complete
    assert aws.calls("ec2", "DescribeInstances") == asked + 1
    rest = list(pages)
    assert [page.complete for page in rest] == [False] * (len(rest) - 1) + [True]
    ids = {each.instance_id for page in (first, *rest) for each in page.instances}
    assert ids == {key for key, each in _truth(account).items() if each.region == "us-east-1"}


def test_one_instance_is_described_where_it_is(gateway: AwsGateway, account: StandInAccount) -> None:
    wanted = next(iter(_truth(account).values()))
    answer = gateway.instance(account.credentials, wanted.region, wanted.instance_id)
    assert ([each.instance_id for each in answer.instances], answer.refused) == ([wanted.instance_id], [])
    assert answer.owner_ids == {account.account_id}
    elsewhere = next(region for region in REGIONS if region != wanted.region)
    for region, name in ((elsewhere, wanted.instance_id), (wanted.region, "i-00000000000000000")):
        answer = gateway.instance(account.credentials, region, name)
        assert (answer.instances, answer.owner_ids) == ([], set())


def test_an_empty_region_is_one_complete_page(gateway: AwsGateway, aws: AwsStandIn) -> None:
    [page] = gateway.instance_pages(aws.make_account().credentials, "eu-west-1")
    assert (page.instances, page.complete) == ([], True)


@pytest.mark.parametrize("page_size", [2, 1000])
def test_members_of_auto_scaling_groups_are_found_on_every_page(
    connect: Callable[..., AwsGateway], account: StandInAccount, page_size: int
) -> None:
    gateway = connect(page_size=page_size)
    for region in REGIONS:
        expected = {
            key
            for key, each in _truth(account).items()
            if each.in_asg and each.region == region and each.state in {"running", "pending"}
        }
        assert expected
        assert gateway.auto_scaling_instances(account.credentials, region) == expected


@pytest.mark.parametrize("page_size", [1, 1000])
def test_eks_clusters_are_described(
    connect: Callable[..., AwsGateway], account: StandInAccount, page_size: int
) -> None:
    clusters = connect(page_size=page_size).clusters(account.credentials, "us-east-1")
    assert [each.name for each in clusters] == ["shop-prod", "shop-staging"]
    [prod, _] = clusters
    assert prod.arn == f"arn:aws:eks:us-east-1:{account.account_id}:cluster/shop-prod"
    assert (prod.region, prod.version, prod.status) == ("us-east-1", "1.33", "ACTIVE")
    assert str(prod.endpoint).startswith("https://")
    assert str(prod.vpc_id).startswith("vpc-")


def test_a_cluster_deleted_between_list_and_description_is_left_out(
    gateway: AwsGateway, account: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = (["shop-prod", "deleted-just-now"], None)
    monkeypatch.setattr(EKSBackend, "list_clusters", lambda *_, **__: stale)
    assert [each.name for each in gateway.clusters(account.credentials, "us-east-1")] == ["shop-prod"]


def test_a_change_at_aws_is_seen(gateway: AwsGateway, aws: AwsStandIn) -> None:
    account = aws.make_account(instances=120)
    change = account.change_fleet()
    seen = {
        each.instance_id: each
        for region in REGIONS
        for page in gateway.instance_pages(account.credentials, region)
        for each in page.instances
    }
    assert change.launched <= seen.keys()
    assert not change.vanished & seen.keys()
    for ids, state in ((change.terminated, "terminated"), (change.stopped, "stopped"), (change.started, "running")):
        assert ids
        assert {seen[each].state for each in ids} == {state}
    members = set().union(*(gateway.auto_scaling_instances(account.credentials, region) for region in REGIONS))
    assert not members & (change.terminated | change.vanished)
    assert members & change.launched


def test_accounts_see_only_themselves(gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount) -> None:
    other = aws.make_account(external_id="other-id", instances=60)
    for each in (account, other):
        [page] = gateway.instance_pages(each.credentials, "us-east-1")
        assert {found.instance_id for found in page.instances} <= _truth(each).keys()


def test_nothing_is_called_while_a_database_block_is_open(
    connect: Callable[..., AwsGateway], aws: AwsStandIn, account: StandInAccount
) -> None:
    gateway = connect(page_size=20)
    begun = gateway.instance_pages(account.credentials, "us-east-1")
    next(begun)
    asked = aws.calls()
    with database_block():
        for call in (
            gateway.platform_identity,
            lambda: gateway.assume_role(account.role_arn, EXTERNAL_ID),
            lambda: gateway.enabled_regions(account.credentials),
            lambda: gateway.clusters(account.credentials, "us-east-1"),
            lambda: next(begun),
        ):
            with pytest.raises(NetworkInTransaction):
                call()
    assert aws.calls() == asked


@pytest.mark.parametrize(
    "role_arn", ["", "role/x", "arn:aws:iam::12:role/x", "arn:aws:sts::123456789012:assumed-role/x/y"]
)
def test_what_is_no_role_never_reaches_aws(gateway: AwsGateway, aws: AwsStandIn, role_arn: str) -> None:
    asked = aws.calls()
    with pytest.raises(InvalidInput, match="the ARN of a role looks like"):
        gateway.assume_role(role_arn, None)
    assert aws.calls() == asked


@pytest.mark.parametrize("external_id", ["", "x", "has space", "x" * 1225, "ümlaut"])
def test_an_impossible_external_id_never_reaches_aws_and_is_not_repeated(
    gateway: AwsGateway, account: StandInAccount, external_id: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        gateway.assume_role(account.role_arn, external_id)
    assert len(external_id) < 2 or external_id not in str(refusal.value)


def test_what_is_no_region_never_reaches_aws(gateway: AwsGateway, account: StandInAccount) -> None:
    with pytest.raises(InvalidInput, match="no region of AWS"):
        gateway.clusters(account.credentials, "evil.example.com#")


def test_many_threads_share_a_gateway_and_few_clients(
    connect: Callable[..., AwsGateway], aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = connect()
    monkeypatch.setattr(aws_clients, "MAX_CLIENTS", 2)
    accounts = [aws.make_account() for _ in range(3)]

    def identify(account: StandInAccount) -> bool:
        return gateway.caller_identity(account.credentials).account_id == account.account_id

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert all(pool.map(identify, accounts * 8))
    assert len(gateway._clients._clients) == 2  # noqa: SLF001  how many are kept cannot be seen from outside
