"""Audit: who did what to whom, the seals that prove it, and what the system did by itself."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, GlobalTable, Timestamped, check, json_object
from spothive.schema.append_only import AppendOnly
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import AsciiText, Bits64, Bytes, Text, TextEnum, UtcDateTime, Whole, utc_timestamp

DIFF_MAX = 64 * 1024
"""Longest diff an audit row keeps, in characters of canonical JSON."""


SEAL_ROWS = 10_000
"""Most rows that one seal covers."""
LEAF_BYTES = 16 + 32


class ResourceType(enum.StrEnum):
    """Kind of thing an audited action was about."""

    ACCOUNT = "ACCOUNT"
    INSTANCE = "INSTANCE"
    CLUSTER = "CLUSTER"
    TEMPLATE = "TEMPLATE"
    POLICY = "POLICY"
    HIBERNATION = "HIBERNATION"
    USER = "USER"
    TENANT = "TENANT"
    API_KEY = "API_KEY"
    MODEL = "MODEL"
    EXPERIMENT = "EXPERIMENT"
    WASTE = "WASTE"
    APPROVAL = "APPROVAL"
    ACTION = "ACTION"
    RISK = "RISK"
    NOTICE = "NOTICE"
    DATASET = "DATASET"
    SYSTEM = "SYSTEM"


class Outcome(enum.StrEnum):
    """How an audited action ended."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DENIED = "DENIED"


class LogLevel(enum.StrEnum):
    """How serious a system log row is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AuditLog(TenantOwned, Base, outlives_tenant=True):
    """One action on a tenant, done or refused. Written in the transaction of the change it tells of."""

    __tablename__ = "audit_logs"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=utc_timestamp(), comment="UTC; set by PostgreSQL itself"
    )
    txid: Mapped[int] = mapped_column(
        Bits64, default=0, server_default="0", comment="transaction that wrote it; 0 on SQLite"
    )
    actor_id: Mapped[UUID | None] = mapped_column(comment="user; none for spothive itself")
    actor_name: Mapped[str] = mapped_column(Text(255, 1), comment="who acted, by the name of that time")
    event: Mapped[str] = mapped_column(Text(128, 1), comment="for example account.imported")
    resource: Mapped[str] = mapped_column(Text(255, 1), comment="id or name of the thing")
    resource_type: Mapped[ResourceType] = mapped_column(TextEnum(ResourceType), comment="kind of thing")
    outcome: Mapped[Outcome] = mapped_column(TextEnum(Outcome), comment="how it ended")
    ip_address: Mapped[str | None] = mapped_column(Text(45), comment="where the request came from")
    user_agent: Mapped[str | None] = mapped_column(Text(512), comment="program the request came from")
    request_id: Mapped[str | None] = mapped_column(Text(64), comment="web request it happened in")
    diff_before: Mapped[str | None] = mapped_column(Text(DIFF_MAX), comment="canonical JSON; never a secret")
    diff_after: Mapped[str | None] = mapped_column(Text(DIFF_MAX), comment="canonical JSON; never a secret")

    # The database sets timestamp and txid; asking for them back with RETURNING would cost every verb.
    __mapper_args__ = {"primary_key": ["id"], "eager_defaults": False}
    __table_args__ = (
        Index(None, "tenant_id", "timestamp"),
        Index(None, "tenant_id", "txid"),
        Index(None, "tenant_id", "event"),
        Index(None, "tenant_id", "resource"),
        {"info": {"append_only": AppendOnly(stamped=True)}},
    )


class SealAlgorithm(enum.StrEnum):
    """How a seal is signed."""

    RSA_PKCS1_SHA256 = "rsa-pkcs1-sha256"


class AuditSeal(TenantOwned, Base, outlives_tenant=True):
    """A signature over the next rows of a tenant's audit trail; each seal holds the hash of the one before it."""

    __tablename__ = "audit_seals"

    seal_no: Mapped[int] = mapped_column(Whole(1, 2**53), comment="place in the tenant's chain, from 1")
    row_count: Mapped[int] = mapped_column(Whole(1, SEAL_ROWS), comment="audit rows it covers")
    leaves: Mapped[bytes] = mapped_column(
        Bytes(), comment="id (16 bytes) and leaf hash (32) of each row, in the order of the ids"
    )
    merkle_root: Mapped[str] = mapped_column(AsciiText(64, 64, "0-9a-f"), comment="root over the leaves, as RFC 6962")
    previous_seal_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the seal before; all zeros for the first"
    )
    horizon: Mapped[int] = mapped_column(
        Bits64, comment="rows of older transactions are covered by this seal or one before it; 0 on SQLite"
    )
    sealed_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    algorithm: Mapped[SealAlgorithm] = mapped_column(
        TextEnum(SealAlgorithm),
        default=SealAlgorithm.RSA_PKCS1_SHA256,
        server_default=SealAlgorithm.RSA_PKCS1_SHA256.value,
        comment="how it is signed",
    )
    key_id: Mapped[str] = mapped_column(AsciiText(16, 1, "0-9a-f"), comment="which key signed it")
    signature: Mapped[bytes] = mapped_column(Bytes(1024), comment="over the seal's other fields")

    __table_args__ = (
        UniqueConstraint("tenant_id", "seal_no"),
        UniqueConstraint("tenant_id", "previous_seal_hash"),
        check("leaves", f"length(leaves) = row_count * {LEAF_BYTES}", "a seal holds one leaf for each row it covers"),
        check(
            "chain",
            f"(seal_no = 1) = (previous_seal_hash = '{'0' * 64}')",
            "the first seal of a chain, and no other, has none before it",
        ),
        {"info": {"append_only": AppendOnly()}},
    )


class SystemLog(TenantOwned, Base, outlives_tenant=True):
    """One thing the system did, for operators; kept for 30 days."""

    __tablename__ = "system_logs"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when it happened (UTC)"
    )
    user_id: Mapped[UUID | None] = mapped_column(comment="no key: the row outlives the user")
    person_name: Mapped[str | None] = mapped_column(Text(255), comment="who it was about, by the name of that time")
    component: Mapped[str] = mapped_column(Text(50, 1), comment="part of spothive that speaks")
    level: Mapped[LogLevel] = mapped_column(
        TextEnum(LogLevel), default=LogLevel.INFO, server_default="info", comment="how serious it is"
    )
    action: Mapped[str] = mapped_column(Text(100, 1), comment="what it did")
    message: Mapped[str] = mapped_column(Text(), comment="for people; never a secret")
    details: Mapped[dict[str, Any]] = json_object(comment="for machines; never a secret")
    execution_time_ms: Mapped[int | None] = mapped_column(Whole(), comment="milliseconds")

    __table_args__ = (
        Index(None, "tenant_id", "timestamp"),
        Index(None, "tenant_id", "component", "level"),
    )


class ComponentStatus(enum.StrEnum):
    """How well a component does, as its last checks saw it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class ComponentHealth(GlobalTable, Timestamped, Base):
    """How one part of spothive does: the database, the queue, market data, the model, the sealer."""

    __tablename__ = "component_health"

    component: Mapped[str] = mapped_column(Text(50, 1), unique=True, comment="which part")
    status: Mapped[ComponentStatus] = mapped_column(
        TextEnum(ComponentStatus), default=ComponentStatus.UNKNOWN, server_default="unknown", comment="how it does"
    )
    last_success: Mapped[datetime | None] = mapped_column(comment="UTC")
    last_failure: Mapped[datetime | None] = mapped_column(comment="UTC")
    last_check: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    success_count_24h: Mapped[int] = mapped_column(
        Whole(), default=0, server_default="0", comment="checks that passed in the last 24 hours"
    )
    failure_count_24h: Mapped[int] = mapped_column(
        Whole(), default=0, server_default="0", comment="checks that failed in the last 24 hours"
    )
    avg_execution_time_ms: Mapped[int | None] = mapped_column(Whole(), comment="of a check, in milliseconds")
    error_message: Mapped[str | None] = mapped_column(Text(), comment="of the last check that failed")
    component_metadata: Mapped[dict[str, Any]] = json_object(comment="what else the check saw")

    __table_args__ = ({"info": {"global": "the parts of spothive serve every tenant"}},)


class SweepLease(GlobalTable, Timestamped, Base):
    """Who does a periodic duty now, and how it went last time."""

    __tablename__ = "sweep_leases"

    name: Mapped[str] = mapped_column(Text(100, 1), unique=True, comment="which duty")
    holder: Mapped[str] = mapped_column(Text(255, 1), comment="process that has it")
    leased_until: Mapped[datetime] = mapped_column(comment="after this another may take it, UTC")
    last_run_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    last_result: Mapped[str | None] = mapped_column(Text(), comment="what came of it")

    __table_args__ = ({"info": {"global": "one process sweeps for all tenants"}},)
