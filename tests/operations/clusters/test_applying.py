"""Putting clusters to sleep and waking them: what is stored, what goes wrong, and that nobody stays asleep."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import AccountStatus, get_db_session
from spothive.errors import Conflict, Denied, NetworkInTransaction, NotFound, SpothiveError
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_errors import AccessDenied, AwsUnavailable
from spothive.gateways.aws_scaling import Scaled, Sizes
from spothive.models import Account, HibernationSchedule, SleepState
from spothive.operations.clusters import (
    Outcome,
    claiming,
    due_hibernation,
    find_policy,
    set_override,
    set_schedule,
    set_schedule_enabled,
)
from spothive.operations.fleet import disconnect_account
from spothive.schema.states import move
from spothive.settings import Settings
from tests.conftest import Database
from tests.factories import make_account, make_cluster
from tests.factories.node_groups import ASG, EKS, FIVE, NIGHT, THREE, NodeGroups, make_sleeper, run
from tests.operations.conftest import World, audit_impossible, audited
from tests.watching import rows_of, statements

AWAKE, ASLEEP = SleepState.AWAKE, SleepState.ASLEEP
STORED = {EKS: {"min": 2, "max": 12, "desired": 3}, ASG: {"min": 1, "max": 9, "desired": 5}}
BUSY = Scaled.BUSY


def refusal(kind: type = AwsUnavailable, code: str = "Oops") -> Any:
    return kind(f"AWS says {code}", action="x", region="eu-west-1", code=code)


@pytest.fixture
def aws() -> NodeGroups:
    return NodeGroups(shop={EKS: THREE, ASG: FIVE})


@pytest.fixture
def shop(world: World) -> Any:
    return make_sleeper(world.acme, world.anna)


def enable(world: World, *, on: bool, cluster: str = "shop") -> None:
    with get_db_session(tenant=world.acme) as session:
        set_schedule_enabled(session, world.anna, cluster=cluster, enabled=on)


def row() -> dict[str, Any]:
    (found,) = rows_of(HibernationSchedule)
    return found


def test_a_cluster_sleeps_and_wakes_with_the_sizes_it_had(world: World, shop: Any, aws: NodeGroups) -> None:
    (slept,) = run(world.acme, world.anna, aws)
    assert (slept.cluster, slept.to, slept.outcome, slept.message) == ("shop", ASLEEP, Outcome.DONE, None)
    assert slept.groups == [ASG, EKS]
    assert aws.held == {"shop": {EKS: Sizes(0, 12, 0), ASG: Sizes(0, 0, 0)}}
    before = row()
    assert (before["applied_state"], before["restore_state"], before["lease_token"]) == (ASLEEP, STORED, None)
    assert before["applied_at"] is not None
    asked = aws.asked
    assert run(world.acme, world.anna, aws) == []
    assert (aws.asked, row()) == (asked, before)
    enable(world, on=False)
    (woken,) = run(world.acme, world.anna, aws)
    assert (woken.to, woken.outcome) == (AWAKE, Outcome.DONE)
    assert aws.held == {"shop": {EKS: THREE, ASG: FIVE}}
    assert (row()["applied_state"], row()["restore_state"]) == (AWAKE, None)
    assert audited(event="hibernation.applied") == [
        (
            "hibernation.applied",
            "shop",
            "SUCCESS",
            "anna",
            {"state": was},
            {"state": now, "groups": [ASG, EKS], "gone": []},
        )
        for was, now in (("awake", "asleep"), ("asleep", "awake"))
    ]


def test_it_takes_somebody_who_may(world: World, shop: Any, aws: NodeGroups) -> None:
    with pytest.raises(Denied):
        run(world.acme, world.lena, aws)
    with pytest.raises(NotFound, match="no cluster is called"):
        run(world.acme, world.anna, aws, cluster="nobody")
    assert aws.asked == 0


def test_what_half_fell_asleep_goes_on_and_keeps_the_former_sizes(world: World, shop: Any, aws: NodeGroups) -> None:
    aws.refusals[EKS] = refusal()
    for _ in range(3):
        (half,) = run(world.acme, world.anna, aws)
        assert (half.outcome, half.groups) == (Outcome.FAILED, [ASG] if _ == 0 else [])
        assert "eks:general: AWS says Oops" in str(half.message)
        assert (row()["applied_state"], row()["restore_state"]) == (AWAKE, STORED)
        assert row()["obstacle"] == half.message
    assert [each[2] for each in audited(event="hibernation.applied")] == ["FAILURE"]  # it is told once
    aws.held["shop"]["auto_scaling:new"] = FIVE
    aws.refusals = {EKS: BUSY}
    (half,) = run(world.acme, world.anna, aws)
    assert (half.outcome, half.groups) == (Outcome.NOT_YET, ["auto_scaling:new"])
    assert row()["restore_state"] == STORED | {"auto_scaling:new": STORED[ASG]}
    aws.refusals.clear()
    (slept,) = run(world.acme, world.anna, aws)
    assert (slept.outcome, slept.groups) == (Outcome.DONE, [EKS])
    assert (row()["applied_state"], row()["obstacle"]) == (ASLEEP, None)
    assert row()["restore_state"] == STORED | {"auto_scaling:new": STORED[ASG]}
    enable(world, on=False)
    run(world.acme, world.anna, aws)
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE, "auto_scaling:new": FIVE}


def test_what_half_fell_asleep_is_woken_when_it_is_to_be_awake(world: World, shop: Any, aws: NodeGroups) -> None:
    aws.refusals[EKS] = refusal()
    run(world.acme, world.anna, aws)
    assert not aws.is_asleep()
    enable(world, on=False)
    (woken,) = run(world.acme, world.anna, aws)
    assert (woken.to, woken.outcome, woken.groups) == (AWAKE, Outcome.DONE, [ASG])
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE}
    assert row()["restore_state"] is None


def test_what_is_half_awake_falls_asleep_again_and_knows_its_sizes(world: World, shop: Any, aws: NodeGroups) -> None:
    run(world.acme, world.anna, aws)
    enable(world, on=False)
    aws.refusals[EKS] = refusal()
    for number in range(2):
        (half,) = run(world.acme, world.anna, aws)
        assert (half.to, half.outcome, half.groups) == (AWAKE, Outcome.FAILED, [] if number else [ASG])
    assert (row()["applied_state"], row()["restore_state"]) == (AWAKE, STORED)
    enable(world, on=True)
    aws.refusals.clear()
    (slept,) = run(world.acme, world.anna, aws)
    assert (slept.to, slept.outcome, slept.groups) == (ASLEEP, Outcome.DONE, [ASG])
    assert aws.is_asleep()
    assert (row()["applied_state"], row()["restore_state"]) == (ASLEEP, STORED)
    enable(world, on=False)
    run(world.acme, world.anna, aws)
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE}


def test_what_was_set_by_hand_is_never_made_smaller(world: World, shop: Any, aws: NodeGroups) -> None:
    run(world.acme, world.anna, aws)
    aws.held["shop"] = {EKS: Sizes(1, 20, 7), ASG: Sizes(0, 1, 1)}
    enable(world, on=False)
    run(world.acme, world.anna, aws)
    assert aws.held["shop"] == {EKS: Sizes(2, 20, 7), ASG: FIVE}


def test_groups_that_are_gone_are_told_and_keep_nobody_asleep(world: World, shop: Any, aws: NodeGroups) -> None:
    run(world.acme, world.anna, aws)
    del aws.held["shop"][ASG]
    enable(world, on=False)
    (woken,) = run(world.acme, world.anna, aws)
    assert (woken.outcome, woken.groups, woken.gone) == (Outcome.DONE, [EKS], [ASG])
    assert woken.message == "AWS has no auto_scaling:own any more"
    assert audited(event="hibernation.applied")[-1][5]["gone"] == [ASG]


def test_a_cluster_without_groups_does_not_sleep(world: World, shop: Any) -> None:
    aws = NodeGroups()
    (told,) = run(world.acme, world.anna, aws)
    assert told.outcome is Outcome.FAILED
    assert "no node group in eu-west-1 that spothive can scale" in str(told.message)
    assert (row()["applied_state"], row()["restore_state"], row()["lease_token"]) == (AWAKE, None, None)
    enable(world, on=False)
    assert run(world.acme, world.anna, aws) == []
    assert row()["obstacle"] is None


def test_an_account_that_refuses_loses_nothing_and_the_others_go_on(world: World, shop: Any, aws: NodeGroups) -> None:
    make_sleeper(world.acme, world.anna, "zoo", account="other")
    aws.held["zoo"] = {EKS: FIVE}
    run(world.acme, world.anna, aws)
    for name in ("shop", "zoo"):
        enable(world, on=False, cluster=name)
    with get_db_session(tenant=world.acme) as session:
        account = session.query(Account).filter_by(account_name="main").one()
        role = account.role_arn
    aws.refusals[str(role)] = refusal(AccessDenied, "AccessDenied")
    told = {each.cluster: each for each in run(world.acme, world.anna, aws)}
    assert (told["shop"].outcome, told["zoo"].outcome) == (Outcome.FAILED, Outcome.DONE)
    (kept,) = [each for each in rows_of(HibernationSchedule) if each["restore_state"]]
    assert (kept["applied_state"], kept["restore_state"]) == (ASLEEP, STORED)  # AWS was not even reached
    assert ("hibernation.applied", "shop", "FAILURE") in [each[:3] for each in audited()]
    with get_db_session(tenant=world.acme) as session:
        account = session.get_one(Account, account.id)
        move(session, account, Account.status, AccountStatus.FAILED, status_reason="denied")
    aws.refusals.clear()
    (woken,) = run(world.acme, world.anna, aws)  # to wake it is tried all the same
    assert woken.outcome is Outcome.DONE
    enable(world, on=True)
    (told_again,) = run(world.acme, world.anna, aws)
    assert (told_again.to, told_again.outcome) == (ASLEEP, Outcome.FAILED)
    assert "account main has failed (denied)" in str(told_again.message)


def test_an_account_that_was_only_imported_cannot_sleep(world: World, aws: NodeGroups) -> None:
    make_cluster(world.acme, make_account(world.acme, "main").id, "shop")
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, cluster="shop", week=NIGHT)
    (told,) = run(world.acme, world.anna, aws)
    assert (told.outcome, aws.asked) == (Outcome.FAILED, 0)
    assert "account main is not connected to AWS" in str(told.message)


def test_an_unknown_zone_keeps_awake_and_wakes(world: World, shop: Any, aws: NodeGroups) -> None:
    def forget_zone(name: str) -> None:
        with get_db_session(tenant=world.acme) as session:
            session.query(HibernationSchedule).one().timezone = name

    forget_zone("Mars/Olympus")
    (told,) = run(world.acme, world.anna, aws)
    assert (told.to, told.outcome, aws.asked) == (AWAKE, Outcome.FAILED, 0)
    assert "'Mars/Olympus' is no time zone" in str(told.message)
    forget_zone("UTC")
    run(world.acme, world.anna, aws)
    assert aws.is_asleep()
    forget_zone("Mars/Olympus")
    (woken,) = run(world.acme, world.anna, aws)
    assert (woken.to, woken.outcome) == (AWAKE, Outcome.DONE)
    assert "'Mars/Olympus' is no time zone" in str(woken.message)
    assert not aws.is_asleep()


def test_sleeping_clusters_keep_their_account_connected(world: World, shop: Any, aws: NodeGroups) -> None:
    known: dict[str, Any] = {"tenant_id": world.acme, "name": "main"}
    seen: list[str] = []

    def try_meanwhile(step: str) -> None:
        seen.append(step)
        _refused(world, known)

    aws.on_step = try_meanwhile
    aws.refusals[EKS] = refusal()
    run(world.acme, world.anna, aws)
    assert "groups" in seen
    aws.on_step = lambda _: None
    _refused(world, known)  # half asleep
    aws.refusals.clear()
    run(world.acme, world.anna, aws)
    _refused(world, known)
    assert disconnect_account(get_db_session, world.anna, **known, leave_asleep=True)["clusters"] == 1


def _refused(world: World, known: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="shop is asleep, and nobody would know how to wake it"):
        disconnect_account(get_db_session, world.anna, **known)


def test_two_runs_at_once_act_once(world: World, shop: Any, aws: NodeGroups) -> None:
    begun, ended = Event(), Event()

    def wait(step: str) -> None:
        if step == "groups":
            begun.set()
            ended.wait(30)

    aws.on_step = wait
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, world.acme, world.anna, aws)
        assert begun.wait(30)
        (second,) = run(world.acme, world.anna, aws)
        ended.set()
        assert [each.outcome for each in first.result()] == [Outcome.DONE]
    assert second.outcome is Outcome.NOT_YET
    assert "another run is at it" in str(second.message)
    assert [each[:2] for each in aws.scaled] == [("shop", ASG), ("shop", EKS)]


def test_ten_runs_at_once_toggle_once_each_way(world: World, shop: Any, aws: NodeGroups) -> None:
    barrier = Barrier(10)

    def together(_: int) -> Any:
        barrier.wait()
        return run(world.acme, world.anna, aws)

    for number in range(6):
        with ThreadPoolExecutor(10) as pool:
            done = [each for told in pool.map(together, range(10)) for each in told]
        assert [each.outcome for each in done].count(Outcome.DONE) == 1
        assert {each.outcome for each in done} <= {Outcome.DONE, Outcome.NOT_YET}
        assert len(aws.scaled) == 2 * (number + 1)
        enable(world, on=bool(number % 2))
    assert len(audited(event="hibernation.applied")) == 6


def test_a_run_that_took_too_long_writes_nothing_more(
    world: World, shop: Any, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "LEASE", timedelta(0))
    (late,) = run(world.acme, world.anna, aws)
    assert late.outcome is Outcome.NOT_YET
    assert "took too long" in str(late.message)
    assert (row()["applied_state"], aws.scaled) == (AWAKE, [])
    monkeypatch.undo()
    assert [each.outcome for each in run(world.acme, world.anna, aws)] == [Outcome.DONE]


def test_a_run_that_was_overtaken_stops_before_its_next_group(world: World, shop: Any, aws: NodeGroups) -> None:
    def overtake(step: str) -> None:
        if step == f"scaled {ASG}" and row()["applied_state"] is AWAKE and aws.held["shop"][EKS] == THREE:
            aws.on_step = lambda _: None
            with get_db_session(tenant=world.acme) as session:
                session.query(HibernationSchedule).one().leased_until = utc_now() - timedelta(hours=1)
            enable(world, on=False)
            (woken,) = run(world.acme, world.anna, aws)
            assert woken.outcome is Outcome.DONE

    aws.on_step = overtake
    (late,) = run(world.acme, world.anna, aws)
    assert late.outcome is Outcome.NOT_YET
    assert aws.held["shop"] == {EKS: THREE, ASG: FIVE}
    assert (row()["applied_state"], row()["restore_state"]) == (AWAKE, None)


def test_what_changes_meanwhile_is_found_out_at_the_claim(world: World, shop: Any, aws: NodeGroups) -> None:
    make_sleeper(world.acme, world.anna, "zoo")
    aws.held["zoo"] = {EKS: FIVE}

    def change(step: str) -> None:
        if step == f"scaled {ASG}":
            enable(world, on=False, cluster="zoo")

    aws.on_step = change
    assert [each.cluster for each in run(world.acme, world.anna, aws)] == ["shop"]
    assert not aws.is_asleep("zoo")


@pytest.mark.parametrize("count", [3, 60])
def test_a_run_with_nothing_to_do_is_two_statements(world: World, aws: NodeGroups, count: int) -> None:
    for number in range(count):
        make_sleeper(world.acme, world.anna, f"c{number}", week=[1] * 168)
    with get_db_session(tenant=world.acme) as session:
        end = utc_now() + timedelta(hours=3)
        set_override(session, world.anna, cluster="c1", state=AWAKE, ends_at=end, reason="fair")
    with statements() as sent:
        assert run(world.acme, world.anna, aws) == []
    assert len([each for each in sent if "FROM" in each or "UPDATE" in each]) == 2
    assert aws.asked == 0
    with get_db_session(tenant=world.acme) as session, statements() as sent:
        assert due_hibernation(session) == []
    assert len([each for each in sent if "FROM" in each]) == 2


def test_nothing_is_applied_that_the_audit_trail_does_not_tell(
    world: World, shop: Any, aws: NodeGroups, db: Database
) -> None:
    with audit_impossible(db), pytest.raises(SpothiveError):
        run(world.acme, world.anna, aws)
    assert (row()["applied_state"], row()["restore_state"]) == (AWAKE, STORED)
    with get_db_session(tenant=world.acme) as session:
        session.query(HibernationSchedule).one().leased_until = utc_now() - timedelta(hours=1)
    assert [each.outcome for each in run(world.acme, world.anna, aws)] == [Outcome.DONE]


@pytest.mark.parametrize("count", [3, 60])
def test_each_cluster_takes_a_few_statements_of_its_own(world: World, count: int) -> None:
    aws = NodeGroups()
    for number in range(count):
        make_sleeper(world.acme, world.anna, f"c{number}")
        aws.held[f"c{number}"] = {EKS: THREE}
    with statements() as sent:
        done = run(world.acme, world.anna, aws)
    assert [each.outcome for each in done] == [Outcome.DONE] * count
    asked = sum(number for text, number in sent.items() if text.startswith(("SELECT", "UPDATE", "INSERT")))
    tenancy = sum(number for text, number in sent.items() if "set_config" in text)
    assert asked - tenancy <= 2 + 24 * count


def test_tenants_sleep_apart(world: World, shop: Any, aws: NodeGroups) -> None:
    make_sleeper(world.globex, world.gina)
    assert len(run(world.globex, world.gina, aws)) == 1
    states = {each["tenant_id"]: each["applied_state"] for each in rows_of(HibernationSchedule)}
    assert states == {world.acme: AWAKE, world.globex: ASLEEP}


def test_a_defect_at_one_cluster_lets_the_others_wake(
    world: World, shop: Any, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_sleeper(world.acme, world.anna, "zoo")
    aws.held["zoo"] = {EKS: FIVE}
    run(world.acme, world.anna, aws)
    for name in ("shop", "zoo"):
        enable(world, on=False, cluster=name)

    def broken(_: object, __: object, cluster: str, **also: Any) -> Any:
        if cluster == "shop":
            raise KeyError("a secret")
        return NodeGroups.node_groups(aws, None, "", cluster, **also)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, caplog.at_level(logging.CRITICAL):
        patched.setattr(aws, "node_groups", broken)
        failed, woken = run(world.acme, world.anna, aws)
        assert [each.outcome for each in run(world.acme, world.anna, aws)] == [Outcome.FAILED]
    assert (failed.outcome, failed.message) == (Outcome.FAILED, "a defect of spothive: KeyError")
    assert (woken.cluster, woken.outcome, aws.held["zoo"]) == ("zoo", Outcome.DONE, {EKS: FIVE})
    assert [row["obstacle"] for row in rows_of(HibernationSchedule)] == ["a defect of spothive: KeyError", None]
    assert len([each for each in audited(event="hibernation.applied") if each[2] == "FAILURE"]) == 1
    assert [each.outcome for each in run(world.acme, world.anna, aws)] == [Outcome.DONE]
    assert not aws.is_asleep()


def test_a_defect_at_the_claim_lets_the_others_sleep(
    world: World, shop: Any, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_sleeper(world.acme, world.anna, "zoo")
    aws.held["zoo"] = {EKS: FIVE}

    def broken(session: Any, cluster: Any) -> Any:
        if cluster.name == "shop":
            raise KeyError("a secret")
        return find_policy(session, cluster)

    monkeypatch.setattr(claiming, "find_policy", broken)
    with caplog.at_level(logging.CRITICAL):
        failed, slept = run(world.acme, world.anna, aws)
    assert (failed.outcome, failed.message) == (Outcome.FAILED, "a defect of spothive: KeyError")
    assert (slept.outcome, aws.is_asleep("zoo")) == (Outcome.DONE, True)


def test_a_call_within_a_transaction_is_never_taken_for_a_trouble_of_one_cluster(
    world: World, shop: Any, aws: NodeGroups
) -> None:
    with pytest.raises(NetworkInTransaction), get_db_session(tenant=world.acme):
        run(world.acme, world.anna, aws)


def test_runs_whose_clocks_differ_agree(world: World, aws: NodeGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    make_sleeper(world.acme, world.anna)
    with get_db_session(tenant=world.acme) as session:
        soon = utc_now() + timedelta(minutes=5)
        set_override(session, world.anna, cluster="shop", state=AWAKE, ends_at=soon, reason="x")
    for ahead in (10, 0, -10, 10, 0):
        for module in ("applying", "hibernation"):
            clock = f"spothive.operations.clusters.{module}.utc_now"
            monkeypatch.setattr(clock, lambda ahead=ahead: soon + timedelta(minutes=ahead))
        assert run(world.acme, world.anna, aws) == []
        assert run(world.acme, world.anna, aws, cluster="shop") == []
    assert aws.scaled == []


def test_no_change_is_still_tried_when_the_lease_is_over() -> None:
    assert Settings(aws_attempts=8).aws_attempts == 8
    assert ConnectionOptions(attempts=8).longest_call == timedelta(seconds=591)
    assert ConnectionOptions(attempts=8).longest_call < claiming.LEASE
    with pytest.raises(ValueError, match="aws_attempts"):
        Settings(aws_attempts=9)
