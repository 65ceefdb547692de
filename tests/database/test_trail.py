"""Leaves: the same row has the same one, wherever it lies and whoever computes it."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from spothive.database import AuditLog, Outcome, ResourceType, get_db_session, read_session, trail
from spothive.models.audit import DIFF_MAX
from spothive.schema.types import utc_text
from tests.conftest import Database

TENANT = UUID(int=7)
KNOWN = "dbdce20f53f514e6ae9e92f52795288bbc8144df2ae9761b7e252eab804fa6b5"
STRANGE = "Ünï \u2028 \U0001f600 \\N \\. \\\\ \t \r\n '\" %s :x \x7f\x01"
ROWS: tuple[dict[str, Any], ...] = (
    {"actor_name": STRANGE, "event": STRANGE, "resource": STRANGE, "user_agent": STRANGE},
    {"ip_address": "", "user_agent": "", "request_id": "", "diff_before": "", "diff_after": ""},
    {"diff_before": "x" * DIFF_MAX, "diff_after": "\U0001f600" * DIFF_MAX, "actor_id": UUID(int=2**128 - 1)},
    {"ip_address": "0", "user_agent": None, "request_id": "-1", "actor_id": UUID(int=0)},
)
TIMES = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
)


def write_rows(db: Database) -> None:
    """Write the rows, and give each a time and a number that no row of today has."""
    plain = {"actor_name": "a", "event": "e", "resource": "r", "outcome": Outcome.SUCCESS}
    with get_db_session(tenant=TENANT) as session:
        for n, facts in enumerate(ROWS):
            session.add(AuditLog(id=UUID(int=n + 1), resource_type=ResourceType.SYSTEM, **plain | facts))
    with db.raw(owner=True) as connection:
        if db.engine == "sqlite":
            connection.execute("DROP TRIGGER ao_audit_logs_update")
        else:
            connection.execute("ALTER TABLE audit_logs DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
        for n, (moment, txid) in enumerate(zip(TIMES, (-(2**63), -1, 0, 2**63 - 1), strict=True)):
            row_id = UUID(int=n + 1)
            row_id_text, time = (row_id.hex, utc_text(moment)) if db.engine == "sqlite" else (row_id, moment)
            mark = "?" if db.engine == "sqlite" else "%s"
            update = f"UPDATE audit_logs SET timestamp = {mark}, txid = {mark} WHERE id = {mark}"
            connection.execute(update, (time, txid, row_id_text))


def test_the_database_computes_the_leaves_that_are_defined(db: Database) -> None:
    write_rows(db)
    with read_session(tenant=TENANT) as session:
        rows = session.execute(select(trail.ROWS).order_by(trail.ROWS.c.id)).all()
        expected = [row.id.bytes + trail.leaf(row) for row in rows]
        assert [row.timestamp for row in rows] == list(TIMES)
        backwards = select(trail.ROWS).order_by(trail.ROWS.c.timestamp.desc())
        assert trail.cut(trail.entries(session, backwards)) == expected
        assert trail.entries(session, backwards.limit(0)) == b""
    assert len(set(expected)) == len(ROWS)
    # The same on both databases, for ever: whatever changes this breaks every seal there is.
    assert hashlib.sha256(b"".join(expected)).hexdigest() == KNOWN


def test_a_leaf_is_what_the_guide_says() -> None:
    values = (UUID(int=1), datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC), 5, None, "", "ä", Outcome.DENIED)
    fields = [
        struct.pack(">i", 16) + UUID(int=1).bytes,
        struct.pack(">iq", 8, 1_000_000),
        struct.pack(">iq", 8, 5),
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\0\0\0\2\xc3\xa4",
        b"\0\0\0\6DENIED",
    ]
    assert trail.leaf(values) == hashlib.sha256(b"\0" + b"".join(fields)).digest()


def test_columns_stay_as_version_one_of_the_leaf_has_them() -> None:
    assert " ".join(column.name for column in trail.ROWS.columns) == (
        "tenant_id id timestamp txid actor_id actor_name event resource resource_type outcome ip_address user_agent "
        "request_id diff_before diff_after"
    ), "a seal over other columns needs a version of its own, or every leaf there is changes"
