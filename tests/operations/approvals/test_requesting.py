"""Asking for approval: what is hashed, how long it stands, and what a policy approves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import (
    ApprovalAction,
    ApprovalRequest,
    Decision,
    Instance,
    WasteResource,
    get_db_session,
)
from spothive.errors import Conflict, InvalidInput, NotFound, ValueRefused
from spothive.operations.approvals import request_switch, set_auto_approval
from spothive.operations.approvals.targets import plan_hash
from tests.factories import make_account, make_cluster
from tests.factories.approvals import ask, make_machine, make_rogue, unauthorise
from tests.factories.decisions import decide, decision
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.watching import rows_of

SWITCH, HIBERNATE, WASTE = (
    ApprovalAction.SWITCH_INSTANCE,
    ApprovalAction.HIBERNATE_CLUSTER,
    ApprovalAction.DELETE_WASTE,
)


def one_of_each(world: World) -> list[tuple[ApprovalAction, Any]]:
    """Make a target for each action."""
    account = make_account(world.acme)
    volume = WasteResource(
        account_id=account.id,
        resource_type="ebs_volume",
        resource_id="vol-1",
        region="us-east-1",
        monthly_cost=1,
        detected_at=utc_now(),
        last_seen_at=utc_now(),
        evidence={"looked_for": ["attachment"]},
        resource_metadata={},
        reason="a test",
    )
    with get_db_session(tenant=world.acme) as session:
        session.add(volume)
    return [
        (SWITCH, make_machine(world.acme).id),
        (HIBERNATE, make_cluster(world.acme, account.id).id),
        (WASTE, volume.id),
        (ApprovalAction.TERMINATE_ROGUE, unauthorise(make_machine(world.acme)).id),
    ]


def test_each_action_has_its_risk_and_its_window(world: World) -> None:
    made = [ask(world.udo, target, action=action) for action, target in one_of_each(world)]
    windows = [(row.risk_level, (row.expires_at - row.requested_at) / timedelta(hours=1)) for row in made]
    assert windows == [("LOW", 24), ("MEDIUM", 24), ("HIGH", 8), ("CRITICAL", 2)]
    assert {(row.status, row.requester_name, row.decided_at) for row in made} == {("PENDING", "udo", None)}
    assert abs(made[0].requested_at - utc_now()) < timedelta(seconds=30)


def test_the_hash_is_that_of_the_plan_and_nothing_else() -> None:
    seen = {"type": "m5.large", "zone": "us-east-1a"}
    digest = plan_hash(SWITCH, {"to": "a", "why": "b"}, seen)
    assert digest == plan_hash(SWITCH, {"why": "b", "to": "a"}, dict(reversed(seen.items())))
    assert digest == "3a6e0c8e0df24c8cd669613b5aa8c59ddc6d25298f973e8b7c0431fe2e1d8a23"
    others = [(HIBERNATE, {"to": "a", "why": "b"}, seen), (SWITCH, {}, seen), (SWITCH, {"to": "a", "why": "b"}, {})]
    assert digest not in {plan_hash(*other) for other in others}


def test_asking_again_returns_what_stands(world: World) -> None:
    machine = make_machine(world.acme)
    first = ask(world.udo, machine.id, action=SWITCH, payload={"to": "a"})
    again = ask(world.anna, machine.id, action=SWITCH, payload={"to": "a"}, description="in other words")
    assert (again.id, again.requester_name) == (first.id, "udo")
    assert len(audited(event="approval.requested")) == 1


def test_another_plan_replaces_the_one_that_waits(world: World) -> None:
    machine = make_machine(world.acme)
    first = ask(world.udo, machine.id, action=SWITCH)
    with get_db_session(tenant=world.acme) as session:
        session.get_one(Instance, machine.id).instance_type = "m6i.large"
    second = ask(world.udo, machine.id, action=SWITCH)
    third = ask(world.udo, machine.id, action=SWITCH, payload={"to": "a"})
    statuses = {row["id"]: row["status"] for row in rows_of(ApprovalRequest)}
    assert statuses == {first.id: "EXPIRED", second.id: "EXPIRED", third.id: "PENDING"}
    assert [row[4] for row in audited(event="approval.requested")] == [
        None,
        {"replaced": [str(first.id)]},
        {"replaced": [str(second.id)]},
    ]


def test_twenty_who_ask_at_once_get_one_request(world: World) -> None:
    machine = make_machine(world.acme)
    made = at_once(*[lambda: ask(world.udo, machine.id, action=SWITCH).id] * 20)
    assert len(set(made)) == 1, made
    assert [row["id"] for row in rows_of(ApprovalRequest)] == made[:1]


def test_a_policy_approves_what_is_low_and_anything_in_the_lab(world: World) -> None:
    prod, lab = make_rogue(world.acme, world.anna.user_id), unauthorise(make_machine(world.acme))
    terminate = ApprovalAction.TERMINATE_ROGUE
    for on in (False, True):
        with get_db_session(tenant=world.acme) as session:
            assert set_auto_approval(session, world.anna, on=on) is on
            assert not set_auto_approval(session, world.anna, on=on)
        made = [
            ask(world.udo, machine.id, action=action, payload={"on": on})
            for machine in (prod, lab)
            for action in (SWITCH, terminate)
        ]
        decided = [(row.status, row.decided_by, row.approver_id, row.decided_at is not None) for row in made]
        waits, passed = ("PENDING", None, None, False), ("APPROVED", "policy", None, True)
        assert decided == ([passed, waits, passed, passed] if on else [waits] * 4)


def test_the_policy_is_the_tenants_own(world: World) -> None:
    with get_db_session(tenant=world.globex) as session:
        set_auto_approval(session, world.gina, on=True)
    assert ask(world.udo, make_machine(world.acme).id, action=SWITCH).status == "PENDING"


def test_what_cannot_be_done_is_not_asked_for(world: World) -> None:
    fit = make_machine(world.acme)
    (_, volume) = one_of_each(world)[2]
    with pytest.raises(Conflict, match=r"is authorized: only what nobody has answered for in 24 hours"):
        ask(world.udo, fit.id)
    for wrong in ({"description": "  "}, {"payload": {"x": float("nan")}}, {"payload": {"x": utc_now()}}):
        with pytest.raises(InvalidInput, match=r"say what would happen|has to be JSON"):
            ask(world.udo, fit.id, action=SWITCH, **wrong)
    with pytest.raises(ValueRefused):
        ask(world.udo, fit.id, action=SWITCH, description="x" * 4001)
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(Instance).values(state="terminated", terminated_at=utc_now()))
        session.execute(update(WasteResource).values(status="RESOLVED"))
    with pytest.raises(Conflict, match="is terminated: there is nothing left"):
        ask(world.udo, fit.id, action=SWITCH)
    with pytest.raises(Conflict, match="vol-1 is RESOLVED"):
        ask(world.udo, volume, action=WASTE)
    assert rows_of(ApprovalRequest) == []


def test_a_target_of_another_tenant_is_like_none(world: World) -> None:
    machine = make_machine(world.acme)
    with pytest.raises(NotFound) as foreign:
        ask(world.gina, machine.id, action=SWITCH)
    with pytest.raises(NotFound) as none:
        ask(world.gina, world.acme, action=SWITCH)
    assert str(foreign.value) == str(none.value)


def test_a_switch_is_asked_for_by_its_decision(world: World) -> None:
    machine = make_machine(world.acme)
    switch, hold = (decision(machine, utc_now(), kind) for kind in (Decision.SWITCH, Decision.HOLD))
    decide(switch, hold)
    with get_db_session(tenant=world.acme) as session:
        made = request_switch(session, world.udo, decision_id=switch["id"])
    assert made.action_payload == {
        "decision": str(switch["id"]),
        "type": switch["selected_instance_type"],
        "zone": switch["selected_availability_zone"],
    }
    assert machine.instance_id in made.action_description
    with pytest.raises(Conflict, match="is a HOLD"), get_db_session(tenant=world.acme) as session:
        request_switch(session, world.udo, decision_id=hold["id"])
