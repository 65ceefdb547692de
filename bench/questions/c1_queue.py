"""C1: how quickly one worker takes what agents are asked for, and reports it done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg

from bench.actions import ask_for, make_cluster
from bench.measuring import Contender, in_turns, must_be_equal, ratio, times
from bench.peers.loops import BARE, holding, leasing, leasing_actions, make_bare_queue
from bench.peers.pgqueuer_queue import make_pgqueuer, pgqueuer_on
from bench.peers.procrastinate_queue import make_procrastinate, procrastinate_on
from bench.place import Beginning, Database, in_use
from bench.question import Answer, Goal, Question, Run, held, told
from bench.relay import relayed
from bench.world import World, make_world
from spothive.database import get_db_session
from spothive.queue import Report, exchange

LOOP: Final = Goal("actions/s, spothive / loop by hand on a bare table", ">=", 0.7)
PGQUEUER: Final = Goal("actions/s, spothive / pgqueuer", ">=", 2)
PROCRASTINATE: Final = Goal("actions/s, spothive / procrastinate", ">=", 25)

ACTIONS: Final = 20_000
BATCH: Final = 50
FEWER: Final = 10
"""procrastinate is given one in so many jobs, and its time counts as often: it takes each by itself."""

_LEASE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Queue:
    world: World
    cluster: UUID
    count: int


def measure(run: Run) -> Answer:
    """Let one worker of each take all that is there, 50 at a time, do nothing about it, and report it done.

    spothive and the loops say in one transaction what was done, and take what is next; what such loops do stands in
    ``peers/loops.py``.
    """
    count = max(20 * BATCH, run.rows(ACTIONS) // BATCH * BATCH)

    def make(database: Database) -> _Queue:
        world = make_world()
        queue = _Queue(world, make_cluster(world), count)
        ask_for(database, world, queue.cluster, count)
        make_bare_queue(database)
        with database.raw() as connection:
            payloads = [row[0] for row in connection.execute(f"SELECT payload FROM {BARE}").fetchall()]
        make_pgqueuer(database, [payload["node"].encode() for payload in payloads])
        make_procrastinate(database, payloads[: count // FEWER])
        return queue

    with run.place.beginning("postgresql", make) as beginning:
        contenders = [
            Contender("spothive", partial(_spothive, run, beginning), _run, _completed),
            Contender("loop on a bare table", partial(_loop, run, beginning, leasing), _run, _bare),
            Contender("loop on spothive's table", partial(_loop_as_service, run, beginning), _run, _completed),
            Contender("loop that holds locks", partial(_loop, run, beginning, holding), _run, _bare),
            Contender("pgqueuer", partial(_pgqueuer, run, beginning), _run),
            Contender("procrastinate", partial(_procrastinate, run, beginning), _run),
        ]
        found = in_turns(contenders, run.repeat)
        trips = _trips(run, beginning)
    ours = found["spothive"]
    return Answer(
        (
            held(LOOP, ratio(found["loop on a bare table"], ours)),
            held(PGQUEUER, ratio(found["pgqueuer"], ours)),
            held(PROCRASTINATE, times(ratio(found["procrastinate"], ours), FEWER)),
            told("actions/s, spothive / loop by hand on its own table", ratio(found["loop on spothive's table"], ours)),
            told("actions/s, spothive / loop that holds locks", ratio(found["loop that holds locks"], ours)),
            told("round trips of a batch", trips),
        ),
        {
            "actions": count,
            "timings": {
                name: timing.facts(count // FEWER if name == "procrastinate" else count)
                for name, timing in found.items()
            },
        },
    )


@dataclass(slots=True)
class _Work:
    """What a round does, and where what it did is looked for."""

    database: Database
    count: int
    work: Callable[[], Any]


def _run(work: _Work) -> None:
    work.work()


def _bare(work: _Work) -> None:
    done = work.database.value(f"SELECT count(*) FROM {BARE} WHERE status = 'COMPLETED'")
    must_be_equal("jobs that are done", done, work.count)


def _completed(work: _Work) -> None:
    done = work.database.value("SELECT count(*) FROM agent_actions WHERE status = 'COMPLETED'")
    must_be_equal("actions that are COMPLETED", done, work.count)


@contextmanager
def _spothive(run: Run, beginning: Beginning[_Queue]) -> Iterator[_Work]:
    queue = beginning.made
    with run.place.used_copy(beginning.database) as database:
        _exchange(queue, (), 0)
        yield _Work(database, queue.count, partial(_drain, queue))


def _exchange(queue: _Queue, reports: Any, limit: int = BATCH) -> list[Report]:
    with get_db_session(tenant=queue.world.tenant_id) as session:
        came = exchange(session, queue.cluster, reports, limit=limit, lease=_LEASE)
    return [Report(action.lease) for action in came.handed_out]


def _drain(queue: _Queue) -> None:
    reports = _exchange(queue, ())
    while reports:
        reports = _exchange(queue, reports)


@contextmanager
def _loop(run: Run, beginning: Beginning[_Queue], loop: Callable[[Any, int], int]) -> Iterator[_Work]:
    with run.place.copy(beginning.database) as database, psycopg.connect(database.conninfo()) as connection:
        yield _Work(database, beginning.made.count, partial(loop, connection, BATCH))


@contextmanager
def _loop_as_service(run: Run, beginning: Beginning[_Queue]) -> Iterator[_Work]:
    queue = beginning.made
    with (
        run.place.copy(beginning.database) as database,
        psycopg.connect(database.conninfo(owner=False)) as connection,
    ):
        work = partial(leasing_actions, connection, BATCH, queue.world.tenant_id, queue.cluster)
        yield _Work(database, queue.count, work)


@contextmanager
def _pgqueuer(run: Run, beginning: Beginning[_Queue]) -> Iterator[_Work]:
    with run.place.copy(beginning.database) as database, pgqueuer_on(database) as opened:
        yield _Work(database, beginning.made.count, partial(opened.drain, BATCH))
        must_be_equal("jobs of pgqueuer that are done", opened.done, beginning.made.count)


@contextmanager
def _procrastinate(run: Run, beginning: Beginning[_Queue]) -> Iterator[_Work]:
    with run.place.copy(beginning.database) as database, procrastinate_on(database) as opened:
        yield _Work(database, beginning.made.count, partial(opened.drain, BATCH))
        must_be_equal("jobs of procrastinate that are done", opened.done, beginning.made.count // FEWER)


def _trips(run: Run, beginning: Beginning[_Queue]) -> float:
    """Return how many round trips it takes to report a batch and to take the next one."""
    given: AbstractContextManager[Any] = run.place.copy(beginning.database)
    with given as database, relayed(database) as (relay, through), in_use(through):
        reports: list[Report] = []

        def turn() -> None:
            reports[:] = _exchange(beginning.made, tuple(reports), 10)

        return relay.trips_of(turn)


QUESTION = Question("C1", "How quickly does one worker take what agents are asked for?", measure)
