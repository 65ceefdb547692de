"""The one place that reads the time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By how much the clock of AWS, or of whoever tells a time, may be ahead of ours."""


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime with microseconds."""
    return datetime.now(UTC)
