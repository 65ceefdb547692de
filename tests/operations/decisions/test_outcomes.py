"""What became of a switch, and what it cost if it lost its source first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.errors import Conflict, Denied, IllegalMove, InvalidInput, NotFound
from spothive.models import DecisionStatus, DowntimeLog, ExperimentLog, Instance
from spothive.operations.actor import Actor
from spothive.operations.decisions import record_switch_outcome, set_shadow_mode
from tests.conftest import Database
from tests.factories.samples import sample
from tests.operations.conftest import World, audited
from tests.watching import rows_of

ACTED, REVERTED = DecisionStatus.ACTED, DecisionStatus.REVERTED
NEW = "i-0123456789abcdef0"


def make_decision(world: World, instance: str = "i-prod", **facts: Any) -> UUID:
    """Write a SWITCH of an hour ago, as if it had been decided."""
    (row,) = rows_of(Instance, instance_id=instance)
    parents = {"tenants": world.acme, "accounts": row["account_id"], "instances": row["id"], "ml_models": None}
    where = {"selected_instance_type": "m6i.large", "selected_availability_zone": "eu-west-1b"}
    ago = utc_now() - timedelta(hours=1)
    values = {"decision": "SWITCH", "execution_time": ago, **where, **facts}
    made = sample("experiment_logs", parents, **values)
    with get_db_session(tenant=world.acme) as session:
        session.add(ExperimentLog(**made))
    found: UUID = made["id"]
    return found


def tell(world: World, decision: UUID, status: DecisionStatus, actor: Actor | None = None, **facts: Any) -> None:
    with get_db_session(tenant=world.acme) as session:
        record_switch_outcome(session, actor or world.anna, decision_id=decision, status=status, **facts)


def status_of(decision: UUID) -> str:
    (row,) = rows_of(ExperimentLog, id=decision)
    return str(row["status"])


def test_a_switch_is_made_and_may_be_taken_back(db: Database, world: World, lab: str) -> None:
    decision = make_decision(world)
    with pytest.raises(IllegalMove):
        tell(world, decision, REVERTED)
    tell(world, decision, ACTED, instance_id=NEW)
    with pytest.raises(IllegalMove):
        tell(world, decision, ACTED)
    tell(world, decision, REVERTED)
    with pytest.raises(IllegalMove):
        tell(world, decision, ACTED)
    assert status_of(decision) == "REVERTED"
    assert rows_of(DowntimeLog) == []
    assert [row[4:] for row in audited(event="decision.outcome")] == [
        ({"status": "RECORDED"}, {"status": "ACTED", "instance": "i-prod", "taken_over_by": NEW}),
        ({"status": "ACTED"}, {"status": "REVERTED", "instance": "i-prod"}),
    ]


def test_what_was_recorded_only_is_never_acted_upon(db: Database, world: World, lab: str) -> None:
    for facts, words in (
        ({"is_shadow_run": True}, "is a shadow run, recorded only"),
        ({"decision": "HOLD"}, "is a HOLD"),
        ({"decision": "FAILED", "error_message": "no model"}, "is a FAILED"),
    ):
        decision = make_decision(world, **facts)
        with pytest.raises(Conflict, match=words):
            tell(world, decision, ACTED)
        assert status_of(decision) == "RECORDED"
    with pytest.raises(NotFound, match="no decision has the id"):
        tell(world, uuid4(), ACTED)


def test_a_source_that_was_lost_first_is_charged_to_the_second(db: Database, world: World, lab: str) -> None:
    decision = make_decision(world)
    lost = (utc_now() - timedelta(minutes=10)).replace(microsecond=300_000)
    tell(world, decision, ACTED, source_lost_at=lost, target_ready_at=lost + timedelta(seconds=42))
    (outage,) = rows_of(DowntimeLog)
    told = outage["instance_id"], outage["cause"], outage["decision_id"], outage["duration_seconds"]
    assert told == ("i-prod", "emergency_switch", decision, 42)
    assert outage["start_time"] == lost.replace(microsecond=0)
    (row,) = audited()[-1:]
    assert (row[0], row[5]["downtime_seconds"]) == ("decision.outcome", 42)

    in_time = make_decision(world)
    tell(world, in_time, ACTED, source_lost_at=lost, target_ready_at=lost - timedelta(seconds=1))
    assert len(rows_of(DowntimeLog)) == 1


def test_times_that_cannot_be(db: Database, world: World, lab: str) -> None:
    decision, now = make_decision(world), utc_now()
    hour = timedelta(hours=1)
    cases: list[tuple[datetime | None, datetime | None, str]] = [
        (now, None, "say both"),
        (None, now, "say both"),
        (now, now + hour, "in the future"),
        (now - 2 * hour, now, "before the decision"),
    ]
    for lost, ready, words in cases:
        with pytest.raises(InvalidInput, match=words):
            tell(world, decision, ACTED, source_lost_at=lost, target_ready_at=ready)
    assert status_of(decision) == "RECORDED"
    assert rows_of(DowntimeLog) == []


def test_what_took_over_has_an_id_of_ec2(db: Database, world: World, lab: str) -> None:
    decision = make_decision(world)
    for wrong in ("", "new", "i-123", "I-0123456789abcdef0", f"{NEW}\n", f"{NEW}0", "i-" + 60 * "0"):
        with pytest.raises(InvalidInput, match=r"^what took over has an id of EC2's, such as i-0123456789abcdef0; got"):
            tell(world, decision, ACTED, instance_id=wrong)
    assert status_of(decision) == "RECORDED"


def test_of_many_who_tell_at_once_one_is_heard(db: Database, world: World, lab: str) -> None:
    decision, start = make_decision(world), Barrier(6)
    lost = utc_now() - timedelta(minutes=10)

    def work(_: int) -> bool:
        start.wait()
        try:
            tell(world, decision, ACTED, source_lost_at=lost, target_ready_at=lost + timedelta(seconds=5))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(work, range(6))) == [False] * 5 + [True]
    assert len(rows_of(DowntimeLog)) == 1
    assert len(audited(event="decision.outcome")) == 1


def test_who_may(db: Database, world: World, lab: str) -> None:
    prod, of_lab = make_decision(world), make_decision(world, lab)
    with pytest.raises(Denied, match=r"^lena "):
        tell(world, prod, ACTED, actor=world.lena)
    tell(world, of_lab, ACTED, actor=world.lena)
    assert (status_of(prod), status_of(of_lab)) == ("RECORDED", "ACTED")
    with get_db_session(tenant=world.acme) as session, pytest.raises(Denied, match=r"^lena "):
        set_shadow_mode(session, world.lena, instance_id="i-prod", on=True)
    for on in (True, True, False):
        with get_db_session(tenant=world.acme) as session:
            assert set_shadow_mode(session, world.lena, instance_id=lab, on=on).is_shadow_mode is on
    assert [row[4:] for row in audited(event="instance.shadow", outcome="SUCCESS")] == [
        ({"is_shadow_mode": False}, {"is_shadow_mode": True}),
        ({"is_shadow_mode": True}, {"is_shadow_mode": False}),
    ]
    with get_db_session(tenant=world.globex) as session, pytest.raises(NotFound):
        set_shadow_mode(session, world.gina, instance_id=lab, on=True)
