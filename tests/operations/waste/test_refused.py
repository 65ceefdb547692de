"""What AWS refuses to delete, again and again; final snapshots that grew old; and approvals for something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import ApprovalAction, ApprovalRequest, WasteResource, get_db_session
from spothive.errors import Conflict, NotFound, RuleBroken
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed, AwsThrottled, AwsUnavailable, RegionNotEnabled
from spothive.operations.approvals import find_approval
from spothive.operations.sweeps import Outcome, Tools, find_duty, sweep
from spothive.operations.sweeps.running import run_duty
from spothive.operations.sweeps.work import Stopped
from spothive.operations.waste import Deletion, Ending, deleting, keep, planning, schedule_deletion
from tests.factories import make_instance
from tests.factories.approvals import approved, ask, no_keys
from tests.factories.waste import (
    HOME,
    WasteWorld,
    address,
    approve,
    delete,
    flagged,
    image,
    scan,
    schedule,
    snapshot,
    volume,
)
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.operations.sweeps.conftest import no_keys as no_signing_keys
from tests.operations.waste.conftest import statuses, waste
from tests.watching import rows_of

pytestmark = pytest.mark.usefixtures("shop", "no_grace")

FIRST, SECOND, THIRD = (snapshot(number).snapshot_id for number in (1, 2, 3))
VOLUME = volume(1).volume_id


def error(kind: type[Any] = AwsCallFailed, code: str = "InvalidSnapshot.InUse") -> Any:
    return kind(f"AWS rejected it ({code})", action="ec2:DeleteSnapshot", region=HOME, code=code)


def endings(done: list[Deletion]) -> dict[str, str]:
    return {each.resource_id: each.ending.value for each in done}


@pytest.fixture
def aws(world: World) -> WasteWorld:
    """Return an AWS with three flagged snapshots."""
    aws = WasteWorld(*map(snapshot, (1, 2, 3)))
    flagged(world.anna, aws)
    return aws


def stuck(aws: WasteWorld, name: str, what: Exception) -> None:
    """Let AWS never delete this snapshot."""
    real = aws.delete_snapshot

    def delete_snapshot(credentials: Any, region: str, snapshot_id: str) -> bool:
        if snapshot_id == name:
            raise what
        return real(credentials, region, snapshot_id)

    aws.delete_snapshot = delete_snapshot  # type: ignore[assignment,method-assign]  # a double


@pytest.mark.parametrize(
    "refusal",
    [error(), error(AccessDenied, "UnauthorizedOperation"), error(RegionNotEnabled, "OptInRequired")],
    ids=["in use", "denied", "disabled"],
)
def test_what_aws_refuses_blocks_no_other_and_can_be_kept(world: World, aws: WasteWorld, refusal: Exception) -> None:
    schedule(world.anna, FIRST, SECOND)
    stuck(aws, FIRST, refusal)
    assert endings(delete(world.anna, aws)) == {FIRST: "FAILED", SECOND: "DELETED"}, "a refusal is no deletion"
    row = waste()[FIRST]
    assert (row["status"], row["deletion_begun_at"]) == ("SCHEDULED_DELETE", None)
    assert scan(world.anna, aws).resolved == []
    assert waste()[FIRST]["last_seen_at"] > row["last_seen_at"], "scans look at it"
    with get_db_session(tenant=world.acme) as session:
        assert keep(session, world.anna, resource=FIRST).status == "FLAGGED"


def test_the_same_failure_is_told_once_for_each_deletion(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "DAY", timedelta(0))
    monkeypatch.setattr(deleting, "ANSWER_WITHIN", timedelta(0))

    def told() -> tuple[int, int]:
        failures = audited(event="waste.deleted", outcome="FAILURE")
        return len(audited(event="waste.deleting")), len(failures)

    real = aws.delete_snapshot
    schedule(world.anna, FIRST)
    reasons = [error(), error(AccessDenied, "UnauthorizedOperation"), error(AwsUnavailable, "Timeout")]
    for each in reasons * 3:
        stuck(aws, FIRST, each)
        assert endings(delete(world.anna, aws)) == {FIRST: "FAILED"}
    assert told() == (1, 3)
    stuck(aws, FIRST, reasons[0])
    delete(world.anna, aws)
    with get_db_session(tenant=world.acme) as session:
        keep(session, world.anna, resource=FIRST)
    schedule(world.anna, FIRST)
    assert endings(delete(world.anna, aws)) == {FIRST: "FAILED"}
    assert told() == (2, 4), "it was approved anew"
    aws.delete_snapshot = real  # type: ignore[method-assign]  # a double
    assert endings(delete(world.anna, aws)) == {FIRST: "DELETED"}
    assert told() == (2, 4)
    assert aws.removed == [FIRST]


def test_what_turns_out_to_be_in_use_as_aws_refuses_is_resolved(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, FIRST, SECOND)
    real = aws.delete_snapshot

    def refuse(credentials: Any, region: str, name: str) -> bool:
        if name == FIRST:
            aws.add(image(1, snapshots={FIRST: 40}))
            raise error()
        real(credentials, region, name)  # an earlier try did it, and its answer was lost
        raise error(code="IncorrectState")

    aws.delete_snapshot = refuse  # type: ignore[assignment,method-assign]  # a double
    done = delete(world.anna, aws)
    assert endings(done) == {FIRST: "RESOLVED", SECOND: "DELETED"}
    assert waste()[FIRST]["deletion_begun_at"] is None
    assert audited(event="waste.deleted", outcome="FAILURE") == []


@pytest.mark.parametrize("kind", [AwsUnavailable, AwsThrottled])
def test_without_an_answer_it_stays_begun(world: World, aws: WasteWorld, kind: type[Any]) -> None:
    schedule(world.anna, FIRST, SECOND)
    stuck(aws, FIRST, error(kind, "Timeout"))
    assert endings(delete(world.anna, aws)) == {FIRST: "FAILED", SECOND: "PUT_OFF"}
    with pytest.raises(Conflict, match="has begun"), get_db_session(tenant=world.acme) as session:
        keep(session, world.anna, resource=FIRST)


def test_what_gets_no_answer_counts_from_when_it_first_began(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "ANSWER_WITHIN", timedelta(0))
    schedule(world.anna, FIRST, SECOND, THIRD)
    stuck(aws, FIRST, error(AwsUnavailable, "Timeout"))
    waits = {FIRST: "FAILED", SECOND: "PUT_OFF", THIRD: "PUT_OFF"}
    assert endings(delete(world.anna, aws)) == waits
    began = waste()[FIRST]["deletion_begun_at"]
    day_over = utc_now() + planning.DAY
    assert endings(delete(world.anna, aws)) == waits
    assert waste()[FIRST]["deletion_begun_at"] > began, "it was tried again"
    monkeypatch.setattr(planning, "database_clock", lambda _: day_over)
    assert endings(delete(world.anna, aws)) == waits | {SECOND: "DELETED"}


def test_whoever_comes_after_the_refusal_of_another_run_leaves_it(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose answer takes longer than anybody waits for it gives back nothing that another has begun."""
    monkeypatch.setattr(deleting, "ANSWER_WITHIN", timedelta(0))
    schedule(world.anna, FIRST)
    began: list[datetime] = []

    def refuse(*_: Any) -> bool:
        if not began:
            began.append(waste()[FIRST]["deletion_begun_at"])
            aws.delete_snapshot = late  # type: ignore[assignment,method-assign]  # a double
            delete(world.anna, aws)
        raise error(AccessDenied, "UnauthorizedOperation")

    def late(*_: Any) -> bool:
        raise error(AwsUnavailable, "Timeout")

    aws.delete_snapshot = refuse  # type: ignore[assignment,method-assign]  # a double
    assert endings(delete(world.anna, aws)) == {FIRST: "FAILED"}
    assert waste()[FIRST]["deletion_begun_at"] > began[0]


# --- defects, and being stopped ---


def test_a_defect_at_one_keeps_no_other_from_its_end(
    world: World, aws: WasteWorld, caplog: pytest.LogCaptureFixture
) -> None:
    schedule(world.anna, FIRST, SECOND)
    real = aws.snapshots

    def snapshots(credentials: Any, region: str, only: Sequence[str] = ()) -> Iterator[list[Any]]:
        if only == [FIRST]:
            raise KeyError("StartTime")
        return real(credentials, region, only)

    aws.snapshots = snapshots  # type: ignore[assignment,method-assign]  # a double
    first, second = delete(world.anna, aws)
    assert (first.ending, first.detail) == (Ending.FAILED, "a defect of spothive: KeyError")
    assert second.ending is Ending.DELETED
    (again,) = delete(world.anna, aws)
    assert again == first
    assert [name for _, name, *_ in audited(event="waste.deleted", outcome="FAILURE")] == [FIRST]
    assert f"deleting {FIRST} broke" in caplog.text


def test_a_defect_as_aws_is_told_leaves_it_begun(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, FIRST)
    stuck(aws, FIRST, KeyError("x"))
    assert endings(delete(world.anna, aws)) == {FIRST: "FAILED"}
    assert waste()[FIRST]["deletion_begun_at"] is not None, "nobody knows what AWS did"


def test_a_run_that_is_stopped_leaves_the_rest_to_the_next(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "DAY", timedelta(0))
    schedule(world.anna, FIRST, SECOND, THIRD)

    def go_on() -> None:
        if aws.removed:
            raise Stopped("the sweep was asked to end")

    with pytest.raises(Stopped):
        delete(world.anna, aws, go_on=go_on)
    assert aws.removed == [FIRST]
    assert [statuses()[name] for name in (FIRST, SECOND, THIRD)] == ["DELETED", *["SCHEDULED_DELETE"] * 2]
    assert endings(delete(world.anna, aws)) == {SECOND: "DELETED", THIRD: "DELETED"}


def test_a_sweep_that_is_asked_to_end_does_so_between_two_deletions(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "DAY", timedelta(0))
    schedule(world.anna, FIRST, SECOND, THIRD)
    tools = Tools(aws, no_keys, *5 * (no_signing_keys,))
    how: dict[str, Any] = {"by": world.admin, "period": None, "is_to_stop": lambda: len(aws.removed) == 2}
    stopped = run_duty(get_db_session, find_duty("waste"), tools, **how)
    assert stopped is not None
    assert (stopped.outcome, aws.removed) == (Outcome.STOPPED, [FIRST, SECOND])
    (run,) = sweep(get_db_session, world.admin, tools, only="waste")
    assert (aws.removed, run.counts["deleted"]) == ([FIRST, SECOND, THIRD], 1)


# --- final snapshots ---


def finals(aws: WasteWorld) -> list[str]:
    return [name for name in aws.things if name.startswith("snap-final")]


def grow_old(aws: WasteWorld, **facts: Any) -> None:
    """Let what was made of volumes be 25 hours old."""
    for name in finals(aws):
        made = aws.things[name]
        aws.add(replace(made, started_at=made.started_at - timedelta(hours=25), **facts))


@pytest.mark.parametrize("state", ["completed", "pending"])
def test_a_volume_gets_another_final_snapshot_when_the_last_is_old(world: World, state: str) -> None:
    aws = WasteWorld(volume(1))
    flagged(world.anna, aws)
    schedule(world.anna, VOLUME)
    aws.snapshot_state = "pending"
    assert endings(delete(world.anna, aws)) == {VOLUME: "WAITS"}
    (first,) = finals(aws)
    grow_old(aws, state=state)
    made = endings(delete(world.anna, aws))
    if state == "pending":
        assert (made, finals(aws)) == ({VOLUME: "WAITS"}, [first]), "what AWS works on is waited for"
        grow_old(aws, state="completed")
        delete(world.anna, aws)
    assert statuses()[VOLUME] == "SCHEDULED_DELETE"
    _, second = finals(aws)
    assert waste()[VOLUME]["undo_recipe"]["snapshot"] == second
    aws.snapshot_state = "completed"
    assert endings(delete(world.anna, aws)) == {VOLUME: "DELETED"}
    assert waste()[VOLUME]["undo_recipe"]["snapshot"] == second
    assert finals(aws) == [first, second], "the old one is left at AWS"
    scan(world.anna, aws)
    assert set(statuses()) == {VOLUME}, "and is spared for its time"


# --- approvals ---


def test_one_approval_schedules_one_deletion_however_many_use_it_at_once(world: World, aws: WasteWorld) -> None:
    assert aws.things
    request_id = approve(world.anna, FIRST)

    def use() -> UUID:
        with get_db_session(tenant=world.acme) as session:
            return schedule_deletion(session, world.anna, request_id=request_id).id

    results = at_once(*[use] * 6)
    assert sum(isinstance(each, UUID) for each in results) == 1, results
    assert {type(each) for each in results} == {UUID, Conflict}
    assert len(audited(event="waste.scheduled", outcome="SUCCESS")) == 1
    with get_db_session(tenant=world.acme) as session:
        keep(session, world.anna, resource=FIRST)
    with pytest.raises(Conflict, match="was executed"):
        use()


def test_an_approval_for_something_else_schedules_nothing(world: World, aws: WasteWorld) -> None:
    aws.add(address(1))
    flagged(world.anna, aws)
    name = address(1).allocation_id
    approve(world.anna, name)
    other = approve(world.anna, FIRST)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        schedule_deletion(session, world.gina, request_id=other)
    ends = {"status": "SCHEDULED_DELETE", "scheduled_deletion_date": utc_now() + timedelta(hours=1)}
    by_theirs: list[Callable[[], Any]] = [
        lambda: waste()[FIRST]["plan_hash"],  # used, for another resource
        lambda: rows_of(ApprovalRequest, waste_resource_id=waste()[name]["id"])[0]["plan_hash"],  # its own, not used
    ]
    with get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=other)
    for plan in by_theirs:
        with pytest.raises(RuleBroken) as refusal, get_db_session(tenant=world.acme) as session:
            planned = update(WasteResource).where(WasteResource.resource_id == name)
            session.execute(planned.values(**ends, plan_hash=plan()))
        assert refusal.value.rule == "lc_waste_resources_approved"
    assert statuses()[name] == "FLAGGED"


def test_an_approval_to_do_something_else_schedules_nothing(world: World, aws: WasteWorld) -> None:
    assert aws.things
    machine = make_instance(world.acme, waste()[FIRST]["account_id"])
    request_id = approved(ask(world.anna, machine.id, action=ApprovalAction.SWITCH_INSTANCE))
    with pytest.raises(Conflict, match="not for DELETE_WASTE"), get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=request_id)
    with get_db_session(tenant=world.acme) as session:
        assert find_approval(session, request_id).executed_at is None
