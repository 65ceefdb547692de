"""G1: deleting a large account with all that was decided about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final
from uuid import UUID

from bench.decisions import make_decisions
from bench.measuring import Contender, Ratio, in_turns, must_be_equal, ratio
from bench.place import Beginning, Database, settle
from bench.question import Answer, Goal, Question, Run, held, told
from bench.world import ACCOUNT, World, make_fleet, make_world
from spothive.database import TenantSession, get_db_session
from spothive.operations.fleet import disconnect_account

FLOOR: Final = Goal("disconnect_account / DELETE without foreign keys", "<=", 2.5)
LONGEST: Final = Goal("its longest transaction / one DELETE of the account", "<=", 0.15)

INSTANCES: Final = 200_000
EACH: Final = 5
"""Decisions about each instance."""

_TABLES: Final = ("experiment_logs", "instances", "accounts")
_ALL_KEYS: Final = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"


@dataclass(slots=True)
class _Deletion:
    database: Database
    world: World
    longest: float = 0.0
    bare: Any = None

    @contextmanager
    def sessions(self, *, tenant: UUID) -> Iterator[TenantSession]:
        """Open a transaction, and note how long it takes with its commit, where deferred keys are checked."""
        started = time.perf_counter()
        with get_db_session(tenant=tenant) as session:
            yield session
        self.longest = max(self.longest, time.perf_counter() - started)


def measure(run: Run) -> Answer:
    """Delete by spothive's procedure, in batches; by one DELETE that cascades; table by table; and so without keys."""
    instances = run.rows(INSTANCES, 500)

    def make(database: Database) -> World:
        world = make_world()
        make_fleet(world, instances)
        must_be_equal("decisions", make_decisions(database, EACH), instances * EACH)
        return world

    longest: list[float] = []
    with run.place.beginning("postgresql", make) as beginning, run.place.copy(beginning.database) as database:
        _drop_keys(database)
        keyless = Beginning(database, beginning.made)
        contenders: list[Contender[Any]] = [
            Contender("disconnect_account", lambda: _watched(run, beginning, longest), _disconnect, _check),
            Contender("one DELETE", lambda: _opened(run, beginning), _delete_account, _check),
            Contender("without keys", lambda: _opened(run, keyless), _delete_tables, _check),
        ]
        found = in_turns(contenders, run.repeat)
        with_keys = Contender("table by table", lambda: _opened(run, beginning), _delete_tables, _check)
        found |= in_turns([with_keys], 1)  # no goal speaks of it
    shares = [one / whole for one, whole in zip(longest, found["one DELETE"].seconds, strict=True)]
    return Answer(
        (
            held(FLOOR, ratio(found["disconnect_account"], found["without keys"])),
            held(LONGEST, Ratio(median(shares), min(shares), max(shares))),
            told("the least its keys allow / the same", found["table by table"].median / found["without keys"].median),
        ),
        {
            "instances": instances,
            "decisions": instances * EACH,
            "longest_transaction_s": round(median(longest), 6),
            "timings": {name: timing.facts(instances * (1 + EACH)) for name, timing in found.items()},
        },
    )


@contextmanager
def _watched(run: Run, beginning: Beginning[World], longest: list[float]) -> Iterator[_Deletion]:
    with run.place.used_copy(beginning.database) as database:
        deletion = _Deletion(database, beginning.made)
        yield deletion
        longest.append(deletion.longest)


@contextmanager
def _opened(run: Run, beginning: Beginning[World]) -> Iterator[_Deletion]:
    with run.place.copy(beginning.database) as database, database.raw() as bare:
        yield _Deletion(database, beginning.made, bare=bare)


def _disconnect(given: _Deletion) -> None:
    disconnect_account(given.sessions, given.world.client, tenant_id=given.world.tenant_id, name=ACCOUNT)


def _delete_account(given: _Deletion) -> None:
    given.bare.execute("DELETE FROM accounts WHERE tenant_id = %s", [given.world.tenant_id])


def _delete_tables(given: _Deletion) -> None:
    with given.bare.transaction():
        for table in _TABLES:
            given.bare.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [given.world.tenant_id])


def _drop_keys(database: Database) -> None:
    with database.raw() as connection:
        for table, name in connection.execute(_ALL_KEYS).fetchall():
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    settle(database)


def _check(given: _Deletion) -> None:
    left = {table: given.database.value(f"SELECT count(*) FROM {table}") for table in _TABLES}
    must_be_equal("rows that are left", left, dict.fromkeys(_TABLES, 0))


QUESTION = Question("G1", "How long does it take to delete a large account, and who waits?", measure)
