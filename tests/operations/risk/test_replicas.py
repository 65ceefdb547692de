"""Replicas: what an announcement plans, who takes over, what is down meanwhile, whatever the order."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import (
    Account,
    DowntimeLog,
    GlobalRiskEvent,
    Instance,
    InstanceState,
    SpotPoolRisk,
    get_db_session,
    read_session,
)
from spothive.errors import InvalidInput, NotFound
from spothive.operations.fleet import list_accounts, list_instances, summarise_fleet
from spothive.operations.fleet.listing import InstanceFilter
from spothive.operations.risk import (
    EventOutcome,
    EventResult,
    ReplicaOutcome,
    ReplicaResult,
    list_replicas,
    record_replica_outcome,
)
from spothive.operations.risk.replicas import TWO_MINUTES, Consequence
from tests.conftest import settings
from tests.factories.spot_events import REBALANCE, spot_event
from tests.operations.conftest import World, audited
from tests.operations.risk.conftest import IN_LAB, IN_PROD, LAB, THEIRS, at_once, block, hit, price, replicas, told
from tests.watching import everything, rows_of

STARTED, OTHER = "i-000000000000000aa", "i-000000000000000bb"
HOUR_AGO = timedelta(hours=1)


def now() -> datetime:
    return utc_now().replace(microsecond=0)


def outcome(world: World, replica: str, what: str, **facts: Any) -> ReplicaResult:
    with get_db_session(tenant=world.acme) as session:
        return record_replica_outcome(session, world.anna, replica=replica, outcome=ReplicaOutcome(what), **facts)


def launched(world: World, replica: str, **facts: Any) -> ReplicaResult:
    return outcome(world, replica, "launched", **{"instance_id": STARTED, **facts})


def rebalance(world: World, **facts: Any) -> EventResult:
    return told(world, hit(kind=REBALANCE, **facts))


def followed(result: EventResult) -> Consequence:
    assert result.consequence is not None
    return result.consequence


def planned(world: World) -> str:
    """Have a replica planned; return the id it is planned under."""
    name = followed(rebalance(world)).planned
    assert name is not None
    return name


def become(state: InstanceState, instance_id: str = IN_PROD) -> None:
    """Let discovery find an instance in another state."""
    (row,) = rows_of(Instance, instance_id=instance_id)
    ended = utc_now() if state is InstanceState.TERMINATED else None
    with get_db_session(tenant=row["tenant_id"]) as session:
        found = update(Instance).where(Instance.id == row["id"])
        session.execute(found.values(state=state, terminated_at=ended))


def test_a_rebalance_notice_plans_a_replica(fleet: World) -> None:
    price("us-east-1b", "0.03")
    price("us-east-1c", "0.02")
    before = now()
    with settings(SPOTHIVE_REPLICA_LIFETIME="7200"):
        result = rebalance(fleet, event_id="e-1")
    (row,) = replicas()
    (primary,) = rows_of(Instance, instance_id=IN_PROD)
    same = ("tenant_id", "account_id", "cluster_id", "instance_type", "region", "lifecycle", "pipeline_mode")
    assert [row[name] for name in same] == [primary[name] for name in same]
    assert row["instance_id"] == f"planned-{row['id'].hex}"
    assert (row["availability_zone"], row["state"], row["content_hash"]) == ("us-east-1c", "pending", 0)
    assert (row["replica_of_id"], row["auth_status"]) == (primary["id"], "authorized")
    assert timedelta(0) <= row["replica_expiry"] - before - timedelta(hours=2) < timedelta(minutes=1)
    assert result.consequence == Consequence("replica planned in us-east-1c", row["instance_id"], "us-east-1c")
    assert result.reason == "recorded; blocks nothing; replica planned in us-east-1c"
    ((*_, after),) = audited(event="event.recorded")
    assert (after["planned"], after["zone"], after["counted"]) == (row["instance_id"], "us-east-1c", False)
    rebalance(fleet, event_id="e-1")
    rebalance(fleet, event_id="e-2")
    assert len(replicas()) == 1
    block("us-east-1b")
    block("us-east-1c")
    lab = told(fleet, spot_event(account=LAB, instance_id=IN_LAB, kind=REBALANCE))
    assert followed(lab) == Consequence("every known pool of its type is blocked: no replica")


def test_a_planned_replica_is_no_part_of_the_fleet(fleet: World) -> None:
    def seen() -> list[Any]:
        with read_session(tenant=fleet.acme) as session:
            accounts = [(each.account.account_name, each.instances) for each in list_accounts(session)]
            listed = [each.instance.instance_id for each in list_instances(session, InstanceFilter())]
            return [accounts, listed, summarise_fleet(session, "lifecycle")]

    before = seen()
    name = planned(fleet)
    assert seen() == before
    launched(fleet, name)
    accounts, listed, ((group),) = seen()
    assert (accounts[0][1], len(listed), group.billed, group.instances) == (2, 3, 3, 3)


def test_no_replica_for_what_is_gone_announced_or_a_replica(fleet: World) -> None:
    block("us-east-1c", hours=-1)
    name = planned(fleet)
    launched(fleet, name)
    for event in (rebalance(fleet), told(fleet, hit(kind=REBALANCE, instance_id=STARTED))):
        assert followed(event).planned is None
    assert outcome(fleet, STARTED, "stopped").changed
    for state in (InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED):
        become(state)
        assert followed(rebalance(fleet)).reason == "it is gone"
    become(InstanceState.RUNNING)
    assert followed(told(fleet, hit())).planned is not None
    outcome(fleet, replicas(terminated_at=None)[0]["instance_id"], "failed")
    late = rebalance(fleet, at=now() - HOUR_AGO)
    assert followed(late).reason == "its end was announced before"
    assert replicas(terminated_at=None) == []


def test_a_replica_that_stands_by_takes_over(fleet: World) -> None:
    launched(fleet, planned(fleet))
    (row,) = replicas()
    assert (row["instance_id"], row["state"]) == (STARTED, "running")
    result = told(fleet, hit())
    assert result.reason == f"recorded; blocks its pool; replica {STARTED} took over"
    assert (replicas(), rows_of(DowntimeLog)) == ([], [])
    (row,) = rows_of(Instance, instance_id=STARTED)
    assert (row["replica_of_id"], row["replica_expiry"], row["state"]) == (None, None, "running")
    assert audited(event="event.recorded")[-1][-1]["promoted"] == STARTED
    again = told(fleet, hit())
    assert followed(again).reason == "its end was announced before"
    assert (replicas(), rows_of(DowntimeLog)) == ([], [])
    (pool,) = rows_of(SpotPoolRisk)
    assert pool["interruption_count"] == 2, "the pool counts each notice"


def test_without_a_replica_the_outage_begins_when_aws_takes_the_instance(fleet: World) -> None:
    block("us-east-1c", hours=-1)
    at = now() - HOUR_AGO
    first = told(fleet, hit(at=at))
    (row,), (down,) = replicas(), rows_of(DowntimeLog)
    assert (down["instance_id"], down["cause"], down["end_time"]) == (IN_PROD, "no_replica", None)
    assert down["start_time"] == at + TWO_MINUTES == at + timedelta(minutes=2)
    assert (followed(first).planned, followed(first).down_since) == (row["instance_id"], down["start_time"])
    assert followed(first).zone == "us-east-1c"
    told(fleet, hit(at=at + timedelta(minutes=1)))
    assert (replicas(), rows_of(DowntimeLog)) == ([row], [down]), "the second notice of an instance changes neither"
    result = launched(fleet, row["instance_id"], at=at + timedelta(minutes=7, microseconds=5))
    assert (result.promoted, result.outages_ended) == (True, 1)
    (down,) = rows_of(DowntimeLog)
    assert (down["duration_seconds"], replicas()) == (300, [])
    assert [len(audited(event=event)) for event in ("event.recorded", "replica.launched")] == [2, 1]


def state_after(fleet: World, order: tuple[str, ...], at: datetime) -> Any:
    """Do three things in an order; return what is then told of replicas, outages and pool."""
    name = ""
    for what in order:
        if what == "launched":
            launched(fleet, name, at=at + timedelta(minutes=5))
            continue
        kind = {"kind": REBALANCE} if what == "rebalance" else {}
        result = told(fleet, hit(event_id=what, at=at, **kind))
        name = followed(result).planned or name
    (row,) = rows_of(Instance, instance_id=STARTED)
    down = [(row["start_time"], row["end_time"], row["cause"]) for row in rows_of(DowntimeLog)]
    pools = [(row["interruption_count"], row["poison_expires_at"]) for row in rows_of(SpotPoolRisk)]
    return replicas(), row["is_replica"], down, pools, len(rows_of(GlobalRiskEvent))


ORDERS = [order for order in permutations(("rebalance", "launched", "termination")) if order[0] != "launched"]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_every_order_ends_in_the_same_state(fleet: World, order: tuple[str, ...]) -> None:
    block("us-east-1c", hours=-1)
    at = now() - HOUR_AGO
    gap = (at + timedelta(minutes=2), at + timedelta(minutes=5), "no_replica")
    left, is_replica, down, pools, events = state_after(fleet, order, at)
    assert (left, is_replica, down, events) == ([], False, [gap], 2)
    assert (1, at + timedelta(days=15)) in pools


def test_a_replica_that_aws_takes_or_that_stopped_is_given_up(fleet: World) -> None:
    block("us-east-1b", hours=-1)
    block("us-east-1c", hours=-1)
    launched(fleet, planned(fleet))
    result = told(fleet, hit(instance_id=STARTED))
    assert (followed(result).retired, rows_of(DowntimeLog)) == (STARTED, [])
    (row,) = replicas()
    assert (row["state"], row["terminated_at"] is not None) == ("terminated", True)
    launched(fleet, planned(fleet), instance_id=OTHER)
    become(InstanceState.STOPPED, OTHER)
    first = followed(told(fleet, hit()))
    assert (first.retired, first.planned is not None, first.down_since is not None) == (OTHER, True, True)
    assert len(replicas(terminated_at=None)) == 1


def test_a_notice_makes_a_planned_replica_last(fleet: World) -> None:
    name = planned(fleet)
    with get_db_session(tenant=fleet.acme) as session:
        session.execute(update(Instance).where(Instance.is_replica).values(replica_expiry=now()))
    result = followed(told(fleet, hit()))
    assert (result.planned, result.reason) == (None, "no replica stands by yet")
    (row,) = replicas()
    assert row["instance_id"] == name
    assert row["replica_expiry"] > now() + timedelta(hours=5)


def test_one_that_was_found_gone_before_its_notice_came(fleet: World) -> None:
    block("us-east-1c", hours=-1)
    name, at = planned(fleet), now() - HOUR_AGO
    become(InstanceState.TERMINATED)
    assert launched(fleet, name, at=at).promoted
    (noted,) = rows_of(DowntimeLog)
    assert noted["duration_seconds"] == 0
    late = followed(told(fleet, hit(at=at - timedelta(minutes=12))))
    assert (late.reason, late.planned) == ("its replica took over before, late", None)
    down = [row["duration_seconds"] for row in rows_of(DowntimeLog)]
    assert (down, replicas()) == ([0, 600], [])


def test_nobody_learns_of_anothers_replicas(fleet: World) -> None:
    name = planned(fleet)
    told(fleet, hit(account=THEIRS, instance_id="i-00000000000000003", kind=REBALANCE))
    with read_session(tenant=fleet.globex) as session:
        (theirs,) = list_replicas(session)
    assert theirs.primary.instance_id == "i-00000000000000003"
    before, answers = everything(), set()
    for unknown in (name, f"planned-{'0' * 32}"):
        with pytest.raises(NotFound) as refusal, get_db_session(tenant=fleet.globex) as session:
            record_replica_outcome(session, fleet.gina, replica=unknown, outcome=ReplicaOutcome.FAILED)
        answers.add(str(refusal.value).replace(unknown, "it"))
    assert len(answers) == 1
    assert everything() == before
    with read_session(tenant=fleet.acme) as session:
        (mine,) = list_replicas(session)
        assert (mine.replica.instance_id, mine.primary.instance_id) == (name, IN_PROD)
        for limit in (0, 10_001):
            with pytest.raises(InvalidInput):
                list_replicas(session, limit=limit)
    assert {row["account_name"] for row in rows_of(Account)} >= {mine.account_name}


def test_copies_late_and_shuffled_events_plan_one_replica_and_one_takes_over(fleet: World) -> None:
    block("us-east-1c", hours=-1)
    at = now() - HOUR_AGO
    events = [hit(event_id=f"r-{number}", kind=REBALANCE, at=at) for number in range(3)]
    events += [hit(event_id=f"t-{number}", at=at + timedelta(seconds=number)) for number in range(2)]
    shuffled = events * 10
    random.Random(11).shuffle(shuffled)
    outcomes = at_once(fleet, shuffled)
    assert outcomes.count(EventOutcome.RECORDED) == len(events)
    (row,) = replicas()
    (down,) = rows_of(DowntimeLog)
    (pool,) = [each for each in rows_of(SpotPoolRisk) if each["interruption_count"]]
    assert (len(rows_of(GlobalRiskEvent)), pool["interruption_count"]) == (len(events), 2)
    assert pool["last_interruption"] == at + timedelta(seconds=1)
    assert down["start_time"] in {at + TWO_MINUTES, at + TWO_MINUTES + timedelta(seconds=1)}, "of whichever came first"
    told_of = [after for *_, after in audited(event="event.recorded")]
    assert len(told_of) == len(events)
    assert [len([after for after in told_of if name in after]) for name in ("planned", "down_since")] == [1, 1]
    assert launched(fleet, row["instance_id"]).outages_ended == 1


def test_a_replica_that_is_made_up_blocks_no_pool(fleet: World) -> None:
    block("us-east-1c", hours=-1)
    launched(fleet, planned(fleet))
    result = told(fleet, hit(instance_id=STARTED))
    assert (result.pool_id, result.blocked_until) == ("us-east-1:us-east-1c:m5.large", None)
    assert [row["interruption_count"] for row in rows_of(SpotPoolRisk)] == [0]
