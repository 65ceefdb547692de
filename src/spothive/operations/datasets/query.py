"""What a search says, read from what was typed. It asks no database.

Words are parted by blanks; what stands between two quotes is one. A word that begins with letters and a colon is a
token; every other is looked for as it stands, whatever signs it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final, Literal, NoReturn, cast

from spothive.errors import InvalidInput
from spothive.models import ExperimentStatus
from spothive.schema.types import sendable_text

MOST_CHARACTERS: Final = 1000
"""Longest search; the column of saved ones takes no longer."""

MOST_WORDS: Final = 50
"""Most tokens and words of one search."""

Comparison = Literal[">", ">=", "<", "<=", "="]

TOKENS: Final = {
    "tag": "tag:night, or tag:night,baseline for either",
    "status": "status:RUNNING",
    "model": "model:risk, or model:risk@1.2 for one version",
    "created": "created:>2026-01-31, with >, >=, <, <= or =",
    "score": "score:>0.5, with >, >=, <, <= or =",
}
"""Every token with an example, for people."""

# A quote inside a word is a quote; so is one that nothing closes.
_WORD = re.compile(r'(?:([A-Za-z][A-Za-z_-]*):)?"([^"]+)"(?=\s|$)|(?:([A-Za-z][A-Za-z_-]*):(\S*))|(\S+)')
_COMPARED = re.compile(r"([<>=!~]*)(.*)", re.DOTALL)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Search:
    """What is to be true of every experiment that is found.

    Attributes:
        tags: of each group it has one tag at least; as they were typed.
        statuses: it is in one of each group.
        models: its model is called so: the name, or name and version where they are parted by ``@``.
        created: when it was made (UTC), compared.
        scores: its score, compared.
        words: found in its name or its notes, as they stand but for capitals of ASCII.
    """

    tags: list[tuple[str, ...]] = field(default_factory=list)
    statuses: list[tuple[ExperimentStatus, ...]] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    created: list[tuple[Comparison, datetime]] = field(default_factory=list)
    scores: list[tuple[Comparison, Decimal]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def read_search(text: str) -> Search:
    """Return what ``text`` asks for.

    Raises:
        InvalidInput: it is blank or too long, names a token that does not exist, or a token's value cannot be read;
            the message names it and says what was meant.
    """
    sendable_text(text)
    if len(text) > MOST_CHARACTERS:
        msg = f"a search has at most {MOST_CHARACTERS} characters"
        raise InvalidInput(msg)
    words = list(_WORD.finditer(text))
    if not words:
        msg = f"say what to look for: words, or {'; '.join(TOKENS.values())}"
        raise InvalidInput(msg)
    if len(words) > MOST_WORDS:
        msg = f"a search has at most {MOST_WORDS} words"
        raise InvalidInput(msg)
    search = Search()
    for word in words:
        quoted_token, phrase, token, value, plain = word.groups()
        if name := quoted_token or token:
            _take(search, name, phrase or value or "")
        else:
            search.words.append(phrase or plain)
    return search


def _take(search: Search, name: str, value: str) -> None:
    read = _READ.get(name.lower())
    if read is None:
        msg = (
            f"no search knows {name[:_SHOWN]}: as a token; there are {', '.join(f'{each}:' for each in TOKENS)}. To "
            "look for the words as they stand, put them between quotes"
        )
        raise InvalidInput(msg)
    if not value.strip():
        _refuse(name.lower(), "it says nothing")
    read(search, value)


def _tag(search: Search, value: str) -> None:
    parts = value.split(",")
    if not all(part.strip() for part in parts):
        _refuse("tag", f"a tag is missing beside a comma in {value[:_SHOWN]!r}")
    search.tags.append(tuple(part.strip() for part in parts))


def _status(search: Search, value: str) -> None:
    parts = [part.strip().upper() for part in value.split(",")]
    for part in parts:
        if part not in ExperimentStatus.__members__:
            _refuse("status", f"{part[:_SHOWN]!r} is none of {', '.join(ExperimentStatus)}")
    search.statuses.append(tuple(ExperimentStatus(part) for part in parts))


def _model(search: Search, value: str) -> None:
    search.models.append(value)


def _created(search: Search, value: str) -> None:
    how, day = _compared("created", value)
    try:
        if not _DAY.fullmatch(day):
            raise ValueError(day)  # noqa: TRY301 - as a date that does not exist
        found = date.fromisoformat(day)
    except ValueError:
        _refuse("created", f"{day[:_SHOWN]!r} is no date such as 2026-01-31")
    begins, ends = (datetime.combine(found, each, UTC) for each in (time.min, time.max))
    search.created.extend(
        {
            ">": [(">", ends)],
            ">=": [(">=", begins)],
            "<": [("<", begins)],
            "<=": [("<=", ends)],
            "=": [(">=", begins), ("<=", ends)],
        }[how]  # type: ignore[arg-type]  # mypy takes the comparisons for any text
    )


def _score(search: Search, value: str) -> None:
    how, number = _compared("score", value)
    if not _NUMBER.fullmatch(number):
        _refuse("score", f"{number[:_SHOWN]!r} is no number such as 0.5")
    search.scores.append((how, Decimal(number)))


def _compared(name: str, value: str) -> tuple[Comparison, str]:
    found = _COMPARED.fullmatch(value)
    how, rest = found.groups() if found else ("", value)
    if how not in {"", ">", ">=", "<", "<=", "="}:
        _refuse(name, f"{how[:_SHOWN]!r} compares nothing")
    return cast("Comparison", how or "="), rest


def _refuse(name: str, what: str) -> NoReturn:
    msg = f"{name}: {what}; write {TOKENS[name]}"
    raise InvalidInput(msg)


_READ: Final[dict[str, Callable[[Search, str], None]]] = {
    "tag": _tag,
    "status": _status,
    "model": _model,
    "created": _created,
    "score": _score,
}
