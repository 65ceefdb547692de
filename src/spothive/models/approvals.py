"""Approvals: risky actions wait for somebody who answers for them, and not for ever."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, json_object, unique_where
from spothive.schema.refusal import Refusal, set_once
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import AsciiText, Text, TextEnum, UtcDateTime, utc_timestamp

if TYPE_CHECKING:
    from spothive.models.clusters import Cluster
    from spothive.models.fleet import Instance
    from spothive.models.waste import WasteResource


class ApprovalAction(enum.StrEnum):
    """What is to be done once somebody has approved it."""

    SWITCH_INSTANCE = "SWITCH_INSTANCE"
    TERMINATE_ROGUE = "TERMINATE_ROGUE"
    DELETE_WASTE = "DELETE_WASTE"
    HIBERNATE_CLUSTER = "HIBERNATE_CLUSTER"


class RiskLevel(enum.StrEnum):
    """How bad it is if the action was wrong; it decides who may approve and for how long the request stands."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class ApprovalStatus(enum.StrEnum):
    """How far a request is."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class DecidedBy(enum.StrEnum):
    """Who decided: a person, or a policy of the tenant."""

    PERSON = "person"
    POLICY = "policy"


APPROVAL_LIFE = StateMachine(
    ApprovalStatus,
    first={ApprovalStatus.PENDING},
    moves={
        ApprovalStatus.PENDING: {ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED},
        ApprovalStatus.APPROVED: {ApprovalStatus.EXPIRED},
    },
)


_ASKED = (
    "requester_id",
    "requester_name",
    "action_type",
    "instance_id",
    "waste_resource_id",
    "cluster_id",
    "action_payload",
    "plan_hash",
    "risk_level",
    "requested_at",
    "expires_at",
)

_DECIDED = ("decided_at", "decided_by", "approver_id", "approver_name")


class ApprovalRequest(TenantOwned, Timestamped, Base):
    """A request to do one thing to one target; approved, it may be executed once, before it expires."""

    __tablename__ = "approval_requests"

    requester_id: Mapped[UUID | None] = mapped_column(comment="user who asks; none for spothive itself; no key")
    requester_name: Mapped[str] = mapped_column(Text(255, 1), comment="who asks, as of then")
    decided_by: Mapped[DecidedBy | None] = mapped_column(TextEnum(DecidedBy), comment="kind of whoever decided")
    approver_id: Mapped[UUID | None] = mapped_column(comment="user who approved or rejected; no key")
    approver_name: Mapped[str | None] = mapped_column(Text(255, 1), comment="who that was, as of then")
    action_type: Mapped[ApprovalAction] = mapped_column(TextEnum(ApprovalAction), comment="what is to be done")
    instance_id: Mapped[UUID | None] = owned("instances", nullable=True, comment="target of a switch or termination")
    waste_resource_id: Mapped[UUID | None] = owned("waste_resources", nullable=True, comment="target of a deletion")
    cluster_id: Mapped[UUID | None] = owned("clusters", nullable=True, comment="target of a hibernation")
    action_description: Mapped[str] = mapped_column(Text(4000, 1), comment="what would happen, for people")
    risk_level: Mapped[RiskLevel] = mapped_column(TextEnum(RiskLevel), comment="how bad a mistake would be")
    action_payload: Mapped[dict[str, Any]] = json_object(comment="what exactly is to be done")
    plan_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the payload and of the target as it was seen"
    )
    status: Mapped[ApprovalStatus] = APPROVAL_LIFE.column(comment="how far the request is")
    rejection_reason: Mapped[str | None] = mapped_column(Text(), comment="why it was rejected")
    requested_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    expires_at: Mapped[datetime] = mapped_column(comment="neither decided nor executed after this, UTC")
    decided_at: Mapped[datetime | None] = mapped_column(comment="when it was approved or rejected, UTC")
    executed_at: Mapped[datetime | None] = mapped_column(comment="when it was executed, UTC: once")

    instance: Mapped["Instance | None"] = belongs_to("ApprovalRequest.instance_id")
    waste_resource: Mapped["WasteResource | None"] = belongs_to("ApprovalRequest.waste_resource_id")
    cluster: Mapped["Cluster | None"] = belongs_to("ApprovalRequest.cluster_id")

    __table_args__ = (
        Index(None, "tenant_id", "status", "expires_at"),
        Index(None, "tenant_id", "requested_at"),
        Index(None, "tenant_id", "requester_id"),
        *(
            unique_where(
                f"uq_approval_requests_{target}", "tenant_id", f"{target}_id", "action_type", where="status = 'PENDING'"
            )
            for target in ("instance", "waste_resource", "cluster")
        ),
        check(
            "target",
            "(instance_id IS NOT NULL) = (action_type IN ('SWITCH_INSTANCE', 'TERMINATE_ROGUE')) "
            "AND (waste_resource_id IS NOT NULL) = (action_type = 'DELETE_WASTE') "
            "AND (cluster_id IS NOT NULL) = (action_type = 'HIBERNATE_CLUSTER')",
            "a request names exactly one target, of the kind its action is about",
        ),
        check(
            "decided",
            "CASE status WHEN 'PENDING' THEN decided_at IS NULL WHEN 'EXPIRED' THEN true "
            "ELSE decided_at IS NOT NULL END AND (decided_by IS NULL) = (decided_at IS NULL)",
            "decided_at and decided_by are set exactly when the request was decided",
        ),
        check(
            "approver",
            "(decided_by IS NOT NULL AND decided_by = 'person') = (approver_id IS NOT NULL) "
            "AND (approver_id IS NULL) = (approver_name IS NULL)",
            "a decision of a person names that person, one of a policy nobody",
        ),
        check("four_eyes", "approver_id <> requester_id", "nobody decides on a request of their own"),
        check(
            "rejection",
            "rejection_reason IS NULL OR status = 'REJECTED'",
            "only a rejected request holds a reason for it",
        ),
        check("executed", "executed_at IS NULL OR status = 'APPROVED'", "only an approved request is executed"),
        check("window", "expires_at > requested_at", "a request expires after it was made"),
        check(
            "in_time",
            "(decided_at IS NULL OR decided_at <= expires_at) AND (executed_at IS NULL OR executed_at <= expires_at)",
            "nothing is decided or executed after the request has expired",
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_approval_requests_asked",
                        events=("update",),
                        columns=_ASKED,
                        when=lambda old, new: sa.or_(*(old.c[c].is_distinct_from(new.c[c]) for c in _ASKED)),
                        message="what was asked for never changes: withdraw the request and make another",
                    ),
                    Refusal(
                        rule="lc_approval_requests_decided_once",
                        events=("update",),
                        columns=_DECIDED,
                        # A move to another status is judged by the moves: only PENDING leads to a decision.
                        when=lambda old, new: sa.and_(
                            old.c.status == new.c.status,
                            sa.or_(*(old.c[c].is_distinct_from(new.c[c]) for c in _DECIDED)),
                            old.c.decided_at.is_not(None),
                        ),
                        message="a decision is taken once and stays as it was taken",
                    ),
                    set_once(
                        "approval_requests",
                        "executed_at",
                        message="an approved request is executed once: executed_at never changes",
                    ),
                ]
            }
        },
    )
