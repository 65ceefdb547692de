"""SQLite on a disk that gives up in the middle of an import."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import make_url

from spothive.database import dispose_engine, get_db_session, get_engine
from spothive.errors import DatabaseUnavailable
from spothive.operations.fleet import import_fleet
from spothive.operations.identity import find_actor
from tests.conftest import Database
from tests.factories.fleets import a_day_later, answer_of, large_fleet
from tests.torture.processes import OVER, at_work
from tests.torture.works import import_on_a_small_disk
from tests.watching import everything

pytestmark = [pytest.mark.torture, pytest.mark.engines("sqlite")]


def import_later() -> int:
    admin, acme = find_actor("admin", "acme")
    with get_db_session(tenant=acme) as session:
        answer = answer_of(a_day_later(large_fleet(5_000), changed=50))
        return len(import_fleet(session, admin, name="shop", answer=answer).changed)


@pytest.mark.parametrize(
    ("pragma", "refusal"),
    [
        ("max_page_count = {pages}", r"the database cannot be used: the disk is full"),
        ("query_only = ON", r"the database cannot be used: it is read-only: check the permissions of .*"),
    ],
)
def test_an_import_that_loses_its_disk_is_not_kept(shop: Database, pragma: str, refusal: str) -> None:
    before = everything()

    def give_up(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.startswith("UPDATE instances"):  # clusters and new instances are written already
            pages = cursor.connection.execute("PRAGMA page_count").fetchone()[0]
            cursor.connection.execute(f"PRAGMA {pragma.format(pages=pages)}")

    event.listen(get_engine(), "before_cursor_execute", give_up)
    with pytest.raises(DatabaseUnavailable) as error:
        import_later()
    assert re.fullmatch(refusal, str(error.value))
    dispose_engine()
    assert everything() == before
    assert import_later() == 2_500


@pytest.mark.parametrize("room", [0, 100_000, 1_000_000])
def test_an_import_that_fills_the_disk_is_not_kept(shop: Database, room: int) -> None:
    before = everything()
    dispose_engine()
    file = Path(str(make_url(shop.service_url).database))
    with at_work(import_on_a_small_disk, 32_768 + room) as child:  # the log grows beside the database, from nothing
        said = child.hear()
        assert re.fullmatch(r"the database cannot be used: the disk (is full|reports an error)", said)
        child.wait_for(OVER)
    assert file.with_name(f"{file.name}-wal").stat().st_size <= 32_768 + room
    assert everything() == before
    assert import_later() == 2_500
