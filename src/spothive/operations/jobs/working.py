"""The life of a job: opened, taken by a worker that asks for its actions, and left to the queue until they have ended.

A worker that has a job holds it by a lease, as an agent holds an action: whoever is not heard of again loses it, and
the job has FAILED. Once all its actions are asked for the worker lets go, and the job ends with the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import select, update

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput
from spothive.models import DowntimeCause, JobStatus, OptimizationJob, ResourceType
from spothive.models.jobs import THE_QUEUE
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import database_clock
from spothive.operations.audit import record
from spothive.operations.clusters.finding import find_cluster
from spothive.operations.fleet import find_instance
from spothive.operations.identity import Action, require
from spothive.operations.jobs.reading import no_such_job
from spothive.operations.jobs.settling import SWITCHING, end_badly, settle
from spothive.queue.later import clock_after
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp
from spothive.settings import get_settings

_KIND: Final = ResourceType.ACTION


@dataclass(frozen=True, slots=True)
class JobLease:
    """A job in the hands of a worker.

    Attributes:
        job_id: the job.
        token: proves that the worker has it.
        leased_until: until when (UTC), unless it is extended.
    """

    job_id: UUID
    token: UUID
    leased_until: datetime


def open_job(session: TenantSession, actor: Actor, *, cluster: str) -> OptimizationJob:
    """Ask for one run of the optimiser over a cluster; it is QUEUED until a worker takes it.

    Args:
        session: of the tenant.
        actor: who asks.
        cluster: its name or id.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such cluster.
        Conflict: several clusters have this name.
    """
    require(actor, Action.MANAGE, attempt="job.opened", resource=cluster, resource_type=_KIND)
    found = find_cluster(session, cluster)
    job = OptimizationJob(cluster_id=found.id)
    session.add(job)
    session.flush()  # its id is made here
    after = {"cluster": found.name, "status": job.status}
    record(session, actor, "job.opened", str(job.id), _KIND, after=after)
    return job


def start_job(session: TenantSession, actor: Actor, job_id: UUID) -> JobLease:
    """Take a QUEUED job, to work on it until the lease is over; of two who do so one is refused.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such job.
        Conflict: it is not QUEUED any more.
    """
    require(actor, Action.MANAGE, attempt="job.started", resource=str(job_id), resource_type=_KIND)
    job = _locked(session, job_id)
    if job.status is not JobStatus.QUEUED:
        msg = f"job {job_id} is {job.status}: somebody has taken it"
        raise Conflict(msg)
    now, token = database_clock(session), uuid4()
    until = now + _lease()
    lease: dict[str, Any] = {"lease_token": token, "leased_until": until, "started_at": now}
    move(session, job, OptimizationJob.status, JobStatus.RUNNING, **lease)
    after = {"status": JobStatus.RUNNING, "leased_until": until.isoformat()}
    record(session, actor, "job.started", str(job_id), _KIND, before={"status": JobStatus.QUEUED}, after=after)
    return JobLease(job_id, token, until)


def extend_job(session: TenantSession, actor: Actor, lease: JobLease) -> JobLease:
    """Keep a job for as long again; like a lease of an action it leaves no audit row. One statement.

    Raises:
        Denied: the role does not allow it.
        Conflict: the lease was lost, and the job has ended: stop working on it.
    """
    require(actor, Action.MANAGE, attempt="job.extended", resource=str(lease.job_id), resource_type=_KIND)
    later = clock_after(sa.literal(_lease().total_seconds(), sa.Float))
    keep = update(OptimizationJob).where(*_held(lease)).values(leased_until=later)
    until = session.scalar(
        keep.returning(OptimizationJob.leased_until), execution_options={"synchronize_session": False}
    )
    if until is None:
        raise _lost(lease)
    return JobLease(lease.job_id, lease.token, until)


def note_switch(session: TenantSession, actor: Actor, lease: JobLease, *, instance_id: str | None) -> None:
    """Say which instance the job is switching at this moment, or that it is not any more.

    If the job fails meanwhile, or its worker is not heard of again, an outage of that instance begins: see
    ``operations/sla.py``.

    Args:
        session: of the tenant.
        actor: who says so.
        lease: of the worker.
        instance_id: EC2's id; None when the switch is over.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such instance.
        Conflict: the lease was lost.
    """
    event = "job.switching"
    require(actor, Action.MANAGE, attempt=event, resource=str(lease.job_id), resource_type=_KIND)
    job = _mine(session, lease)
    before = job.results.get(SWITCHING)
    if instance_id is None:
        job.results.pop(SWITCHING, None)
    else:
        job.results[SWITCHING] = find_instance(session, instance_id).instance.instance_id
    after = {SWITCHING: instance_id}
    record(session, actor, event, str(job.id), _KIND, before={SWITCHING: before}, after=after)


def finish_job(
    session: TenantSession, actor: Actor, lease: JobLease, *, results: Mapping[str, Any] | None = None
) -> OptimizationJob:
    """Say that all actions of a job are asked for: it is COMPLETED at once if they all are, else with the last one.

    Args:
        session: of the tenant.
        actor: who says so.
        lease: of the worker, which is given back.
        results: what came of it, JSON, added to what is known.

    Returns:
        The job: RUNNING as long as an action is open, COMPLETED, or FAILED if one did not come to a good end.

    Raises:
        Denied: the role does not allow it.
        Conflict: the lease was lost, and the job has ended.
        InvalidInput: the results are no strict JSON.
    """
    event = "job.handed_over"
    require(actor, Action.MANAGE, attempt=event, resource=str(lease.job_id), resource_type=_KIND)
    job = _mine(session, lease)
    job.results.update(results or {})
    job.lease_token, job.leased_until = THE_QUEUE, database_clock(session)
    session.flush()  # settling asks the database
    settle(session, [job.id])
    after = {"status": job.status, "results": dict(job.results)}
    record(session, actor, event, str(job.id), _KIND, before={"status": JobStatus.RUNNING}, after=after)
    return job


def fail_job(session: TenantSession, actor: Actor, lease: JobLease, *, error: str) -> OptimizationJob:
    """End a job badly; what agents were asked for already is done all the same.

    Raises:
        Denied: the role does not allow it.
        Conflict: the lease was lost, and the job has ended.
        InvalidInput: it does not say what went wrong.
    """
    event = "job.failed"
    require(actor, Action.MANAGE, attempt=event, resource=str(lease.job_id), resource_type=_KIND)
    if not error.strip():
        msg = "say what went wrong: whoever looks at the job has to know"
        raise InvalidInput(msg)
    job = _mine(session, lease)
    end_badly(session, job, error, DowntimeCause.OPTIMIZER_FAILURE)
    after = {"status": JobStatus.FAILED, "error": error}
    record(session, actor, event, str(job.id), _KIND, before={"status": JobStatus.RUNNING}, after=after)
    return job


def _lease() -> timedelta:
    return timedelta(seconds=get_settings().job_lease)


def _held(lease: JobLease) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OptimizationJob.id == lease.job_id,
        OptimizationJob.status == JobStatus.RUNNING,
        OptimizationJob.lease_token == lease.token,
        OptimizationJob.leased_until > clock_timestamp(),
    )


def _mine(session: TenantSession, lease: JobLease) -> OptimizationJob:
    """Return the job, locked, if the lease is in force."""
    query = select(OptimizationJob).where(*_held(lease)).with_for_update()
    job = session.scalar(query, execution_options={"populate_existing": True})
    if job is None:
        raise _lost(lease)
    return job


def _locked(session: TenantSession, job_id: UUID) -> OptimizationJob:
    query = select(OptimizationJob).where(OptimizationJob.id == job_id).with_for_update()
    job = session.scalar(query, execution_options={"populate_existing": True})
    if job is None:
        raise no_such_job(job_id)
    return job


def _lost(lease: JobLease) -> Conflict:
    return Conflict(f"job {lease.job_id} is not yours any more: see `spothive job show {lease.job_id}`")
