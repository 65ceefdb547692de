"""Sleep that takes an approval: asked for once, used up as it begins, and never needed to wake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import ApprovalRequest, EnvironmentType, get_db_session
from spothive.errors import Conflict
from spothive.models import Account, Cluster, ClusterStatus, HibernationSchedule, SleepState
from spothive.operations.approvals import approve, reject, set_auto_approval
from spothive.operations.clusters import Outcome, claiming, read_week, set_policy, set_schedule, set_schedule_enabled
from tests.factories.node_groups import ASG, EKS, FIVE, NIGHT, THREE, NodeGroups, make_sleeper, run
from tests.operations.clusters.test_applying import refusal
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of, statements

AWAKE, ASLEEP = SleepState.AWAKE, SleepState.ASLEEP
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENING = datetime(2026, 12, 1, 20, tzinfo=UTC)
"""A Tuesday; the cluster sleeps from 19:00 to 7:00."""


@pytest.fixture
def aws() -> NodeGroups:
    return NodeGroups(shop={EKS: THREE, ASG: FIVE})


@pytest.fixture
def shop(world: World) -> UUID:
    made = make_sleeper(world.acme, world.anna, week=read_week(["mon-sun 07-19"]))
    with get_db_session(tenant=world.acme) as session:
        set_policy(session, world.anna, cluster="shop", changes={"require_approval": True})
    return made


def outcomes(world: World, aws: NodeGroups, now: datetime = EVENING) -> list[Outcome]:
    return [each.outcome for each in run(world.acme, world.anna, aws, now=now)]


def requests() -> list[dict[str, Any]]:
    return sorted(rows_of(ApprovalRequest), key=lambda row: row["id"])


def decide(world: World, *, yes: bool) -> None:
    with get_db_session(tenant=world.acme) as session:
        if yes:
            approve(session, world.anna, requests()[-1]["id"])
        else:
            reject(session, world.anna, requests()[-1]["id"], reason="release night")


def row() -> dict[str, Any]:
    (found,) = rows_of(HibernationSchedule)
    return found


def test_a_sleep_is_asked_for_once_and_begins_when_it_is_approved(world: World, shop: UUID, aws: NodeGroups) -> None:
    (told,) = run(world.acme, world.anna, aws, now=EVENING)
    (request,) = requests()
    assert (told.to, told.outcome) == (ASLEEP, Outcome.WAITING)
    assert f"spothive approval show {request['id']}" in str(told.message)
    facts = ("requester_id", "requester_name", "action_type", "cluster_id", "risk_level", "status", "action_payload")
    assert [request[name] for name in facts] == [
        None, "spothive", "HIBERNATE_CLUSTER", shop, "MEDIUM", "PENDING", {"until": "2026-12-02T07:00:00+00:00"}
    ]  # fmt: skip
    assert request["action_description"].startswith("Put shop in eu-west-1 to sleep until 2026-12-02 07:00 UTC")
    before = everything()
    with statements() as sent:
        assert outcomes(world, aws, EVENING + HOUR) == [Outcome.WAITING]
    assert len([each for each in sent if "FROM" in each]) == 2
    assert (everything(), aws.asked) == (before, 0)
    decide(world, yes=True)
    assert outcomes(world, aws, EVENING + HOUR) == [Outcome.DONE]
    assert aws.is_asleep()
    assert requests()[0]["executed_at"] is not None
    assert outcomes(world, aws, EVENING + 11 * HOUR) == [Outcome.DONE]  # nobody has to approve that it wakes
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE}
    assert [each[0] for each in audited()][-5:] == [
        "approval.requested",
        "approval.approved",
        "approval.executed",
        "hibernation.applied",
        "hibernation.applied",
    ]
    assert outcomes(world, aws, EVENING + DAY) == [Outcome.WAITING]
    assert [each["status"] for each in requests()] == ["APPROVED", "PENDING"]


def test_a_sleep_that_was_rejected_is_not_asked_for_again_until_the_next(
    world: World, shop: UUID, aws: NodeGroups
) -> None:
    outcomes(world, aws)
    decide(world, yes=False)
    for hours in range(10):
        (told,) = run(world.acme, world.anna, aws, now=EVENING + hours * HOUR)
        assert (told.outcome, told.message) == (
            Outcome.STAYS,
            "stays awake this time, anna rejected it: release night",
        )
    assert len(requests()) == 1
    assert outcomes(world, aws, EVENING + 11 * HOUR) == []
    assert outcomes(world, aws, EVENING + DAY) == [Outcome.WAITING]  # and without a run by day it would be the same
    assert len(requests()) == 2
    assert aws.asked == 0


def test_a_request_that_ran_out_is_not_asked_for_again(
    world: World, shop: UUID, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spothive.operations.approvals import requesting

    with monkeypatch.context() as patched:
        patched.setattr(requesting, "database_clock", lambda _: utc_now() - 1.01 * DAY)
        assert outcomes(world, aws) == [Outcome.STAYS]
    (told,) = run(world.acme, world.anna, aws, now=EVENING)
    assert "ran out unused" in str(told.message)
    assert len(requests()) == 1
    assert outcomes(world, aws, EVENING + DAY) == [Outcome.WAITING]


def test_an_approval_is_for_one_sleep(world: World, shop: UUID, aws: NodeGroups) -> None:
    outcomes(world, aws)
    decide(world, yes=True)
    aws.refusals[EKS] = refusal()
    assert outcomes(world, aws) == [Outcome.FAILED]
    assert row()["restore_state"] is not None
    aws.refusals.clear()
    assert outcomes(world, aws, EVENING + HOUR) == [Outcome.DONE]  # it goes on with the same approval
    for on in (False, True):
        with get_db_session(tenant=world.acme) as session:
            set_schedule_enabled(session, world.anna, cluster="shop", enabled=on)
        assert outcomes(world, aws, EVENING + 2 * HOUR) == [Outcome.WAITING if on else Outcome.DONE]
    assert len(requests()) == 2


def test_what_half_fell_asleep_is_woken_if_its_approval_does_not_stand_any_more(
    world: World, shop: UUID, aws: NodeGroups
) -> None:
    outcomes(world, aws)
    decide(world, yes=True)
    aws.refusals[EKS] = refusal()
    outcomes(world, aws)
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, cluster="shop", week=NIGHT)  # it would sleep longer than was approved
    (woken,) = run(world.acme, world.anna, aws, now=EVENING + HOUR)
    assert (woken.to, woken.outcome) == (AWAKE, Outcome.DONE)
    assert "waits for approval" in str(woken.message)
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE}
    assert [each["action_payload"]["until"] for each in requests()] == ["2026-12-02T07:00:00+00:00", None]
    assert outcomes(world, aws, EVENING + HOUR) == [Outcome.WAITING]


def test_a_cluster_that_is_not_what_was_approved_is_asked_for_again(world: World, shop: UUID, aws: NodeGroups) -> None:
    outcomes(world, aws)
    decide(world, yes=True)
    with get_db_session(tenant=world.acme) as session:
        session.get_one(Cluster, shop).status = ClusterStatus.INACTIVE
    assert outcomes(world, aws) == [Outcome.WAITING]
    assert [each["status"] for each in requests()] == ["APPROVED", "PENDING"]
    decide(world, yes=True)
    assert outcomes(world, aws) == [Outcome.DONE]
    assert [each["executed_at"] is not None for each in requests()] == [False, True]


def test_what_a_policy_approves_sleeps_at_once(world: World, shop: UUID, aws: NodeGroups) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.query(Account).filter_by(account_name="main").one().environment_type = EnvironmentType.LAB
        set_auto_approval(session, world.anna, on=True)
    assert outcomes(world, aws) == [Outcome.DONE]
    (request,) = requests()
    assert (request["decided_by"], request["executed_at"] is not None) == ("policy", True)


def test_an_approval_that_is_withdrawn_from_under_a_run_lets_nothing_sleep(
    world: World, shop: UUID, aws: NodeGroups
) -> None:
    outcomes(world, aws)
    decide(world, yes=True)

    def change(step: str) -> None:
        if step == "groups":
            with get_db_session(tenant=world.acme) as session:
                session.get_one(Cluster, shop).status = ClusterStatus.ERROR

    aws.on_step = change
    (told,) = run(world.acme, world.anna, aws, now=EVENING)
    assert told.outcome is Outcome.FAILED
    assert "not any more what it was when approval was asked for" in str(told.message)
    assert (aws.scaled, row()["restore_state"], requests()[0]["executed_at"]) == ([], None, None)
    assert outcomes(world, aws) == [Outcome.WAITING]


def test_a_request_that_cannot_be_made_keeps_no_other_cluster_awake(
    world: World, shop: UUID, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sleeper(world.acme, world.anna, "zoo")
    aws.held["zoo"] = {EKS: THREE}

    def refuse(*_: Any, **__: Any) -> None:
        raise Conflict("not now")

    monkeypatch.setattr(claiming, "request_approval", refuse)
    told = {each.cluster: each for each in run(world.acme, world.anna, aws, now=EVENING)}
    assert (told["shop"].outcome, told["shop"].message) == (Outcome.FAILED, "not now")
    assert told["zoo"].outcome is Outcome.DONE
