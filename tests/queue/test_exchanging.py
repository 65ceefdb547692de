"""Handing out, extending and reporting: once, in order, and by the latest hand-out alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import AgentAction, AuditLog, get_db_session
from spothive.errors import InvalidInput, TenantNotBound
from spothive.queue import (
    Exchanged,
    Lease,
    Report,
    Reported,
    claim,
    complete,
    exchange,
    extend,
    fail,
    report,
)
from tests.queue.conftest import MINUTE, Queue, a_queue
from tests.watching import rows_of, statements


def keys(handed: list[Any]) -> list[str]:
    return [each.idempotency_key for each in handed]


def reporting(queue: Queue, *reports: Report, limit: int = 0) -> Exchanged:
    with get_db_session(tenant=queue.tenant) as session:
        return exchange(session, queue.cluster, reports, limit=limit, lease=MINUTE)


def one(queue: Queue, lease: Lease, error: str | None = None, **more: Any) -> Reported:
    return reporting(queue, Report(lease, error, **more)).reported[lease.action_id]


def test_what_is_urgent_comes_first_then_what_is_old(queue: Queue) -> None:
    for key, priority in (("c", 5), ("a", 5), ("urgent", 0), ("b", 5), ("late", 9)):
        queue.ask(key, priority=priority)
    assert keys(queue.claim(3)) == ["urgent", "c", "a"]
    assert keys(queue.claim()) == ["b", "late"]
    assert queue.claim() == []


def test_a_hand_out_says_everything_and_is_counted(queue: Queue) -> None:
    action = queue.ask(payload={"node": "n", "why": {"deep": [1, None]}}, max_attempts=7)
    before = utc_now()
    [handed] = queue.claim(lease=2 * MINUTE)
    row = queue.row()
    assert (handed.lease, handed.action_type) == (Lease(action, 1), "CORDON_NODE")
    assert handed.payload == {"node": "n", "why": {"deep": [1, None]}}
    assert (handed.attempts, handed.max_attempts, row["attempts"], row["lease_token"]) == (1, 7, 1, 1)
    assert timedelta(0) <= handed.leased_until - before - 2 * MINUTE + timedelta(seconds=1) < MINUTE
    assert (row["status"], row["leased_until"], row["expires_at"]) == (
        "PICKED_UP",
        handed.leased_until,
        handed.expires_at,
    )


def test_neither_what_expired_nor_what_is_not_available_is_handed_out(queue: Queue) -> None:
    for key in ("expired", "later", "now"):
        queue.ask(key)
    queue.let_expire("expired")
    queue.change("later", available_at=utc_now() + MINUTE)
    assert keys(queue.claim()) == ["now"]
    queue.let_be_available("later")
    assert keys(queue.claim()) == ["later"]


def test_a_queue_is_of_one_cluster_and_one_tenant(queue: Queue) -> None:
    other = a_queue()
    lease = queue.take()
    with get_db_session(tenant=other.tenant) as session:
        assert claim(session, queue.cluster, limit=10, lease=MINUTE) == []
        assert complete(session, queue.cluster, lease) is Reported.STALE
        assert extend(session, queue.cluster, [lease], by=MINUTE) == {lease.action_id: None}
    with get_db_session(tenant=queue.tenant) as session:
        assert complete(session, uuid4(), lease) is Reported.STALE, "another cluster of the tenant"
        assert extend(session, uuid4(), [lease], by=MINUTE) == {lease.action_id: None}
    assert queue.row()["status"] == "PICKED_UP"
    with pytest.raises(TenantNotBound), get_db_session() as session:
        claim(session, queue.cluster, limit=1, lease=MINUTE)


def test_what_is_done_is_completed_with_its_result(queue: Queue) -> None:
    lease = queue.take()
    result = {"seconds": 1.5, "pods": ["a", "ü"], "nothing": None}
    assert one(queue, lease, result=result) is Reported.COMPLETED
    row = queue.row()
    assert (row["status"], row["result"], row["leased_until"], row["error_message"]) == (
        "COMPLETED",
        result,
        None,
        None,
    )
    assert row["completed_at"] >= row["picked_up_at"]
    assert one(queue, lease) is Reported.STALE, "twice is once"


def test_what_went_wrong_is_tried_again_twice_as_late_each_time_then_failed(queue: Queue) -> None:
    queue.ask(max_attempts=3)
    waits = []
    for attempt in (1, 2):
        [handed] = queue.claim()
        assert (handed.attempts, handed.lease.token) == (attempt, attempt)
        assert one(queue, handed.lease, f"broken {attempt}", result={"no": 1}) is Reported.RETRY
        row = queue.row()
        waits.append((row["available_at"] - row["updated_at"]).total_seconds())
        assert (row["status"], row["error_message"], row["result"]) == ("PENDING", f"broken {attempt}", None)
        assert (row["completed_at"], row["leased_until"]) == (None, None)
        assert queue.claim() == []
        queue.let_be_available()
    assert waits == pytest.approx([5, 10], abs=0.1)
    [handed] = queue.claim()
    assert one(queue, handed.lease, "x" * 2000, result={"no": 1}) is Reported.FAILED
    row = queue.row()
    assert (row["status"], row["error_message"], row["result"]) == ("FAILED", "x" * 1024, {"no": 1})
    assert queue.claim() == []


def test_a_backoff_has_a_limit_and_never_overflows(queue: Queue) -> None:
    action, waits = queue.ask(max_attempts=100), dict[int, float]()
    with get_db_session(tenant=queue.tenant) as session:
        for attempt in range(1, 100):
            [handed] = claim(session, queue.cluster, limit=1, lease=MINUTE)
            assert fail(session, queue.cluster, handed.lease, "no") is Reported.RETRY
            row = session.get_one(AgentAction, action, populate_existing=True)
            waits[attempt] = (row.available_at - row.updated_at).total_seconds()
            row.available_at = utc_now() - MINUTE
            session.flush()
    assert [waits[attempt] for attempt in (1, 6, 7, 20, 99)] == pytest.approx([5, 160, 300, 300, 300], abs=0.1)


def test_what_no_other_try_helps_has_failed_at_once(queue: Queue) -> None:
    assert one(queue, queue.take(), "no such node", retry=False) is Reported.FAILED


def test_only_the_latest_hand_out_may_report_or_extend(queue: Queue) -> None:
    late = queue.take()
    assert one(queue, late, "no") is Reported.RETRY
    queue.let_be_available()
    [again] = queue.claim()
    for stale in (late, Lease(late.action_id, 99), Lease(uuid4(), 1)):
        assert one(queue, stale) is Reported.STALE
        assert one(queue, stale, "no") is Reported.STALE
        with get_db_session(tenant=queue.tenant) as session:
            assert extend(session, queue.cluster, [stale], by=MINUTE) == {stale.action_id: None}
    assert queue.row()["leased_until"] == again.leased_until
    assert one(queue, again.lease) is Reported.COMPLETED


def test_a_lease_that_is_over_counts_until_somebody_else_has_the_action(queue: Queue) -> None:
    lease = queue.take()
    queue.let_lease_end()
    with get_db_session(tenant=queue.tenant) as session:
        until = extend(session, queue.cluster, [lease], by=MINUTE)[lease.action_id]
    assert until is not None
    assert until > utc_now()
    assert queue.row()["leased_until"] == until
    queue.let_lease_end()
    assert one(queue, lease) is Reported.COMPLETED


def test_a_stale_report_spoils_none_of_its_batch(queue: Queue) -> None:
    for key in "abcd":
        queue.ask(key)
    a, b, c, d = (each.lease for each in queue.claim())
    done = reporting(queue, Report(a), Report(Lease(b.action_id, 7)), Report(c, "no"), Report(d, "no", retry=False))
    assert list(done.reported.values()) == ["COMPLETED", "STALE", "RETRY", "FAILED"]
    assert queue.states() == {"a": "COMPLETED", "b": "PICKED_UP", "c": "PENDING", "d": "FAILED"}


def test_reports_and_the_next_hand_out_are_one_call(queue: Queue) -> None:
    leases = [queue.take("a"), queue.take("b")]
    for key in ("c", "d", "e"):
        queue.ask(key)
    with get_db_session(tenant=queue.tenant) as session:
        session.connection()
        with statements() as sent:
            done = exchange(session, queue.cluster, [Report(leases[0]), Report(leases[1], "no")], limit=2, lease=MINUTE)
    one_or_two = 1 if session.get_bind().dialect.name == "postgresql" else 2
    assert sum(sent.values()) == one_or_two
    assert done.reported == {leases[0].action_id: "COMPLETED", leases[1].action_id: "RETRY"}
    assert keys(done.handed_out) == ["c", "d"], "what just went wrong waits"
    assert queue.states() == {"a": "COMPLETED", "b": "PENDING", "c": "PICKED_UP", "d": "PICKED_UP", "e": "PENDING"}
    assert rows_of(AuditLog, resource_type="ACTION") == []


def test_complete_and_fail_are_reports_of_one(queue: Queue) -> None:
    first, second = queue.take("a"), queue.take("b")
    with get_db_session(tenant=queue.tenant) as session:
        assert complete(session, queue.cluster, first, {"ok": True}) is Reported.COMPLETED
        assert fail(session, queue.cluster, second, "no", retry=False) is Reported.FAILED
        assert report(session, queue.cluster, []).reported == {}
        assert extend(session, queue.cluster, [], by=MINUTE) == {}
    assert queue.row("a")["result"] == {"ok": True}


@pytest.mark.parametrize(("limit", "seconds"), [(101, 60), (-1, 60), (1, 0.5), (1, 3601)])
def test_what_is_out_of_range_is_refused(queue: Queue, limit: int, seconds: float) -> None:
    with pytest.raises(InvalidInput), get_db_session(tenant=queue.tenant) as session:
        claim(session, queue.cluster, limit=limit, lease=timedelta(seconds=seconds))


def test_a_batch_has_each_action_once_and_strict_results(queue: Queue) -> None:
    lease = queue.take()
    for reports in (
        [Report(lease), Report(Lease(lease.action_id, 2))],
        [Report(lease, result={"nan": float("nan")})],
        [Report(lease, result=[1])],  # type: ignore[arg-type]  # that is the point
        [Report(Lease(lease.action_id, "1"))],  # type: ignore[arg-type]  # likewise
        [Report(Lease(lease.action_id, True))],
        [Report(Lease(UUID(int=number), 1)) for number in range(101)],
    ):
        with pytest.raises(InvalidInput):
            reporting(queue, *reports)
    with pytest.raises(InvalidInput, match="a whole number"), get_db_session(tenant=queue.tenant) as session:
        extend(session, queue.cluster, [Lease(lease.action_id, 1.0)], by=MINUTE)  # type: ignore[arg-type]  # likewise
    assert one(queue, lease, "a NUL \0 and half a pair \ud800") is Reported.RETRY
    assert queue.row()["error_message"] == "a NUL \\x00 and half a pair \\ud800"


@pytest.mark.parametrize("token", [0, -1, 2**53 + 1, 2**63, 10**30, -(10**30)])
def test_a_number_that_no_hand_out_has_is_stale(queue: Queue, token: int) -> None:
    lease, odd = queue.take("a"), Lease(queue.take("b").action_id, token)
    assert list(reporting(queue, Report(lease), Report(odd)).reported.values()) == [Reported.COMPLETED, Reported.STALE]
    with get_db_session(tenant=queue.tenant) as session:
        assert extend(session, queue.cluster, [odd], by=MINUTE) == {odd.action_id: None}
