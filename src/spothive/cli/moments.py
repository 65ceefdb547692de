"""Moments as people type and read them: so long ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spothive.clock import utc_now
from spothive.errors import InvalidInput

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def moment(text: str | None, option: str) -> datetime | None:
    """Return the moment that ``option`` names: ``2h`` ago, or ``2026-03-04`` or ``2026-03-04T10:30`` in UTC.

    Raises:
        InvalidInput: it is neither, or before the year 1.
    """
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text.strip().lower()):
            return utc_now() - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        return _dated(text)
    except (ValueError, OverflowError):
        msg = f"{option}: {text[:40]!r} is no moment: write 30m, 2h or 7d for so long ago, or 2026-03-04T10:30 in UTC"
        raise InvalidInput(msg) from None


def instant(text: str | None, option: str) -> datetime | None:
    """Return the moment that ``option`` names, past or to come: ``2026-03-04`` or ``2026-03-04T10:30`` in UTC.

    Raises:
        InvalidInput: it is none, or before the year 1.
    """
    if text is None:
        return None
    try:
        return _dated(text)
    except (ValueError, OverflowError):
        msg = f"{option}: {text[:40]!r} is no moment: write 2026-03-04T10:30 in UTC, or 2026-03-04T10:30+01:00"
        raise InvalidInput(msg) from None


def duration(text: str, option: str) -> timedelta:
    """Return how long ``option`` says: ``30m``, ``2h``, ``7d``.

    Raises:
        InvalidInput: it says no such thing.
    """
    if long := _AGO.fullmatch(text.strip().lower()):
        return timedelta(seconds=int(long[1]) * _SECONDS[long[2]])
    msg = f"{option}: {text[:40]!r} is no time: write 30m, 2h or 7d"
    raise InvalidInput(msg)


def to_the_second(value: datetime) -> str:
    """Return a moment for people where the minute is not enough, for example ``2026-03-04 10:30:59 UTC``."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def _dated(text: str) -> datetime:
    given = datetime.fromisoformat(text.strip())
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
