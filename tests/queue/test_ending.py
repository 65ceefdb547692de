"""What nobody will end is ended: expired actions, and those of agents that died with them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from spothive.database import get_db_session
from spothive.queue import Ended, Report, Reported, end_overdue, ending, exchange
from tests.queue.conftest import MINUTE, Queue, a_queue
from tests.watching import explained_all, statements


def ended(queue: Queue) -> tuple[int, int, int]:
    with get_db_session(tenant=queue.tenant) as session:
        session.connection()
        with statements() as sent:
            found = end_overdue(session)
        assert sum(sent.values()) == 2
    assert isinstance(found, Ended)
    assert found.total == found.expired + found.failed + found.given_back
    return found.expired, found.failed, found.given_back


def test_what_is_in_order_is_left_alone(queue: Queue) -> None:
    queue.take("leased")
    queue.ask("waits")
    other = a_queue()
    other.ask()
    other.let_expire()
    assert ended(queue) == (0, 0, 0)
    assert queue.states() == {"leased": "PICKED_UP", "waits": "PENDING"}
    assert other.states() == {"a": "PENDING"}, "another tenant's"


def test_what_waits_too_long_is_expired(queue: Queue) -> None:
    queue.ask()
    queue.let_expire()
    assert ended(queue) == (1, 0, 0)
    row = queue.row()
    assert (row["status"], row["error_message"]) == ("EXPIRED", "no agent took it before it expired")
    assert row["completed_at"] is not None
    assert ended(queue) == (0, 0, 0)


def test_what_is_leased_does_not_expire_under_the_agent_s_hands(queue: Queue) -> None:
    lease = queue.take()
    queue.let_expire()
    assert ended(queue) == (0, 0, 0)
    with get_db_session(tenant=queue.tenant) as session:
        done = exchange(session, queue.cluster, [Report(lease)], limit=1, lease=MINUTE)
    assert done.reported == {lease.action_id: Reported.COMPLETED}


def test_what_a_dead_agent_had_is_handed_out_again_after_a_backoff(queue: Queue) -> None:
    dead = queue.take()
    queue.let_lease_end()
    assert ended(queue) == (0, 0, 1)
    row = queue.row()
    assert (row["status"], row["attempts"], row["lease_token"]) == ("PENDING", 1, 1)
    assert row["error_message"] == "the agent was not heard of again before its lease was over"
    assert row["available_at"] > row["updated_at"]
    assert queue.claim() == []
    queue.let_be_available()
    [again] = queue.claim()
    assert (again.lease.token, again.attempts) == (2, 2)
    with get_db_session(tenant=queue.tenant) as session:
        late = exchange(session, queue.cluster, [Report(dead)], limit=0, lease=MINUTE)
    assert late.reported == {dead.action_id: Reported.STALE}


def test_a_poison_action_fails_in_the_end_and_blocks_nobody(queue: Queue) -> None:
    queue.ask("poison", priority=0)
    queue.ask("good")
    for attempt in (1, 2, 3):
        handed = queue.claim(1)
        assert [(each.idempotency_key, each.attempts) for each in handed] == [("poison", attempt)]
        queue.let_lease_end("poison")  # it has killed its worker
        assert ended(queue) == ((0, 0, 1) if attempt < 3 else (0, 1, 0))
        if attempt < 3:
            queue.let_be_available("poison")
    row = queue.row("poison")
    assert (row["status"], row["attempts"]) == ("FAILED", 3)
    assert "not heard of again" in row["error_message"]
    assert [each.idempotency_key for each in queue.claim()] == ["good"]


def test_what_expired_in_a_dead_agent_s_hands_is_not_handed_out_again(queue: Queue) -> None:
    queue.take()
    queue.let_expire()
    queue.let_lease_end()
    assert ended(queue) == (1, 0, 1)
    row = queue.row()
    assert row["status"] == "EXPIRED"
    assert "not heard of again" in row["error_message"], "the last that is known of it"


def test_many_are_ended_part_by_part(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "ENDED_AT_ONCE", 2)
    for key in "abc":
        queue.ask(key)
        queue.let_expire(key)
    with get_db_session(tenant=queue.tenant) as session:
        assert [(done.expired, done.more) for done in (end_overdue(session), end_overdue(session))] == [
            (2, True),
            (1, False),
        ]


def test_open_actions_are_found_by_their_indexes(queue: Queue) -> None:
    with get_db_session(tenant=queue.tenant) as session:
        if session.get_bind().dialect.name == "postgresql":  # which reads a table that is empty from end to end
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plans = explained_all(session, "agent_actions", lambda: end_overdue(session))
    assert ["ix_agent_actions_leases" in plans[0], "ix_agent_actions_expiry" in plans[1]] == [True, True], plans
