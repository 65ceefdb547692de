"""Discovery and somebody else: another discovery, a disconnection, an import, and whoever breaks it off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from threading import Event
from typing import Any
from uuid import uuid4

import pytest

from spothive.blocks import database_block
from spothive.clock import utc_now
from spothive.database import (
    Account,
    AccountStatus,
    Instance,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    get_db_session,
)
from spothive.errors import AlreadyRunning, Conflict, NetworkInTransaction
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.ec2_answer import FleetAnswer
from spothive.operations.fleet import ScanResult, disconnect_account, discovery, import_fleet, reconcile, scanning
from tests.conftest import Database
from tests.factories.fleets import answer_of, observed
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import (
    AWAY,
    FAR,
    HOME,
    Desk,
    as_owner,
    at_once,
    fleet_of,
    kinds,
    last_run,
    machine,
    name_of,
    status,
    units_of,
)
from tests.watching import everything, rows_of

DISCOVERED = "account.discovered"


def test_a_second_discovery_says_since_when_the_first_is_under_way(desk: Desk, shop: StandInAccount) -> None:
    refusals: list[str] = []

    def another(*_: int) -> None:
        before = everything()
        with pytest.raises(AlreadyRunning) as refusal:
            desk.discover()
        refusals.append(str(refusal.value))
        assert everything() == before

    assert desk.discover(progress=another).status is ScanStatus.COMPLETE
    run = last_run()
    assert len(refusals) == 3
    for said in refusals:
        assert said.startswith(f"a discovery of prod is under way since {run['started_at']:%H:%M:%S} UTC; should its")
    assert f"{run['leased_until'] - run['started_at']}" >= "0:15:00"


def test_discoveries_that_start_at_once_never_overlap(desk: Desk, shop: StandInAccount) -> None:
    shop.set_fleet(fleet_of(machine(4)))
    results = at_once(*[desk.discover] * 6)
    done = [result for result in results if isinstance(result, ScanResult)]
    assert done
    assert kinds(results) == ["AlreadyRunning"] * (6 - len(done)) + ["ScanResult"] * len(done)
    assert [result.added for result in done if result.added] == [[name_of(4)]]
    runs = rows_of(ScanRun)[1:]
    assert [run["status"] for run in runs] == [ScanStatus.COMPLETE] * len(done)
    ends = sorted((run["started_at"], run["finished_at"]) for run in runs)
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_a_run_without_a_word_is_taken_over_and_writes_nothing_more(
    db: Database, desk: Desk, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of the first runs out while it is at work: the second takes over, the first learns it."""
    monkeypatch.setattr(scanning, "REGIONS_AT_ONCE", 1)
    second: list[ScanResult] = []
    kept: list[dict[str, Any]] = []

    def overtaken(*_: int) -> None:
        as_owner(db, "UPDATE scan_runs SET leased_until = started_at WHERE status = 'RUNNING'")
        shop.set_fleet(fleet_of(machine(4)))
        second.append(desk.discover())
        kept.append(everything())

    with pytest.raises(AlreadyRunning, match=r"^another discovery of prod took this one over: see its result instead$"):
        desk.discover(progress=overtaken)
    assert len(second) == 1
    assert (second[0].status, second[0].added) == (ScanStatus.COMPLETE, [name_of(4)])
    assert everything() == kept[0]
    first, last = rows_of(ScanRun)[1:]
    assert (first["status"], first["error"]) == (
        ScanStatus.FAILED,
        "its process stopped without a word; another run took over",
    )
    assert last["status"] == ScanStatus.COMPLETE


def test_the_run_of_another_process_is_not_written_to(
    db: Database, world: World, desk: Desk, shop: StandInAccount
) -> None:
    """It has taken over and is still at work when the first one comes back."""
    theirs: list[dict[str, Any]] = []

    def overtaken(*_: int) -> None:
        as_owner(db, "UPDATE scan_runs SET status = 'FAILED', finished_at = started_at WHERE status = 'RUNNING'")
        facts = {"account_id": rows_of(Account)[0]["id"], "kind": ScanKind.DISCOVERY, "units_expected": 3}
        with get_db_session(tenant=world.acme) as session:
            session.add(ScanRun(**facts, lease_token=uuid4(), leased_until=utc_now() + scanning.LEASE))
        theirs.append(last_run())

    with pytest.raises(AlreadyRunning, match="took this one over"):
        desk.discover(progress=overtaken)
    assert [last_run()] == theirs


def test_a_word_extends_the_lease(desk: Desk, shop: StandInAccount) -> None:
    leases: list[Any] = []
    desk.discover(progress=lambda *_: leases.append(last_run()["leased_until"]))
    assert leases == sorted(set(leases))
    assert len(leases) == 3


@pytest.mark.parametrize("broken", [RuntimeError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_run_that_breaks_off_ends_at_once(desk: Desk, shop: StandInAccount, broken: BaseException) -> None:
    def breaks(*_: int) -> None:
        raise broken

    before = len(audited(event=DISCOVERED))
    with pytest.raises(type(broken)):
        desk.discover(progress=breaks)
    run = last_run()
    assert (run["status"], run["error"]) == (ScanStatus.FAILED, f"broke off: {type(broken).__name__}")
    assert sorted(state for state, _ in units_of(run).values()) == ["DONE", "PENDING", "PENDING"]
    told = audited(event=DISCOVERED)[before:]
    assert [(each[5]["status"], each[5]["seen"]) for each in told] == [("FAILED", 1)]
    assert status() is AccountStatus.ACTIVE
    assert desk.discover().status is ScanStatus.COMPLETE


def test_who_breaks_off_does_not_wait_for_a_silent_region(
    desk: Desk, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, done = Event(), Event()
    read = desk.gateway.instance_pages

    def pages(credentials: Credentials, region: str) -> Iterator[FleetAnswer]:
        if region == HOME:
            heard.wait(30)
            done.set()
        return read(credentials, region)

    def breaks(*_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk.gateway, "instance_pages", pages)
    with pytest.raises(KeyboardInterrupt):
        desk.discover(progress=breaks)
    assert not done.is_set()
    assert last_run()["status"] == ScanStatus.FAILED
    heard.set()
    assert done.wait(30)


def test_an_account_that_is_disconnected_in_the_middle_is_gone(world: World, desk: Desk, shop: StandInAccount) -> None:
    def disconnect(*_: int) -> None:
        disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="prod")

    with pytest.raises(Conflict, match=r"^account prod was disconnected meanwhile$"):
        desk.discover(progress=disconnect)
    assert rows_of(Account) == rows_of(Instance) == rows_of(ScanRun) == rows_of(ScanUnit) == []


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("disconnecting_at = now()", "was disconnected meanwhile"),
        ("status = 'failed', status_reason = 'withdrawn'", r"has failed \(withdrawn\)"),
    ],
    ids=["disconnected", "failed"],
)
def test_what_changes_while_a_discovery_waits_for_the_account_is_seen(
    db: Database, desk: Desk, shop: StandInAccount, change: str, refusal: str
) -> None:
    """SQLite lets nobody in between: a transaction that may write has the database for itself."""

    def keys() -> Any:  # asked for between the first look at the account and its lock
        as_owner(db, f"UPDATE accounts SET {change}")
        return desk.ring

    with pytest.raises(Conflict, match=refusal):
        desk.discover(keys=keys)
    assert len(rows_of(ScanRun)) == 1


@pytest.mark.engines("postgresql")
def test_an_import_that_takes_an_instance_in_the_same_moment_costs_one_region(
    world: World, desk: Desk, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.set_fleet(fleet_of(machine(1), machine(2, f"{AWAY}a"), machine(3, f"{FAR}a"), machine(4)))
    check = reconcile._known_instances  # noqa: SLF001 - the race is between this check and the insert

    def overtaken(*given: Any) -> Any:
        found = check(*given)
        if name_of(4) in given[3]:
            monkeypatch.undo()  # the import checks too
            with get_db_session(tenant=world.acme) as session:
                import_fleet(session, world.anna, name="file", answer=answer_of([observed(4)]))
        return found

    monkeypatch.setattr(reconcile, "_known_instances", overtaken)
    result = desk.discover()
    assert (result.status, result.added) == (ScanStatus.PARTIAL, [])
    assert result.failed == {HOME: "instances: another row already has this instance_id; discover again"}
    assert (result.seen, last_run()["seen"]) == (2, 2)
    again = desk.discover()
    assert (again.status, [each.reason for each in again.refused]) == (
        ScanStatus.COMPLETE,
        ["account file holds it already"],
    )


def test_a_region_that_meets_another_transaction_costs_no_more_than_itself(
    desk: Desk, shop: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when PostgreSQL resolves a deadlock with an import that takes the same instances in another order."""
    write = reconcile.reconcile

    def busy(session: Any, account: Any, answer: Any, regions: list[str], *rest: Any, **more: Any) -> None:
        if regions == [AWAY]:
            raise Conflict("another transaction got there first or held the lock too long: try again")
        write(session, account, answer, regions, *rest, **more)

    monkeypatch.setattr(discovery, "reconcile", busy)
    result = desk.discover()
    assert (result.status, list(result.failed)) == (ScanStatus.PARTIAL, [AWAY])
    assert units_of(last_run())[AWAY][0] == UnitStatus.FAILED


@pytest.mark.parametrize("regions", [(), (HOME,)], ids=["all regions", "given regions"])
def test_aws_is_not_asked_while_the_caller_has_a_transaction_open(
    desk: Desk, aws: AwsStandIn, shop: StandInAccount, regions: tuple[str, ...]
) -> None:
    asked = aws.calls()
    with pytest.raises(NetworkInTransaction), database_block():
        desk.discover(regions=regions)
    assert aws.calls() == asked
    assert (last_run()["status"], last_run()["error"]) == (ScanStatus.FAILED, "broke off: NetworkInTransaction")
