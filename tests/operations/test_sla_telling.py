"""What people are told of outages: each with seconds, and once a month that the budget is used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from spothive.database import get_db_session
from spothive.errors import SpothiveError
from spothive.models import ClusterPolicy, DowntimeCause, DowntimeLog, NoticeEvent, Telling
from spothive.operations.sla import end_downtime, record_downtime
from spothive.operations.sla.told import Down, budget_news
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance
from tests.operations.conftest import World, audit_impossible
from tests.operations.risk.conftest import at_the_same_time
from tests.told import heard, titles
from tests.watching import rows_of

RECORDED, EXCEEDED = NoticeEvent.DOWNTIME_RECORDED, NoticeEvent.DOWNTIME_BUDGET_EXCEEDED
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CAUSE = DowntimeCause.WORKER_CRASH


@pytest.fixture
def web(world: World) -> UUID:
    """Give acme a cluster of two instances, and one of none; return the cluster's id."""
    account = make_account(world.acme)
    cluster = make_cluster(world.acme, account.id, "web")
    for number in (1, 2):
        make_instance(world.acme, account.id, f"i-{number}", cluster_id=cluster.id)
    make_instance(world.acme, account.id, "i-alone")
    return cluster.id


def down(world: World, seconds: float | None, *, since: datetime = NOON, instance: str = "i-1") -> None:
    end = None if seconds is None else since + timedelta(seconds=seconds)
    with get_db_session(tenant=world.acme) as session:
        record_downtime(session, world.anna, instance_id=instance, cause=CAUSE, start=since, end=end)


def test_each_outage_is_told_and_the_budget_once_a_month(world: World, web: UUID) -> None:
    down(world, 40)
    down(world, 40, instance="i-2")  # in the same seconds
    assert titles(world.udo, RECORDED) == ["i-1 was down for 40 s: worker_crash", "i-2 was down for 40 s: worker_crash"]
    assert heard(world.udo, EXCEEDED) == []
    down(world, 21, since=NOON + timedelta(hours=1))
    (content,) = heard(world.udo, EXCEEDED)
    assert content["title"] == "Cluster web has used up its downtime budget of 2026-03"
    assert content["facts"] == {
        "cluster": "web",
        "cluster_id": str(web),
        "month": "2026-03",
        "seconds": 61,
        "budget": 60,
    }
    down(world, 100, since=NOON + timedelta(hours=2))
    assert len(heard(world.udo, EXCEEDED)) == 1
    down(world, 61, since=NOON + timedelta(days=31))
    assert [each["facts"]["month"] for each in heard(world.udo, EXCEEDED)] == ["2026-03", "2026-04"]
    assert heard(world.gina) == heard(world.admin) == []


@pytest.mark.usefixtures("web")
def test_an_outage_over_the_end_of_a_month_counts_in_both(world: World) -> None:
    down(world, 200, since=datetime(2026, 3, 31, 23, 58, tzinfo=UTC))
    assert [each["facts"]["seconds"] for each in heard(world.anna, EXCEEDED)] == [120, 80]


def test_an_end_that_uses_up_the_budget_tells(world: World, web: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        cluster_row = ClusterPolicy(cluster_id=web, config={"downtime_budget_seconds": 90})
        session.add(cluster_row)
        outage = DowntimeLog(instance_id="i-1", cluster_id=web, start_time=NOON, cause=CAUSE, downtime_metadata={})
        session.add(outage)
    with get_db_session(tenant=world.acme) as session:
        end_downtime(session, world.anna, instance_id="i-1", at=NOON + timedelta(seconds=91))
    (content,) = heard(world.anna)
    assert (content["facts"]["seconds"], content["facts"]["budget"]) == (91, 90)


@pytest.mark.usefixtures("web")
def test_what_counts_no_second_or_in_no_cluster_uses_up_nothing(world: World) -> None:
    down(world, 0.5)
    assert heard(world.anna) == []
    down(world, 500, instance="i-alone")
    assert len(heard(world.anna)) == 1


def test_of_many_who_use_up_a_budget_at_once_one_tells(world: World, web: UUID) -> None:
    def use_up(number: int) -> None:
        down(world, 61, since=NOON + timedelta(hours=number))

    at_the_same_time(use_up, range(6))
    assert len(rows_of(DowntimeLog)) == len(heard(world.anna, RECORDED)) == 6
    assert len(heard(world.anna, EXCEEDED)) == 1
    assert [row["subject"] for row in rows_of(Telling)] == [f"{web} 2026-03"]


def test_what_is_rolled_back_is_told_to_nobody_and_may_be_told_later(world: World, web: UUID, db: Database) -> None:
    with audit_impossible(db), pytest.raises(SpothiveError):
        down(world, 61)
    assert heard(world.anna) == []
    down(world, 61)
    assert len(heard(world.anna, EXCEEDED)) == 1
    with get_db_session(tenant=world.acme) as session:
        spans: Any = [Down(None, NOON, None), Down(web, NOON, NOON)]
        assert budget_news(session, spans[:1]) == []
