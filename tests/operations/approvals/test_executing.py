"""Executing: AWS is asked first, acts once, and what was interrupted comes to an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import (
    ApprovalAction,
    ApprovalRequest,
    AuthStatus,
    Decision,
    Instance,
    get_db_session,
)
from spothive.errors import Conflict
from spothive.gateways.aws_errors import AwsUnavailable
from spothive.operations.approvals import Executed, execute_approved, executing, request_switch
from spothive.schema.states import move
from tests.factories import make_account, make_cluster
from tests.factories.approvals import ROGUE, OneInstance, approved, ask, ask_earlier, make_machine, make_rogue, no_keys
from tests.factories.decisions import decide, decision
from tests.factories.fleets import observed
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.watching import everything, rows_of

Execute = Callable[..., Executed]


@pytest.fixture
def execute(world: World) -> Execute:
    def run(request_id: UUID, aws: OneInstance) -> Executed:
        known: dict[str, Any] = {"tenant_id": world.acme, "gateway": aws, "keys": no_keys}
        return execute_approved(get_db_session, world.anna, request_id=request_id, **known)

    return run


@pytest.fixture
def at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever used up an approval be given up at once."""
    monkeypatch.setattr(executing, "ANSWER_WITHIN", timedelta(0))


def rogue(world: World) -> UUID:
    """Make a rogue instance, and an approved request to terminate it."""
    return approved(ask(world.udo, make_rogue(world.acme, world.anna.user_id).id))


def machine() -> dict[str, Any]:
    (row,) = rows_of(Instance, instance_id=ROGUE)
    return row


def test_a_rogue_instance_is_terminated_once(world: World, execute: Execute) -> None:
    request_id, aws = rogue(world), OneInstance()
    done = execute(request_id, aws)
    assert (done.target, done.state, done.resumed, aws.terminated) == (ROGUE, "shutting-down", False, [ROGUE])
    row = machine()
    assert (row["auth_status"], row["state"], row["flagged_at"]) == ("terminated", "shutting-down", None)
    with pytest.raises(Conflict, match=rf"was executed at .*, and {ROGUE} is terminated"):
        execute(request_id, aws)
    assert aws.terminated == [ROGUE]
    told = [(event, resource, after) for event, resource, _, _, _, after in audited()[-2:]]
    assert told == [
        ("approval.executed", str(request_id), {"action": "TERMINATE_ROGUE", "target": ROGUE}),
        (
            "instance.terminated",
            ROGUE,
            {"auth_status": "terminated", "state": "shutting-down", "approval": str(request_id)},
        ),
    ]


CHANGES: tuple[dict[str, Any], ...] = (
    {"instance_type": "m5.xlarge"},
    {"state": "stopped"},
    {"availability_zone": "us-east-1b"},
    {"lifecycle": "spot"},
    {"tags": {"managedby": "SpotHive"}},
    {"in_asg": True},
    {"cluster_name": "shop"},
)


def test_what_is_something_else_at_aws_is_left_alone(world: World, execute: Execute) -> None:
    request_id, aws = rogue(world), OneInstance()
    before = everything()
    for change in CHANGES:
        aws.seen = observed(7, **change)
        with pytest.raises(Conflict, match="not any more what it was"):
            execute(request_id, aws)
    for gone in (None, observed(7, state="terminated"), observed(7, state="shutting-down")):
        aws.seen = gone
        with pytest.raises(Conflict, match="AWS runs no instance"):
            execute(request_id, aws)
    assert aws.terminated == []
    assert everything() == before


def test_what_somebody_answers_for_in_the_inventory_is_left_alone(world: World, execute: Execute) -> None:
    request_id, aws = rogue(world), OneInstance()
    with get_db_session(tenant=world.acme) as session:
        row = session.get_one(Instance, machine()["id"])
        move(session, row, Instance.auth_status, AuthStatus.AUTHORIZED, flagged_at=None)
    with pytest.raises(Conflict, match="not any more what it was"):
        execute(request_id, aws)
    assert aws.terminated == []


def test_ten_who_execute_at_once_call_aws_once(world: World, execute: Execute) -> None:
    request_id, aws = rogue(world), OneInstance()
    results = at_once(*[lambda: execute(request_id, aws)] * 10)
    assert aws.terminated == [ROGUE]
    assert sorted({type(result).__name__ for result in results}) == ["Conflict", "Executed"]
    assert sum(isinstance(result, Executed) for result in results) == 1


@pytest.mark.parametrize("reached", [True, False])
def test_what_was_interrupted_is_found_out_by_the_next_run(
    world: World, execute: Execute, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    request_id, aws = rogue(world), OneInstance()
    if reached:

        def die() -> None:
            raise KeyboardInterrupt

        aws.on_answer = die
        with pytest.raises(KeyboardInterrupt):
            execute(request_id, aws)
    else:
        aws.refusal = AwsUnavailable("no answer", action="ec2:TerminateInstances", region="us-east-1", code="Timeout")
        with pytest.raises(AwsUnavailable):
            execute(request_id, aws)
        assert audited()[-1][:3] == ("instance.terminated", ROGUE, "FAILURE")
        aws.refusal = None
    assert machine()["auth_status"] == "unauthorized"
    with pytest.raises(Conflict, match=r"is being executed: .* in 2 minutes"):
        execute(request_id, aws)
    monkeypatch.setattr(executing, "ANSWER_WITHIN", timedelta(0))
    done = execute(request_id, aws)
    assert (done.state, done.resumed, aws.terminated) == ("shutting-down", True, [ROGUE])
    assert machine()["auth_status"] == "terminated"
    assert len(audited(event="approval.executed")) == 1


def test_an_approval_that_was_used_up_and_is_over_ends_nothing_any_more(world: World, execute: Execute) -> None:
    target, aws = make_rogue(world.acme, world.anna.user_id), OneInstance()
    request = ask_earlier(world.udo, target.id, timedelta(hours=3))
    with get_db_session(tenant=world.acme) as session:
        row = session.get_one(ApprovalRequest, approved(request))
        row.executed_at = row.requested_at
    with pytest.raises(Conflict, match="is over, and AWS still runs"):
        execute(request.id, aws)
    assert aws.terminated == []
    aws.seen = observed(7, state="terminated")  # it had reached AWS after all
    assert execute(request.id, aws).state == "terminated"
    assert (machine()["auth_status"], machine()["state"]) == ("terminated", "terminated")


@pytest.mark.usefixtures("at_last")
def test_what_was_used_up_ends_nothing_that_became_another_case(world: World, execute: Execute) -> None:
    request_id, aws = rogue(world), OneInstance()
    aws.refusal = AwsUnavailable("no answer", action="ec2:TerminateInstances", region="us-east-1", code="Timeout")
    with pytest.raises(AwsUnavailable):
        execute(request_id, aws)
    aws.refusal = None
    with get_db_session(tenant=world.acme) as session:
        session.get_one(Instance, machine()["id"]).flagged_at = utc_now()  # answered for, and flagged anew
    with pytest.raises(Conflict, match="not any more what it was"):
        execute(request_id, aws)
    assert aws.terminated == []


def test_a_switch_is_handed_out_once_and_aws_not_called(world: World, execute: Execute) -> None:
    switch, aws = decision(make_machine(world.acme), utc_now(), Decision.SWITCH), OneInstance()
    decide(switch)
    with get_db_session(tenant=world.acme) as session:
        request = request_switch(session, world.udo, decision_id=switch["id"])
    with pytest.raises(Conflict, match="waits for a decision"):
        execute(request.id, aws)
    approved(request)
    done = execute(request.id, aws)
    assert done.hand_out == {"decision": str(switch["id"]), "type": "m5.large", "zone": "eu-west-1a"}
    with pytest.raises(Conflict, match="was executed at"):
        execute(request.id, aws)


def test_what_is_executed_elsewhere_says_where(world: World, execute: Execute) -> None:
    cluster = make_cluster(world.acme, make_account(world.acme).id)
    request = ask(world.udo, cluster.id, action=ApprovalAction.HIBERNATE_CLUSTER)
    with pytest.raises(Conflict, match="the cluster's hibernation uses it"):
        execute(approved(request), OneInstance())
    (row,) = rows_of(ApprovalRequest)
    assert row["executed_at"] is None
