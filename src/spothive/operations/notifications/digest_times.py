"""When the next digest of a user is due."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from spothive.errors import InvalidInput
from spothive.models import EmailFrequency

DIGEST_TIME: Final = time(9)
"""Daily at nine, weekly on Mondays at nine, by the user's own clock."""


_OF_THE_MACHINE: Final = frozenset({"localtime", "Factory"})


def find_zone(name: str) -> str:
    """Return ``name`` if it is an IANA zone that means the same on every machine.

    Raises:
        InvalidInput: it is none.
    """
    if name not in available_timezones() - _OF_THE_MACHINE:
        msg = f"{name[:64]!r} is no time zone: write an IANA name such as Europe/Berlin or UTC"
        raise InvalidInput(msg)
    return name


def next_digest(frequency: EmailFrequency, timezone: str, now: datetime) -> datetime:
    """Return the first digest after ``now``, UTC.

    Args:
        frequency: daily or weekly.
        timezone: IANA zone of the user; one that this machine does not know counts as UTC.
        now: aware.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    day = now.astimezone(zone).date()
    if frequency is EmailFrequency.DIGEST_WEEKLY:
        day -= timedelta(days=day.weekday())
    step = timedelta(days=7 if frequency is EmailFrequency.DIGEST_WEEKLY else 1)
    # An hour that a zone skips on that day is taken as the clock before the change would have shown it.
    while (due := datetime.combine(day, DIGEST_TIME, zone).astimezone(UTC)) <= now:
        day += step
    return due
