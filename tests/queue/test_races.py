"""Many workers at one queue: nothing is handed out twice, nobody waits for anybody, and stale ones are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest

from spothive.database import get_db_session
from spothive.queue import Report, Reported, claim, exchange, extend, report
from tests.conftest import Database
from tests.queue.conftest import MINUTE, Queue
from tests.watching import explained_all, statements

WORKERS, ACTIONS = 4, 40


def test_many_workers_at_once_do_everything_once(queue: Queue) -> None:
    for number in range(ACTIONS):
        queue.ask(f"{number:02d}")
    at_once, done, threads = Barrier(WORKERS), Counter[str](), list[Thread]()

    def work() -> None:
        at_once.wait()
        reports: list[Report] = []
        while True:
            with get_db_session(tenant=queue.tenant) as session:
                came = exchange(session, queue.cluster, reports, limit=3, lease=MINUTE)
            assert set(came.reported.values()) <= {Reported.COMPLETED}
            done.update(each.idempotency_key for each in came.handed_out)
            reports = [Report(each.lease) for each in came.handed_out]
            if not reports:
                return

    for _ in range(WORKERS):
        threads.append(Thread(target=work))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert set(done.values()) == {1}
    assert len(done) == ACTIONS
    assert set(queue.states().values()) == {"COMPLETED"}


@pytest.mark.engines("postgresql")
def test_nobody_waits_for_what_another_takes(queue: Queue) -> None:
    queue.ask("a")
    queue.ask("b")
    with get_db_session(tenant=queue.tenant) as one:
        [first] = claim(one, queue.cluster, limit=1, lease=MINUTE)
        with get_db_session(tenant=queue.tenant) as another:
            [second] = claim(another, queue.cluster, limit=10, lease=MINUTE)
    assert (first.idempotency_key, second.idempotency_key) == ("a", "b")


def test_an_empty_poll_writes_nothing(db: Database, queue: Queue) -> None:
    queue.take()
    with get_db_session(tenant=queue.tenant) as session:
        session.connection()
        with statements() as sent:
            assert claim(session, queue.cluster, limit=50, lease=MINUTE) == []
        assert sum(sent.values()) == 1
        if db.engine == "postgresql":
            written = "SELECT pg_current_xact_id_if_assigned()"
            assert session.connection().exec_driver_sql(written).scalar() is None


FINISHED = 20_000


def fill(db: Database, queue: Queue) -> None:
    """Write many actions that have ended, as the owner can: they are not made by the verbs in a second."""
    columns = (
        "tenant_id, id, cluster_id, action_type, payload, status, priority, idempotency_key, attempts, max_attempts, "
        "lease_token, available_at, expires_at, picked_up_at, completed_at, created_at, updated_at"
    )
    if db.engine == "postgresql":
        rows = (
            f"INSERT INTO agent_actions ({columns}) SELECT '{queue.tenant}', gen_random_uuid(), '{queue.cluster}', "
            "'CORDON_NODE', '{\"node\": \"n\"}', 'COMPLETED', 5, 'old-' || n, 1, 3, 1, now() - interval '2 hours', "
            "now() - interval '1 hour', now() - interval '2 hours', now() - interval '2 hours', "
            f"now() - interval '2 hours', now() FROM generate_series(1, {FINISHED}) AS n"
        )
        with db.raw(owner=True) as owner:
            owner.execute("ALTER TABLE agent_actions DISABLE TRIGGER USER")
            owner.execute("ALTER TABLE agent_actions NO FORCE ROW LEVEL SECURITY")
            owner.execute(rows)
            owner.execute("ALTER TABLE agent_actions FORCE ROW LEVEL SECURITY")
            owner.execute("ALTER TABLE agent_actions ENABLE TRIGGER USER")
            owner.execute("ANALYZE agent_actions")
        return
    early, late = "2026-01-02 03:04:05.000000", "2026-01-02 04:04:05.000000"
    rows = (
        f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {FINISHED}) "
        f"INSERT INTO agent_actions ({columns}) SELECT '{queue.tenant.hex}', lower(hex(randomblob(16))), "
        f"'{queue.cluster.hex}', 'CORDON_NODE', '{{\"node\": \"n\"}}', 'COMPLETED', 5, 'old-' || n, 1, 3, 1, "
        f"'{early}', '{late}', '{early}', '{early}', '{early}', '{early}' FROM n"
    )
    with db.raw(owner=True) as owner:
        name = "lc_agent_actions_status_first"
        [guard] = owner.execute(f"SELECT sql FROM sqlite_master WHERE name = '{name}'").fetchone()
        owner.execute(f"DROP TRIGGER {name}")
        owner.execute(rows)
        owner.execute(guard)
        owner.execute("ANALYZE")


def test_what_has_ended_is_not_looked_at(db: Database, queue: Queue) -> None:
    fill(db, queue)
    for number in range(60):
        queue.ask(f"{number}")
    leases = [each.lease for each in queue.claim(5)]

    def plans(act: Callable[[Any], object]) -> list[str]:
        with get_db_session(tenant=queue.tenant) as session:
            found = explained_all(session, "agent_actions", lambda: act(session))
            session.rollback()
        for plan in found:
            assert "Seq Scan on agent_actions" not in plan, plan
            assert "SCAN agent_actions" not in plan, plan
        return found

    reports = [Report(lease) for lease in leases]
    by_id = "(tenant_id=? AND id=?)" if db.engine == "sqlite" else "Update on agent_actions"
    for given in ([], reports):
        [*of_reports, last] = plans(partial(exchange, cluster_id=queue.cluster, reports=given, limit=50, lease=MINUTE))
        assert "ix_agent_actions_claim" in last, last
        assert all(by_id in plan for plan in of_reports), of_reports
    for act in (
        partial(report, cluster_id=queue.cluster, reports=reports),
        partial(extend, cluster_id=queue.cluster, leases=leases, by=MINUTE),
    ):
        [plan] = plans(act)
        assert by_id in plan, plan
