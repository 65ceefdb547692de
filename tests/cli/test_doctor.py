"""``spothive doctor`` on both databases."""

from __future__ import annotations

from spothive.cli.doctor import COLUMNS
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings


def test_a_sound_database_passes(people: Database, spothive: Spothive) -> None:
    ran = spothive("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.split("\n", 1)[0].split() == " | ".join(["", *(c.heading for c in COLUMNS[1:])]).split()
    findings = spothive("doctor", "--json").json
    assert {"schema", "guards", "connection"} <= {finding["name"] for finding in findings}
    assert all(finding["ok"] or finding["severity"] == "warning" for finding in findings)


def test_an_error_ends_with_one(people: Database, spothive: Spothive) -> None:
    with people.raw(owner=True) as connection:
        connection.execute("CREATE TABLE left_behind (note text)")
    ran = spothive("doctor")
    assert ran.code == 1
    assert ran.err.startswith("error: 1 of ")
    assert "left_behind" in ran.out
    [bad] = [finding for finding in spothive("doctor", "--json").json if finding["severity"] == "error"]
    assert (bad["name"], bad["ok"]) == ("guards", False)
    assert bad["repair"]


def test_it_answers_on_an_empty_database_and_without_one(empty_db: Database, spothive: Spothive) -> None:
    ran = spothive("doctor")
    assert ran.code == 1
    assert "spothive db upgrade" in ran.out
    with settings(DATABASE_URL="mysql://localhost/x"):
        ran = spothive("doctor")
    assert ran.code == 1
    assert "DATABASE_URL" in ran.out
