"""A job of the optimiser is COMPLETED when its actions are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import AgentAction, OptimizationJob, get_db_session, system_scope
from spothive.errors import IllegalMove
from spothive.models.jobs import THE_QUEUE
from tests.conftest import Database
from tests.factories.lives import entering
from tests.factories.samples import sample, sample_graph
from tests.schema.waiting import meanwhile


class Job:
    """A RUNNING job; its first action is PENDING."""

    def __init__(self) -> None:
        with get_db_session() as session, system_scope(session, "test"):
            rows = sample_graph(session, uuid4())
            self.parents = {table: row["id"] for table, row in rows.items()}
            self.action: UUID = self.parents["agent_actions"]
            self.move(session, "RUNNING")

    def move(self, session: Any, status: str) -> None:
        job = sa.update(OptimizationJob).where(OptimizationJob.id == self.parents["optimization_jobs"])
        if status == "COMPLETED":
            session.execute(job.values(lease_token=THE_QUEUE))
        session.execute(job.values(**entering("optimization_jobs", status)))

    def act(self, session: Any, status: str) -> None:
        action = sa.update(AgentAction).where(AgentAction.id == self.action)
        session.execute(action.values(**entering("agent_actions", status)))

    def ask(self, session: Any) -> None:
        session.execute(sa.insert(AgentAction).values(**sample("agent_actions", self.parents, 2)))


def refusal_of(act: Any, *arguments: Any) -> str:
    with (
        pytest.raises(IllegalMove) as refused,
        get_db_session() as session,
        system_scope(session, "test"),
    ):
        act(session, *arguments)
    return refused.value.rule


def test_a_job_is_completed_after_its_actions_and_gets_no_more(db: Database) -> None:
    job = Job()
    for status in ("PICKED_UP", "COMPLETED"):
        assert refusal_of(job.move, "COMPLETED") == "lc_optimization_jobs_completed"
        with get_db_session() as session, system_scope(session, "test"):
            job.act(session, status)
    with get_db_session() as session, system_scope(session, "test"):
        job.move(session, "COMPLETED")
    assert refusal_of(job.ask) == "lc_agent_actions_job"


def test_a_job_may_fail_whatever_its_actions_do_and_gets_no_more(db: Database) -> None:
    job = Job()
    with get_db_session() as session, system_scope(session, "test"):
        job.move(session, "FAILED")
    assert refusal_of(job.ask) == "lc_agent_actions_job"


def test_a_job_of_which_an_action_failed_is_not_completed(db: Database) -> None:
    job = Job()
    with get_db_session() as session, system_scope(session, "test"):
        job.act(session, "PICKED_UP")
        job.act(session, "FAILED")
    assert refusal_of(job.move, "COMPLETED") == "lc_optimization_jobs_completed"


def finish(job: Job) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        job.act(session, "PICKED_UP")
        job.act(session, "COMPLETED")


@pytest.mark.parametrize("kept", [True, False])
def test_the_end_of_a_job_waits_for_an_action_that_is_being_asked_for(db: Database, kept: bool) -> None:
    finish(job := Job())
    refused = meanwhile(db, job.ask, lambda session: job.move(session, "COMPLETED"), first_commits=kept)
    assert refused == ("lc_optimization_jobs_completed" if kept else None)


@pytest.mark.parametrize("kept", [True, False])
def test_an_action_waits_for_the_end_of_its_job(db: Database, kept: bool) -> None:
    finish(job := Job())
    refused = meanwhile(db, lambda session: job.move(session, "COMPLETED"), job.ask, first_commits=kept)
    assert refused == ("lc_agent_actions_job" if kept else None)


HIGHEST = 2**53


@pytest.mark.parametrize(
    ("status", "values", "rule"),
    [
        ("PENDING", {"lease_token": HIGHEST}, "token"),
        ("PENDING", {**entering("agent_actions", "PICKED_UP"), "lease_token": HIGHEST}, "token"),
        ("PENDING", {**entering("agent_actions", "PICKED_UP"), "lease_token": None}, "token"),
        ("PENDING", {"attempts": 1}, "attempts"),
        ("PENDING", {"idempotency_key": "another"}, "order"),
        ("PENDING", {"action_type": "UNCORDON_NODE"}, "order"),
        ("PICKED_UP", {"lease_token": 2}, "token"),
        ("PICKED_UP", {**entering("agent_actions", "COMPLETED"), "lease_token": 2}, "token"),
        ("PICKED_UP", {**entering("agent_actions", "PENDING"), "attempts": 0}, "attempts"),
        ("COMPLETED", {"lease_token": 2}, "ended"),
        ("COMPLETED", {"max_attempts": 9}, "ended"),
        ("COMPLETED", {"expires_at": datetime(2999, 1, 1, tzinfo=UTC)}, "ended"),
    ],
)
def test_an_action_says_what_was_done_with_it(db: Database, status: str, values: dict[str, Any], rule: str) -> None:
    job = Job()
    with get_db_session() as session, system_scope(session, "test"):
        for step in {"PENDING": (), "PICKED_UP": ("PICKED_UP",), "COMPLETED": ("PICKED_UP", "COMPLETED")}[status]:
            job.act(session, step)

    def change(session: Any, **values: Any) -> None:
        session.execute(sa.update(AgentAction).where(AgentAction.id == job.action).values(**values))

    found = refusal_of(lambda session: change(session, **values))
    allowed = {f"lc_agent_actions_{rule}"} | ({"lc_agent_actions_token"} if rule == "ended" else set())
    assert found in allowed, "of two that are broken either answers"
    with get_db_session() as session, system_scope(session, "test"):
        change(session, updated_at=utc_now())
