"""Tags: made, renamed, put on, counted, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spothive.database import ExperimentTag, Tag, get_db_session, read_session
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.operations.datasets import add_tag, change_tag, create_tag, delete_tag, list_tags, remove_tag
from spothive.operations.datasets.searching import search_experiments
from spothive.operations.datasets.tags import find_tag
from tests.factories.datasets import experiment, tag_on
from tests.operations.conftest import World
from tests.watching import rows_of, statements


def lab(world: World, verb: Callable[..., Any], **facts: Any) -> Any:
    with get_db_session(tenant=world.acme) as session:
        return verb(session, world.lena, **facts)


def listed(world: World) -> list[tuple[str, str, str | None, int]]:
    with read_session(tenant=world.acme) as session:
        return [(e.tag.name, e.tag.slug, e.tag.color, e.experiments) for e in list_tags(session)]


def test_a_tag_is_put_on_counted_renamed_and_deleted(world: World) -> None:
    for name in ("Night Run", "base"):
        lab(world, create_tag, name=name)
    for name in ("first", "second"):
        experiment(world.acme, name)
        tag_on(world.lena, world.acme, name, "night-run")
    tag_on(world.lena, world.acme, "first", "base")
    with read_session(tenant=world.acme) as session, statements() as sent:
        assert len(list_tags(session)) == 2
    assert sum(sent.values()) - sum(n for text, n in sent.items() if "tags" not in text) == 1
    assert listed(world) == [("base", "base", None, 1), ("Night Run", "night-run", None, 2)]
    lab(world, change_tag, tag="night run", name="Dusk", color="#F80")
    assert listed(world) == [("base", "base", None, 1), ("Dusk", "dusk", "#f80", 2)]
    lab(world, remove_tag, experiment="second", tag="dusk")
    assert lab(world, delete_tag, tag="Dusk") == 1
    assert listed(world) == [("base", "base", None, 1)]
    assert len(rows_of(ExperimentTag)) == 1


def test_a_name_never_stands_for_another_that_is_spelled_alike(world: World) -> None:
    for name in ("C", "Fast & cheap", "Łódź"):
        lab(world, create_tag, name=name)
    experiment(world.acme, "trial")
    for other in ("C#", "C++", "fast, cheap", "日本"):
        with pytest.raises(NotFound, match="no tag is called"):
            lab(world, delete_tag, tag=other)
        with read_session(tenant=world.acme) as session:
            assert search_experiments(session, f'tag:"{other}"').unknown_tags
    with get_db_session(tenant=world.acme) as session:
        found = [find_tag(session, name).name for name in ("c", " C ", "Fast & cheap", "fast-cheap", "lodz", "ŁÓDŹ")]
    assert found == ["C", "C", "Fast & cheap", "Fast & cheap", "Łódź", "Łódź"]
    tag_on(world.lena, world.acme, "trial", "Fast & cheap")
    with read_session(tenant=world.acme) as session:
        for name in ('"Fast & cheap"', "fast-cheap", '"FAST cheap"'):
            answer = search_experiments(session, f"tag:{name}")
            assert ([each.experiment.name for each in answer.page.rows], answer.unknown_tags) == (["trial"], [])


def test_what_does_not_fit_is_refused(world: World) -> None:
    lab(world, create_tag, name="Night run")
    lab(world, create_tag, name="base")
    experiment(world.acme, "trial")
    refusals: list[tuple[type[Exception], str, Callable[..., Any], dict[str, Any]]] = [
        (Conflict, "spelled night-run already", create_tag, {"name": "NIGHT  RUN"}),
        (Conflict, "spelled base already", change_tag, {"tag": "night run", "name": "Base"}),
        (InvalidInput, "called by Latin letters", create_tag, {"name": "日本"}),
        (InvalidInput, "called by Latin letters", create_tag, {"name": " "}),
        (InvalidInput, "at most 50", create_tag, {"name": "x" * 51}),
        (InvalidInput, "a colour is written", create_tag, {"name": "x", "color": "red"}),
        (InvalidInput, "nothing is to be changed", change_tag, {"tag": "base"}),
        (NotFound, "no tag is called 'none'", change_tag, {"tag": "none", "name": "x"}),
        (NotFound, "no tag is called", delete_tag, {"tag": "%"}),
        (NotFound, "no tag is called", add_tag, {"experiment": "trial", "tag": "none"}),
        (NotFound, "no experiment is called", add_tag, {"experiment": "none", "tag": "base"}),
        (NotFound, "is not on 'trial'", remove_tag, {"experiment": "trial", "tag": "base"}),
    ]
    for error, said, verb, facts in refusals:
        with pytest.raises(error, match=said):
            lab(world, verb, **facts)
    tag_on(world.lena, world.acme, "trial", "base")
    with pytest.raises(Conflict, match="is on 'trial' already"):
        tag_on(world.lena, world.acme, "trial", "base")
    assert len(rows_of(Tag)) == 2


def test_another_tenants_tags_and_experiments_are_like_none(world: World) -> None:
    experiment(world.acme, "trial")
    lab(world, create_tag, name="base")
    said = []
    for tag in ("base", "none"):
        with pytest.raises(NotFound) as caught, get_db_session(tenant=world.globex) as session:
            delete_tag(session, world.gina, tag=tag)
        said.append(str(caught.value).replace(tag, ""))
    assert said[0] == said[1]
    with get_db_session(tenant=world.globex) as session:
        create_tag(session, world.gina, name="base")
        assert [each.experiments for each in list_tags(session)] == [0]
        with pytest.raises(NotFound):
            add_tag(session, world.gina, experiment="trial", tag="base")
