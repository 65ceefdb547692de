"""What the guide says of events, read from its table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "events.md"

_ROW = re.compile(
    r"\| `(?P<event>[a-z_.]+)` \| (?P<when>[^|]+) \| (?P<whom>[^|]+) \| (?P<mail>[^|]+) \|(?P<facts>[^|]*)\|"
)


@dataclass(frozen=True)
class EventRow:
    """One row of the table: how a mail is sent, and the keys of the facts."""

    mail: str
    facts: frozenset[str]


def event_rows() -> dict[str, EventRow]:
    """Return the rows by event; an event that has two is a failure."""
    found = list(_ROW.finditer(PAGE.read_text(encoding="utf-8")))
    rows = {
        row["event"]: EventRow(row["mail"].strip(), frozenset(re.findall(r"`(\w+)`", row["facts"]))) for row in found
    }
    assert len(rows) == len(found), "an event has two rows in docs/guides/events.md"
    return rows
