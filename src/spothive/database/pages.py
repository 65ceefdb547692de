"""Pages of what only grows, newest first.

A page begins behind the last row of the one before, found by its key: the thousandth page costs what the first does,
and rows that are written meanwhile neither repeat nor hide any.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, or_

from spothive.database.tenancy import TenantSession
from spothive.errors import InvalidInput

Row = TypeVar("Row")

MAX_PAGE = 10_000
"""Most rows of one page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, the newest first.

    Attributes:
        rows: at most as many as were asked for.
        next: what to give as ``before`` to get the older ones; None if there are none.
    """

    rows: list[Row]
    next: str | None


def newest_first(
    session: TenantSession,
    model: type[Row],
    query: Select[Row],
    *,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    before: str | None = None,
    by: str = "timestamp",
) -> Page[Row]:
    """Return one page of ``query``, which selects ``model``; it has an ``id``. One statement.

    Args:
        session: bound to the tenant.
        model: what is selected.
        query: which rows, without order.
        limit: most rows, 1 to 10,000.
        since: from this moment on.
        until: up to this moment, which is left out.
        before: ``next`` of the page before.
        by: the moment that orders the rows: a column that is never empty and never changes.

    Raises:
        InvalidInput: ``limit`` is out of range, ``before`` is nothing that a page gave, or a moment has no zone.
    """
    if not 1 <= limit <= MAX_PAGE:
        msg = f"a page has 1 to {MAX_PAGE} rows"
        raise InvalidInput(msg)
    entity: Any = model
    when = getattr(entity, by)
    if since is not None:
        query = query.where(when >= since)
    if until is not None:
        query = query.where(when < until)
    if before is not None:
        moment, last_id = _read(before)
        # The first condition is all an index on the time alone can use; (timestamp, id) < (..) would hide it.
        query = query.where(when <= moment, or_(when < moment, entity.id < last_id))
    query = query.order_by(when.desc(), entity.id.desc()).limit(limit + 1)
    rows: list[Any] = list(session.scalars(query))
    more = len(rows) > limit
    return Page(rows[:limit], place(getattr(rows[limit - 1], by), rows[limit - 1].id) if more else None)


def place(moment: datetime, row_id: UUID) -> str:
    """Return what names the place behind a row, to go on from."""
    return f"{moment:%Y%m%dT%H%M%S.%fZ}_{row_id.hex}"


def _read(cursor: str) -> tuple[datetime, UUID]:
    moment, _, last_id = cursor.partition("_")
    try:
        return datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC), UUID(last_id)
    except ValueError:
        msg = f"{cursor[:80]!r} is no place to go on from: give what the page before named"
        raise InvalidInput(msg) from None
