"""What is generated is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from spothive.database.migrations import guide, picture
from spothive.operations.identity.permissions_page import PAGE, permissions_page

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("engine", picture.ENGINES)
def test_the_pictures_show_what_the_models_declare(engine: str) -> None:
    drawn = (picture.HERE / f"schema.{engine}.sql").read_text(encoding="utf-8")
    assert drawn == picture.schema_picture(engine), "run `make schema` and read the diff"


@pytest.mark.parametrize("page", guide.PAGES)
def test_the_pages_tell_what_the_models_declare(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == guide.PAGES[page](), "run `make schema` and read the diff"


def test_the_page_of_permissions_tells_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == permissions_page(), "run `make schema` and read the diff"
