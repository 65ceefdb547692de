"""Column types that mean the same on PostgreSQL and on SQLite.

A type here does two things: it converts between Python and the database, and it derives the CHECK that makes the
database refuse what the type would refuse. Whatever the two databases would treat differently (NaN, NUL, long text,
money, time zones) is settled here. A value that cannot be stored raises :class:`~spothive.errors.InvalidInput`
before any SQL is sent; one that only breaks a bound is refused by the CHECK.
"""

from spothive.schema.types.checked import Bytes, CheckedType, Flag, declare_checks, derived_checks
from spothive.schema.types.documents import (
    JSON_MAX_BYTES,
    JSON_MAX_DEPTH,
    WEEK_HOURS,
    Json,
    NameList,
    WeekMatrix,
    number_at,
    strict_json,
)
from spothive.schema.types.ids import Id, new_id
from spothive.schema.types.instants import (
    Day,
    UtcDateTime,
    a_day_after,
    clock_timestamp,
    utc_day,
    utc_text,
    utc_timestamp,
)
from spothive.schema.types.numbers import MONEY_MAX, WHOLE_MAX, Bits64, Fraction, Money, Whole, exact_money
from spothive.schema.types.texts import AsciiText, Email, Text, TextEnum, contains_text, sendable_text

__all__ = [
    "JSON_MAX_BYTES",
    "JSON_MAX_DEPTH",
    "MONEY_MAX",
    "WEEK_HOURS",
    "WHOLE_MAX",
    "AsciiText",
    "Bits64",
    "Bytes",
    "CheckedType",
    "Day",
    "Email",
    "Flag",
    "Fraction",
    "Id",
    "Json",
    "Money",
    "NameList",
    "Text",
    "TextEnum",
    "UtcDateTime",
    "WeekMatrix",
    "Whole",
    "a_day_after",
    "clock_timestamp",
    "contains_text",
    "declare_checks",
    "derived_checks",
    "exact_money",
    "new_id",
    "number_at",
    "sendable_text",
    "strict_json",
    "utc_day",
    "utc_text",
    "utc_timestamp",
]
