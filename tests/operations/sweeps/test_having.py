"""What asks all tenants minute by minute reads an index, however much they have."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from spothive.database import Tenant, read_session, system_scope
from spothive.operations.sweeps import having
from tests.conftest import Database
from tests.watching import explained


@pytest.mark.parametrize(
    ("has", "table", "index"),
    [
        (having.has_dead_scans, "scan_runs", "uq_scan_runs_running"),
        (having.has_late_replicas, "instances", "replica"),
        (having.has_overdue_actions, "agent_actions", "ix_agent_actions_(expiry|claim)"),
        (having.has_overdue_actions, "agent_actions", "ix_agent_actions_leases"),
        (having.has_dead_jobs, "optimization_jobs", "ix_optimization_jobs_tenant_id_status"),
        (having.has_silent_agents, "clusters", "ix_clusters_tenant_id_status"),
        (having.has_due_digests, "email_digest_queue", "ix_email_digest_queue_due"),
        (having.has_waiting_mails, "email_logs", "ix_email_logs_waiting"),
    ],
)
def test_an_index_of_few_rows_is_used(db: Database, has: Callable[[], Any], table: str, index: str) -> None:
    query = select(Tenant.id, Tenant.slug).where(has()).order_by(Tenant.id).limit(500)
    with read_session() as session, system_scope(session, "how the sweep asks"):
        if db.engine == "postgresql":  # which reads a table that is empty from end to end
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_hashjoin = off"))
        plan = explained(session, table, lambda: session.execute(query).all())
    assert re.search(rf"USING INDEX \S*{index}|Scan (using|on) \S*{index}", plan), plan
    assert "Seq Scan" not in plan.replace("Seq Scan on tenants", "")
