"""The hours of a week as people write and read them: ``mon-fri 07:00-19:00``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from spothive.errors import InvalidInput
from spothive.schema.types import WEEK_HOURS

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_HOURS: Final = 24

_SPAN = re.compile(r"(?P<days>[a-z,-]+)(?: +(?P<first>\d{1,2})(?::00)?-(?P<last>\d{1,2})(?::00)?)?")


def read_week(spans: Sequence[str]) -> list[int]:
    """Return the 168 hours, Monday 00:00 first, in which one of ``spans`` holds as 1, the others as 0.

    Args:
        spans: each like ``mon-fri 07:00-19:00``, ``sat,sun 10-14``, ``fri 22-06`` (until Saturday) or ``sun`` (all
            day).

    Raises:
        InvalidInput: one is not like that; hours are whole.
    """
    week = [0] * WEEK_HOURS
    for span in spans:
        found = _SPAN.fullmatch(" ".join(span.lower().split()))
        days = _days(found["days"]) if found else None
        first, last = (int(found["first"] or 0), int(found["last"] or DAY_HOURS)) if found else (0, 0)
        if not days or first >= DAY_HOURS or last > DAY_HOURS or first == last:
            msg = (
                f"{span[:60]!r} is no time of the week: write mon-fri 07:00-19:00, or sat,sun 10-14, in whole hours; "
                "fri 22-06 lasts until Saturday"
            )
            raise InvalidInput(msg)
        for day in days:
            for hour in range(first, last if last > first else last + DAY_HOURS):
                week[(day * DAY_HOURS + hour) % WEEK_HOURS] = 1
    return week


def _days(text: str) -> list[int]:
    """Return the numbers of the days that ``mon-fri,sun`` names; none if it names something else."""
    days: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (last if dash else first) not in DAYS:
            return []
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        days += [day % len(DAYS) for day in range(begin, end + 1 if end >= begin else end + 1 + len(DAYS))]
    return days


def tell_week(week: Sequence[int]) -> list[str]:
    """Return the spans that :func:`read_week` makes ``week`` of; days that follow one another with equal hours are one.

    Args:
        week: 168 hours, each 0 or 1.
    """
    hours = [tuple(week[day * DAY_HOURS : (day + 1) * DAY_HOURS]) for day in range(len(DAYS))]
    told: list[str] = []
    for of_day, numbers in groupby(range(len(DAYS)), key=lambda day: hours[day]):
        days = list(numbers)
        named = DAYS[days[0]] if len(days) == 1 else f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
        for is_awake, awake in groupby(range(DAY_HOURS), key=lambda hour: of_day[hour]):
            span = list(awake)
            if is_awake:
                told.append(f"{named} {span[0]:02d}:00-{span[-1] + 1:02d}:00")
    return told


def check_week(week: Sequence[int]) -> list[int]:
    """Return ``week`` as it is stored.

    Raises:
        InvalidInput: it is not 168 numbers, each 0 or 1.
    """
    hours = list(week)
    if len(hours) != WEEK_HOURS or any(type(hour) is not int or hour not in (0, 1) for hour in hours):
        msg = f"a week is {WEEK_HOURS} hours from Monday 00:00 on, each 1 for awake or 0 for asleep"
        raise InvalidInput(msg)
    return hours
