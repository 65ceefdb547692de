"""pgqueuer as its guide to performance advises: larger batches for short jobs, `pgq autovac`, one connection a manager.

Its job does nothing, and is a coroutine. What is done leaves its table for its log, by one statement a batch. Its
connection is asyncpg's, as in its examples: on psycopg's it takes four times as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

from bench.place import Database

SCHEMA: Final = "pgqueuer"
_NAME: Final = "cordon_node"


@dataclass(slots=True)
class Pgqueuer:
    """An open worker.

    Attributes:
        runner: the loop it lives in.
        queue: the worker.
        done: how many jobs it has done.
    """

    runner: asyncio.Runner
    queue: PgQueuer
    done: int = 0

    def drain(self, batch: int) -> None:
        """Work until the queue is empty."""
        self.runner.run(self.queue.run(batch_size=batch, mode=QueueExecutionMode.drain))


def make_pgqueuer(database: Database, payloads: list[bytes]) -> None:
    """Make its tables in a schema of its own, and put a job for each payload into its queue."""

    async def make(queue: PgQueuer) -> None:
        queries: Any = queue.queries
        await queries.install()
        await queries.optimize_autovacuum()
        await queries.enqueue([_NAME] * len(payloads), payloads, [0] * len(payloads))

    with database.raw() as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    with pgqueuer_on(database) as opened:
        opened.runner.run(make(opened.queue))


@contextmanager
def pgqueuer_on(database: Database) -> Iterator[Pgqueuer]:
    """Open a worker for one kind of jobs."""
    with asyncio.Runner() as runner:
        opened = Pgqueuer(runner, runner.run(_queue(database)))

        async def cordon(_: Job) -> None:
            opened.done += 1

        opened.queue.entrypoint(_NAME)(cordon)
        connection: Any = opened.queue.connection
        try:
            yield opened
        finally:
            runner.run(connection._connection.close())  # noqa: SLF001 - it closes none that it was given


async def _queue(database: Database) -> PgQueuer:
    connection = await asyncpg.connect(database.conninfo(), server_settings={"search_path": SCHEMA})
    return PgQueuer.from_asyncpg_connection(connection)
