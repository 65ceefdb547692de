"""The one place that reads the time of day."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime with microseconds."""
    return datetime.now(UTC)
