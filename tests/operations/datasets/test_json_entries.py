"""Reading JSON piece by piece: the same entries, wherever the pieces end."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings, strategies as st

from spothive.errors import InvalidInput
from spothive.operations.datasets import json_entries as module
from spothive.operations.datasets.json_entries import json_entries

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.text(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000).map(float),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", max_size=3), VALUES, max_size=3)


def entries(text: str | bytes, block: int = 1 << 18) -> list[tuple[int, str, Any]]:
    with patch.object(module, "BLOCK", block):
        return list(json_entries(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def exactly(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_float=Decimal)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(OBJECTS, max_size=4), st.integers(1, 9), st.sampled_from([None, 2]), st.booleans(), st.booleans())
def test_documents_are_the_same_wherever_the_pieces_end(
    documents: list[Any], block: int, indent: int | None, listed: bool, plain: bool
) -> None:
    texts = [json.dumps(each, indent=indent, ensure_ascii=plain) for each in documents]
    text = f"[{' ,'.join(texts)}]" if listed else "\n".join(texts)
    found = entries(text, block)
    assert [(key, entry) for _, key, entry in found] == [("", exactly(each)) for each in documents]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(VALUES, max_size=5), OBJECTS, st.integers(1, 9))
def test_the_entries_of_a_price_history_come_one_by_one(prices: list[Any], rest: dict[str, Any], block: int) -> None:
    text = json.dumps({**rest, "SpotPriceHistory": prices, "z": 1})
    found = entries(text, block)
    assert [(key, entry) for _, key, entry in found] == [("SpotPriceHistory", exactly(each)) for each in prices]


@pytest.mark.parametrize("number", ["1", "-0", "1.5", "1e5", "1E+5", "12.25e-3"])
def test_a_number_is_read_to_its_end(number: str) -> None:
    for block in range(1, 5):
        assert entries(f"[{number}]", block) == [(1, "", json.loads(number, parse_float=Decimal))]


def test_lines_are_those_where_entries_begin() -> None:
    text = '{"SpotPriceHistory": [\n {"a":\n 1},\n\n {"b": 2}\n]}\n{"c": 3}'
    assert [line for line, *_ in entries(text, 3)] == [2, 5, 7]


def test_an_entry_has_a_limit_and_the_file_has_none() -> None:
    with patch.object(module, "LARGEST", 100):
        assert len(entries("\n".join(['{"a": "bcd"}'] * 1000), 16)) == 1000


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        ('{"a": "', "x"),
        ("[1.", "1"),
        ('{"b": [', "[],"),
        ('{"c": 1', ',"d": 2'),
        ('{"SpotPriceHistory": [], "e": 1', ',"f": 2'),
        ('{"SpotPriceHistory": [1, "', "x"),
    ],
)
def test_what_is_too_large_is_refused_while_it_is_read(begin: str, again: str) -> None:
    file = io.BytesIO(("\n" + begin + again * 100_000).encode())
    with (
        patch.object(module, "LARGEST", 1000),
        patch.object(module, "BLOCK", 16),
        pytest.raises(
            InvalidInput, match="has an entry of more than 1,000 characters, or is not valid JSON, at line 2"
        ),
    ):
        list(json_entries(file))
    assert file.tell() < 4000, "the rest was never read"


def test_the_file_of_the_spot_advisor_fits_however_it_is_indented() -> None:
    ratings = {f"m{number}.large": {"r": 1, "s": 50} for number in range(1000)}
    text = json.dumps({"spot_advisor": {f"us-east-{n}": {"Linux": ratings} for n in range(25)}}, indent=2)
    assert len(text) > 1 << 20
    assert len(entries(text)) == 1


@pytest.mark.parametrize(
    "text", ['{"a": 1', '{"a"', "{", "[1,", "[1", '["', '{"a": 1,}', "{1: 2}", "[1.]", "[1e]", "tru"]
)
def test_what_is_cut_off_or_none_is_refused(text: str) -> None:
    for block in (1, 100):
        with pytest.raises(InvalidInput, match=", at line 1"):
            entries(text, block)
