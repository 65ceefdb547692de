"""The verbs of jobs and actions, as data; see ``verbs.py``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import ActionType, OptimizationJob, get_db_session
from spothive.operations.jobs import (
    JobLease,
    end_dead_jobs,
    end_overdue_actions,
    enqueue_action,
    fail_job,
    finish_job,
    mark_silent_agents,
    note_switch,
    open_job,
    start_job,
)
from spothive.queue import Order, claim, enqueue
from spothive.schema.states import move
from tests.factories import make_account, make_cluster, make_instance
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

JOB = UUID("0197a1f0-0000-7000-8000-000000000001")
TOKEN = UUID("0197a1f0-0000-7000-8000-000000000002")
LEASE = JobLease(JOB, TOKEN, utc_now())
MINUTE = timedelta(minutes=1)
CLUSTER = UUID("0197a1f0-0000-7000-8000-000000000003")
ORDER = Order(CLUSTER, ActionType.CORDON_NODE, {"node": "n"}, "k")


def _shop(world: World, **values: Any) -> None:
    make_cluster(world.acme, make_account(world.acme, "main").id, "shop", id=CLUSTER, **values)


def _queued(world: World) -> None:
    _shop(world)
    with get_db_session(tenant=world.acme) as session:
        session.add(OptimizationJob(id=JOB, cluster_id=CLUSTER))


def _running(world: World, until: timedelta = MINUTE) -> None:
    _queued(world)
    now = utc_now()
    with get_db_session(tenant=world.acme) as session:
        job = session.get_one(OptimizationJob, JOB)
        lease: Any = {"lease_token": TOKEN, "leased_until": now + until, "started_at": now}
        move(session, job, OptimizationJob.status, "RUNNING", **lease)  # type: ignore[arg-type]  # as a driver gives it
    make_instance(world.acme, make_account(world.acme, "other").id, "i-1")


def _dead(world: World) -> None:
    _running(world, -MINUTE)


def _overdue(world: World) -> None:
    _shop(world)
    with get_db_session(tenant=world.acme) as session:
        action, _ = enqueue(session, ORDER)
        claim(session, CLUSTER, limit=1, lease=MINUTE)
        session.refresh(action)
        action.leased_until = utc_now() - MINUTE


def _silent(world: World) -> None:
    _shop(world, status="ACTIVE", agent_installed=True, last_heartbeat=utc_now() - 10 * MINUTE)


def _of_job(
    name: str,
    change: Callable[..., Any],
    facts: dict[str, Any],
    trail: tuple[str, str, Any, Any],
    prepare: Callable[[World], Any],
) -> Verb:
    return verb(name, change, facts, actor="anna", denied="lena", tenant="acme", trail=trail, prepare=prepare)


JOB_VERBS: tuple[Verb, ...] = (
    verb(
        "enqueue an action",
        enqueue_action,
        {"order": ORDER},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "action.enqueued",
            ANY,  # the id, which is random
            None,
            {
                "action": "CORDON_NODE",
                "cluster": str(CLUSTER),
                "idempotency": "k",
                "payload": {"node": "n"},
                "priority": 5,
            },
        ),
        prepare=_shop,
    ),
    verb(
        "open a job",
        open_job,
        {"cluster": "shop"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("job.opened", ANY, None, {"cluster": "shop", "status": "QUEUED"}),
        prepare=_shop,
    ),
    _of_job(
        "start a job",
        start_job,
        {"job_id": JOB},
        ("job.started", str(JOB), {"status": "QUEUED"}, {"status": "RUNNING", "leased_until": ANY}),
        _queued,
    ),
    _of_job(
        "note a switch",
        note_switch,
        {"lease": LEASE, "instance_id": "i-1"},
        ("job.switching", str(JOB), {"switching": None}, {"switching": "i-1"}),
        _running,
    ),
    _of_job(
        "finish a job",
        finish_job,
        {"lease": LEASE, "results": {"nodes": 1}},
        ("job.handed_over", str(JOB), {"status": "RUNNING"}, {"status": "COMPLETED", "results": {"nodes": 1}}),
        _running,
    ),
    _of_job(
        "fail a job",
        fail_job,
        {"lease": LEASE, "error": "no prices"},
        ("job.failed", str(JOB), {"status": "RUNNING"}, {"status": "FAILED", "error": "no prices"}),
        _running,
    ),
    _of_job("end dead jobs", end_dead_jobs, {}, ("jobs.ended", "jobs", None, {"failed": 1, "completed": 0}), _dead),
    _of_job(
        "end overdue actions",
        end_overdue_actions,
        {},
        ("actions.ended", "actions", None, {"expired": 0, "failed": 0, "given_back": 1, "jobs": 0}),
        _overdue,
    ),
    _of_job(
        "mark silent agents",
        mark_silent_agents,
        {},
        ("agents.silent", "agents", None, {"silent": 1, "clusters": [ANY]}),
        _silent,
    ),
)
