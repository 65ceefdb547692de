"""A3: what a sync writes when nothing has changed."""

from __future__ import annotations

from typing import Any, Final

from bench.measuring import Ratio
from bench.place import Database
from bench.question import Answer, Goal, Question, Run, held, told
from bench.questions.a1_first_sync import INSTANCES
from bench.syncing import empty_account, full_account
from bench.world import World, answer_of, fleet, sync
from spothive.database import dispose_engine
from spothive.gateways.ec2_answer import FleetAnswer

DEAD: Final = Goal("instances written again or deleted", "<=", 0)
WAL: Final = Goal("bytes of write-ahead log for each instance", "<=", 4)

_WRITTEN: Final = """
SELECT n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup FROM pg_stat_user_tables WHERE relname = 'instances'
"""


def measure(run: Run) -> Answer:
    """Sync what is there already. The run itself, its history and its audit row are in the write-ahead log, too."""
    seen = fleet(run.rows(INSTANCES, 200))
    answer = answer_of(seen)
    with (
        empty_account(run.place, "postgresql") as empty,
        full_account(run.place, empty, seen) as full,
        run.place.used_copy(full.database) as database,
    ):
        sync(full.made, answer)  # the first write to a page after a checkpoint logs the whole page
        rounds = [_again(database, full.made, answer) for _ in range(run.repeat)]
    wal = sorted(written for _, written in rounds)
    by_row = Ratio(wal[len(wal) // 2] / len(seen), wal[0] / len(seen), wal[-1] / len(seen))
    return Answer(
        (
            held(DEAD, max(touched for touched, _ in rounds)),
            held(WAL, by_row),
            told("bytes of a whole sync", wal[len(wal) // 2]),
        ),
        {"instances": len(seen)},
    )


def _again(database: Database, world: World, answer: FleetAnswer) -> tuple[int, int]:
    """Sync again; return how many rows of instances were touched, and the bytes of write-ahead log."""
    before, log = _statistics(database), _log_position(database)
    sync(world, answer)
    written = _log_position(database) - log
    dispose_engine()  # a connection tells what it did when it ends
    after = _statistics(database)
    return sum(now - then for now, then in zip(after, before, strict=True)), written


def _statistics(database: Database) -> tuple[Any, ...]:
    with database.raw() as connection:
        found: tuple[Any, ...] = connection.execute(_WRITTEN).fetchone()
        return found


def _log_position(database: Database) -> int:
    return int(database.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))


QUESTION = Question("A3", "What does a sync write when nothing has changed?", measure)
