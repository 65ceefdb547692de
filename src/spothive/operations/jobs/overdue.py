"""What the sweep does about the queue: dead agents, dead workers, silent clusters."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import select, update

from spothive.database import TenantSession
from spothive.models import (
    ActionStatus,
    AgentAction,
    Cluster,
    ClusterStatus,
    DowntimeCause,
    JobStatus,
    NoticeEvent,
    OptimizationJob,
    ResourceType,
)
from spothive.models.jobs import THE_QUEUE
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.jobs.settling import end_badly, settle
from spothive.operations.notifications import tell
from spothive.queue import Ended, end_overdue
from spothive.queue.later import clock_after
from spothive.schema.types import clock_timestamp
from spothive.settings import get_settings

JOBS_AT_ONCE: Final = 200
"""Jobs that are ended in one transaction."""

_NAMED: Final = 10


def end_overdue_actions(session: TenantSession, actor: Actor) -> Ended:
    """End, or give back, actions that are overdue, at most 500 of a kind; with them end jobs.

    Raises:
        Denied: the role does not allow it.
    """
    event, called = "actions.ended", "actions"
    require(actor, Action.MANAGE, attempt=event, resource=called, resource_type=ResourceType.ACTION)
    done = end_overdue(session)
    if done.total:
        jobs = settle(session, done.jobs)
        after = {"expired": done.expired, "failed": done.failed, "given_back": done.given_back, "jobs": len(jobs)}
        record(session, actor, event, called, ResourceType.ACTION, after=after)
    return done


def end_dead_jobs(session: TenantSession, actor: Actor) -> int:
    """End at most 200 jobs whose workers were not heard of again, and any that was left RUNNING; return how many.

    Raises:
        Denied: the role does not allow it.
    """
    event, called = "jobs.ended", "jobs"
    require(actor, Action.MANAGE, attempt=event, resource=called, resource_type=ResourceType.ACTION)
    query = select(OptimizationJob).where(is_dead_job()).order_by(OptimizationJob.id).limit(JOBS_AT_ONCE)
    dead = session.scalars(query.with_for_update(skip_locked=True), execution_options={"populate_existing": True}).all()
    for job in dead:
        if job.lease_token != THE_QUEUE:
            error = "its worker was not heard of again before its lease was over"
            end_badly(session, job, error, DowntimeCause.WORKER_CRASH)
    left = settle(session, [job.id for job in dead])
    failed = sum(job.status is JobStatus.FAILED for job in dead)
    completed = len(left) - sum(status is JobStatus.FAILED for status in left.values())
    if failed or completed:
        after = {"failed": failed, "completed": completed}
        record(session, actor, event, called, ResourceType.ACTION, after=after)
    return failed + completed


def mark_silent_agents(session: TenantSession, actor: Actor) -> int:
    """Make clusters INACTIVE whose agents are silent for longer than the setting ``agent_silence``, and tell people.

    Returns:
        How many. Each is told of once: it is ACTIVE again when its agent is heard of.

    Raises:
        Denied: the role does not allow it.
    """
    event, called = "agents.silent", "agents"
    require(actor, Action.MANAGE, attempt=event, resource=called, resource_type=ResourceType.CLUSTER)
    mark = update(Cluster).where(is_silent()).values(status=ClusterStatus.INACTIVE)
    returning = mark.returning(Cluster.id, Cluster.name, Cluster.region, Cluster.last_heartbeat)
    rows = session.execute(returning, execution_options={"synchronize_session": False}).all()
    if not rows:
        return 0
    silent = sorted(rows, key=lambda row: (row.name, row.id))
    names = ", ".join(row.name for row in silent[:_NAMED]) + (" .." if len(silent) > _NAMED else "")
    told = [
        {"cluster": str(row.id), "name": row.name, "region": row.region, "heard": row.last_heartbeat.isoformat()}
        for row in silent[:_NAMED]
    ]
    record(session, actor, event, called, ResourceType.CLUSTER, after={"silent": len(silent), "clusters": told})
    one = len(silent) == 1
    tell(
        session,
        NoticeEvent.AGENT_OFFLINE,
        f"The agent of {names} is silent" if one else f"The agents of {len(silent)} clusters are silent",
        f"{names}: nothing was heard of the agent for {get_settings().agent_silence} seconds. What it was asked for "
        "waits until it is back, or expires. Look whether it runs, reaches spothive, and has a key that is valid.",
        facts={"clusters": told, "silent": len(silent)},
        link="spothive cluster list",
    )
    return len(silent)


def is_dead_job() -> sa.ColumnElement[bool]:
    """Return the condition that a job waits for nobody: its worker is dead, or the queue has nothing left to do."""
    is_open = (
        select(AgentAction.id)
        .where(
            AgentAction.tenant_id == OptimizationJob.tenant_id,
            AgentAction.optimization_job_id == OptimizationJob.id,
            AgentAction.status.in_([ActionStatus.PENDING, ActionStatus.PICKED_UP]),
        )
        .exists()
    )
    worker_is_dead = sa.and_(OptimizationJob.lease_token != THE_QUEUE, OptimizationJob.leased_until < clock_timestamp())
    left = sa.and_(OptimizationJob.lease_token == THE_QUEUE, sa.not_(is_open))
    return sa.and_(OptimizationJob.status == JobStatus.RUNNING, sa.or_(worker_is_dead, left))


def is_silent() -> sa.ColumnElement[bool]:
    """Return the condition that a cluster's agent was there, and is silent."""
    since = clock_after(sa.literal(-float(get_settings().agent_silence), sa.Float))
    return sa.and_(Cluster.status == ClusterStatus.ACTIVE, Cluster.agent_installed, Cluster.last_heartbeat < since)
