"""A1: the first sync of a large account on PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from bench.measuring import Contender, in_turns, ratio, times
from bench.question import Answer, Goal, Question, Run, held
from bench.syncing import by_copy, by_django, by_merge, by_spothive, empty_account, outcome_of
from bench.world import fleet

COPY: Final = Goal("rows/s, spothive / raw COPY of finished rows", ">=", 0.5)
DJANGO: Final = Goal("rows/s, spothive / Django bulk_create(update_conflicts)", ">=", 4)
MERGE: Final = Goal("rows/s, spothive / ORM merge", ">=", 25)

INSTANCES: Final = 100_000
MERGED: Final = 0.1
"""Part of the rows that the ORM merges: it takes as long for each of them however many there are."""


def measure(run: Run) -> Answer:
    """Bring an account without instances to the first answer of AWS."""
    seen = fleet(run.rows(INSTANCES, 200))
    merged = max(50, round(len(seen) * MERGED))
    with empty_account(run.place, "postgresql") as empty:
        expected = outcome_of(run.place, empty, seen)
        contenders: list[Contender[Any]] = [
            by_spothive(run.place, empty, seen, expected),
            by_copy(run.place, empty, expected),
            by_django(run.place, empty, expected.values, expected),
            by_merge(run.place, empty, expected, merged),
        ]
        found = in_turns(contenders, run.repeat)
    ours = found["spothive"]
    rows = dict.fromkeys(found, len(seen)) | {"ORM merge": merged}
    return Answer(
        (
            held(COPY, ratio(found["raw COPY"], ours)),
            held(DJANGO, ratio(found["Django"], ours)),
            held(MERGE, times(ratio(found["ORM merge"], ours), len(seen) / merged)),
        ),
        {"instances": len(seen), "timings": {name: timing.facts(rows[name]) for name, timing in found.items()}},
    )


QUESTION = Question("A1", "How fast is the first sync of an account?", measure)
