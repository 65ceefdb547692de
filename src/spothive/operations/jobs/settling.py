"""Ending jobs: COMPLETED when all their actions are, FAILED when one of them did not come to a good end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from spothive.database import TenantSession
from spothive.models import ActionStatus, AgentAction, DowntimeCause, Instance, JobStatus, OptimizationJob
from spothive.models.jobs import THE_QUEUE
from spothive.operations.approvals.reading import database_clock
from spothive.operations.sla import open_downtime
from spothive.operations.sla.told import tell_of_outage
from spothive.schema.states import move

SWITCHING: Final = "switching"
"""Key of a job's results: EC2's id of the instance that it is switching at this moment."""

_OPEN: Final = {ActionStatus.PENDING, ActionStatus.PICKED_UP}
_BAD: Final = {ActionStatus.FAILED, ActionStatus.EXPIRED}


def settle(session: TenantSession, job_ids: Iterable[UUID]) -> dict[UUID, JobStatus]:
    """End those jobs whose time has come, in the transaction in which the last of their actions ends.

    Of two transactions that end two actions of one job the second waits here for the first, and so sees both ended.
    It likewise waits for one that asks for an action of the job: keep the transactions of planners short.
    Two statements, and few more for each job that ends; nothing for no job.

    Returns:
        The jobs that ended, and how.
    """
    wanted = sorted(set(job_ids))
    if not wanted:
        return {}
    running = select(OptimizationJob).where(OptimizationJob.id.in_(wanted), OptimizationJob.status == JobStatus.RUNNING)
    in_order = running.order_by(OptimizationJob.id).with_for_update()
    jobs = session.scalars(in_order, execution_options={"populate_existing": True}).all()
    if not jobs:
        return {}
    job_id = AgentAction.optimization_job_id
    counted = select(job_id, AgentAction.status, func.count()).where(job_id.in_([job.id for job in jobs]))
    actions: dict[UUID | None, set[ActionStatus]] = defaultdict(set)
    for of_job, status, _ in session.execute(counted.group_by(job_id, AgentAction.status)):
        actions[of_job].add(status)
    ended: dict[UUID, JobStatus] = {}
    for job in jobs:
        if actions[job.id] & _BAD:
            end_badly(session, job, _what_went_wrong(session, job.id), DowntimeCause.OPTIMIZER_FAILURE)
        elif job.lease_token == THE_QUEUE and not actions[job.id] & _OPEN:
            _end(session, job, JobStatus.COMPLETED)
        else:
            continue
        ended[job.id] = job.status
    return ended


def end_badly(session: TenantSession, job: OptimizationJob, error: str, cause: DowntimeCause) -> None:
    """Let a RUNNING job be FAILED; if it was switching an instance, an outage of that begins now, for this cause.

    People are told of it. A job fails once, so there is one outage. Nothing begins for an instance that the inventory
    does not know any more.
    """
    switching = job.results.get(SWITCHING)
    _end(session, job, JobStatus.FAILED, error)
    if not isinstance(switching, str):
        return
    instance = session.scalar(select(Instance).where(Instance.instance_id == switching))
    if instance is not None:
        details = f"job {job.id} failed while it switched the instance: {error}"[:4000]
        outage = open_downtime(session, instance, cause, database_clock(session), details=details)
        tell_of_outage(session, outage)


def _end(session: TenantSession, job: OptimizationJob, to: JobStatus, error: str | None = None) -> None:
    now = database_clock(session)
    changes = {"completed_at": now, "error_message": error, "lease_token": None, "leased_until": None}
    move(session, job, OptimizationJob.status, to, **changes)


def _what_went_wrong(session: TenantSession, job_id: UUID) -> str:
    """Return what is told of the first action of a job that did not come to a good end."""
    query = (
        select(AgentAction.action_type, AgentAction.idempotency_key, AgentAction.status, AgentAction.error_message)
        .where(AgentAction.optimization_job_id == job_id, AgentAction.status.in_(sorted(_BAD)))
        .order_by(AgentAction.completed_at, AgentAction.id)
        .limit(1)
    )
    kind, key, status, error = session.execute(query).one()
    return f"its action {kind} {key} is {status}" + (f": {error}" if error else "")
