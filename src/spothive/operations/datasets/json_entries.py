"""Reading the entries of a JSON file one by one, however large the file is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO, Final, NoReturn

from spothive.errors import InvalidInput

BLOCK: Final = 1 << 18
"""Bytes that are read at once."""

LARGEST: Final = 32 << 20
"""Most characters of one entry; the whole file of the Spot Instance Advisor is one, and a tenth of it."""

SPOT_PRICES: Final = "SpotPriceHistory"
_BLANK: Final = " \t\r\n\ufeff"


def json_entries(file: BinaryIO) -> Iterator[tuple[int, str, Any]]:
    """Yield (line, key, entry) of each entry of a file of JSON documents, alone, in a list, or one after the other.

    The entries of a ``SpotPriceHistory`` come one by one, under that key; every other document is an entry of its own,
    under the key ``""``. Numbers with a point are Decimals.

    Raises:
        InvalidInput: the file is cut off, is no JSON, or one entry is larger than 32 million characters.
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
        yield line, "", text.value()
        return
    line, rest, listed = text.line, {}, False
    text.skip()
    for _ in text.items("}"):
        key = text.value()
        if not isinstance(key, str) or text.next_sign() != ":":
            text.refuse("is not valid JSON")
        text.skip()
        if key == SPOT_PRICES and text.next_sign() == "[":
            listed = True
            text.skip()
            for _ in text.items("]"):
                text.next_sign()
                at = text.line
                yield at, SPOT_PRICES, text.value()
        else:
            rest[key] = text.value()
    if not listed:
        yield line, "", rest


class _Stream:
    """The text of a file, of which only what is being read is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._read = file.read
        self._bytes = b""
        self._text = ""
        self._at = 0
        self._over = False
        self.line = 1
        self._decoder = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse_constant)

    def next_sign(self) -> str | None:
        """Skip blanks; return what comes then, None at the end of the file."""
        while True:
            while self._at < len(self._text):
                sign = self._text[self._at]
                if sign not in _BLANK:
                    return sign
                self.skip()
            if not self._more(BLOCK):
                return None

    def skip(self) -> None:
        """Go on behind the next character."""
        self.line += self._text[self._at] == "\n"
        self._at += 1

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

    def value(self) -> Any:
        """Read one value whole."""
        if self.next_sign() is None:
            self.refuse("ends in the middle of the JSON")
        wanted = BLOCK
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                self.refuse("is nested too deeply")
            except json.JSONDecodeError:
                end = len(self._text)
            except ValueError:
                self.refuse("holds a number that is none")
            else:
                # A number may go on where the text ends, or ends in "1." or "1e+".
                certain = end < len(self._text) - (2 if isinstance(found, (int, Decimal)) else 0)
                if certain or not self._more(BLOCK):
                    self.line += self._text.count("\n", self._at, end)
                    self._at = end
                    return found
                continue
            if end - self._at > LARGEST:
                self.refuse("has an entry that is too large")
            if not self._more(wanted):
                self.refuse("is not valid JSON, or ends in the middle of it")
            wanted *= 2

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
        self._text, self._at = self._text[self._at :] + text, 0
        return True


def _decimal(token: str) -> Decimal:
    try:
        return Decimal(token)
    except ArithmeticError:
        raise ValueError(token) from None


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(token)
