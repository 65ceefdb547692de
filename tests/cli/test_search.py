"""``spothive search`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from spothive.database import SavedSearch, Tenant
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories.datasets import experiment
from tests.watching import rows_of

USER = ("--tenant", "acme", "--as", "acme-user")
LAB = ("--tenant", "acme", "--as", "acme-lab")


@pytest.fixture
def trials(people: Database, done: Spothive) -> None:
    """Make three experiments, one of them tagged."""
    acme: UUID = rows_of(Tenant, slug="acme")[0]["id"]
    for number, name in enumerate(("first try", "second try", "list")):
        experiment(acme, name, telemetry={"score": number / 2})
    done("tag", "create", "night", *LAB)
    done("tag", "add", "second try", "night", *LAB)


def names(ran: Any) -> list[str]:
    return [each["name"] for each in ran.json["experiments"]]


def test_a_bare_query_is_run(trials: None, done: Spothive) -> None:
    assert names(done("search", "try", "--json", *USER)) == ["second try", "first try"]
    assert names(done("search", "tag:night", "score:>0.1", "--json", *USER)) == ["second try"]
    assert names(done("search", '"first try"', "--json", *USER)) == ["first try"]
    assert names(done("search", "run", "list", "--json", *USER)) == ["list"]
    assert names(done("search", "--json", *USER, "try")) == ["second try", "first try"]
    (row,) = done("search", "second", "--json", *USER).json["experiments"]
    assert (row["model"], row["score"], row["tags"], row["status"]) == ("risk@1", 0.5, ["night"], "DRAFT")
    shown = done("search", "second", *USER).words
    assert [word for word in ("second try", "DRAFT", "risk@1", "0.5", "night") if word not in shown] == []
    assert done("search", "nope", *USER).out == "nothing is found\n"
    told = done("search", "tag:nope", *USER).out
    assert told == "nothing is found\nno tag is called nope: see spothive tag list\n"


def test_pages_go_on(trials: None, done: Spothive) -> None:
    first = done("search", "try", "--limit", "1", "--json", *USER).json
    second = done("search", "try", "--limit", "1", "--before", first["next"], "--json", *USER).json
    assert (names_of(first), names_of(second), second["next"]) == (["second try"], ["first try"], None)
    assert f"more: --before {first['next']}" in done("search", "try", "--limit", "1", *USER).out


def names_of(document: Any) -> list[str]:
    return [each["name"] for each in document["experiments"]]


def test_a_search_is_saved_made_again_pinned_and_forgotten(trials: None, done: Spothive) -> None:
    told = done("search", "try", "score:>0", "--save", "good ones", *USER).out
    assert "kept as good ones: spothive search --saved 'good ones' makes it again" in told
    done("search", "save", "nightly", "tag:night", "--pin", *USER)
    assert names(done("search", "--saved", "good ones", "--json", *USER)) == ["second try"]
    rows = done("search", "list", "--json", *USER).json
    assert [(row["name"], row["is_pinned"], row["usage_count"]) for row in rows] == [
        ("nightly", True, 0),
        ("good ones", False, 1),
    ]
    assert "nightly" in done("search", "list", *USER).out
    assert done("search", "pin", "nightly", "--off", *USER).out == "nightly is pinned no longer\n"
    assert done("search", "delete", "nightly", *USER).out == "forgot nightly\n"
    assert done("search", "list", *LAB).out == "no searches: spothive search save --help\n"
    assert [row["name"] for row in rows_of(SavedSearch)] == ["good ones"]


def test_what_cannot_be_meant_is_one_line(trials: None, refused: Callable[..., str], spothive: Spothive) -> None:
    assert refused("search", "foo:bar", *USER).startswith("no search knows foo: as a token; there are tag:, status:")
    assert refused("search", "created:>soon", *USER).startswith("created: 'soon' is no date such as 2026-01-31")
    assert refused("search", "score:>>1", *USER).startswith("score: '>>' compares nothing")
    assert refused("search", " ", *USER).startswith("say what to look for, or which saved search")
    assert refused("search", "x", "--saved", "y", *USER).startswith("QUERY and --saved exclude each other")
    assert refused("search", "--saved", "y", "--save", "z", *USER).startswith("--save keeps a search that is typed")
    assert refused("search", "--saved", "y", *USER).startswith("you have no search called 'y'")
    assert refused("search", "x", "--limit", "0", *USER) == "a page has 1 to 10000 rows"
    assert "is no user of this tenant" in refused("search", "save", "a", "x", "--tenant", "acme", "--as", "admin")
    assert spothive("search", "x", "--nope", *USER).code == 2
    assert "save" in spothive("search", "--help").out
