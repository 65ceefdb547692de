"""What a verb says of its change always fits into the audit row."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from spothive.database import AuditLog, ResourceType, get_db_session
from spothive.models.audit import DIFF_MAX
from spothive.operations.audit import record
from tests.operations.conftest import World
from tests.watching import rows_of


class Unspeakable:
    """A thing that cannot be put into words."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError


def _deep(levels: int) -> dict[str, Any]:
    outermost: dict[str, Any] = {}
    inner = outermost
    for _ in range(levels):
        inner["a"] = inner = {}
    return outermost


def _circle() -> dict[str, Any]:
    circle: dict[str, Any] = {"name": "round"}
    circle["self"] = [circle, circle]
    return circle


HARD: dict[str, Any] = {
    "20,000 fields": {f"field {n:05}": n for n in range(20_000)},
    "20,000 fields of control characters": {f"{n:05}" + "\x01" * 80: "\x02" * 90 for n in range(20_000)},
    "a long text": {"text": "é" * 1_000_000},
    "a text that grows when it is escaped": {"text": "\x01" * (DIFF_MAX // 6 + 1)},
    "deep": _deep(100_000),
    "round": _circle(),
    "no number": {"n": math.nan, "m": math.inf},
    "keys of many kinds": {1: 2, None: 3, (4, 5): 6, "seven": 8},
    "half a surrogate pair": {"text": "\ud800 and NUL \0"},
    "a number of 9,000 digits": {"n": 10**9000},
    "nothing that has words": {"thing": Unspeakable(), "things": [Unspeakable()]},
    "a set": {"set": {1}},
    "nothing": {},
}


def test_a_diff_always_fits(world: World) -> None:
    for name, diff in HARD.items():
        with get_db_session(tenant=world.acme) as session:
            record(session, world.anna, "test.tried", name, ResourceType.SYSTEM, before=diff, after=diff)
    rows = {row["resource"]: row for row in rows_of(AuditLog, event="test.tried")}
    assert rows.keys() == HARD.keys()
    for row in rows.values():
        assert row["diff_before"] == row["diff_after"]
        assert len(row["diff_after"]) <= DIFF_MAX
        assert isinstance(json.loads(row["diff_after"]), dict)
    many = json.loads(rows["20,000 fields"]["diff_after"])
    assert many["shortened"] is True
    assert many["left_out"] == 20_000 - len(many["counts"])
    assert many["counts"]["field 00007"] == 7
    assert json.loads(rows["a long text"]["diff_after"])["counts"] == {"text": "é" * 64}
    assert json.loads(rows["round"]["diff_after"])["counts"] == {"name": "round", "self": 2}


def test_the_longest_diff_that_fits_is_kept_whole(world: World) -> None:
    fits = "x" * (DIFF_MAX - len('{"text":""}'))
    for text in (fits, fits + "x"):
        with get_db_session(tenant=world.acme) as session:
            record(session, world.anna, "test.tried", str(len(text)), ResourceType.SYSTEM, after={"text": text})
    whole, short = (json.loads(row["diff_after"]) for row in rows_of(AuditLog, event="test.tried"))
    assert whole == {"text": fits}
    assert short == {"shortened": True, "counts": {"text": "x" * 64}}


@pytest.mark.engines("sqlite")
def test_equal_diffs_are_written_equally(world: World) -> None:
    for diff in ({"b": 1, "a": {"d": 2, "c": 3}}, {"a": {"c": 3, "d": 2}, "b": 1}):
        with get_db_session(tenant=world.acme) as session:
            record(session, world.anna, "test.tried", "x", ResourceType.SYSTEM, after=diff)
    assert {row["diff_after"] for row in rows_of(AuditLog, event="test.tried")} == {'{"a":{"c":3,"d":2},"b":1}'}
