"""What a scan knows beforehand: when volumes were in use, what undoes a deletion, what was deleted meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlalchemy import delete as delete_rows

from spothive.clock import utc_now
from spothive.database import ScanRun, ScanStatus, WasteResource, get_db_session
from spothive.errors import RuleBroken
from spothive.operations.fleet import disconnect_account, scanning
from spothive.operations.waste import applying, looking, memory, scan_waste
from spothive.operations.waste.reading import latest_scan
from spothive.settings import get_settings
from tests.conftest import Database
from tests.factories.approvals import no_keys
from tests.factories.waste import WasteWorld, delete, flagged, image, scan, schedule, snapshot, volume
from tests.operations.conftest import World
from tests.operations.waste.conftest import statuses, waste
from tests.watching import rows_of

VOLUME = volume(1).volume_id
IMAGE, BEHIND = image(1).image_id, snapshot(501).snapshot_id
IN_USE = volume(1, attached_to=("i-7",), state="in-use")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = pytest.mark.usefixtures("shop")


def told(name: str = VOLUME) -> tuple[str, int]:
    row = waste()[name]
    return str(row["status"]), row["days_unused"]


# --- since when a volume is unused ---


def test_a_volume_that_was_seen_in_use_is_flagged_when_its_days_are_over(world: World) -> None:
    aws = WasteWorld(IN_USE)
    for days in (12, 11, 10):
        scan(world.anna, aws, ago=days * DAY)
    assert waste() == {}
    aws.add(volume(1))  # detached less than ten days ago
    scan(world.anna, aws, ago=9 * DAY)
    assert told() == ("DETECTED", 1)
    row = waste()[VOLUME]
    assert row["unused_since"] == rows_of(ScanRun)[2]["started_at"]
    assert f"knows of none since {row['unused_since']:%Y-%m-%d}: before that it may have been" in row["reason"]
    for hours in (168, 120, 84):
        assert scan(world.anna, aws, ago=hours * HOUR).flagged == 0
    assert scan(world.anna, aws, ago=2.5 * DAY).flagged == 1
    assert told() == ("FLAGGED", 7)
    assert waste()[VOLUME]["unused_since"] == row["unused_since"]
    assert waste()[VOLUME]["evidence"] == row["evidence"]


def test_of_an_old_volume_at_first_nothing_is_known_but_its_age(world: World) -> None:
    aws = WasteWorld(volume(1))
    flagged(world.anna, aws)
    row = waste()[VOLUME]
    assert (row["status"], row["unused_since"]) == ("FLAGGED", volume(1).created_at)


def test_a_partial_scan_proves_no_use(world: World) -> None:
    aws = WasteWorld(volume(1), regions=("us-east-1", "eu-west-1"))
    assert scan(world.anna, aws, regions=["eu-west-1"], ago=3 * DAY).status is ScanStatus.PARTIAL
    flagged(world.anna, aws)
    assert waste()[VOLUME]["unused_since"] == volume(1).created_at


def test_a_volume_made_after_the_scan_counts_from_when_it_was_made(world: World) -> None:
    aws = WasteWorld()
    scan(world.anna, aws, ago=20 * DAY)
    made = utc_now() - 10 * DAY
    aws.add(volume(1, created_at=made))
    scan(world.anna, aws)
    assert (told(), waste()[VOLUME]["unused_since"]) == (("DETECTED", 10), made)


def test_what_was_resolved_counts_from_then(world: World) -> None:
    aws = WasteWorld(volume(1))
    flagged(world.anna, aws)
    schedule(world.anna, VOLUME)
    aws.add(IN_USE)
    scan(world.anna, aws)
    resolved_at = waste()[VOLUME]["updated_at"]
    aws.add(volume(1))
    scan(world.anna, aws)
    scan(world.anna, aws, ago=-2 * DAY)
    assert (told()[0], waste()[VOLUME]["unused_since"]) == ("DETECTED", resolved_at)
    assert scan(world.anna, aws, ago=-8 * DAY).flagged == 1


@pytest.mark.usefixtures("no_grace")
def test_a_volume_is_deleted_by_what_its_row_says(world: World) -> None:
    aws = WasteWorld(volume(1))
    flagged(world.anna, aws)
    schedule(world.anna, VOLUME)
    assert [each.ending for each in delete(world.anna, aws)] == ["DELETED"]


# --- the undo of a deletion ---


@pytest.fixture
def of_a_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let an undo be one for a day."""
    monkeypatch.setenv("SPOTHIVE_WASTE_UNDO_DAYS", "1")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def undo(world: World, no_grace: None) -> WasteWorld:
    """Return an AWS whose image was deleted, and the snapshot is left on which it stood."""
    aws = WasteWorld(image(1), snapshot(501))
    flagged(world.anna, aws)
    assert sorted(statuses()) == [IMAGE], "the snapshot is behind it"
    schedule(world.anna, IMAGE)
    assert [each.ending for each in delete(world.anna, aws)] == ["DELETED"]
    return aws


def test_the_snapshots_of_a_deleted_image_are_no_waste(world: World, undo: WasteWorld) -> None:
    flagged(world.anna, undo)
    assert statuses() == {IMAGE: "DELETED"}


@pytest.mark.usefixtures("of_a_day")
def test_an_undo_that_is_over_is_waste(world: World, undo: WasteWorld) -> None:
    assert scan(world.anna, undo, ago=-2 * DAY).added == [BEHIND]


def test_an_undo_is_spared_at_its_deletion_too(
    world: World, undo: WasteWorld, of_a_day: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(world.anna, undo, ago=-2 * DAY)
    scan(world.anna, undo, ago=-4 * DAY)
    schedule(world.anna, BEHIND)
    monkeypatch.delenv("SPOTHIVE_WASTE_UNDO_DAYS")
    get_settings.cache_clear()
    [ended] = delete(world.anna, undo)
    assert (ended.ending, ended.detail) == ("RESOLVED", f"the undo of the deletion of {IMAGE}")
    assert BEHIND in undo.things


# --- what was deleted meanwhile ---


@pytest.mark.usefixtures("no_grace")
def test_what_is_deleted_while_a_scan_reads_is_not_written_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = WasteWorld(snapshot(1), snapshot(2))
    flagged(world.anna, aws)
    schedule(world.anna, snapshot(1).snapshot_id)
    references, ended = aws.references, list[Any]()

    def delete_first(*given: Any) -> Any:
        if not ended:
            ended.append(None)
            ended.extend(each.ending for each in delete(world.anna, aws))
        return references(*given)

    monkeypatch.setattr(aws, "references", delete_first)
    result = scan(world.anna, aws)
    assert ended == [None, "DELETED"]
    assert (result.status, result.seen, result.added) == (ScanStatus.COMPLETE, 1, [])
    assert [str(row["status"]) for row in rows_of(WasteResource)] == ["DELETED", "FLAGGED"]


# --- clocks ---


def test_the_clock_of_a_machine_does_not_tell_which_scan_is_the_latest(world: World, shop: UUID) -> None:
    aws = WasteWorld(volume(1))
    given: dict[str, Any] = {"tenant_id": world.acme, "name": "shop", "keys": no_keys}
    with ExitStack() as ahead:
        for module in (applying, looking, memory, scanning):
            ahead.enter_context(patch.object(module, "utc_now", lambda: utc_now() + HOUR))
        scan_waste(get_db_session, world.anna, gateway=aws, **given)
    scan_waste(get_db_session, world.anna, gateway=aws, regions=["eu-west-1"], **given)
    first, last = rows_of(ScanRun)
    assert first["started_at"] < first["finished_at"] < last["started_at"] < utc_now() + timedelta(seconds=2)
    assert first["leased_until"] < utc_now() + scanning.LEASE + timedelta(seconds=2)
    with get_db_session(tenant=world.acme) as session:
        latest = latest_scan(session, shop)
        assert latest is not None
        assert latest.status is ScanStatus.PARTIAL


def test_a_scan_goes_with_its_account_or_tenant_alone(db: Database, world: World, shop: UUID) -> None:
    scan(world.anna, WasteWorld(volume(1)))
    with pytest.raises(RuleBroken) as refused, get_db_session(tenant=world.acme) as session:
        session.execute(delete_rows(ScanRun).where(ScanRun.account_id == shop))
    assert refused.value.rule == "lc_scan_runs_kept"
    tenant = world.acme if db.engine == "postgresql" else world.acme.hex
    with db.raw(owner=True) as connection:
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM tenants WHERE id = '{tenant}'")
        left = connection.execute("SELECT count(*) FROM scan_runs").fetchone()
        connection.execute("ROLLBACK")
    assert left == (0,)
    disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="shop")
    assert rows_of(ScanRun) == []
