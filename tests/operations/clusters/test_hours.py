"""The hours of a cluster, against a clock that is read every minute, where clocks are changed and where not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings, strategies as st

from spothive.errors import InvalidInput
from spothive.models import SleepState
from spothive.operations.clusters.hours import Change, Hours, Span, plan, state_at, time_asleep, zone_named

AWAKE, ASLEEP = SleepState.AWAKE, SleepState.ASLEEP
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFFICE = [int(day < 5 and 7 <= hour < 19) for day in range(7) for hour in range(24)]
SUNDAY = 6 * 24
BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)

CHANGES = {
    "Berlin, forward": ("Europe/Berlin", SPRING),
    "Berlin, back": ("Europe/Berlin", AUTUMN),
    "Lord Howe, half an hour back": ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)),
    "Lord Howe, half an hour forward": ("Australia/Lord_Howe", datetime(2026, 10, 3, 12, tzinfo=UTC)),
    "Kathmandu, 5:45 ahead": ("Asia/Kathmandu", SPRING),
    "Casablanca, back": ("Africa/Casablanca", datetime(2026, 2, 15, tzinfo=UTC)),
    "Casablanca, forward": ("Africa/Casablanca", datetime(2026, 3, 22, tzinfo=UTC)),
    "Troll, two hours back": ("Antarctica/Troll", AUTUMN),
    "Troll, two hours forward": ("Antarctica/Troll", SPRING),
    "St. John's, back within an hour and over midnight": ("America/St_Johns", datetime(2006, 10, 29, tzinfo=UTC)),
    "Apia, a day left out": ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
}
"""Zone, and the day in UTC around which its clocks are changed, or are not."""


def week(*awake: int) -> list[int]:
    return [int(hour in awake) for hour in range(168)]


def by_minutes(hours: Hours, start: datetime, days: int) -> list[SleepState]:
    """Return the state of each minute as somebody would say it who sits beside the clock and writes down each minute.

    The clock on the wall never counts as earlier than it has been.
    """
    ahead = int(hours.prewarm / MINUTE)
    latest, states = datetime(1, 1, 1), []  # noqa: DTZ001 - what a clock on a wall shows
    for number in range(-24 * 60, days * 24 * 60 + ahead + 1):
        now = start + number * MINUTE
        latest = max(latest, now.astimezone(hours.zone).replace(tzinfo=None))
        if number >= 0:
            own = AWAKE if hours.week[latest.weekday() * 24 + latest.hour] else ASLEEP
            holding = [span.state for span in hours.overrides if span.starts_at <= now < span.ends_at]
            states.append((holding[-1] if holding else own, bool(holding)))
    woken, since_awake = [], ahead + 1
    for state, overridden in reversed(states):
        since_awake = 0 if state is AWAKE else since_awake + 1
        if state is ASLEEP and overridden:
            since_awake = ahead + 1  # whoever is woken before it would be put to sleep again
        woken.append(AWAKE if since_awake <= ahead else ASLEEP)
    return list(reversed(woken))[: days * 24 * 60]


def played(changes: list[Change], start: datetime, days: int) -> list[SleepState]:
    """Return the state of each minute by a plan."""
    states: list[SleepState] = []
    ends = [change.at for change in changes[1:]] + [start + days * DAY]
    for change, end in zip(changes, ends, strict=True):
        assert change.at == start + len(states) * MINUTE
        states += [change.state] * int((end - change.at) / MINUTE)
    return states


@pytest.mark.parametrize("name", CHANGES)
def test_the_plan_is_what_a_clock_read_every_minute_says(name: str) -> None:
    zone, day = CHANGES[name]
    start = day - 12 * HOUR
    odd = [hour % 2 for hour in range(168)]
    for matrix in (odd, [1 - each for each in odd], OFFICE, week(*range(SUNDAY + 2, 168))):
        for prewarm in (0, 20):
            hours = Hours(matrix, ZoneInfo(zone), prewarm * MINUTE)
            changes = plan(hours, 2, start)
            assert played(changes, start, 2) == by_minutes(hours, start, 2)
            for change in changes:
                assert state_at(hours, change.at) is change.state
                if change.at > start:
                    assert state_at(hours, change.at - timedelta(microseconds=1)) is not change.state
    every = Hours(odd, ZoneInfo(zone))
    states = by_minutes(every, start, 2)
    assert [state_at(every, start + minute * MINUTE) for minute in range(0, len(states), 7)] == states[::7]


minutes = st.integers(-200, 26 * 60)
spans = st.tuples(minutes, st.integers(1, 600), st.sampled_from(SleepState))


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(sorted(CHANGES)),
    matrix=st.lists(st.integers(0, 1), min_size=168, max_size=168),
    prewarm=st.sampled_from((0, 1, 30, 61, 120)),
    drawn=st.lists(spans, max_size=4),
)
@example(zone="Berlin, back", matrix=OFFICE, prewarm=120, drawn=[(0, 60, ASLEEP), (30, 60, AWAKE)])
def test_so_it_is_with_overrides_and_waking_early(
    zone: str, matrix: list[int], prewarm: int, drawn: list[tuple[int, int, SleepState]]
) -> None:
    name, day = CHANGES[zone]
    overrides = tuple(
        Span(day + begun * MINUTE, day + (begun + length) * MINUTE, state) for begun, length, state in drawn
    )
    hours = Hours(matrix, ZoneInfo(name), prewarm * MINUTE, overrides)
    changes = plan(hours, 1, day)
    expected = by_minutes(hours, day, 1)
    assert played(changes, day, 1) == expected
    assert time_asleep(hours, 1, day) == expected.count(ASLEEP) * MINUTE
    assert all(state_at(hours, change.at) is change.state for change in changes)


def local(zone: ZoneInfo, changes: list[Change]) -> list[tuple[str, SleepState]]:
    return [(f"{change.at.astimezone(zone):%a %H:%M%z}", change.state) for change in changes]


def test_a_skipped_hour_takes_no_effect_and_leaves_nobody_asleep() -> None:
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)  # Sunday 00:00; at 02:00 the clocks show 03:00
    wakes_then = Hours(week(*range(SUNDAY + 2, 168)), BERLIN)
    assert local(BERLIN, plan(wakes_then, 1, start)[:2]) == [("Sun 00:00+0100", ASLEEP), ("Sun 03:00+0200", AWAKE)]
    only_then = Hours(week(SUNDAY + 2), BERLIN)
    assert local(BERLIN, plan(only_then, 1, start)) == [("Sun 00:00+0100", ASLEEP)]
    assert len(plan(only_then, 1, start - 7 * DAY)) == 3
    asleep_only_then = Hours([1 - each for each in week(SUNDAY + 2)], BERLIN)
    assert local(BERLIN, plan(asleep_only_then, 1, start)) == [("Sun 00:00+0100", AWAKE)]


def test_a_repeated_hour_switches_once() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # Sunday 00:00; at 03:00 the clocks show 02:00
    hours = Hours(week(SUNDAY + 2), BERLIN)
    expected = [("Sun 00:00+0200", ASLEEP), ("Sun 02:00+0200", AWAKE), ("Sun 03:00+0100", ASLEEP)]
    assert local(BERLIN, plan(hours, 1, start)) == expected
    assert time_asleep(hours, 1, start) == 22 * HOUR
    troll = ZoneInfo("Antarctica/Troll")  # at 03:00 the clocks show 01:00
    changes = plan(Hours(week(SUNDAY + 1), troll), 1, start)
    assert local(troll, changes) == [
        ("Sun 00:00+0200", ASLEEP),
        ("Sun 01:00+0200", AWAKE),
        ("Sun 02:00+0200", ASLEEP),
    ]


def test_half_an_hour_is_half_an_hour() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    back = plan(Hours(week(SUNDAY + 1), lord_howe), 1, datetime(2026, 4, 4, 13, tzinfo=UTC))
    assert back[2].at - back[1].at == 90 * MINUTE
    forward = plan(Hours(week(SUNDAY + 2), lord_howe), 1, datetime(2026, 10, 3, 13, 30, tzinfo=UTC))
    assert forward[2].at - forward[1].at == 30 * MINUTE
    kathmandu = ZoneInfo("Asia/Kathmandu")
    assert plan(Hours(week(0), kathmandu), 1, datetime(2026, 3, 1, 12, tzinfo=UTC)) == [
        Change(datetime(2026, 3, 1, 12, tzinfo=UTC), ASLEEP),
        Change(datetime(2026, 3, 1, 18, 15, tzinfo=UTC), AWAKE),
        Change(datetime(2026, 3, 1, 19, 15, tzinfo=UTC), ASLEEP),
    ]


MONDAY = datetime(2026, 6, 8, tzinfo=UTC)


def utc(matrix: list[int], prewarm: int = 0, *overrides: Span, enabled: bool = True) -> Hours:
    return Hours(matrix, ZoneInfo("UTC"), prewarm * MINUTE, overrides, enabled)


def test_who_has_to_be_awake_on_monday_at_midnight_wakes_on_sunday() -> None:
    changes = plan(utc(week(0), 30), 1, MONDAY - 2 * HOUR)
    assert [(change.at - MONDAY, change.state) for change in changes] == [
        (-2 * HOUR, ASLEEP),
        (-30 * MINUTE, AWAKE),
        (HOUR, ASLEEP),
    ]


def test_nobody_wakes_early_for_what_an_override_lets_be_slept_through() -> None:
    seven = MONDAY + 7 * HOUR
    asleep = Span(seven, seven + 2 * HOUR, ASLEEP)
    changes = plan(utc(OFFICE, 30, asleep), 1, MONDAY)
    assert [change.at for change in changes] == [MONDAY, seven + 2 * HOUR, MONDAY + 19 * HOUR]
    before = Span(seven - 2 * HOUR, seven - 10 * MINUTE, ASLEEP)
    assert plan(utc(OFFICE, 30, before), 1, MONDAY)[1].at == seven - 10 * MINUTE
    night = Span(MONDAY + 2 * HOUR, MONDAY + 3 * HOUR, AWAKE)
    woken = plan(utc(OFFICE, 30, night), 1, MONDAY)
    assert [change.at - MONDAY for change in woken[1:3]] == [90 * MINUTE, 3 * HOUR]


def test_an_override_beats_the_week_and_ends_by_itself_and_the_last_word_holds() -> None:
    first = Span(MONDAY + 8 * HOUR, MONDAY + 12 * HOUR, ASLEEP)
    second = Span(MONDAY + 9 * HOUR, MONDAY + 10 * HOUR, AWAKE)
    assert [change.at.hour for change in plan(utc(OFFICE, 0, first), 1, MONDAY)] == [0, 7, 8, 12, 19]
    assert [change.at.hour for change in plan(utc(OFFICE, 0, first, second), 1, MONDAY)] == [0, 7, 8, 9, 10, 12, 19]
    assert [change.at.hour for change in plan(utc(OFFICE, 0, second, first), 1, MONDAY)] == [0, 7, 8, 12, 19]


def test_hibernation_that_is_off_keeps_nobody_asleep() -> None:
    off = utc(week(), 0, Span(MONDAY, MONDAY + DAY, ASLEEP), enabled=False)
    assert plan(off, 30, MONDAY) == [Change(MONDAY, AWAKE)]
    assert plan(utc(week()), 30, MONDAY) == [Change(MONDAY, ASLEEP)]


def test_what_cannot_be_planned_is_refused() -> None:
    for days in (0, -1, 367):
        with pytest.raises(InvalidInput, match="1 to 366 days"):
            plan(utc(OFFICE), days, MONDAY)
    for wrong in (MONDAY.replace(tzinfo=None), MONDAY.replace(year=9999), MONDAY.replace(year=1)):
        with pytest.raises(InvalidInput):
            state_at(utc(OFFICE), wrong)
    for name in ("", "Mars/Olympus", "localtime", "../UTC", "europe/berlin", "Europe", "Europe/Berlin\0"):
        with pytest.raises(InvalidInput, match="is no time zone"):
            zone_named(name)
    assert zone_named("Australia/Lord_Howe").key == "Australia/Lord_Howe"
