"""I1: many threads that share few connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from bench.measuring import Ratio, for_a_while, must_be_equal, turns
from bench.peers.plain_sqlalchemy import bound_session, plain_engine
from bench.place import Database, in_use
from bench.question import Answer, Goal, Question, Run, held, told
from bench.world import World, ids_of_instances, make_fleet, make_world
from spothive.database import get_db_session
from spothive.models import Instance

FAIR: Final = Goal("slowest thread / fastest thread", ">=", 0.5)
SPEED: Final = Goal("transactions/s, spothive / QueuePool 30+30", ">=", 1.2)
LIVENESS: Final = Goal("part of the transactions that liveness checks cost", "<=", 0.05)

THREADS: Final = 64
CONNECTIONS: Final = "8"
SECONDS: Final = 3.0
Work = Callable[[], Any]


def measure(run: Run) -> Answer:
    """Select one row and commit, for a while; the peer does the same with SQLAlchemy's pool as large as ours may be."""

    def make(_: Database) -> tuple[World, UUID]:
        world = make_world()
        make_fleet(world, 500)
        return world, ids_of_instances(world, 1)[0]

    with run.place.beginning("postgresql", make) as beginning:
        world, key = beginning.made
        ways = {
            "spothive": partial(_spothive, beginning.database, world, key, check=True),
            "spothive, no liveness check": partial(_spothive, beginning.database, world, key, check=False),
            "QueuePool 30+30": partial(_queue_pool, beginning.database, world, key),
        }
        counts: dict[str, list[list[int]]] = {name: [] for name in ways}
        seconds = run.seconds(SECONDS, 0.5)
        for name in turns(list(ways), run.repeat):
            with ways[name]() as work:
                for_a_while(work, seconds / 10, THREADS)  # opens the connections
                counts[name].append(for_a_while(work, seconds, THREADS))
    totals = {name: [sum(found) for found in rounds] for name, rounds in counts.items()}
    fairness = {name: _over([min(found) / max(1, *found) for found in rounds]) for name, rounds in counts.items()}
    lost = [1 - on / off for on, off in zip(totals["spothive"], totals["spothive, no liveness check"], strict=True)]
    faster = [one / other for one, other in zip(totals["spothive"], totals["QueuePool 30+30"], strict=True)]
    return Answer(
        (
            held(FAIR, fairness["spothive"]),
            held(SPEED, _over(faster)),
            held(LIVENESS, _over(lost)),
            told("slowest / fastest with QueuePool 30+30", fairness["QueuePool 30+30"]),
        ),
        {
            "threads": THREADS,
            "connections": int(CONNECTIONS),
            "seconds": seconds,
            "per_s": {name: round(median(found) / seconds) for name, found in totals.items()},
            "per_thread": {name: [min(map(min, found)), max(map(max, found))] for name, found in counts.items()},
        },
    )


def _over(rounds: list[float]) -> Ratio:
    return Ratio(median(rounds), min(rounds), max(rounds))


@contextmanager
def _spothive(database: Database, world: World, key: UUID, *, check: bool) -> Iterator[Work]:
    def work() -> None:
        with get_db_session(tenant=world.tenant_id) as session:
            must_be_equal("the row", session.scalar(select(Instance.id).where(Instance.id == key)), key)

    few = {"SPOTHIVE_POOL_SIZE": CONNECTIONS, "SPOTHIVE_MAX_OVERFLOW": "0"}
    with in_use(database, **few, SPOTHIVE_POOL_PRE_PING=str(check)):
        yield work


@contextmanager
def _queue_pool(database: Database, world: World, key: UUID) -> Iterator[Work]:
    with plain_engine(database, pool_size=30, max_overflow=30) as engine:

        def work() -> None:
            with bound_session(engine, world.tenant_id) as session:
                must_be_equal("the row", session.scalar(select(Instance.id).where(Instance.id == key)), key)

        yield work


QUESTION = Question("I1", "Do threads that share few connections get their turn?", measure)
