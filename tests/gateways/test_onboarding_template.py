"""The template a customer launches: what it grants, and that a role made from it works."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]  # ships no types

from spothive.errors import InvalidInput
from spothive.gateways import aws_calls, aws_clients
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import ACTING_CALLS, UNGRANTED_CALLS, Call
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AccessDenied
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.fleet_stand_in import generated_answer
from spothive.gateways.onboarding_template import ACTING, READING, Access, granted, onboarding_template

EXTERNAL_ID = "spothive-4711-secret"
PRINCIPAL = "arn:aws:iam::111111111111:user/spothive"

ASKING: dict[Call, Callable[[AwsGateway, Credentials], object]] = {
    Call.DESCRIBE_REGIONS: lambda gateway, who: gateway.enabled_regions(who),
    Call.DESCRIBE_INSTANCES: lambda gateway, who: list(gateway.instance_pages(who, "us-east-1")),
    Call.DESCRIBE_AUTO_SCALING_GROUPS: lambda gateway, who: gateway.auto_scaling_instances(who, "us-east-1"),
    Call.LIST_CLUSTERS: lambda gateway, who: gateway.clusters(who, "us-east-1"),
    Call.DESCRIBE_CLUSTER: lambda gateway, who: gateway.clusters(who, "us-east-1"),
    Call.LIST_NODEGROUPS: lambda gateway, who: gateway.node_groups(who, "us-east-1", "shop-prod"),
    Call.DESCRIBE_NODEGROUP: lambda gateway, who: gateway.node_groups(who, "us-east-1", "shop-prod"),
    Call.DESCRIBE_ADDRESSES: lambda gateway, who: gateway.addresses(who, "us-east-1"),
    Call.DESCRIBE_VOLUMES: lambda gateway, who: list(gateway.volumes(who, "us-east-1")),
    Call.DESCRIBE_SNAPSHOTS: lambda gateway, who: list(gateway.snapshots(who, "us-east-1")),
    Call.DESCRIBE_SNAPSHOT_ATTRIBUTE: lambda gateway, who: gateway.snapshot_shared_with(who, "us-east-1", "snap-1"),
    Call.DESCRIBE_IMAGES: lambda gateway, who: list(gateway.images(who, "us-east-1")),
    Call.DESCRIBE_IMAGE_ATTRIBUTE: lambda gateway, who: gateway.image_shared_with(who, "us-east-1", "ami-1"),
    Call.DESCRIBE_LAUNCH_TEMPLATES: lambda gateway, who: gateway.references(who, "us-east-1"),
    Call.DESCRIBE_LAUNCH_TEMPLATE_VERSIONS: lambda gateway, who: gateway.references(who, "us-east-1"),
    Call.DESCRIBE_LAUNCH_CONFIGURATIONS: lambda gateway, who: gateway.references(who, "us-east-1"),
}


def _role(access: Access) -> dict[str, Any]:
    template = json.loads(onboarding_template(principal_arn=PRINCIPAL, external_id=EXTERNAL_ID, access=access))
    [(_, role)] = template["Resources"].items()
    assert role["Type"] == "AWS::IAM::Role"
    properties: dict[str, Any] = role["Properties"]
    return properties


def _granted(access: Access) -> list[str]:
    return [action for statement in _statements(access) for action in statement["Action"]]


def _statements(access: Access) -> list[dict[str, Any]]:
    [policy] = _role(access)["Policies"]
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    return statements


def _calls_in_the_source() -> set[Call]:
    """Return the calls that the code of the gateway, in all its parts, hands to its three doors."""
    parts = (part for part in AwsGateway.__mro__ if part.__module__.startswith("spothive."))
    return {
        Call[node.attr]
        for part in parts
        for function in ast.walk(ast.parse(inspect.getsource(part)))
        if isinstance(function, ast.Call) and isinstance(function.func, ast.Attribute)
        if function.func.attr in {"_ask", "_pages"}
        for node in function.args
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Call"
    }


def test_every_declared_call_is_made_and_every_call_is_declared() -> None:
    assert _calls_in_the_source() == set(Call)


def test_no_other_line_reaches_a_client() -> None:
    source = inspect.getsource(aws_calls)
    assert source.count("self._clients.get(") == 1
    assert source.count("getattr(client, ") == source.count("client.get_paginator(") == 1
    assert source.count("with self._outside(") == 2
    assert source.count("import boto3") == source.count("client(") == 0
    assert inspect.getsource(aws_clients).count(".client(") == 1


def test_read_only_grants_exactly_what_the_gateway_calls() -> None:
    granted = _granted("read-only")
    assert set(granted) == _calls_in_the_source() - UNGRANTED_CALLS - ACTING_CALLS
    assert len(granted) == len(set(granted))


def test_full_adds_the_acting_calls_and_nothing_is_granted_by_pattern() -> None:
    granted = _granted("full")
    assert set(granted) == {*READING, *ACTING}
    assert not set(READING) & set(ACTING)
    assert set(ACTING) >= ACTING_CALLS
    assert not [action for action in granted if "*" in action]


def test_tags_are_set_on_a_snapshot_while_it_is_made_and_on_nothing_else() -> None:
    [_, tagging] = _statements("full")
    assert tagging["Action"] == ["ec2:CreateTags"]
    assert tagging["Condition"] == {"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}}
    [reading] = _statements("read-only")
    assert "Condition" not in reading


def test_the_role_trusts_one_principal_on_condition_of_one_external_id() -> None:
    [statement] = _role("read-only")["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }


@pytest.mark.parametrize("access", get_args(Access))
def test_cfn_lint_finds_nothing(access: Access) -> None:
    assert lint(onboarding_template(principal_arn=PRINCIPAL, external_id=EXTERNAL_ID, access=access)) == []


def test_cfn_lint_would_find_a_call_that_aws_does_not_have() -> None:
    template = onboarding_template(principal_arn=PRINCIPAL, external_id=EXTERNAL_ID)
    found = lint(template.replace("ec2:DescribeRegions", "ec2:DescribeRegion"))
    assert [match.rule.id for match in found] == ["W3037"]


@pytest.mark.parametrize(
    "principal_arn",
    [
        "",
        "*",
        "111111111111",
        "arn:aws:sts::111111111111:assumed-role/x/y",
        "arn:aws:iam::111111111111:group/x",
        f'{PRINCIPAL}"',
    ],
)
def test_only_a_principal_that_can_be_trusted_is_taken(principal_arn: str) -> None:
    with pytest.raises(InvalidInput, match="a role can trust"):
        onboarding_template(principal_arn=principal_arn, external_id=EXTERNAL_ID)


@pytest.mark.parametrize("external_id", ["", "x", 'quo"te', "new\nline", "${AWS::AccountId}", "*"])
def test_only_an_external_id_that_aws_carries_is_taken(external_id: str) -> None:
    with pytest.raises(InvalidInput, match="an external id has"):
        onboarding_template(principal_arn=PRINCIPAL, external_id=external_id)


@pytest.mark.parametrize("access", get_args(Access))
def test_a_launched_template_makes_a_role_that_verifies_and_reads(
    aws: AwsStandIn, gateway: AwsGateway, access: Access
) -> None:
    account = aws.make_account(instances=60)
    account.make_template("us-east-1", "web", "ami-1")
    template = onboarding_template(principal_arn=aws.platform_arn, external_id=EXTERNAL_ID, access=access)
    role_arn = account.launch_template(template)
    for wrong in (None, "somebody-elses-id"):
        with pytest.raises(AccessDenied):
            gateway.assume_role(role_arn, wrong)
    credentials = gateway.assume_role(role_arn, EXTERNAL_ID)
    for ask in ASKING.values():
        ask(gateway, credentials)
    made = {call for call in Call if aws.calls(call.service, call.partition(":")[2], account_id=account.account_id)}
    assert made == set(READING)


def test_full_lets_an_instance_be_terminated_and_read_only_does_not(aws: AwsStandIn, gateway: AwsGateway) -> None:
    account = aws.make_account(regions=["us-east-1"])
    machine = generated_answer(owner_id=account.account_id, regions=["us-east-1"], instance_types=1)
    account.set_fleet(machine)
    [instance] = [each for reservation in machine["Reservations"] for each in reservation["Instances"]]
    _, reader = account.make_user()
    _, actor = account.make_user(actions=granted("full"))
    with pytest.raises(AccessDenied, match=Call.TERMINATE_INSTANCES):
        gateway.terminate(reader, "us-east-1", instance["InstanceId"])
    ended = {gateway.terminate(actor, "us-east-1", instance["InstanceId"]) for _ in range(2)}
    assert ended <= {"shutting-down", "terminated"}
    [seen] = gateway.instance(actor, "us-east-1", instance["InstanceId"]).instances
    assert seen.state == "terminated"
    assert gateway.terminate(actor, "us-east-1", "i-0123456789abcdef0") == "terminated"


@pytest.mark.parametrize("missing", READING)
def test_the_gateway_needs_each_grant(aws: AwsStandIn, gateway: AwsGateway, missing: Call) -> None:
    account = aws.make_account(instances=60, regions=["us-east-1"])
    account.make_template("us-east-1", "web", "ami-1")
    rest = tuple(action for action in READING if action != missing)
    _, credentials = account.make_user(actions=rest)
    with pytest.raises(AccessDenied, match=missing):
        ASKING[missing](gateway, credentials)


def test_the_table_of_this_test_is_complete() -> None:
    assert set(ASKING) == set(READING)
