"""The newest spot prices, found by looks into their key: most of what is kept is history, up to 400 days of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ScalarSelect, Select, func, literal, select

from spothive.database import TenantSession
from spothive.database.bulk import listed_rows
from spothive.gateways.instance_types import region_of_zone
from spothive.models import SpotPrice

LINUX_PRODUCT: Final = "Linux/UNIX"
"""How AWS calls Linux in the history of spot prices."""

FRESH: Final = timedelta(hours=24)
"""A spot price that is older says nothing of the present."""


@dataclass(frozen=True, slots=True)
class SpotOffer:
    """The newest spot price of a zone: USD per hour, since when it is the price (UTC), and where that was read."""

    zone: str
    price: Decimal
    observed_at: datetime
    source: str


def zones_in(session: TenantSession, column: Any, region: str | None = None) -> dict[str, str]:
    """Return the zones in an indexed column, each with its region; one look into the index for each that is there.

    Args:
        session: of any tenant.
        column: which holds names of zones and leads an index.
        region: only the zones of this region.
    """
    first = select(func.min(column).label("zone")).cte("zones", recursive=True)
    following = select(func.min(column)).where(column > first.c.zone).scalar_subquery()
    zones = first.union_all(select(following).where(first.c.zone.is_not(None)))
    found = ((zone, region_of_zone(zone)) for zone in session.scalars(select(zones.c.zone)) if zone)
    return {zone: of for zone, of in found if of is not None and region in (None, of)}


def priced_types(
    session: TenantSession,
    zones: Mapping[str, str],
    instance_type: str | None = None,
    *,
    last_region: str | None = None,
) -> Select[tuple[str, str]]:
    """Return the query for (region, type) of each pool with a price under Linux; two looks for each pool.

    Args:
        session: in which it will run.
        zones: the zones to look at, each with its region.
        instance_type: only this type.
        last_region: only regions up to this one, in the order of the database.
    """
    price = SpotPrice
    zone = listed_rows(session, "zones", ["zone", "region"], list(zones.items()))
    here = select(zone.c.region, zone.c.zone)
    if last_region is not None:
        here = here.where(zone.c.region <= last_region)
    if instance_type is not None:
        pools: Any = here.add_columns(literal(instance_type).label("type")).subquery("pools")
    else:
        first = select(func.min(price.instance_type)).where(price.availability_zone == zone.c.zone)
        walk = here.add_columns(first.scalar_subquery().label("type")).cte("pools", recursive=True)
        following = select(func.min(price.instance_type)).where(
            price.availability_zone == walk.c.zone, price.instance_type > walk.c.type
        )
        step = select(walk.c.region, walk.c.zone, following.scalar_subquery())
        pools = walk.union_all(step.where(walk.c.type.is_not(None)))
    return select(pools.c.region, pools.c.type).where(
        newest_of_pool(price.observed_at, pools.c.zone, pools.c.type).is_not(None)
    )


def newest_offers(session: TenantSession, pools: Collection[tuple[str, str]]) -> Iterator[tuple[str, SpotOffer]]:
    """Yield (type, offer) of each of ``pools``, (zone, type), that has any price, by zone; three looks for each."""
    pool = listed_rows(session, "pools", ["zone", "type"], pools)
    told = (
        newest_of_pool(column, pool.c.zone, pool.c.type)
        for column in (SpotPrice.price, SpotPrice.observed_at, SpotPrice.source)
    )
    for zone, instance_type, *offer in session.execute(select(pool.c.zone, pool.c.type, *told).order_by(pool.c.zone)):
        if offer[0] is not None:
            yield instance_type, SpotOffer(zone, *offer)


def newest_of_pool(wanted: Any, zone: Any, instance_type: Any, *, until: datetime | None = None) -> ScalarSelect[Any]:
    """Return what the newest price under Linux of a pool says, NULL if there is none; one look into the key.

    A question for each pool can only be answered so; a join could read all prices instead.

    Args:
        wanted: column of the price.
        zone: column, of the query this becomes part of, that holds the zone of the pool.
        instance_type: the same of its type.
        until: no price of after this moment.
    """
    price = SpotPrice
    query = select(wanted).where(
        price.availability_zone == zone, price.instance_type == instance_type, price.product == LINUX_PRODUCT
    )
    if until is not None:
        query = query.where(price.observed_at <= until)
    return query.order_by(price.observed_at.desc()).limit(1).scalar_subquery()
