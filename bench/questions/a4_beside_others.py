"""A4: the same account beside a million rows of other tenants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.measuring import in_turns, must_be_equal, ratio
from bench.place import Beginning, Place, in_use, settle
from bench.question import Answer, Goal, Question, Run, held
from bench.questions.a1_first_sync import INSTANCES
from bench.syncing import CHANGED, GONE, by_spothive, empty_account, full_account, outcome_of
from bench.world import World, a_day_later, fleet, make_fleet, make_world
from spothive.models import Instance

SECOND: Final = Goal("second sync, beside others / alone", "<=", 1.25)
FIRST: Final = Goal("first sync, beside others / alone", "<=", 1.25)

FOREIGN: Final = 1_000_000
TENANTS: Final = 10
_PATTERNS: Final = 100
"""Instances of each other tenant that are made by a sync; the rest are copies of them."""

_OWN: Final = {"id": "gen_random_uuid()", "instance_id": "'i-' || lpad(to_hex(n), 8, '0') || substr(instance_id, 11)"}


def measure(run: Run) -> Answer:
    """Sync the same account in two databases: in one it is alone, in the other there are ten more tenants."""
    before = fleet(run.rows(INSTANCES, 200))
    after = a_day_later(before, changed=CHANGED, gone=GONE)
    foreign = run.rows(FOREIGN, TENANTS * _PATTERNS)
    with (
        empty_account(run.place, "postgresql") as empty,
        full_account(run.place, empty, before) as full,
        _beside(run.place, empty, foreign) as crowded,
        full_account(run.place, crowded, before) as crowded_full,
    ):
        first, second = outcome_of(run.place, empty, before), outcome_of(run.place, full, after)
        contenders = [
            by_spothive(run.place, empty, before, first, "first, alone"),
            by_spothive(run.place, crowded, before, first, "first, beside others"),
            by_spothive(run.place, full, after, second, "second, alone"),
            by_spothive(run.place, crowded_full, after, second, "second, beside others"),
        ]
        found = in_turns(contenders, run.repeat)
    return Answer(
        (
            held(SECOND, ratio(found["second, beside others"], found["second, alone"])),
            held(FIRST, ratio(found["first, beside others"], found["first, alone"])),
        ),
        {
            "instances": len(before),
            "foreign": foreign,
            "timings": {name: timing.facts(len(before)) for name, timing in found.items()},
        },
    )


@contextmanager
def _beside(place: Place, empty: Beginning[World], foreign: int) -> Iterator[Beginning[World]]:
    """Open a copy of ``empty`` that also holds so many rows of other tenants."""
    columns = [column.name for column in Instance.__table__.columns]
    values = ", ".join(_OWN.get(name, name) for name in columns)
    copies = foreign // (TENANTS * _PATTERNS) - 1
    with place.copy(empty.database) as database:
        with in_use(database):
            for number in range(TENANTS):
                make_fleet(make_world(f"other-{number}"), _PATTERNS)
        with database.raw() as connection:
            made = f"SELECT {values} FROM instances, generate_series(1, {copies}) AS n"
            connection.execute(f"INSERT INTO instances ({', '.join(columns)}) {made}")
        settle(database)
        must_be_equal("foreign rows", database.value("SELECT count(*) FROM instances"), foreign)
        yield Beginning(database, empty.made)


QUESTION = Question("A4", "Does a sync care how many rows other tenants have?", measure)
