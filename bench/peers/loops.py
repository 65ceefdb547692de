"""Queues by hand: what somebody who knows PostgreSQL would write with psycopg and no library, as loops of one worker.

A lease makes the first two: what is claimed is committed before the work begins, so that a worker may be a program
far away, and that a worker that has died is seen. Each turn is one transaction: 50 are completed by one UPDATE, and
the next 50 claimed by another one, over SELECT .. FOR UPDATE SKIP LOCKED. The third one keeps its transaction open
while it works, which agents that speak HTTP cannot: claim 50, work, complete 50, commit; each row is written once.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from bench.place import Database

BARE: Final = "bare_queue"
"""Table with what such a queue needs, and no rule."""

_TABLE: Final = f"""
CREATE TABLE {BARE} (
    id uuid PRIMARY KEY, kind text NOT NULL, payload jsonb NOT NULL, status text NOT NULL DEFAULT 'PENDING',
    priority integer NOT NULL DEFAULT 5, attempts integer NOT NULL DEFAULT 0, leased_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz
)
"""
_INDEX: Final = f"CREATE INDEX {BARE}_pending ON {BARE} (priority, created_at, id) WHERE status = 'PENDING'"
_FILL: Final = f"INSERT INTO {BARE} (id, kind, payload, created_at) SELECT id, action_type, payload, created_at "

_NEXT: Final = """
SELECT id FROM {table} WHERE status = 'PENDING'{mine} ORDER BY priority, created_at, id LIMIT {batch}
FOR UPDATE SKIP LOCKED
"""
_CLAIM: Final = (
    """
WITH next AS MATERIALIZED ("""
    + _NEXT
    + """)
UPDATE {table} AS q SET status = 'PICKED_UP', attempts = q.attempts + 1,
    leased_until = now() + interval '1 minute'{more}
FROM next WHERE q.id = next.id{owned} RETURNING q.id, q.{kind}, q.payload
"""
)
_COMPLETE: Final = """
UPDATE {table} SET status = 'COMPLETED', leased_until = NULL, completed_at = now()
WHERE id = ANY(%(ids)s) AND status = 'PICKED_UP'{mine}
"""
_HOLD: Final = f"""
SELECT id, kind, payload FROM {BARE} WHERE status = 'PENDING' ORDER BY priority, created_at, id LIMIT {{batch}}
FOR UPDATE SKIP LOCKED
"""
_DONE: Final = f"UPDATE {BARE} SET status = 'COMPLETED', completed_at = now() WHERE id = ANY(%(ids)s)"


def make_bare_queue(database: Database) -> None:
    """Make the bare table, and fill it with what the actions ask for."""
    with database.raw() as connection:
        connection.execute(_TABLE)
        connection.execute(_INDEX)
        connection.execute(_FILL + "FROM agent_actions")


def leasing(connection: Any, batch: int) -> int:
    """Work the bare table empty, with leases; return how much was done. ``connection``: not in autocommit."""
    words = {"table": BARE, "batch": batch, "kind": "kind", "mine": "", "more": "", "owned": ""}
    return _turns(connection, _CLAIM.format(**words), _COMPLETE.format(**words), {})


def leasing_actions(connection: Any, batch: int, tenant: UUID, cluster: UUID) -> int:
    """Work spothive's own table empty in the same way, as the service: policies, CHECKs and guards judge it."""
    mine = " AND tenant_id = %(tenant)s AND cluster_id = %(cluster)s"
    words = {"table": "agent_actions", "batch": batch, "kind": "action_type", "mine": mine}
    words["more"] = ", lease_token = coalesce(q.lease_token, 0) + 1, picked_up_at = now()"
    words["owned"] = " AND q.tenant_id = %(tenant)s"
    given = {"tenant": tenant, "cluster": cluster}
    return _turns(connection, _CLAIM.format(**words), _COMPLETE.format(**words), given)


def _turns(connection: Any, claim: str, complete: str, given: dict[str, Any]) -> int:
    done, ids = 0, list[UUID]()
    while True:
        with connection.transaction():
            if given:
                connection.execute("SELECT set_config('spothive.tenant_id', %s, true)", [str(given["tenant"])])
            if ids:
                done += int(connection.execute(complete, {"ids": ids, **given}).rowcount)
            ids = [row[0] for row in connection.execute(claim, given).fetchall()]
        if not ids:
            return done


def holding(connection: Any, batch: int) -> int:
    """Work the bare table empty, with a transaction that stays open meanwhile; return how much was done."""
    done = 0
    while True:
        with connection.transaction():
            ids = [row[0] for row in connection.execute(_HOLD.format(batch=batch)).fetchall()]
            done += int(connection.execute(_DONE, {"ids": ids}).rowcount)
        if not ids:
            return done
