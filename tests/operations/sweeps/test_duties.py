"""What each duty does, and that it does nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive import signing
from spothive.anchor import Anchor
from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    ApprovalAction,
    ApprovalRequest,
    AuditLog,
    AuditSeal,
    ComponentHealth,
    ComponentStatus,
    Decision,
    DecisionRollup,
    ExperimentStatus,
    Instance,
    LabExperiment,
    ScanKind,
    ScanRun,
    ScanStatus,
    SpotPoolRisk,
    TestType,
    get_db_session,
    system_scope,
)
from spothive.database.system_logs import Health
from spothive.operations.actor import Actor
from spothive.operations.approvals import set_auto_approval
from spothive.operations.identity import set_tenant_active
from spothive.operations.risk import pools, tidy_pools
from spothive.operations.risk.pools import block_pool
from spothive.operations.sweeps import Outcome, Tools, duties
from spothive.schema.states import move
from spothive.signing import SigningKeys
from tests.conftest import Database
from tests.factories import make_account, make_instance
from tests.factories.approvals import ask_earlier, make_machine
from tests.factories.decisions import decide, decision, midnight, model
from tests.operations.conftest import World, audited
from tests.operations.risk.conftest import block
from tests.operations.sweeps.conftest import did
from tests.schema.waiting import until_blocked
from tests.watching import everything, rows_of, statements

OURS = "spothive (sweep)"
TOLD = {"audit_logs", "system_logs", "sweep_leases"}
TELLING = {"notices", "email_logs"}


def changed(before: dict[str, Any]) -> set[str]:
    """Return the tables that differ from before, but for what every run writes."""
    after = everything()
    return {name for name in before if before[name] != after[name]} - TOLD


def ask_switch(actor: Actor, machine_id: UUID, before: timedelta) -> None:
    ask_earlier(actor, machine_id, before, action=ApprovalAction.SWITCH_INSTANCE)


# --- expiries and leases ------------------------------------------------------------------------------------------


def test_requests_and_replicas_past_their_time_are_ended_in_every_tenant(
    db: Database, world: World, tools: Tools
) -> None:
    for actor in (world.udo, world.gina):
        machine = make_machine(actor.home_tenant_id)
        ask_switch(actor, machine.id, timedelta(hours=25))
        ask_switch(actor, make_machine(actor.home_tenant_id).id, timedelta(minutes=5))
        for primary, ends in ((machine, -1), (make_machine(actor.home_tenant_id), 60)):
            expiry = utc_now() + timedelta(minutes=ends)
            facts: dict[str, Any] = {"is_replica": True, "replica_of_id": primary.id, "replica_expiry": expiry}
            make_instance(actor.home_tenant_id, primary.account_id, f"planned-{uuid4().hex[:8]}", **facts)
    before = everything()
    run = did(world, tools, "expiries")
    assert (run.outcome, run.counts) == (Outcome.DONE, {"approvals": 2, "replicas": 2})
    assert sorted(row["status"] for row in rows_of(ApprovalRequest)) == ["EXPIRED"] * 2 + ["PENDING"] * 2
    assert sorted(row["state"] for row in rows_of(Instance, is_replica=True)) == ["running"] * 2 + ["terminated"] * 2
    assert changed(before) == {"approval_requests", "instances", *TELLING}
    rows = rows_of(AuditLog, event="approvals.expired")
    assert [(row["tenant_id"], row["actor_id"], row["actor_name"]) for row in rows] == [
        (world.acme, None, OURS),
        (world.globex, None, OURS),
    ]
    assert did(world, tools, "expiries").counts == {}


def test_a_suspended_tenant_is_looked_after_all_the_same(db: Database, world: World, tools: Tools) -> None:
    ask_switch(world.udo, make_machine(world.acme).id, timedelta(hours=25))
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=False)
    assert did(world, tools, "expiries").counts["approvals"] == 1


def test_statements_do_not_grow_with_a_tenant(db: Database, world: World, tools: Tools) -> None:
    def sent(count: int) -> int:
        for _ in range(count):
            ask_switch(world.udo, make_machine(world.acme).id, timedelta(hours=25))
            a_run(world.acme, leased_minutes=-1)
        with statements() as counted:
            assert did(world, tools, "expiries").counts["approvals"] == count
            assert did(world, tools, "leases").counts["scans"] == count
        return counted.total()

    sent(1)
    assert sent(2) == sent(9)


def a_run(tenant_id: Any, *, leased_minutes: float, account: Account | None = None, **facts: Any) -> ScanRun:
    account = account or make_account(tenant_id)
    until = utc_now() + timedelta(minutes=leased_minutes)
    run = ScanRun(
        account_id=account.id,
        **{"kind": ScanKind.DISCOVERY, **facts},
        units_expected=1,
        lease_token=uuid4(),
        leased_until=until,
    )
    with get_db_session(tenant=tenant_id) as session:
        session.add(run)
    return run


def test_scans_of_dead_processes_are_ended_and_no_others(db: Database, world: World, tools: Tools) -> None:
    account = make_account(world.acme)
    dead = [a_run(world.acme, leased_minutes=-1, account=account, kind=kind) for kind in ScanKind]
    theirs = a_run(world.globex, leased_minutes=-0.01)
    alive = a_run(world.acme, leased_minutes=1)
    with get_db_session(tenant=world.acme) as session:
        ended = a_run(world.acme, leased_minutes=-1)
        move(session, session.get_one(ScanRun, ended.id), ScanRun.status, ScanStatus.PARTIAL, finished_at=utc_now())
    before = everything()
    run = did(world, tools, "leases")
    assert run.counts == {"scans": 4}
    assert changed(before) == {"scan_runs", *TELLING}
    found = {row["id"]: row for row in rows_of(ScanRun)}
    for one in (*dead, theirs):
        row = found[one.id]
        assert (row["status"], row["error"]) == (
            ScanStatus.FAILED,
            "its process stopped without a word; its lease was over",
        )
    assert (found[alive.id]["status"], found[ended.id]["status"]) == (ScanStatus.RUNNING, ScanStatus.PARTIAL)
    assert [row[1:] for row in audited(event="scans.ended", tenant_id=world.acme)] == [
        ("scans", "SUCCESS", OURS, None, {"failed": 3})
    ]


def test_experiments_of_dead_workers_are_ended_and_those_of_people_are_not(
    db: Database, world: World, tools: Tools
) -> None:
    now, model_id = utc_now(), model("1")
    for name, leased in (("dead", -1), ("alive", 1), ("by hand", None)):
        facts = {"model_id": model_id, "instance_id": "i-1", "test_type": TestType.BIN_PACKING}
        lease = {} if leased is None else {"lease_token": uuid4(), "leased_until": now + timedelta(minutes=leased)}
        with get_db_session(tenant=world.acme) as session:
            row = LabExperiment(name=name, **facts)
            session.add(row)
            session.flush()
            move(session, row, LabExperiment.status, ExperimentStatus.RUNNING, started_at=now, **lease)
    before = everything()
    assert did(world, tools, "leases").counts == {"experiments": 1}
    assert changed(before) == {"lab_experiments"}
    found = {row["name"]: (row["status"], row["lease_token"] is None) for row in rows_of(LabExperiment)}
    assert found["dead"] == ("FAILED", True)
    assert found["alive"] == ("RUNNING", False)
    assert found["by hand"] == ("RUNNING", True)


# --- risk ---------------------------------------------------------------------------------------------------------


def test_pools_whose_block_is_over_are_tidied(db: Database, world: World, tools: Tools) -> None:
    for zone, hours in (("us-east-1a", -0.01), ("us-east-1b", -400), ("us-east-1c", 0.01)):
        block(zone, hours=hours)
    before = everything()
    assert did(world, tools, "risk").counts == {"pools": 2}
    assert changed(before) == {"spot_pool_risks"}
    poisoned = {row["availability_zone"]: row["is_poisoned"] for row in rows_of(SpotPoolRisk)}
    assert poisoned == {"us-east-1a": False, "us-east-1b": False, "us-east-1c": True}
    assert did(world, tools, "risk").counts == {}
    assert [row[1:] for row in audited(event="pools.tidied")] == [("pools", "SUCCESS", OURS, None, {"tidied": 2})]


def test_pools_are_tidied_in_bounded_transactions(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "TIDIED_AT_ONCE", 2)
    monkeypatch.setattr(duties, "TIDIED_AT_ONCE", 2)
    for zone in "abcde":
        block(f"us-east-1{zone}", hours=-1)
    assert did(world, tools, "risk").counts == {"pools": 5}
    assert [row[-1] for row in audited(event="pools.tidied")] == [{"tidied": 2}, {"tidied": 2}, {"tidied": 1}]


PLACE = {
    "pool_id": "us-east-1:us-east-1a:m5.large",
    "region": "us-east-1",
    "availability_zone": "us-east-1a",
    "instance_type": "m5.large",
}


def test_a_notice_that_is_being_written_is_not_undone(db: Database, world: World, tools: Tools) -> None:
    """It has the pool locked: the duty looks at the pool again the next time."""
    block("us-east-1a", hours=-1)
    runs: list[Any] = []
    sweeper = Thread(target=lambda: runs.append(did(world, tools, "risk")))
    with get_db_session() as session, system_scope(session, "test"):
        block_pool(session, PLACE, utc_now())
        session.flush()
        sweeper.start()
        if db.engine == "postgresql":  # SQLite lets nobody else write meanwhile
            sweeper.join(30)
            assert [run.counts for run in runs] == [{}]
    sweeper.join(30)
    assert [run.counts for run in runs] == [{}]
    (row,) = rows_of(SpotPoolRisk)
    assert row["is_poisoned"]
    assert row["poison_expires_at"] > utc_now()


@pytest.mark.engines("postgresql")
def test_a_notice_waits_for_the_tidying_and_blocks_then(db: Database, world: World) -> None:
    block("us-east-1a", hours=-1)

    def notice() -> None:
        with get_db_session() as session, system_scope(session, "test"):
            assert block_pool(session, PLACE, utc_now())

    other = Thread(target=notice)
    with get_db_session(tenant=world.admin.home_tenant_id) as session:
        assert tidy_pools(session, world.admin) == 1
        other.start()
        until_blocked(db)
    other.join(30)
    (row,) = rows_of(SpotPoolRisk)
    assert row["is_poisoned"]
    assert row["poison_expires_at"] > utc_now()


# --- once for all -------------------------------------------------------------------------------------------------


@pytest.mark.own_server
def test_decisions_of_finished_days_are_counted(db: Database, world: World, tools: Tools) -> None:
    decide(decision(make_machine(world.acme), midnight(3), Decision.HOLD))
    run = did(world, tools, "rollups")
    assert (run.outcome, run.counts) == (Outcome.DONE, {"days": 1, "decisions": 1})
    assert len(rows_of(DecisionRollup)) == 1
    assert rows_of(AuditLog, event="decisions.counted")[0]["actor_name"] == OURS


@pytest.mark.own_server
def test_trails_are_sealed_and_without_a_key_it_is_said_how_to_make_one(
    db: Database, world: World, tools: Tools, tmp_path: Path
) -> None:
    run = did(world, tools, "sealing")
    assert run.outcome is Outcome.PARTIAL
    assert "`spothive audit init`" in run.failures["audit trail"]
    assert not rows_of(AuditSeal)
    keys, anchor = SigningKeys(signing.new_signer()), tmp_path / "anchor.jsonl"
    with_keys = replace(tools, signing_keys=lambda: keys, anchor=lambda: Anchor(anchor))
    run = did(world, with_keys, "sealing")
    assert (run.outcome, run.counts["seals"]) == (Outcome.DONE, 3)
    assert {row["tenant_id"] for row in rows_of(AuditSeal)} == {world.acme, world.globex, PLATFORM_TENANT_ID}
    lines = anchor.read_text().splitlines(keepends=True)
    forged = [line.replace('"seal_no":1', '"seal_no":7') if str(world.acme) in line else line for line in lines]
    anchor.write_text("".join(forged))
    with get_db_session(tenant=world.globex) as session:
        set_auto_approval(session, world.gina, on=True)
    run = did(world, with_keys, "sealing")
    assert (run.outcome, run.counts["seals"]) == (Outcome.PARTIAL, 1)
    assert list(run.failures) == ["acme"]


def test_parts_are_checked_and_one_that_is_down_is_named(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = did(world, tools, "health")
    assert run.outcome is Outcome.DONE
    assert len(rows_of(ComponentHealth)) == sum(run.counts.values()) == 5
    down = Health("model", ComponentStatus.DOWN, "the file is not there", utc_now())
    monkeypatch.setattr(duties, "check_health", lambda *_, **__: [down])
    run = did(world, tools, "health")
    assert (run.outcome, run.failures) == (Outcome.PARTIAL, {"model": "the file is not there"})
