"""What uses images and snapshots, against AWS's stand-in: nothing that might is missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import AwsCaller, Call
from spothive.gateways.aws_errors import AccessDenied, AwsThrottled, AwsUnavailable
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.waste_answer import References

REGION = "eu-west-1"


@pytest.fixture
def account(aws: AwsStandIn) -> StandInAccount:
    return aws.make_account(regions=[REGION])


def _references(gateway: AwsGateway, account: StandInAccount) -> References:
    return gateway.references(account.credentials, REGION)


def test_an_empty_region_uses_nothing(gateway: AwsGateway, account: StandInAccount) -> None:
    nothing = _references(gateway, account)
    assert (nothing.images, nothing.snapshots, nothing.unresolved) == ({}, {}, {})
    assert set(nothing.looked_at.values()) == {0}
    assert len(nothing.looked_at) == 5


def test_an_instance_uses_its_image_until_it_has_ended(gateway: AwsGateway, aws: AwsStandIn) -> None:
    account = aws.make_account(regions=[REGION], instances=200)
    instances = [each for reservation in account.fleet["Reservations"] for each in reservation["Instances"]]
    using: dict[str, set[str]] = {}
    for number, each in enumerate(instances):
        each["ImageId"] = f"ami-{number:017x}"
        if each["State"]["Name"] != "terminated":
            using.setdefault(each["ImageId"], set()).add(f"instance {each['InstanceId']}")
    assert {each["State"]["Name"] for each in instances} >= {"running", "stopped", "terminated"}
    other = aws.make_account(regions=[REGION])
    other.set_fleet(account.fleet)
    found = _references(gateway, other)
    by_instance = {image: {by for by in users if by.startswith("instance ")} for image, users in found.images.items()}
    assert {image: users for image, users in by_instance.items() if users} == using
    assert found.looked_at["instances"] == len(instances) == 200


def test_every_version_of_every_template_counts(connect: Callable[..., AwsGateway], account: StandInAccount) -> None:
    templates = {
        account.make_template(REGION, f"web-{number}", *(f"ami-{number}{version}" for version in range(5)))
        for number in range(20)
    }
    found = _references(connect(page_size=2), account)
    assert found.looked_at["launch templates"] == 20
    assert found.looked_at["launch template versions"] == 100
    assert len(found.images) == 100
    by = {user for users in found.images.values() for user in users}
    assert by == {f"launch template {name} version {number}" for name in templates for number in range(1, 6)}


def test_disks_of_templates_and_configurations_use_their_snapshots(
    gateway: AwsGateway, account: StandInAccount
) -> None:
    template = account.make_template(REGION, "db", "ami-1", "ami-2", disks=["snap-1", "snap-2"])
    account.make_configuration(REGION, "db", "ami-3", disks=["snap-2"])
    found = _references(gateway, account)
    assert found.snapshots == {
        "snap-1": (f"launch template {template} version 1",),
        "snap-2": ("launch configuration db", f"launch template {template} version 1"),
    }


def test_a_group_uses_what_its_template_or_configuration_launches(gateway: AwsGateway, account: StandInAccount) -> None:
    template = account.make_template(REGION, "web", "ami-1", "ami-2", "ami-3")
    other = account.make_template(REGION, "arm", "ami-4")
    account.make_configuration(REGION, "old", "ami-5")
    given: dict[str, dict[str, Any]] = {
        "by-default": {"launch_template": {"LaunchTemplateId": template}},
        "by-latest": {"launch_template": {"LaunchTemplateId": template, "Version": "$Latest"}},
        "by-number": {"launch_template": {"LaunchTemplateId": template, "Version": "2"}},
        "by-configuration": {"launch_config_name": "old"},
        "mixed": {
            "mixed_instances_policy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "2"},
                    "Overrides": [
                        {"InstanceType": "m6g.large", "LaunchTemplateSpecification": {"LaunchTemplateName": "arm"}},
                        {"InstanceType": "m5.large", "ImageId": "ami-6"},
                    ],
                }
            }
        },
    }
    for name, launched_from in given.items():
        account.make_group(REGION, name, **launched_from)
    found = _references(gateway, account)
    groups = {
        image: {by.removeprefix("Auto Scaling group ") for by in users if by.startswith("Auto Scaling group ")}
        for image, users in found.images.items()
    }
    assert groups == {
        "ami-1": {"by-default"},
        "ami-2": {"by-number", "mixed"},
        "ami-3": {"by-latest"},
        "ami-4": {"mixed"},
        "ami-5": {"by-configuration"},
        "ami-6": {"mixed"},
    }
    assert f"launch template {other} version 1" in found.images["ami-4"]
    assert found.unresolved == {}


def test_a_parameter_is_followed_to_its_image(gateway: AwsGateway, account: StandInAccount) -> None:
    account.image_parameters["resolve:ssm:/golden"] = "ami-1"
    template = account.make_template(REGION, "web", "resolve:ssm:/golden")
    account.make_group(REGION, "web", launch_template={"LaunchTemplateId": template})
    found = _references(gateway, account)
    assert found.images == {"ami-1": (f"launch template {template} version 1", "Auto Scaling group web")}
    assert found.unresolved == {}


def test_a_parameter_that_leads_nowhere_is_not_forgotten(gateway: AwsGateway, account: StandInAccount) -> None:
    public = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    template = account.make_template(REGION, "web", "resolve:ssm:/gone", public, "ami-1")
    found = _references(gateway, account)
    assert found.unresolved == {"resolve:ssm:/gone": (f"launch template {template} version 1",)}
    assert found.images == {"ami-1": (f"launch template {template} version 3",)}


def test_where_aws_may_not_resolve_a_parameter_the_rest_is_read(
    gateway: AwsGateway, aws: AwsStandIn, account: StandInAccount
) -> None:
    account.image_parameters["resolve:ssm:/golden"] = "ami-1"
    template = account.make_template(REGION, "web", "resolve:ssm:/golden", "ami-2")
    aws.inject(Fault(Trouble.ACCESS_DENIED, operation="DescribeLaunchTemplateVersions", times=1))
    found = _references(gateway, account)
    assert found.unresolved == {"resolve:ssm:/golden": (f"launch template {template} version 1",)}
    assert set(found.images) == {"ami-2"}


def test_what_aws_manages_and_hides_is_asked_for_too(
    gateway: AwsGateway, account: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.make_template(REGION, "web", "ami-1")
    asked: dict[Call, dict[str, Any]] = {}
    pages = AwsCaller._pages  # noqa: SLF001  # the stand-in hides nothing

    def spy(self: AwsCaller, who: Any, region: str, call: Call, **parameters: Any) -> Any:
        asked[call] = parameters
        return pages(self, who, region, call, **parameters)

    monkeypatch.setattr(AwsCaller, "_pages", spy)
    _references(gateway, account)
    by_default = {Call.DESCRIBE_AUTO_SCALING_GROUPS, Call.DESCRIBE_LAUNCH_CONFIGURATIONS}
    assert {call for call, given in asked.items() if given.get("IncludeManagedResources")} == set(asked) - by_default


def test_a_group_whose_template_or_configuration_is_gone_may_use_anything(
    gateway: AwsGateway, account: StandInAccount
) -> None:
    template = account.make_template(REGION, "web", "ami-1")
    account.make_group(REGION, "web", launch_template={"LaunchTemplateId": template, "Version": "7"})
    account.make_configuration(REGION, "old", "ami-2")
    account.make_group(REGION, "old", launch_config_name="old")
    del autoscaling_backends[account.account_id][REGION].launch_configurations["old"]
    assert _references(gateway, account).unresolved == {
        "launch configuration old": ("Auto Scaling group old",),
        f"launch template {template} version 7": ("Auto Scaling group web",),
    }


def test_a_template_that_is_deleted_while_it_is_read_is_left_out(
    gateway: AwsGateway, account: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.make_template(REGION, "kept", "ami-1")
    account.make_template(REGION, "deleted", "ami-2")
    pages = AwsCaller._pages  # noqa: SLF001

    def meanwhile(self: AwsCaller, who: Any, region: str, call: Call, **parameters: Any) -> Any:
        templates = ec2_backends[account.account_id][REGION].launch_templates
        if call is Call.DESCRIBE_LAUNCH_TEMPLATE_VERSIONS and len(templates) > 1:
            templates.popitem()
        return pages(self, who, region, call, **parameters)

    monkeypatch.setattr(AwsCaller, "_pages", meanwhile)
    assert set(_references(gateway, account).images) == {"ami-1"}


LISTS = {
    "DescribeInstances": "ec2",
    "DescribeLaunchTemplates": "ec2",
    "DescribeLaunchTemplateVersions": "ec2",
    "DescribeLaunchConfigurations": "autoscaling",
    "DescribeAutoScalingGroups": "autoscaling",
}


@pytest.fixture(scope="module")
def full(world: AwsStandIn) -> StandInAccount:
    """Lend an account with three of everything in a region, which no test changes."""
    account = world.make_account(regions=[REGION], instances=30)
    for name in "abc":
        account.make_configuration(REGION, name, "ami-1")
        account.make_template(REGION, name, "ami-1", "ami-2", "ami-3")
        account.make_group(REGION, name, launch_config_name=name)
    return account


@pytest.mark.parametrize("operation", LISTS)
def test_a_list_that_fails_on_its_second_page_proves_nothing(
    aws: AwsStandIn, connect: Callable[..., AwsGateway], full: StandInAccount, operation: str
) -> None:
    gateway = connect(page_size=2)
    before = aws.calls(LISTS[operation], operation, account_id=full.account_id)
    whole = _references(gateway, full)
    assert aws.calls(LISTS[operation], operation, account_id=full.account_id) >= before + 2
    for trouble, error in {
        Trouble.SERVER_ERROR: AwsUnavailable,
        Trouble.THROTTLED: AwsThrottled,
        Trouble.ACCESS_DENIED: AccessDenied,
    }.items():
        aws.inject(Fault(trouble, operation=operation, account_id=full.account_id, after=1))
        with pytest.raises(error, match=operation):
            _references(gateway, full)
        aws.heal()
    assert _references(gateway, full) == whole
