"""Fleet: AWS accounts, their instances, and the scans that found them."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, synonym

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, json_object
from spothive.models.clusters import Cluster
from spothive.models.identity import Tenant, User
from spothive.schema.append_only import AppendOnly
from spothive.schema.refusal import HasColumns, Refusal, older_than
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import (
    Bits64,
    Fraction,
    Money,
    Text,
    TextEnum,
    UtcDateTime,
    Whole,
    utc_timestamp,
)

DAY = 24
UNITS_KEPT_HOURS = 90 * DAY
LOGS_KEPT_HOURS = 365 * DAY


class EnvironmentType(enum.StrEnum):
    """Whether interruptions of an account count for the hive (PROD) or are experiments (LAB)."""

    PROD = "PROD"
    LAB = "LAB"


class ConnectionMethod(enum.StrEnum):
    """How spothive knows of an account."""

    IAM_ROLE = "iam_role"
    ACCESS_KEYS = "access_keys"
    IMPORT = "import"


class AccountStatus(enum.StrEnum):
    """How far an account is connected."""

    PENDING = "pending"
    CONNECTED = "connected"
    ACTIVE = "active"
    FAILED = "failed"


class InstanceState(enum.StrEnum):
    """State as EC2 reports it: an observation."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


class Lifecycle(enum.StrEnum):
    """How an instance is paid for."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class AuthStatus(enum.StrEnum):
    """Whether somebody answers for an instance."""

    AUTHORIZED = "authorized"
    FLAGGED = "flagged"
    UNAUTHORIZED = "unauthorized"
    TERMINATED = "terminated"


class OrchestratorType(enum.StrEnum):
    """What runs an instance."""

    KUBERNETES = "KUBERNETES"
    STANDALONE = "STANDALONE"


class PipelineMode(enum.StrEnum):
    """Which decision pipeline an instance goes through."""

    CLUSTER = "CLUSTER"
    LINEAR = "LINEAR"


class ScanKind(enum.StrEnum):
    """What a scan looks for."""

    DISCOVERY = "discovery"
    WASTE = "waste"
    IMPORT = "import"


class ScanStatus(enum.StrEnum):
    """How a scan ended."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class UnitStatus(enum.StrEnum):
    """How one region of a scan ended."""

    PENDING = "PENDING"
    DONE = "DONE"
    FAILED = "FAILED"


ACCOUNT_LIFE = StateMachine(
    AccountStatus,
    first={AccountStatus.PENDING},
    moves={
        AccountStatus.PENDING: {AccountStatus.CONNECTED},
        AccountStatus.CONNECTED: {AccountStatus.ACTIVE, AccountStatus.FAILED},
        AccountStatus.ACTIVE: {AccountStatus.FAILED},
        AccountStatus.FAILED: {AccountStatus.CONNECTED},
    },
)
AUTH_LIFE = StateMachine(
    AuthStatus,
    first={AuthStatus.AUTHORIZED, AuthStatus.FLAGGED},
    moves={
        AuthStatus.AUTHORIZED: {AuthStatus.FLAGGED},
        AuthStatus.FLAGGED: {AuthStatus.AUTHORIZED, AuthStatus.UNAUTHORIZED},
        AuthStatus.UNAUTHORIZED: {AuthStatus.AUTHORIZED, AuthStatus.TERMINATED},
    },
)
SCAN_LIFE = StateMachine(
    ScanStatus,
    first={ScanStatus.RUNNING},
    moves={ScanStatus.RUNNING: {ScanStatus.COMPLETE, ScanStatus.PARTIAL, ScanStatus.FAILED}},
)
UNIT_LIFE = StateMachine(
    UnitStatus,
    first={UnitStatus.PENDING},
    moves={UnitStatus.PENDING: {UnitStatus.DONE, UnitStatus.FAILED}},
)


_PLACEHOLDER = (
    "substr(account_id, 1, 8) = 'pending-' AND length(account_id) > 8 "
    "AND length(trim(substr(account_id, 9), '0123456789abcdef')) = 0"
)
"""No LIKE: on SQLite it is blind to case."""


class Account(TenantOwned, Timestamped, Base):
    """One AWS account of a tenant, or the placeholder of one that has not proved itself yet."""

    __tablename__ = "accounts"

    user_id: Mapped[UUID] = owned("users")
    account_id: Mapped[str] = mapped_column(
        Text(64, 1), unique=True, comment="12 digits once AWS has proved it, until then pending-<hex>"
    )
    aws_account_id: Mapped[str] = synonym("account_id")
    account_name: Mapped[str] = mapped_column(Text(100, 1))
    environment_type: Mapped[EnvironmentType] = mapped_column(
        TextEnum(EnvironmentType), default=EnvironmentType.LAB, server_default=EnvironmentType.LAB.value
    )
    connection_method: Mapped[ConnectionMethod] = mapped_column(TextEnum(ConnectionMethod))
    role_arn: Mapped[str | None] = mapped_column(Text(2048))
    external_id: Mapped[str | None] = mapped_column(Text(64, 1), unique=True, comment="ours, random")
    aws_access_key_id: Mapped[str | None] = mapped_column(Text(), comment="sealed")
    aws_secret_access_key: Mapped[str | None] = mapped_column(Text(), comment="sealed")
    region: Mapped[str] = mapped_column(Text(32, 1), default="us-east-1", server_default="us-east-1")
    status: Mapped[AccountStatus] = ACCOUNT_LIFE.column()
    status_reason: Mapped[str | None] = mapped_column(Text())
    account_metadata: Mapped[dict[str, Any]] = json_object()
    last_discovered_at: Mapped[datetime | None]
    disconnecting_at: Mapped[datetime | None] = mapped_column(comment="tombstone: invisible, being deleted in batches")

    user: Mapped[User] = belongs_to("Account.user_id")
    clusters: Mapped[list[Cluster]] = has_many("Cluster.account_id", back_populates="account")
    instances: Mapped[list[Instance]] = has_many("Instance.account_id", back_populates="account")

    __table_args__ = (
        UniqueConstraint("tenant_id", "account_name"),
        Index(None, "tenant_id", "status"),
        CheckConstraint(
            "status = 'pending' OR connection_method <> 'iam_role' "
            "OR (role_arn IS NOT NULL AND external_id IS NOT NULL)",
            name="role_proof",
            info={"message": "an account connected by role has its role ARN and external id"},
        ),
        CheckConstraint(
            "status = 'pending' OR connection_method <> 'access_keys' "
            "OR (aws_access_key_id IS NOT NULL AND aws_secret_access_key IS NOT NULL)",
            name="key_proof",
            info={"message": "an account connected by keys has both keys"},
        ),
        CheckConstraint(
            f"{_PLACEHOLDER} AND status = 'pending' "
            "OR length(account_id) = 12 AND length(trim(account_id, '0123456789')) = 0",
            name="account_id_form",
            info={"message": "an AWS account id is 12 digits; a pending account has pending- and hexadecimal"},
        ),
        CheckConstraint(
            f"connection_method <> 'import' OR (status = 'pending' AND {_PLACEHOLDER} AND environment_type = 'LAB')",
            name="import_unproven",
            info={"message": "an imported account proves nothing: it stays pending and LAB until it is connected"},
        ),
        CheckConstraint(
            "environment_type = 'LAB' OR status <> 'pending'",
            name="prod_proven",
            info={"message": "only a connected account can be PROD"},
        ),
    )


class AccountLog(TenantOwned, Base, outlives_tenant=True):
    """One thing that happened to an account; kept for 365 days, longer than the account itself if need be."""

    __tablename__ = "account_logs"

    timestamp: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, server_default=utc_timestamp())
    account_id: Mapped[UUID] = mapped_column(comment="row in accounts; no key, the log outlives it")
    action: Mapped[str] = mapped_column(Text(64, 1))
    from_status: Mapped[AccountStatus | None] = mapped_column(TextEnum(AccountStatus))
    to_status: Mapped[AccountStatus | None] = mapped_column(TextEnum(AccountStatus))
    details: Mapped[dict[str, Any]] = json_object()
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(Text(255, 1))

    __table_args__ = (
        Index(None, "tenant_id", "account_id", "timestamp"),
        Index(None, "tenant_id", "timestamp"),
        {"info": {"append_only": AppendOnly(prune_after_hours=LOGS_KEPT_HOURS)}},
    )


class Instance(TenantOwned, Timestamped, Base):
    """One EC2 instance as AWS last described it, and what spothive makes of it."""

    __tablename__ = "instances"

    account_id: Mapped[UUID] = owned("accounts")
    cluster_id: Mapped[UUID | None] = owned("clusters", nullable=True, sibling=True, detach=True)
    instance_id: Mapped[str] = mapped_column(Text(50, 1), comment="EC2's id")
    instance_type: Mapped[str] = mapped_column(Text(32, 1))
    region: Mapped[str] = mapped_column(Text(32, 1))
    availability_zone: Mapped[str] = mapped_column(Text(32, 1))
    state: Mapped[InstanceState] = mapped_column(TextEnum(InstanceState))
    lifecycle: Mapped[Lifecycle] = mapped_column(TextEnum(Lifecycle))
    cpu: Mapped[int | None] = mapped_column(Whole(1, 100_000), comment="vCPUs")
    memory: Mapped[int | None] = mapped_column(Whole(1, 2**40), comment="MiB")
    cpu_util: Mapped[float | None] = mapped_column(Fraction(0, 100), comment="percent")
    memory_util: Mapped[float | None] = mapped_column(Fraction(0, 100), comment="percent")
    price: Mapped[Decimal | None] = mapped_column(Money(), comment="USD per hour")
    auth_status: Mapped[AuthStatus] = AUTH_LIFE.column(
        default=AuthStatus.AUTHORIZED, server_default=AuthStatus.AUTHORIZED.value
    )
    flagged_at: Mapped[datetime | None]
    orchestrator_type: Mapped[OrchestratorType] = mapped_column(
        TextEnum(OrchestratorType), default=OrchestratorType.STANDALONE, server_default="STANDALONE"
    )
    cluster_membership: Mapped[dict[str, Any] | None] = json_object(
        nullable=True, comment="cluster_name, node_group, role"
    )
    pipeline_mode: Mapped[PipelineMode] = mapped_column(
        TextEnum(PipelineMode), default=PipelineMode.LINEAR, server_default="LINEAR"
    )
    is_shadow_mode: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    assigned_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("ml_models.id"), index=True)
    is_replica: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    replica_of_id: Mapped[UUID | None] = owned("instances", nullable=True, sibling=True)
    replica_expiry: Mapped[datetime | None]
    launched_at: Mapped[datetime | None]
    content_hash: Mapped[int] = mapped_column(Bits64, comment="of what AWS said; a re-scan writes only what differs")
    terminated_at: Mapped[datetime | None]
    last_evaluation: Mapped[datetime | None]
    instance_metadata: Mapped[dict[str, Any]] = json_object(comment="tags, vpc_id, subnet_id")

    account: Mapped[Account] = belongs_to("Instance.account_id", back_populates="instances")
    cluster: Mapped[Cluster | None] = belongs_to("Instance.cluster_id", back_populates="instances")
    replica_of: Mapped[Instance | None] = belongs_to(
        "Instance.replica_of_id", remote_side="Instance.id", back_populates="replicas"
    )
    replicas: Mapped[list[Instance]] = has_many("Instance.replica_of_id", back_populates="replica_of")

    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id"),
        Index(None, "tenant_id", "account_id", "state"),
        Index(None, "tenant_id", "availability_zone", "instance_type"),
        Index(
            "uq_instances_live_replica",
            "tenant_id",
            "replica_of_id",
            unique=True,
            postgresql_where=sa.text("is_replica AND terminated_at IS NULL"),
            sqlite_where=sa.text("is_replica AND terminated_at IS NULL"),
        ),
        CheckConstraint(
            "is_replica = (replica_of_id IS NOT NULL) AND is_replica = (replica_expiry IS NOT NULL)",
            name="replica",
            info={"message": "a replica names its primary and its expiry, and nothing else does"},
        ),
        CheckConstraint(
            "(state = 'terminated') = (terminated_at IS NOT NULL)",
            name="terminated",
            info={"message": "terminated_at is set exactly when the instance is terminated"},
        ),
        CheckConstraint(
            "replica_of_id <> id", name="own_replica", info={"message": "an instance is no replica of itself"}
        ),
    )


def _units(run: HasColumns, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    units = ScanUnit.__table__
    mine = (units.c.tenant_id == run.c.tenant_id, units.c.scan_run_id == run.c.id)
    return sa.select(sa.func.count()).select_from(units).where(*mine, *where).scalar_subquery()


def _all_done(run: HasColumns) -> sa.ColumnElement[bool]:
    done = _units(run, ScanUnit.__table__.c.status == UnitStatus.DONE)
    return sa.and_(_units(run) == run.c.units_expected, done == run.c.units_expected)


def _tenant_of(row: HasColumns) -> sa.ColumnElement[bool]:
    tenants = Tenant.__table__
    return sa.exists(sa.select(tenants.c.id).where(tenants.c.id == row.c.tenant_id))


def _run_of(unit: HasColumns) -> sa.Select[Any]:
    runs = ScanRun.__table__
    return sa.select(runs.c.id).where(runs.c.tenant_id == unit.c.tenant_id, runs.c.id == unit.c.scan_run_id)


class ScanRun(TenantOwned, Timestamped, Base):
    """One look at an account. What it did not see is unknown unless the run is COMPLETE."""

    __tablename__ = "scan_runs"

    account_id: Mapped[UUID] = owned("accounts")
    kind: Mapped[ScanKind] = mapped_column(TextEnum(ScanKind))
    status: Mapped[ScanStatus] = SCAN_LIFE.column()
    units_expected: Mapped[int] = mapped_column(Whole(1, 10_000), comment="regions x kinds that were to be looked at")
    lease_token: Mapped[UUID] = mapped_column(comment="who may write to the run")
    leased_until: Mapped[datetime] = mapped_column(comment="after this the run may be taken over")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, server_default=utc_timestamp())
    finished_at: Mapped[datetime | None]
    seen: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    added: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    changed: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    vanished: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    error: Mapped[str | None] = mapped_column(Text())

    __table_args__ = (
        CheckConstraint(
            "(status = 'RUNNING') = (finished_at IS NULL)",
            name="finished",
            info={"message": "finished_at is set exactly when the run has ended"},
        ),
        Index(None, "tenant_id", "started_at"),
        Index(
            "uq_scan_runs_running",
            "tenant_id",
            "account_id",
            "kind",
            unique=True,
            postgresql_where=sa.text("status = 'RUNNING'"),
            sqlite_where=sa.text("status = 'RUNNING'"),
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_scan_runs_complete",
                        events=("update",),
                        columns=("status",),
                        when=lambda old, new: sa.and_(
                            old.c.status == ScanStatus.RUNNING,
                            sa.or_(
                                sa.and_(new.c.status == ScanStatus.COMPLETE, sa.not_(_all_done(new))),
                                sa.and_(new.c.status == ScanStatus.PARTIAL, _all_done(new)),
                            ),
                        ),
                        message="a run is COMPLETE exactly when every expected unit exists and is DONE",
                    ),
                    Refusal(
                        rule="lc_scan_runs_ended",
                        events=("update",),
                        when=lambda old, _: old.c.status != ScanStatus.RUNNING,
                        message="a run that has ended is not changed",
                    ),
                ]
            }
        },
    )


class ScanUnit(TenantOwned, Timestamped, Base):
    """One region of one kind within a run. What a FAILED unit did not see is unknown, never vanished."""

    __tablename__ = "scan_units"

    scan_run_id: Mapped[UUID] = owned("scan_runs")
    region: Mapped[str] = mapped_column(Text(32, 1))
    resource_kind: Mapped[str] = mapped_column(Text(32, 1), comment="for example instances")
    status: Mapped[UnitStatus] = UNIT_LIFE.column()
    pages: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    items: Mapped[int] = mapped_column(Whole(), default=0, server_default="0")
    error: Mapped[str | None] = mapped_column(Text())

    __table_args__ = (
        UniqueConstraint("tenant_id", "scan_run_id", "region", "resource_kind"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_scan_units_frozen",
                        events=("insert", "update"),
                        when=lambda _, new: (
                            _run_of(new).where(ScanRun.__table__.c.status != ScanStatus.RUNNING).exists()
                        ),
                        # A run being completed at this moment must see this unit, or this unit its end.
                        lock=lambda _, new: _run_of(new).with_for_update(read=True),
                        message="the units of a run freeze when the run ends",
                    ),
                    Refusal(
                        rule="lc_scan_units_run",
                        events=("update",),
                        columns=("scan_run_id",),
                        when=lambda old, new: old.c.scan_run_id != new.c.scan_run_id,
                        message="a unit never changes its run: it is the evidence of this one",
                    ),
                    Refusal(
                        rule="lc_scan_units_kept",
                        events=("delete",),
                        # When the run or the tenant has gone, this is their cascade.
                        when=lambda old, _: sa.and_(
                            _run_of(old).exists(),
                            _tenant_of(old),
                            sa.not_(older_than(old.c.updated_at, UNITS_KEPT_HOURS)),
                        ),
                        message="the units of a run are its evidence: they go with the run, or after 90 days",
                    ),
                ]
            }
        },
    )
