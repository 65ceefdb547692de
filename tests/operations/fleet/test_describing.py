"""Events about instances that discovery has not seen yet: AWS is asked once, and never in vain."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from spothive.database import Account, EnvironmentType, GlobalRiskEvent, Instance, get_db_session
from spothive.errors import KeyMissing
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.ec2_answer import FleetAnswer
from spothive.gateways.fleet_stand_in import Answer
from spothive.operations.fleet import disconnect_account, set_environment
from spothive.operations.risk import (
    EventOutcome,
    EventResult,
    ReplicaOutcome,
    record_replica_outcome,
    record_spot_event,
)
from tests.factories.fleets import answer_of, observed
from tests.factories.spot_events import REBALANCE, TERMINATION, spot_event
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import Desk, at_once, fleet_of, machine, name_of
from tests.watching import everything, rows_of

DESCRIBE = "DescribeInstances"
UNKNOWN = "no connected account holds such a spot instance"


def spot(number: int, **facts: Any) -> Answer:
    return machine(number, **facts) | {"InstanceLifecycle": "spot"}


@pytest.fixture
def told(world: World, desk: Desk, customer: StandInAccount) -> Any:
    """Connect the account, which is then found to hold a spot instance 1; return what hands an event in."""
    desk.connect(customer.credentials)
    customer.set_fleet(fleet_of(spot(1)))
    desk.discover(regions=["us-east-1"])

    def tell(number: int, *, kind: str = TERMINATION, copy: int = 0, **other: Any) -> EventResult:
        facts: dict[str, Any] = {"account": customer.account_id, "instance_id": name_of(number), "kind": kind}
        facts["event_id"] = f"e-{number}-{copy}"
        given: dict[str, Any] = {"tenant_id": world.acme, "gateway": desk.gateway, "keys": desk.keys} | other
        return record_spot_event(get_db_session, world.anna, spot_event(**facts), **given)

    return tell


def test_an_instance_that_the_inventory_lacks_is_described_once(
    told: Any, aws: AwsStandIn, customer: StandInAccount
) -> None:
    tags = {"kubernetes.io/cluster/shop": "owned"}
    customer.set_fleet(fleet_of(spot(2, tags=tags), spot(3, tags=tags)))
    asked = aws.calls("ec2", DESCRIBE)
    result = told(2)
    assert (result.outcome, result.pool_id) == ("recorded", "us-east-1:us-east-1a:m5.large")
    assert told(2).outcome is EventOutcome.REPEATED
    assert aws.calls("ec2", DESCRIBE) - asked == 1
    assert told(3).outcome is EventOutcome.RECORDED
    rows = {row["instance_id"]: row for row in rows_of(Instance) if not row["is_replica"]}
    assert rows.keys() == {name_of(number) for number in (1, 2, 3)}
    assert rows[name_of(1)]["state"] == "running", "what was not asked for did not end"
    assert rows[name_of(2)]["cluster_id"] == rows[name_of(3)]["cluster_id"] is not None
    trail = [after["described"] for *_, after in audited(event="event.recorded")]
    assert trail == [True, True]


def test_several_events_about_one_new_instance_are_all_taken(told: Any, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(spot(2)))
    works = [partial(told, 2, copy=number % 3, kind=(TERMINATION, REBALANCE)[number % 2]) for number in range(12)]
    results = at_once(*works)
    assert sorted(result.outcome for result in results) == ["recorded"] * 3 + ["repeated"] * 9
    assert len(rows_of(GlobalRiskEvent)) == 3
    assert len([row for row in rows_of(Instance) if row["instance_id"] == name_of(2)]) == 1


def test_of_a_replica_that_only_its_launch_told_of_aws_is_asked(
    told: Any, world: World, aws: AwsStandIn, customer: StandInAccount
) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_environment(session, world.anna, name="prod", environment=EnvironmentType.PROD)
    plan = told(1, kind=REBALANCE).consequence.planned
    with get_db_session(tenant=world.acme) as session:
        launched = ReplicaOutcome.LAUNCHED
        record_replica_outcome(session, world.anna, replica=plan, outcome=launched, instance_id=name_of(2))
    before = everything()
    assert told(2).outcome is EventOutcome.UNKNOWN
    aws.inject(Fault(Trouble.SERVER_ERROR, account_id=customer.account_id))
    assert told(2).outcome is EventOutcome.UNANSWERED
    aws.heal()
    assert everything() == before
    customer.set_fleet(fleet_of(spot(1), spot(2, zone="us-east-1b")))
    result = told(2)
    assert (result.pool_id, result.consequence.retired) == ("us-east-1:us-east-1b:m5.large", name_of(2))
    assert result.blocked_until is not None


def test_what_aws_does_not_know_as_a_spot_instance_of_the_account_stays_unknown(
    told: Any, world: World, desk: Desk, customer: StandInAccount, aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.set_fleet(fleet_of(spot(1), machine(2), spot(3), spot(4, zone="eu-west-1a")))
    before, asked = everything(), aws.calls()
    assert told(3, gateway=None).reason == UNKNOWN
    assert aws.calls() == asked
    for number in (2, 4, 5):  # on demand, elsewhere, nowhere
        assert (told(number).outcome, told(number).reason) == (EventOutcome.UNKNOWN, UNKNOWN)

    def of_another_owner(*_: Any) -> FleetAnswer:
        return answer_of([observed(3, lifecycle="spot")], owner_ids=["999999999999"])

    def disconnected(*_: Any) -> FleetAnswer:
        disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="prod")
        return answer_of([observed(3, lifecycle="spot")], owner_ids=[customer.account_id])

    monkeypatch.setattr(desk.gateway, "instance", of_another_owner)
    assert told(3).outcome is EventOutcome.UNKNOWN
    assert everything() == before
    monkeypatch.setattr(desk.gateway, "instance", disconnected)
    assert told(3).outcome is EventOutcome.UNKNOWN
    assert rows_of(GlobalRiskEvent) == rows_of(Account, account_name="prod") == []


def test_where_aws_gives_no_answer_nothing_is_lost_silently(
    told: Any, aws: AwsStandIn, customer: StandInAccount
) -> None:
    customer.set_fleet(fleet_of(spot(2)))
    before = everything()

    def no_keys() -> Any:
        msg = "there are no sealing keys"
        raise KeyMissing(msg)

    for keys in ({"keys": no_keys}, {"keys": None}):
        assert told(2, **keys).outcome is EventOutcome.UNANSWERED
    for trouble in (Trouble.SERVER_ERROR, Trouble.INVALID_CREDENTIALS, Trouble.THROTTLED):
        aws.inject(Fault(trouble, account_id=customer.account_id))
        result = told(2)
        assert result.outcome is EventOutcome.UNANSWERED
        assert result.reason.startswith("AWS could not be asked about the instance (")
        assert result.reason.endswith("): give the event again")
        aws.heal()
    assert everything() == before
    assert told(2).outcome is EventOutcome.RECORDED
