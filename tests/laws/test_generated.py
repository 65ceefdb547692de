"""What is generated is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from spothive.database.migrations import guide, picture

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("engine", picture.ENGINES)
def test_the_pictures_show_what_the_models_declare(engine: str) -> None:
    drawn = (picture.HERE / f"schema.{engine}.sql").read_text(encoding="utf-8")
    assert drawn == picture.schema_picture(engine), "run `make schema` and read the diff"


@pytest.mark.parametrize("page", guide.PAGES)
def test_the_pages_tell_what_the_models_declare(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == guide.PAGES[page](), "run `make schema` and read the diff"
