"""Waste scans: what is written of what AWS holds, and what a missing page or region keeps from being deleted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from spothive.clock import utc_now
from spothive.database import (
    Account,
    AccountStatus,
    ApprovalRequest,
    AuditLog,
    ScanRun,
    ScanStatus,
    ScanUnit,
    WasteResource,
    WasteType,
    get_db_session,
)
from spothive.errors import AlreadyRunning, Conflict, Denied, InvalidInput, NotFound, RuleBroken
from spothive.gateways.aws_errors import AccessDenied, AwsThrottled, AwsUnavailable, CredentialsRefused
from spothive.gateways.waste_answer import References
from spothive.operations.waste import (
    WasteFilter,
    find_waste,
    list_waste,
    schedule_deletion,
    sum_waste,
)
from tests.factories.waste import (
    AWAY,
    HOME,
    WasteWorld,
    address,
    approve,
    connect,
    flagged,
    image,
    scan,
    schedule,
    snapshot,
    volume,
)
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.operations.waste.conftest import statuses, waste
from tests.watching import everything, rows_of, statements

DAY = timedelta(hours=24)
THINGS = (address(1), volume(1), snapshot(1), image(1))
NAMES = list(WasteWorld(*THINGS).things)


def trouble(kind: type[Any] = AwsThrottled, call: str = "ec2:DescribeVolumes") -> Any:
    return kind("AWS throttled it", action=call, region=HOME, code="RequestLimitExceeded")


@pytest.fixture
def aws(shop: UUID) -> WasteWorld:
    del shop  # it only has to be there
    return WasteWorld(*THINGS)


# --- looks ---


def test_a_first_look_detects_all_kinds(world: World, aws: WasteWorld) -> None:
    aws.add(address(2, used_by="eipassoc-1"), volume(2, attached_to=("i-1",), state="in-use"), volume(3), volume(4))
    told: list[tuple[int, int]] = []
    before = len(audited())
    result = scan(world.anna, aws, progress=lambda *done: told.append(done))
    assert (result.status, result.seen, len(result.added), result.failed) == (ScanStatus.COMPLETE, 6, 6, {})
    assert told == [(1, 1)]
    assert set(statuses().values()) == {"DETECTED"}
    (run,) = rows_of(ScanRun)
    assert (run["kind"], run["status"], run["seen"], run["added"], run["units_expected"]) == (
        "waste",
        "COMPLETE",
        6,
        6,
        4,
    )
    units = {row["resource_kind"]: (row["status"], row["pages"], row["items"]) for row in rows_of(ScanUnit)}
    assert units == {
        "elastic_ip": ("DONE", 1, 2),
        "ebs_volume": ("DONE", 2, 4),
        "ebs_snapshot": ("DONE", 1, 1),
        "ami": ("DONE", 1, 1),
    }
    row = waste()[volume(1).volume_id]
    assert (row["monthly_cost"], row["currency"], row["region"]) == (Decimal(8), "USD", HOME)
    assert (row["scan_run_id"], row["claimed_since"]) == (run["id"], run["started_at"])
    assert (row["evidence"]["found"], row["resource_metadata"]["type"]) == ([], "gp3")
    (event,) = audited()[before:]
    counts = {"seen": 6, "added": 6, "changed": 0, "resolved": 0, "flagged": 0, "regions": [HOME]}
    assert event == ("waste.scanned", "shop", "SUCCESS", "anna", None, counts | {"status": "COMPLETE", "failed": {}})


def test_sharing_is_asked_of_candidates_alone(world: World, aws: WasteWorld) -> None:
    aws.add(snapshot(2, started_at=utc_now()), snapshot(3), image(2, is_public=True))
    aws.shares = {snapshot(3).snapshot_id: ("111122223333",)}
    scan(world.anna, aws)
    assert (aws.calls["snapshot_shared_with"], aws.calls["image_shared_with"]) == (2, 1)
    assert sorted(statuses()) == sorted(NAMES)


def test_what_two_complete_scans_a_day_apart_saw_is_flagged(world: World, aws: WasteWorld) -> None:
    scan(world.anna, aws, ago=timedelta(hours=30))
    scan(world.anna, aws, ago=timedelta(hours=7))
    assert set(statuses().values()) == {"DETECTED"}
    aws.add(address(9))
    result = scan(world.anna, aws)
    assert (result.flagged, result.added, result.changed) == (4, [address(9).allocation_id], [])
    assert statuses() == dict.fromkeys(NAMES, "FLAGGED") | {address(9).allocation_id: "DETECTED"}


def test_what_is_in_use_again_or_gone_is_resolved(world: World, aws: WasteWorld) -> None:
    flagged(world.anna, aws)
    schedule(world.anna, volume(1).volume_id)
    aws.add(volume(1, attached_to=("i-7",), state="in-use"), address(1, used_by="eipassoc-1"))
    del aws.things[snapshot(1).snapshot_id]
    result = scan(world.anna, aws)
    assert len(result.resolved) == 3
    rows = waste()
    assert statuses() == dict.fromkeys(NAMES, "RESOLVED") | {image(1).image_id: "FLAGGED"}
    assert rows[volume(1).volume_id]["reason"] == "in use by i-7"
    assert rows[snapshot(1).snapshot_id]["reason"] == "AWS does not list it any more"
    aws.add(volume(1))
    scan(world.anna, aws)
    row = waste()[volume(1).volume_id]
    assert (row["status"], row["days_unused"]) == ("DETECTED", 0), "spothive knows that it was used a moment ago"


def test_a_changed_claim_goes_one_step_back(world: World, aws: WasteWorld) -> None:
    aws.add(volume(2))
    flagged(world.anna, aws)
    schedule(world.anna, volume(2).volume_id)
    aws.add(volume(1, size_gb=200), volume(2, size_gb=200))
    result = scan(world.anna, aws)
    assert sorted(result.changed) == [volume(1).volume_id, volume(2).volume_id]
    rows = waste()
    assert (rows[volume(1).volume_id]["status"], rows[volume(2).volume_id]["status"]) == ("DETECTED", "FLAGGED")
    assert {rows[volume(n).volume_id]["monthly_cost"] for n in (1, 2)} == {16}
    assert rows[volume(2).volume_id]["plan_hash"] is None


def test_a_look_that_finds_nothing_new_writes_only_that_it_looked(world: World, aws: WasteWorld) -> None:
    scan(world.anna, aws)
    before = waste()
    result = scan(world.anna, aws)
    assert (result.added, result.changed, result.resolved) == ([], [], [])
    moving = {"last_seen_at", "updated_at", "scan_run_id"}
    after = waste()
    assert all(row[name] == after[key][name] for key, row in before.items() for name in row.keys() - moving)
    assert all(after[key]["last_seen_at"] > row["last_seen_at"] for key, row in before.items())


# --- what was not seen ---


@pytest.mark.parametrize(
    ("call", "lost"),
    [
        ("addresses", {"elastic_ip"}),
        ("volumes", {"ebs_volume"}),
        ("volumes, another page", {"ebs_volume"}),
        ("snapshots", {"ebs_snapshot"}),
        ("snapshots, another page", {"ebs_snapshot"}),
        ("snapshot_shared_with", {"ebs_snapshot"}),
        ("image_shared_with", {"ami"}),
        ("images", {"ebs_snapshot", "ami"}),
        ("images, another page", {"ebs_snapshot", "ami"}),
        ("references", {"ebs_snapshot", "ami"}),
    ],
)
def test_a_missing_page_leaves_its_kinds_alone_and_nothing_can_be_scheduled(
    world: World, aws: WasteWorld, call: str, lost: set[str]
) -> None:
    aws.add(*(each(number) for number in (2, 3) for each in (address, volume, snapshot, image)))
    flagged(world.anna, aws)
    requests = [approve(world.anna, name) for name in NAMES]
    aws.trouble[call, HOME] = trouble()
    aws.things.clear()
    aws.add(address(7), volume(7), snapshot(7), image(7))
    aws.page = 1 if "page" in call else 2
    if "page" in call:
        aws.add(*(each(8) for each in (address, volume, snapshot, image)))
    result = scan(world.anna, aws)
    assert (result.status, set(result.failed)) == (ScanStatus.PARTIAL, {f"{HOME} {kind}" for kind in lost})
    rows = rows_of(WasteResource)
    untouched = {row["resource_type"] for row in rows if row["status"] == "FLAGGED"}
    assert untouched == lost, "what was not seen is unknown, neither waste nor gone"
    assert {row["resource_type"] for row in rows if row["status"] == "DETECTED"} == {
        str(kind) for kind in {"elastic_ip", "ebs_volume", "ebs_snapshot", "ami"} - lost
    }
    for name, request in zip(NAMES, requests, strict=True):
        with pytest.raises(Conflict), get_db_session(tenant=world.acme) as session:
            schedule_deletion(session, world.anna, request_id=request)
        refused_by_the_database(world, name)


def refused_by_the_database(world: World, name: str) -> None:
    """Try the same by SQL alone, using its approval up, with the run that was COMPLETE and with the last one."""
    for run in rows_of(ScanRun):
        with pytest.raises(RuleBroken) as refused, get_db_session(tenant=world.acme) as session:
            row = find_waste(session, name)
            use = update(ApprovalRequest).where(ApprovalRequest.waste_resource_id == row.id)
            use = use.where(ApprovalRequest.tenant_id == world.acme).values(executed_at=utc_now())
            [plan_hash] = session.scalars(use.returning(ApprovalRequest.plan_hash)).all()
            values = {"status": "SCHEDULED_DELETE", "scheduled_deletion_date": utc_now(), "plan_hash": plan_hash}
            session.execute(
                update(WasteResource)
                .where(WasteResource.tenant_id == world.acme, WasteResource.id == row.id)
                .values(**values, scan_run_id=run["id"])
            )
        assert refused.value.rule == "lc_waste_resources_complete"


@pytest.mark.usefixtures("shop")
def test_a_scan_of_some_regions_is_never_complete(world: World) -> None:
    aws = WasteWorld(volume(1), volume(2, region=AWAY), regions=(HOME, AWAY))
    flagged(world.anna, aws)
    result = scan(world.anna, aws, regions=[HOME])
    assert (result.status, result.regions) == (ScanStatus.PARTIAL, [HOME])
    assert result.failed[f"{AWAY} ebs_volume"].startswith("not asked for")
    request = approve(world.anna, volume(1).volume_id)
    refused_by_the_database(world, volume(1).volume_id)
    with pytest.raises(Conflict, match="is not COMPLETE"), get_db_session(tenant=world.acme) as session:
        schedule_deletion(session, world.anna, request_id=request)
    assert scan(world.anna, aws).status is ScanStatus.COMPLETE
    with get_db_session(tenant=world.acme) as session:
        assert schedule_deletion(session, world.anna, request_id=request).status == "SCHEDULED_DELETE"


@pytest.mark.usefixtures("shop")
def test_a_missing_region_flags_nothing(world: World) -> None:
    aws = WasteWorld(volume(1), volume(2, region=AWAY), regions=(HOME, AWAY))
    scan(world.anna, aws, ago=2 * DAY)
    for call in ("addresses", "volumes", "images", "snapshots", "references"):
        aws.trouble[call, AWAY] = trouble(AwsUnavailable)
    result = scan(world.anna, aws)
    assert (result.status, result.flagged) == (ScanStatus.PARTIAL, 0)
    assert set(statuses().values()) == {"DETECTED"}
    aws.trouble.clear()
    assert scan(world.anna, aws).flagged == 2


def test_raw_sql_cannot_flag_what_was_not_seen_twice(world: World, aws: WasteWorld) -> None:
    scan(world.anna, aws)
    with pytest.raises(RuleBroken) as refusal, get_db_session(tenant=world.acme) as session:
        session.execute(update(WasteResource).where(WasteResource.tenant_id == world.acme).values(status="FLAGGED"))
    assert refusal.value.rule == "lc_waste_resources_flagged"


def test_images_behind_what_cannot_be_followed_are_left_alone(world: World, aws: WasteWorld) -> None:
    aws.references_of[HOME] = References({}, {}, {}, {"resolve:ssm:/golden": ("launch template lt-1 version 1",)})
    assert scan(world.anna, aws).status is ScanStatus.COMPLETE
    assert sorted(statuses()) == sorted([address(1).allocation_id, volume(1).volume_id])


# --- trouble ---


def test_refused_credentials_fail_the_account_but_missing_grants_do_not(world: World, aws: WasteWorld) -> None:
    everything_denied = ("addresses", "volumes", "images", "snapshots", "references")
    for call in everything_denied:
        aws.trouble[call, HOME] = trouble(AccessDenied)
    result = scan(world.anna, aws)
    assert (result.status, result.account_failed) == (ScanStatus.FAILED, None)
    for call in (*everything_denied, "enabled_regions"):
        aws.trouble[call, HOME] = trouble(CredentialsRefused)
    with pytest.raises(CredentialsRefused):
        scan(world.anna, aws)
    assert rows_of(Account)[0]["status"] == AccountStatus.FAILED
    assert rows_of(ScanRun)[-1]["status"] == "FAILED"
    with pytest.raises(Conflict, match="has failed"):
        scan(world.anna, aws)


def test_one_scan_at_a_time_and_a_dead_one_is_taken_over(
    world: World, aws: WasteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(world.anna, aws, progress=breaks)
    (run,) = rows_of(ScanRun)
    assert (run["status"], run["error"]) == ("FAILED", "broke off: KeyboardInterrupt")
    with get_db_session(tenant=world.acme) as session:
        facts = {"kind": "waste", "units_expected": 4, "lease_token": run["lease_token"]}
        late = utc_now() + DAY
        session.add(ScanRun(account_id=run["account_id"], leased_until=late, **facts))
    with pytest.raises(AlreadyRunning, match="a waste scan of shop is under way"):
        scan(world.anna, aws)
    assert scan(world.anna, aws, ago=-2 * DAY).status is ScanStatus.COMPLETE
    assert rows_of(ScanRun)[1]["error"].startswith("its process stopped without a word")
    del monkeypatch


def test_two_scans_at_once_leave_one_row_of_each(world: World, aws: WasteWorld) -> None:
    results = at_once(*[lambda: scan_now(world, aws)] * 3)
    assert {type(each).__name__ for each in results} <= {"WasteScan", "AlreadyRunning"}
    assert sorted(statuses()) == sorted(NAMES)
    assert len(rows_of(WasteResource)) == len(NAMES)


def scan_now(world: World, aws: WasteWorld) -> Any:
    from spothive.operations.waste import scan_waste
    from tests.factories.approvals import no_keys

    return scan_waste(get_db_session, world.anna, tenant_id=world.acme, name="shop", gateway=aws, keys=no_keys)


def test_who_may_not_scan_and_what_cannot_be_scanned(world: World, aws: WasteWorld) -> None:
    before = everything()
    with pytest.raises(NotFound):
        scan(world.gina, aws)
    with pytest.raises(InvalidInput):
        scan(world.anna, aws, regions=["mars"])
    assert everything() == before
    with pytest.raises(Denied):
        scan(world.lena, aws)
    assert rows_of(AuditLog)[-1]["outcome"] == "DENIED"
    assert aws.calls.total() == 0


# --- effort ---


@pytest.mark.usefixtures("shop")
def test_statements_do_not_grow_with_what_is_found(world: World) -> None:
    sent = []
    for number in (5, 200):
        aws = WasteWorld(*(each(n) for n in range(1, number + 1) for each in (address, volume, snapshot, image)))
        aws.page = 1000
        counted = []
        for hours in (60, 30, 0):
            with statements() as seen:
                scan(world.anna, aws, ago=timedelta(hours=hours))
            counted.append(len(seen))
        sent.append(counted)
        aws.things.clear()
        scan(world.anna, aws)
    assert all(abs(few - many) <= 3 for few, many in zip(*sent, strict=True)), sent
    assert max(sent[1]) < 90, sent


def test_lists_and_sums_take_one_statement(world: World, aws: WasteWorld) -> None:
    aws.add(volume(2), volume(3))
    flagged(world.anna, aws)
    with get_db_session(tenant=world.acme) as session, statements() as seen:
        page = list_waste(session, WasteFilter(), limit=4)
        sums = sum_waste(session, WasteFilter())
        assert [row.account.account_name for row in page.rows] == ["shop"] * 4
    assert len([each for each in seen if "waste_resources" in each]) == 2
    assert (sums[0].resource_type, sums[0].resources, sums[0].monthly_cost) == (WasteType.EBS_VOLUME, 3, Decimal(24))
    with get_db_session(tenant=world.acme) as session:
        rest = list_waste(session, WasteFilter(), limit=4, before=page.next)
    assert len({row.id for row in [*page.rows, *rest.rows]}) == 6


def test_another_tenant_sees_nothing(world: World, aws: WasteWorld) -> None:
    scan(world.anna, aws)
    connect(world.globex, world.gina.user_id, account_id="999988887777")
    with get_db_session(tenant=world.globex) as session:
        assert list_waste(session, WasteFilter()).rows == []
        assert sum_waste(session, WasteFilter()) == []
        with pytest.raises(NotFound):
            find_waste(session, NAMES[0])
        assert session.execute(text("SELECT 1")).scalar() == 1
