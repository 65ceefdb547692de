"""Notifications: who wants to hear of what and how, and the outboxes that deliveries leave from."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, index_where, json_object, names, unique_where
from spothive.models.identity import User
from spothive.schema.refusal import HasColumns, Refusal, rewritten, set_once
from spothive.schema.sealed import Sealed
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Email, Text, TextEnum, UtcDateTime, Whole, utc_timestamp


class NoticeEvent(enum.StrEnum):
    """What somebody can be told of."""

    ACCOUNT_FAILED = "account.failed"
    SCAN_PARTIAL = "scan.partial"
    SPOT_INTERRUPTION = "spot.interruption"
    SPOT_POOL_BLOCKED = "spot.pool_blocked"
    DECISION_FAILED = "decision.failed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    WASTE_FLAGGED = "waste.flagged"
    WASTE_DELETED = "waste.deleted"
    DOWNTIME_RECORDED = "downtime.recorded"
    DOWNTIME_BUDGET_EXCEEDED = "downtime.budget_exceeded"
    MODEL_ACTIVATED = "model.activated"
    AGENT_OFFLINE = "agent.offline"
    WEBHOOK_DISABLED = "webhook.disabled"
    DIGEST_WEEKLY = "digest.weekly"


class EmailFrequency(enum.StrEnum):
    """When a mail is sent."""

    IMMEDIATE = "immediate"
    DIGEST_DAILY = "digest_daily"
    DIGEST_WEEKLY = "digest_weekly"


class DeliveryStatus(enum.StrEnum):
    """How far a delivery is; ``failed`` is given up, not tried again."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class EmailProvider(enum.StrEnum):
    """Who carries a mail."""

    SMTP = "smtp"
    CONSOLE = "console"


class WebhookProvider(enum.StrEnum):
    """Who receives a webhook."""

    SLACK = "slack"
    WEBHOOK = "webhook"


class WebhookError(enum.StrEnum):
    """Why an attempt to deliver failed."""

    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    INVALID_URL = "invalid_url"
    HTTP = "http"
    REFUSED_ADDRESS = "refused_address"


DELIVERY_LIFE = StateMachine(
    DeliveryStatus,
    first={DeliveryStatus.PENDING},
    moves={DeliveryStatus.PENDING: {DeliveryStatus.SENT, DeliveryStatus.FAILED}},
)
WEBHOOK_LIFE = StateMachine(
    DeliveryStatus,
    first={DeliveryStatus.PENDING},
    moves={
        DeliveryStatus.PENDING: {DeliveryStatus.SENT, DeliveryStatus.FAILED},
        DeliveryStatus.SENT: {DeliveryStatus.PENDING},
        DeliveryStatus.FAILED: {DeliveryStatus.PENDING},
    },
)
"""A webhook that has come to its end is sent once more when somebody asks for that."""

FAILURES_MAX = 10
"""Failed attempts in a row after which nothing more is sent to a webhook until somebody enables it."""

ATTEMPTS_MAX = 100
"""Attempts that one delivery can ever have."""


def _delivery_rules() -> tuple[CheckConstraint, CheckConstraint]:
    return (
        check("sent", "(status = 'sent') = (sent_at IS NOT NULL)", "sent_at is set exactly when it was sent"),
        check("waiting", "status = 'pending' OR next_attempt_at IS NULL", "only what is pending has a next attempt"),
    )


class NotificationPreference(TenantOwned, Timestamped, Base):
    """How one user wants to hear of one kind of event."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[UUID] = owned("users", comment="who is told")
    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what")
    email_enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true(), comment="by e-mail")
    in_app_enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true(), comment="by a notice")
    slack_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), comment="in Slack")
    webhook_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), comment="by webhook")
    email_frequency: Mapped[EmailFrequency] = mapped_column(
        TextEnum(EmailFrequency),
        default=EmailFrequency.IMMEDIATE,
        server_default="immediate",
        comment="when a mail is sent",
    )

    user: Mapped[User] = belongs_to("NotificationPreference.user_id")

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "event_type"),)


class Notice(TenantOwned, Timestamped, Base):
    """Something one user is told in the application."""

    __tablename__ = "notices"

    user_id: Mapped[UUID] = owned("users", comment="who is told")
    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what")
    title: Mapped[str] = mapped_column(Text(255, 1), comment="in one line")
    body: Mapped[str] = mapped_column(Text(), comment="in full")
    link: Mapped[str | None] = mapped_column(Text(2048), comment="where to read on")
    read_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    user: Mapped[User] = belongs_to("Notice.user_id")

    __table_args__ = (
        Index(None, "tenant_id", "user_id", "created_at"),
        Index(None, "tenant_id", "created_at"),
        index_where("ix_notices_unread", "tenant_id", "user_id", "created_at", where="read_at IS NULL"),
    )


class EmailLog(TenantOwned, Timestamped, Base):
    """One mail: written with the change it tells of, sent after that change is committed."""

    __tablename__ = "email_logs"

    user_id: Mapped[UUID | None] = mapped_column(comment="whom it is for; no key, the log outlives the user")
    recipient_email: Mapped[str] = mapped_column(Email(), comment="where it goes")
    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what it tells")
    subject: Mapped[str] = mapped_column(Text(255, 1), comment="subject line")
    template_name: Mapped[str] = mapped_column(Text(100, 1), comment="text it is made from")
    event_data: Mapped[dict[str, Any]] = json_object(comment="what fills the text; never a secret")
    provider: Mapped[EmailProvider] = mapped_column(
        TextEnum(EmailProvider), default=EmailProvider.SMTP, server_default="smtp", comment="who carries it"
    )
    message_id: Mapped[str | None] = mapped_column(Text(255), comment="Message-ID: equal over attempts")
    status: Mapped[DeliveryStatus] = DELIVERY_LIFE.column(comment="how far it is")
    last_error: Mapped[str | None] = mapped_column(Text(), comment="why the last attempt failed")
    attempts: Mapped[int] = mapped_column(Whole(0, 100), default=0, server_default="0", comment="attempts so far")
    next_attempt_at: Mapped[datetime | None] = mapped_column(comment="not tried before, UTC")
    sent_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    __table_args__ = (
        index_where("ix_email_logs_waiting", "tenant_id", "next_attempt_at", where="status = 'pending'"),
        unique_where("uq_email_logs_message_id", "tenant_id", "message_id", where="message_id IS NOT NULL"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "tenant_id", "user_id", "created_at"),
        *_delivery_rules(),
        {"info": {"refusals": [set_once("email_logs", "message_id", message="a mail keeps its Message-ID")]}},
    )


class EmailDigestEntry(TenantOwned, Timestamped, Base):
    """One event that waits for the next digest of a user."""

    __tablename__ = "email_digest_queue"

    user_id: Mapped[UUID] = owned("users", comment="whose digest it goes into")
    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what it tells")
    event_data: Mapped[dict[str, Any]] = json_object(comment="what the digest says of it; never a secret")
    scheduled_for: Mapped[datetime] = mapped_column(comment="time of that digest, UTC")
    included_in_digest: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="it has been sent"
    )

    user: Mapped[User] = belongs_to("EmailDigestEntry.user_id")

    __table_args__ = (
        index_where("ix_email_digest_queue_due", "tenant_id", "scheduled_for", where="NOT included_in_digest"),
        Index(None, "tenant_id", "created_at"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_email_digest_queue_included_once",
                        events=("update",),
                        columns=("included_in_digest",),
                        # "is not true", for NULL: SQLite's UPDATE OR REPLACE would turn it into the default, false.
                        when=lambda old, new: sa.and_(
                            old.c.included_in_digest, new.c.included_in_digest.is_not(sa.true())
                        ),
                        message="what went into a digest goes into no other one",
                    )
                ]
            }
        },
    )


class WebhookConfiguration(TenantOwned, Timestamped, Base):
    """Where a user's webhooks go. The address and the signing secret are sealed; the host alone can be read."""

    __tablename__ = "webhook_configurations"

    user_id: Mapped[UUID] = owned("users", comment="whose webhook it is")
    provider_type: Mapped[WebhookProvider] = mapped_column(TextEnum(WebhookProvider), comment="who receives it")
    webhook_url: Mapped[str] = mapped_column(Sealed("webhook.url"), comment="where to; sealed, Slack's is a secret")
    url_host: Mapped[str] = mapped_column(Text(255, 1), comment="its host, for people")
    signing_secret: Mapped[str | None] = mapped_column(
        Sealed("webhook.signing_secret"), comment="signs what is sent; sealed; Slack needs none"
    )
    previous_secret: Mapped[str | None] = mapped_column(
        Sealed("webhook.previous_secret"), comment="signs too while receivers change over; sealed"
    )
    previous_until: Mapped[datetime | None] = mapped_column(comment="until when the previous secret signs, UTC")
    name: Mapped[str | None] = mapped_column(Text(100), comment="for people")
    enabled_events: Mapped[list[str]] = names(
        NoticeEvent, default=list, server_default="[]", comment="events that are sent"
    )
    settings: Mapped[dict[str, Any]] = json_object(comment="what the provider needs besides")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true(), comment="off: nothing is sent")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="last attempt, UTC")
    last_error: Mapped[str | None] = mapped_column(Text(), comment="why the last one failed, if it did")
    consecutive_failures: Mapped[int] = mapped_column(
        Whole(), default=0, server_default="0", comment="failed attempts since the last success"
    )

    user: Mapped[User] = belongs_to("WebhookConfiguration.user_id")
    deliveries: Mapped[list["WebhookLog"]] = has_many("WebhookLog.webhook_config_id", back_populates="configuration")

    __table_args__ = (
        check("signed", "provider_type = 'slack' OR signing_secret IS NOT NULL", "a webhook is signed with a secret"),
        check(
            "rotated",
            "(previous_secret IS NULL) = (previous_until IS NULL)",
            "a previous secret signs until a moment that is known",
        ),
        check(
            "failing",
            f"NOT is_active OR consecutive_failures < {FAILURES_MAX}",
            f"after {FAILURES_MAX} failed attempts in a row nothing is sent until the webhook is enabled again",
        ),
    )


_MESSAGE = ("webhook_config_id", "message_id", "event_type", "payload")


def _misses_its_ladder(old: HasColumns, new: HasColumns) -> ColumnElement[bool]:
    """Return the condition that the attempts of before do not say when the delivery was last asked for anew."""
    anew = sa.and_(old.c.status != DeliveryStatus.PENDING, new.c.status == DeliveryStatus.PENDING)
    stays = new.c.earlier_attempts == old.c.earlier_attempts
    return sa.case((anew, new.c.earlier_attempts == old.c.attempts), else_=stays).is_not(sa.true())


class WebhookLog(TenantOwned, Timestamped, Base):
    """One webhook: written with the change it tells of, sent after that change is committed."""

    __tablename__ = "webhook_logs"

    webhook_config_id: Mapped[UUID] = owned("webhook_configurations", comment="where it goes")
    message_id: Mapped[str] = mapped_column(Text(64, 1), comment="webhook-id: equal over attempts")
    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what it tells")
    payload: Mapped[dict[str, Any]] = json_object(comment="what is sent; never a secret")
    status: Mapped[DeliveryStatus] = WEBHOOK_LIFE.column(comment="how far it is")
    last_error: Mapped[WebhookError | None] = mapped_column(TextEnum(WebhookError), comment="why the last one failed")
    http_status_code: Mapped[int | None] = mapped_column(Whole(100, 599), comment="of the last answer")
    response_body: Mapped[str | None] = mapped_column(Text(2048), comment="beginning of the last answer")
    attempts: Mapped[int] = mapped_column(
        Whole(0, ATTEMPTS_MAX), default=0, server_default="0", comment="attempts so far"
    )
    earlier_attempts: Mapped[int] = mapped_column(
        Whole(0, ATTEMPTS_MAX), default=0, server_default="0", comment="attempts before it was last asked for anew"
    )
    next_attempt_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="not tried before, UTC"
    )
    sent_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    configuration: Mapped[WebhookConfiguration] = belongs_to(
        "WebhookLog.webhook_config_id", back_populates="deliveries"
    )

    __table_args__ = (
        UniqueConstraint("tenant_id", "webhook_config_id", "message_id"),
        index_where(
            "ix_webhook_logs_due", "tenant_id", "webhook_config_id", "next_attempt_at", where="status = 'pending'"
        ),
        Index(None, "tenant_id", "created_at"),
        *_delivery_rules(),
        check("earlier", "earlier_attempts <= attempts", "the attempts of before are some of all"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_webhook_logs_attempts",
                        events=("update",),
                        columns=("attempts",),
                        # "is not true", for NULL: SQLite's UPDATE OR REPLACE would turn it into 0.
                        when=lambda old, new: (new.c.attempts >= old.c.attempts).is_not(sa.true()),
                        message="attempts only rise: by their number an attempt is told from a later one",
                    ),
                    Refusal(
                        rule="lc_webhook_logs_message",
                        events=("update",),
                        columns=_MESSAGE,
                        when=lambda old, new: sa.and_(old.c.attempts > 0, rewritten(*_MESSAGE)(old, new)),
                        message="what was sent once stays what it was: its id stands for it",
                    ),
                    Refusal(
                        rule="lc_webhook_logs_anew",
                        events=("update",),
                        columns=("status", "earlier_attempts"),
                        when=_misses_its_ladder,
                        message="asked for anew, a delivery begins its ladder there, and at no other time",
                    ),
                ]
            }
        },
    )


class Telling(TenantOwned, Timestamped, Base):
    """How far a tenant was told of something that lasts, so that it is told of it once, whoever tells and is killed."""

    __tablename__ = "tellings"

    event_type: Mapped[NoticeEvent] = mapped_column(TextEnum(NoticeEvent), comment="of what it was told")
    subject: Mapped[str] = mapped_column(Text(255, 1), comment="what of: a pool, a cluster and month, an account")
    told_until: Mapped[datetime] = mapped_column(comment="it was told of all of it up to this moment, UTC")

    __table_args__ = (
        UniqueConstraint("tenant_id", "event_type", "subject"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_tellings_forward",
                        events=("update",),
                        when=lambda old, new: sa.or_(
                            new.c.told_until < old.c.told_until,
                            new.c.event_type != old.c.event_type,
                            new.c.subject != old.c.subject,
                        ),
                        message="what was told is told: a telling goes forward, and stays about the same",
                    )
                ]
            }
        },
    )
