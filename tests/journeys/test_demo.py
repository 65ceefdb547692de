"""The demo, run as a user runs it, tells the truth: what it prints is in the database it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

REAL_FILES = Path(__file__).parents[3] / "shared" / "data"
CHEAP = {"SPOTHIVE_BCRYPT_ROUNDS": "4"}  # for the tests that are about something else; the story pays in full


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    spothive = Path(sys.executable).with_name("spothive")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPOTHIVE_", "DATABASE_URL"))}
    return subprocess.run(
        [spothive, *arguments],
        cwd=folder,
        env=kept | {"SPOTHIVE_SLOW_STATEMENT": "60"} | variables,  # a busy machine is nothing to warn of here
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_demo_tells_its_story_and_leaves_a_database(engine: str, tmp_path: Path) -> None:
    on_server = engine == "postgresql"
    told = run(tmp_path, "demo", "--full", *(["--postgres"] if on_server else []), "--data", str(tmp_path / "none"))
    assert told.returncode == 0, told.stderr
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
    variables = {"DATABASE_URL": "sqlite:///var/demo.db"}
    if on_server:
        variables = {"SPOTHIVE_EMBEDDED_POSTGRES": "1", "SPOTHIVE_EMBEDDED_DIR": "var/demo-postgresql"}
    listed = run(tmp_path, "--json", "--tenant", "acme", "instance", "list", "--limit", "10000", **variables)
    assert listed.returncode == 0, listed.stderr
    instances = json.loads(listed.stdout)
    assert len({i["instance_type"] for i in instances}) >= 290  # 300 were imported, then a few were retyped
    assert {i["region"] for i in instances} == {"us-east-1", "eu-west-1", "ap-southeast-2"}
    accounts = json.loads(run(tmp_path, "--json", "--tenant", "acme", "account", "list", **variables).stdout)
    connected = {a["name"]: (a["status"], a["environment"]) for a in accounts if a["proven"]}
    assert connected == {"by-role": ("active", "LAB"), "by-keys": ("active", "PROD")}
    _check_the_hive(tmp_path, variables)
    _check_the_changes(tmp_path, variables)
    keys = {"SPOTHIVE_AUDIT_SIGNING_KEY_FILE": "var/demo-audit-signing-key.pem"}
    proof = {"SPOTHIVE_AUDIT_ANCHOR": "var/demo-audit-anchor.jsonl"} | keys | variables
    verified = run(tmp_path, "--json", "audit", "verify", "--all", **proof)
    assert (verified.returncode, json.loads(verified.stdout)["sound"]) == (0, True)
    for tenant, names in (("initech", []), ("globex", ["by-keys", "production"])):
        left = run(tmp_path, "--json", "--tenant", tenant, "account", "list", **variables)
        assert sorted(account["name"] for account in json.loads(left.stdout)) == names
    _try_what_it_says(tmp_path, told.stdout, every_command=not on_server)  # once is enough for those
    if not on_server:
        again = run(tmp_path, "demo", "--data", str(REAL_FILES), **CHEAP)
        assert again.returncode == 0, (
            again.stderr
        )  # it starts afresh each time, and takes the real files if they are there
        if REAL_FILES.is_dir():
            assert "13 instances seen, 13 added" in again.stdout
            assert "karpenter" in again.stdout


def _try_what_it_says(folder: Path, told: str, *, every_command: bool) -> None:
    """Give the last lines of the demo to a shell, as they stand: each of them has to work."""
    lines = told.split("Try next:\n")[1].splitlines()
    exports = [line for line in lines if line.startswith("  export ")]
    commands = lines[len(exports) :]
    assert (len(exports), commands[-1]) == (7, "  .venv/bin/spothive doctor")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/spothive").symlink_to(Path(sys.executable).with_name("spothive"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPOTHIVE_", "DATABASE_URL"))}
    tried = subprocess.run(
        ["/bin/sh", "-ec", "\n".join([*exports, *(commands if every_command else commands[-1:])])],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout[-2000:] + tried.stderr


def _check_the_changes(folder: Path, variables: dict[str, str]) -> None:
    """Assert that what the demo told of rogue instances, waste and hibernation is in its database."""

    def ask(*words: str) -> Any:
        answer = run(folder, "--json", "--tenant", "acme", *words, **variables)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    asked = {each["action"]: each for each in ask("approval", "list")["approvals"]}
    assert {action: (each["stands"], each["approver"]) for action, each in asked.items()} == {
        "TERMINATE_ROGUE": ("EXECUTED", "root"),
        "DELETE_WASTE": ("EXECUTED", "admin"),
    }
    [ended] = ask("instance", "list", "--auth-status", "terminated")
    assert ended["instance_id"] == asked["TERMINATE_ROGUE"]["target"]
    [deleted] = ask("waste", "list", "--status", "DELETED")["waste"]
    [kept] = ask("waste", "list", "--status", "RESOLVED")["waste"]
    assert (deleted["kind"], kept["kind"]) == ("ebs_volume", "ebs_volume")
    [hibernation] = ask("hibernation", "list")
    assert (hibernation["state"], hibernation["applied"]) == ("awake", "awake")
    duties = run(folder, "--json", "sweep", "--list", **variables)
    assert all(duty["last_run_at"] for duty in json.loads(duties.stdout) if duty["duty"] not in ("market", "sealing"))


def _check_the_hive(folder: Path, variables: dict[str, str]) -> None:
    """Assert that what the demo told of risk, decisions and outages is in its database."""

    def ask(*words: str) -> Any:
        answer = run(folder, "--json", "--tenant", "acme", *words, **variables)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    assert [risk["interruptions"] for risk in ask("risk", "list")] == [
        1,
        1,
    ]  # the one nobody was warned of, and the other
    assert ask("replica", "list") == []  # both took over
    outages = sorted((each["cause"], each["seconds"]) for each in ask("sla", "outages"))
    assert outages == [("emergency_switch", 34), ("no_replica", 0)]
    decisions = ask("decision", "list", "--limit", "1000")["decisions"]
    assert {each["status"] for each in decisions} == {"RECORDED", "ACTED"}
    assert {each["model"] for each in decisions if each["model"]} == {f"interruption-risk {version('spothive')}"}
    report = ask("savings", "report")
    assert sum(row["decisions"] for row in report["rows"]) == len(decisions)
    store = {"SPOTHIVE_MODEL_STORE": "var/demo-models"} | variables
    judged = [each["id"] for each in decisions if each["prediction_score"] is not None][:50]
    replayed = run(folder, "--json", "--tenant", "acme", "decision", "replay", *judged, **store)
    assert (replayed.returncode, len(json.loads(replayed.stdout))) == (0, 50), replayed.stderr
