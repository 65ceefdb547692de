"""The duty that makes the datasets that were asked for, and tidies up behind those who died making one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from spothive.database import read_session
from spothive.models import DatasetGeneration, DatasetJobStatus
from spothive.operations.datasets import end_dead_jobs, run_generation, tidy_files
from spothive.operations.sweeps.having import has_dead_dataset_jobs, has_pending_generations
from spothive.operations.sweeps.work import Work


def look_after_datasets(work: Work) -> None:
    """End jobs whose workers have died, tidy their files away, then make what was asked for, oldest first."""
    store = work.tools.datasets()
    work.for_each_tenant(has_dead_dataset_jobs(), "jobs_ended", end_dead_jobs)
    with work.part("files"):
        work.counts["files_deleted"] += tidy_files(store)
    for tenant in work.tenants(has_pending_generations(), suspended=False):
        for job_id, name in _pending(tenant.id):
            with work.part(f"{tenant.slug}/{name}"), work.lease.beating():
                made = run_generation(work.sessions, work.actor, tenant_id=tenant.id, store=store, job_id=job_id)
                work.counts.update(datasets=1, rows=made.written.rows)


def _pending(tenant_id: UUID) -> list[tuple[UUID, str]]:
    """Return the generations of a tenant that nobody makes yet; one statement."""
    job = DatasetGeneration
    query = select(job.id, job.name).where(job.status == DatasetJobStatus.PENDING).order_by(job.created_at, job.id)
    with read_session(tenant=tenant_id) as session:
        return [(job_id, name) for job_id, name in session.execute(query)]
