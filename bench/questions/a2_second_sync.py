"""A2: a sync of which a small part differs, on PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from bench.measuring import Contender, in_turns, ratio
from bench.question import Answer, Goal, Question, Run, held
from bench.questions.a1_first_sync import INSTANCES
from bench.syncing import (
    CHANGED,
    GONE,
    by_copy,
    by_django,
    by_spothive,
    empty_account,
    full_account,
    listed_in,
    outcome_of,
)
from bench.world import a_day_later, fleet

DJANGO: Final = Goal("rows/s, spothive / Django bulk_create(update_conflicts)", ">=", 12)
COPY: Final = Goal("rows/s, spothive / raw COPY of the whole account", ">=", 1)


def measure(run: Run) -> Answer:
    """Bring an account to an answer in which 5 % differs and 1 % is missing; COPY loads all of it into an empty one."""
    before = fleet(run.rows(INSTANCES, 200))
    after = a_day_later(before, changed=CHANGED, gone=GONE)
    with empty_account(run.place, "postgresql") as empty, full_account(run.place, empty, before) as full:
        first, second = outcome_of(run.place, empty, before), outcome_of(run.place, full, after)
        contenders: list[Contender[Any]] = [
            by_spothive(run.place, full, after, second),
            by_copy(run.place, empty, first),
            by_django(run.place, full, listed_in(second, after), second),
        ]
        found = in_turns(contenders, run.repeat)
    ours = found["spothive"]
    return Answer(
        (held(DJANGO, ratio(found["Django"], ours)), held(COPY, ratio(found["raw COPY"], ours))),
        {
            "instances": len(before),
            "listed": len(after),
            "timings": {name: timing.facts(len(before)) for name, timing in found.items()},
        },
    )


QUESTION = Question("A2", "How fast is a sync when little has changed?", measure)
