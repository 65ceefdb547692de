"""A PostgreSQL server that throws everybody out, and is then killed and comes back, while eight threads work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from sqlalchemy.engine import make_url

from spothive.database import (
    PLATFORM_TENANT_ID,
    Instance,
    SystemLog,
    embedded_postgresql,
    get_db_session,
    run_all_migrations,
)
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.database.seed_data import seed_initial_data
from spothive.errors import DatabaseUnavailable, SpothiveError
from spothive.operations.fleet import import_fleet
from spothive.operations.identity import find_actor
from tests.conftest import settings
from tests.factories.fleets import answer_of, observed
from tests.watching import rows_of

pytestmark = pytest.mark.torture

PATIENCE = 60
FLEET = 200
Write = Callable[[str, int], None]


class Worker(Thread):
    """Writes one numbered transaction after the other and remembers which were acknowledged; never gives up."""

    def __init__(self, name: str, write: Write, stop: Event) -> None:
        """Work until ``stop`` is set."""
        super().__init__(name=name)
        self._write, self._end = write, stop
        self.acknowledged: list[int] = []
        self.refused: list[SpothiveError] = []
        self.defect: BaseException | None = None

    def run(self) -> None:
        """Write; an error that is none of spothive's is a defect and ends the work."""
        number = 0
        try:
            while not self._end.is_set():
                number += 1
                try:
                    self._write(self.name, number)
                    self.acknowledged.append(number)
                except SpothiveError as error:
                    self.refused.append(error)
                    time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001 - the test reports it
            self.defect = error


def log(name: str, number: int) -> None:
    """Write one row."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.add(SystemLog(component=name, action=str(number), message="written"))


def grow(name: str, number: int) -> None:
    """Import a fleet of which every instance has just changed."""
    admin, platform = find_actor("admin", "platform")
    fleet = [observed(place, tags={"Round": str(number)}) for place in range(FLEET)]
    with get_db_session(tenant=platform) as session:
        import_fleet(session, admin, name=name, answer=answer_of(fleet))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a durable server of the test's own, with the schema and the first admin."""
    with (
        EmbeddedPostgres(tmp_path / "postgresql", durable=True) as server,
        settings(DATABASE_URL=server.owner_url, SPOTHIVE_OWNER_URL="", SPOTHIVE_BCRYPT_ROUNDS="4"),
    ):
        run_all_migrations()
        seed_initial_data()
        yield server


@contextmanager
def at_work() -> Iterator[list[Worker]]:
    """Let seven threads write rows and one import fleets for the length of the block."""
    stop = Event()
    workers = [Worker(f"writer {number}", log, stop) for number in range(7)]
    workers.append(Worker("importer", grow, stop))
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def wait_for_progress(workers: list[Worker], more: int = 3) -> None:
    """Wait until every thread has been acknowledged ``more`` transactions from now on."""
    goals = [len(worker.acknowledged) + more for worker in workers]
    deadline = time.monotonic() + PATIENCE
    while any(len(worker.acknowledged) < goal for worker, goal in zip(workers, goals, strict=True)):
        for worker in workers:
            assert worker.defect is None, repr(worker.defect)
        stuck = [worker.name for worker, goal in zip(workers, goals, strict=True) if len(worker.acknowledged) < goal]
        assert time.monotonic() < deadline, f"{stuck} found no way back to the database"
        time.sleep(0.02)


def throw_everybody_out(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        connection.execute(f"SELECT pg_terminate_backend(pid) {others}")


def kill_and_restart(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the server and bring it back on the port where its clients look for it."""
    port = make_url(server.owner_url).port
    monkeypatch.setattr(embedded_postgresql, "_free_port", lambda: port)
    os.kill(int((server.home / "cluster" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    server.start()
    assert make_url(server.owner_url).port == port


def test_clients_survive_a_server_that_does_not(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 3
    with at_work() as workers:
        wait_for_progress(workers)
        for _ in range(rounds):
            throw_everybody_out(server)
            wait_for_progress(workers)
            kill_and_restart(server, monkeypatch)
            wait_for_progress(workers)
    for worker in workers:
        assert worker.defect is None, repr(worker.defect)
        assert all(isinstance(error, DatabaseUnavailable) for error in worker.refused), worker.refused
        assert all("\n" not in str(error) for error in worker.refused)
    for worker in workers[:-1]:
        written = {int(row["action"]) for row in rows_of(SystemLog, component=worker.name)}
        assert written >= set(worker.acknowledged), f"{worker.name} lost acknowledged writes"
    last = {row["instance_metadata"]["tags"]["Round"] for row in rows_of(Instance)}
    assert len(last) == 1, "an import was kept by half"
    assert int(last.pop()) >= workers[-1].acknowledged[-1]
    kept = sum(len(worker.acknowledged) for worker in workers)
    refused = sum(len(worker.refused) for worker in workers)
    print(f"{rounds} times thrown out and killed: {kept} transactions acknowledged and kept, {refused} refused")
