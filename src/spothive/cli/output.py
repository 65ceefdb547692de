"""What a command prints: tables and lines for people, or one JSON document for programs.

Data is printed as data. Names and tags come from strangers, so whatever a terminal might obey is written out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

GAP = 3
"""Most characters between two columns."""

NARROWEST = 12
"""To how many characters a column that can be folded is folded before another one is left out."""

WHY_LINES = 2
"""Most lines of what went wrong that a table shows; the command that shows one thing shows all of it."""

LINE_MAX = 500
"""Longest line that repeats what a stranger may have written, in characters."""

Facts = Mapping[str, Any]
"""One thing as a JSON object: the same keys on every database."""


NOTHING = "-"
"""How nothing is written."""


def visible(text: str) -> str:
    r"""Return ``text`` on one line with everything invisible written out, an escape for example as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, length: int = LINE_MAX) -> str:
    """Return the beginning of ``text``, ended by an ellipsis where something was left out."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def cell(value: Any) -> str:
    """Return any value as people read it; nothing is ``-``."""
    match value:
        case None | "":
            words = NOTHING
        case bool():
            words = "yes" if value else "no"
        case datetime():
            words = f"{value:%Y-%m-%d %H:%M} UTC"
        case Decimal():
            words = f"{value:f}"
        case _:
            words = visible(str(value))
    return words


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Return how many of what, for example ``1 row`` and ``1,200 rows``; ``nouns`` where that has no ``s``."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def monthly(value: Decimal | None) -> str:
    """Return USD for a month, for example ``1,234.56 USD/month``."""
    return "-" if value is None else f"{value:,.2f} USD/month"


def hourly(value: Decimal | None) -> str:
    """Return USD for an hour, for example ``0.0416 USD/hour``."""
    return "-" if value is None else f"{value.normalize():,f} USD/hour"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        heading: what stands above it.
        key: which of the facts of a row it shows.
        render: how that is written.
        right: whether it is aligned to the right, as numbers are.
        fold: whether its text may be broken over several lines where the terminal is narrow.
        optional: whether it is left out where the terminal is too narrow for all; the last one goes first.
        whole: whether it is never folded, as what has to be copied into the next command.
        why: whether it says what went wrong: it is left out after all others, if it says anything, and cut where it is
            long.
    """

    heading: str
    key: str
    render: Callable[[Any], str] = cell
    right: bool = False
    fold: bool = False
    optional: bool = False
    whole: bool = False
    why: bool = False


class Output:
    """Standard output. What is for people is silent when JSON was asked for, and the other way round."""

    def __init__(self, *, as_json: bool) -> None:
        """Print one JSON document with ``as_json``, else text."""
        self.as_json = as_json

    @cached_property
    def console(self) -> Console:
        """The terminal, for tables; never marks anything up in a pipe or under ``NO_COLOR``."""
        from rich.console import Console

        plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
        return Console(
            file=sys.stdout,
            color_system=None if plain else "auto",
            markup=False,
            emoji=False,
            highlight=False,
        )

    def json(self, document: Any) -> None:
        """Print ``document`` for programs: Decimals as text, times as ISO 8601 in UTC, ASCII only."""
        if self.as_json:
            import json

            print(json.dumps(document, indent=2, default=_plain, allow_nan=False))  # noqa: T201 - this is the output

    def json_line(self, document: Any) -> None:
        """Print one of many documents, on a line of its own."""
        if self.as_json:
            import json

            print(json.dumps(document, default=_plain, allow_nan=False))  # noqa: T201 - this is the output

    def flush(self) -> None:
        """Hand on what was printed, to whoever reads while the command goes on."""
        sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """Print one line for people."""
        if not self.as_json:
            print(visible(text), flush=True)  # noqa: T201 - this is the output, and may be read while work goes on

    def script(self, text: str) -> None:
        """Print SQL for people, line by line as it is."""
        if not self.as_json:
            print(text, end="")  # noqa: T201 - this is the output

    def table(self, rows: Sequence[Facts], columns: Sequence[Column], *, empty: str) -> None:
        """Print ``rows`` as a table for people, or the line ``empty`` if there are none."""
        if self.as_json:
            return
        if not rows:
            self.line(empty)
            return
        words = {column.key: [column.render(row[column.key]) for row in rows] for column in columns}
        if sys.stdout.isatty() or "COLUMNS" in os.environ:
            self._fitted(columns, words)
        else:  # to a file or a program, where every line has room
            print("\n".join(_wide_lines(columns, words)), flush=True)  # noqa: T201 - this is the output

    def _fitted(self, columns: Sequence[Column], words: dict[str, list[str]]) -> None:
        """Print a table no wider than the terminal."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        shown, crowded = _fitting(columns, words, self.console.width)
        on_terminal = self.console.is_terminal
        table = Table(
            box=box.SIMPLE_HEAD if on_terminal else box.ASCII,
            padding=(0, 1, 0, 0) if on_terminal else (0, 1),
            show_edge=False,
            pad_edge=False,
        )
        for column in shown:
            justify: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(
                column.heading,
                justify=justify,
                overflow="fold",
                no_wrap=column.whole or not (column.fold or crowded),
                min_width=_widest(column, words) if column.whole else None,
            )
            if column.why:
                words[column.key] = _cut(words[column.key], _room(column, shown, words, self.console.width))
        for row in zip(*(words[column.key] for column in shown), strict=True):
            table.add_row(*map(Text, row))
        self.console.print(table)
        if left_out := [column.heading for column in columns if column not in shown]:
            self.line(f"left out, for want of width: {', '.join(left_out)}")

    def facts(self, facts: Facts, *, skip: Sequence[str] = ()) -> None:
        """Print one thing for people, a fact a line."""
        if self.as_json:
            return
        named = {key.replace("_", " "): cell(value) for key, value in facts.items() if key not in skip}
        width = max(map(len, named), default=0)
        for key, value in named.items():
            self.line(f"{key:<{width}}  {value}")


def _fitting(columns: Sequence[Column], words: Mapping[str, Sequence[str]], width: int) -> tuple[list[Column], bool]:
    """Return the columns to show, all or without the last optional ones, and whether even these exceed ``width``."""

    def goes_late(column: Column) -> bool:
        return column.why and any(text != NOTHING for text in words[column.key])

    shown = list(columns)
    while (crowded := sum(_needed(column, words) for column in shown) - GAP > width) and any(
        column.optional for column in shown
    ):
        last_first = [column for column in reversed(shown) if column.optional]
        shown.remove(min(last_first, key=goes_late))
    return shown, crowded


def _wide_lines(columns: Sequence[Column], words: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns have all the room they need.

    They look as rich draws them, who takes a third of a second for a thousand: longer than to find them.
    """
    widths = [_widest(column, words) for column in columns]

    def line(texts: Iterable[str]) -> str:
        cells = zip(columns, texts, widths, strict=True)
        return " | ".join(_padded(text, width, right=column.right) for column, text, width in cells)

    yield line(column.heading for column in columns)
    yield "-+-".join("-" * width for width in widths)
    yield from map(line, zip(*(words[column.key] for column in columns), strict=True))


def _padded(text: str, width: int, *, right: bool) -> str:
    padding = " " * (width - _length(text))
    return padding + text if right else text + padding


def _widest(column: Column, words: Mapping[str, Sequence[str]]) -> int:
    return max(map(_length, (column.heading, *words[column.key])))


def _length(text: str) -> int:
    """Return how many places ``text`` takes on a line."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _needed(column: Column, words: Mapping[str, Sequence[str]]) -> int:
    """Return how many characters a column takes at least, with the gap beside it."""
    widest = _widest(column, words)
    return GAP + (min(widest, NARROWEST) if column.fold else widest)


def _room(column: Column, shown: Sequence[Column], words: Mapping[str, Sequence[str]], width: int) -> int:
    """Return how many characters a column has where the others take as little as they can."""
    return max(NARROWEST, width - sum(_needed(other, words) for other in shown if other is not column))


def _cut(texts: Sequence[str], room: int) -> list[str]:
    """Return texts that take no more than :data:`WHY_LINES` lines of a column."""
    import textwrap

    return [
        text if len(text) <= room else " ".join(textwrap.wrap(text, room, max_lines=WHY_LINES, placeholder=" .."))
        for text in texts
    ]


def to_stderr(line: str) -> None:
    """Print one line for people beside the output."""
    print(shortened(visible(line)), file=sys.stderr)  # noqa: T201 - this is the other output


def _plain(value: Any) -> Any:
    from uuid import UUID

    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)
