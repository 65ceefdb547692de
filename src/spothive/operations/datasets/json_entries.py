"""Reading the entries of a JSON file one by one, however large the file is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn, Protocol

from spothive.errors import InvalidInput

BLOCK: Final = 1 << 18
"""Bytes that are read at once."""

LARGEST: Final = 4 << 20
"""Most characters of one entry: four times the whole file of the Spot Instance Advisor, which is one.

What is made of an entry in memory may take fifty times as much.
"""

SPOT_PRICES: Final = "SpotPriceHistory"
_BLANKS: Final = re.compile("[ \t\r\n\ufeff]*")


class Readable(Protocol):
    """What gives bytes: a file, or somebody who looks on while one is read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, ``size`` at most; none at the end."""


def json_entries(file: Readable) -> Iterator[tuple[int, str, Any]]:
    """Yield (line, key, entry) of each entry of a file of JSON documents, alone, in a list, or one after the other.

    The entries of a ``SpotPriceHistory`` come one by one, under that key; every other document is an entry of its own,
    under the key ``""``. Numbers with a point are Decimals. Neither memory nor time grow by more than the file does,
    and memory by no more than one entry: what is too large is refused as soon as so much of it was read.

    Raises:
        InvalidInput: the file is cut off, is no JSON, or one entry is larger than :data:`LARGEST`; it names the line.
    """
    text = _Stream(file)
    while (sign := text.next_sign()) is not None:
        if sign == "[":
            text.skip()
            for _ in text.items("]"):
                yield from _document(text)
        else:
            yield from _document(text)


def _document(text: _Stream) -> Iterator[tuple[int, str, Any]]:
    if text.next_sign() != "{":
        line = text.line
        yield line, "", text.value(LARGEST)
        return
    line, rest, listed, left = text.line, {}, False, LARGEST
    text.skip()
    for _ in text.items("}"):
        begin = text.position
        key = text.value(left)
        if not isinstance(key, str) or text.next_sign() != ":":
            text.refuse("is not valid JSON")
        text.skip()
        if key == SPOT_PRICES and text.next_sign() == "[":
            listed = True
            text.skip()
            for _ in text.items("]"):
                text.next_sign()
                at = text.line
                yield at, SPOT_PRICES, text.value(LARGEST)
        else:
            rest[key] = text.value(left)
            left -= text.position - begin
    if not listed:
        yield line, "", rest


class _Stream:
    """The text of a file, of which only what is being read is kept."""

    def __init__(self, file: Readable) -> None:
        self._read = file.read
        self._bytes = b""
        self._text = ""
        self._at = 0
        self._over = False
        self._gone = 0
        self.line = 1
        self._decoder = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse_constant)

    @property
    def position(self) -> int:
        """Characters that were read and passed."""
        return self._gone + self._at

    def next_sign(self) -> str | None:
        """Skip blanks; return what comes then, None at the end of the file."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._pass(blanks.end() if blanks else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(BLOCK):
                return None

    def skip(self) -> None:
        """Go on behind the next character."""
        self._pass(self._at + 1)

    def items(self, end: str) -> Iterator[None]:
        """Yield before each item of a list or object whose bracket was read, up to the one that closes it."""
        if self.next_sign() == end:
            self.skip()
            return
        while True:
            yield
            sign = self.next_sign()
            if sign not in {",", end}:
                self.refuse("ends in the middle of the JSON" if sign is None else "is not valid JSON")
            self.skip()
            if sign == end:
                return

    def value(self, most: int) -> Any:
        """Read one value whole, of at most ``most`` characters.

        Each time that it turns out to be longer than what is there, twice as much is read: so all that is read again
        is no more than the value itself.
        """
        if self.next_sign() is None:
            self.refuse("ends in the middle of the JSON")
        wanted = BLOCK
        while True:
            found, end = self._decoded()
            # A number may go on where the text ends, or ends in "1." or "1e+".
            certain = end is not None and (not isinstance(found, (int, Decimal)) or end < len(self._text) - 2)
            if (len(self._text) if end is None else end) - self._at > most:
                self.refuse(f"has an entry of more than {LARGEST:,} characters, or is not valid JSON")
            if certain or not self._more(wanted):
                if end is None:
                    self.refuse("is not valid JSON, or ends in the middle of it")
                self._pass(end)
                return found
            wanted = min(2 * wanted, most)

    def _decoded(self) -> tuple[Any, int | None]:
        """Return the value that comes next and where it ends, None if what was read so far is no whole one."""
        try:
            return self._decoder.raw_decode(self._text, self._at)
        except RecursionError:
            self.refuse("is nested too deeply")
        except json.JSONDecodeError:
            return None, None
        except ValueError:
            self.refuse("holds a number that is none")

    def _pass(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def refuse(self, what: str) -> NoReturn:
        """Refuse the file, naming the line."""
        msg = f"the file {what}, at line {self.line}"
        raise InvalidInput(msg)

    def _more(self, size: int) -> bool:
        """Read more; tell whether there was any."""
        if self._over:
            return False
        data = self._read(size)
        if not data:
            self._over = True
            if self._bytes:
                self.refuse("is no UTF-8")
            return False
        raw = self._bytes + data
        try:
            text, used = raw.decode(), len(raw)
        except UnicodeDecodeError as error:
            if len(raw) - error.start > 3:  # noqa: PLR2004 - more than a character that was cut in two
                self.refuse("is no UTF-8")
            text, used = raw[: error.start].decode(), error.start
        self._bytes = raw[used:]
        self._gone += self._at
        self._text, self._at = self._text[self._at :] + text, 0
        return True


def _decimal(token: str) -> Decimal:
    try:
        return Decimal(token)
    except ArithmeticError:
        raise ValueError(token) from None


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(token)
