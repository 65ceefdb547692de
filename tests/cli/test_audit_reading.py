"""``spothive audit list`` and ``show`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from spothive.cli.audit.reading import CHANGE_COLUMNS, OutcomeName
from spothive.database import Outcome
from tests.cli.conftest import Spothive
from tests.conftest import Database

ACME = ["--tenant", "acme", "--as", "acme-user"]


def test_the_trail_is_listed_and_a_row_shown(
    people: Database, done: Spothive, spothive: Spothive, refused: Callable[..., str]
) -> None:
    done("user", "disable", "acme-lab", "--tenant", "acme")
    done("user", "enable", "acme-lab", "--tenant", "acme")
    assert spothive("user", "disable", "acme-client", *ACME).code == 1
    listed = done("audit", "list", *ACME, "--json").json
    assert [(row["event"], row["outcome"]) for row in listed["entries"]] == [
        ("user.disabled", "DENIED"),
        ("user.enabled", "SUCCESS"),
        ("user.disabled", "SUCCESS"),
    ]
    assert listed["next"] is None
    assert "user.enabled" in done("audit", "list", *ACME).out
    narrowed = {
        "--event user.disabled": 2,
        "--outcome denied": 1,
        "--kind user": 3,
        "--kind account": 0,
        "--by admin --resource acme-lab": 2,
        "--since 1h": 3,
        "--until 1h": 0,
        "--limit 1": 1,
    }
    found = {words: len(done("audit", "list", *ACME, *words.split(), "--json").json["entries"]) for words in narrowed}
    assert found == narrowed
    first = done("audit", "list", *ACME, "--limit", "2", "--json").json
    assert f"older ones: --before {first['next']}" in done("audit", "list", *ACME, "--limit", "2").out
    rest = done("audit", "list", *ACME, "--before", first["next"], "--json").json
    assert first["entries"] + rest["entries"] == listed["entries"]
    row_id = listed["entries"][2]["id"]
    shown = done("audit", "show", row_id, *ACME)
    assert " ".join(column.heading for column in CHANGE_COLUMNS) in shown.words.replace(" |", "")
    assert "is_active | true | false" in shown.words
    as_json = done("audit", "show", row_id, *ACME, "--json").json
    assert as_json["changes"] == [{"field": "is_active", "before": True, "after": False}]
    assert as_json["actor_name"].startswith("admin (cli: ")
    for unknown in (row_id[:-1] + ("0" if row_id[-1] != "0" else "1"), "nonsense"):
        assert refused("audit", "show", unknown, *ACME).startswith("no audit row has the id")
    assert "no audit row has the id" in refused("audit", "show", row_id, "--tenant", "globex")
    assert "account, instance" in refused("audit", "list", "--kind", "horse")
    assert "no place to go on from" in refused("audit", "list", "--before", "x")


def test_the_words_are_those_of_the_model() -> None:
    assert get_args(OutcomeName) == tuple(Outcome)
