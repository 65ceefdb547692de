"""The own notices: unread ones first, page by page, and marked as read by nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text

from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.errors import InvalidInput, NotFound
from spothive.models import AuditLog, Notice
from spothive.operations.actor import Actor
from spothive.operations.notifications import list_notices, mark_read
from spothive.schema.types import new_id
from tests.conftest import Database
from tests.operations.conftest import World, audited
from tests.operations.notifications.mailing import FAILED
from tests.watching import explained_all, rows_of, statements


def notices(actor: Actor, *read: bool) -> list[UUID]:
    """Write notices, the first the oldest; return their ids, the newest first."""
    now = utc_now()
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "tenant_id": actor.home_tenant_id,
            "user_id": actor.user_id,
            "event_type": FAILED,
            "title": f"title {number}",
            "body": "body",
            "created_at": now + timedelta(seconds=number - len(read)),
            "read_at": now if is_read else None,
        }
        for number, is_read in enumerate(read)
    ]
    with get_db_session(tenant=actor.home_tenant_id) as session:
        session.execute(insert(Notice), rows)
    return [row["id"] for row in reversed(rows)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7])
def test_pages_show_each_notice_once_and_unread_ones_first(world: World, size: int) -> None:
    newest = notices(world.udo, False, True, False, True, True, False)
    notices(world.lena, False)
    expected = [newest[0], newest[3], newest[5], newest[1], newest[2], newest[4]]
    with get_db_session(tenant=world.acme) as session:
        seen, place = [], None
        while True:
            page = list_notices(session, world.udo, limit=size, before=place)
            seen += [row.id for row in page.rows]
            assert len(page.rows) <= size
            place = page.next
            if place is None:
                break
        assert seen == expected
        unread = list_notices(session, world.udo, unread=True, limit=size)
        assert [row.id for row in unread.rows] == expected[: min(size, 3)]
        assert (unread.next is None) == (size >= 3)


def test_what_cannot_be_gone_on_from_is_refused(world: World) -> None:
    notices(world.udo, False, True)
    with get_db_session(tenant=world.acme) as session:
        for before, limit in (("nonsense", 5), ("read:nonsense", 5), (None, 0), (None, 10_001)):
            with pytest.raises(InvalidInput):
                list_notices(session, world.udo, limit=limit, before=before)
        with pytest.raises(NotFound, match="no user of this tenant"):
            list_notices(session, world.admin)


def test_notices_are_marked_by_whom_they_are_for(world: World) -> None:
    (mine, *_), (hers,) = notices(world.udo, True, False, False), notices(world.lena, False)
    foreign = notices(world.gina, False)[0]
    with get_db_session(tenant=world.acme) as session:
        assert mark_read(session, world.udo, mine) == 1
        assert mark_read(session, world.udo, mine) == 0
    refusals = []
    for other in (hers, foreign, uuid4()):
        with pytest.raises(NotFound) as refused, get_db_session(tenant=world.acme) as session:
            mark_read(session, world.udo, other)
        refusals.append(str(refused.value).replace(str(other), "ID"))
    assert set(refusals) == {"no notice of yours has the id 'ID': see `spothive notify list`"}
    with get_db_session(tenant=world.acme) as session:
        assert mark_read(session, world.udo) == 1
        assert mark_read(session, world.udo) == 0
    assert {row["user_id"] for row in rows_of(Notice) if row["read_at"] is None} == {
        world.lena.user_id,
        world.gina.user_id,
    }
    assert [(row[1], row[5]) for row in audited(event="notices.read")] == [
        (str(mine), {"read": 1}),
        ("notices", {"read": 1}),
    ]
    assert len(rows_of(AuditLog, event="notices.read")) == 2


def test_a_page_reads_indexes_and_costs_three_statements(db: Database, world: World) -> None:
    notices(world.udo, *[False] * 3, *[True] * 3)
    with get_db_session(tenant=world.acme) as session:
        with statements() as sent:
            list_notices(session, world.udo)
        assert sum(count for statement, count in sent.items() if "SELECT" in statement and "FROM" in statement) == 3
        if db.engine == "postgresql":  # which reads a table that is nearly empty from end to end
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_sort = off"))
        plans = explained_all(session, "notices", lambda: list_notices(session, world.udo))
    assert "ix_notices_unread" in plans[0]
    assert "ix_notices_tenant_id_user_id_created_at" in plans[-1]
