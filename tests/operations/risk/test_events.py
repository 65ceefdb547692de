"""The hive: what an event does once, whatever comes again, late or from elsewhere, and that nobody is named."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import (
    Account,
    DowntimeLog,
    GlobalRiskEvent,
    Instance,
    Lifecycle,
    RiskSource,
    SpotPoolRisk,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.errors import Denied, InvalidInput, NotAllowed, SpothiveError
from spothive.models import Base
from spothive.operations.risk import (
    EventOutcome,
    PoolRisk,
    ReplicaOutcome,
    check_pools,
    list_blocked,
    record_replica_outcome,
    record_spot_event,
    why_pool,
)
from spothive.operations.risk.notices import read_spot_event
from spothive.operations.risk.pools import BLOCKED_FOR
from tests.conftest import Database
from tests.factories.spot_events import REBALANCE, TERMINATION, spot_event
from tests.operations.conftest import World, audited
from tests.operations.risk.conftest import (
    IN_LAB,
    IN_PROD,
    IN_THEIRS,
    LAB,
    POOL,
    PROD,
    THEIRS,
    at_once,
    hit,
    pool,
    price,
    told,
)
from tests.watching import everything, rows_of, statements

COPIES = 50


WRONG: dict[str, list[Any]] = {
    "detail-type": [None, 1, [], {}],
    "source": [None, "aws.s3", 1],
    "detail": [None, [], "i-00000000000000001", {}, {"instance-id": None}, {"instance-id": "i-1"}],
    "id": [None, "", 7, "a b", "x" * 129, "ä", "\ud800"],
    "account": [None, 111111111111, "1", "1" * 13, "\uff11" * 12, PROD + "\n"],
    "region": [None, 1, "", "us-esat-1", "us-east-1 "],
    "time": [
        *(None, 0, 1790000000, "", "now", "1970-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-04T10:30:00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-04", "20260304T103000Z"),
    ],
}


@pytest.mark.parametrize("key", WRONG)
def test_a_malformed_event_is_refused_by_what_is_wrong(key: str) -> None:
    for value in WRONG[key]:
        with pytest.raises(InvalidInput) as refusal:
            read_spot_event(hit() | {key: value})
        message = str(refusal.value)
        assert (key in message or "instance-id" in message, "\n" in message, message.isascii()) == (True, False, True)
        assert len(message) < 200


def test_what_is_no_event_at_all_is_refused() -> None:
    for value in (None, 1, "{}", [hit()], True):
        with pytest.raises(InvalidInput, match="an event is a JSON object"):
            read_spot_event(value)


def test_the_arn_is_not_read_and_the_clock_of_aws_may_be_a_little_ahead() -> None:
    notice = read_spot_event(hit(at=utc_now() + CLOCKS_DIFFER - timedelta(seconds=30)) | {"resources": "arn:nonsense"})
    assert notice is not None
    assert (notice.account_id, notice.instance_id, notice.region) == (PROD, IN_PROD, "us-east-1")
    with pytest.raises(InvalidInput, match="in the future"):
        read_spot_event(hit(at=utc_now() + CLOCKS_DIFFER + timedelta(seconds=30)))


def test_a_termination_of_a_prod_instance_blocks_its_pool_for_all(fleet: World) -> None:
    at = utc_now().replace(microsecond=0) - timedelta(hours=1)
    result = told(fleet, hit(at=at, event_id="e-1"), fleet.acme)
    assert (result.outcome, result.pool_id, result.blocked_until) == ("recorded", POOL, at + BLOCKED_FOR)
    assert pool() == {
        "is_poisoned": True,
        "interruption_count": 1,
        "last_interruption": at,
        "poison_expires_at": at + BLOCKED_FOR,
    }
    (event,), (source,) = rows_of(GlobalRiskEvent), rows_of(RiskSource)
    assert (event["pool_id"], event["reported_at"], event["event_type"]) == (POOL, at, "termination_notice")
    assert (source["risk_event_id"], source["source_client_id"]) == (event["id"], fleet.acme)
    assert source["instance_id"] == IN_PROD
    ((name, resource, outcome, actor, _, after),) = audited(event="event.recorded", tenant_id=fleet.acme)
    assert (name, resource, outcome, actor) == ("event.recorded", IN_PROD, "SUCCESS", fleet.anna.label)
    assert (after["pool_id"], after["counted"]) == (POOL, True)
    with read_session(tenant=fleet.globex) as session:
        until = at + BLOCKED_FOR
        assert list_blocked(session) == [PoolRisk(POOL, True, until, 1, at)]


def test_rebalance_notices_and_the_lab_are_recorded_and_block_nothing(fleet: World) -> None:
    quiet = [hit(kind=REBALANCE), spot_event(account=LAB, instance_id=IN_LAB)]
    for event in quiet:
        result = told(fleet, event)
        assert (result.outcome, result.blocked_until) == ("recorded", None)
    assert rows_of(SpotPoolRisk) == []
    with read_session(tenant=fleet.globex) as session:
        history = why_pool(session, POOL)
    assert history.risk == PoolRisk(POOL)
    assert sorted((event.event_type, event.counted) for event in history.events) == [
        ("rebalance_notice", False),
        ("termination_notice", False),
    ]
    assert len(audited(event="event.recorded")) == len(quiet)


def test_what_is_not_the_tenants_blocks_nobody_and_tells_nothing(fleet: World) -> None:
    strange = [
        hit(account=THEIRS, instance_id=IN_THEIRS),  # globex holds both
        hit(instance_id=IN_THEIRS),
        hit(instance_id=IN_LAB),  # acme's, in another account
        hit(region="eu-west-1"),
        hit(account="999999999999"),
        hit(instance_id="i-0000000000000000f"),
    ]
    before = everything()
    answers = {(told(fleet, event, fleet.acme).outcome, told(fleet, event, fleet.acme).reason) for event in strange}
    assert answers == {(EventOutcome.UNKNOWN, "no connected account holds such a spot instance")}
    assert {told(fleet, event).outcome for event in strange[1:]} == {EventOutcome.UNKNOWN}
    with get_db_session(tenant=fleet.acme) as session:  # AWS interrupts no on-demand instance
        session.execute(update(Instance).where(Instance.instance_id == IN_PROD).values(lifecycle=Lifecycle.ON_DEMAND))
    assert told(fleet, hit(), fleet.acme).outcome == EventOutcome.UNKNOWN
    with get_db_session(tenant=fleet.acme) as session:
        session.execute(update(Instance).where(Instance.instance_id == IN_PROD).values(lifecycle=Lifecycle.SPOT))
        session.execute(update(Account).where(Account.account_id == PROD).values(disconnecting_at=utc_now()))
    after = {told(fleet, hit(), tenant).outcome for tenant in (None, fleet.acme)}
    assert after == {EventOutcome.UNKNOWN}
    changed = everything()
    assert {table for table in changed if changed[table] != before[table]} == {"accounts", "instances"}  # by this test


def test_other_events_are_ignored_and_said_so(fleet: World) -> None:
    before = everything()
    result = told(fleet, {"detail-type": "EC2 Instance State-change Notification"}, fleet.acme)
    assert result.outcome is EventOutcome.IGNORED
    assert result.reason == "'EC2 Instance State-change Notification' says nothing about spot instances"
    assert everything() == before


def test_staff_find_the_tenant_by_the_account_and_customers_may_not(fleet: World) -> None:
    assert told(fleet, hit(account=THEIRS, instance_id=IN_THEIRS)).outcome is EventOutcome.RECORDED
    (source,) = rows_of(RiskSource)
    assert source["source_client_id"] == fleet.globex
    assert len(audited(event="event.recorded", tenant_id=fleet.globex)) == 1
    with pytest.raises(Denied):
        record_spot_event(get_db_session, fleet.anna, hit())
    with pytest.raises(Denied):
        record_spot_event(get_db_session, fleet.udo, hit(), tenant_id=fleet.acme)
    assert [row[2] for row in audited(event="event.recorded")] == ["SUCCESS", "DENIED", "DENIED"]
    assert len(rows_of(GlobalRiskEvent)) == 1


def test_copies_that_come_at_once_are_one_event(fleet: World) -> None:
    outcomes = at_once(fleet, [hit(event_id="the-same")] * COPIES)
    assert sorted(outcomes) == ["recorded"] + ["repeated"] * (COPIES - 1)
    assert (len(rows_of(GlobalRiskEvent)), len(rows_of(RiskSource)), pool()["interruption_count"]) == (1, 1, 1)
    assert len(audited(event="event.recorded")) == 1


def test_shuffled_and_repeated_events_end_the_same(fleet: World) -> None:
    now = utc_now().replace(microsecond=0)
    times = [now - timedelta(hours=hours) for hours in (1, 30, 200, 359, 361, 900)]
    events = [hit(event_id=f"e-{number}", at=at) for number, at in enumerate(times)] * 5
    random.Random(7).shuffle(events)
    outcomes = at_once(fleet, events)
    assert outcomes.count(EventOutcome.RECORDED) == len(times)
    assert pool() == {
        "is_poisoned": True,
        "interruption_count": len(times),
        "last_interruption": max(times),
        "poison_expires_at": max(times) + BLOCKED_FOR,
    }


def test_a_late_event_counts_and_neither_shortens_nor_begins_a_block(fleet: World) -> None:
    now = utc_now().replace(microsecond=0)
    late = told(fleet, hit(event_id="late", at=now - BLOCKED_FOR - timedelta(hours=1)))
    assert (late.outcome, late.blocked_until, pool()["is_poisoned"]) == ("recorded", None, False)
    assert told(fleet, hit(event_id="new", at=now)).blocked_until == now + BLOCKED_FOR
    for hours in (1, 300, 5000):
        again = told(fleet, hit(event_id=f"older-{hours}", at=now - timedelta(hours=hours)))
        assert again.blocked_until == now + BLOCKED_FOR
    assert (pool()["interruption_count"], pool()["last_interruption"]) == (5, now)


def test_no_table_that_a_tenant_reads_names_who_was_hit(fleet: World) -> None:
    told(fleet, hit(event_id="secret-event"))
    told(fleet, hit(event_id="other-event", kind=REBALANCE))
    (account,) = [row for row in rows_of(Account) if row["account_id"] == PROD]
    names = [PROD, IN_PROD, "secret-event", account["id"].hex, fleet.acme.hex, "acme", str(fleet.anna.user_id), "anna"]
    read = []
    for table in Base.metadata.sorted_tables:
        with suppress(SpothiveError), read_session(tenant=fleet.globex) as session:
            seen = str(session.execute(select(table)).all()).replace("-", "")
            read.append(table.name)
            assert [name for name in names if name.replace("-", "") in seen] == [], table.name
    assert {"global_risk_events", "spot_pool_risks", "audit_logs", "instances"} <= set(read)
    for tenant_id in (fleet.globex, fleet.acme):
        with pytest.raises(NotAllowed), read_session(tenant=tenant_id) as session:
            session.scalars(select(RiskSource)).all()


def test_thousands_of_pools_are_checked_by_one_statement(fleet: World) -> None:
    now = utc_now().replace(microsecond=0)
    _pools(fleet, {"us-east-1a": now + timedelta(hours=1), "us-east-1b": now - timedelta(hours=1), "us-east-1c": None})
    asked = [f"us-east-1:us-east-1{zone}:m5.large" for zone in "abc"]
    asked += [f"eu-west-1:eu-west-1a:m{number}.large" for number in range(1, 10_000)]
    with read_session(tenant=fleet.acme) as session, statements() as sent:
        found = check_pools(session, asked)
    assert sum(count for statement, count in sent.items() if "spot_pool_risks" in statement) == 1
    assert list(found) == asked
    assert [risk.pool_id for risk in found.values() if risk.blocked] == [POOL]
    assert (found[POOL].until, found[POOL].interruptions) == (now + timedelta(hours=1), 3)
    assert (found[asked[1]].until, found[asked[1]].interruptions) == (None, 3), "the time decides, not the flag"
    assert found[asked[-1]] == PoolRisk(asked[-1])
    assert found[asked[-1]].reason == "no interruption seen"
    with read_session(tenant=fleet.acme) as session:
        assert [risk.pool_id for risk in list_blocked(session)] == [POOL]
        assert check_pools(session, []) == {}
        no_pools = ["", "us-east-1", "a:b", "a:b:c:d", f"{POOL}\n", f"{POOL}:", "\0:b:c", "\ud800:b:c"]
        no_pools += ["us-east-1:eu-west-1a:m5.large", "us-east-1:us-east-1:m5.large", "a:a:m5.large"]
        no_pools += [f"{'a' * 31}-1:us-east-1a:m5.large", f"us-east-1:us-east-1a:m5.{'1' * 30}xlarge"]
        no_pools += [
            f"us-east-1:us-east-1a:{name}" for name in ("nonsense", "m5.larg", "m.large", f"m5{'a' * 32}.large")
        ]
        for wrong in no_pools:
            with pytest.raises(InvalidInput, match=r"^a pool is region:"):
                check_pools(session, [POOL, wrong])
            with pytest.raises(InvalidInput, match=r"^a pool is region:"):
                why_pool(session, wrong)
        stored = "us-east-1:us-east-1a:mac-m4.metal"  # of an instance; nobody buys it as spot
        assert check_pools(session, [stored], stored=True) == {stored: PoolRisk(stored)}


def _pools(world: World, zones: dict[str, datetime | None]) -> None:
    with get_db_session(tenant=world.acme) as session, system_scope(session, "test"):
        for zone, until in zones.items():
            session.add(
                SpotPoolRisk(
                    pool_id=f"us-east-1:{zone}:m5.large",
                    region="us-east-1",
                    availability_zone=zone,
                    instance_type="m5.large",
                    interruption_count=3,
                    is_poisoned=until is not None,
                    poisoned_at=until and until - BLOCKED_FOR,
                    poison_expires_at=until,
                    last_interruption=until and until - BLOCKED_FOR,
                    pool_metadata={},
                )
            )


def test_why_tells_the_latest_announcements_first(db: Database, fleet: World) -> None:
    now = utc_now().replace(microsecond=0)
    for number, kind in enumerate((TERMINATION, REBALANCE, TERMINATION)):
        told(fleet, hit(event_id=f"e-{number}", kind=kind, at=now - timedelta(hours=number)))
    with read_session(tenant=fleet.globex) as session:
        history, shortest = why_pool(session, POOL), why_pool(session, POOL, limit=1)
    assert [(event.reported_at, event.counted) for event in history.events] == [
        (now, True),
        (now - timedelta(hours=1), False),
        (now - timedelta(hours=2), True),
    ]
    assert shortest.events == history.events[:1]
    assert history.risk.reason == f"2 interruptions, the last at {now:%Y-%m-%d %H:%M} UTC"


# --- an instance has one life after the other -------------------------------------------------------------------------


def _started(at: datetime | None, *, gone: datetime | None = None) -> None:
    """Let discovery have found when acme's PROD instance was started last, and that it is gone."""
    with get_db_session() as session, system_scope(session, "test"):
        ended = {"state": "terminated", "terminated_at": gone} if gone else {}
        change = update(Instance).where(Instance.instance_id == IN_PROD)
        session.execute(change.values(launched_at=at, **ended), execution_options={"synchronize_session": False})


@pytest.mark.parametrize("kind", [TERMINATION, REBALANCE])
@pytest.mark.parametrize("wrong", ["before it was started", "after it was gone"])
def test_nothing_follows_from_a_notice_outside_of_the_life_of_an_instance(fleet: World, kind: str, wrong: str) -> None:
    moment = utc_now() - timedelta(hours=3)
    if wrong == "before it was started":
        _started(moment + timedelta(minutes=6))
    else:
        _started(None, gone=moment - timedelta(minutes=6))
    result = told(fleet, hit(kind=kind, at=moment))
    assert (result.outcome, result.blocked_until) == (EventOutcome.RECORDED, None)
    assert len(rows_of(GlobalRiskEvent)) == 1
    assert rows_of(SpotPoolRisk) == rows_of(DowntimeLog) == rows_of(Instance, is_replica=True) == []
    (event,) = rows_of(GlobalRiskEvent)
    assert event["event_metadata"] == {"counted": False}


def test_an_instance_that_was_started_again_may_be_interrupted_again(fleet: World) -> None:
    first, again = utc_now() - timedelta(days=3), utc_now() - timedelta(minutes=10)
    price("us-east-1b", "0.03")
    told(fleet, hit(event_id="e-1", at=first))
    with get_db_session(tenant=fleet.acme) as session:
        (planned,) = session.scalars(select(Instance.instance_id).where(Instance.is_replica))
        replica, launched = "i-0000000000000aaaa", ReplicaOutcome.LAUNCHED
        record_replica_outcome(session, fleet.anna, replica=planned, outcome=launched, instance_id=replica)
    _started(again - timedelta(hours=1))
    told(fleet, hit(event_id="e-2", kind=REBALANCE, at=again - timedelta(minutes=2)))
    assert len(rows_of(Instance, is_replica=True)) == 1
    result = told(fleet, hit(event_id="e-3", at=again))
    assert result.consequence is not None
    assert result.consequence.down_since is not None
    assert len(rows_of(DowntimeLog)) == 2


def test_an_instance_is_one_voice_about_its_pool_a_day_and_none_in_the_lab(fleet: World) -> None:
    moment = utc_now() - timedelta(hours=30)
    for number, hours in enumerate((0, 1, 2, 25)):
        told(fleet, hit(event_id=f"e-{number}", kind=REBALANCE, at=moment + timedelta(hours=hours)))
    told(fleet, spot_event(event_id="e-lab", account=LAB, instance_id=IN_LAB, kind=REBALANCE))
    rows = sorted(rows_of(GlobalRiskEvent), key=lambda row: row["reported_at"])
    assert [row["event_metadata"]["counted"] for row in rows] == [True, False, False, True, False]
