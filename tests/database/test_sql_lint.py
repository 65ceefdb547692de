"""The PostgreSQL SQL of the revisions is safe to run on full tables. `make check` lints it in the same way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spothive.database.migrations.script import migration_script
from tests.database.revision_folder import RevisionFolder

ROOT = Path(__file__).parents[2]
SQUAWK = Path(sys.executable).with_name("squawk")
PART = ["sed", "-f", ".ci/part-revisions.sed"]

SAFE = {
    "a new table": """
        CREATE TABLE extra (id UUID NOT NULL, note TEXT, CONSTRAINT pk_extra PRIMARY KEY (id));
        CREATE INDEX ix_extra_note ON extra (note)""",
    "columns with their CHECKs": """
        ALTER TABLE users ADD COLUMN extra TEXT CONSTRAINT ck_users_extra CHECK (length(extra) <= 9);
        ALTER TABLE users ADD COLUMN more BOOLEAN DEFAULT false NOT NULL
            CONSTRAINT ck_users_more CHECK (NOT more OR extra IS NOT NULL)""",
    "a CHECK for new rows": "ALTER TABLE users ADD CONSTRAINT ck_users_x CHECK (username <> email) NOT VALID",
    "the CHECK for all rows": "ALTER TABLE users VALIDATE CONSTRAINT ck_users_x",
    "what somebody knows better": """
        -- squawk-ignore require-concurrent-index-creation
        CREATE INDEX ix_users_role ON users (role)""",
}
INDEX = """
with op.get_context().autocommit_block():
    options = {"table_name": "users", "postgresql_concurrently": True}
    op.drop_index("ix_users_role", if_exists=True, **options)
    op.create_index("ix_users_role", columns=["role"], if_not_exists=True, **options)
"""
UNSAFE = {
    "ALTER TABLE users ADD CONSTRAINT ck_users_x CHECK (username <> email)": "constraint-missing-not-valid",
    """ALTER TABLE users ADD CONSTRAINT ck_users_x CHECK (username <> email) NOT VALID;
        ALTER TABLE users VALIDATE CONSTRAINT ck_users_x""": "constraint-missing-not-valid",
    "CREATE INDEX ix_users_role ON users (role)": "require-concurrent-index-creation",
    "ALTER TABLE users ADD COLUMN extra INTEGER": "prefer-bigint-over-int",
    "ALTER TABLE users DROP COLUMN full_name": "ban-drop-column",
}


def complaints(script: str) -> list[str]:
    """Return the names of the rules that `make check` would find broken."""
    parted = subprocess.run(PART, cwd=ROOT, input=script, capture_output=True, text=True, check=True).stdout
    linted = subprocess.run(
        [SQUAWK, "--stdin-filepath", "migrations.sql", "--reporter", "gcc"],
        input=parted,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"(?:warning|error): ([a-z-]+)", linted.stdout)
    assert linted.returncode == (1 if found else 0), linted
    return found


def test_make_check_parts_the_revisions_as_these_tests_do() -> None:
    assert f"| {' '.join(PART)} | $(BIN)/squawk" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_revisions_are_clean() -> None:
    assert not complaints(migration_script("head", "postgresql")), (
        "`make check` says where, docs/guides/migrations.md how"
    )


@pytest.mark.parametrize("name", SAFE)
def test_what_the_guide_recommends_is_clean(folder: RevisionFolder, name: str) -> None:
    folder.add("001_safe", f"op.execute({SAFE[name]!r})")
    assert complaints(migration_script("head", "postgresql")) == []


def test_an_index_that_is_built_while_others_write_is_clean(folder: RevisionFolder) -> None:
    folder.add("001_index", INDEX)
    folder.add("002_more", f"op.execute({SAFE['a new table']!r})")
    assert complaints(migration_script("head", "postgresql")) == []


def test_an_index_that_is_built_while_others_write_is_alone_in_its_revision(folder: RevisionFolder) -> None:
    folder.add("001_index", f"op.execute('ALTER TABLE users ADD COLUMN extra TEXT')\n{INDEX}")
    assert complaints(migration_script("head", "postgresql")) == ["prefer-robust-stmts"]


@pytest.mark.parametrize("statements", UNSAFE)
def test_what_would_stop_a_service_is_found(folder: RevisionFolder, statements: str) -> None:
    folder.add("001_unsafe", f"op.execute({statements!r})")
    assert complaints(migration_script("head", "postgresql")) == [UNSAFE[statements]]
