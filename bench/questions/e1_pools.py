"""E1: checking thousands of pools against what is known of all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, Final

from sqlalchemy import Engine, event, select

from bench.measuring import Contender, Timings, in_turns, must_be_equal, nothing, ratio, repeated
from bench.place import ENGINES, Database, EngineName, in_use
from bench.question import Answer, Finding, Goal, Question, Run, held
from bench.world import World, make_world
from spothive.clock import utc_now
from spothive.database import get_db_session, get_engine, read_session, system_scope
from spothive.database.bulk import Row, insert_rows
from spothive.gateways.instance_types import INSTANCE_TYPES, REGIONS
from spothive.models import SpotPoolRisk
from spothive.operations.risk import check_pools
from spothive.schema.types import new_id

STATEMENTS: Final = Goal("statements that ask for pools", "<=", 1)
RAW: Final = Goal("spothive / the same by the bare driver (postgresql)", "<=", 1.5)
ONE_BY_ONE: Final = {
    "postgresql": Goal("pool by pool / spothive (postgresql)", ">=", 15),
    "sqlite": Goal("pool by pool / spothive (sqlite)", ">=", 6),
}

KNOWN: Final = 60_000
ASKED: Final = 10_000
STRANGE: Final = 0.1
"""Part of the pools asked for of which nothing is known."""


def measure(run: Run) -> Answer:
    """Ask on both databases; the bare driver asks with one array, or one JSON list, on an open connection."""
    asked, pools = run.rows(ASKED, 100), _pool_names(run.rows(KNOWN, 600) + run.rows(ASKED, 100))
    known, strange = pools[: run.rows(KNOWN, 600)], pools[run.rows(KNOWN, 600) :]
    wanted = known[: round(asked * (1 - STRANGE))] + strange[: round(asked * STRANGE)]
    findings: list[Finding] = []
    detail: dict[str, Any] = {"pools": len(known), "asked": len(wanted), "timings": {}}
    for engine in ENGINES:
        statements, found = _asked_on(run, engine, known, wanted)
        if engine == "postgresql":
            findings += [held(STATEMENTS, statements), held(RAW, ratio(found["spothive"], found["driver"]))]
        findings.append(held(ONE_BY_ONE[engine], ratio(found["pool by pool"], found["spothive"])))
        detail["timings"] |= {f"{engine}: {name}": timing.facts(len(wanted)) for name, timing in found.items()}
    return Answer(tuple(findings), detail)


def _asked_on(run: Run, engine: EngineName, known: list[str], wanted: list[str]) -> tuple[int, Timings]:
    """Return how many statements spothive needs, and how long each way takes."""

    def make(_: Database) -> World:
        world = make_world()
        with get_db_session(tenant=world.tenant_id) as session, system_scope(session, "the bench knows pools"):
            insert_rows(session, SpotPoolRisk, [_pool(name, number) for number, name in enumerate(known)])
        return world

    with run.place.beginning(engine, make) as beginning, in_use(beginning.database), beginning.database.raw() as bare:
        by_spothive = partial(_by_spothive, beginning.made, wanted)
        ways: dict[str, Callable[[], int]] = {
            "spothive": by_spothive,
            "driver": partial(_by_driver, bare, engine, wanted),
            "pool by pool": partial(_pool_by_pool, beginning.made, wanted),
        }
        expected = round(len(wanted) * (1 - STRANGE))
        for name, ask in ways.items():  # which also warms it up
            must_be_equal(f"pools known to {name}", ask(), expected)
        statements = _statements(get_engine(), by_spothive)
        contenders = [Contender(name, nothing, repeated(ask, 1)) for name, ask in ways.items()]
        return statements, in_turns(contenders, run.repeat)


def _by_spothive(world: World, wanted: list[str]) -> int:
    with read_session(tenant=world.tenant_id) as session:
        risks = check_pools(session, wanted)
    must_be_equal("pools answered for", len(risks), len(wanted))
    return sum(risk.interruptions > 0 for risk in risks.values())


def _by_driver(connection: Any, engine: EngineName, wanted: list[str]) -> int:
    columns = "pool_id, poison_expires_at, interruption_count, last_interruption"
    query = f"SELECT {columns} FROM spot_pool_risks WHERE pool_id "
    if engine == "postgresql":
        rows = connection.execute(query + "= ANY(%s)", [wanted]).fetchall()
    else:
        import json

        rows = connection.execute(query + "IN (SELECT value FROM json_each(?))", [json.dumps(wanted)]).fetchall()
    return len({row[0]: row for row in rows})


def _pool_by_pool(world: World, wanted: list[str]) -> int:
    found = 0
    with read_session(tenant=world.tenant_id) as session:
        for pool in wanted:
            query = select(
                SpotPoolRisk.pool_id,
                SpotPoolRisk.poison_expires_at,
                SpotPoolRisk.interruption_count,
                SpotPoolRisk.last_interruption,
            )
            found += session.execute(query.where(SpotPoolRisk.pool_id == pool)).first() is not None
    return found


def _statements(engine: Engine, ask: Callable[[], int]) -> int:
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sum("spot_pool_risks" in statement for statement in sent)


def _pool_names(count: int) -> list[str]:
    """Return the names of so many pools, in an order of chance that is always the same."""
    zones = [(region, region + letter) for region, letters in sorted(REGIONS.items()) for letter in letters]
    names = [f"{region}:{zone}:{kind}" for kind in sorted(INSTANCE_TYPES) for region, zone in zones]
    return Random(7).sample(names, count)


def _pool(name: str, number: int) -> Row:
    """Return the row of a pool; one in three is blocked."""
    now = utc_now()
    region, zone, instance_type = name.split(":")
    blocked = number % 3 == 0
    return {
        "id": new_id(),
        "pool_id": name,
        "region": region,
        "availability_zone": zone,
        "instance_type": instance_type,
        "is_poisoned": blocked,
        "interruption_count": 1 + number % 9,
        "last_interruption": now - timedelta(days=number % 14),
        "poisoned_at": now - timedelta(days=number % 14) if blocked else None,
        "poison_expires_at": now + timedelta(days=15 - number % 14) if blocked else None,
        "pool_metadata": {},
        "created_at": now,
        "updated_at": now,
    }


QUESTION = Question("E1", "What does it cost to check thousands of pools?", measure)
