"""The downtime budget: what counts twice, what lies in which month, and what still lasts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import get_db_session, read_session
from spothive.errors import Conflict, IllegalMove, InvalidInput, NotFound, SpothiveError, ValueRefused
from spothive.models import ClusterPolicy, DowntimeCause, DowntimeLog
from spothive.operations.sla import (
    BUDGET_MAX,
    DowntimeBudget,
    budget_of,
    downtime_budget,
    downtime_report,
    end_downtime,
    end_outages,
    list_outages,
    record_downtime,
    seconds_down,
)
from tests.factories import make_account, make_cluster, make_instance
from tests.operations.conftest import World, audited
from tests.watching import rows_of, statements

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LONG = 300

offsets = st.integers(-50, 150)
spans = st.lists(st.tuples(offsets, st.one_of(st.none(), st.integers(0, 80))), max_size=12)


def after(seconds: int, since: datetime = MARCH) -> datetime:
    return since + timedelta(seconds=seconds)


@given(spans)
def test_each_second_that_something_was_down_counts_once(drawn: list[tuple[int, int | None]]) -> None:
    outages = [(after(begun), None if length is None else after(begun + length)) for begun, length in drawn]
    down: set[int] = set()
    for begun, length in drawn:
        down |= set(range(begun, LONG if length is None else begun + length))
    assert seconds_down(outages, MARCH, after(100)) == len(down & set(range(100)))
    assert seconds_down(reversed(outages), MARCH, after(100)) == seconds_down(outages * 2, MARCH, after(100))


@given(spans, st.integers(0, 100))
def test_months_add_up_and_more_outages_are_never_less(drawn: list[tuple[int, int | None]], middle: int) -> None:
    outages = [(after(begun), None if length is None else after(begun + length)) for begun, length in drawn]
    whole = seconds_down(outages, MARCH, after(100))
    # What lasts at the middle goes on behind it, as over the end of a month.
    assert whole == sum(
        seconds_down([(begun, over or after(LONG)) for begun, over in outages], start, end)
        for start, end in ((MARCH, after(middle)), (after(middle), after(100)))
    )
    assert 0 <= seconds_down(outages[1:], MARCH, after(100)) <= whole <= 100
    assert seconds_down(outages, after(10), MARCH) == 0


def _down(tenant_id: UUID, cluster_id: UUID | None, start: datetime, seconds: int | None) -> None:
    with get_db_session(tenant=tenant_id) as session:
        session.add(
            DowntimeLog(
                instance_id=f"i-{uuid4().hex[:17]}",
                cluster_id=cluster_id,
                start_time=start,
                end_time=None if seconds is None else after(seconds, start),
                duration_seconds=seconds,
                cause=DowntimeCause.NO_REPLICA,
                downtime_metadata={},
            )
        )


def test_the_budget_of_a_month(world: World) -> None:
    account = make_account(world.acme, "main")
    place: dict[str, Any] = {"region": "eu-west-1", "account_name": "main"}
    shop, idle = (make_cluster(world.acme, account.id, name).id for name in ("shop", "idle"))
    gone = uuid4()
    _down(world.acme, shop, after(-20), 30)  # 10 seconds of it in March
    _down(world.acme, shop, after(-40), 40)  # ends as March begins: no part of it
    _down(world.acme, shop, NOON, 20)
    _down(world.acme, shop, after(10, NOON), 20)  # 10 of them at once with the one before
    _down(world.acme, shop, after(100, NOON), 0)
    _down(world.acme, shop, after(-5, APRIL), None)
    _down(world.acme, gone, NOON, 61)
    _down(world.acme, None, NOON, 1)
    their = make_cluster(world.globex, make_account(world.globex).id, "theirs").id
    _down(world.globex, their, NOON, 1000)
    soon = after(7, APRIL) + timedelta(microseconds=999_999)
    with read_session(tenant=world.acme) as session:
        march = downtime_budget(session, cluster=shop, month=date(2026, 3, 31), now=soon)
        april = downtime_budget(session, cluster=shop, month=date(2026, 4, 1), now=soon)
        may = downtime_budget(session, cluster=shop, month=date(2026, 5, 1), now=soon)
        february = downtime_budget(session, cluster=shop, month=date(2026, 2, 1), now=soon)
        report = downtime_report(session, month=date(2026, 3, 1), now=soon)
        with pytest.raises(NotFound):
            downtime_budget(session, cluster=their, month=date(2026, 3, 1))
        with pytest.raises(InvalidInput):
            downtime_report(session, month=date(9999, 12, 1))
    assert march == DowntimeBudget(shop, "shop", date(2026, 3, 1), 45, 5, 1, **place)
    assert (march.left, march.is_kept) == (15, True)
    assert (april.seconds, april.ongoing, february.seconds) == (7, 1, 40)
    assert may == DowntimeBudget(shop, "shop", date(2026, 5, 1), 0, 0, 0, **place), "nothing of a month to come"
    assert report[:2] == [DowntimeBudget(idle, "idle", date(2026, 3, 1), 0, 0, 0, **place), march]
    assert {each.cluster_id: (each.cluster_name, each.left, each.is_kept) for each in report[2:]} == {
        gone: (None, -1, False),
        None: (None, 59, True),
    }


@pytest.mark.parametrize("nonsense", [None, "5", 1.5, True, -1, BUDGET_MAX + 1, [60], {"seconds": 60}, "0" * 5000])
def test_a_policy_that_says_nothing_sensible_allows_a_minute(nonsense: Any) -> None:
    assert budget_of({"downtime_budget_seconds": nonsense}) == 60


def test_the_policy_of_a_cluster_says_what_is_allowed(world: World) -> None:
    assert [budget_of(policy) for policy in (None, {}, {"downtime_budget_seconds": 0})] == [60, 60, 0]
    account = make_account(world.acme)
    clusters = {name: make_cluster(world.acme, account.id, name).id for name in ("idle", "none", "shop")}
    with get_db_session(tenant=world.acme) as session:
        for name, config in (("shop", {"downtime_budget_seconds": 90}), ("idle", {"min_nodes": 1})):
            session.add(ClusterPolicy(cluster_id=clusters[name], config=config))
    _down(world.acme, clusters["shop"], NOON, 80)
    with read_session(tenant=world.acme) as session:
        one = downtime_budget(session, cluster=clusters["shop"], month=NOON.date())
        with statements() as sent:
            report = downtime_report(session, month=NOON.date())
    assert (one.budget, one.left, one.is_kept) == (90, 10, True)
    assert [(each.cluster_name, each.budget) for each in report] == [("idle", 60), ("none", 60), ("shop", 90)]
    assert sum(count for statement, count in sent.items() if statement.startswith("SELECT")) <= 3


@pytest.fixture
def node(world: World) -> UUID:
    """Give acme an instance ``i-1`` in a cluster, and globex one ``i-9``; return the cluster."""
    account = make_account(world.acme)
    cluster = make_cluster(world.acme, account.id, "shop").id
    make_instance(world.acme, account.id, "i-1", cluster_id=cluster)
    make_instance(world.globex, make_account(world.globex).id, "i-9")
    return cluster


def _record(world: World, **facts: Any) -> DowntimeLog:
    about: dict[str, Any] = {"instance_id": "i-1", "cause": DowntimeCause.WORKER_CRASH, "start": NOON} | facts
    with get_db_session(tenant=world.acme) as session:
        return record_downtime(session, world.anna, **about)


def test_an_outage_is_written_in_whole_seconds_and_told(world: World, node: UUID) -> None:
    part = timedelta(microseconds=999_999)
    first = _record(world, start=NOON + part, end=after(4, NOON) + part, details="it crashed", decision_id=node)
    second = _record(world, start=after(4, NOON) + part, end=after(5, NOON))
    assert (first.start_time, first.end_time, first.duration_seconds) == (NOON, after(4, NOON), 4)
    assert (second.start_time, second.duration_seconds) == (first.end_time, 1), "no second is lost or counts twice"
    assert (first.cluster_id, first.cause_details, first.decision_id) == (node, "it crashed", node)
    assert [row[:4] for row in audited(event="downtime.recorded")] == [
        ("downtime.recorded", "i-1", "SUCCESS", world.anna.label)
    ] * 2
    with read_session(tenant=world.acme) as session:
        assert downtime_budget(session, cluster=node, month=NOON.date()).seconds == 5
        listed = list_outages(session, month=NOON.date())
        assert [(each.outage.id, each.cluster_name) for each in listed] == [(second.id, "shop"), (first.id, "shop")]
        assert list_outages(session, month=date(2026, 4, 1)) == list_outages(session, only_open=True) == []
        for limit in (0, 10_001):
            with pytest.raises(InvalidInput):
                list_outages(session, limit=limit)


def test_what_cannot_have_been_is_refused(world: World, node: UUID) -> None:
    del node
    now = utc_now()
    wrong: list[tuple[type[SpothiveError], dict[str, Any]]] = [
        (NotFound, {"instance_id": "i-2"}),
        (NotFound, {"instance_id": "i-9"}),  # globex's
        (InvalidInput, {"instance_id": "i-\0"}),
        (InvalidInput, {"end": NOON - timedelta(microseconds=1)}),
        (InvalidInput, {"start": datetime(1, 1, 1, tzinfo=UTC), "end": NOON}),
        (InvalidInput, {"start": NOON - timedelta(days=366, seconds=1), "end": NOON}),
        (InvalidInput, {"end": now + timedelta(minutes=1)}),
        (InvalidInput, {"start": now + CLOCKS_DIFFER + timedelta(minutes=1)}),
        (ValueRefused, {"details": "x" * 4001}),
    ]
    told = []
    for error, facts in wrong:
        with pytest.raises(error) as refusal:
            _record(world, **facts)
        told.append(str(refusal.value).replace("i-9", "i-2"))
    assert told[0] == told[1]
    assert (rows_of(DowntimeLog), audited(event="downtime.recorded")) == ([], [])
    ahead = _record(world, start=now + CLOCKS_DIFFER - timedelta(minutes=1))
    assert ahead.end_time is None


def test_an_outage_ends_once_and_over_the_end_of_a_month(world: World, node: UUID) -> None:
    _record(world, start=after(-3, APRIL))
    _record(world, start=after(-1, APRIL), cause=DowntimeCause.NO_REPLICA)
    barrier = Barrier(8)

    def end(_: int) -> int:
        barrier.wait(60)
        try:
            with get_db_session(tenant=world.acme) as session:
                return len(end_downtime(session, world.anna, instance_id="i-1", at=after(4, APRIL)))
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(end, range(8))) == [0] * 7 + [2]
    assert len(audited(event="downtime.ended")) == 1
    with read_session(tenant=world.acme) as session:
        months = [downtime_budget(session, cluster=node, month=date(2026, month, 1)).seconds for month in (3, 4, 5)]
    assert months == [3, 4, 0]
    with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=world.acme) as session:
        session.get_one(DowntimeLog, rows_of(DowntimeLog)[0]["id"]).cause = DowntimeCause.NO_REPLICA
    assert refusal.value.rule == "lc_downtime_logs_facts"


def test_the_end_is_neither_before_the_beginning_nor_to_come(world: World, node: UUID) -> None:
    del node
    now = utc_now()
    _record(world, start=NOON)
    with get_db_session(tenant=world.acme) as session:  # what is foreseen may not come to pass
        instance = session.get_one(DowntimeLog, rows_of(DowntimeLog)[0]["id"])
        foreseen = DowntimeLog(instance_id="i-1", start_time=now.replace(microsecond=0) + timedelta(minutes=2))
        foreseen.cause, foreseen.cluster_id = DowntimeCause.NO_REPLICA, instance.cluster_id
        session.add(foreseen)
    for at, message in ((NOON - timedelta(seconds=1), "it ended later"), (now + timedelta(hours=1), "in the future")):
        with pytest.raises(InvalidInput, match=message), get_db_session(tenant=world.acme) as session:
            end_downtime(session, world.anna, instance_id="i-1", at=at)
    with get_db_session(tenant=world.globex) as session, pytest.raises(Conflict):
        end_downtime(session, world.gina, instance_id="i-1", at=now)
    with get_db_session(tenant=world.acme) as session:
        assert len(end_outages(session, {"i-1": now}, cause=DowntimeCause.NO_REPLICA)) == 1
    with get_db_session(tenant=world.acme) as session:
        end_downtime(session, world.anna, instance_id="i-1", at=after(7, NOON))
    assert [row["duration_seconds"] for row in rows_of(DowntimeLog)] == [7, 0]
