"""When a cluster is awake: the hours of its week in its own zone, what beats them, and waking up a little early.

Asks neither a database nor a clock. The clocks of a zone are set forward and back, by an hour, by half of one, in the
middle of an hour; docs/decisions/0040 says what holds then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from spothive.errors import InvalidInput
from spothive.models import HibernationOverride, HibernationSchedule, SleepState

DAYS_MAX: Final = 366
"""Most days that a plan looks ahead."""

_HOUR, _SECOND, _INSTANT = timedelta(hours=1), timedelta(seconds=1), timedelta(microseconds=1)
_YEARS: Final = range(1970, 9000)
"""Far enough from the first and the last day Python knows."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which the hours of the week do not count.

    Attributes:
        starts_at: first moment (UTC).
        ends_at: first moment after it (UTC).
        state: what holds instead.
    """

    starts_at: datetime
    ends_at: datetime
    state: SleepState


@dataclass(frozen=True, slots=True)
class Hours:
    """All that decides whether a cluster is awake.

    Attributes:
        week: 168 hours of the local week, Monday 00:00 first; 1 = awake.
        zone: where the week is local.
        prewarm: how long before it has to be awake it wakes up.
        overrides: what beats the week; where several hold, the last of them does.
        enabled: off: it is always awake.
    """

    week: Sequence[int]
    zone: ZoneInfo
    prewarm: timedelta = timedelta(0)
    overrides: tuple[Span, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """From ``at`` (UTC) on a cluster is in ``state``."""

    at: datetime
    state: SleepState


@dataclass(frozen=True, slots=True)
class _Step:
    """From ``at`` on ``state`` holds, by an override or by the week, before anything wakes up early."""

    at: datetime
    state: SleepState
    overridden: bool


def hours_of(schedule: HibernationSchedule, overrides: Iterable[HibernationOverride]) -> Hours:
    """Return the hours of a schedule with its overrides, in any order: the one that was made last holds.

    Raises:
        InvalidInput: this machine does not know the schedule's zone.
    """
    made = sorted(overrides, key=lambda override: override.id)  # ids rise with time
    return Hours(
        week=schedule.schedule_matrix,
        zone=zone_named(schedule.timezone),
        prewarm=timedelta(minutes=schedule.prewarm_minutes if schedule.prewarm_enabled else 0),
        overrides=tuple(Span(each.starts_at, each.ends_at, each.state) for each in made),
        enabled=schedule.enabled,
    )


def zone_named(name: str) -> ZoneInfo:
    """Return the zone with this IANA name, spelled exactly so.

    Raises:
        InvalidInput: there is none.
    """
    if name not in _zones():
        msg = f"{name[:64]!r} is no time zone: write an IANA name such as Europe/Berlin or UTC"
        raise InvalidInput(msg)
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory"}  # what they mean depends on the machine


def state_at(hours: Hours, instant: datetime) -> SleepState:
    """Return whether a cluster is to be awake at an instant.

    Raises:
        InvalidInput: the instant has no zone, or lies outside the years 1970 to 8999.
    """
    at = _checked(instant)
    return _course(hours, at, at + _INSTANT)[0].state


def plan(hours: Hours, days: int, start: datetime) -> list[Change]:
    """Return what :func:`state_at` says over some days: the state at ``start``, then every change, in order.

    Args:
        hours: those of the cluster.
        days: how many times 24 hours.
        start: first moment.

    Raises:
        InvalidInput: the days are not 1 to 366, or ``start`` has no zone or lies outside the years 1970 to 8999.
    """
    if not 1 <= days <= DAYS_MAX:
        msg = f"a plan is for 1 to {DAYS_MAX} days"
        raise InvalidInput(msg)
    begin = _checked(start)
    return _course(hours, begin, begin + days * timedelta(hours=24))


def time_asleep(hours: Hours, days: int, start: datetime) -> timedelta:
    """Return how long a cluster is asleep in the days that :func:`plan` describes; raises like it."""
    changes = plan(hours, days, start)
    ends = [change.at for change in changes[1:]] + [changes[0].at + days * timedelta(hours=24)]
    spans = (end - change.at for change, end in zip(changes, ends, strict=True) if change.state is SleepState.ASLEEP)
    return sum(spans, timedelta(0))


def _checked(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        msg = f"{instant} has no zone: whose clock is meant?"
        raise InvalidInput(msg)
    if instant.year not in _YEARS:
        msg = f"hibernation is planned for the years {_YEARS.start} to {_YEARS.stop - 1}"
        raise InvalidInput(msg)
    return instant.astimezone(UTC)


# --- the course of a cluster ------------------------------------------------------------------------------------------


def _course(hours: Hours, start: datetime, end: datetime) -> list[Change]:
    """Return the state at ``start`` and the changes before ``end``, with waking up early."""
    if not hours.enabled:
        return [Change(start, SleepState.AWAKE)]
    steps = _steps(hours, start, end + hours.prewarm)
    changes: list[Change] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        changes.append(Change(step.at, step.state))
        rouses = following is not None and following.state is SleepState.AWAKE
        if rouses and step.state is SleepState.ASLEEP and not step.overridden and hours.prewarm:
            assert following is not None  # noqa: S101 - or it would not rouse
            changes.append(Change(max(step.at, following.at - hours.prewarm), SleepState.AWAKE))
    return _without_echo([change for change in changes if change.at < end])


def _without_echo(changes: list[Change]) -> list[Change]:
    """Leave out what lasts no moment, and what changes nothing."""
    lasting = [one for one, other in pairwise(changes) if one.at < other.at] + changes[-1:]
    return lasting[:1] + [other for one, other in pairwise(lasting) if one.state is not other.state]


def _steps(hours: Hours, start: datetime, end: datetime) -> list[_Step]:
    """Return what holds at ``start`` and what changes before ``end``, by the week and the overrides."""
    moments = set(_hour_marks(hours.zone, start, end))
    moments |= {mark for span in hours.overrides for mark in (span.starts_at, span.ends_at) if start < mark < end}
    steps: list[_Step] = []
    for at in sorted(moments):
        span = next((span for span in reversed(hours.overrides) if span.starts_at <= at < span.ends_at), None)
        state = _by_the_week(hours, at) if span is None else span.state
        step = _Step(at, state, span is not None)
        if not steps or (steps[-1].state, steps[-1].overridden) != (step.state, step.overridden):
            steps.append(step)
    return steps


def _by_the_week(hours: Hours, instant: datetime) -> SleepState:
    local = instant.astimezone(hours.zone)
    if local.fold:  # this hour was there before; what it ended with then goes on until it is over
        first_time = instant - (_offset(hours.zone, instant, fold=0) - _offset(hours.zone, instant, fold=1))
        local = (_clock_change(hours.zone, first_time, instant) - _SECOND).astimezone(hours.zone)
    return SleepState.AWAKE if hours.week[local.weekday() * 24 + local.hour] else SleepState.ASLEEP


def _hour_marks(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield ``start``, and before ``end`` each moment at which a local hour begins or the clocks are changed."""
    at = start
    while at < end:
        yield at
        local = at.astimezone(zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        following = at + (_HOUR - into)
        if following.astimezone(zone).utcoffset() != local.utcoffset():
            following = _clock_change(zone, at, following)
        at = following


def _clock_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the moment of the one change of the clocks after ``before`` and up to ``after``; it is a whole second."""
    former = before.astimezone(zone).utcoffset()
    base = before.replace(microsecond=0)
    seconds = range(int((after - base) / _SECOND) + 2)

    def has_changed(number: int) -> int:
        return int((base + number * _SECOND).astimezone(zone).utcoffset() != former)

    return base + bisect_left(seconds, 1, key=has_changed) * _SECOND


def _offset(zone: ZoneInfo, instant: datetime, *, fold: int) -> timedelta:
    """Return how far the local clock is ahead of UTC the first or the second time it shows what it shows."""
    offset = instant.astimezone(zone).replace(fold=fold).utcoffset()
    assert offset is not None  # noqa: S101 - a zone always knows
    return offset
