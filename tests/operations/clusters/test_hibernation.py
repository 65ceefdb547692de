"""Schedules and overrides as rows: who changes them at once, what is refused, and what they would save."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from spothive.clock import utc_now
from spothive.database import get_db_session, read_session
from spothive.errors import Conflict, InvalidInput, NotFound, ValueRefused
from spothive.models import Account, ClusterPolicy, HibernationOverride, HibernationSchedule, SleepState
from spothive.operations.clusters import (
    Hours,
    cancel_override,
    find_hibernation,
    hours_if,
    list_hibernation,
    plan,
    preview_hibernation,
    read_week,
    set_override,
    set_policy,
    set_schedule,
    set_schedule_enabled,
    state_at,
)
from tests.factories import make_account, make_cluster, make_instance, make_price
from tests.operations.conftest import World, audited
from tests.watching import rows_of, statements

AWAKE, ASLEEP = SleepState.AWAKE, SleepState.ASLEEP
OFFICE = read_week(["mon-fri 07-19"])
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(world: World) -> Any:
    return make_cluster(world.acme, make_account(world.acme, "main").id, "shop")


def schedule(world: World, **facts: Any) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, **{"cluster": "shop"} | facts)


def override(world: World, state: SleepState, until: timedelta, since: timedelta | None = None) -> UUID:
    now = utc_now()
    with get_db_session(tenant=world.acme) as session:
        starts_at = None if since is None else now + since
        facts: dict[str, Any] = {"state": state, "ends_at": now + until, "starts_at": starts_at, "reason": "fair"}
        return set_override(session, world.anna, cluster="shop", **facts).id


def test_what_is_not_given_stays(world: World, shop: Any) -> None:
    with pytest.raises(InvalidInput, match="shop has no hibernation yet"):
        schedule(world, timezone="Europe/Berlin")
    schedule(world, week=OFFICE)
    schedule(world, prewarm_minutes=20)
    schedule(world, timezone="Europe/Berlin", prewarm_minutes=0)
    schedule(world, week=OFFICE)
    (row,) = rows_of(HibernationSchedule)
    kept = ("schedule_matrix", "timezone", "prewarm_enabled", "prewarm_minutes", "enabled", "applied_state")
    assert [row[name] for name in kept] == [OFFICE, "Europe/Berlin", False, 20, True, AWAKE]
    assert [row[5]["prewarm_minutes"] for row in audited(event="hibernation.scheduled")] == [0, 20, 0]
    wrong: tuple[dict[str, Any], ...] = (
        {"week": [1] * 167},
        {"timezone": "Berlin"},
        {"prewarm_minutes": 121},
        {"prewarm_minutes": -1},
    )
    for facts in wrong:
        with pytest.raises(InvalidInput):
            schedule(world, **facts)
        with read_session(tenant=world.acme) as session, pytest.raises(InvalidInput):
            hours_if(session, "shop", **facts)
    assert rows_of(HibernationSchedule) == [row]


def test_of_those_who_schedule_first_at_once_nobody_is_refused(world: World, shop: Any) -> None:
    barrier = Barrier(4)

    def first(number: int) -> None:
        barrier.wait()
        schedule(world, week=[number % 2] * 168)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(first, range(4)))
    assert len(rows_of(HibernationSchedule)) == 1


def test_an_override_holds_until_it_ends_or_is_cancelled(world: World, shop: Any) -> None:
    schedule(world, week=[1] * 168)
    held = override(world, ASLEEP, 3 * HOUR)
    later = override(world, ASLEEP, 9 * HOUR, 8 * HOUR)
    with read_session(tenant=world.acme) as session, statements() as sent:
        found = find_hibernation(session, "shop")
        assert [each.id for each in found.overrides] == [held, later]
        assert len([each for each in sent if "FROM" in each]) == 3
        now = utc_now()
        states = [state_at(found.hours, now + number * HOUR) for number in (0, 4, 8.5, 10)]
    assert states == [ASLEEP, AWAKE, ASLEEP, AWAKE]
    with get_db_session(tenant=world.acme) as session:
        assert cancel_override(session, world.anna, cluster="shop", override=str(later)) is None
        assert cancel_override(session, world.anna, cluster="shop", override=str(held)) is not None
    for wrong in (str(held), str(later), str(uuid4()), "nonsense"):
        with get_db_session(tenant=world.acme) as session, pytest.raises(NotFound, match="that is not over"):
            cancel_override(session, world.anna, cluster="shop", override=wrong)
    (row,) = rows_of(HibernationOverride)
    assert row["id"] == held
    assert row["starts_at"] < row["ends_at"] <= utc_now()
    assert row["person_name"] == "anna"
    with read_session(tenant=world.acme) as session:
        assert find_hibernation(session, "shop").overrides == []
        assert len(find_hibernation(session, "shop", since=row["starts_at"]).overrides) == 1


def test_all_that_have_hours_are_listed_in_two_statements(world: World, shop: Any) -> None:
    account = make_account(world.acme, "other")
    for name in ("b", "a"):
        make_cluster(world.acme, account.id, name)
        schedule(world, cluster=name, week=OFFICE)
    schedule(world, week=OFFICE)
    made = override(world, ASLEEP, HOUR)
    with read_session(tenant=world.acme) as session, statements() as sent:
        found = [(each.cluster.name, [kept.id for kept in each.overrides]) for each in list_hibernation(session)]
        assert len([each for each in sent if "FROM" in each]) == 2
    assert found == [("a", []), ("b", []), ("shop", [made])]
    with get_db_session(tenant=world.acme) as session:
        session.get_one(Account, account.id).disconnecting_at = utc_now()
    with read_session(tenant=world.acme) as session:
        assert [each.cluster.name for each in list_hibernation(session)] == ["shop"]
    with read_session(tenant=world.globex) as session:
        assert list_hibernation(session) == []


def test_the_override_that_was_made_last_holds(world: World, shop: Any) -> None:
    schedule(world, week=[1] * 168)
    override(world, ASLEEP, 3 * HOUR)
    override(world, AWAKE, 2 * HOUR, HOUR)
    override(world, ASLEEP, 4 * HOUR, HOUR + HOUR / 2)
    with read_session(tenant=world.acme) as session:
        states = [change.state for change in plan(find_hibernation(session, "shop").hours, 1, utc_now())]
    assert states == [ASLEEP, AWAKE, ASLEEP, AWAKE]


def test_what_is_no_override_is_refused(world: World, shop: Any) -> None:
    with pytest.raises(NotFound, match="shop has no hibernation: `spothive hibernation set shop"):
        override(world, ASLEEP, HOUR)
    schedule(world, week=OFFICE)
    for until, since in ((-HOUR, None), (HOUR, 2 * HOUR), (HOUR, -HOUR), (HOUR, HOUR), (timedelta(days=367), None)):
        with pytest.raises(InvalidInput, match="an override begins now or later"):
            override(world, ASLEEP, until, since)
    for reason in ("", "x" * 256):
        with pytest.raises(ValueRefused, match="reason"), get_db_session(tenant=world.acme) as session:
            set_override(session, world.anna, cluster="shop", state=ASLEEP, ends_at=utc_now() + HOUR, reason=reason)
    with get_db_session(tenant=world.acme) as session:
        set_schedule_enabled(session, world.anna, cluster="shop", enabled=False)
        set_schedule_enabled(session, world.anna, cluster="shop", enabled=False)
    assert len(audited(event="hibernation.disabled")) == 1
    with pytest.raises(Conflict, match="hibernation of shop is off"):
        override(world, ASLEEP, HOUR)
    assert rows_of(HibernationOverride) == []


def test_a_cluster_has_so_many_overrides_and_no_more(world: World, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spothive.operations.clusters.hibernation.OVERRIDES_MAX", 2)
    schedule(world, week=OFFICE)
    barrier = Barrier(4)

    def make(_: int) -> bool:
        barrier.wait()
        try:
            override(world, ASLEEP, HOUR)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(make, range(4))) == [False, False, True, True]


def test_a_preview_counts_what_runs_and_says_what_has_no_price(world: World, shop: Any) -> None:
    make_price("m5.large", "0.10")
    there: tuple[dict[str, Any], ...] = (
        {"price": Decimal("0.03")},
        {"lifecycle": "on-demand"},
        {"lifecycle": "on-demand", "instance_type": "x9.huge"},
        {},
        {"lifecycle": "on-demand", "state": "stopped"},
        {"lifecycle": "on-demand", "cluster_id": None},
    )
    for number, facts in enumerate(there):
        make_instance(world.acme, shop.account_id, f"i-{number}", **{"cluster_id": shop.id} | facts)
    start = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday: 22 working days in 30 days
    with read_session(tenant=world.acme) as session, statements() as sent:
        preview = preview_hibernation(session, shop, Hours(OFFICE, ZoneInfo("UTC")), start=start)
        assert len([each for each in sent if "FROM" in each]) <= 7
    assert (preview.days, preview.instances, preview.unpriced) == (30, 4, 2)
    assert preview.hours_asleep == 30 * 24 - 22 * 12
    assert preview.hourly_cost == Decimal("0.13")
    assert preview.saved == Decimal("0.13") * (30 * 24 - 22 * 12)
    with read_session(tenant=world.acme) as session, pytest.raises(NotFound, match="shop has no hibernation"):
        hours_if(session, "shop")
    with read_session(tenant=world.acme) as session:
        assert hours_if(session, "shop", week=OFFICE, prewarm_minutes=5).prewarm == timedelta(minutes=5)


def test_what_others_have_is_not_there(world: World, shop: Any) -> None:
    schedule(world, week=OFFICE)
    with get_db_session(tenant=world.globex) as session:
        for attempt in (
            lambda: set_schedule(session, world.gina, cluster=str(shop.id), week=OFFICE),
            lambda: set_schedule_enabled(session, world.gina, cluster="shop", enabled=False),
            lambda: find_hibernation(session, str(shop.id)),
        ):
            with pytest.raises(NotFound, match="no cluster is called"):
                attempt()


def test_changes_in_one_transaction_follow_one_another(world: World, shop: Any) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, cluster="shop", week=OFFICE)
        set_schedule(session, world.anna, cluster="shop", prewarm_minutes=20)
        set_schedule_enabled(session, world.anna, cluster="shop", enabled=False)
        set_schedule_enabled(session, world.anna, cluster="shop", enabled=True)
        ends_at = utc_now() + HOUR
        made = set_override(session, world.anna, cluster="shop", state=ASLEEP, ends_at=ends_at, reason="fair")
        assert [each.id for each in find_hibernation(session, "shop").overrides] == [made.id]
        cancel_override(session, world.anna, cluster="shop", override=str(made.id))
        assert find_hibernation(session, "shop").overrides == []
        for changes in ({"min_nodes": 1}, {"max_nodes": 2}):
            set_policy(session, world.anna, cluster="shop", changes=changes)
    (row,) = rows_of(HibernationSchedule)
    assert (row["schedule_matrix"], row["prewarm_minutes"], row["enabled"]) == (OFFICE, 20, True)
    assert [(row["config"], row["version"]) for row in rows_of(ClusterPolicy)] == [
        ({"min_nodes": 1, "max_nodes": 2}, 2)
    ]
    assert len(audited(resource="shop")) == 8
