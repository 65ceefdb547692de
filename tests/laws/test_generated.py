"""What is generated is current."""

from __future__ import annotations

import pytest

from spothive.database.migrations import picture
from spothive.database.revisions import VERSIONS
from tests.laws.released import LIST, released


@pytest.mark.parametrize("engine", picture.ENGINES)
def test_the_pictures_show_what_the_models_declare(engine: str) -> None:
    drawn = (picture.HERE / f"schema.{engine}.sql").read_text(encoding="utf-8")
    assert drawn == picture.schema_picture(engine), "run `make schema` and read the diff"


@pytest.mark.parametrize("engine", picture.ENGINES)
def test_the_first_revision_makes_what_the_models_declare(engine: str) -> None:
    name = f"000_core.{engine}.sql"
    if name not in released(LIST.read_text(encoding="utf-8")):  # from then on models change by new revisions
        script = (VERSIONS / name).read_text(encoding="utf-8")
        assert script == picture.core_script(engine), (
            "run `.venv/bin/python -m spothive.database.migrations.picture --core`"
        )
