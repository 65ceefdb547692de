"""Reading the market: what an instance type costs where, how often it is interrupted, and how old all that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import Select, func, select, union

from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import InvalidInput
from spothive.gateways.instance_types import is_region
from spothive.models import OnDemandPrice, SpotAdvisorRating, SpotPrice
from spothive.operations.risk.market_files import MarketFact
from spothive.operations.risk.spot_prices import SpotOffer, newest_offers, priced_types, zones_in

LINUX: Final = "Linux"

MAX_LISTED: Final = 10_000

_Place: TypeAlias = tuple[str, str]  # region and instance type
_Query: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class MarketEntry:
    """What is known of an instance type under Linux in a region; what is None is not known.

    Attributes:
        region: the region.
        instance_type: the type.
        on_demand: USD per hour.
        band: how often it is interrupted in a month, from 0 (under 5 %) to 4 (over 20 %), says AWS's advisor.
        savings_percent: percent below the on-demand price, says AWS's advisor.
        on_demand_source: where the on-demand price was read.
        advisor_source: where band and savings were read.
        offers: the newest spot price of each zone, by name of the zone.
    """

    region: str
    instance_type: str
    on_demand: Decimal | None
    band: int | None
    savings_percent: int | None
    on_demand_source: str | None
    advisor_source: str | None
    offers: tuple[SpotOffer, ...]


@dataclass(frozen=True, slots=True)
class FactStatus:
    """How many facts of a kind come from a source, and how old the newest is; no source where there are none."""

    fact: MarketFact
    source: str | None
    rows: int
    newest: datetime | None


def list_market(
    session: TenantSession, *, region: str | None = None, instance_type: str | None = None, limit: int = 100
) -> list[MarketEntry]:
    """Return what is known of instance types under Linux, by region and type; six statements.

    Args:
        session: of any tenant.
        region: of this region only.
        instance_type: of this type only.
        limit: most entries.

    Raises:
        InvalidInput: ``limit`` is not within 1..10,000, or the region is none of AWS.
    """
    if not 1 <= limit <= MAX_LISTED:
        msg = f"a list has 1 to {MAX_LISTED} entries"
        raise InvalidInput(msg)
    if region is not None and not is_region(region):
        msg = f"{region[:60]!r} is no AWS region; they are called like eu-west-1"
        raise InvalidInput(msg)
    zones = zones_in(session, SpotPrice.availability_zone, region)
    page = _page(session, zones, region, instance_type, limit)
    price, rating = OnDemandPrice, SpotAdvisorRating
    asked = select(price.region, price.instance_type, price.price, price.source).where(price.os == LINUX)
    prices = {(row[0], row[1]): row[2:] for row in session.execute(_of_page(session, page, asked, price))}
    advised = select(
        rating.region, rating.instance_type, rating.interruption_band, rating.savings_percent, rating.source
    ).where(rating.os == LINUX)
    ratings = {(row[0], row[1]): row[2:] for row in session.execute(_of_page(session, page, advised, rating))}
    offers = _offers(session, zones, page)
    found = []
    for place in page:
        on_demand, priced_by = prices.get(place, (None, None))
        band, savings, rated_by = ratings.get(place, (None, None, None))
        found.append(MarketEntry(*place, on_demand, band, savings, priced_by, rated_by, tuple(offers.get(place, ()))))
    return found


def _page(
    session: TenantSession, zones: Mapping[str, str], region: str | None, instance_type: str | None, limit: int
) -> list[_Place]:
    """Return the first regions and types of which any fact is known."""
    wanted = {name: value for name, value in (("region", region), ("instance_type", instance_type)) if value}
    listed = [
        select(model.region, model.instance_type).where(model.os == LINUX).filter_by(**wanted)
        for model in (OnDemandPrice, SpotAdvisorRating)
    ]
    first = _first(session, limit, *listed)
    # What spot prices know of is looked for only in the regions that a full page reaches to.
    last = first[-1][0] if len(first) == limit else None
    return _first(session, limit, *listed, priced_types(session, zones, instance_type, last_region=last))


def _first(session: TenantSession, limit: int, *queries: _Query) -> list[_Place]:
    known = union(*queries).subquery()
    query = select(known.c.region, known.c.instance_type).order_by(known.c.region, known.c.instance_type).limit(limit)
    return [(row[0], row[1]) for row in session.execute(query)]


def _of_page(session: TenantSession, page: list[_Place], query: _Query, model: Any) -> _Query:
    """Narrow ``query`` to the regions and the types of a page, and so to little more than the page."""
    regions, types = {key[0] for key in page}, {key[1] for key in page}
    return query.where(is_any_of(session, model.region, regions), is_any_of(session, model.instance_type, types))


def _offers(session: TenantSession, zones: Mapping[str, str], page: list[_Place]) -> dict[_Place, list[SpotOffer]]:
    """Return the newest spot price of each zone."""
    of_region: dict[str, list[str]] = defaultdict(list)
    for zone, region in zones.items():
        of_region[region].append(zone)
    pools = [(zone, instance_type) for region, instance_type in page for zone in of_region[region]]
    offers: dict[_Place, list[SpotOffer]] = defaultdict(list)
    for instance_type, offer in newest_offers(session, pools):
        offers[zones[offer.zone], instance_type].append(offer)
    return offers


def market_status(session: TenantSession) -> list[FactStatus]:
    """Return what is stored of each kind of fact from each source, the newest source of a kind first."""
    found: list[FactStatus] = []
    for fact, model in _MODELS.items():
        query = select(model.source, func.count(), func.max(model.observed_at)).group_by(model.source)
        rows = sorted(session.execute(query), key=lambda row: (row[2], row[0]), reverse=True)
        found += [FactStatus(fact, *row) for row in rows] or [FactStatus(fact, None, 0, None)]
    return found


_MODELS: Final[dict[MarketFact, Any]] = {
    MarketFact.ON_DEMAND: OnDemandPrice,
    MarketFact.ADVISOR: SpotAdvisorRating,
    MarketFact.SPOT: SpotPrice,
}
