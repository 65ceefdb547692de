"""Weeks as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from spothive.errors import InvalidInput
from spothive.operations.clusters.week import check_week, read_week, tell_week


def awake(week: list[int]) -> list[int]:
    return [hour for hour, is_awake in enumerate(week) if is_awake]


@pytest.mark.parametrize(
    ("spans", "hours"),
    {
        ("mon 07:00-09:00",): [7, 8],
        ("MON,Wed  7-8",): [7, 48 + 7],
        ("fri 22-02",): [4 * 24 + 22, 4 * 24 + 23, 5 * 24, 5 * 24 + 1],
        ("sun 23-01",): [0, 6 * 24 + 23],
        ("sat-mon 0-1",): [0, 5 * 24, 6 * 24],
        ("tue",): list(range(24, 48)),
        ("tue 00:00-24:00",): list(range(24, 48)),
        ("mon 1-3", "mon 2-5"): [1, 2, 3, 4],
        (): [],
    }.items(),
)
def test_a_span_names_hours(spans: tuple[str, ...], hours: list[int]) -> None:
    assert awake(read_week(spans)) == hours


def test_what_names_none_is_refused() -> None:
    for wrong in ("", "monday 7-8", "mon 7:30-8", "mon 7-7", "mon 24-3", "mon 7-25", "mon-", "-", "mon,,tue", "7-19"):
        with pytest.raises(InvalidInput, match="is no time of the week"):
            read_week([wrong])


@given(st.lists(st.integers(0, 1), min_size=168, max_size=168))
def test_what_is_told_is_read_as_the_same(week: list[int]) -> None:
    assert read_week(tell_week(week)) == week


def test_days_that_are_alike_are_told_as_one() -> None:
    office = read_week(["mon-fri 7-12", "mon-fri 13-19", "sun 10-11"])
    assert tell_week(office) == ["mon-fri 07:00-12:00", "mon-fri 13:00-19:00", "sun 10:00-11:00"]
    assert tell_week([0] * 168) == []


def test_a_week_has_168_hours_of_0_and_1() -> None:
    assert check_week((0,) * 168) == [0] * 168
    wrong_ones: tuple[list[Any], ...] = ([0] * 167, [0] * 169, [2] * 168, [True] * 168, [0.0] * 168, ["1"] * 168)
    for wrong in wrong_ones:
        with pytest.raises(InvalidInput, match="168 hours"):
            check_week(wrong)
