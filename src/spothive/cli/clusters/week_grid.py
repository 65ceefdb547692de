"""A week as a picture: a line a day, a character an hour."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = range(24)
_MARKED = 6
"""Every so many hours the heading names one."""

_FINE, _PLAIN = ("\N{FULL BLOCK}", "\N{MIDDLE DOT}"), ("#", ".")


def draw_week(week: Sequence[int], *, fine: bool) -> list[str]:
    """Return the lines of the picture, a heading first.

    Args:
        week: 168 hours from Monday 00:00 on, each 1 for awake or 0 for asleep.
        fine: by characters that ASCII lacks.
    """
    awake, asleep = _FINE if fine else _PLAIN
    heading = "".join(f"{hour:02d}".ljust(_MARKED) for hour in _HOURS[::_MARKED]).rstrip()
    lines = [f"     {heading}"]
    for number, day in enumerate(_DAYS):
        hours = week[number * len(_HOURS) : (number + 1) * len(_HOURS)]
        lines.append(f"{day}  {''.join(awake if hour else asleep for hour in hours)}")
    return [*lines, f"     {awake} awake  {asleep} asleep"]


def shows_blocks() -> bool:
    """Tell whether standard output is a terminal that shows more than ASCII; files and pipes get plain characters."""
    if not sys.stdout.isatty():
        return False
    try:
        "".join(_FINE).encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
