"""Scheduling, keeping and deleting: what was approved, once, and nothing that is used again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import AuditLog, RiskLevel, ScanUnit, WasteResource, get_db_session
from spothive.errors import Conflict, Denied, NotFound, RuleBroken, SpothiveError, TenantMismatch
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed, AwsUnavailable
from spothive.operations.approvals import find_approval
from spothive.operations.waste import (
    Deletion,
    Ending,
    deleting,
    find_waste,
    keep,
    planning,
    request_deletion,
    schedule_deletion,
)
from tests.conftest import Database
from tests.factories.waste import (
    HOME,
    WasteWorld,
    address,
    approve,
    connect,
    delete,
    flagged,
    image,
    scan,
    schedule,
    snapshot,
    volume,
)
from tests.operations.conftest import World, audit_impossible, audited
from tests.operations.fleet.conftest import at_once
from tests.operations.waste.conftest import statuses, waste
from tests.watching import everything, rows_of, statements

THINGS = (address(1), volume(1, tags={"Name": "it's old", "aws:x": "y"}), snapshot(1), image(1))
NAMES = list(WasteWorld(*THINGS).things)
ADDRESS, VOLUME, SNAPSHOT, IMAGE = NAMES


@pytest.fixture
def aws(world: World, shop: UUID) -> WasteWorld:
    """Return an AWS whose waste is flagged."""
    del shop  # it only has to be there
    aws = WasteWorld(*THINGS)
    flagged(world.anna, aws)
    return aws


@pytest.fixture
def at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever began a deletion be given up at once."""
    monkeypatch.setattr(deleting, "ANSWER_WITHIN", timedelta(0))


def endings(done: list[Deletion]) -> dict[str, str]:
    return {each.resource_id: each.ending.value for each in done}


def failed(call: str, kind: type[Any] = AwsCallFailed, code: str = "VolumeInUse") -> Any:
    return kind("AWS rejected it", action=call, region=HOME, code=code)


# --- scheduling ---


def test_an_approval_schedules_one_deletion(world: World, aws: WasteWorld) -> None:
    request_id = approve(world.anna, VOLUME)
    with get_db_session(tenant=world.acme) as session:
        asked = find_approval(session, request_id)
        assert asked.risk_level is RiskLevel.HIGH
        assert "Way back: a final snapshot" in asked.action_description
        row = schedule_deletion(session, world.anna, request_id=request_id)
        left = (row.scheduled_deletion_date or utc_now()) - utc_now()
        assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
        assert (row.status, row.plan_hash) == ("SCHEDULED_DELETE", asked.plan_hash)
    with pytest.raises(Conflict, match="was executed"), get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=request_id)
    assert delete(world.anna, aws) == [], "its grace has not ended"
    with pytest.raises(RuleBroken) as refusal, get_db_session(tenant=world.acme) as session:
        session.execute(update(WasteResource).values(deletion_begun_at=utc_now()).where(WasteResource.id == row.id))
    assert refusal.value.rule == "lc_waste_resources_grace"
    with pytest.raises(RuleBroken) as refusal, get_db_session(tenant=world.acme) as session:
        sooner = {"scheduled_deletion_date": utc_now()}
        session.execute(update(WasteResource).values(sooner).where(WasteResource.id == row.id))
    assert refusal.value.rule == "lc_waste_resources_plan"
    assert aws.removed == []


def test_the_way_back_is_part_of_what_is_approved(world: World, aws: WasteWorld) -> None:
    assert aws.things
    with get_db_session(tenant=world.acme) as session:
        for name, said in ((ADDRESS, "none"), (SNAPSHOT, "none"), (IMAGE, "registering it again")):
            request = request_deletion(session, world.udo, resource=name)
            assert f"Way back: {said}" in request.action_description
            assert request.action_payload["undo"].startswith(said)


def test_what_cannot_be_scheduled_leaves_the_approval_as_it_is(world: World, aws: WasteWorld) -> None:
    aws.add(volume(2))
    scan(world.anna, aws)
    before = everything()
    with pytest.raises(Conflict, match="is DETECTED: only what two COMPLETE"), get_db_session(tenant=world.acme) as s:
        request_deletion(s, world.anna, resource=volume(2).volume_id)
    assert everything() == before
    request_id = approve(world.anna, VOLUME)
    aws.trouble["addresses", HOME] = failed("ec2:DescribeAddresses")
    scan(world.anna, aws)
    with (
        pytest.raises(Conflict, match="latest waste scan of shop is not COMPLETE"),
        get_db_session(tenant=world.acme) as session,
    ):
        schedule_deletion(session, world.anna, request_id=request_id)
    aws.trouble.clear()
    aws.add(volume(1, size_gb=500))
    scan(world.anna, aws)
    with pytest.raises(Conflict, match="is not any more what it was"), get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=request_id)
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.lena, request_id=request_id)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        schedule_deletion(session, world.gina, request_id=request_id)
    with get_db_session(tenant=world.acme) as session:
        assert find_approval(session, request_id).executed_at is None


def test_keep_takes_a_resource_back(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, VOLUME)
    with get_db_session(tenant=world.acme) as session:
        assert keep(session, world.anna, resource=VOLUME).status == "FLAGGED"
    row = waste()[VOLUME]
    assert (row["scheduled_deletion_date"], row["plan_hash"], row["undo_recipe"]) == (None, None, None)
    assert audited()[-1][:4] == ("waste.kept", VOLUME, "SUCCESS", "anna")
    with pytest.raises(Conflict, match="set the tag spothive:keep on it"), get_db_session(tenant=world.acme) as session:
        keep(session, world.anna, resource=VOLUME)
    schedule(world.anna, VOLUME)
    assert statuses()[VOLUME] == "SCHEDULED_DELETE"
    aws.add(volume(1, tags={"spothive:keep": "yes"}))
    assert scan(world.anna, aws).resolved == [VOLUME]


# --- deleting ---


@pytest.mark.usefixtures("no_grace")
def test_what_is_due_is_deleted_once_with_its_way_back(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *NAMES)
    told: list[tuple[int, int]] = []
    done = delete(world.anna, aws, progress=lambda *count: told.append(count))
    assert endings(done) == dict.fromkeys(NAMES, "DELETED")
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sorted(aws.removed) == sorted(NAMES)
    rows = waste()
    assert all(row["deleted_at"] >= row["deletion_begun_at"] for row in rows.values())
    made = rows[VOLUME]["undo_recipe"]
    assert made["state"] == "completed"
    assert made["command"].startswith(
        f"aws ec2 create-volume --region {HOME} --availability-zone {HOME}a --snapshot-id"
    )
    assert "aws:x" not in made["command"]
    assert "--block-device-mappings" in rows[IMAGE]["undo_recipe"]["command"]
    assert (rows[ADDRESS]["undo_recipe"], rows[SNAPSHOT]["undo_recipe"]) == (None, None)
    events = [(event, resource, outcome) for event, resource, outcome, *_ in audited(event="waste.deleted")]
    assert sorted(events) == sorted(("waste.deleted", name, "SUCCESS") for name in NAMES)
    begun = [resource for _, resource, *_ in audited(event="waste.deleting")]
    assert sorted(begun) == sorted(NAMES), "before AWS was told"
    assert delete(world.anna, aws) == []


@pytest.mark.usefixtures("no_grace")
def test_nothing_is_deleted_that_cannot_be_audited(db: Database, world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *NAMES)
    before = waste()
    with audit_impossible(db), pytest.raises(SpothiveError):
        delete(world.anna, aws)
    with pytest.raises(TenantMismatch):
        delete(world.gina, aws, tenant_id=world.acme)
    assert aws.removed == []
    assert {name: row["status"] for name, row in waste().items()} == dict.fromkeys(before, "SCHEDULED_DELETE")


CHANGES: list[tuple[Callable[[WasteWorld], Any], str, str]] = [
    (lambda aws: aws.add(volume(1, attached_to=("i-7",), state="in-use")), VOLUME, "in use by i-7"),
    (lambda aws: aws.add(address(1, used_by="eipassoc-7")), ADDRESS, "in use by eipassoc-7"),
    (lambda aws: aws.shares.update({SNAPSHOT: ("111122223333",)}), SNAPSHOT, "shared with 111122223333"),
    (lambda aws: aws.add(image(2, snapshots={SNAPSHOT: 8}, state="disabled")), SNAPSHOT, "behind ami-"),
    (lambda aws: aws.shares.update({IMAGE: ("all",)}), IMAGE, "public"),
    (
        lambda aws: aws.references_of.update({HOME: aws_uses(IMAGE)}),
        IMAGE,
        "used by launch template lt-1 version 1",
    ),
    (lambda aws: aws.things.pop(IMAGE), IMAGE, "somebody else removed it"),
    (lambda aws: aws.things.pop(VOLUME), VOLUME, "somebody else removed it"),
]


def aws_uses(name: str) -> Any:
    from spothive.gateways.waste_answer import References

    return References({name: ("launch template lt-1 version 1",)}, {}, {})


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize(("change", "name", "reason"), CHANGES)
def test_what_is_used_again_during_the_grace_is_resolved(
    world: World, aws: WasteWorld, change: Callable[[WasteWorld], Any], name: str, reason: str
) -> None:
    schedule(world.anna, name)
    change(aws)
    (done,) = delete(world.anna, aws)
    assert (done.ending, done.detail.startswith(reason)) == (Ending.RESOLVED, True), done
    assert aws.removed == []
    assert statuses()[name] == "RESOLVED"
    assert audited()[-1][:3] == ("waste.resolved", name, "SUCCESS")


@pytest.mark.usefixtures("no_grace")
def test_a_changed_target_is_flagged_and_can_be_approved_anew(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, VOLUME)
    aws.add(volume(1, size_gb=200))
    (done,) = delete(world.anna, aws)
    assert (done.ending, aws.removed) == (Ending.CHANGED, [])
    row = waste()[VOLUME]
    assert (row["status"], row["monthly_cost"], row["evidence"]["size_gb"]) == ("FLAGGED", 16, 200)
    schedule(world.anna, VOLUME)
    assert endings(delete(world.anna, aws)) == {VOLUME: "DELETED"}


@pytest.mark.usefixtures("no_grace")
def test_a_volume_waits_for_its_final_snapshot(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, VOLUME)
    aws.snapshot_state = "pending"
    (done,) = delete(world.anna, aws)
    assert (done.ending, "is pending: a later run deletes it" in done.detail) == (Ending.WAITS, True)
    row = waste()[VOLUME]
    assert (row["status"], row["undo_recipe"]["state"], row["deletion_begun_at"]) == (
        "SCHEDULED_DELETE",
        "pending",
        None,
    )
    aws.snapshot_state = "error"
    (done,) = delete(world.anna, aws)
    assert (done.ending, "without one the volume is not deleted" in done.detail) == (Ending.FAILED, True)
    aws.snapshot_state = "completed"
    assert endings(delete(world.anna, aws)) == {VOLUME: "DELETED"}
    assert len([name for name in aws.things if name.startswith("snap-final")]) == 1
    assert waste()[VOLUME]["undo_recipe"]["state"] == "completed"


@pytest.mark.usefixtures("no_grace")
def test_a_volume_attached_while_its_snapshot_is_made_stays(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(world.anna, VOLUME)
    made = aws.final_snapshot

    def attached(*which: Any) -> Any:
        aws.add(volume(1, attached_to=("i-7",), state="in-use"))
        return made(*which)

    monkeypatch.setattr(aws, "final_snapshot", attached)
    (done,) = delete(world.anna, aws)
    assert (done.ending, aws.removed) == (Ending.RESOLVED, [])


@pytest.mark.usefixtures("no_grace")
def test_one_that_fails_keeps_no_other_from_its_end(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *NAMES)
    aws.trouble["release_address", HOME] = failed("ec2:ReleaseAddress", AccessDenied, "UnauthorizedOperation")
    aws.trouble["volumes", HOME] = failed("ec2:DescribeVolumes", AwsUnavailable, "Timeout")
    aws.trouble["delete_snapshot", HOME] = failed("ec2:DeleteSnapshot", AwsUnavailable, "Timeout")
    done = delete(world.anna, aws)
    assert endings(done) == {ADDRESS: "FAILED", VOLUME: "FAILED", SNAPSHOT: "FAILED", IMAGE: "DELETED"}
    detail = next(each.detail for each in done if each.resource_id == ADDRESS)
    assert detail.startswith("account shop lets spothive look, but not act: ec2:ReleaseAddress takes the access full")
    refused = audited(event="waste.deleted", outcome="FAILURE")
    assert sorted(resource for _, resource, *_ in refused) == sorted([ADDRESS, VOLUME, SNAPSHOT])
    assert statuses()[ADDRESS] == "SCHEDULED_DELETE"
    aws.trouble.clear()
    again = endings(delete(world.anna, aws))
    assert again == {VOLUME: "DELETED", ADDRESS: "DELETED", SNAPSHOT: "WAITS"}, "that may still be under way"


@pytest.mark.usefixtures("no_grace", "at_last")
def test_what_aws_does_not_remove_is_found_out_by_the_next_run(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, VOLUME, ADDRESS)
    aws.trouble["delete_volume", HOME] = failed("ec2:DeleteVolume", AwsUnavailable, "Timeout")
    aws.trouble["release_address", HOME] = failed("ec2:ReleaseAddress", AwsUnavailable, "Timeout")
    assert set(endings(delete(world.anna, aws)).values()) == {"FAILED"}
    with pytest.raises(Conflict, match="has begun"), get_db_session(tenant=world.acme) as session:
        keep(session, world.anna, resource=VOLUME)
    scan(world.anna, aws)
    aws.add(volume(1, attached_to=("i-7",), state="in-use"))
    del aws.things[ADDRESS]  # the request that timed out did it
    scan(world.anna, aws)
    assert {statuses()[name] for name in (VOLUME, ADDRESS)} == {"SCHEDULED_DELETE"}, "that is for delete_due to say"
    done = delete(world.anna, aws)
    assert endings(done) == {VOLUME: "RESOLVED", ADDRESS: "DELETED"}
    assert aws.removed == []
    assert waste()[VOLUME]["deletion_begun_at"] is None


@pytest.mark.usefixtures("no_grace")
def test_a_tenth_of_a_kind_goes_in_a_day_and_one_at_least(
    world: World, shop: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = WasteWorld(*THINGS, *map(address, range(2, 6)), volume(2))
    aws.add(*(address(number, used_by="eni-1") for number in range(40, 59)))
    flagged(world.anna, aws)
    (unit,) = rows_of(ScanUnit, resource_kind="elastic_ip")[-1:]
    assert unit["items"] == 24, "a tenth of them is two"
    chosen = [address(number).allocation_id for number in range(1, 6)]
    schedule(world.anna, *chosen, VOLUME, volume(2).volume_id)
    first = delete(world.anna, aws)
    assert sorted(endings(first).values()) == ["DELETED"] * 3 + ["PUT_OFF"] * 4
    assert "2 of its kind" in next(
        each.detail for each in first if each.ending is Ending.PUT_OFF and each.resource_type == "elastic_ip"
    )
    assert aws.calls["final_snapshot"] == 1, "what is put off gets no snapshot"
    assert set(endings(delete(world.anna, aws)).values()) == {"PUT_OFF"}
    aws.add(volume(2, attached_to=("i-7",), state="in-use"))
    again = endings(delete(world.anna, aws))
    assert again.pop(volume(2).volume_id) == "RESOLVED", "in use again is no deletion, however many there were"
    assert set(again.values()) == {"PUT_OFF"}
    monkeypatch.setattr(planning, "DAY", timedelta(0))
    assert sorted(endings(delete(world.anna, aws)).values()) == ["DELETED"] * 3


@pytest.mark.usefixtures("no_grace")
def test_runners_at_once_delete_each_thing_once(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *NAMES)
    results = at_once(*[lambda: delete(world.anna, aws)] * 4)
    assert sorted(aws.removed) == sorted(NAMES)
    assert set(statuses().values()) == {"DELETED"}
    ended = [each for done in results for each in done]
    assert {each.ending for each in ended} <= {Ending.DELETED, Ending.WAITS, Ending.FAILED, Ending.RESOLVED}, ended
    assert len(rows_of(AuditLog, event="waste.deleted", outcome="SUCCESS")) == len(NAMES)


@pytest.mark.usefixtures("no_grace")
def test_the_waste_of_others_is_left_alone(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *NAMES)
    connect(world.globex, world.gina.user_id, account_id="999988887777")
    assert delete(world.gina, aws) == []
    with pytest.raises(Denied):
        delete(world.udo, aws)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        keep(session, world.gina, resource=VOLUME)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        request_deletion(session, world.gina, resource=VOLUME)
    assert aws.removed == []


@pytest.mark.usefixtures("no_grace")
def test_statements_grow_with_what_is_due_by_the_same_number_for_each(world: World, aws: WasteWorld) -> None:
    counted = []
    for names in (NAMES[2:3], [snapshot(n).snapshot_id for n in range(2, 5)]):
        aws.add(
            *(snapshot(n) for n in range(2, 5)), *(snapshot(n, tags={"spothive:keep": ""}) for n in range(100, 140))
        )
        scan(world.anna, aws, ago=timedelta(hours=25))
        scan(world.anna, aws)
        schedule(world.anna, *names)
        with statements() as sent:
            assert set(endings(delete(world.anna, aws)).values()) == {"DELETED"}
        counted.append((len(names), sent.total()))
    (one, first), (three, second) = counted
    assert second <= first * (three // one), counted


def test_a_resource_is_found_by_either_id(world: World, aws: WasteWorld) -> None:
    assert aws.things
    with get_db_session(tenant=world.acme) as session:
        row = find_waste(session, VOLUME)
        assert find_waste(session, str(row.id)).id == row.id
        with pytest.raises(NotFound, match="no waste is called 'vol-x'"):
            find_waste(session, "vol-x")
