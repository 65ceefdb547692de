"""The sweep at the command line: what it does, shows and refuses, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from spothive.database import SweepLease
from tests.cli.conftest import SPOTHIVE, Spothive, audited
from tests.conftest import Database
from tests.operations.sweeps.conftest import a_lease
from tests.watching import rows_of

NAMES = [
    *("leases", "actions", "expiries", "hibernation", "risk", "telling", "digests", "mails", "discovery"),
    *("waste", "rollups", "sealing", "retention", "health", "webhooks", "datasets", "market"),
]
TOLD = set(NAMES) - {"webhooks"}
"""Those whose runs are told of although they found nothing to do."""
PATIENCE = 60


@pytest.fixture(autouse=True)
def no_signing_key(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTHIVE_AUDIT_SIGNING_KEY_FILE", f"{tmp_path}/no-key.pem")


def test_what_is_due_is_done_and_what_was_left_out_is_said(people: Database, spothive: Spothive) -> None:
    ran = spothive("sweep")
    assert ran.code == 1
    assert [line.split()[:2] for line in ran.out.splitlines()[: len(NAMES)]] == [
        [f"{name}:", "partial" if name == "sealing" else "done"] for name in NAMES
    ]
    assert "sealing: audit trail: there is no signing key" in ran.words
    assert ran.err == "error: not everything was done: sealing\n"
    again = spothive("sweep")
    assert (again.code, again.err) == (0, "")
    assert again.out == "nothing is due: see spothive sweep --list, or name a duty with --only\n"


def test_one_duty_is_done_whether_it_is_due_or_not(people: Database, done: Spothive) -> None:
    for _ in range(2):
        [run] = done("sweep", "--only", "risk", "--json").json
        assert (run["duty"], run["outcome"], run["counts"], run["failures"]) == ("risk", "done", {}, {})
    [row] = rows_of(SweepLease)
    assert row["last_result"].startswith("done in ")
    assert "risk" in done("logs", "--component", "sweep").words


def test_duties_are_listed_with_how_they_stand(people: Database, done: Spothive) -> None:
    done("sweep", "--only", "risk")
    lease = a_lease("health")
    assert lease.claim(None)
    rows = {row["duty"]: row for row in done("sweep", "--list", "--json").json}
    assert list(rows) == NAMES
    assert (rows["health"]["holder"], rows["health"]["period"]) == (lease.holder, 60)
    assert rows["risk"]["last_result"].startswith("done in ")
    assert rows["leases"]["last_run_at"] is None
    shown = done("sweep", "--list").words
    assert lease.holder in shown
    assert "5 min" in shown


def test_what_is_refused_is_one_line(people: Database, refused: Callable[..., str]) -> None:
    assert refused("sweep", "--only", "nope") == f"no duty is called 'nope': there are {', '.join(NAMES)}"
    assert refused("sweep", "--only", "risk", "--list") == "give one of --only, --loop and --list"
    lease = a_lease("risk")
    assert lease.claim(None)
    said = refused("sweep", "--only", "risk")
    assert said.startswith(f"the duty risk is being done by {lease.holder}; should that process have died, another may")
    for options in ([], ["--list"], ["--only", "risk"], ["--loop"]):
        for user in ("acme-client", "acme-user", "acme-lab"):
            said = refused("sweep", *options, "--tenant", "acme", "--as", user)
            assert said.startswith(f"{user} ({user.removeprefix('acme-')}) may not manage models, market facts"), said
    assert len(audited("sweep.run")) == 12


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_loop_prints_a_line_for_each_run_and_ends_when_told(people: Database, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [SPOTHIVE, "sweep", "--loop", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"SPOTHIVE_LOG_LEVEL": "error"},  # SQLite: they wait for one another
        text=True,
    )
    try:
        assert process.stdout
        found = {json.loads(process.stdout.readline())["duty"] for _ in TOLD}
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert found == TOLD
    assert (process.returncode, out, err) == (0, "", "")
    assert all(row["last_run_at"] for row in rows_of(SweepLease))
