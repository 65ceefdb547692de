"""Commands run as a user would, and ways to look at what they left behind."""

from __future__ import annotations

import json
import os
import pty
import select as io_select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer import main as typer_main, testing as typer_testing
from typer.testing import CliRunner

from spothive.cli.app import app
from spothive.database import AuditLog, Role
from spothive.database.seed_data import seed_initial_data
from tests.conftest import Beginning, Database
from tests.factories import make_tenant, make_user
from tests.watching import Rows, rows_of

SPOTHIVE = Path(sys.executable).with_name("spothive")
OWNER_ID = "111122223333"
PATIENCE = 60


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """What it printed, whatever it was folded to."""
        return " ".join(self.out.split())


Spothive = Callable[..., Ran]


@pytest.fixture(autouse=True, scope="session")
def options_declared_once() -> Iterator[None]:
    """Keep the options of all commands: a process declares those it needs once, and needs them for one command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer_testing, "_get_command", cache(typer_main.get_command))
        patch.setattr("spothive.cli.app.get_group", cache(typer_main.get_group))
        yield


@pytest.fixture
def spothive(monkeypatch: pytest.MonkeyPatch) -> Spothive:
    """Return a function that runs one command in this process, without a terminal."""
    for name in ("SPOTHIVE_TENANT", "SPOTHIVE_USER", "SPOTHIVE_DEBUG", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, given: str | bytes | None = None) -> Ran:
        ended = CliRunner().invoke(app, words, input=given, prog_name="spothive")
        return Ran(ended.exit_code, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def done(spothive: Spothive) -> Spothive:
    """Return a function that runs a command which must succeed and say nothing on standard error."""

    def run(*words: str, given: str | bytes | None = None) -> Ran:
        ran = spothive(*words, given=given)
        assert (ran.code, ran.err) == (0, ""), ran
        return ran

    return run


@pytest.fixture
def refused(spothive: Spothive) -> Callable[..., str]:
    """Return a function that runs a command which must fail with exit code 1, no output and one line, its result."""

    def run(*words: str, given: str | bytes | None = None) -> str:
        ran = spothive(*words, given=given)
        assert ran.code == 1, ran
        assert ran.out == ""
        assert ran.err.startswith("error: "), ran.err
        assert ran.err.count("\n") == 1, ran.err
        return ran.err.removeprefix("error: ").rstrip("\n")

    return run


@pytest.fixture(scope="session")
def begins_with_people(beginning: Callable[[Callable[[], None]], Beginning[None]]) -> Beginning[None]:
    return beginning(make_people)


@pytest.fixture
def people(db: Database, begins_with_people: Beginning[None]) -> Database:
    """Return the database: ``admin`` in platform, and the tenants acme and globex with a user of each role in acme."""
    return db


def make_people() -> None:
    """Write the rows of the fixture ``people``."""
    seed_initial_data()
    acme, globex = make_tenant("acme"), make_tenant("globex")
    for role in (Role.CLIENT, Role.USER, Role.LAB):
        make_user(acme, f"acme-{role}", role=role)
    make_user(globex, "gina", role=Role.CLIENT)


def audited(event: str) -> Rows:
    """Return the audit rows of an event, in all tenants."""
    return rows_of(AuditLog, event=event)


def instance(number: int = 0, **facts: Any) -> dict[str, Any]:
    """Return one instance as AWS would print it."""
    return {
        "InstanceId": f"i-{number:017x}",
        "InstanceType": "m5.large",
        "State": {"Code": 16, "Name": "running"},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "LaunchTime": "2026-03-04T00:27:28+00:00",
    } | facts


def answer(*instances: dict[str, Any], owner_id: str = OWNER_ID, **page: Any) -> str:
    """Return what describe-instances would print of them."""
    reservations = [{"OwnerId": owner_id, "Instances": list(instances)}] if instances else []
    return json.dumps({"Reservations": reservations} | page)


@pytest.fixture
def on_terminal() -> Iterator[Callable[..., Ran]]:
    """Return a function that runs a command at a terminal and answers its questions as they come.

    A question is complete with its last blank: that one is written when the terminal listens, and hides what is typed.
    """
    running: list[subprocess.Popen[bytes]] = []

    def run(*words: str, answers: Sequence[tuple[str, str]] = (), columns: int = 80, **variables: str) -> Ran:
        screen, keyboard = pty.openpty()
        os.set_blocking(screen, False)
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)} | variables
        process = subprocess.Popen(
            [SPOTHIVE, *words],
            stdin=keyboard,
            stdout=keyboard,
            stderr=keyboard,
            env=environment,
            start_new_session=True,
        )
        running.append(process)
        os.close(keyboard)
        shown, waiting, asked_at = "", list(answers), 0
        while True:
            ready, _, _ = io_select.select([screen], [], [], PATIENCE)
            assert ready, f"silent for {PATIENCE} s after {shown!r}"
            chunk = b""
            with suppress(OSError):  # the terminal of a process that has ended
                chunk = os.read(screen, 65536)
            if not chunk:
                break
            shown += chunk.decode()
            if waiting and waiting[0][0] in shown[asked_at:]:
                asked_at = len(shown)
                os.write(screen, waiting.pop(0)[1].encode() + b"\n")
        os.close(screen)
        assert not waiting, f"never asked {waiting[0][0]!r}: {shown!r}"
        return Ran(process.wait(PATIENCE), shown.replace("\r\n", "\n"), "")

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()
