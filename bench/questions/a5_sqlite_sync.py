"""A5: the first sync and one of which little differs, on SQLite."""

from __future__ import annotations

from typing import Final

from bench.measuring import in_turns, ratio
from bench.question import Answer, Goal, Question, Run, held
from bench.questions.a1_first_sync import INSTANCES
from bench.syncing import (
    CHANGED,
    GONE,
    by_django,
    by_executemany,
    by_spothive,
    empty_account,
    full_account,
    listed_in,
    outcome_of,
)
from bench.world import a_day_later, fleet

RAW: Final = Goal("first sync, rows/s, spothive / sqlite3 executemany", ">=", 0.5)
RAW_AGAIN: Final = Goal("second sync, rows/s, spothive / executemany of it all", ">=", 0.5)
DJANGO: Final = Goal("first sync, rows/s, spothive / Django", ">=", 3.5)
DJANGO_AGAIN: Final = Goal("second sync, rows/s, spothive / Django", ">=", 3.5)


def measure(run: Run) -> Answer:
    """Do what A1 and A2 do; the bare driver has spothive's own pragmas."""
    before = fleet(run.rows(INSTANCES, 200))
    after = a_day_later(before, changed=CHANGED, gone=GONE)
    with empty_account(run.place, "sqlite") as empty, full_account(run.place, empty, before) as full:
        first, second = outcome_of(run.place, empty, before), outcome_of(run.place, full, after)
        found = in_turns(
            [
                by_spothive(run.place, empty, before, first),
                by_executemany(run.place, empty, first),
                by_django(run.place, empty, first.values, first),
            ],
            run.repeat,
        )
        again = in_turns(
            [
                by_spothive(run.place, full, after, second),
                by_executemany(run.place, empty, first),
                by_django(run.place, full, listed_in(second, after), second),
            ],
            run.repeat,
        )
    timings = {f"first: {name}": timing.facts(len(before)) for name, timing in found.items()}
    timings |= {f"second: {name}": timing.facts(len(before)) for name, timing in again.items()}
    return Answer(
        (
            held(RAW, ratio(found["raw executemany"], found["spothive"])),
            held(RAW_AGAIN, ratio(again["raw executemany"], again["spothive"])),
            held(DJANGO, ratio(found["Django"], found["spothive"])),
            held(DJANGO_AGAIN, ratio(again["Django"], again["spothive"])),
        ),
        {"instances": len(before), "timings": timings},
    )


QUESTION = Question("A5", "How fast are syncs on SQLite?", measure)
