"""``spothive tag`` on both databases."""

from __future__ import annotations

from collections.abc import Callable

from spothive.database import Tag, Tenant
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories.datasets import experiment
from tests.watching import rows_of

LAB = ("--tenant", "acme", "--as", "acme-lab")


def test_a_tag_from_its_making_to_its_end(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    experiment(rows_of(Tenant, slug="acme")[0]["id"], "trial one")
    assert done("tag", "list", *LAB).out == "no tags: spothive tag create --help\n"
    told = done("tag", "create", "Night run", "--color", "#f80", *LAB).out
    assert told == "made tag Night run: spothive search tag:night-run finds what it is on\n"
    assert done("tag", "add", "trial one", "night-run", *LAB).out == "put night-run on trial one\n"
    (row,) = done("tag", "list", "--json", *LAB).json
    assert (row["name"], row["slug"], row["color"], row["experiments"]) == ("Night run", "night-run", "#f80", 1)
    assert "night-run" in done("tag", "list", *LAB).out
    told = done("tag", "rename", "night-run", "Dusk", "--color", "", *LAB).out
    assert told == "tag Dusk: tag:dusk in a search, colour none\n"
    said = refused("tag", "delete", "dusk", *LAB)
    assert said.startswith("nothing was changed: tag Dusk, which is on 1 experiment, would be deleted. Nobody can be")
    assert done("tag", "remove", "trial one", "dusk", *LAB).out == "took dusk off trial one\n"
    assert done("tag", "delete", "dusk", "--yes", "--json", *LAB).json == {"tag": "dusk", "experiments": 0}
    assert rows_of(Tag) == []


def test_what_cannot_be_is_one_line(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    done("tag", "create", "a", *LAB)
    assert refused("tag", "create", "A", *LAB) == "a tag is spelled a already: see `spothive tag list`"
    assert refused("tag", "create", " ", *LAB).startswith("NAME is blank")
    assert refused("tag", "add", "x\x1b", "a", *LAB).startswith("no experiment is called")
    assert refused("tag", "delete", "x", *LAB).startswith("no tag is called 'x'")
    assert "may not run lab experiments" in refused("tag", "create", "b", "--tenant", "acme", "--as", "acme-user")
