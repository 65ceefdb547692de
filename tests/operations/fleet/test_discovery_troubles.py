"""Discovery when AWS, the network gets in the way: what is known stays, what is unknown is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import (
    Account,
    AccountLog,
    AccountStatus,
    Instance,
    InstanceState,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
)
from spothive.errors import ConfigurationError, Conflict
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AwsRefused, AwsUnavailable
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.ec2_answer import FleetAnswer, RefusedInstance
from spothive.operations.fleet import scanning
from tests.conftest import Database
from tests.factories.fleets import observed
from tests.operations.conftest import audited, versions
from tests.operations.fleet.conftest import (
    AWAY,
    FAR,
    HOME,
    Desk,
    account_of,
    fleet_of,
    last_run,
    machine,
    name_of,
    role_for,
    status,
    units_of,
)
from tests.watching import rows_of

DISCOVERED = "account.discovered"


@pytest.fixture(scope="module")
def five_a_page(cloud: AwsStandIn) -> Iterator[AwsGateway]:
    gateway = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform, page_size=5)
    yield gateway
    gateway.close()


def states() -> dict[str, InstanceState]:
    return {row["instance_id"]: row["state"] for row in rows_of(Instance)}


def empty_and_fail(account: StandInAccount, aws: AwsStandIn, trouble: Trouble, **facts: Any) -> None:
    """Let every instance of the account be gone, and let AWS not say so of some region."""
    account.set_fleet(fleet_of())
    aws.inject(Fault(trouble, account_id=account.account_id, **facts))


# --- a region fails ---


def test_a_region_that_fails_after_its_first_page_keeps_its_instances(
    db: Database, desk: Desk, aws: AwsStandIn, customer: StandInAccount, five_a_page: AwsGateway
) -> None:
    customer.set_fleet(fleet_of(*(machine(number) for number in range(12)), machine(20, f"{AWAY}a")))
    desk.connect(customer.credentials)
    assert desk.discover(gateway=five_a_page).status is ScanStatus.COMPLETE
    assert {unit["pages"] for unit in rows_of(ScanUnit, region=HOME)} == {3}
    changed = [machine(number, state="stopped") for number in range(7)]
    customer.set_fleet(fleet_of(*changed, machine(21, f"{AWAY}a")))
    before = versions(db)
    aws.inject(Fault(Trouble.SERVER_ERROR, operation="DescribeInstances", region=HOME, after=1))
    result = desk.discover(gateway=five_a_page)
    assert (result.status, list(result.failed)) == (ScanStatus.PARTIAL, [HOME])
    assert (result.added, result.changed, result.vanished) == ([name_of(21)], [], [name_of(20)])
    after = versions(db)
    assert [after[name_of(number)] for number in range(12)] == [before[name_of(number)] for number in range(12)]
    run = last_run()
    assert (run["status"], run["seen"], run["vanished"]) == (ScanStatus.PARTIAL, 1, 1)
    assert units_of(run)[HOME] == (UnitStatus.FAILED, result.failed[HOME])
    assert {UnitStatus.DONE} == {state for region, (state, _) in units_of(run).items() if region != HOME}
    assert run["error"] == f"{HOME}: {result.failed[HOME]}"
    assert status() is AccountStatus.ACTIVE
    aws.heal()
    assert sorted(desk.discover(gateway=five_a_page).vanished) == [name_of(number) for number in range(7, 12)]


@pytest.mark.parametrize(
    ("trouble", "service"),
    [
        (Trouble.THROTTLED, "ec2"),
        (Trouble.SERVER_ERROR, "autoscaling"),
        (Trouble.ACCESS_DENIED, "eks"),
        (Trouble.ACCESS_DENIED, "ec2"),
    ],
)
def test_one_region_that_cannot_be_read_condemns_nobody(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount, trouble: Trouble, service: str
) -> None:
    """Least of all when a policy of the organisation denies it."""
    empty_and_fail(shop, aws, trouble, service=service, region=AWAY)
    result = desk.discover()
    assert (result.status, list(result.failed)) == (ScanStatus.PARTIAL, [AWAY])
    assert (status(), last_run()["status"]) == (AccountStatus.ACTIVE, ScanStatus.PARTIAL)
    assert states() == {
        name_of(1): InstanceState.TERMINATED,
        name_of(2): InstanceState.RUNNING,
        name_of(3): InstanceState.TERMINATED,
    }


def test_a_region_the_organisation_denies_condemns_nobody_when_it_is_read_alone(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount
) -> None:
    empty_and_fail(shop, aws, Trouble.ACCESS_DENIED, region=AWAY)
    assert desk.discover(regions=[AWAY]).status is ScanStatus.FAILED
    assert status() is AccountStatus.ACTIVE
    assert states()[name_of(2)] == InstanceState.RUNNING


def test_a_region_that_is_not_enabled_is_said(desk: Desk, shop: StandInAccount) -> None:
    result = desk.discover(regions=[HOME, "ca-west-1"])
    assert result.status is ScanStatus.PARTIAL
    assert "the account has not enabled the region" in result.failed["ca-west-1"]
    assert status() is AccountStatus.ACTIVE


def test_throttling_that_outlasts_every_attempt_is_partial(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)
    patient = AwsGateway(ConnectionOptions(endpoint_url=aws.url, attempts=3), platform=aws.platform)
    empty_and_fail(shop, aws, Trouble.THROTTLED, operation="DescribeInstances", region=AWAY)
    asked = aws.calls("ec2", "DescribeInstances", region=AWAY, account_id=shop.account_id)
    result = desk.discover(regions=[HOME, AWAY], gateway=patient)
    patient.close()
    assert aws.calls("ec2", "DescribeInstances", region=AWAY, account_id=shop.account_id) == asked + 3
    assert len(pauses) == 2
    assert (result.status, list(result.failed)) == (ScanStatus.PARTIAL, [AWAY])
    assert result.failed[AWAY].startswith("AWS throttled ec2:DescribeInstances in eu-west-1")
    assert status() is AccountStatus.ACTIVE
    assert states()[name_of(2)] == InstanceState.RUNNING


def test_a_region_with_an_instance_that_has_no_id_ends_nothing(
    desk: Desk, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = FleetAnswer(instances=[observed(9)], refused=[RefusedInstance(None, HOME, "no valid InstanceId")])
    monkeypatch.setattr(desk.gateway, "instance_pages", lambda *_: iter([nameless]))
    result = desk.discover(regions=[HOME])
    assert (result.status, result.added, result.vanished) == (ScanStatus.FAILED, [observed(9).instance_id], [])
    reason = "AWS listed an instance without a valid id: nothing of the region was ended"
    assert result.failed == {HOME: reason}
    assert units_of(last_run()) == {HOME: (UnitStatus.FAILED, reason)}
    assert states()[name_of(1)] == InstanceState.RUNNING


# --- all of it fails ---


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.SERVER_ERROR])
def test_when_no_region_answers_the_run_failed_and_the_account_did_not(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, trouble: Trouble
) -> None:
    desk.connect(customer.credentials)
    aws.inject(Fault(trouble, operation="DescribeInstances"))
    result = desk.discover()
    assert (result.status, len(result.failed)) == (ScanStatus.FAILED, 3)
    row = account_of(rows_of(Account))
    assert (row["status"], row["last_discovered_at"]) == (AccountStatus.CONNECTED, None)
    (told,) = audited(event=DISCOVERED)
    assert (told[5]["status"], told[5]["failed"]) == ("FAILED", result.failed)


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.SERVER_ERROR])
def test_when_not_even_the_regions_are_told_the_run_failed(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount, trouble: Trouble
) -> None:
    empty_and_fail(shop, aws, trouble, operation="DescribeRegions")
    with pytest.raises(AwsUnavailable) as failure:
        desk.discover()
    run = last_run()
    assert (run["status"], run["error"]) == (ScanStatus.FAILED, str(failure.value))
    assert status() is AccountStatus.ACTIVE
    assert InstanceState.TERMINATED not in states().values()
    aws.heal()
    assert desk.discover().status is ScanStatus.COMPLETE


def test_keys_that_are_refused_fail_the_account_at_once(desk: Desk, aws: AwsStandIn) -> None:
    customer = aws.make_account()
    desk.connect(customer.credentials)
    customer.delete_keys()
    with pytest.raises(AwsRefused) as refusal:
        desk.discover()
    row = account_of(rows_of(Account))
    assert (row["status"], row["status_reason"]) == (AccountStatus.FAILED, str(refusal.value))
    assert (last_run()["status"], rows_of(ScanUnit)) == (ScanStatus.FAILED, [])
    assert len(audited(event=DISCOVERED)) == 1
    moves = [(each["action"], each["from_status"], each["to_status"]) for each in rows_of(AccountLog)]
    assert moves[1:] == [("failed", "connected", "failed"), ("discovered", None, None)]
    with pytest.raises(Conflict, match=r"^account prod has failed \(AWS does not accept .*\): mend that and recheck"):
        desk.discover()
    assert len(rows_of(ScanRun)) == 1


def test_a_role_that_no_longer_opens_fails_the_account(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    role_arn = role_for(aws, customer, desk.begin())
    desk.verify(role_arn)
    customer.change_trust(role_arn, trusts=aws.platform_arn, external_id="changed")
    with pytest.raises(AwsRefused):
        desk.discover()
    assert status() is AccountStatus.FAILED


def test_a_role_that_may_read_no_region_fails_the_account(desk: Desk, aws: AwsStandIn, shop: StandInAccount) -> None:
    empty_and_fail(shop, aws, Trouble.ACCESS_DENIED, operation="DescribeInstances")
    result = desk.discover()
    row = account_of(rows_of(Account))
    assert (row["status"], row["status_reason"] in result.failed.values()) == (AccountStatus.FAILED, True)
    assert (result.status, last_run()["status"]) == (ScanStatus.FAILED, ScanStatus.FAILED)
    assert InstanceState.TERMINATED not in states().values()


def test_access_that_is_withdrawn_half_way_fails_the_account_and_ends_nothing_unread(
    desk: Desk, aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = aws.make_account()
    customer.set_fleet(fleet_of(machine(1), machine(2, f"{AWAY}a"), machine(3, f"{FAR}a")))
    desk.connect(customer.credentials)
    desk.discover()
    customer.set_fleet(fleet_of())
    read = desk.gateway.instance_pages

    def pages(credentials: Credentials, region: str) -> Iterator[FleetAnswer]:
        if region == AWAY:  # the second, one after the other
            customer.withdraw_permissions()
        return read(credentials, region)

    monkeypatch.setattr(scanning, "REGIONS_AT_ONCE", 1)
    monkeypatch.setattr(desk.gateway, "instance_pages", pages)
    result = desk.discover()
    assert (result.status, sorted(result.failed)) == (ScanStatus.PARTIAL, [AWAY, HOME])
    assert result.vanished == [name_of(3)]
    assert states() == {
        name_of(1): InstanceState.RUNNING,
        name_of(2): InstanceState.RUNNING,
        name_of(3): InstanceState.TERMINATED,
    }
    row = account_of(rows_of(Account))
    assert row["status"] == AccountStatus.FAILED
    assert row["status_reason"].startswith("AWS does not allow ec2:DescribeRegions in us-east-1")
    assert units_of(last_run())[FAR] == (UnitStatus.DONE, None)


def test_a_session_whose_hour_is_over_condemns_nobody(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.verify(role_for(aws, customer, desk.begin()))
    assume = desk.gateway.assume_role
    past = utc_now() - timedelta(seconds=1)
    monkeypatch.setattr(desk.gateway, "assume_role", lambda *given: replace(assume(*given), expires_at=past))
    aws.inject(Fault(Trouble.EXPIRED_CREDENTIALS, service="ec2", region=AWAY))
    aws.inject(Fault(Trouble.EXPIRED_CREDENTIALS, service="sts", operation="GetCallerIdentity"))
    assert desk.discover().status is ScanStatus.PARTIAL
    assert status() is AccountStatus.ACTIVE


def test_credentials_of_spothive_that_are_refused_condemn_nobody(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    desk.verify(role_for(aws, customer, desk.begin()))
    aws.inject(Fault(Trouble.INVALID_CREDENTIALS, operation="AssumeRole"))
    with pytest.raises(ConfigurationError):
        desk.discover()
    assert (status(), last_run()["status"]) == (AccountStatus.CONNECTED, ScanStatus.FAILED)


def test_access_that_was_replaced_meanwhile_is_not_failed_by_the_old_one(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount
) -> None:
    _, newer = shop.make_user()
    told: list[int] = []

    def replaced(*_: int) -> None:
        if not told:
            desk.connect(newer)
            aws.inject(Fault(Trouble.INVALID_CREDENTIALS, operation="DescribeRegions"))
        told.append(1)

    aws.inject(Fault(Trouble.INVALID_CREDENTIALS, operation="DescribeInstances", region=AWAY))
    assert desk.discover(progress=replaced).status is ScanStatus.PARTIAL
    assert status() is AccountStatus.ACTIVE
