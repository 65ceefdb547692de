"""A released revision is never edited: databases have it already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.laws.released import LIST, broken, present, released


def test_released_revisions_are_what_they_were() -> None:
    found = list(broken(released(LIST.read_text(encoding="utf-8")), present()))
    assert not found, "\n".join(found)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    for name in ("000_core.py", "000_core.sqlite.sql", "002_notes.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "__pycache__").mkdir()
    return tmp_path


def test_while_nothing_is_released_all_may_change(versions: Path) -> None:
    assert not list(broken({}, present(versions)))


def test_a_new_revision_may_come_after_the_released_ones(versions: Path) -> None:
    listed = present(versions)
    (versions / "003_more.py").write_text("more")
    assert not list(broken(listed, present(versions)))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("000_core.sqlite.sql", "000_core.sqlite.sql was released and is never edited"),
        ("000_core.sql", "000_core.sql would change a released revision"),
        ("001_between.py", "001_between.py comes before released revisions"),
    ],
)
def test_what_was_released_does_not_change(versions: Path, file: str, why: str) -> None:
    listed = present(versions)
    (versions / file).write_text("something else")
    [said] = broken(listed, present(versions))
    assert said.startswith(why)
    assert "write a new revision" in said


def test_what_was_released_stays(versions: Path) -> None:
    listed = present(versions)
    (versions / "002_notes.py").unlink()
    assert list(broken(listed, present(versions))) == ["002_notes.py was released and is gone: bring it back"]


def test_a_list_is_read_as_it_was_written() -> None:
    text = "".join(f"{digest}  {name}\n" for name, digest in present().items())
    assert released(text) == present()
