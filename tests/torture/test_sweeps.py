"""Whoever sweeps is killed anywhere: another goes on when the lease is over, and nothing is done by two."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    ApiUsage,
    AuditLog,
    LoginHistory,
    SweepLease,
    SystemLog,
    dispose_engine,
    get_db_session,
    system_scope,
)
from spothive.database.seed_data import seed_initial_data
from spothive.operations.identity import find_actor
from spothive.operations.sweeps import Duty, Outcome, sweep
from tests.conftest import Database, settings
from tests.factories import make_tenant
from tests.torture.conftest import wait_until_alone
from tests.torture.processes import STEP, Child, all_at_once
from tests.torture.sweep_works import delete_old_rows_in_steps, hold_a_duty, lead_again_and_again, tools
from tests.watching import rows_of

pytestmark = pytest.mark.torture

LEASE = 2
OLD, YOUNG, BATCH = 1500, 40, 10
PROCESSES, SECONDS = 4, 5.0


def test_when_the_leader_is_killed_another_takes_over_after_its_lease(db: Database) -> None:
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    with settings(SPOTHIVE_SWEEP_LEASE=str(LEASE)):
        with Child(hold_a_duty) as leader:
            leader.go()
            leader.take(1)
            (held,) = rows_of(SweepLease)
            time.sleep(1.5 * LEASE)  # it beats on, longer than one lease
            (later,) = rows_of(SweepLease)
            assert (later["holder"], later["leased_until"] > held["leased_until"]) == (held["holder"], True)
            assert attempt(admin) == []
            assert leader.kill()
        dispose_engine()
        killed_at = time.monotonic()
        (left,) = rows_of(SweepLease)
        assert left["leased_until"] <= utc_now() + timedelta(seconds=LEASE)
        while not (runs := attempt(admin)):
            assert time.monotonic() - killed_at < 10 * LEASE, "nobody may take the duty over"
            time.sleep(0.02)
        taken_at = utc_now()
    assert [run.outcome for run in runs] == [Outcome.DONE]
    assert taken_at >= left["leased_until"], "not before its lease was over"
    (row,) = rows_of(SweepLease)
    assert row["holder"] != held["holder"]
    assert row["last_run_at"] is not None
    print(f"{db.engine}: taken over {time.monotonic() - killed_at:.1f} s after the kill, lease {LEASE} s")


def attempt(admin: Any) -> list[Any]:
    return sweep(get_db_session, admin, tools(), duties=[Duty("risk", "a test", lambda _: None, each_tenant=True)])


def test_retention_that_is_killed_again_and_again_comes_to_its_end(db: Database) -> None:
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    tenants = [make_tenant("acme"), make_tenant("globex"), uuid4()]
    young = write_history(tenants)
    kills = 0
    with settings(SPOTHIVE_SWEEP_LEASE="1"):
        for steps in range(3, 60, 6):
            with Child(delete_old_rows_in_steps, BATCH) as child:
                child.go()
                taken = 0
                while taken < steps and child.hear() == STEP:
                    taken += 1
                kills += child.kill() and taken == steps
            dispose_engine()
            wait_until_alone(db)
            left = {row["id"] for row in rows_of(LoginHistory)}
            assert young <= left
            assert len(left) == len(young) + OLD * len(tenants) - deleted(), "a batch and its audit row are one"
            while free_at() > utc_now():
                time.sleep(0.02)
        (run,) = sweep(get_db_session, admin, tools(), only="retention")
    assert run.outcome is Outcome.DONE
    assert {row["id"] for row in rows_of(LoginHistory)} == young
    assert deleted() == OLD * len(tenants)
    assert kills >= 5
    assert not rows_of(ApiUsage)
    print(f"{db.engine}: {kills} kills, the last run deleted {run.counts}")


def write_history(tenants: list[Any]) -> set[Any]:
    """Write old and young attempts to sign in; return the ids of the young ones."""
    young = set()
    with get_db_session() as session, system_scope(session, "test"):
        for tenant_id in tenants:
            for count, days in ((OLD, 366), (YOUNG, 364)):
                facts = {"login_name": "ann", "login_method": "password", "success": True, "tenant_id": tenant_id}
                moment = utc_now() - timedelta(days=days)
                rows = [{"id": uuid4(), **facts, "timestamp": moment} for _ in range(count)]
                session.execute(insert(LoginHistory), rows)
                young |= {row["id"] for row in rows} if days < 365 else set()
    return young


def deleted() -> int:
    """Return how many rows the audit trail says were deleted."""
    return sum(json.loads(row["diff_after"])["deleted"] for row in rows_of(AuditLog, event="history.deleted"))


def free_at() -> Any:
    return max((row["leased_until"] for row in rows_of(SweepLease)), default=utc_now())


def test_of_many_processes_one_leads_at_a_time(db: Database) -> None:
    seed_initial_data()
    for _ in range(5):
        make_tenant()
    with settings(SPOTHIVE_SWEEP_LEASE="30", SPOTHIVE_SWEEP_LEASES="1"):
        said = all_at_once(PROCESSES, lead_again_and_again, SECONDS)
    turns = sorted(turn for words in said for word in words if isinstance(word, list) for turn in word)
    assert len(turns) >= 3
    assert all(before[1] <= after[0] for before, after in pairwise(turns)), "two led at once"
    assert len(rows_of(SystemLog, component="sweep", tenant_id=PLATFORM_TENANT_ID)) == len(turns)
    print(f"{db.engine}: {len(turns)} turns of {PROCESSES} processes")
