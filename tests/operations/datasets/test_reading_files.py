"""Reading files piece by piece: what a line may be, and who is told meanwhile. No database is asked."""

from __future__ import annotations

import io
import re
from unittest.mock import patch

import pytest

from spothive.errors import InvalidInput
from spothive.operations.datasets import reading_files as module
from spothive.operations.datasets.reading_files import read_entries
from tests.factories.datasets import HEAD, PRICES, prices_json

LINE = "us-east-1a,m5.large,Linux/UNIX,0.0416,2026-01-15T09:30:00Z\n"


def lines_of(content: str, longest: int = 1 << 17) -> list[tuple[int, bool]]:
    with patch.object(module, "LONGEST_LINE", longest):
        return [(entry.line, entry.reason is None) for entry in read_entries(io.BytesIO(content.encode()))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_is_the_same_wherever_the_pieces_end(end: str) -> None:
    content = f'\ufeff\n{HEAD}\n{LINE}"us-east-1a","m5.large","é\nx",1,2026-01-15T09:30:00Z\n{LINE}{LINE[:-1]}'
    content = content.replace("\n", end)
    found = [lines_of(content, longest) for longest in range(90, 110)]
    assert found == [[(4, True), (5, False), (7, True), (8, True)]] * 20


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("fact" + "," * 100_000, 1),
        (PRICES + "a" * 100_000, 4),
        (PRICES + "," * 100_000, 4),
        (PRICES + '"a\n",' * 20_000, 4),
        (PRICES + '\n"' + "\n" * 100_000, 5),
    ],
)
def test_a_row_that_is_too_long_is_refused_while_it_is_read(content: str, line: int) -> None:
    file = io.BytesIO(content.encode())
    said = f"a row of more than 1,000 characters, at line {line}"
    with patch.object(module, "LONGEST_LINE", 1000), pytest.raises(InvalidInput, match=said):
        list(read_entries(file))
    assert file.tell() < 8192, "the rest was never read"


def test_a_file_of_any_length_may_begin_with_blanks() -> None:
    blanks = "\n" * 9000
    assert [line for line, _ in lines_of(blanks + PRICES)] == [9002, 9003]
    assert lines_of(" " * 300_000 + prices_json())[0][1]
    with pytest.raises(InvalidInput, match="the file is empty"):
        lines_of(blanks)


def test_somebody_is_told_of_each_piece_although_it_holds_no_entry() -> None:
    told = []
    content = '{"SpotPriceHistory": []}\n' * 50_000
    assert list(read_entries(io.BytesIO(content.encode()), lambda: told.append(1))) == []
    assert len(told) > 4


@pytest.mark.parametrize("price", ["1.5e999999999999", "1.5e-999999999999", "-2.5e99999", "1." + "1" * 500])
def test_a_price_beyond_all_reckoning_is_a_bad_row(price: str) -> None:
    content = prices_json({"SpotPrice": "HERE"}).replace('"HERE"', price)
    (entry,) = read_entries(io.BytesIO(content.encode()))
    assert entry.line == 3
    assert re.search("an amount of money is at most|at most six decimals", entry.reason or "")
