"""A JSON value that is changed in place, at any depth, is stored."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from spothive.errors import InvalidInput
from spothive.models.base import json_array, json_object
from spothive.schema.tracked_json import TrackedDict, TrackedList, track_changes


class Base(DeclarativeBase):
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        track_changes(cls)


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    facts: Mapped[dict[str, Any]] = json_object()
    names: Mapped[list[Any]] = json_array()
    more: Mapped[dict[str, Any] | None] = json_object(nullable=True)


START = {"a": {"b": [1, {"c": "d"}]}, "plain": 1, "list": [3, 1, 2]}
NAMES = ["x", ["y"], {"z": 1}]


@pytest.fixture
def session() -> Any:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Note(id=1, facts=copy.deepcopy(START), names=copy.deepcopy(NAMES)))
        session.commit()
        yield session


def update_in_place(note: Note) -> None:
    inner = note.facts["a"]
    inner |= {"x": {"y": 1}}


def add_in_place(note: Note) -> None:
    names = note.names
    names += ["more"]


def repeat_in_place(note: Note) -> None:
    inner = note.names[1]
    inner *= 2


CHANGES: dict[str, Callable[[Note], Any]] = {
    "set": lambda n: operator.setitem(n.facts, "new", 1),
    "set at depth": lambda n: operator.setitem(n.facts["a"]["b"][1], "c", "e"),
    "set what was set": lambda n: [n.facts.update(deep={"x": {}}), n.facts["deep"]["x"].update(y=1)],
    "delete": lambda n: operator.delitem(n.facts, "plain"),
    "pop": lambda n: n.facts["a"].pop("b"),
    "popitem": lambda n: n.facts["a"].popitem(),
    "clear": lambda n: n.facts["a"].clear(),
    "update": lambda n: n.facts["a"].update({"x": 1}, y=2),
    "update in place": update_in_place,
    "setdefault": lambda n: n.facts.setdefault("q", {}).setdefault("r", []).append(1),
    "append": lambda n: n.facts["a"]["b"].append({"new": 1}),
    "extend": lambda n: n.facts["a"]["b"].extend(({"new": []},)),
    "change what was extended": lambda n: [n.facts["a"]["b"].extend([{}]), n.facts["a"]["b"][-1].update(k=1)],
    "insert": lambda n: n.names.insert(0, "first"),
    "add in place": add_in_place,
    "repeat in place": repeat_in_place,
    "remove": lambda n: n.names.remove("x"),
    "sort": lambda n: n.facts["list"].sort(),
    "reverse": lambda n: n.facts["list"].reverse(),
    "set slice": lambda n: operator.setitem(n.facts["list"], slice(0, 2), [[], []]),
    "change what was set by slice": lambda n: [operator.setitem(n.names, slice(0, 1), [[]]), n.names[0].append(1)],
    "delete slice": lambda n: operator.delitem(n.facts["list"], slice(0, 2)),
    "list in list": lambda n: n.names[1].append("w"),
    "dict in list": lambda n: n.names[2].pop("z"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_in_place_is_stored(session: Session, change: Callable[[Note], Any]) -> None:
    note = session.get_one(Note, 1)
    change(note)
    assert note in session.dirty
    expected = copy.deepcopy((note.facts, note.names))
    session.commit()
    session.expire_all()
    assert (note.facts, note.names) == expected
    assert expected != (START, NAMES)


def test_reading_changes_nothing(session: Session) -> None:
    note = session.get_one(Note, 1)
    assert note.facts["a"]["b"][1].get("c") == "d"
    assert sorted(note.facts) == ["a", "list", "plain"]
    assert [*note.names, *note.facts["list"]]
    assert note not in session.dirty


def test_a_replaced_value_no_longer_speaks_for_the_row(session: Session) -> None:
    note = session.get_one(Note, 1)
    former, inner = note.facts, note.facts["a"]
    note.facts = {"a": {}}
    session.commit()
    former["x"] = 1
    inner["y"] = 1
    assert note not in session.dirty
    note.facts["a"]["z"] = 1
    assert note in session.dirty


def test_a_part_of_one_row_can_become_the_value_of_another(session: Session) -> None:
    first, second = session.get_one(Note, 1), Note(id=2, facts={}, names=[])
    session.add(second)
    session.flush()
    second.facts = first.facts["a"]
    session.commit()
    second.facts["new"] = 1
    assert second in session.dirty
    session.commit()
    session.expire_all()
    assert second.facts["new"] == 1


def test_two_rows_that_share_a_value_both_store_it(session: Session) -> None:
    first = session.get_one(Note, 1)
    second = Note(id=2, facts=first.facts, names=[])
    session.add(second)
    session.flush()
    first.facts["shared"] = {"x": 1}
    session.commit()
    session.expire_all()
    assert first.facts == second.facts == START | {"shared": {"x": 1}}


def test_changes_after_rollback_expiry_and_refresh_are_stored(session: Session) -> None:
    note = session.get_one(Note, 1)
    note.facts["a"]["lost"] = 1
    session.rollback()
    assert "lost" not in note.facts["a"]
    session.refresh(note)
    note.facts["a"]["kept"] = 1
    session.commit()
    session.expire_all()
    assert note.facts["a"]["kept"] == 1


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_rows_still_notice_changes(session: Session, protocol: int) -> None:
    note = session.get_one(Note, 1)
    assert note.names
    restored = pickle.loads(pickle.dumps(note, protocol))  # noqa: S301 - our own bytes
    session.expunge_all()
    session.add(restored)
    restored.facts["a"]["b"][1]["c"] = "changed"
    restored.names[1].append("changed")
    session.commit()
    session.expire_all()
    assert (restored.facts["a"]["b"][1]["c"], restored.names[1]) == ("changed", ["y", "changed"])


def test_copies_belong_to_no_row(session: Session) -> None:
    note = session.get_one(Note, 1)
    for duplicate in (copy.deepcopy(note.facts), copy.copy(note.facts), pickle.loads(pickle.dumps(note.facts))):  # noqa: S301 - our own bytes
        assert duplicate == START
        duplicate["a"]["b"].append("only here")
        duplicate["x"] = 1
    assert note not in session.dirty
    assert note.facts == START


def test_detached_and_merged_rows_keep_noticing(session: Session) -> None:
    note = session.get_one(Note, 1)
    assert note.facts
    session.expunge(note)
    note.facts["a"]["detached"] = 1
    merged = session.merge(note)
    session.commit()
    assert merged.facts["a"]["detached"] == 1
    merged.facts["a"]["merged"] = 1
    session.commit()
    session.expire_all()
    assert merged.facts["a"] | {"b": 0} == {"b": 0, "detached": 1, "merged": 1}


def test_a_value_of_the_wrong_shape_is_refused_when_it_is_assigned() -> None:
    wrong: Any
    for wrong in ([], "text", 1):
        with pytest.raises(InvalidInput, match="facts is a JSON object"):
            Note(facts=wrong)
    for wrong in ({}, "text", 1):
        with pytest.raises(InvalidInput, match="names is a JSON array"):
            Note(names=wrong)


def test_none_is_no_value_and_defaults_are_tracked(session: Session) -> None:
    note = Note(id=3)
    session.add(note)
    session.commit()
    assert (note.facts, note.names, note.more) == ({}, [], None)
    note.more = {"a": ()}
    note.more["a"].append(1)
    note.facts["x"] = 1
    session.commit()
    session.expire_all()
    assert (note.facts, note.more) == ({"x": 1}, {"a": [1]})
    note.more = None
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).where(Note.more.is_(None))) == 2


def test_tracked_values_are_plain_json_to_everybody_else() -> None:
    assert isinstance(TrackedDict(START), dict)
    assert TrackedDict(START) == START
    assert TrackedList(NAMES) == NAMES
    assert TrackedDict(START) | {"x": 1} == START | {"x": 1}
