"""Node groups of clusters at the stand-in: which are found, and how they are made larger and smaller."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.blocks import database_block
from spothive.errors import NetworkInTransaction
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import Call
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed, AwsThrottled, AwsUnavailable, CredentialsRefused
from spothive.gateways.aws_scaling import GroupKind, NodeGroup, Scaled, Sizes
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.aws_stand_in_groups import drop_group, held_groups, hold_auto_scaling_group, hold_managed_group
from spothive.gateways.onboarding_template import granted

REGION = "us-east-1"
THREE = Sizes(2, 12, 3)


@pytest.fixture
def account(aws: AwsStandIn) -> StandInAccount:
    """Make an account with two clusters: shop, of EKS with two managed groups and one more; and batch, of no EKS."""
    account = aws.make_account(regions=[REGION])
    for name in ("general", "spot"):
        hold_managed_group(account.account_id, REGION, "shop", name, THREE)
    of = "kubernetes.io/cluster/"
    for name, tags in {
        "shop-own": {of + "shop": "owned"},
        "shop-shared": {of + "shop": "shared"},
        "shop-and-batch": {of + "shop": "shared", of + "batch": "shared"},
        "shop-old": {"eks:cluster-name": "shop"},
        "batch": {of + "batch": "owned"},
        "shop-two": {of + "shop-two": "owned"},
        "web": {"Name": "shop"},
    }.items():
        hold_auto_scaling_group(account.account_id, REGION, name, THREE, tags)
    return account


@pytest.fixture
def actor(account: StandInAccount) -> Credentials:
    return account.make_user(actions=granted("full"))[1]


def keys(groups: list[NodeGroup]) -> list[str]:
    return [group.key for group in groups]


OF_SHOP = ["auto_scaling:shop-old", "auto_scaling:shop-own", "auto_scaling:shop-shared", "eks:general", "eks:spot"]


@pytest.mark.parametrize("page_size", [1, 1000])
def test_the_groups_of_a_cluster_are_found_each_once_on_every_page(
    connect: Callable[..., AwsGateway], account: StandInAccount, page_size: int
) -> None:
    gateway = connect(page_size=page_size)
    groups = gateway.node_groups(account.credentials, REGION, "shop")
    assert keys(groups) == OF_SHOP
    assert {group.sizes for group in groups} == {THREE}
    assert keys(gateway.node_groups(account.credentials, REGION, "batch")) == ["auto_scaling:batch"]
    assert gateway.node_groups(account.credentials, REGION, "elsewhere") == []
    named = gateway.node_groups(account.credentials, REGION, "elsewhere", also=["web", "eks-shop-spot", "none"])
    assert keys(named) == ["auto_scaling:eks-shop-spot", "auto_scaling:web"]
    assert keys(gateway.node_groups(account.credentials, REGION, "shop", also=["eks-shop-spot"])) == OF_SHOP


def test_groups_are_scaled_to_nothing_and_back_as_often_as_one_likes(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials
) -> None:
    groups = gateway.node_groups(actor, REGION, "shop")
    for _ in range(2):
        assert {gateway.scale(actor, REGION, "shop", group, group.asleep) for group in groups} == {Scaled.SET}
        held = {group.key: group.sizes for group in held_groups(account.account_id, REGION, "shop")}
        assert {held[group.key] for group in groups if group.kind is GroupKind.EKS} == {Sizes(0, 12, 0)}
        assert held["auto_scaling:shop-own"] == Sizes(0, 0, 0)
    assert {group.sizes.desired for group in gateway.node_groups(actor, REGION, "shop")} == {0}
    for _ in range(2):
        assert {gateway.scale(actor, REGION, "shop", group, THREE) for group in groups} == {Scaled.SET}
        assert gateway.node_groups(actor, REGION, "shop") == groups


def test_a_group_that_is_gone_or_being_changed_is_told(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, actor: Credentials
) -> None:
    groups = gateway.node_groups(actor, REGION, "shop")
    for service in ("eks", "autoscaling"):
        aws.inject(Fault(Trouble.IN_USE, service, account_id=account.account_id))
        [group, *_] = [each for each in groups if (each.kind is GroupKind.EKS) is (service == "eks")]
        assert gateway.scale(actor, REGION, "shop", group, group.asleep) is Scaled.BUSY
        aws.heal()
    for group in groups:
        drop_group(account.account_id, REGION, "shop", group.key)
        assert gateway.scale(actor, REGION, "shop", group, group.asleep) is Scaled.GONE
    assert gateway.node_groups(actor, REGION, "shop") == []
    group = NodeGroup(GroupKind.EKS, "general", THREE)
    assert gateway.scale(actor, REGION, "never-was", group, THREE) is Scaled.GONE


def test_sizes_that_aws_does_not_take_are_an_error_and_no_missing_group(
    gateway: AwsGateway, actor: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    [group, *_] = gateway.node_groups(actor, REGION, "shop")
    refusal = AwsCallFailed("no", action=Call.UPDATE_AUTO_SCALING_GROUP, region=REGION, code="ValidationError")
    ask = gateway._ask  # noqa: SLF001 - moto takes any sizes

    def refuse(who: Credentials, region: str, call: Call, **parameters: object) -> object:
        if call is Call.UPDATE_AUTO_SCALING_GROUP:
            raise refusal
        return ask(who, region, call, **parameters)

    monkeypatch.setattr(gateway, "_ask", refuse)
    with pytest.raises(AwsCallFailed, match="no"):
        gateway.scale(actor, REGION, "shop", group, Sizes(3, 1, 2))


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Trouble.THROTTLED, AwsThrottled),
        (Trouble.SERVER_ERROR, AwsUnavailable),
        (Trouble.ACCESS_DENIED, AccessDenied),
        (Trouble.INVALID_CREDENTIALS, CredentialsRefused),
    ],
)
@pytest.mark.parametrize("operation", ["ListNodegroups", "DescribeNodegroup", "DescribeAutoScalingGroups"])
def test_what_goes_wrong_is_no_missing_group(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, trouble: Trouble, kind: type, operation: str
) -> None:
    aws.inject(Fault(trouble, operation=operation, account_id=account.account_id))
    with pytest.raises(kind):
        gateway.node_groups(account.credentials, REGION, "shop")


@pytest.mark.parametrize("key", ["eks:general", "auto_scaling:shop-own"])
def test_scaling_takes_the_access_that_acts_and_no_open_block(
    gateway: AwsGateway, account: StandInAccount, actor: Credentials, key: str
) -> None:
    [group] = [each for each in gateway.node_groups(actor, REGION, "shop") if each.key == key]
    with pytest.raises(AccessDenied, match="Update"):
        gateway.scale(account.credentials, REGION, "shop", group, group.asleep)
    with database_block(), pytest.raises(NetworkInTransaction):
        gateway.scale(actor, REGION, "shop", group, group.asleep)
    assert group in held_groups(account.account_id, REGION, "shop")


def test_a_group_that_left_between_list_and_description_is_left_out(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.eks.models import EKSBackend

    monkeypatch.setattr(EKSBackend, "list_nodegroups", lambda *_, **__: (["general", "gone"], None))
    assert "eks:gone" not in keys(gateway.node_groups(account.credentials, REGION, "shop"))
