"""procrastinate as its documentation advises: a coroutine, as many jobs side by side as others have in a batch.

It fetches and ends jobs one by one. It listens for nothing here, since all jobs are there at the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from procrastinate import App, PsycopgConnector

from bench.place import Database

SCHEMA: Final = "procrastinate"


@dataclass(slots=True)
class Procrastinate:
    """An open worker.

    Attributes:
        runner: the loop it lives in.
        app: with its one task.
        cordon: the task.
        done: how many jobs it has done.
    """

    runner: asyncio.Runner
    app: App
    cordon: Any = None
    done: int = 0

    def drain(self, concurrency: int) -> None:
        """Work until the queue is empty."""
        worker = self.app.run_worker_async(
            wait=False, concurrency=concurrency, install_signal_handlers=False, listen_notify=False
        )
        self.runner.run(worker)


def make_procrastinate(database: Database, payloads: list[dict[str, Any]]) -> None:
    """Make its tables in a schema of its own, and defer a job for each payload."""

    async def make() -> None:
        await opened.app.schema_manager.apply_schema_async()
        await opened.cordon.batch_defer_async(*payloads)

    with database.raw() as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    with procrastinate_on(database) as opened:
        opened.runner.run(make())


@contextmanager
def procrastinate_on(database: Database) -> Iterator[Procrastinate]:
    """Open a worker for one kind of jobs, with a pool of the size its connector has by itself."""
    connector = PsycopgConnector(conninfo=database.conninfo(), kwargs={"options": f"-c search_path={SCHEMA}"})
    with asyncio.Runner() as runner:
        opened = Procrastinate(runner, App(connector=connector))

        async def cordon(node: str) -> None:  # noqa: ARG001 - what it is asked for
            opened.done += 1

        opened.cordon = opened.app.task(name="cordon_node")(cordon)
        runner.run(_open(opened.app))
        try:
            yield opened
        finally:
            runner.run(opened.app.close_async())


async def _open(app: App) -> None:
    await app.open_async()
