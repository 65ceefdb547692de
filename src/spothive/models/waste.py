"""Waste: what an account pays for and nothing uses."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.approvals import ApprovalAction, ApprovalRequest, ApprovalStatus
from spothive.models.base import Base, Timestamped, check, json_object, unique_where
from spothive.models.fleet import Account, ScanKind, ScanRun, ScanStatus
from spothive.schema.refusal import HasColumns, Refusal, older_than
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import AsciiText, Money, Text, TextEnum, Whole, a_day_after


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


def _scans(waste: HasColumns, runs: Any) -> sa.Select[Any]:
    """Return the waste scans of the account of a resource that have ended."""
    return sa.select(runs.c.id).where(
        runs.c.tenant_id == waste.c.tenant_id,
        runs.c.account_id == waste.c.account_id,
        runs.c.kind == ScanKind.WASTE,
        runs.c.status != ScanStatus.RUNNING,
    )


def _seen_by_the_latest(waste: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that the latest scan of the account that has ended saw the resource, and is COMPLETE."""
    run, later = ScanRun.__table__.alias("run"), ScanRun.__table__.alias("later")
    complete = _scans(waste, run).where(run.c.id == waste.c.scan_run_id, run.c.status == ScanStatus.COMPLETE)
    return complete.where(sa.not_(_scans(waste, later).where(later.c.started_at > run.c.started_at).exists())).exists()


def _seen_twice(waste: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that two COMPLETE scans, at least 24 hours apart, saw the resource."""
    first, last = ScanRun.__table__.alias("first"), ScanRun.__table__.alias("last")
    since = waste.c.claimed_since
    began = _scans(waste, first).where(first.c.status == ScanStatus.COMPLETE, first.c.started_at == since)
    again = _scans(waste, last).where(last.c.status == ScanStatus.COMPLETE, last.c.id == waste.c.scan_run_id)
    return sa.and_(began.exists(), again.where(a_day_after(since) <= last.c.started_at).exists())


def _approved(waste: HasColumns) -> sa.Exists:
    """Return the condition that a request to delete the resource by this plan was approved and used."""
    asked: Any = ApprovalRequest.__table__
    used = (asked.c.status == ApprovalStatus.APPROVED, asked.c.executed_at.is_not(None))
    about = (asked.c.tenant_id == waste.c.tenant_id, asked.c.waste_resource_id == waste.c.id)
    plan = (asked.c.action_type == ApprovalAction.DELETE_WASTE, asked.c.plan_hash == waste.c.plan_hash)
    return sa.exists(sa.select(asked.c.id).where(*about, *plan, *used))


def _in_haste(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a deletion begins before its grace has ended, or ends without having begun.

    What is DELETED without having been scheduled is left to the moves.
    """
    was, now, begun = old.c.status, new.c.status, new.c.deletion_begun_at
    over = sa.and_(was == WasteStatus.SCHEDULED_DELETE, older_than(old.c.scheduled_deletion_date, 0))
    begins = sa.and_(begun.is_not(None), old.c.deletion_begun_at.is_distinct_from(begun))
    ends = sa.and_(now == WasteStatus.DELETED, was == WasteStatus.SCHEDULED_DELETE)
    hasty = sa.or_(sa.and_(sa.or_(begins, ends), over.is_not(sa.true())), sa.and_(ends, begun.is_(None)))
    return sa.and_(sa.or_(now != WasteStatus.DELETED, was == WasteStatus.SCHEDULED_DELETE), hasty)


def _another_thing(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    names = ("account_id", "resource_type", "resource_id", "region")
    return sa.or_(*(old.c[name] != new.c[name] for name in names))


def _other_claim(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    was, now = old.c.claimed_since, new.c.claimed_since
    return sa.and_(was.is_not(None), now.is_not(None), was != now)


def _other_plan(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    sooner = new.c.scheduled_deletion_date < old.c.scheduled_deletion_date
    other = sa.or_(sooner, old.c.plan_hash.is_distinct_from(new.c.plan_hash))
    scheduled = WasteStatus.SCHEDULED_DELETE
    return sa.and_(old.c.status == scheduled, new.c.status == scheduled, other)


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
    claimed_since: Mapped[datetime | None] = mapped_column(
        comment="when the first COMPLETE scan began that saw it unused in this way, UTC"
    )
    deletion_begun_at: Mapped[datetime | None] = mapped_column(comment="when AWS was last about to be told, UTC")
    unused_since: Mapped[datetime | None] = mapped_column(
        comment="since when nothing used the volume, as far as known, UTC; NULL of other kinds"
    )

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
        Index(None, "tenant_id", "detected_at"),
        Index(None, "tenant_id", "resource_id"),
        Index(None, "tenant_id", "account_id", "deletion_begun_at"),
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
        check(
            "begun",
            "deletion_begun_at IS NULL OR status IN ('SCHEDULED_DELETE', 'DELETED')",
            "only a deletion that is scheduled begins",
        ),
        check("seen", "last_seen_at >= detected_at", "a resource is not last seen before it is first seen"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_waste_resources_complete",
                        events=("update",),
                        columns=("status", "scan_run_id", "account_id"),
                        only=lambda _, new: new.c.status == WasteStatus.SCHEDULED_DELETE,
                        when=lambda _, new: sa.not_(_seen_by_the_latest(new)),
                        message=(
                            "only what the account's latest waste scan saw can be scheduled for deletion, and only if "
                            "that scan is COMPLETE"
                        ),
                    ),
                    Refusal(
                        rule="lc_waste_resources_approved",
                        events=("update",),
                        columns=("status",),
                        only=lambda old, new: sa.and_(
                            old.c.status == WasteStatus.FLAGGED,
                            new.c.status == WasteStatus.SCHEDULED_DELETE,
                            new.c.plan_hash.is_not(None),
                        ),
                        when=lambda _, new: sa.not_(_approved(new)),
                        message="only what an approved request is used for is scheduled, by the plan that was approved",
                    ),
                    Refusal(
                        rule="lc_waste_resources_flagged",
                        events=("update",),
                        columns=("status",),
                        only=lambda old, new: sa.and_(
                            old.c.status == WasteStatus.DETECTED, new.c.status == WasteStatus.FLAGGED
                        ),
                        when=lambda _, new: sa.not_(_seen_twice(new)),
                        message="only what two COMPLETE waste scans saw, at least 24 hours apart, is flagged",
                    ),
                    Refusal(
                        rule="lc_waste_resources_claimed",
                        events=("update",),
                        columns=("claimed_since",),
                        when=_other_claim,
                        message="since when something is claimed is set once, and emptied: another claim begins anew",
                    ),
                    Refusal(
                        rule="lc_waste_resources_same",
                        events=("update",),
                        columns=("account_id", "resource_type", "resource_id", "region"),
                        when=_another_thing,
                        message="a row never becomes the one of another resource: what was approved is this one",
                    ),
                    Refusal(
                        rule="lc_waste_resources_grace",
                        events=("update",),
                        columns=("status", "deletion_begun_at"),
                        when=_in_haste,
                        message="a deletion begins when its grace has ended, and ends when it has begun",
                    ),
                    Refusal(
                        rule="lc_waste_resources_plan",
                        events=("update",),
                        columns=("plan_hash", "scheduled_deletion_date"),
                        when=_other_plan,
                        message="what is scheduled keeps its plan, and its grace is not shortened",
                    ),
                ]
            }
        },
    )
