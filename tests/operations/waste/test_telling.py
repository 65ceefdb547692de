"""What people are told of waste: what is newly flagged, and what was deleted, once even if a run is killed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from spothive.errors import SpothiveError
from spothive.gateways.aws_errors import AwsUnavailable
from spothive.models import NoticeEvent
from spothive.operations.waste import deleting
from tests.conftest import Database
from tests.factories.waste import (
    AWAY,
    HOME,
    WasteWorld,
    address,
    delete,
    flagged,
    scan,
    schedule,
    snapshot,
    volume,
)
from tests.operations.conftest import World, audit_impossible
from tests.told import heard, titles

FLAGGED, DELETED, PARTIAL = NoticeEvent.WASTE_FLAGGED, NoticeEvent.WASTE_DELETED, NoticeEvent.SCAN_PARTIAL
VOLUME, SNAPSHOTS = volume(1).volume_id, [snapshot(number).snapshot_id for number in range(1, 6)]


@pytest.fixture
def aws(world: World, shop: UUID) -> WasteWorld:
    """Return an AWS whose waste is flagged."""
    del shop  # it only has to be there
    aws = WasteWorld(address(1), volume(1), *(snapshot(number) for number in range(1, 6)), regions=[HOME, AWAY])
    # So many stay that a few may go in a day.
    aws.add(*(snapshot(number, tags={"spothive:keep": ""}) for number in range(100, 160)))
    flagged(world.anna, aws)
    return aws


def unavailable() -> AwsUnavailable:
    return AwsUnavailable("no answer", action="ec2:DescribeVolumes", region=HOME, code="Timeout")


def test_what_a_scan_flags_is_told_once_with_what_it_costs(world: World, aws: WasteWorld) -> None:
    (content,) = heard(world.udo)
    assert content["title"].startswith("7 resources are waste in shop: ")
    facts = content["facts"]
    assert (facts["account"], facts["flagged"]) == ("shop", 7)
    assert f": {float(facts['monthly_cost']):.2f} a month" in content["title"]
    scan(world.anna, aws)
    assert len(heard(world.udo)) == 1
    assert heard(world.gina) == []


@pytest.mark.usefixtures("no_grace")
def test_what_is_deleted_is_told_once_a_run_with_the_way_back(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, VOLUME, *SNAPSHOTS[:2])
    delete(world.anna, aws)
    (content,) = heard(world.lena, DELETED)
    assert content["title"].startswith("Waste of shop was deleted: 3 resources, ")
    told = {each["id"]: each for each in content["facts"]["resources"]}
    assert set(told) == {VOLUME, *SNAPSHOTS[:2]}
    assert [told[each]["can_be_undone"] for each in (SNAPSHOTS[0], VOLUME)] == [False, True]
    assert told[VOLUME]["show"] == f"spothive waste show {VOLUME}"
    assert f"{VOLUME} in {HOME}: `spothive waste show {VOLUME}`\n" in content["body"]
    assert f"{SNAPSHOTS[0]} in {HOME}: none\n" in content["body"]
    delete(world.anna, aws)
    assert len(heard(world.lena, DELETED)) == 1
    schedule(world.anna, SNAPSHOTS[2])
    delete(world.anna, aws)
    content = heard(world.lena, DELETED)[1]
    assert [each["id"] for each in content["facts"]["resources"]] == [SNAPSHOTS[2]]
    assert heard(world.gina) == []


@pytest.mark.usefixtures("no_grace")
def test_what_a_killed_run_deleted_is_told_by_the_next(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(world.anna, *SNAPSHOTS[:2])

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(deleting, "tell_of_deleted", killed)
        with pytest.raises(KeyboardInterrupt):
            delete(world.anna, aws)
    assert len(aws.removed) == 2
    assert heard(world.anna, DELETED) == []
    assert delete(world.anna, aws) == []
    (content,) = heard(world.anna, DELETED)
    assert content["facts"]["deleted"] == 2


@pytest.mark.usefixtures("shop", "no_grace")
def test_any_number_of_tags_is_told_of_and_stops_nothing(world: World) -> None:
    tags = {f"key-{number:03d}": "x" * 250 for number in range(45)}
    aws = WasteWorld(*(volume(number, tags=tags) for number in range(1, 21)), regions=[HOME, AWAY])
    aws.add(*(volume(number, tags={"spothive:keep": ""}) for number in range(100, 300)))
    flagged(world.anna, aws)
    schedule(world.anna, *(volume(number).volume_id for number in range(1, 21)))
    assert len(delete(world.anna, aws)) == 20
    (content,) = heard(world.anna, DELETED)
    assert len(content["facts"]["resources"]) == 20
    assert "truncated" not in content["facts"]


@pytest.mark.usefixtures("no_grace")
def test_what_cannot_be_told_keeps_nothing_from_being_deleted_and_hides_no_error(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    def ends() -> None:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr(deleting, "tell_of_deleted", breaks)
        for number, each in enumerate(SNAPSHOTS[:2], 1):  # the second run has something to tell before it begins
            schedule(world.anna, each)
            delete(world.anna, aws)
            assert len(aws.removed) == number
        schedule(world.anna, SNAPSHOTS[2])
        with pytest.raises(LookupError):
            delete(world.anna, aws, go_on=ends)
    assert "nobody was told of what was deleted of account" in caplog.text
    assert heard(world.anna, DELETED) == []
    delete(world.anna, aws)
    assert [content["facts"]["deleted"] for content in heard(world.anna, DELETED)] == [2, 1]


@pytest.mark.usefixtures("no_grace")
def test_a_run_that_ends_early_tells_of_what_it_deleted(world: World, aws: WasteWorld) -> None:
    schedule(world.anna, *SNAPSHOTS[:3])
    steps = iter([None, None, ZeroDivisionError()])

    def go_on() -> None:
        if error := next(steps):
            raise error

    with pytest.raises(ZeroDivisionError):
        delete(world.anna, aws, go_on=go_on)
    assert [content["facts"]["deleted"] for content in heard(world.anna, DELETED)] == [2]


@pytest.mark.usefixtures("no_grace")
def test_what_is_not_written_is_not_told(world: World, aws: WasteWorld, db: Database) -> None:
    schedule(world.anna, SNAPSHOTS[0])
    with audit_impossible(db), pytest.raises(SpothiveError):
        delete(world.anna, aws)
    assert heard(world.anna, DELETED) == []


def test_a_scan_that_sees_less_is_told_and_one_that_was_asked_for_less_is_not(world: World, aws: WasteWorld) -> None:
    scan(world.anna, aws, regions=[HOME])
    assert heard(world.anna, PARTIAL) == []
    aws.trouble["volumes", AWAY] = unavailable()
    for _ in range(2):
        scan(world.anna, aws)
    assert titles(world.anna, PARTIAL) == [f"The waste scan of shop is PARTIAL in {AWAY}"]
    aws.trouble["volumes", HOME] = unavailable()
    scan(world.anna, aws)
    assert titles(world.anna, PARTIAL)[1:] == [f"The waste scan of shop is PARTIAL in {AWAY}, {HOME}"]
    assert heard(world.gina) == []
