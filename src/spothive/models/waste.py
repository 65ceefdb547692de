"""Waste: what an account pays for and nothing uses."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, check, json_object, unique_where
from spothive.models.fleet import Account, ScanKind, ScanRun, ScanStatus
from spothive.schema.refusal import HasColumns, Refusal
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import AsciiText, Money, Text, TextEnum, Whole


class WasteType(enum.StrEnum):
    """Kinds of resource that cost money while nothing uses them."""

    ELASTIC_IP = "elastic_ip"
    EBS_VOLUME = "ebs_volume"
    EBS_SNAPSHOT = "ebs_snapshot"
    AMI = "ami"


class WasteStatus(enum.StrEnum):
    """How far the end of a resource has come."""

    DETECTED = "DETECTED"
    FLAGGED = "FLAGGED"
    SCHEDULED_DELETE = "SCHEDULED_DELETE"
    DELETED = "DELETED"
    RESOLVED = "RESOLVED"


WASTE_LIFE = StateMachine(
    WasteStatus,
    first={WasteStatus.DETECTED},
    moves={
        WasteStatus.DETECTED: {WasteStatus.FLAGGED, WasteStatus.RESOLVED},
        WasteStatus.FLAGGED: {WasteStatus.DETECTED, WasteStatus.SCHEDULED_DELETE, WasteStatus.RESOLVED},
        WasteStatus.SCHEDULED_DELETE: {WasteStatus.FLAGGED, WasteStatus.DELETED, WasteStatus.RESOLVED},
    },
)


def _complete_scan_of(waste: HasColumns) -> sa.Exists:
    runs = ScanRun.__table__
    return sa.exists(
        sa.select(runs.c.id).where(
            runs.c.tenant_id == waste.c.tenant_id,
            runs.c.id == waste.c.scan_run_id,
            runs.c.account_id == waste.c.account_id,
            runs.c.kind == ScanKind.WASTE,
            runs.c.status == ScanStatus.COMPLETE,
        )
    )


class WasteResource(TenantOwned, Timestamped, Base):
    """One resource that nothing was seen to use, with the evidence; seen in use again it is RESOLVED."""

    __tablename__ = "waste_resources"

    account_id: Mapped[UUID] = owned("accounts", comment="account that pays for it")
    scan_run_id: Mapped[UUID | None] = owned(
        "scan_runs", nullable=True, sibling=True, comment="scan that saw it last; deletion needs a COMPLETE one"
    )
    resource_type: Mapped[WasteType] = mapped_column(TextEnum(WasteType), comment="kind of resource")
    resource_id: Mapped[str] = mapped_column(Text(100, 1), comment="AWS's id, for example vol-0123456789abcdef0")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    monthly_cost: Mapped[Decimal] = mapped_column(Money(), comment="what a month of 30 days costs, in currency")
    currency: Mapped[str] = mapped_column(
        AsciiText(3, 3, "A-Z"), default="USD", server_default="USD", comment="ISO 4217 code"
    )
    detected_at: Mapped[datetime] = mapped_column(comment="first time it was seen unused, UTC")
    last_seen_at: Mapped[datetime] = mapped_column(comment="last time it was seen unused, UTC")
    days_unused: Mapped[int] = mapped_column(
        Whole(0, 100_000), default=0, server_default="0", comment="days since anything used it, as far as known"
    )
    status: Mapped[WasteStatus] = WASTE_LIFE.column(comment="how far its end has come")
    scheduled_deletion_date: Mapped[datetime | None] = mapped_column(comment="end of the grace, UTC")
    deleted_at: Mapped[datetime | None] = mapped_column(comment="when AWS confirmed the deletion, UTC")
    plan_hash: Mapped[str | None] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the resource as it was when its deletion was approved"
    )
    undo_recipe: Mapped[dict[str, Any] | None] = json_object(nullable=True, comment="how to get it back, if at all")
    evidence: Mapped[dict[str, Any]] = json_object(comment="references that were looked for, and not found")
    resource_metadata: Mapped[dict[str, Any]] = json_object(comment="the resource as AWS described it")
    reason: Mapped[str] = mapped_column(Text(4000, 1), comment="why it counts as waste, for people")

    account: Mapped[Account] = belongs_to("WasteResource.account_id", back_populates="waste_resources")
    scan_run: Mapped[ScanRun | None] = belongs_to("WasteResource.scan_run_id")

    __table_args__ = (
        unique_where(
            "uq_waste_resources_live",
            "tenant_id",
            "account_id",
            "resource_type",
            "resource_id",
            where="status IN ('DETECTED', 'FLAGGED', 'SCHEDULED_DELETE')",
        ),
        Index(None, "tenant_id", "account_id", "status"),
        Index(None, "tenant_id", "status", "scheduled_deletion_date"),
        check(
            "scheduled",
            "(status = 'SCHEDULED_DELETE') = (scheduled_deletion_date IS NOT NULL)",
            "scheduled_deletion_date is set exactly while a deletion is scheduled",
        ),
        check(
            "planned",
            "status NOT IN ('SCHEDULED_DELETE', 'DELETED') OR plan_hash IS NOT NULL",
            "a deletion holds the hash of what was approved",
        ),
        check(
            "deleted",
            "(status = 'DELETED') = (deleted_at IS NOT NULL)",
            "deleted_at is set exactly when the resource is DELETED",
        ),
        check("seen", "last_seen_at >= detected_at", "a resource is not last seen before it is first seen"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_waste_resources_complete",
                        events=("update",),
                        columns=("status", "scan_run_id", "account_id"),
                        when=lambda _, new: sa.and_(
                            new.c.status == WasteStatus.SCHEDULED_DELETE, sa.not_(_complete_scan_of(new))
                        ),
                        message="only what a COMPLETE waste scan of the account saw can be scheduled for deletion",
                    )
                ]
            }
        },
    )
