"""One violation for each rule: derived for what the declaration derives, listed for what was written by hand.

A case is a constraint and an act that breaks it, on a database that holds one sample row in every table. A new table
needs nothing; a new CHECK, unique index or guard of its own needs a line in ``by_hand.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.database.refusal_cases.by_hand import BY_HAND, DELETED_PARENTS
from tests.database.refusal_cases.case import CHECK, TRIGGER, UNIQUE, Act, Case
from tests.database.refusal_cases.declared import counted, declared, kind_by_hand
from tests.database.refusal_cases.derived import derived_cases
from tests.factories.samples import TABLES

__all__ = [
    "BY_HAND",
    "CHECK",
    "DELETED_PARENTS",
    "TRIGGER",
    "Act",
    "Case",
    "cases_of",
    "counted",
    "declared",
    "kind_by_hand",
]


def cases_of(table: str, engine: str) -> Iterator[Case]:
    """Yield every case of ``table`` on ``engine``."""
    yield from derived_cases(TABLES[table], engine)
    for name, kind in kind_by_hand(TABLES[table]):
        if name in BY_HAND:
            guarded = (TRIGGER, name) in declared(TABLES[table], engine) and kind == UNIQUE
            yield Case(table, kind, name, BY_HAND[name], place="unguarded" if guarded else "service")
