"""Moments that begin with the database's clock: ends of leases, of backoffs and of what expires."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from spothive.models import AgentAction
from spothive.schema.types import UtcDateTime
from spothive.settings import get_settings

_DOUBLED = 16
"""Tries after which a backoff grows no more, whatever its limit: the number must not overflow."""


class clock_after(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's time of day as the statement runs, plus so many seconds; SQLite knows milliseconds."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(clock_after, "postgresql")
def _clock_after_postgresql(element: clock_after, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + CAST({seconds} AS DOUBLE PRECISION) * interval '1 second')"


@compiles(clock_after, "sqlite")
def _clock_after_sqlite(element: clock_after, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('%+.3f seconds', {seconds}))"


def after_backoff() -> sa.ColumnElement[datetime]:
    """Return when an action that went wrong is available again: each time twice as late, up to a limit."""
    settings = get_settings()
    attempts = AgentAction.__table__.c.attempts
    most = sa.literal(settings.action_backoff_most, sa.Float)
    doubled: sa.ColumnElement[Any] = sa.literal_column("1", sa.Integer).bitwise_lshift(
        sa.cast(attempts - sa.literal_column("1"), sa.Integer)
    )
    wait = sa.literal(settings.action_backoff, sa.Float) * sa.cast(doubled, sa.Float)
    return clock_after(sa.case((attempts > _DOUBLED, most), (wait > most, most), else_=wait))
