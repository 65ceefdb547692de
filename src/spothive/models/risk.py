"""Risk: what is known of the spot market and of interruptions, shared by every tenant and naming none."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, synonym

from spothive.clock import utc_now
from spothive.models.base import Base, GlobalTable, Timestamped, check, check_each, json_object
from spothive.schema.append_only import AppendOnly
from spothive.schema.types import AsciiText, Money, Text, TextEnum, UtcDateTime, Whole, utc_timestamp

POISON_HOURS = 15 * 24
"""Hours for which an interruption blocks its pool for everybody. Hours, since a day is not always 24 of them."""

_IN_PARTS = "pool_id = region || ':' || availability_zone || ':' || instance_type"


class SpotEventType(enum.StrEnum):
    """What AWS announces about a spot instance."""

    REBALANCE_NOTICE = "rebalance_notice"
    TERMINATION_NOTICE = "termination_notice"


class SpotPoolRisk(GlobalTable, Timestamped, Base):
    """What the interruptions of all tenants say about one pool: an instance type in an availability zone."""

    __tablename__ = "spot_pool_risks"

    pool_id: Mapped[str] = mapped_column(Text(128, 1), unique=True, comment="region:availability_zone:instance_type")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    availability_zone: Mapped[str] = mapped_column(Text(32, 1), comment="zone of that region")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="EC2 instance type")
    is_poisoned: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="tidied late: blocked is poison_expires_at in the future"
    )
    interruption_count: Mapped[int] = mapped_column(
        Whole(0, 2**53), default=0, server_default="0", comment="terminations of PROD instances ever seen"
    )
    last_interruption: Mapped[datetime | None] = mapped_column(comment="the latest of them, UTC")
    poisoned_at: Mapped[datetime | None] = mapped_column(comment="since when the pool is blocked, UTC")
    poison_expires_at: Mapped[datetime | None] = mapped_column(comment="until when, UTC")
    pool_metadata: Mapped[dict[str, Any]] = json_object(comment="nothing that names anyone")

    __table_args__ = (
        Index(None, "poison_expires_at"),
        Index(None, "region", "instance_type"),
        check("pool", _IN_PARTS, "pool_id is region:availability_zone:instance_type of the same row"),
        check(
            "poisoned",
            "CASE WHEN is_poisoned THEN poisoned_at IS NOT NULL AND poison_expires_at IS NOT NULL "
            "ELSE poisoned_at IS NULL AND poison_expires_at IS NULL END",
            "a poisoned pool, and no other, says since when and until when",
        ),
        check("order", "poison_expires_at > poisoned_at", "a block ends after it has begun"),
        {"info": {"global": "what one tenant suffers protects them all"}},
    )


class GlobalRiskEvent(GlobalTable, Base):
    """One interruption or warning that AWS announced, without a word on whose instance it hit. Kept for ever."""

    __tablename__ = "global_risk_events"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when spothive wrote it down, UTC"
    )
    pool_id: Mapped[str] = mapped_column(Text(128, 1), comment="region:availability_zone:instance_type")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    availability_zone: Mapped[str] = mapped_column(Text(32, 1), comment="zone of that region")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="EC2 instance type")
    event_type: Mapped[SpotEventType] = mapped_column(TextEnum(SpotEventType), comment="what AWS announced")
    reported_at: Mapped[datetime] = mapped_column(comment="when AWS said so, UTC")
    expires_at: Mapped[datetime] = mapped_column(comment="reported_at + 360 hours: 15 days, UTC")
    source_event_id: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), unique=True, comment="SHA-256 of tenant and AWS's event id: told twice, it is one"
    )
    event_metadata: Mapped[dict[str, Any]] = json_object(comment="nothing that names anyone")

    __table_args__ = (
        Index(None, "pool_id", "reported_at"),
        Index(None, "reported_at"),
        check("pool", _IN_PARTS, "pool_id is region:availability_zone:instance_type of the same row"),
        *check_each(
            "expiry",
            f"an event expires {POISON_HOURS} hours after it was reported",
            postgresql=f"expires_at = reported_at + interval '{POISON_HOURS} hours'",
            # Reckoned backwards: forwards, the last days of the year 9999 would lead to NULL, which no CHECK refuses.
            sqlite=f"reported_at IS strftime('%Y-%m-%d %H:%M:%S', substr(expires_at, 1, 19), '-{POISON_HOURS} hours') "
            "|| substr(expires_at, 20)",
        ),
        {"info": {"global": "what one tenant suffers warns them all", "append_only": AppendOnly()}},
    )


class RiskSource(GlobalTable, Base):
    """Whose instance an event hit: the one place that knows, and only system scope may read it."""

    __tablename__ = "risk_sources"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when spothive wrote it down, UTC"
    )
    risk_event_id: Mapped[UUID] = mapped_column(unique=True, comment="row in global_risk_events; no key, both are kept")
    source_client_id: Mapped[UUID] = mapped_column(comment="tenant that was hit; no key, the row outlives it")
    triggering_customer_id: Mapped[UUID] = synonym("source_client_id")
    account_id: Mapped[UUID] = mapped_column(comment="row in accounts; no key")
    instance_id: Mapped[str] = mapped_column(Text(50, 1), comment="EC2's id")

    __table_args__ = (
        Index(None, "source_client_id", "instance_id"),
        {
            "info": {
                "global": "written when no tenant may know of another; only system scope reads it",
                "system_only": True,
                "append_only": AppendOnly(),
            }
        },
    )


class SpotPrice(GlobalTable, Timestamped, Base):
    """What an hour in a spot pool cost at one time; kept for 400 days."""

    __tablename__ = "spot_prices"

    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    availability_zone: Mapped[str] = mapped_column(Text(32, 1), comment="zone of that region")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="EC2 instance type")
    product: Mapped[str] = mapped_column(
        Text(64, 1), default="Linux/UNIX", server_default="Linux/UNIX", comment="product description, as AWS says it"
    )
    price: Mapped[Decimal] = mapped_column(Money(), comment="USD per hour")
    observed_at: Mapped[datetime] = mapped_column(comment="since when it was the price, UTC")
    source: Mapped[str] = mapped_column(Text(255, 1), comment="where the price was read; 'synthetic' if it was made up")

    __table_args__ = (
        UniqueConstraint(
            "availability_zone", "instance_type", "product", "observed_at", name="uq_spot_prices_pool_observed_at"
        ),
        Index(None, "observed_at"),
        {"info": {"global": "market facts are the same for every tenant"}},
    )


class OnDemandPrice(GlobalTable, Timestamped, Base):
    """What AWS asks for an hour of an instance type, without any commitment."""

    __tablename__ = "on_demand_prices"

    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="for example m5.large")
    os: Mapped[str] = mapped_column(
        Text(32, 1), default="Linux", server_default="Linux", comment="operating system the price includes"
    )
    price: Mapped[Decimal] = mapped_column(Money(), comment="USD per hour")
    source: Mapped[str] = mapped_column(Text(255, 1), comment="where the price was read; 'synthetic' if it was made up")
    observed_at: Mapped[datetime] = mapped_column(comment="UTC")

    __table_args__ = (
        UniqueConstraint("region", "instance_type", "os"),
        {"info": {"global": "market facts are the same for every tenant"}},
    )


class SpotAdvisorRating(GlobalTable, Timestamped, Base):
    """How often AWS's Spot Instance Advisor says an instance type is interrupted in a region."""

    __tablename__ = "spot_advisor_ratings"

    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="EC2 instance type")
    os: Mapped[str] = mapped_column(Text(32, 1), default="Linux", server_default="Linux", comment="operating system")
    interruption_band: Mapped[int] = mapped_column(
        Whole(0, 4), comment="interrupted in a month: 0 under 5 %, 1 to 10 %, 2 to 15 %, 3 to 20 %, 4 more"
    )
    savings_percent: Mapped[int] = mapped_column(Whole(0, 100), comment="percent below the on-demand price")
    source: Mapped[str] = mapped_column(Text(255, 1), comment="where it was read; 'synthetic' if it was made up")
    observed_at: Mapped[datetime] = mapped_column(comment="UTC")

    __table_args__ = (
        UniqueConstraint("region", "instance_type", "os"),
        {"info": {"global": "market facts are the same for every tenant"}},
    )
