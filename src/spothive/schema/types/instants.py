"""Points in time, always with their zone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from spothive.errors import InvalidInput
from spothive.schema.types.checked import Check, CheckedType

_TEXT = "%04d-%02d-%02d %02d:%02d:%02d.%06d"
_DIGITS = "[0-9]"
_DAY_GLOB = "-".join((_DIGITS * 4, _DIGITS * 2, _DIGITS * 2))
_GLOB = _DAY_GLOB + " " + ":".join([_DIGITS * 2] * 3) + "." + _DIGITS * 6


class UtcDateTime(CheckedType[datetime]):
    """An instant: aware in Python, ``timestamptz`` on PostgreSQL, 26 characters of UTC text on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, which sorts and compares as time because its width is fixed."""
        kind: TypeEngine[Any] = sa.DateTime(timezone=True) if dialect.name == "postgresql" else sa.Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Convert to UTC.

        Raises:
            InvalidInput: the time is naive, or not a time at all.
        """
        if value is None:
            return None
        if not isinstance(value, datetime) or value.utcoffset() is None:
            msg = "a time needs its zone: pass an aware datetime, for example datetime.now(UTC)"
            raise InvalidInput(msg)
        try:
            moment = value.astimezone(UTC)
        except OverflowError:
            msg = "the time lies outside the years 1 to 9999 in UTC"
            raise InvalidInput(msg) from None
        return moment if dialect.name == "postgresql" else utc_text(moment)

    def result_processor(self, dialect: Dialect, _: Any) -> Callable[[Any], datetime | None]:
        """Return what reads a value as an aware UTC datetime, without SQLAlchemy's own step in between.

        Most rows hold several, and the step takes twice as long as the reading.
        """
        return _in_utc if dialect.name == "postgresql" else _utc_from_text

    def checks(self, column: str) -> Iterator[Check]:
        """Keep out what Python cannot hold: infinity, years before 1 and after 9999, on SQLite any other text."""
        first, end = "0001-01-01 00:00:00+00", "10000-01-01 00:00:00+00"
        message = "it is not a moment in UTC of the years 1 to 9999"
        yield Check("utc", f"{column} >= '{first}' AND {column} < '{end}'", message, "postgresql")
        # The date goes through date() and back because GLOB alone would take 30 February.
        yield Check(
            "utc",
            f"{column} GLOB '{_GLOB}' AND date(substr({column}, 1, 10), '+0 days') IS substr({column}, 1, 10) "
            f"AND substr({column}, 1, 4) > '0000' AND substr({column}, 12, 2) < '24' "
            f"AND substr({column}, 15, 2) < '60' AND substr({column}, 18, 2) < '60' OR {column} IS NULL",
            message,
            "sqlite",
        )


def _in_utc(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)


def _utc_from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


class Day(CheckedType[date]):
    """A calendar day in UTC: ``date`` on PostgreSQL, ten characters of text on SQLite."""

    impl = sa.Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, which sorts as time."""
        return dialect.type_descriptor(sa.Date() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Take a date that is no datetime.

        Raises:
            InvalidInput: anything else; of a datetime nobody knows in which zone its day is meant.
        """
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            msg = f"a day is a date without time; got {type(value).__name__}"
            raise InvalidInput(msg)
        return value if dialect.name == "postgresql" else value.isoformat()

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        """Return a date."""
        del dialect  # SQLite's driver gives text
        return date.fromisoformat(value) if isinstance(value, str) else value

    def checks(self, column: str) -> Iterator[Check]:
        """Keep out what Python cannot hold, as :class:`UtcDateTime` does."""
        message = "it is not a day of the years 1 to 9999"
        yield Check("day", f"{column} >= '0001-01-01' AND {column} < '10000-01-01'", message, "postgresql")
        yield Check(
            "day",
            f"{column} GLOB '{_DAY_GLOB}' AND date({column}, '+0 days') IS {column} "
            f"AND substr({column}, 1, 4) > '0000' OR {column} IS NULL",
            message,
            "sqlite",
        )


def utc_text(moment: datetime) -> str:
    """Write an aware UTC datetime as SQLite stores it: ``YYYY-MM-DD HH:MM:SS.ffffff``."""
    m = moment
    return _TEXT % (m.year, m.month, m.day, m.hour, m.minute, m.second, m.microsecond)


class utc_timestamp(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's time of day in the form :class:`UtcDateTime` stores: microseconds, on SQLite milliseconds."""

    type = UtcDateTime()
    inherit_cache = False

    def __init__(self, plus_hours: int = 0) -> None:
        """Take the present, or so many hours after it."""
        super().__init__()
        self.plus_hours = plus_hours


@compiles(utc_timestamp, "postgresql")
def _utc_timestamp_postgresql(element: utc_timestamp, *_: Any, **__: Any) -> str:
    return "CURRENT_TIMESTAMP" + (f" + interval '{element.plus_hours} hours'" if element.plus_hours else "")


@compiles(utc_timestamp, "sqlite")
def _utc_timestamp_sqlite(element: utc_timestamp, *_: Any, **__: Any) -> str:
    later = f", '+{element.plus_hours} hours'" if element.plus_hours else ""
    return f"(strftime('%Y-%m-%d %H:%M:%f000', 'now'{later}))"


class clock_timestamp(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's time of day as the statement runs, however long its transaction has been open."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(clock_timestamp, "postgresql")
def _clock_timestamp_postgresql(*_: Any, **__: Any) -> str:
    return "clock_timestamp()"


@compiles(clock_timestamp, "sqlite")
def _clock_timestamp_sqlite(*_: Any, **__: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class utc_day(sa.sql.functions.FunctionElement[date]):  # noqa: N801 - reads as an SQL function
    """The :class:`Day` in UTC on which a moment lies."""

    type = Day()
    inherit_cache = True


@compiles(utc_day, "postgresql")
def _utc_day_postgresql(element: utc_day, compiler: Any, **kw: Any) -> str:
    return f"CAST(timezone('UTC', {compiler.process(element.clauses, **kw)}) AS DATE)"


@compiles(utc_day, "sqlite")
def _utc_day_sqlite(element: utc_day, compiler: Any, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 10)"


class a_day_after(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The moment 24 hours after another one, to the microsecond."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(a_day_after, "postgresql")
def _a_day_after_postgresql(element: a_day_after, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} + interval '24 hours')"


@compiles(a_day_after, "sqlite")
def _a_day_after_sqlite(element: a_day_after, compiler: Any, **kw: Any) -> str:
    moment = compiler.process(element.clauses, **kw)  # SQLite reckons in milliseconds, so the fraction is kept apart
    return f"(strftime('%Y-%m-%d %H:%M:%S', substr({moment}, 1, 19), '+24 hours') || substr({moment}, 20))"
