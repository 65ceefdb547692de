"""B1: reading one row of a tenant in a session of its own, as a web request does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any, Final
from uuid import UUID

import psycopg

from bench.measuring import Contender, in_turns, must_be_equal, nothing, ratio, repeated
from bench.peers.plain_sqlalchemy import bound_session, plain_engine
from bench.place import Beginning, Database, in_use
from bench.question import Answer, Goal, Question, Run, held, told
from bench.relay import relayed
from bench.world import World, ids_of_instances, make_fleet, make_world
from spothive.database import read_session
from spothive.models import Instance

TRIPS: Final = Goal("round trips of one read", "<=", 1)
USUAL: Final = Goal("spothive / BEGIN, set_config, ORM, COMMIT", "<=", 0.65)
RAW: Final = Goal("spothive / psycopg, prepared", "<=", 4.5)

INSTANCES: Final = 10_000
READS: Final = 1000
Reader = Callable[[UUID], Any]


def measure(run: Run) -> Answer:
    """Read instances by id under the row policies, always another one, each in a fresh session on a warm pool."""
    reads = run.rows(READS, 50)

    def make(_: Database) -> tuple[World, list[UUID]]:
        world = make_world()
        make_fleet(world, run.rows(INSTANCES, 500))
        return world, ids_of_instances(world, reads)

    with run.place.beginning("postgresql", make) as beginning:
        world, ids = beginning.made
        with _readers(beginning.database, world) as readers:
            _find_the_same(readers, ids[:20])
            contenders = [
                Contender(name, nothing, repeated(_in_order(read, ids), reads)) for name, read in readers.items()
            ]
            found = in_turns(contenders, run.repeat)
        trips = _round_trips(beginning)
    return Answer(
        (
            held(TRIPS, trips["spothive"]),
            held(USUAL, ratio(found["spothive"], found["usual"])),
            held(RAW, ratio(found["spothive"], found["psycopg"])),
            told("round trips of BEGIN, set_config, ORM, COMMIT", trips["usual"]),
        ),
        {"reads": reads, "timings": {name: timing.facts(reads) for name, timing in found.items()}},
    )


@contextmanager
def _readers(database: Database, world: World) -> Iterator[dict[str, Reader]]:
    """Yield the ways to read an instance: each returns its EC2 id."""

    def by_spothive(key: UUID) -> Any:
        with read_session(tenant=world.tenant_id) as session:
            found = session.get(Instance, key)
            return found and found.instance_id

    with in_use(database), plain_engine(database) as engine, _bound_connection(database, world) as connection:

        def as_usual(key: UUID) -> Any:
            with bound_session(engine, world.tenant_id) as session:
                found = session.get(Instance, key)
                return found and found.instance_id

        columns = ", ".join(column.name for column in Instance.__table__.columns)
        at = list(Instance.__table__.columns.keys()).index("instance_id")
        query: Any = f"SELECT {columns} FROM instances WHERE id = %s"

        def by_psycopg(key: UUID) -> Any:
            row = connection.execute(query, [key], prepare=True).fetchone()
            return row and row[at]

        yield {"spothive": by_spothive, "usual": as_usual, "psycopg": by_psycopg}


@contextmanager
def _bound_connection(database: Database, world: World) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection of the service that belongs to the tenant for good, under the row policies."""
    with psycopg.connect(database.conninfo(owner=False), autocommit=True) as connection:
        connection.execute("SELECT set_config('spothive.tenant_id', %s, false)", [str(world.tenant_id)])
        yield connection


def _in_order(read: Reader, ids: Sequence[UUID]) -> Callable[[], Any]:
    keys = cycle(ids)
    return lambda: read(next(keys))


def _find_the_same(readers: dict[str, Reader], ids: Sequence[UUID]) -> None:
    """Let each reader read, which also warms it up."""
    expected = [readers["psycopg"](key) for key in ids]
    must_be_equal("rows without an EC2 id", [name for name in expected if not name], [])
    for name, read in readers.items():
        must_be_equal(f"instances read by {name}", [read(key) for key in ids], expected)


def _round_trips(beginning: Beginning[tuple[World, list[UUID]]]) -> dict[str, float]:
    world, ids = beginning.made
    with relayed(beginning.database) as (relay, database), _readers(database, world) as readers:
        return {name: relay.trips_of(_in_order(readers[name], ids)) for name in ("spothive", "usual")}


QUESTION = Question("B1", "What does it cost to read one row of a tenant?", measure)
