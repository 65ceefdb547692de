"""What is planned is what happens: hibernation is run through weeks in which clocks change, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from spothive.database import get_db_session
from spothive.models import HibernationOverride, HibernationSchedule, SleepState
from spothive.operations.clusters import Change, Hours, Outcome, find_hibernation, plan, read_week, state_at
from tests.factories.node_groups import ASG, EKS, FIVE, THREE, NodeGroups, make_sleeper, run
from tests.operations.conftest import World
from tests.watching import rows_of

AWAKE, ASLEEP = SleepState.AWAKE, SleepState.ASLEEP
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24)
EARLY = read_week(["mon-sun 02-03", "mon-sun 12-14"])
"""Awake in the hour that is skipped or repeated in most places."""
OFFICE = read_week(["mon-fri 07-19", "sun 01-02"])
DAYS = 4


def hours_of_shop(world: World, since: datetime) -> Hours:
    with get_db_session(tenant=world.acme) as session:
        return find_hibernation(session, "shop", since=since).hours


def moments(changes: Iterable[Change], start: datetime) -> Iterator[datetime]:
    """Yield moments over some days: every 20 minutes, and each minute before and after what is planned."""
    near = {start + number * 20 * MINUTE for number in range(DAYS * 72)}
    near |= {start, *(change.at + number * MINUTE for change in changes for number in range(-3, 4))}
    yield from sorted(at for at in near if start <= at < start + DAYS * DAY)


def drive(world: World, aws: NodeGroups, times: Iterable[datetime]) -> list[Change]:
    """Run hibernation at these moments; return those at which the cluster changed its state."""
    toggles: list[Change] = []
    asleep = aws.is_asleep()
    for at in times:
        told = run(world.acme, world.anna, aws, now=at)
        assert {each.outcome for each in told} <= {Outcome.DONE}
        if aws.is_asleep() is not asleep:
            asleep = aws.is_asleep()
            toggles.append(Change(at, ASLEEP if asleep else AWAKE))
        assert len(told) == (toggles[-1].at == at if toggles else 0)
    return toggles


def override(world: World, state: SleepState, starts_at: datetime, ends_at: datetime) -> None:
    """Make an override, whether its time has passed by now or not."""
    (schedule,) = rows_of(HibernationSchedule)
    facts: dict[str, Any] = {"starts_at": starts_at, "ends_at": ends_at, "reason": "fair", "person_name": "anna"}
    with get_db_session(tenant=world.acme) as session:
        session.add(HibernationOverride(schedule_id=schedule["id"], state=state, **facts))


def wake_for_good(world: World, aws: NodeGroups, at: datetime) -> None:
    """Switch hibernation off, and see that nobody stays asleep or smaller than before."""
    with get_db_session(tenant=world.acme) as session:
        session.query(HibernationSchedule).one().enabled = False
    run(world.acme, world.anna, aws, now=at)
    assert aws.held == {"shop": {EKS: THREE, ASG: FIVE}}
    (row,) = rows_of(HibernationSchedule)
    assert (row["applied_state"], row["restore_state"], row["lease_token"]) == (AWAKE, None, None)


def shop(world: World, **facts: Any) -> tuple[UUID, NodeGroups]:
    return make_sleeper(world.acme, world.anna, **facts), NodeGroups(shop={EKS: THREE, ASG: FIVE})


@pytest.mark.parametrize(
    ("zone", "day", "week", "prewarm"),
    [
        ("Europe/Berlin", "2026-03-27", EARLY, 0),
        ("Europe/Berlin", "2026-03-27", OFFICE, 45),
        ("Europe/Berlin", "2026-10-23", EARLY, 45),
        ("Europe/Berlin", "2026-10-23", OFFICE, 0),
        ("Australia/Lord_Howe", "2026-04-03", EARLY, 0),
        ("Australia/Lord_Howe", "2026-10-02", EARLY, 20),
        ("Asia/Kathmandu", "2026-10-02", EARLY, 15),
        ("Africa/Casablanca", "2026-02-13", EARLY, 0),
        ("Africa/Casablanca", "2026-03-20", EARLY, 20),
    ],
)
def test_what_is_planned_is_what_happens(world: World, zone: str, day: str, week: list[int], prewarm: int) -> None:
    _, aws = shop(world, week=week, timezone=zone, prewarm_minutes=prewarm)
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    override(world, AWAKE, start + 20 * HOUR, start + 22.5 * HOUR)
    override(world, ASLEEP, start + 60 * HOUR, start + 75 * HOUR)
    first, *changes = plan(hours_of_shop(world, start), DAYS, start)
    expected = [first, *changes] if first.state is ASLEEP else changes
    assert drive(world, aws, moments([first, *changes], start)) == expected
    assert len(aws.scaled) == 2 * len(expected)  # two groups, none of them twice
    wake_for_good(world, aws, start + DAYS * DAY)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_hours_without_a_run_are_made_up_for(world: World, zone: str) -> None:
    _, aws = shop(world, week=EARLY, timezone=zone, prewarm_minutes=20)
    start = datetime(2026, 10, 2, tzinfo=UTC)
    hours, rng = hours_of_shop(world, start), Random(7)
    changes = plan(hours, DAYS, start)
    dark = [(change.at - rng.random() * 3 * HOUR, change.at + rng.random() * 3 * HOUR) for change in changes[::3]]
    lit = [at for at in moments(changes, start) if not any(begin <= at < end for begin, end in dark)]
    states = [(at, state_at(hours, at)) for at in lit]
    expected = [
        Change(at, state) for (_, former), (at, state) in zip([(start, AWAKE), *states], states, strict=False)
        if state is not former
    ]  # fmt: skip
    assert drive(world, aws, lit) == expected
    wake_for_good(world, aws, start + DAYS * DAY)


def test_whenever_it_is_run_the_cluster_is_what_it_is_to_be(world: World) -> None:
    rng = Random(11)
    _, aws = shop(world, week=[rng.randrange(2) for _ in range(168)], timezone="America/St_Johns", prewarm_minutes=30)
    at = start = datetime(2026, 10, 30, tzinfo=UTC)
    for _ in range(6):
        begin = start + rng.random() * 4 * DAY
        override(world, rng.choice([AWAKE, ASLEEP]), begin, begin + rng.random() * 12 * HOUR)
    hours = hours_of_shop(world, start)
    for _ in range(150):
        at += rng.expovariate(1) * HOUR
        run(world.acme, world.anna, aws, now=at)
        assert aws.is_asleep() is (state_at(hours, at) is ASLEEP)
        assert run(world.acme, world.anna, aws, now=at) == []
    wake_for_good(world, aws, at)
