"""What is known of spot pools at one moment: what the rules ask for, and what a model is told.

The facts mean what they meant in the history a model was trained on, see ``training/history.py``. Averages are taken
here and not in SQL: money is an integer on one of the databases.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, true

from spothive.database import TenantSession
from spothive.database.bulk import is_any_of, listed_rows
from spothive.models import GlobalRiskEvent, OnDemandPrice, SpotAdvisorRating, SpotEventType, SpotPrice
from spothive.models.risk import POISON_HOURS
from spothive.operations.risk import check_pools
from spothive.operations.risk.market_listing import LINUX
from spothive.operations.risk.pools import parts_of_pool
from spothive.operations.risk.spot_prices import FRESH, LINUX_PRODUCT, newest_of_pool
from spothive.scoring.features import PoolFacts, generation, size_class

_DAY, _WEEK = timedelta(hours=24), timedelta(hours=7 * 24)
_REMEMBERED = timedelta(hours=POISON_HOURS)
_HOUR = timedelta(hours=1)

Prices = Sequence[tuple[datetime, Decimal]]
"""Since when, and USD per hour; the oldest first."""


@dataclass(frozen=True, slots=True, order=True)
class Pool:
    """An instance type in an availability zone."""

    region: str
    zone: str
    instance_type: str

    @property
    def name(self) -> str:
        """As the hive calls it: ``region:availability_zone:instance_type``."""
        return f"{self.region}:{self.zone}:{self.instance_type}"

    @property
    def label(self) -> str:
        """For people who know the region: ``us-east-1b m6i.large``."""
        return f"{self.zone} {self.instance_type}"


@dataclass(frozen=True, slots=True)
class KnownPool:
    """What is known of a pool; what is None is not known.

    Attributes:
        pool: which.
        price: its newest spot price if that is at most 24 hours old, USD per hour.
        priced_at: since when its newest spot price was seen, however old (UTC).
        on_demand: price of its type without interruptions, USD per hour.
        band: how often AWS's advisor says it is interrupted: 0 under 5 % of a month .. 4 over 20 %.
        blocked_until: until when the hive blocks it (UTC); None if it does not.
        facts: what a model is told.
    """

    pool: Pool
    price: Decimal | None = None
    priced_at: datetime | None = None
    on_demand: Decimal | None = None
    band: int | None = None
    blocked_until: datetime | None = None
    facts: PoolFacts = field(default_factory=PoolFacts)


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What is known of the types of a region: USD per hour on demand, and band and savings percent of the advisor."""

    region: str
    on_demand: Mapping[str, Decimal]
    advised: Mapping[str, tuple[int, int]]


def read_pool(name: str) -> Pool:
    """Return the pool called ``name``.

    Raises:
        InvalidInput: it is not written ``region:availability_zone:instance_type``, or the zone is in another region.
    """
    return Pool(*parts_of_pool(name))


def read_region(session: TenantSession, region: str) -> RegionFacts:
    """Return what is known of each instance type of a region under Linux; two statements."""
    price, rating = OnDemandPrice, SpotAdvisorRating
    asked = select(price.instance_type, price.price).where(price.region == region, price.os == LINUX)
    advised = select(rating.instance_type, rating.interruption_band, rating.savings_percent)
    rows = session.execute(advised.where(rating.region == region, rating.os == LINUX))
    return RegionFacts(region, dict(session.execute(asked).all()), {row[0]: (row[1], row[2]) for row in rows})


def read_pools(
    session: TenantSession, region: RegionFacts, zones: Collection[str], types: Collection[str], now: datetime
) -> dict[Pool, KnownPool]:
    """Return what is known of each type in each of the zones of one region; four statements, however many there are.

    Args:
        session: of any tenant.
        region: what is known of its types.
        zones: zones of that region.
        types: instance types.
        now: the moment that "now" is (UTC).
    """
    prices = _prices(session, zones, types, now)
    pools = [Pool(region.region, zone, type_) for zone in sorted(zones) for type_ in sorted(types)]
    names = [pool.name for pool in pools]
    blocked = {name: risk.until for name, risk in check_pools(session, names, stored=True).items()}
    notices = _notices(session, names, now)
    return {
        pool: _known(region, pool, prices.get((pool.zone, pool.instance_type), ()), blocked, notices, now)
        for pool in pools
    }


def _known(  # noqa: PLR0917 - one argument a source
    region: RegionFacts,
    pool: Pool,
    prices: Prices,
    blocked: Mapping[str, datetime | None],
    notices: Mapping[str, list[tuple[SpotEventType, datetime]]],
    now: datetime,
) -> KnownPool:
    on_demand = region.on_demand.get(pool.instance_type)
    band, savings = region.advised.get(pool.instance_type, (None, None))
    priced_at = prices[-1][0] if prices else None
    price = prices[-1][1] if priced_at is not None and priced_at >= now - FRESH else None
    until = blocked[pool.name]
    told = notices.get(pool.name, ())
    hits = [at for kind, at in told if kind is SpotEventType.TERMINATION_NOTICE]
    facts = PoolFacts(
        advisor_band=band,
        savings_percent=savings,
        price_ratio=price / on_demand if price is not None and on_demand else None,
        price_change_1d=change_since(prices, price, now - _DAY),
        price_change_7d=change_since(prices, price, now - _WEEK),
        price_volatility_7d=volatility(prices, now) if price is not None else None,
        interruptions_15d=len(hits),
        interruptions_24h=sum(at > now - _DAY for at in hits),
        # Hours that have begun, as in training: a notice of this hour counts as one hour ago.
        hours_since_interruption=max(1, math.ceil((now - max(hits)) / _HOUR)) if hits else None,
        rebalances_24h=sum(at > now - _DAY for kind, at in told if kind is SpotEventType.REBALANCE_NOTICE),
        size_class=size_class(pool.instance_type),
        generation=generation(pool.instance_type),
    )
    blocked_until = until if until is not None and until > now else None
    return KnownPool(pool, price, priced_at, on_demand, band, blocked_until, facts)


# --- prices -----------------------------------------------------------------------------------------------------------


def change_since(prices: Prices, price: Decimal | None, then: datetime) -> float | None:
    """Return ``price`` / the price in force at ``then`` - 1; None if either is not known."""
    place = bisect_right(prices, then, key=lambda each: each[0])
    if price is None or not place or not prices[place - 1][1]:
        return None
    return float(price / prices[place - 1][1] - 1)


def volatility(prices: Prices, now: datetime) -> float | None:
    """Return the standard deviation / mean of the prices of the last 7 days, each weighed by how long it was in force.

    That is what hourly prices come to, which training looked at. Where less than 7 days are known it is that of the
    known part; None where that is less than a day.
    """
    begins = [max(at, now - _WEEK) for at, _ in prices]
    if not begins or now - begins[0] < _DAY:
        return None
    lasted = [(until - at) / _HOUR for at, until in zip(begins, [*begins[1:], now], strict=True)]
    values = [float(price) for _, price in prices]
    total = sum(lasted)
    mean = sum(map(_product, lasted, values)) / total
    spread = sum(hours * (value - mean) ** 2 for hours, value in zip(lasted, values, strict=True)) / total
    return math.sqrt(spread) / mean if mean else None


def _product(first: float, second: float) -> float:
    return first * second


def _prices(
    session: TenantSession, zones: Collection[str], types: Collection[str], now: datetime
) -> dict[tuple[str, str], Prices]:
    """Return the price in force 7 days ago and each one since, of each zone and type that has any; two statements."""
    price, week_ago = SpotPrice, now - _WEEK
    zone = listed_rows(session, "zones", ["value"], [[each] for each in zones])
    type_ = listed_rows(session, "types", ["value"], [[each] for each in types])
    at, amount = (
        newest_of_pool(column, zone.c.value, type_.c.value, until=week_ago)
        for column in (price.observed_at, price.price)
    )
    in_force = select(zone.c.value, type_.c.value, at, amount).select_from(zone.join(type_, true()))
    found: dict[tuple[str, str], list[tuple[datetime, Decimal]]] = defaultdict(list)
    for row in session.execute(in_force):
        if row[2] is not None:
            found[row[0], row[1]].append((row[2], row[3]))
    since = (
        select(price.availability_zone, price.instance_type, price.observed_at, price.price)
        .where(is_any_of(session, price.availability_zone, zones), is_any_of(session, price.instance_type, types))
        .where(price.product == LINUX_PRODUCT, price.observed_at > week_ago, price.observed_at <= now)
    )
    for each in session.execute(since.order_by(price.availability_zone, price.instance_type, price.observed_at)):
        found[each[0], each[1]].append((each[2], each[3]))
    return dict(found)


# --- the hive ---------------------------------------------------------------------------------------------------------


def _notices(
    session: TenantSession, pools: Iterable[str], now: datetime
) -> dict[str, list[tuple[SpotEventType, datetime]]]:
    """Return the notices of the last 15 days that count for each pool: those of PROD accounts, as the hive has it."""
    event = GlobalRiskEvent
    query = select(event.pool_id, event.event_type, event.reported_at, event.event_metadata).where(
        is_any_of(session, event.pool_id, list(pools)),
        event.reported_at > now - _REMEMBERED,
        event.reported_at <= now,
    )
    found: dict[str, list[tuple[SpotEventType, datetime]]] = defaultdict(list)
    for pool, kind, at, about in session.execute(query):
        if about.get("counted") is not False:
            found[pool].append((kind, at))
    return found
