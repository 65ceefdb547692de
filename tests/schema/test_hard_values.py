"""The values that databases are known to disagree on, given to both at once."""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from spothive.errors import InvalidInput, SpothiveError
from spothive.schema.types import MONEY_MAX, WEEK_HOURS
from tests.factories.ways import meaning
from tests.schema.conftest import Probe

Answer = tuple[str, Any]
"""``stored`` and the value that is read back, or the error's class and its rule."""

LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
WEEK = [1, 0] * (WEEK_HOURS // 2)
LARGE = {"a": "x" * 10 * 1024 * 1024}
ONLY_RAW = object()
"""Python has no such value."""


def refused(kind: str, rule: str | None = None) -> Answer:
    return (kind, rule)


def stored(value: Any) -> Answer:
    return ("stored", value)


def week(*cells: Any) -> list[Any]:
    """Return a week that begins with ``cells``."""
    return [*cells, *WEEK[len(cells) :]]


NO_WEEK = refused("ValueRefused", "ck_probe_week_week")
TOO_LONG = refused("ValueRefused", "ck_probe_word_length")

# name: column, value of the ORM, what both databases answer, parameter of the driver (of each, where they are written
# differently), what both databases answer to that
VALUES: dict[str, tuple[str, Any, Answer, Any, Answer]] = {
    "text too long": ("word", "abcdef", TOO_LONG, "abcdef", TOO_LONG),
    "text too long in bytes only": ("word", "ééééé", stored("ééééé"), "ééééé", stored("ééééé")),
    "infinity": ("share", math.inf, refused("InvalidInput"), math.inf, refused("ValueRefused", "ck_probe_share_range")),
    "NUL": ("word", "ab\x00", refused("InvalidInput"), "ab\x00", refused("ValueRefused")),
    "half a surrogate pair": ("word", "ab\ud800", refused("InvalidInput"), "ab\ud800", refused("InvalidInput")),
    "10 MB of JSON": (
        "items",
        [LARGE],
        refused("InvalidInput"),
        json.dumps([LARGE]),
        refused("ValueRefused", "ck_probe_items_json"),
    ),
    "the last moment of 9999": (
        "at",
        LAST,
        stored(LAST),
        {"sqlite": "9999-12-31 23:59:59.999999", "postgresql": "9999-12-31 23:59:59.999999+00"},
        stored(LAST),
    ),
    "the first moment of 10000": (
        "at",
        ONLY_RAW,
        refused(""),
        {"sqlite": "10000-01-01 00:00:00.000000", "postgresql": "10000-01-01 00:00:00+00"},
        refused("ValueRefused", "ck_probe_at_utc"),
    ),
    "money of 14 digits": (
        "price",
        MONEY_MAX,
        stored(MONEY_MAX),
        {"sqlite": 99_999_999_999_999, "postgresql": "99999999.999999"},
        stored(MONEY_MAX),
    ),
    "money of 14 digits before the point": (
        "price",
        Decimal(12345678901234),
        refused("InvalidInput"),
        {"sqlite": 12_345_678_901_234_000_000 // 10, "postgresql": "12345678901234"},
        refused("ValueRefused"),
    ),
    "money finer than a millionth": ("price", Decimal("0.0000001"), refused("InvalidInput"), ONLY_RAW, refused("")),
    "168 cells": ("week", WEEK, stored(WEEK), json.dumps(WEEK), stored(WEEK)),
    **{
        f"a week of {name}": ("week", cells, NO_WEEK, json.dumps(cells), NO_WEEK)
        for name, cells in {
            "no cells": [],
            "167 cells": WEEK[:-1],
            "169 cells": [*WEEK, 1],
            "a cell 2": week(2),
            "a cell 10": week(10),
            "a cell -1": week(-1),
            'a cell "1"': week("1"),
            "a cell true": week(True),
            "a cell null": week(None),
            "a cell 1.0": week(1.0),
            "a cell 1.1": week(1.1),
            "a cell [1]": week([1]),
        }.items()
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_the_same_answer_on_both_databases_to_what_databases_disagree_on(
    both_probes: dict[str, Probe], name: str
) -> None:
    column, value, by_orm, parameter, by_driver = VALUES[name]
    for engine, probe in both_probes.items():
        sent = parameter[engine] if isinstance(parameter, dict) else parameter
        if value is not ONLY_RAW:
            assert answer(engine, probe.add, column, value) == by_orm, engine
        if sent is not ONLY_RAW:
            kind, found = answer(engine, probe.send, column, sent)
            # Where the type of a column or the driver itself refuses first, there is no rule to be named.
            assert (kind, found if by_driver[1] else None) == by_driver, engine


def answer(engine: str, write: Any, column: str, value: Any) -> Answer:
    """Return what comes of a write."""
    try:
        return stored(write(column, value))
    except SpothiveError as error:
        return refused(type(error).__name__, getattr(error, "rule", None))
    except UnicodeEncodeError:  # every driver's own; a session says this for it
        return refused(InvalidInput.__name__)
    except (sqlite3.Error, psycopg.Error) as error:
        told = meaning(engine, error)
        return refused(type(told).__name__, getattr(told, "rule", None))


def test_nan_is_refused_by_the_type_since_sqlite_would_store_nothing_for_it(both_probes: dict[str, Probe]) -> None:
    """The one value that only Python refuses on both: SQLite's driver writes NULL for it, as guides say."""
    for engine, probe in both_probes.items():
        assert answer(engine, probe.add, "share", math.nan) == refused("InvalidInput")
    assert answer("postgresql", both_probes["postgresql"].send, "share", math.nan) == refused(
        "ValueRefused", "ck_probe_share_range"
    )
    assert answer("sqlite", both_probes["sqlite"].send, "share", math.nan) == stored(None)
