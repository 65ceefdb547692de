"""Asking for an action: once by a key, in the caller's transaction, timed by the database's clock."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import ActionType, AgentAction, JobStatus, OptimizationJob, get_db_session
from spothive.errors import Conflict, IllegalMove, InvalidInput, ParentMissing, ValueRefused
from spothive.queue import Order, enqueue
from spothive.schema.states import move
from tests.queue.conftest import Queue, a_queue
from tests.watching import rows_of, statements

HOUR = timedelta(hours=1)


def test_an_action_waits_from_now_for_an_hour(queue: Queue) -> None:
    with get_db_session(tenant=queue.tenant) as session:
        session.connection()
        with statements() as sent:
            order = Order(queue.cluster, ActionType.DRAIN_NODE, {"node": "n", "tuple": (1, 2)}, "k", priority=2)
            action, is_new = enqueue(session, order)
        assert (is_new, action.status, action.payload) == (True, "PENDING", {"node": "n", "tuple": [1, 2]})
        assert (action.priority, action.max_attempts, action.attempts) == (2, 3, 0)
        assert abs(action.expires_at - action.created_at - HOUR) < timedelta(seconds=1)
        assert action.available_at <= utc_now()
    assert sum(sent.values()) == 3


def test_by_one_key_an_action_is_asked_for_once(queue: Queue) -> None:
    first = queue.ask("k", payload={"node": "n"})
    queue.claim()
    assert queue.ask("k", payload={"node": "n"}, priority=0) == first
    assert len(rows_of(AgentAction)) == 1
    for other in ({"payload": {"node": "m"}}, {"action_type": ActionType.DRAIN_NODE, "payload": {"node": "n"}}):
        with pytest.raises(Conflict, match=r"^by the key k the cluster was asked for another CORDON_NODE"):
            queue.ask("k", **other)
    assert a_queue().ask("k", payload={"node": "m"}) != first, "keys are of one cluster"


def test_what_was_asked_for_is_compared_by_value(queue: Queue) -> None:
    exact: dict[str, Any] = {"node": "n", "x": [1e23, 1.5e300, 1e-300, -0.0, 0.1], "y": True}
    first = queue.ask("k", payload=exact)
    assert queue.ask("k", payload=dict(reversed(exact.items()))) == first
    for other in ({**exact, "y": 1}, {**exact, "x": [1.0000000000000001e22, *exact["x"][1:]]}):
        with pytest.raises(Conflict):
            queue.ask("k", payload=other)


def test_what_was_asked_for_is_found_after_its_job_has_ended_and_its_time_is_over(queue: Queue) -> None:
    with get_db_session(tenant=queue.tenant) as session:
        job = OptimizationJob(cluster_id=queue.cluster)
        session.add(job)
        session.flush()
        first = enqueue(session, Order(queue.cluster, ActionType.CORDON_NODE, {"node": "k"}, "k", job_id=job.id))[0].id
        lease = {"lease_token": uuid4(), "leased_until": utc_now(), "started_at": utc_now()}
        move(session, job, OptimizationJob.status, JobStatus.RUNNING, **lease)
        end = {"lease_token": None, "leased_until": None, "completed_at": utc_now(), "error_message": "no"}
        move(session, job, OptimizationJob.status, JobStatus.FAILED, **end)
    assert queue.ask("k", job_id=job.id) == first
    assert queue.ask("k", job_id=job.id, expires_at=utc_now() - HOUR) == first


def test_what_is_rolled_back_was_not_asked_for(queue: Queue) -> None:
    def ask_and_fail() -> None:
        with get_db_session(tenant=queue.tenant) as session:
            enqueue(session, Order(queue.cluster, ActionType.CORDON_NODE, {"node": "n"}, "k"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask_and_fail()
    assert rows_of(AgentAction) == []


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"priority": 10}, ValueRefused),
        ({"max_attempts": 0}, ValueRefused),
        ({"payload": {}}, ValueRefused),
        ({"payload": {"node": 1}}, ValueRefused),
        ({"payload": {"node": "n", "bad": float("inf")}}, InvalidInput),
        ({"expires_at": utc_now() - HOUR}, ValueRefused),
        ({"job_id": uuid4()}, IllegalMove),
    ],
)
def test_what_the_database_does_not_take_is_refused(
    queue: Queue, values: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises((error, ParentMissing)):
        queue.ask(**values)
    assert rows_of(AgentAction) == []


def test_another_tenant_s_cluster_or_job_is_as_good_as_none(queue: Queue) -> None:
    other = a_queue()
    with get_db_session(tenant=other.tenant) as session:
        job = OptimizationJob(cluster_id=other.cluster)
        session.add(job)
    for order in (
        Order(other.cluster, ActionType.CORDON_NODE, {"node": "n"}, "k"),
        Order(queue.cluster, ActionType.CORDON_NODE, {"node": "n"}, "k", job_id=job.id),
    ):
        with pytest.raises(ParentMissing), get_db_session(tenant=queue.tenant) as session:
            enqueue(session, order)


def test_of_many_who_ask_at_once_by_one_key_all_get_the_same(queue: Queue) -> None:
    at_once, found, threads = Barrier(6), list[Any](), list[Thread]()

    def ask() -> None:
        at_once.wait()
        found.append(queue.ask("k"))

    for _ in range(6):
        threads.append(Thread(target=ask))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), len(rows_of(AgentAction))) == (6, 1, 1)
