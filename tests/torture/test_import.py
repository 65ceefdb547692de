"""Imports and disconnections that are killed at any moment."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random
from statistics import median

import pytest

from spothive.database import Account, Instance, ScanRun, ScanStatus, dispose_engine, get_db_session
from spothive.operations.fleet import disconnect_account, import_fleet
from spothive.operations.identity import find_actor
from tests.conftest import Database
from tests.factories.fleets import a_day_later, answer_of, large_fleet
from tests.torture.conftest import ROUNDS, copy_of, moments, wait_until_alone
from tests.torture.processes import DONE, at_work
from tests.torture.works import disconnect, import_a_day_later
from tests.watching import Rows, everything, fleet_state, rows_of

pytestmark = pytest.mark.torture

COMMITS = 6
FLEET = ("accounts", "clusters", "instances")


def import_again() -> None:
    """Do in this process what the killed one was about to do."""
    admin, acme = find_actor("admin", "acme")
    with get_db_session(tenant=acme) as session:
        answer = answer_of(a_day_later(large_fleet(5_000), changed=50))
        import_fleet(session, admin, name="shop", answer=answer)


def test_an_import_killed_at_any_moment_is_whole_or_not_at_all(shop: Database, tmp_path: Path) -> None:
    lengths = [length_of_import(shop, tmp_path / f"length {number}") for number in range(3)]
    with copy_of(shop, tmp_path / "states"):
        old = everything()
        import_again()
        new = fleet_state()
        dispose_engine()
    left = Counter(kill_in_commit(shop, tmp_path / f"commit {number}", old, new) for number in range(COMMITS))
    missed = 0
    for number, planned in enumerate(moments(2, median(lengths))):
        moment, killed = planned, False
        while not killed:  # a round in which the import was faster than the kill proves nothing
            with copy_of(shop, tmp_path / f"round {number}, {missed} missed") as database:
                with at_work(import_a_day_later) as child:
                    time.sleep(moment)
                    killed = child.kill()
                wait_until_alone(database)
                left[check_state_and_repeat(old, new)] += killed
                dispose_engine()
            if not killed:
                moment, missed = moment * 0.8, missed + 1
                assert missed < 5 * ROUNDS
    length = f"{median(lengths):.2f} s ({missed} more came too late)"
    print(f"{shop.engine}: {left.total()} kills within {length}, left {dict(left)}")
    assert left.total() == ROUNDS + COMMITS


def length_of_import(shop: Database, folder: Path) -> float:
    """Return how many seconds an import takes that nobody kills."""
    with copy_of(shop, folder), at_work(import_a_day_later) as child:
        start = time.monotonic()
        child.wait_for(DONE)
        return time.monotonic() - start


def kill_in_commit(shop: Database, folder: Path, old: dict[str, Rows], new: dict[str, list[str]]) -> str:
    """Kill an import within the few milliseconds of its commit; return what :func:`check_state_and_repeat` found."""
    with copy_of(shop, folder) as database:
        with at_work(import_a_day_later) as child:
            child.take(1)
            time.sleep(Random(folder.name).random() * 0.008)
            child.kill()
        wait_until_alone(database)
        left = check_state_and_repeat(old, new)
        dispose_engine()
    return left


def check_state_and_repeat(old: dict[str, Rows], new: dict[str, list[str]]) -> str:
    """Check that a killed import left all or nothing, and that the next one ends in the same state; tell which."""
    assert rows_of(ScanRun, status=ScanStatus.RUNNING) == []
    left = "the old state" if everything() == old else "the new state"
    if left == "the new state":
        assert fleet_state() == new
    import_again()
    repeated = fleet_state()
    if left == "the old state":
        assert repeated == new
    assert [repeated[table] for table in FLEET] == [new[table] for table in FLEET]
    return left


def test_a_killed_disconnection_goes_on_where_it_was(shop: Database, tmp_path: Path) -> None:
    batches, rng = 50, Random(3)
    kills = 0
    for number, part in enumerate((0.1, 0.3, 0.5, 0.7, 0.95)):
        with copy_of(shop, tmp_path / f"round {number}") as database:
            with at_work(disconnect) as child:
                child.take(int(batches * part))
                time.sleep(rng.random() * 0.01)
                assert child.kill(), "it had disconnected everything before the kill"
            wait_until_alone(database)
            assert 0 < len(rows_of(Instance)) < 5_000
            assert rows_of(Account)[0]["disconnecting_at"] is not None
            admin, acme = find_actor("admin", "acme")
            gone = disconnect_account(get_db_session, admin, tenant_id=acme, name="shop")
            assert gone["instances"] == 5_000, "what it held before the kill"
            for table in (*FLEET, "scan_runs", "scan_units"):
                assert everything()[table] == []
            trail = [row["event"] for row in everything()["audit_logs"] if row["resource"] == "shop"]
            assert trail == ["account.imported", "account.disconnecting", "account.disconnected"]
            kills += 1
            dispose_engine()
    print(f"{shop.engine}: {kills} disconnections killed and gone on")
