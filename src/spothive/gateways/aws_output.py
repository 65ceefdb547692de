"""Reads JSON that the ``aws`` command printed and somebody saved; says what a wrong file is instead.

Messages never quote the text of a source: whoever picked the wrong file may have picked one with secrets.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NoReturn

from spothive.errors import InvalidInput

MAX_BYTES: Final = 256 * 1024 * 1024
"""The largest source that is read, in bytes; parsed it takes several times as much memory."""

_MAX_SHOWN = 80
_MAX_SOURCE_SHOWN = 200
_BLANK = re.compile("[ \t\r\n\ufeff]*")  # joined files leave a byte order mark in the middle
_CLI_ERROR = re.compile(r"An error occurred \((\w{1,80})\) when calling")


def read_documents(source: str, data: bytes, *, command: str, exact: bool = False) -> Iterator[object]:
    """Parse the JSON documents that stand one after the other in a source, in UTF-8 or UTF-16.

    ``source`` is how messages call it, ``command`` the command line that prints the right thing. With ``exact``
    a number with a point is a Decimal, and no object may say a key twice.

    Raises:
        InvalidInput: the source is too large, empty, cut off or no JSON. Documents before the fault are
            yielded first.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _refuse(source, "says a key twice in one object, so that one of the two would be lost", command)
        return found

    text = _decode(source, data, command)
    decoder = json.JSONDecoder(
        parse_constant=_refuse_number,
        parse_float=_decimal if exact else _finite,
        object_pairs_hook=unique if exact else None,
    )
    position = _skip_blank(text, 0)
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except RecursionError:
            _refuse(source, "is nested too deeply for an answer of AWS", command)
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated") or _skip_blank(text, error.pos) == len(text):
                _refuse(source, "ends in the middle of the JSON", command)
            _refuse(source, f"is not valid JSON at line {error.lineno}, column {error.colno}", command)
        except ValueError:  # from the two hooks, or an integer of thousands of digits
            _refuse(source, "holds a number that JSON does not know or that is out of range", command)
        yield document
        position = _skip_blank(text, position)


def try_again(command: str) -> str:
    """Return the end of a refusal: how to get a source that can be read."""
    return f"save what '{command}' prints and try again"


def shown(value: object) -> str:
    """Render anything found in a source: escaped, on one line, at most 80 characters, never a structure."""
    if not isinstance(value, str):
        return kind(value)
    text = repr(value[:_MAX_SHOWN])
    fits = len(value) <= _MAX_SHOWN and len(text) <= _MAX_SHOWN
    return text if fits else f"{text[: _MAX_SHOWN - 3]}..."


def shown_source(name: str) -> str:
    """Render the name of a source as it is where that is safe; a long path is cut at its beginning."""
    text = name if name.isprintable() else repr(name)
    return text if len(text) <= _MAX_SOURCE_SHOWN else f"...{text[3 - _MAX_SOURCE_SHOWN :]}"


def kind(value: object) -> str:
    """Name the JSON kind of a value; nested and huge values must not be rendered."""
    match value:
        case None:
            return "nothing"
        case str():
            return "a text"
        case dict():
            return "an object"
        case list():
            return "a list"
        case bool():
            return "true or false"
        case _:
            return "a number"


def _decode(source: str, data: bytes, command: str) -> str:
    """Return the text of a source that may be JSON, or say what it is instead."""
    if len(data) > MAX_BYTES:
        message = f"{source} is larger than {MAX_BYTES // 1024**2} MB; split it, for instance by region"
        raise InvalidInput(message)
    try:
        text = data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        _refuse(source, "is neither UTF-8 nor UTF-16 text", command)
    start = _skip_blank(text, 0)
    head = text[start : start + 200]
    if not head:
        _refuse(source, "is empty", command)
    if cli_error := _CLI_ERROR.match(head):
        _refuse(source, f"holds the AWS error {cli_error[1]} and no answer", command)
    if head[0] == "<":
        _refuse(source, "is HTML or XML, not JSON", command)
    if head[0] not in "{[":
        _refuse(source, "is not JSON (text, table, YAML and CSV cannot be read)", command)
    return text


def _skip_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _refuse_number(token: str) -> NoReturn:
    raise ValueError(token)


def _finite(token: str) -> float:
    number = float(token)
    if not math.isfinite(number):
        raise ValueError(token)
    return number


def _decimal(token: str) -> Decimal:
    try:
        return Decimal(token)
    except ArithmeticError:
        raise ValueError(token) from None


def _refuse(source: str, what: str, command: str) -> NoReturn:
    raise InvalidInput(f"{source} {what}; {try_again(command)}") from None
