"""``spothive audit``: the trail is sealed, verified and exported, and tampering is an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spothive.database import AuditLog, AuditSeal
from tests.cli.conftest import Spothive, make_people
from tests.conftest import Database, settings
from tests.watching import rows_of

pytestmark = pytest.mark.own_server  # a seal covers what is older than any open transaction, whoever has it open


@pytest.fixture
def people(db: Database) -> Database:
    """Return a database with them on a server of its own."""
    make_people()
    return db


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """Let key and anchor lie in a folder of the test."""
    folder = tmp_path / "var"
    with settings(
        SPOTHIVE_AUDIT_SIGNING_KEY_FILE=str(folder / "key.pem"), SPOTHIVE_AUDIT_ANCHOR=str(folder / "anchor.jsonl")
    ):
        yield folder


def test_from_the_first_seal_to_the_auditor(
    people: Database, var: Path, tmp_path: Path, done: Spothive, refused: Callable[..., str]
) -> None:
    assert "there is no signing key" in refused("audit", "seal")
    made = done("--json", "audit", "init").json
    assert made["fingerprint"].startswith(made["key_id"])
    assert (var / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "exists and is left alone" in refused("audit", "init")
    assert "nothing new to seal" not in done("audit", "seal").words
    assert done("audit", "seal").out == "nothing new to seal\n"
    done("tenant", "suspend", "globex")
    words = done("audit", "seal").words
    assert "sealed 1 rows in 1 seals" in words
    done("tenant", "resume", "globex")
    found = done("--json", "audit", "verify", "--all").json
    assert found["sound"]
    by_tenant = {row["tenant"]: row for row in found["tenants"]}
    assert (by_tenant["globex"]["seals"], by_tenant["globex"]["unsealed"]) == (1, 1)
    own = done("--json", "audit", "verify", "--as", "gina", "--tenant", "globex").json
    assert [row["tenant"] for row in own["tenants"]] == ["globex"]
    assert "may not" in refused("audit", "verify", "--all", "--as", "gina", "--tenant", "globex")
    assert "may not" in refused("audit", "seal", "--as", "acme-client", "--tenant", "acme")

    bundle = tmp_path / "globex.jsonl"
    export = ("audit", "export", str(bundle), "--tenant", "globex")
    assert "--seals takes numbers" in refused(*export, "--seals", "one")
    assert "there are no such seals" in refused(*export, "--seals", "5-7")
    assert not bundle.exists()
    assert "may not" in refused(*export, "--as", "acme-user", "--tenant", "acme")
    assert done("--json", *export, "--with-verifier").json["rows"] == 1
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert "exists and is left alone" in refused(*export)
    assert r"nul\x00 cannot be made" in refused("audit", "export", "nul\0", "--tenant", "globex")
    command = [sys.executable, "-I", "-S", str(tmp_path / "verify_bundle.py"), str(bundle), "--key", made["key_id"]]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout.startswith("sound: 1 rows")) == (0, True), ran


def test_tampering_is_exit_code_one_and_names_the_place(
    people: Database, var: Path, spothive: Spothive, done: Spothive
) -> None:
    done("audit", "init")
    done("tenant", "suspend", "globex")
    done("audit", "seal")
    (row,) = rows_of(AuditLog, event="tenant.suspended")
    with people.raw(owner=True) as connection:
        run: Any = connection.execute
        if people.engine == "sqlite":
            run("DROP TRIGGER ao_audit_logs_update")
            run("DROP TRIGGER ao_audit_seals_delete")
        else:
            for table in ("audit_logs", "audit_seals"):
                run(f"ALTER TABLE {table} DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
        run("UPDATE audit_logs SET actor_name = 'somebody else' WHERE event = 'tenant.suspended'")
    ran = spothive("audit", "verify", "--tenant", "globex")
    place = f"seal 1, row {row['id']}: it was changed after it was sealed"
    assert ran.code == 1
    assert place in ran.words
    assert ran.err.startswith(f"error: the audit trail of globex is not sound: {place}")
    assert ran.err.count("\n") == 1
    found = json.loads(spothive("--json", "audit", "verify", "--all").out)
    assert [row["tenant"] for row in found["tenants"] if not row["sound"]] == ["globex"]
    with people.raw(owner=True) as connection:
        connection.execute("DELETE FROM audit_seals")
    assert rows_of(AuditSeal) == []
    ran = spothive("audit", "seal")
    assert (ran.code, "the anchor knows a seal 1 that the database has not" in ran.err) == (1, True)
    (var / "anchor.jsonl").unlink()
    assert "there is no anchor, so newer seals may have been cut off" in done("audit", "verify").words
