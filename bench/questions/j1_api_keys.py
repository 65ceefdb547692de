"""J1: knowing who shows an API key, with few keys and with a million of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any, Final

from bench.measuring import Contender, in_turns, must_be_equal, ratio, repeated
from bench.place import Database, in_use
from bench.question import Answer, Goal, Question, Run, held, told
from bench.relay import relayed
from bench.world import World, make_world
from spothive.database import get_db_session
from spothive.models import ApiScope
from spothive.operations.identity import check_api_key, create_api_key

RAW: Final = Goal("check with a million keys / prepared point read", "<=", 1.3)
GROWTH: Final = Goal("check with a million keys / with a thousand", "<=", 1.25)

FEW: Final = 1000
MANY: Final = 1_000_000
SHOWN: Final = 100
"""Keys that are shown in turn."""
CHECKS: Final = 1000

_FILL: Final = """
INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes)
SELECT tenant_id, gen_random_uuid(), user_id, 'filling ' || n, 'sh_live_' || lpad(to_hex(n), 8, '0'),
    encode(sha256(convert_to('filling ' || n, 'UTF8')), 'hex'), scopes
FROM (SELECT tenant_id, user_id, scopes FROM api_keys LIMIT 1) AS pattern, generate_series(1, {}) AS n
"""


@dataclass(frozen=True, slots=True)
class _Keys:
    database: Database
    world: World
    shown: list[str]


def measure(run: Run) -> Answer:
    """Check keys whose use was noted a moment ago: it is noted once a minute. The bare driver reads their rows."""
    sizes = {"few": run.rows(FEW, 200), "many": run.rows(MANY, 2000)}
    checks = run.rows(CHECKS, 50)
    with _keys_of(run, sizes["few"]) as few, _keys_of(run, sizes["many"]) as many:
        contenders = [
            Contender(f"{way}, {name}", partial(_opened, keys, way), lambda work: repeated(work, checks)(None))
            for name, keys in {"few": few, "many": many}.items()
            for way in ("check", "point read", "look-up")
        ]
        found = in_turns(contenders, run.repeat)
        with relayed(few.database) as (relay, database), _opened(replace(few, database=database), "check") as check:
            trips = relay.trips_of(check)
    return Answer(
        (
            held(RAW, ratio(found["check, many"], found["point read, many"])),
            held(GROWTH, ratio(found["check, many"], found["check, few"])),
            told("round trips of one check", trips),
            told(
                "look-up function alone / prepared point read", ratio(found["look-up, many"], found["point read, many"])
            ),
        ),
        {"keys": sizes, "checks": checks, "timings": {name: timing.facts(checks) for name, timing in found.items()}},
    )


@contextmanager
def _keys_of(run: Run, count: int) -> Iterator[_Keys]:
    def make(database: Database) -> _Keys:
        world = make_world()
        with get_db_session(tenant=world.tenant_id) as session:
            made = [
                create_api_key(session, world.client, name=f"key {number}", scopes=[ApiScope.READ])[1]
                for number in range(SHOWN)
            ]
        with database.raw() as connection:
            connection.execute(_FILL.format(count - SHOWN))
        return _Keys(database, world, made)

    with run.place.beginning("postgresql", make) as beginning:
        must_be_equal("keys", beginning.database.value("SELECT count(*) FROM api_keys"), count)
        yield beginning.made


@contextmanager
def _opened(keys: _Keys, way: str) -> Iterator[Callable[[], None]]:
    """Open one way to ask for a key, always another one, and warm it up."""
    shown = cycle(keys.shown)

    def check() -> None:
        key = next(shown)
        holder = check_api_key(get_db_session, key, scope=None)
        must_be_equal("who holds the key", (holder.tenant_id, holder.prefix), (keys.world.tenant_id, key[:16]))

    def read() -> None:
        row = bare.execute(query, [next(shown)[:16]], prepare=True).fetchone()
        must_be_equal("whether the key was found", row is not None, expected=True)

    work = check if way == "check" else read
    query: Any = f"SELECT * FROM {'api_keys WHERE prefix = %s' if way == 'point read' else 'api_key_row(%s)'}"
    with in_use(keys.database), keys.database.raw() as bare:
        for _ in keys.shown:
            work()  # a check notes the use of the key
        yield work


QUESTION = Question("J1", "What does it cost to check an API key?", measure)
