"""Asking for an action: what is missing is named, and asking twice is asking once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import ActionStatus, ActionType, AgentAction, get_db_session
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models.jobs import PAYLOAD_KEYS
from spothive.operations.jobs import ActionFilter, enqueue_action, fail_job, find_action, find_job, list_actions
from spothive.operations.jobs.asking import refuse_payload
from spothive.queue import Order
from tests.operations.conftest import audited
from tests.operations.jobs.conftest import Shop, let_expire
from tests.watching import rows_of, statements

HOUR = timedelta(hours=1)


def test_whoever_asks_again_gets_what_is_there_and_leaves_one_audit_row(shop: Shop) -> None:
    first = shop.ask("k", priority=1)
    assert shop.ask("k").id == first.id
    [(_, resource, outcome, actor, before, after)] = audited(event="action.enqueued")
    assert (resource, outcome, actor, before) == (str(first.id), "SUCCESS", "anna", None)
    assert after == {
        "action": "CORDON_NODE",
        "cluster": str(shop.cluster),
        "idempotency": "k",
        "payload": {"node": "n"},
        "priority": 1,
    }
    with pytest.raises(Conflict, match="another CORDON_NODE"):
        shop.ask("k", payload={"node": "m"})
    assert len(rows_of(AgentAction)) == 1


@pytest.mark.parametrize("action_type", list(ActionType))
def test_a_payload_says_what_its_type_needs(action_type: ActionType) -> None:
    whole: dict[str, Any] = {
        key: "x" if kind == "string" else {"a": "b"} for key, kind in PAYLOAD_KEYS[action_type].items()
    }
    refuse_payload(action_type, whole | {"more": [1]})
    for key, good in whole.items():
        with pytest.raises(InvalidInput, match=f"^{action_type} needs .*: {key} is missing$"):
            refuse_payload(action_type, {name: value for name, value in whole.items() if name != key})
        for wrong, called in ((7, "int"), (None, "NoneType"), ("" if good == "x" else {}, "nothing")):
            with pytest.raises(InvalidInput, match=f"^{action_type}: {key} of the payload is .* it is {called}$"):
                refuse_payload(action_type, whole | {key: wrong})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"payload": {}}, "node is missing"),
        ({"priority": 10}, "a priority is 0"),
        ({"max_attempts": 0}, "1 to 100 times"),
        ({"idempotency_key": " "}, "1 to 64 characters"),
        ({"idempotency_key": "k" * 65}, "1 to 64 characters"),
        ({"expires_at": utc_now() - HOUR}, "a second from now at the earliest"),
        ({"expires_at": utc_now() + 31 * 24 * HOUR}, "30 days from now at the latest"),
        ({"available_at": utc_now() + 2 * HOUR}, "says when it expires"),
        ({"available_at": utc_now() + 2 * HOUR, "expires_at": utc_now() + HOUR}, "after it is available"),
        ({"available_at": datetime(2026, 1, 1)}, "its time zone"),  # noqa: DTZ001 - that is the point
        ({"payload": {"node": "n", "x": float("nan")}}, "strict JSON"),
    ],
)
def test_what_is_odd_is_refused_by_name(shop: Shop, values: dict[str, Any], words: str) -> None:
    given = {"action_type": ActionType.CORDON_NODE, "payload": {"node": "n"}, "idempotency_key": "k", **values}
    with pytest.raises(InvalidInput, match=words), get_db_session(tenant=shop.world.acme) as session:
        enqueue_action(session, shop.world.anna, Order(shop.cluster, **given))
    assert rows_of(AgentAction) == []


def test_another_tenant_s_cluster_is_none_and_so_is_its_job(shop: Shop) -> None:
    job = shop.job()
    unknown = pytest.raises(NotFound, match=f"^no cluster has the id {shop.cluster}")
    with unknown, get_db_session(tenant=shop.world.globex) as session:
        enqueue_action(session, shop.world.gina, shop.order())
    for stranger in (uuid4(), job):
        with pytest.raises(NotFound), get_db_session(tenant=shop.world.globex) as session:
            find_job(session, stranger)
    with pytest.raises(NotFound, match="this cluster has no job"):
        shop.ask(job_id=uuid4())


def test_a_job_that_has_ended_gets_no_more(shop: Shop) -> None:
    lease = shop.started()
    assert shop.ask("a", job_id=lease.job_id).optimization_job_id == lease.job_id
    with get_db_session(tenant=shop.world.acme) as session:
        fail_job(session, shop.world.anna, lease, error="no")
    with pytest.raises(Conflict, match="is FAILED: it gets no more actions"):
        shop.ask("b", job_id=lease.job_id)


def test_asking_again_is_answered_after_the_job_has_ended_and_the_time_is_over(shop: Shop) -> None:
    lease = shop.started()
    action = shop.ask("a", job_id=lease.job_id)
    with get_db_session(tenant=shop.world.acme) as session:
        fail_job(session, shop.world.anna, lease, error="no")
    let_expire(action.id)
    assert shop.ask("a", job_id=lease.job_id, expires_at=utc_now() - HOUR).id == action.id
    assert len(audited(event="action.enqueued")) == 1


def test_actions_are_listed_page_by_page_newest_first(shop: Shop) -> None:
    made = [shop.ask(str(number)).id for number in range(5)][::-1]
    shop.claim(1)
    with get_db_session(tenant=shop.world.acme) as session:
        session.connection()
        found, place = [], None
        with statements() as sent:
            for _ in range(3):
                page = list_actions(session, ActionFilter(cluster_id=shop.cluster), limit=2, before=place)
                found += [(row.id, row.cluster.name) for row in page.rows]
                place = page.next
        assert sent.total() == 3
        assert (found, place) == ([(each, "shop") for each in made], None)
        picked = ActionFilter(statuses=[ActionStatus.PICKED_UP])
        assert [row.id for row in list_actions(session, picked).rows] == made[-1:]
        assert find_action(session, made[0]).idempotency_key == "4"
        for odd in ({"limit": 0}, {"before": "x"}):
            with pytest.raises(InvalidInput):
                list_actions(session, ActionFilter(), **odd)
    with get_db_session(tenant=shop.world.globex) as session:
        assert list_actions(session, ActionFilter(cluster_id=shop.cluster)).rows == []
        with pytest.raises(NotFound, match=r"^no action has the id"):
            find_action(session, made[0])


def test_the_moments_of_an_order_are_those_of_the_action(shop: Shop) -> None:
    begins, ends = datetime(2999, 1, 1, tzinfo=UTC), None
    with pytest.raises(InvalidInput):
        shop.ask(available_at=begins, expires_at=ends)
    begins = utc_now() + HOUR
    action = shop.ask(available_at=begins, expires_at=begins + HOUR)
    assert (action.available_at, action.expires_at) == (begins, begins + HOUR)
