"""``spothive db sample`` on both databases."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spothive.cli.db import rows as command
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.watching import everything

SMALL = ("db", "sample", "--tenants", "2", "--instances", "10", "--days", "1")


@pytest.fixture
def key() -> Iterator[None]:
    """Give the commands a sealing key."""
    with settings(SPOTHIVE_SEALING_KEYS=f"a1b2c3d4:{base64.b64encode(os.urandom(32)).decode()}"):
        yield


def test_a_sample_is_made_and_counted(db: Database, key: None, done: Spothive) -> None:
    made = done(*SMALL, "--seed", "7")
    there = {table: len(rows) for table, rows in everything().items() if rows}
    there["tenants"] -= 1  # platform was there before
    lines = [line.split("|") for line in made.out.splitlines() if "|" in line]
    assert {table.strip(): rows.strip() for table, rows in lines[1:]} == {
        table: str(count) for table, count in there.items()
    }
    assert f"made {sum(there.values())} rows in " in made.out
    assert made.out.endswith("tenants sample-7-1 .. sample-7-2; nobody can sign in as one of their users\n")
    assert "production" in done("account", "list", "--tenant", "sample-7-1", "--as", "nora.sample-7-1").out


def test_it_reports_as_json(db: Database, key: None, done: Spothive) -> None:
    made = done(*SMALL, "--json").json
    assert list(made) == ["tenants", "seed", "until", "rows", "seconds"]
    assert (made["tenants"], made["seed"]) == (["sample-1-1", "sample-1-2"], 1)
    assert made["until"].endswith(":00:00Z")
    assert made["rows"]["users"] == 10
    assert made["seconds"] > 0


def test_what_cannot_be_made_is_said(db: Database, key: None, done: Spothive, refused: Callable[..., str]) -> None:
    assert refused(*SMALL, "--days", "0") == "a sample has 1 to 365 for days, not 0"
    done(*SMALL)
    before = everything()
    assert "take another seed, or another database" in refused(*SMALL)
    assert everything() == before


def test_without_a_sealing_key_nothing_is_made(
    db: Database, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = everything()
    assert "`spothive secrets init`" in refused(*SMALL)
    assert everything() == before


def test_an_empty_database_is_sent_to_db_upgrade(empty_db: Database, refused: Callable[..., str]) -> None:
    assert "`spothive db upgrade`" in refused(*SMALL)


def test_an_interrupt_leaves_nothing(
    db: Database, key: None, spothive: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything()

    class Interrupted:
        def __enter__(self) -> Callable[[int, int], None]:
            return self.told

        def __exit__(self, *_: object) -> None:
            pass

        def told(self, _done: int, _expected: int) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "show_progress", lambda _: Interrupted())
    assert spothive(*SMALL).code == 130
    assert everything() == before
