"""Waiting for what another thread does, without sleeping."""

from __future__ import annotations

import threading
import time
from typing import Any

from spothive.database import get_db_session, system_scope
from spothive.errors import IllegalMove
from tests.conftest import Database

PATIENCE = 60


def until_blocked(db: Database, connections: int = 1) -> None:
    """Return once that many connections to ``db`` wait for a lock; at once on SQLite, which cannot be asked."""
    if db.engine == "sqlite":
        return
    query = (
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN "
        "(SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    )
    deadline = time.monotonic() + PATIENCE
    with db.raw(owner=True) as connection:
        while connection.execute(query).fetchone()[0] < connections:
            assert time.monotonic() < deadline, "nobody ever waited for a lock"


def meanwhile(db: Database, first: Any, second: Any, *, first_commits: bool) -> str | None:
    """Do ``first``, let ``second`` run into it in another transaction; return what refused the second."""
    refusals: list[str] = []

    def run_into_it() -> None:
        try:
            with get_db_session() as session, system_scope(session, "test"):
                second(session)
        except IllegalMove as refusal:
            refusals.append(refusal.rule)

    other = threading.Thread(target=run_into_it)
    with get_db_session() as session, system_scope(session, "test"):
        first(session)
        session.flush()
        other.start()
        until_blocked(db)
        if not first_commits:
            session.rollback()
    other.join(60)
    assert not other.is_alive()
    return refusals[0] if refusals else None
