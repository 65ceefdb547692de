"""S1: threads that read a row and write it on SQLite, all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from bench.measuring import Contender, Wrong, in_turns, ratio, side_by_side
from bench.place import Beginning, Database, open_sqlite
from bench.question import Answer, Goal, Question, Run, held
from bench.world import World, ids_of_instances, make_fleet, make_world
from spothive.database import get_db_session
from spothive.models import Instance

LOST: Final = Goal("lost updates", "<=", 0)
SPEED: Final = Goal("transactions/s, spothive / sqlite3 (or 3,000 a second)", ">=", 0.5)
ENOUGH: Final = 3000
"""Transactions a second that are enough, whatever sqlite3 does."""

THREADS: Final = 8
EACH: Final = 1000


@dataclass(frozen=True, slots=True)
class _Row:
    """The row that all threads write."""

    database: Database
    world: World
    key: UUID

    def counter(self) -> int:
        """Return what it has come to."""
        return int(self.database.value(f"SELECT memory FROM instances WHERE id = '{self.key.hex}'"))


def measure(run: Run) -> Answer:
    """Add 1 to one column of one row; by spothive through the ORM, by sqlite3 with the same pragmas and triggers."""
    each = run.rows(EACH, 25)

    def make(_: Database) -> tuple[World, UUID]:
        world = make_world()
        make_fleet(world, 100)
        return world, ids_of_instances(world, 1)[0]

    lost: list[int] = []
    with run.place.beginning("sqlite", make) as beginning:
        given = partial(_row, run, beginning)

        def check(before: tuple[_Row, int]) -> None:
            row, count = before
            lost.append(count + THREADS * each - row.counter())

        contenders = [
            Contender("spothive", given, lambda it: side_by_side(partial(_by_spothive, it[0], each), THREADS), check),
            Contender("sqlite3", given, lambda it: side_by_side(partial(_by_sqlite3, it[0], each), THREADS), check),
        ]
        found = in_turns(contenders, run.repeat)
    if min(lost) < 0:
        raise Wrong("more was counted than was added")
    count = THREADS * each
    enough = count / found["spothive"].median >= ENOUGH
    return Answer(
        (held(SPEED, ratio(found["sqlite3"], found["spothive"]), anyway=enough), held(LOST, sum(lost))),
        {"threads": THREADS, "timings": {name: timing.facts(count) for name, timing in found.items()}},
    )


@contextmanager
def _row(run: Run, beginning: Beginning[tuple[World, UUID]]) -> Iterator[tuple[_Row, int]]:
    with run.place.used_copy(beginning.database) as database:
        world, key = beginning.made
        row = _Row(database, world, key)
        _by_spothive(row, 1, 0)
        yield row, row.counter()


def _by_spothive(row: _Row, times: int, _: int) -> None:
    for _ in range(times):
        with get_db_session(tenant=row.world.tenant_id) as session:
            instance = session.get(Instance, row.key)
            if instance is None or instance.memory is None:
                raise Wrong("the row is gone")
            instance.memory += 1


def _by_sqlite3(row: _Row, times: int, _: int) -> None:
    key = (row.world.tenant_id.hex, row.key.hex)
    with closing(open_sqlite(row.database.file)) as connection:
        for _ in range(times):
            connection.execute("BEGIN IMMEDIATE")
            (memory,) = connection.execute(
                "SELECT memory FROM instances WHERE tenant_id = ? AND id = ?", key
            ).fetchone()
            connection.execute("UPDATE instances SET memory = ? WHERE tenant_id = ? AND id = ?", (memory + 1, *key))
            connection.execute("COMMIT")


QUESTION = Question("S1", "Do threads that write on SQLite lose anything, and what does that cost?", measure)
