"""Which tenants a duty has something to do for: what costs each of many tenants nothing, minute by minute.

Each is part of a query over ``tenants`` in system scope, and finds its rows by an index: one that begins with the
tenant, or one of those few rows. It may find too much, never too little: the verb decides.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, literal_column, or_, select

from spothive.models import (
    Account,
    ActionStatus,
    AgentAction,
    ApprovalRequest,
    ApprovalStatus,
    Cluster,
    DatasetGeneration,
    DatasetImport,
    DatasetJobStatus,
    DowntimeLog,
    EmailDigestEntry,
    EmailLog,
    ExperimentStatus,
    HibernationSchedule,
    Instance,
    LabExperiment,
    OptimizationJob,
    ScanRun,
    ScanStatus,
    Tenant,
)
from spothive.operations.jobs.overdue import is_dead_job, is_silent
from spothive.operations.notifications import outbox
from spothive.operations.notifications.mail_rows import waits_for_digest
from spothive.schema.types import clock_timestamp


def has_late_approvals() -> ColumnElement[bool]:
    """Requests that are past their time and were not executed."""
    open_ones = ApprovalRequest.status.in_([ApprovalStatus.PENDING, ApprovalStatus.APPROVED])
    return exists().where(
        ApprovalRequest.tenant_id == Tenant.id,
        open_ones,
        ApprovalRequest.expires_at < clock_timestamp(),
        ApprovalRequest.executed_at.is_(None),
    )


def has_late_replicas() -> ColumnElement[bool]:
    """Replicas that are past their time and live."""
    return exists().where(
        Instance.tenant_id == Tenant.id,
        Instance.is_replica,
        Instance.replica_of_id.is_not(None),
        Instance.terminated_at.is_(None),
        Instance.replica_expiry <= clock_timestamp(),
    )


def has_dead_scans() -> ColumnElement[bool]:
    """Runs under way whose leases are over."""
    # SQLite takes the index of what is RUNNING only if it reads the word itself, and only to read it from end to end:
    # for one tenant another index looks as good to it.
    running: ColumnElement[str] = literal_column(f"'{ScanStatus.RUNNING}'")
    dead = select(ScanRun.tenant_id).where(ScanRun.status == running, ScanRun.leased_until <= clock_timestamp())
    return Tenant.id.in_(dead)


def has_dead_experiments() -> ColumnElement[bool]:
    """Lab experiments under way whose leases are over."""
    return exists().where(
        LabExperiment.tenant_id == Tenant.id,
        LabExperiment.status == ExperimentStatus.RUNNING,
        LabExperiment.leased_until <= clock_timestamp(),
    )


def has_overdue_actions() -> ColumnElement[bool]:
    """Actions that wait and have expired, or that are leased and whose leases are over."""
    # Literally as the indexes say it, see above.
    pending: ColumnElement[str] = literal_column(f"'{ActionStatus.PENDING}'")
    picked_up: ColumnElement[str] = literal_column(f"'{ActionStatus.PICKED_UP}'")
    mine = AgentAction.tenant_id == Tenant.id
    now = select(clock_timestamp()).scalar_subquery()  # once a statement, so that an index can be asked for it
    is_open = AgentAction.status.in_([pending, picked_up])
    expired = exists().where(mine, is_open, AgentAction.status == pending, AgentAction.expires_at < now)
    dead = exists().where(mine, AgentAction.status == picked_up, AgentAction.leased_until < now)
    return or_(expired, dead)


def has_dead_jobs() -> ColumnElement[bool]:
    """Jobs that wait for nobody any more."""
    return exists().where(OptimizationJob.tenant_id == Tenant.id, is_dead_job())


def has_silent_agents() -> ColumnElement[bool]:
    """Clusters whose agents were there, and are silent."""
    return exists().where(Cluster.tenant_id == Tenant.id, is_silent())


def has_lasting_outages() -> ColumnElement[bool]:
    """Outages of a cluster that last."""
    return exists().where(
        DowntimeLog.tenant_id == Tenant.id, DowntimeLog.end_time.is_(None), DowntimeLog.cluster_id.is_not(None)
    )


def has_dead_dataset_jobs() -> ColumnElement[bool]:
    """Jobs under way that make datasets, whose leases are over."""
    return or_(
        *(
            exists().where(
                model.tenant_id == Tenant.id,
                model.status == DatasetJobStatus.RUNNING,
                model.leased_until <= clock_timestamp(),
            )
            for model in (DatasetImport, DatasetGeneration)
        )
    )


def has_pending_generations() -> ColumnElement[bool]:
    """Datasets that were asked for, and that nobody makes yet."""
    return exists().where(
        DatasetGeneration.tenant_id == Tenant.id, DatasetGeneration.status == DatasetJobStatus.PENDING
    )


def has_schedules() -> ColumnElement[bool]:
    """Clusters with a week of hours."""
    return exists().where(HibernationSchedule.tenant_id == Tenant.id)


def has_accounts() -> ColumnElement[bool]:
    """Accounts, of whatever status."""
    return exists().where(Account.tenant_id == Tenant.id)


def has_due_digests() -> ColumnElement[bool]:
    """Events whose digest's time has come."""
    due = EmailDigestEntry.scheduled_for <= clock_timestamp()
    return exists().where(EmailDigestEntry.tenant_id == Tenant.id, waits_for_digest(), due)


def has_waiting_mails() -> ColumnElement[bool]:
    """Mails that are to be sent now."""
    due = EmailLog.next_attempt_at <= clock_timestamp()
    return exists().where(EmailLog.tenant_id == Tenant.id, outbox.is_waiting(), due)
