"""What the queue says to PostgreSQL: reports and the next hand-out are one statement, and nobody waits for a lock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from spothive.database import TenantSession
from spothive.database.bulk import listed_rows
from spothive.queue import statements as the
from spothive.queue.statements import ACTIONS
from spothive.settings import get_settings

_REPORTED: Final = """
reported AS (
    UPDATE agent_actions AS a SET
        status = CASE
            WHEN r.verdict = 'done' THEN 'COMPLETED'
            WHEN r.verdict = 'wrong' AND a.attempts < a.max_attempts THEN 'PENDING'
            ELSE 'FAILED' END,
        available_at = CASE
            WHEN r.verdict = 'wrong' AND a.attempts < a.max_attempts
            THEN clock_timestamp() + interval '1 second' * least(
                %(backoff_most)s::double precision,
                %(backoff)s::double precision * (1 << (least(a.attempts, 17) - 1)::integer))
            ELSE a.available_at END,
        completed_at = CASE
            WHEN r.verdict = 'wrong' AND a.attempts < a.max_attempts THEN NULL ELSE clock_timestamp() END,
        result = CASE
            WHEN r.verdict = 'wrong' AND a.attempts < a.max_attempts THEN NULL ELSE r.result::jsonb END,
        error_message = r.error,
        leased_until = NULL,
        updated_at = clock_timestamp()
    FROM (
        SELECT (value ->> 'id')::uuid AS id, (value ->> 'token')::bigint AS token, value ->> 'verdict' AS verdict,
            value ->> 'result' AS result, value ->> 'error' AS error
        FROM jsonb_array_elements(%(reports)s::jsonb)
    ) AS r
    WHERE a.tenant_id = %(tenant)s AND a.cluster_id = %(cluster)s AND a.id = r.id
        AND a.status = 'PICKED_UP' AND a.lease_token = r.token
    RETURNING a.id, a.status, a.optimization_job_id
)"""
_HANDED_OUT: Final = """
next_ones AS (
    SELECT id FROM agent_actions
    WHERE tenant_id = %(tenant)s AND cluster_id = %(cluster)s AND status = 'PENDING'
        AND available_at <= clock_timestamp() AND expires_at > clock_timestamp() + interval '1 second'
        AND attempts < max_attempts
    ORDER BY priority, created_at, id LIMIT {limit} FOR UPDATE SKIP LOCKED
), handed_out AS (
    UPDATE agent_actions AS a SET
        status = 'PICKED_UP',
        attempts = a.attempts + 1,
        lease_token = coalesce(a.lease_token, 0) + 1,
        leased_until = clock_timestamp() + interval '1 second' * %(lease)s::double precision,
        picked_up_at = clock_timestamp(),
        updated_at = clock_timestamp()
    FROM next_ones WHERE a.tenant_id = %(tenant)s AND a.id = next_ones.id
    RETURNING a.id, a.status, a.optimization_job_id, a.lease_token, a.action_type, a.payload, a.idempotency_key,
        a.attempts, a.max_attempts, a.leased_until, a.expires_at, a.priority, a.created_at
)"""
_ONLY_REPORTED: Final = "SELECT * FROM reported"
_ONLY_HANDED_OUT: Final = "SELECT * FROM handed_out"
_BOTH: Final = (
    "SELECT h.* FROM handed_out AS h UNION ALL SELECT r.id, r.status, r.optimization_job_id, "
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM reported AS r"
)


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
    """Take reports and hand out what is next; return the rows of both. One statement.

    As text, which costs a worker a third of what it costs to have it composed each time; the row policies see to it
    that it is about the own tenant.
    """
    if not reports and not limit:
        return []
    parameters: dict[str, Any] = {"tenant": session.tenant_id, "cluster": cluster_id}
    if reports:
        settings = get_settings()
        parameters["reports"] = json.dumps([dict(zip(the.REPORT_COLUMNS, row, strict=True)) for row in reports])
        parameters |= {"backoff": settings.action_backoff, "backoff_most": settings.action_backoff_most}
    if limit:
        parameters["lease"] = lease.total_seconds()
    return list(session.connection().exec_driver_sql(_exchange(bool(reports), limit), parameters).all())


@lru_cache(maxsize=256)
def _exchange(reports: bool, limit: int) -> str:  # noqa: FBT001 - what a cache is asked for
    """Return the statement. Whose number it hands out is a part of it: as a parameter it would spoil the plan."""
    if not limit:
        return f"WITH {_REPORTED} {_ONLY_REPORTED}"
    out = _HANDED_OUT.format(limit=int(limit))
    return f"WITH {_REPORTED}, {out} {_BOTH}" if reports else f"WITH {out} {_ONLY_HANDED_OUT}"


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
    found = query.with_for_update(skip_locked=True, key_share=True).cte("found")
    return sa.select(found.c.id)
