"""What the queue says to PostgreSQL: reports and the next hand-out are one statement, and nobody waits for a lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from spothive.database import TenantSession
from spothive.database.bulk import listed_rows
from spothive.queue import statements as the
from spothive.queue.statements import ACTIONS

_TOLD: Final = ("id", "status", "optimization_job_id")


def insert_once(values: dict[str, Any]) -> Any:
    """Return the INSERT that returns the new row's id, and nothing if the key is taken."""
    insert = postgresql.insert(ACTIONS).values(**values)
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
    """Take reports and hand out what is next; return the rows of both. One statement."""
    tenant_id = session.tenant_id
    assert tenant_id is not None  # noqa: S101 - see words_of
    parts: list[Any] = []
    if reports:
        rows = listed_rows(session, "reports", the.REPORT_COLUMNS, reports)
        held = the.held(
            tenant_id, cluster_id, sa.cast(rows.c.id, ACTIONS.c.id.type), sa.cast(rows.c.token, sa.BigInteger)
        )
        values = the.reported(rows.c.verdict, sa.cast(rows.c.result, postgresql.JSONB), rows.c.error)
        done = sa.update(ACTIONS).where(*held).values(values).returning(*the.RETURNED[: len(_TOLD)]).cte("reported")
        columns: list[Any] = [done.c[name] for name in _TOLD]
        columns += [sa.cast(sa.null(), column.type).label(column.name) for column in the.RETURNED[len(_TOLD) :]]
        parts.append(sa.select(*columns))
    if limit:
        next_ones = the.available(tenant_id, cluster_id, limit).with_for_update(skip_locked=True).cte("next_ones")
        # Nobody else's row is touched: the tenant is said for the index, the policy says it anyway.
        mine = (ACTIONS.c.tenant_id == tenant_id, ACTIONS.c.id == next_ones.c.id)
        out = sa.update(ACTIONS).where(*mine).values(the.handed_out(lease)).returning(*the.RETURNED).cte("handed_out")
        handed: list[Any] = [out.c[column.name] for column in the.RETURNED]
        parts.append(sa.select(*handed))
    if not parts:
        return []
    both: Any = parts[0] if len(parts) == 1 else sa.union_all(*parts)
    return list(session.execute(both))


def extend(
    session: TenantSession, cluster_id: UUID, leases: Sequence[Sequence[Any]], values: dict[str, Any]
) -> list[Any]:
    """Write ``values`` to actions that are held by these (id, token); return (id, leased_until). One statement."""
    assert session.tenant_id is not None  # noqa: S101 - see words_of
    rows = listed_rows(session, "leases", ("id", "token"), leases)
    held = the.held(
        session.tenant_id, cluster_id, sa.cast(rows.c.id, ACTIONS.c.id.type), sa.cast(rows.c.token, sa.BigInteger)
    )
    update = sa.update(ACTIONS).where(*held).values(values)
    return list(session.execute(update.returning(ACTIONS.c.id, ACTIONS.c.leased_until)))


def locked(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return ``query`` so that it locks its rows, and leaves out those that somebody has locked.

    In a CTE, because PostgreSQL may run a subquery of IN more than once, and each time lock, and find, other rows.
    """
    found = query.with_for_update(skip_locked=True).cte("found")
    return sa.select(found.c.id)
