"""The stand-in itself: that it is as strict as AWS, and as troublesome as a test wants."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_errors import AwsThrottled, AwsUnavailable
from spothive.gateways.aws_stand_in import AwsStandIn, made_up_fleet
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.fleet_stand_in import Answer
from spothive.gateways.instance_types import INSTANCE_TYPES


def _instances(fleet: Answer) -> list[Answer]:
    return [instance for reservation in fleet["Reservations"] for instance in reservation["Instances"]]


def test_a_fleet_of_a_hundred_has_everything() -> None:
    instances = _instances(made_up_fleet("200000000001", regions=["us-east-1", "eu-west-1"], instances=100))
    assert len(instances) == 100
    assert all(each["InstanceType"] in INSTANCE_TYPES for each in instances)
    assert {each["State"]["Name"] for each in instances} >= {"running", "stopped", "terminated"}
    assert {each.get("InstanceLifecycle") for each in instances} == {None, "spot"}
    keys = [{tag["Key"] for tag in each.get("Tags", ())} for each in instances]
    assert any("eks:cluster-name" in each for each in keys)
    assert any("aws:autoscaling:groupName" in each and "eks:cluster-name" not in each for each in keys)
    assert any("aws:autoscaling:groupName" not in each for each in keys)


def test_a_fleet_of_thousands_is_the_same_each_time_and_no_id_comes_twice() -> None:
    fleet = made_up_fleet("200000000001", regions=["us-east-1"], instances=2000)
    assert fleet == made_up_fleet("200000000001", regions=["us-east-1"], instances=2000)
    assert len({each["InstanceId"] for each in _instances(fleet)}) == 2000


def test_thousands_of_instances_come_in_pages_of_a_thousand(aws: AwsStandIn, gateway: AwsGateway) -> None:
    account = aws.make_account(regions=["us-east-1"], instances=1100)
    pages = list(gateway.instance_pages(account.credentials, "us-east-1"))
    assert [len(page.instances) for page in pages] == [1000, 100]


@pytest.mark.parametrize("path", ["/", "/clusters", "/moto-api/reset", "/moto-api/data.json"])
def test_an_unsigned_request_is_turned_away(aws: AwsStandIn, path: str) -> None:
    address = urlsplit(aws.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    connection.request("POST", path, "Action=GetCallerIdentity")
    assert connection.getresponse().status == 403
    connection.close()


def test_it_listens_on_loopback_only(aws: AwsStandIn) -> None:
    assert urlsplit(aws.url).hostname == "127.0.0.1"


def test_requests_are_counted_by_every_fact(aws: AwsStandIn, gateway: AwsGateway) -> None:
    one, other = aws.make_account(), aws.make_account()
    gateway.enabled_regions(one.credentials)
    gateway.clusters(one.credentials, "eu-west-1")
    gateway.clusters(other.credentials, "us-east-1")
    assert aws.calls(account_id=one.account_id) == 2
    assert aws.calls("eks", "ListClusters", account_id=one.account_id) == 1
    assert aws.calls("eks", region="eu-west-1", account_id=one.account_id) == 1
    assert aws.calls("eks", region="us-east-1", account_id=one.account_id) == 0
    assert aws.calls("eks", "DescribeCluster", account_id=other.account_id) == 0


def test_a_fault_waits_strikes_and_ends(aws: AwsStandIn, gateway: AwsGateway) -> None:
    account = aws.make_account()
    aws.inject(Fault(Trouble.THROTTLED, operation="GetCallerIdentity", after=1, times=2))
    fates = []
    for _ in range(4):
        try:
            gateway.caller_identity(account.credentials)
            fates.append("answered")
        except AwsThrottled:
            fates.append("throttled")
    assert fates == ["answered", "throttled", "throttled", "answered"]


def test_a_fault_strikes_only_what_it_names(aws: AwsStandIn, gateway: AwsGateway) -> None:
    struck, spared = aws.make_account(), aws.make_account()
    aws.inject(Fault(Trouble.SERVER_ERROR, "eks", "ListClusters", "eu-west-1", struck.account_id))
    gateway.clusters(struck.credentials, "us-east-1")
    gateway.clusters(spared.credentials, "eu-west-1")
    gateway.auto_scaling_instances(struck.credentials, "eu-west-1")
    with pytest.raises(AwsUnavailable):
        gateway.clusters(struck.credentials, "eu-west-1")


def test_healing_ends_every_fault_and_lets_late_answers_go(aws: AwsStandIn, gateway: AwsGateway) -> None:
    account = aws.make_account()
    aws.inject(Fault(Trouble.LATE, account_id=account.account_id, seconds=60))
    aws.inject(Fault(Trouble.SERVER_ERROR, account_id=account.account_id))
    with ThreadPoolExecutor(max_workers=1) as pool:
        answer = pool.submit(gateway.caller_identity, account.credentials)
        deadline = time.monotonic() + 30
        while not aws.calls(account_id=account.account_id):
            assert time.monotonic() < deadline, "the request never came in"
        assert not answer.done()
        aws.heal()
        assert answer.result(timeout=30).account_id == account.account_id


def test_a_new_key_and_a_new_external_id_work_at_once(aws: AwsStandIn, gateway: AwsGateway) -> None:
    account = aws.make_account(external_id="old-id")
    account.delete_keys()
    _, renewed = account.make_user()
    assert gateway.caller_identity(renewed).account_id == account.account_id
    account.change_trust(account.role_arn, trusts=aws.platform_arn, external_id="new-id")
    session = gateway.assume_role(account.role_arn, "new-id")
    assert gateway.caller_identity(session).account_id == account.account_id


def test_a_day_at_a_time_the_fleet_changes(aws: AwsStandIn) -> None:
    account = aws.make_account(instances=200)
    before = {each["InstanceId"] for each in _instances(account.fleet)}
    first, second = account.change_fleet(), account.change_fleet()
    assert first.launched
    assert first.vanished
    assert not first.launched & before
    assert first.vanished <= before
    assert first.launched.isdisjoint(second.launched)
    assert first.terminated <= second.vanished
