"""A market to decide in: prices, ratings and notices, written as staff would have them written."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.models import (
    Base,
    GlobalRiskEvent,
    OnDemandPrice,
    SpotAdvisorRating,
    SpotEventType,
    SpotPoolRisk,
    SpotPrice,
)

REGION = "eu-west-1"


def price(zone: str, instance_type: str, usd: str, *, ago: timedelta = timedelta(hours=1), **facts: Any) -> SpotPrice:
    facts = {"region": REGION, "availability_zone": REGION + zone, "source": "test", **facts}
    return SpotPrice(instance_type=instance_type, price=Decimal(usd), observed_at=utc_now() - ago, **facts)


def on_demand(instance_type: str, usd: str, region: str = REGION) -> OnDemandPrice:
    facts = {"region": region, "source": "test", "observed_at": utc_now()}
    return OnDemandPrice(instance_type=instance_type, price=Decimal(usd), **facts)


def rating(instance_type: str, band: int, savings: int = 70) -> SpotAdvisorRating:
    facts = {"region": REGION, "source": "test", "observed_at": utc_now()}
    return SpotAdvisorRating(instance_type=instance_type, interruption_band=band, savings_percent=savings, **facts)


def _place(zone: str, instance_type: str) -> dict[str, str]:
    named = {"region": REGION, "availability_zone": REGION + zone, "instance_type": instance_type}
    return named | {"pool_id": ":".join(named.values())}


def notice(
    zone: str, instance_type: str, ago: timedelta, *, counted: bool = True, rebalance: bool = False
) -> GlobalRiskEvent:
    at = utc_now() - ago
    return GlobalRiskEvent(
        **_place(zone, instance_type),
        event_type=SpotEventType.REBALANCE_NOTICE if rebalance else SpotEventType.TERMINATION_NOTICE,
        reported_at=at,
        expires_at=at + timedelta(hours=360),
        source_event_id=f"{uuid4().hex}{uuid4().hex}",
        event_metadata={"counted": counted},
    )


def blocked(zone: str, instance_type: str, until: datetime) -> SpotPoolRisk:
    since = until - timedelta(hours=360)
    facts: dict[str, Any] = {"is_poisoned": True, "poisoned_at": since, "poison_expires_at": until}
    return SpotPoolRisk(**_place(zone, instance_type), interruption_count=1, last_interruption=since, **facts)


def store(*facts: Base) -> None:
    """Write facts of the market."""
    with get_db_session() as session, system_scope(session, "test"):
        session.add_all(facts)
