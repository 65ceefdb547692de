"""The demo, run as a user runs it, tells the truth: what it prints is in the database it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spothive.cli.app import app
from tests.conftest import settings

REAL_FILES = Path(__file__).parents[3] / "shared" / "data"
SPOTHIVE = Path(sys.executable).with_name("spothive")
PLAIN = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "80"}
"""The plainest of terminals, which knows no letter beyond ASCII."""

Ask = Callable[..., Any]


def run(folder: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in an environment that knows nothing of the tests' database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPOTHIVE_", "DATABASE_URL"))}
    # A busy machine is nothing to warn of here, and what a password costs a guesser is not what these tests are about.
    quiet = {"SPOTHIVE_SLOW_STATEMENT": "60", "SPOTHIVE_BCRYPT_ROUNDS": "4"}
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | quiet | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def asking(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Ask]:
    """Yield what asks the demo's database by a command and returns its JSON: in this process, as starting one lasts."""

    def ask(*words: str) -> Any:
        ran = CliRunner().invoke(app, ["--json", *words], prog_name="spothive")
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)

    monkeypatch.chdir(folder)
    with settings(**variables):
        yield ask


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_demo_tells_its_story_and_leaves_a_database(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite in a plain terminal and an odd folder; on PostgreSQL with the real files, if there are any."""
    on_server = engine == "postgresql"
    folder = tmp_path / "[bold]:tada: demo"
    (folder / "var").mkdir(parents=True)
    (folder / "var" / "demo.db").write_text("what an earlier demo left")  # it starts afresh each time
    variables = {"DATABASE_URL": "sqlite:///var/demo.db"}
    if on_server:
        variables = {"SPOTHIVE_EMBEDDED_POSTGRES": "1", "SPOTHIVE_EMBEDDED_DIR": "var/demo-postgresql"}
        told = run(folder, SPOTHIVE, "demo", "--full", "--postgres", "--data", REAL_FILES)
    else:
        told = run(folder, SPOTHIVE, "demo", "--data", "none", **PLAIN)
    assert told.returncode == 0, told.stderr
    if on_server and REAL_FILES.is_dir():
        assert "13 instances seen, 13 added" in told.stdout
        assert "karpenter" in told.stdout
    words = " ".join(told.stdout.split())
    for line in (
        "450 added",
        "by family",
        "A day later",
        "ProofRefused: the role can be assumed without an external id",
        "by-role: verify",
        "keys sealed, AWS account",
        "200 instances in 3 regions, 200 added",
        "each one refused, then locked for 15 minutes",
        "interruption-risk",
        "recorded; blocks its pool; no replica stands by; replica planned in",
        ": blocked until",
        "recorded; blocks nothing; replica planned in",
        "was lost 34 s before the new one was ready",
        "may not approve CRITICAL: ask super_admin",
        "at AWS",
        "13 flagged: two whole scans have seen them",
        ": DELETED, AWS removed it",
        ": RESOLVED, in use by i-",
        "to get it back: aws ec2 create-volume",
        "mon .......############.....",
        "a holiday: eks:general scaled, done",
        "a release: eks:general scaled, done",
        "4 healthy, 1 unknown",
        "DRAIN_NODE of 3 nodes: of the first twice",
        "2 workers, by the cluster's own key: 3 actions completed",
        "DRAIN_NODE ip-10-0-1-17: COMPLETED at hand-out 1",
        "The agent of shop-staging is silent",
        "Subject: Your daily digest: ",
        "decisions, SHA-256",
        "secrets sealed anew with the key",
        "NOT SOUND",
        "it was changed after it was sealed",
        "ParentMissing",
        "one DELETE of user carl",
        "IllegalMove",
        "audit trail stays",
        "Try next",
    ):
        assert line in words
    assert words.count(" sound: ") == 2  # before somebody changed a row, and after it was as it was
    assert told.stderr == ""
    assert "[/]" not in told.stdout  # no markup that nobody rendered
    if not on_server:
        _is_readable(told.stdout, folder)
    own = "var/demo-postgresql-" if on_server else "var/demo-"  # neither demo touches what the other left
    proof = {
        "SPOTHIVE_AUDIT_ANCHOR": f"{own}audit-anchor.jsonl",
        "SPOTHIVE_AUDIT_SIGNING_KEY_FILE": f"{own}audit-signing-key.pem",
        "SPOTHIVE_MODEL_STORE": f"{own}models",
        "SPOTHIVE_DATASET_STORE": f"{own}datasets",
    }
    with asking(folder, monkeypatch, **variables, **proof) as ask:
        _check_the_fleet(ask)
        _check_the_hive(ask)
        _check_the_changes(ask)
        _check_the_telling(ask)
        assert ask("audit", "verify", "--all")["sound"] is True
    _try_what_it_says(folder, told.stdout, every_command=not on_server)  # once is enough for those


def _is_readable(told: str, folder: Path) -> None:
    assert told.isascii()
    lines = told.splitlines()
    assert any(line.endswith(f"The database is {folder / 'var/demo.db'}") for line in lines)
    refusal = next(number for number, line in enumerate(lines) if "ParentMissing" in line)
    assert all(line.startswith("    ") for line in lines[refusal : refusal + 2])
    assert max(len(line) for line in lines if line.startswith(("|", "+"))) <= 80


def _check_the_fleet(ask: Ask) -> None:
    """Assert that what the demo told of instances and accounts is in its database."""
    instances = ask("--tenant", "acme", "instance", "list", "--limit", "10000")
    assert len({i["instance_type"] for i in instances}) >= 290  # 300 were imported, then a few were retyped
    assert {i["region"] for i in instances} >= {"us-east-1", "eu-west-1", "ap-southeast-2"}
    accounts = ask("--tenant", "acme", "account", "list")
    connected = {a["name"]: (a["status"], a["environment"]) for a in accounts if a["proven"]}
    assert connected == {"by-role": ("active", "LAB"), "by-keys": ("active", "PROD")}
    for tenant, names in (("initech", []), ("globex", ["by-keys", "production"])):
        left = ask("--tenant", tenant, "account", "list")
        assert sorted(account["name"] for account in left) == names


def _try_what_it_says(folder: Path, told: str, *, every_command: bool) -> None:
    """Give the last lines of the demo to a shell, as they stand: each of them has to work."""
    lines = told.split("Try next:\n")[1].splitlines()
    exports = [line for line in lines if line.startswith("  export ")]
    commands = lines[len(exports) :]
    assert (len(exports), commands[-1]) == (9, "  .venv/bin/spothive doctor")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/spothive").symlink_to(SPOTHIVE)
    tried = run(folder, "/bin/sh", "-ec", "\n".join([*exports, *(commands if every_command else commands[-1:])]))
    assert tried.returncode == 0, tried.stdout[-2000:] + tried.stderr


def _check_the_changes(ask: Ask) -> None:
    """Assert that what the demo told of rogue instances, waste and hibernation is in its database."""
    asked = {each["action"]: each for each in ask("--tenant", "acme", "approval", "list")["approvals"]}
    assert {action: (each["stands"], each["approver"]) for action, each in asked.items()} == {
        "TERMINATE_ROGUE": ("EXECUTED", "root"),
        "DELETE_WASTE": ("EXECUTED", "admin"),
    }
    [ended] = ask("--tenant", "acme", "instance", "list", "--auth-status", "terminated")
    assert ended["instance_id"] == asked["TERMINATE_ROGUE"]["target"]
    [deleted] = ask("--tenant", "acme", "waste", "list", "--status", "DELETED")["waste"]
    [kept] = ask("--tenant", "acme", "waste", "list", "--status", "RESOLVED")["waste"]
    assert (deleted["kind"], kept["kind"]) == ("ebs_volume", "ebs_volume")
    [hibernation] = ask("--tenant", "acme", "hibernation", "list")
    assert (hibernation["state"], hibernation["applied"]) == ("awake", "awake")
    duties = ask("--tenant", "platform", "sweep", "--list")
    assert all(duty["last_run_at"] for duty in duties if duty["duty"] not in ("market", "sealing"))


def _check_the_telling(ask: Ask) -> None:
    """Assert that what the demo told of actions, webhooks, mails and datasets is in its database."""
    anna = ("--tenant", "acme", "--as", "anna")
    actions = ask(*anna, "action", "list")["actions"]
    assert [(each["status"], each["attempts"]) for each in actions] == [("COMPLETED", 1)] * 3
    deliveries = ask(*anna, "webhook", "deliveries")["deliveries"]
    assert {(each["status"], each["attempts"]) for each in deliveries} == {("sent", 1)}
    assert {each["event"] for each in deliveries} == {"approval.decided", "waste.deleted", "agent.offline"}
    mails = ask(*anna, "notify", "mails")["mails"]
    assert {each["status"] for each in mails} == {"sent"}
    assert sum(each["subject"].startswith("Your daily digest") for each in mails) == 1
    [dataset] = ask(*anna, "dataset", "verify")
    assert dataset["state"] == "whole"


def _check_the_hive(ask: Ask) -> None:
    """Assert that what the demo told of risk, decisions and outages is in its database."""
    assert [risk["interruptions"] for risk in ask("--tenant", "acme", "risk", "list")] == [
        1,
        1,
    ]  # the one nobody was warned of, and the other
    assert ask("--tenant", "acme", "replica", "list") == []  # both took over
    outages = sorted((each["cause"], each["seconds"]) for each in ask("--tenant", "acme", "sla", "outages"))
    assert outages == [("emergency_switch", 34), ("no_replica", 0)]
    decisions = ask("--tenant", "acme", "decision", "list", "--limit", "1000")["decisions"]
    assert {each["status"] for each in decisions} == {"RECORDED", "ACTED"}
    assert {each["model"] for each in decisions if each["model"]} == {f"interruption-risk {version('spothive')}"}
    report = ask("--tenant", "acme", "savings", "report")
    assert sum(row["decisions"] for row in report["rows"]) == len(decisions)
    judged = [each["id"] for each in decisions if each["prediction_score"] is not None][:50]
    assert len(ask("--tenant", "acme", "decision", "replay", *judged)) == 50
