"""Column types that mean the same on PostgreSQL and on SQLite.

A type here does two things: it converts between Python and the database, and it derives the CHECK that
makes the database refuse what the type would refuse (:func:`derived_checks`, called for every table).
Whatever PostgreSQL and SQLite would treat differently (NaN, NUL, long text, money, time zones) is settled here.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import uuid7

from spothive.errors import InvalidInput

MONEY_SCALE = 6
MONEY_MAX = Decimal("99999999.999999")
"""Largest amount a NUMERIC(14,6) holds, in USD."""
JSON_MAX_BYTES = 256 * 1024
JSON_MAX_DEPTH = 64
WHOLE_MAX = 2**31 - 1

_UTC_TEXT = "%04d-%02d-%02d %02d:%02d:%02d.%06d"
_DIGITS = "[0-9]"
_UTC_GLOB = "-".join((_DIGITS * 4, _DIGITS * 2, _DIGITS * 2)) + " " + ":".join([_DIGITS * 2] * 3) + "." + _DIGITS * 6

new_id = uuid7
"""Make a UUIDv7: time-ordered, so new rows land at the end of every index."""

_V = TypeVar("_V")


class utc_timestamp(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's time of day in the form :class:`UtcDateTime` stores."""

    type = sa.DateTime(timezone=True)
    inherit_cache = True


@compiles(utc_timestamp, "postgresql")
def _utc_timestamp_postgresql(*_: Any, **__: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(utc_timestamp, "sqlite")
def _utc_timestamp_sqlite(*_: Any, **__: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


def sendable_text(value: str) -> str:
    """Return ``value`` if both databases can store it.

    Raises:
        InvalidInput: it holds a NUL character or half of a surrogate pair.
    """
    if "\x00" in value:
        msg = "text may not contain a NUL character"
        raise InvalidInput(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = "text contains half of a surrogate pair and is not valid Unicode; send it as UTF-8"
        raise InvalidInput(msg) from None
    return value


class CheckedType(TypeDecorator[_V]):
    """A type that derives CHECK constraints for its column."""

    __abstract__ = True
    impl = sa.Text
    cache_ok = True

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str | ColumnElement[bool], str | None]]:
        """Yield (kind, condition, dialect or None for both) for ``column``."""
        raise NotImplementedError  # every subclass states its own


class Text(CheckedType[str]):
    """TEXT of ``min_length``..``max_length`` characters (code points), equal on both databases."""

    cache_ok = True

    def __init__(self, max_length: int = 4000, min_length: int = 0) -> None:
        """Set the bounds, in characters."""
        super().__init__()
        self.max_length = max_length
        self.min_length = min_length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what one of the databases could not store."""
        del dialect
        return None if value is None else sendable_text(value)

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """Bound the length; SQLite's ``length`` stops at a NUL, so refuse one there."""
        low = f"length({column.name}) >= {self.min_length} AND " if self.min_length else ""
        bound = f"{low}length({column.name}) <= {self.max_length}"
        yield "length", bound, "postgresql"
        yield "length", f"{bound} AND instr({column.name}, char(0)) = 0", "sqlite"


class AsciiText(Text):
    """Text of a fixed ASCII alphabet, so that look-alikes cannot exist and no collation has a say.

    ``alphabet`` is written as the inside of a bracket expression, for example ``a-z0-9-``.
    """

    cache_ok = True

    def __init__(self, max_length: int, min_length: int = 1, alphabet: str = "!-@[-~") -> None:
        """Set the bounds and the alphabet; the default is printable ASCII without capitals and spaces."""
        super().__init__(max_length, min_length)
        self.alphabet = alphabet

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """Bound the length and the alphabet."""
        yield from super().checks(column)
        yield "ascii", f"{column.name} COLLATE \"C\" ~ '^[{self.alphabet}]*$'", "postgresql"
        yield "ascii", f"{column.name} NOT GLOB '*[^{self.alphabet}]*'", "sqlite"


class TextEnum(CheckedType[enum.StrEnum]):
    """A StrEnum stored as its value, with a CHECK that lists the values."""

    cache_ok = True

    def __init__(self, enum_class: type[enum.StrEnum]) -> None:
        """Store members of ``enum_class``."""
        super().__init__()
        self.enum_class = enum_class

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Accept a member or its exact value.

        Raises:
            InvalidInput: no member has this value.
        """
        del dialect
        if value is None:
            return None
        try:
            return str(self.enum_class(value).value)
        except ValueError:
            known = ", ".join(self.enum_class)
            msg = f"{self.enum_class.__name__} is one of {known}; got {str(value)[:40]!r}"
            raise InvalidInput(msg) from None

    def process_result_value(self, value: str | None, dialect: Dialect) -> enum.StrEnum | None:
        """Return the member."""
        del dialect
        return None if value is None else self.enum_class(value)

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """List the values."""
        values = ", ".join(f"'{member.value}'" for member in self.enum_class)
        yield "values", f"{column.name} IN ({values})", None


class UtcDateTime(CheckedType[datetime]):
    """An instant: aware in Python, ``timestamptz`` on PostgreSQL, 26 characters of UTC text on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, which sorts and compares as time because its width is fixed."""
        kind: TypeEngine[Any] = sa.DateTime(timezone=True) if dialect.name == "postgresql" else sa.Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Convert to UTC.

        Raises:
            InvalidInput: the time is naive, or not a time at all.
        """
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            msg = "a time needs its zone: pass an aware datetime, for example datetime.now(UTC)"
            raise InvalidInput(msg)
        try:
            moment = value.astimezone(UTC)
        except OverflowError:
            msg = "the time lies outside the years 1 to 9999 in UTC"
            raise InvalidInput(msg) from None
        return moment if dialect.name == "postgresql" else utc_text(moment)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware UTC datetime."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]  # psycopg gives a datetime
        return datetime.fromisoformat(value).replace(tzinfo=UTC)

    def process_literal_param(self, value: datetime | None, dialect: Dialect) -> str:
        """Render for DDL."""
        return str(self.process_bind_param(value, dialect))

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """Refuse infinity on PostgreSQL; on SQLite anything but a real date in the one form."""
        c = column.name
        yield "utc", f"isfinite({c})", "postgresql"
        yield (
            "utc",
            f"{c} GLOB '{_UTC_GLOB}' AND date(substr({c}, 1, 10), '+0 days') IS substr({c}, 1, 10) "
            f"AND substr({c}, 12, 2) < '24' AND substr({c}, 15, 2) < '60' AND substr({c}, 18, 2) < '60' "
            f"OR {c} IS NULL",
            "sqlite",
        )


def utc_text(moment: datetime) -> str:
    """Write an aware UTC datetime as SQLite stores it: ``YYYY-MM-DD HH:MM:SS.ffffff``."""
    m = moment
    return _UTC_TEXT % (m.year, m.month, m.day, m.hour, m.minute, m.second, m.microsecond)


class Money(CheckedType[Decimal]):
    """An exact amount of USD: NUMERIC(14,6), on SQLite an integer of millionths.

    Adding, comparing and summing are exact on both. Multiplying or averaging in SQL would be silently wrong
    on SQLite, so it raises: do it in Python.
    """

    impl = sa.Numeric(14, MONEY_SCALE)
    cache_ok = True

    def __init__(self, *, signed: bool = False) -> None:
        """Amounts are at least 0 unless ``signed``."""
        super().__init__()
        self.signed = signed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An integer of millionths on SQLite."""
        kind: TypeEngine[Any] = sa.Numeric(14, MONEY_SCALE) if dialect.name == "postgresql" else sa.BigInteger()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> Any:
        """Convert an exact amount.

        Raises:
            InvalidInput: a float, NaN, infinity, or more than six decimals.
        """
        if value is None:
            return None
        amount = exact_money(value)
        return amount if dialect.name == "postgresql" else int(amount.scaleb(MONEY_SCALE))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return a Decimal with six decimals."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return Decimal(value)
        return Decimal(value).scaleb(-MONEY_SCALE)

    def process_literal_param(self, value: Decimal | int | None, dialect: Dialect) -> str:
        """Render for DDL, in the unit the database stores."""
        return str(self.process_bind_param(value, dialect))

    class comparator_factory(TypeDecorator.Comparator[Decimal]):  # noqa: N801 - SQLAlchemy's name
        """Refuse arithmetic that millionths would get wrong."""

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            """Let comparison, + and - through."""
            if op.__name__ in {"mul", "truediv", "floordiv", "mod"}:
                msg = "money is not multiplied or divided in SQL (SQLite holds millionths): do it in Python"
                raise TypeError(msg)
            return super().operate(op, *other, **kwargs)

        def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
            """Let comparison, + and - through."""
            if op.__name__ in {"mul", "truediv", "floordiv", "mod"}:
                return self.operate(op, other)
            return super().reverse_operate(op, other, **kwargs)

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """Bound both ends: on PostgreSQL NaN is greater than any number."""
        low = -MONEY_MAX if self.signed else Decimal(0)
        yield "money", f"{column.name} >= {low} AND {column.name} <= {MONEY_MAX}", "postgresql"
        micro = f"{column.name} >= {int(low.scaleb(6))} AND {column.name} <= {int(MONEY_MAX.scaleb(6))}"
        yield "money", micro, "sqlite"


def exact_money(value: Decimal | int | str) -> Decimal:
    """Return ``value`` as an exact Decimal of at most six decimals.

    Raises:
        InvalidInput: a float, NaN, infinity, not a number, out of range, or finer than a millionth.
    """
    if isinstance(value, (bool, float)):
        msg = "money is exact: pass a Decimal, an int or a string, never a float"
        raise InvalidInput(msg)
    try:
        amount = Decimal(value)
    except (ArithmeticError, ValueError, TypeError):
        msg = f"not an amount of money: {str(value)[:40]!r}"
        raise InvalidInput(msg) from None
    if not amount.is_finite() or abs(amount) > MONEY_MAX:
        msg = f"an amount of money is at most {MONEY_MAX} USD; got {str(value)[:40]!r}"
        raise InvalidInput(msg)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MONEY_SCALE and amount != round(amount, MONEY_SCALE):
        msg = f"money has at most six decimals; round {str(value)[:40]} first"
        raise InvalidInput(msg)
    return amount


class Whole(CheckedType[int]):
    """A whole number within ``low``..``high``. BIGINT everywhere, so that the CHECK is the one that refuses."""

    impl = sa.BigInteger
    cache_ok = True

    def __init__(self, low: int = 0, high: int = WHOLE_MAX) -> None:
        """Set the bounds, both included."""
        super().__init__()
        self.low = low
        self.high = high

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Refuse what no database integer holds; the CHECK refuses the rest."""
        del dialect
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            msg = f"not a whole number of 64 bits: {str(value)[:40]!r}"
            raise InvalidInput(msg)
        return value

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """State the range."""
        yield "range", f"{column.name} >= {self.low} AND {column.name} <= {self.high}", None


class Bits64(CheckedType[int]):
    """Any signed 64-bit integer (hashes)."""

    impl = sa.BigInteger
    cache_ok = True

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """Every value of the storage type is legal."""
        del column
        yield from ()


class Fraction(CheckedType[float]):
    """A float within ``low``..``high``; NaN, which SQLite would store as NULL, is refused."""

    impl = sa.Float(53)
    cache_ok = True

    def __init__(self, low: float = 0, high: float = 1) -> None:
        """Set the bounds, both included; the default suits a probability."""
        super().__init__()
        self.low = low
        self.high = high

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Refuse NaN and infinity."""
        del dialect
        if value is not None and not math.isfinite(value):
            msg = "a number must be finite: NaN and infinity are refused"
            raise InvalidInput(msg)
        return value

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """State the range."""
        yield "range", f"{column.name} >= {self.low} AND {column.name} <= {self.high}", None


class Json(CheckedType[Any]):
    """Strict JSON of at most ``max_bytes``: JSONB on PostgreSQL, text on SQLite. ``shape`` is object or array."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, shape: str = "object", max_bytes: int = JSON_MAX_BYTES) -> None:
        """Set the outermost shape and the size limit in bytes."""
        super().__init__()
        self.shape = shape
        self.max_bytes = max_bytes

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """JSONB on PostgreSQL."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(sa.JSON(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse what strict JSON or one of the databases cannot hold.

        Raises:
            InvalidInput: NaN, NUL, a lone surrogate, too deep, too large, or not JSON at all.
        """
        del dialect
        if value is not None:
            strict_json(value, self.max_bytes)
        return value

    def checks(self, column: sa.Column[Any]) -> Iterator[tuple[str, str, str | None]]:
        """State shape and size; SQLite has no JSON type of its own, so validity too."""
        c = column.name
        yield (
            "json",
            f"jsonb_typeof({c}) = '{self.shape}' AND octet_length({c}::text) <= {self.max_bytes}",
            "postgresql",
        )
        size = f"length(CAST({c} AS BLOB)) <= {self.max_bytes}"
        # CASE: json_type raises on malformed text instead of answering, and AND promises no order.
        yield (
            "json",
            f"CASE WHEN json_valid({c}) THEN json_type({c}) = '{self.shape}' AND {size} ELSE {c} IS NULL END",
            "sqlite",
        )


def strict_json(value: Any, max_bytes: int = JSON_MAX_BYTES) -> str:
    """Return ``value`` as the JSON text SQLite stores (PostgreSQL prints JSONB with the same spacing).

    Raises:
        InvalidInput: NaN, NUL, a lone surrogate, deeper than 64 levels, too large, or not JSON at all.
    """
    _refuse_deep(value, JSON_MAX_DEPTH)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"not strict JSON: {str(error)[:80]}"
        raise InvalidInput(msg) from None
    if "\\u0000" in text:
        _refuse_nul(value)
    if len(sendable_text(text).encode()) > max_bytes:
        msg = f"JSON is limited to {max_bytes // 1024} kB here; store large data elsewhere and keep its address"
        raise InvalidInput(msg)
    return text


def _refuse_deep(value: Any, levels: int) -> None:
    if isinstance(value, (dict, list, tuple)):
        if levels == 0:
            msg = f"JSON is limited to {JSON_MAX_DEPTH} levels of nesting here"
            raise InvalidInput(msg)
        for inner in value.values() if isinstance(value, dict) else value:
            _refuse_deep(inner, levels - 1)


def _refuse_nul(value: Any) -> None:
    """Tell a real NUL from the six harmless characters ``\\u0000`` written out."""
    if isinstance(value, str):
        sendable_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key)
            _refuse_nul(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_nul(inner)


def derived_checks(table: sa.Table) -> Iterator[sa.CheckConstraint]:
    """Yield the CHECKs that the types of ``table``'s columns imply, one dialect each where they differ."""
    for column in table.columns:
        kind = column.type
        if isinstance(kind, CheckedType):
            for suffix, condition, dialect in kind.checks(column):
                yield _check(condition, f"{column.name}_{suffix}", dialect)
        elif isinstance(kind, sa.Boolean):
            yield _check(f"{column.name} IN (0, 1)", f"{column.name}_bool", "sqlite")
        elif isinstance(kind, sa.Uuid):
            hexadecimal = f"length({column.name}) = 32 AND {column.name} NOT GLOB '*[^0-9a-f]*'"
            yield _check(hexadecimal, f"{column.name}_uuid", "sqlite")


def _check(condition: str | ColumnElement[bool], name: str, dialect: str | None) -> sa.CheckConstraint:
    # % would be read as a parameter marker by the drivers; none of the derived conditions has one.
    constraint = sa.CheckConstraint(sa.text(condition) if isinstance(condition, str) else condition, name=name)
    return constraint.ddl_if(dialect=dialect) if dialect else constraint


def _sqlite_storage(storage: str) -> Callable[..., str]:
    def compile_type(*_: Any, **__: Any) -> str:
        return storage

    return compile_type


# STRICT tables know five storage classes only; SQLAlchemy would write VARCHAR, CHAR(32), DATETIME, JSON.
for _kind, _storage in {
    sa.String: "TEXT",
    sa.Text: "TEXT",
    sa.Uuid: "TEXT",
    sa.DateTime: "TEXT",
    sa.JSON: "TEXT",
    sa.Boolean: "INTEGER",
    sa.BigInteger: "INTEGER",
    sa.Float: "REAL",
}.items():
    compiles(_kind, "sqlite")(_sqlite_storage(_storage))
