"""Waiting for what another thread does, without sleeping."""

from __future__ import annotations

import time

from tests.conftest import Database

PATIENCE = 20


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
