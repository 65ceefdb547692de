"""Audit: who did what to whom, and what the system did by itself."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, json_object
from spothive.schema.append_only import AppendOnly
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import Bits64, Text, TextEnum, UtcDateTime, Whole, utc_timestamp

DIFF_MAX = 64 * 1024
"""Longest diff an audit row keeps, in characters of canonical JSON."""


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
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC; set by PostgreSQL itself"
    )
    txid: Mapped[int] = mapped_column(
        Bits64, default=0, server_default="0", comment="transaction that wrote it; 0 on SQLite"
    )
    actor_id: Mapped[UUID | None] = mapped_column(comment="user; none for spothive itself")
    actor_name: Mapped[str] = mapped_column(Text(255, 1))
    event: Mapped[str] = mapped_column(Text(128, 1), comment="for example account.imported")
    resource: Mapped[str] = mapped_column(Text(255, 1), comment="id or name of the thing")
    resource_type: Mapped[ResourceType] = mapped_column(TextEnum(ResourceType))
    outcome: Mapped[Outcome] = mapped_column(TextEnum(Outcome))
    ip_address: Mapped[str | None] = mapped_column(Text(45))
    user_agent: Mapped[str | None] = mapped_column(Text(512))
    request_id: Mapped[str | None] = mapped_column(Text(64))
    diff_before: Mapped[str | None] = mapped_column(Text(DIFF_MAX), comment="canonical JSON; never a secret")
    diff_after: Mapped[str | None] = mapped_column(Text(DIFF_MAX), comment="canonical JSON; never a secret")

    # The database sets timestamp and txid; asking for them back with RETURNING would cost every verb.
    __mapper_args__ = {"primary_key": ["id"], "eager_defaults": False}
    __table_args__ = (
        Index(None, "tenant_id", "timestamp"),
        Index(None, "tenant_id", "event"),
        Index(None, "tenant_id", "resource"),
        {"info": {"append_only": AppendOnly(stamped=True)}},
    )


class SystemLog(TenantOwned, Base, outlives_tenant=True):
    """One thing the system did, for operators; kept for 30 days."""

    __tablename__ = "system_logs"

    timestamp: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, server_default=utc_timestamp())
    user_id: Mapped[UUID | None] = mapped_column(comment="no key: the row outlives the user")
    person_name: Mapped[str | None] = mapped_column(Text(255))
    component: Mapped[str] = mapped_column(Text(50, 1))
    level: Mapped[LogLevel] = mapped_column(TextEnum(LogLevel), default=LogLevel.INFO, server_default="info")
    action: Mapped[str] = mapped_column(Text(100, 1))
    message: Mapped[str] = mapped_column(Text())
    details: Mapped[dict[str, Any]] = json_object()
    execution_time_ms: Mapped[int | None] = mapped_column(Whole(), comment="milliseconds")

    __table_args__ = (
        Index(None, "tenant_id", "timestamp"),
        Index(None, "tenant_id", "component", "level"),
    )
