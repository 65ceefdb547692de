"""What became of replicas: told once, told again, told of something else, and past their time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import (
    Account,
    DowntimeLog,
    Instance,
    InstanceState,
    ScanStatus,
    get_db_session,
)
from spothive.errors import Conflict, InvalidInput, NotFound, SpothiveError
from spothive.models import AuthStatus
from spothive.operations.fleet.reconcile import ScanResult, reconcile
from spothive.operations.risk import ReplicasExpired, expire_replicas
from spothive.operations.risk.replicas import Consequence
from tests.factories import make_instance
from tests.factories.fleets import answer_of, observed
from tests.operations.conftest import World, audited
from tests.operations.risk.conftest import IN_LAB, IN_PROD, LAB, at_the_same_time, block, hit, replicas, told
from tests.operations.risk.test_replicas import OTHER, STARTED, become, launched, now, outcome, planned
from tests.watching import everything, rows_of, statements

PLACE = {"region": "us-east-1", "availability_zone": "us-east-1a"}


def account_of(instance_id: str) -> Any:
    return rows_of(Instance, instance_id=instance_id)[0]["account_id"]


def test_an_outcome_has_one_effect_however_often_it_is_told(fleet: World) -> None:
    name = planned(fleet)
    assert launched(fleet, name).changed
    before = everything()
    for again in (name, STARTED):
        assert not launched(fleet, again).changed
    with pytest.raises(Conflict, match=f"runs as {STARTED}: terminate {OTHER}"):
        launched(fleet, name, instance_id=OTHER)
    assert everything() == before
    assert outcome(fleet, name, "stopped").changed, "by the id it was planned under"
    before = everything()
    for what in ("stopped", "failed"):
        assert not outcome(fleet, STARTED, what).changed
    with pytest.raises(Conflict, match="was given up at"):
        launched(fleet, name)
    assert everything() == before
    assert [row[0] for row in audited() if row[0].startswith("replica")] == ["replica.launched", "replica.stopped"]
    another = planned(fleet)
    assert outcome(fleet, another, "failed").reason == "ended"
    assert planned(fleet) not in {name, another}, "the next announcement plans the next"


def test_what_is_no_outcome_is_refused(fleet: World) -> None:
    name, soon = planned(fleet), utc_now() + timedelta(hours=1)
    wrong: list[tuple[type[SpothiveError], dict[str, Any]]] = [
        (InvalidInput, {"replica": name, "outcome": "launched"}),
        (InvalidInput, {"replica": name, "outcome": "launched", "instance_id": "planned-1"}),
        (InvalidInput, {"replica": name, "outcome": "launched", "instance_id": f"{STARTED}\n"}),
        (InvalidInput, {"replica": name, "outcome": "failed", "instance_id": STARTED}),
        (InvalidInput, {"replica": name, "outcome": "failed", "at": soon}),
        (NotFound, {"replica": OTHER, "outcome": "failed"}),
        (NotFound, {"replica": "", "outcome": "failed"}),
        (NotFound, {"replica": name.upper(), "outcome": "failed"}),
        (InvalidInput, {"replica": "\0", "outcome": "failed"}),
        (Conflict, {"replica": IN_PROD, "outcome": "stopped"}),
        (Conflict, {"replica": f"planned-{rows_of(Instance, instance_id=IN_LAB)[0]['id'].hex}", "outcome": "failed"}),
        (Conflict, {"replica": name, "outcome": "launched", "instance_id": IN_PROD}),  # the primary itself
        (Conflict, {"replica": name, "outcome": "launched", "instance_id": IN_LAB}),  # in another account
    ]
    before = everything()
    for error, facts in wrong:
        with pytest.raises(error):
            outcome(fleet, facts.pop("replica"), facts.pop("outcome"), **facts)
    assert everything() == before


def test_what_discovery_saw_first_becomes_the_replica(fleet: World) -> None:
    name = planned(fleet)
    seen: dict[str, Any] = {"auth_status": AuthStatus.FLAGGED, "flagged_at": now(), "content_hash": 5}
    make_instance(fleet.acme, account_of(IN_PROD), STARTED, **PLACE, **seen)
    result = launched(fleet, name)
    (row,) = replicas()
    assert (result.replica, row["instance_id"], row["auth_status"]) == (STARTED, STARTED, "authorized")
    assert (row["content_hash"], row["flagged_at"], row["state"]) == (5, None, "running")
    assert row["replica_of_id"] == rows_of(Instance, instance_id=IN_PROD)[0]["id"]
    with pytest.raises(NotFound):
        launched(fleet, name)
    assert len(rows_of(Instance)) == 4


def test_an_instance_that_aws_takes_is_no_replica(fleet: World) -> None:
    name = planned(fleet)
    make_instance(fleet.acme, account_of(IN_PROD), STARTED, **PLACE)
    told(fleet, hit(instance_id=STARTED))
    with pytest.raises(Conflict, match="AWS has announced to take"):
        launched(fleet, name)
    make_instance(fleet.acme, account_of(IN_PROD), OTHER, **PLACE)
    become(InstanceState.TERMINATED, OTHER)
    with pytest.raises(Conflict, match="or gone"):
        launched(fleet, name, instance_id=OTHER)


def test_one_of_many_who_tell_at_once_is_first(fleet: World) -> None:
    name = planned(fleet)

    def tell(number: int) -> str:
        try:
            if number % 2:
                return f"launched {launched(fleet, name, instance_id=f'i-{number:017x}').changed}"
            return f"failed {outcome(fleet, name, 'failed').changed}"
        except Conflict:
            return "conflict"

    told_ = at_the_same_time(tell, range(100, 120))
    changes = [each for each in told_ if each.endswith("True")]
    (row,) = replicas()
    assert sorted(changes) in (["failed True"], ["failed True", "launched True"])  # what was launched may fail
    assert row["terminated_at"] is not None
    assert len([event for event, *_ in audited() if event.startswith("replica")]) == len(changes)


def test_a_false_alarm_gives_the_replica_up(fleet: World) -> None:
    launched(fleet, planned(fleet))
    assert expire(fleet) == ReplicasExpired()
    assert expire(fleet, hours=7) == ReplicasExpired([], [STARTED])
    (row,) = replicas()
    assert (row["state"], row["terminated_at"] is not None) == ("terminated", True)
    assert expire(fleet, hours=7) == ReplicasExpired()
    assert [(row[1], row[-1]) for row in audited(event="replicas.expired")] == [
        ("replicas", {"promoted": [], "retired": [STARTED], "outages_ended": 0})
    ]


def test_one_that_stopped_takes_nothing_over(fleet: World) -> None:
    launched(fleet, planned(fleet))
    become(InstanceState.STOPPED, STARTED)
    become(InstanceState.TERMINATED)
    assert expire(fleet, hours=7) == ReplicasExpired([], [STARTED])


def expire(world: World, *, hours: float = 0) -> ReplicasExpired:
    with get_db_session(tenant=world.acme) as session:
        return expire_replicas(session, world.anna, now=utc_now() + timedelta(hours=hours))


def test_those_of_a_primary_that_is_gone_take_over_if_they_stand_by(fleet: World) -> None:
    lab = account_of(IN_LAB)
    make_instance(fleet.acme, lab, "i-00000011", **PLACE)
    alive, heir, never = "i-000000a0", "i-000000a1", "planned-x"
    for primary, name in ((IN_PROD, alive), (IN_LAB, heir), ("i-00000011", never)):
        stand_by(fleet, primary, name)
    for gone in (IN_LAB, "i-00000011"):
        become(InstanceState.TERMINATED, gone)
    result = expire(fleet, hours=1)
    assert (result.promoted, result.retired) == ([heir], [alive, never])
    (noted,) = rows_of(DowntimeLog)
    assert (noted["instance_id"], noted["duration_seconds"]) == (IN_LAB, 0)
    (row,) = rows_of(Instance, instance_id=heir)
    assert (row["is_replica"], row["state"]) == (False, "running")
    block("us-east-1c", hours=-1)
    late = told(fleet, hit(account=LAB, instance_id=IN_LAB))
    assert late.consequence == Consequence("its replica took over before")


def stand_by(world: World, primary: str, name: str) -> None:
    """Make a replica of ``primary`` whose time is over."""
    (row,) = rows_of(Instance, instance_id=primary)
    facts = {"is_replica": True, "replica_of_id": row["id"], "replica_expiry": utc_now() - timedelta(hours=1)}
    make_instance(world.acme, row["account_id"], name, **PLACE, **facts)


def test_many_expire_by_few_statements(fleet: World) -> None:
    def sent(count: int, first: int) -> int:
        for number in range(first, first + count):
            make_instance(fleet.acme, account_of(IN_PROD), f"i-{number:08x}", **PLACE)
            stand_by(fleet, f"i-{number:08x}", f"i-{number + 0x1000:08x}")
            if number % 2:
                become(InstanceState.TERMINATED, f"i-{number:08x}")
        with statements() as counted:
            done = expire(fleet)
        assert (len(done.promoted), len(done.retired)) == (count // 2, count - count // 2)
        return sum(counted.values())

    assert sent(4, 100) == sent(12, 200)


# --- discovery --------------------------------------------------------------------------------------------------------


def scan(world: World, *seen: Any) -> ScanResult:
    """Let discovery find exactly these instances in us-east-1."""
    account_id = account_of(IN_PROD)
    with get_db_session(tenant=world.acme) as session:
        account = session.scalars(select(Account).where(Account.id == account_id).with_for_update()).one()
        result = ScanResult(account_name=account.account_name, status=ScanStatus.RUNNING)
        reconcile(session, account, answer_of(seen), ["us-east-1"], result, judge=True)
    return result


def test_discovery_leaves_what_is_planned_alone_and_ends_what_vanished(fleet: World) -> None:
    primary = observed(instance_id=IN_PROD, lifecycle="spot")
    name = planned(fleet)
    assert scan(fleet, primary).vanished == []
    (row,) = replicas()
    assert (row["instance_id"], row["state"]) == (name, "pending")
    launched(fleet, name)
    replica = observed(instance_id=STARTED, lifecycle="spot", tags={})
    found = scan(fleet, primary, replica)
    assert (found.added, found.flagged) == ([], []), "for a replica spothive answers"
    assert scan(fleet, primary).vanished == [STARTED]
    (row,) = replicas()
    assert row["state"] == "terminated"
    assert planned(fleet).startswith("planned-")


def test_a_replica_that_was_given_up_and_runs_is_an_instance_like_any_other(fleet: World) -> None:
    primary = observed(instance_id=IN_PROD, lifecycle="spot")
    launched(fleet, planned(fleet))
    expire(fleet, hours=7)
    name = planned(fleet)
    scan(fleet, primary, observed(instance_id=STARTED, lifecycle="spot"))
    (row,) = rows_of(Instance, instance_id=STARTED)
    assert (row["is_replica"], row["state"], row["terminated_at"]) == (False, "running", None)
    assert [row["instance_id"] for row in replicas()] == [name], "another stands in"
