"""Searching experiments: the same answer on both databases, whatever signs are typed; and searches that are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spothive.database import ExperimentStatus, SavedSearch, get_db_session, read_session
from spothive.errors import Conflict, InvalidInput, NotAllowed, NotFound
from spothive.operations.actor import spothive_itself
from spothive.operations.datasets import (
    create_tag,
    delete_search,
    list_searches,
    pin_search,
    save_search,
    search_experiments,
    use_search,
)
from tests.factories.datasets import experiment, tag_on
from tests.operations.conftest import World, audited
from tests.watching import rows_of, statements

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def lab(world: World) -> World:
    """Return the world with four experiments in acme, and one in globex that has all they have."""
    with get_db_session(tenant=world.acme) as session:
        for tag in ("night", "base", "idle"):
            create_tag(session, world.lena, name=tag)
    made: list[tuple[str, dict[str, Any]]] = [
        ("alpha 100%", {"telemetry": {"score": 0.9}, "notes": r"C:\logs; it's 5\" ;-- DROP TABLE"}),
        ("Beta_2", {"telemetry": {"score": 0.5}, "version": "2", "notes": "Second TRY, Größe ÄÖ"}),
        ("gamma", {"telemetry": {"score": "0.99"}, "status": ExperimentStatus.RUNNING}),
        ("delta", {"telemetry": {}, "status": ExperimentStatus.FAILED, "notes": None}),
    ]
    for day, (name, facts) in enumerate(made):
        experiment(world.acme, name, at=MONDAY + timedelta(days=day), **facts)
    tag_on(world.lena, world.acme, "alpha 100%", "night", "base")
    tag_on(world.lena, world.acme, "Beta_2", "night")
    tag_on(world.lena, world.acme, "gamma", "base")
    experiment(world.globex, "alpha 100%", telemetry={"score": 0.9})
    return world


def found(world: World, text: str) -> list[str]:
    """Return the first letters of the names of what is found, the newest first."""
    with read_session(tenant=world.acme) as session:
        return [each.experiment.name[0].lower() for each in search_experiments(session, text).page.rows]


ANSWERS = {
    "tag:night": "ba",
    "tag:night tag:base": "a",
    "tag:night,base": "gba",
    "tag:night,none": "ba",
    "tag:none": "",
    "tag:日本": "",
    "tag:idle": "",
    "status:running": "g",
    "status:RUNNING,FAILED": "dg",
    "status:COMPLETED": "",
    "model:risk": "dgba",
    "model:risk@2": "b",
    "model:RISK": "",
    "model:risk@%": "",
    "created:2026-03-03": "b",
    "created:>2026-03-03": "dg",
    "created:>=2026-03-03": "dgb",
    "created:<2026-03-03": "a",
    "created:<=2026-03-03": "ba",
    "created:>9999-12-31": "",
    "created:>=0001-01-01": "dgba",
    "score:>0.5": "a",
    "score:>=0.5": "ba",
    "score:0.5": "b",
    "score:<1": "ba",
    "score:=0.9": "a",
    "ALPHA": "a",
    "%": "a",
    "_": "b",
    "a_p": "",
    "\\": "a",
    "'": "a",
    '5\\"': "a",
    ";--": "a",
    '"second try"': "b",
    "second try": "b",
    "größe": "b",
    "GRÖßE": "",
    "äö": "",
    "ÄÖ": "b",
    "a": "dgba",
    "tag:night score:>0.5 100%": "a",
    "tag:base status:RUNNING model:risk@1 created:>2026-03-01 gam": "g",
}
"""What is typed, and the first letters of the names that it finds, the newest first."""


def test_a_search_finds_what_is_true_of_it(lab: World) -> None:
    assert {text: "".join(found(lab, text)) for text in ANSWERS} == ANSWERS


def test_what_is_found_comes_with_tags_model_and_score_in_three_statements(lab: World) -> None:
    with read_session(tenant=lab.acme) as session:
        search_experiments(session, "a")  # the transaction has begun
        with statements() as sent:
            answer = search_experiments(session, "tag:night,nope,base,日本,C# a")
            rows = [(e.experiment.model.name, e.tags, e.score) for e in answer.page.rows]
    assert rows == [("risk", ["base"], None), ("risk", ["night"], 0.5), ("risk", ["base", "night"], 0.9)]
    assert answer.unknown_tags == ["C#", "nope", "日本"]
    assert sum(sent.values()) == 3


def test_pages_go_on_where_the_last_one_ended(lab: World) -> None:
    names: list[str] = []
    before = None
    with read_session(tenant=lab.acme) as session:
        for _ in range(4):
            page = search_experiments(session, "model:risk", limit=1, before=before).page
            names += [each.experiment.name for each in page.rows]
            before = page.next
        assert before is None
        with pytest.raises(InvalidInput, match="no place to go on from"):
            search_experiments(session, "a", before="x")
    assert names == ["delta", "gamma", "Beta_2", "alpha 100%"]


def test_odd_telemetry_has_no_score(world: World) -> None:
    odd: list[Any] = [
        {"score": True},
        {"score": None},
        {"score": [1]},
        {"score": {"x": 1}},
        {"other": 1},
        {"score": ""},
    ]
    for number, telemetry in enumerate(odd):
        experiment(world.acme, f"odd {number}", telemetry=telemetry)
    experiment(world.acme, "long", telemetry={"score": 10**400})
    assert found(world, "score:>-1000") == ["l"]
    assert found(world, "score:<999999999") == []


# --- searches that are kept -------------------------------------------------------------------------------------------


def test_a_search_is_kept_used_pinned_and_forgotten(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        for name in ("b", "a", "c"):
            save_search(session, world.udo, name=name, text=f"word {name}")
        save_search(session, world.anna, name="a", text="hers")
        pin_search(session, world.udo, name="c", pinned=True)
    told = len(audited())
    for times in (1, 2):
        with get_db_session(tenant=world.acme) as session:
            used = use_search(session, world.udo, name="a")
            assert (used.query, used.usage_count, used.last_used_at is not None) == ("word a", times, True)
    assert len(audited()) == told
    with read_session(tenant=world.acme) as session:
        assert [each.name for each in list_searches(session, world.udo)] == ["c", "a", "b"]
        assert [each.query for each in list_searches(session, world.anna)] == ["hers"]
    with get_db_session(tenant=world.acme) as session:
        pin_search(session, world.udo, name="c", pinned=False)
        delete_search(session, world.udo, name="a")
    with read_session(tenant=world.acme) as session:
        assert [each.name for each in list_searches(session, world.udo)] == ["b", "c"]


def test_a_search_that_cannot_be_kept_is_refused(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        save_search(session, world.udo, name="a", text="x")
    refusals: list[tuple[type[Exception], str, dict[str, str]]] = [
        (Conflict, "you have a search called 'a'", {"name": " a ", "text": "y"}),
        (InvalidInput, "no search knows foo:", {"name": "b", "text": "foo:bar"}),
        (InvalidInput, "has 1 to 100 characters", {"name": " ", "text": "x"}),
        (InvalidInput, "has 1 to 100 characters", {"name": "n" * 101, "text": "x"}),
    ]
    for error, said, facts in refusals:
        with pytest.raises(error, match=said), get_db_session(tenant=world.acme) as session:
            save_search(session, world.udo, **facts)
    for stranger in (world.admin, spothive_itself("test")):
        with pytest.raises(NotAllowed, match="is no user of this tenant"), get_db_session(tenant=world.acme) as session:
            save_search(session, stranger, name="b", text="x")
    for verb in (use_search, delete_search):
        with pytest.raises(NotFound, match="you have no search called"), get_db_session(tenant=world.acme) as session:
            verb(session, world.anna, name="a")
    assert len(rows_of(SavedSearch)) == 1
