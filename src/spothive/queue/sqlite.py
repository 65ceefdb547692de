"""What the queue says to SQLite, which has one writer at a time: no locks, and a statement for each half."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from spothive.database import TenantSession
from spothive.database.bulk import listed_rows
from spothive.queue import statements as the
from spothive.queue.statements import ACTIONS


def insert_once(values: dict[str, Any]) -> Any:
    """Return the INSERT that returns the new row's id, and nothing if the key is taken."""
    insert = sqlite.insert(ACTIONS).values(**values)
    return insert.on_conflict_do_nothing(index_elements=["tenant_id", "cluster_id", "idempotency_key"]).returning(
        ACTIONS.c.id
    )


def exchange(
    session: TenantSession,
    cluster_id: UUID,
    reports: Sequence[Sequence[Any]],
    *,
    limit: int,
    lease: timedelta,
) -> list[Any]:
    """Take reports and hand out what is next; return the rows of both. A statement each."""
    tenant_id = session.tenant_id
    assert tenant_id is not None  # noqa: S101 - see words_of
    found: list[Any] = []
    if reports:
        rows = listed_rows(session, "reports", the.REPORT_COLUMNS, reports)
        held = _held(tenant_id, cluster_id, rows)
        values = the.reported(rows.c.verdict, rows.c.result, rows.c.error)
        done = sa.update(ACTIONS).where(*held).values(values)
        found += session.execute(done.returning(*the.RETURNED))
    if limit:
        mine = ACTIONS.c.id.in_(the.available(tenant_id, cluster_id, limit))
        out = sa.update(ACTIONS).where(ACTIONS.c.tenant_id == tenant_id, mine).values(the.handed_out(lease))
        found += session.execute(out.returning(*the.RETURNED))
    return found


def extend(
    session: TenantSession, cluster_id: UUID, leases: Sequence[Sequence[Any]], values: dict[str, Any]
) -> list[Any]:
    """Write ``values`` to actions that are held by these (id, token); return (id, leased_until). One statement."""
    assert session.tenant_id is not None  # noqa: S101 - see words_of
    rows = listed_rows(session, "leases", ("id", "token"), leases)
    held = _held(session.tenant_id, cluster_id, rows)
    update = sa.update(ACTIONS).where(*held).values(values)
    return list(session.execute(update.returning(ACTIONS.c.id, ACTIONS.c.leased_until)))


def _held(tenant_id: UUID, cluster_id: UUID, rows: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that an action is held by one of ``rows`` of (id, token), each of which is looked up."""
    token = sa.cast(rows.c.token, sa.Integer)
    return the.held(tenant_id, cluster_id, rows.c.id, token, as_asked=_unindexed)


def _unindexed(column: Any) -> sa.ColumnElement[Any]:
    """Return ``column`` with a plus, which keeps SQLite from an index of it.

    Else it looks through all actions of the cluster, which end and stay, and compares each with each of the ids.
    """
    return UnaryExpression(column, operator=custom_op("+"))


def locked(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return ``query`` as it is: nobody else writes."""
    return query
