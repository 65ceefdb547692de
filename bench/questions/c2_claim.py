"""C2: whether a million actions that have ended make a claim dearer, and what a poll writes that finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from bench.actions import ask_for, make_cluster, make_ended
from bench.measuring import Contender, Wrong, in_turns, must_be_equal, ratio
from bench.place import Beginning, Database, in_use
from bench.question import Answer, Goal, Question, Run, held, told
from bench.world import World, make_world
from spothive.database import get_db_session
from spothive.models import ApiScope
from spothive.operations.identity import KeyHolder, check_api_key, create_api_key
from spothive.operations.jobs import claim_actions

GROWTH: Final = Goal("a claim among a million ended actions / among none", "<=", 1.25)
POLL: Final = Goal("bytes of WAL of a poll that finds nothing", "<=", 0)

ENDED: Final = 1_000_000
TENANTS: Final = 4
"""Each has as many of the actions that have ended; one of them claims."""
CLAIMS: Final = 40
BATCH: Final = 50
POLLS: Final = 200
WARM: Final = 8
"""psycopg prepares what it was told five times, and PostgreSQL plans it anew as often."""


@dataclass(frozen=True, slots=True)
class _Agents:
    busy: KeyHolder
    idle: KeyHolder


def measure(run: Run) -> Answer:
    """Claim 50 at a time as an agent does, with its key known; and let an agent poll that has nothing to do.

    That an agent was heard of is noted at most every 30 seconds, here before the first poll that counts. What a poll
    writes is the median, so that what the server writes for itself meanwhile is no poll's.
    """
    claims, ended = run.rows(CLAIMS, 5), run.rows(ENDED, 4000) // TENANTS * TENANTS
    waiting = run.repeat * (claims + WARM) * BATCH
    sizes = {"none": 0, "many": ended}
    with (
        run.place.beginning("postgresql", partial(_make, 0, waiting)) as none,
        run.place.beginning("postgresql", partial(_make, ended, waiting)) as many,
    ):
        contenders = [
            Contender(f"claim among {name}", partial(_opened, beginning), partial(_claim, claims))
            for name, beginning in {"none": none, "many": many}.items()
        ]
        found = in_turns(contenders, run.repeat)
        written = _written(many, run.rows(POLLS, 20))
    return Answer(
        (
            held(GROWTH, ratio(found["claim among many"], found["claim among none"])),
            held(POLL, median(written)),
            told("bytes of the poll that wrote most, or the server meanwhile", max(written)),
        ),
        {
            "ended": sizes,
            "waiting": waiting,
            "timings": {name: timing.facts(claims) for name, timing in found.items()},
        },
    )


def _make(ended: int, waiting: int, database: Database) -> _Agents:
    """Make tenants with an agent each, actions that have ended for all, and actions that wait for the first one."""
    worlds = [make_world(f"tenant-{number}") for number in range(TENANTS)]
    clusters = [make_cluster(world) for world in worlds]
    for world, cluster in zip(worlds, clusters, strict=True):
        make_ended(database, world, cluster, ended // TENANTS)
    ask_for(database, worlds[0], clusters[0], waiting)
    must_be_equal("actions", database.value("SELECT count(*) FROM agent_actions"), ended + waiting)
    return _Agents(_holder(worlds[0]), _holder(worlds[1]))


def _holder(world: World) -> KeyHolder:
    with get_db_session(tenant=world.tenant_id) as session:
        _, key = create_api_key(session, world.client, name="agent", scopes=[ApiScope.AGENT], cluster="shop-1")
    return check_api_key(get_db_session, key, scope=ApiScope.AGENT)


@contextmanager
def _opened(beginning: Beginning[_Agents]) -> Iterator[KeyHolder]:
    with in_use(beginning.database):
        _claim(WARM, beginning.made.busy)
        yield beginning.made.busy


def _claim_one(agent: KeyHolder, limit: int) -> int:
    with get_db_session(tenant=agent.tenant_id) as session:
        return len(claim_actions(session, agent, limit=limit))


def _claim(claims: int, agent: KeyHolder) -> None:
    for _ in range(claims):
        if _claim_one(agent, BATCH) < BATCH:
            raise Wrong("fewer actions were handed out than were there")


def _written(beginning: Beginning[_Agents], polls: int) -> list[int]:
    """Return how many bytes of WAL were written while each of so many polls found nothing."""
    found = []
    with in_use(beginning.database), beginning.database.raw() as bare:

        def position() -> int:
            [at] = bare.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
            return int(at)

        for number in range(polls + WARM):
            before = position()
            must_be_equal("actions", _claim_one(beginning.made.idle, BATCH), 0)
            if number >= WARM:
                found.append(position() - before)
    return found


QUESTION = Question("C2", "Do actions that have ended make a claim dearer?", measure)
