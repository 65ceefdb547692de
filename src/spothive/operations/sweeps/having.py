"""Which tenants a duty has something to do for: what costs each of many tenants nothing, minute by minute.

Each is part of a query over ``tenants`` in system scope, and finds its rows by an index: one that begins with the
tenant, or one of those few rows. It may find too much, never too little: the verb decides.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, literal_column, or_, select

from spothive.models import (
    Account,
    ApprovalRequest,
    ApprovalStatus,
    DatasetGeneration,
    DatasetImport,
    DatasetJobStatus,
    ExperimentStatus,
    HibernationSchedule,
    Instance,
    LabExperiment,
    ScanRun,
    ScanStatus,
    Tenant,
)
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
