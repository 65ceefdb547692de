"""Where to start a replica: the zones of a region that are known, and the best of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import and_, func, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.gateways.instance_types import region_of_zone
from spothive.models import Instance, SpotPoolRisk, SpotPrice
from spothive.operations.risk.market_listing import FRESH, LINUX_PRODUCT
from spothive.operations.risk.pools import check_pools

_NO_PRICE: Final = Decimal("Infinity")


def best_zone(session: TenantSession, instance: Instance) -> str | None:
    """Return the zone of its region in which another one like ``instance`` had best be started; None if there is none.

    Zones are known from spot prices and interruptions of the type, and from the tenant's instances. The best is the
    cheapest whose pool is not blocked; those whose price is not known come last, by name. The zone the instance runs
    in is what AWS is about to take capacity from: it counts only where no other is known. Five statements, each led by
    an index.
    """
    region, instance_type = instance.region, instance.instance_type
    prices = _newest_prices(session, _zones(session, SpotPrice.availability_zone, region), instance_type)
    hit = select(SpotPoolRisk.availability_zone)
    hit = hit.where(SpotPoolRisk.region == region, SpotPoolRisk.instance_type == instance_type)
    known = prices.keys() | set(session.scalars(hit)) | set(_zones(session, Instance.availability_zone, region))
    others = known - {instance.availability_zone}
    free = _free(session, region, others or {instance.availability_zone}, instance_type)
    return min(free, key=lambda zone: (prices.get(zone) or _NO_PRICE, zone), default=None)


def _zones(session: TenantSession, column: Any, region: str) -> list[str]:
    """Return the zones of a region in an indexed column, one look into the index for each that is there."""
    first = select(func.min(column).label("zone")).cte("zones", recursive=True)
    following = select(func.min(column)).where(column > first.c.zone).scalar_subquery()
    zones = first.union_all(select(following).where(first.c.zone.is_not(None)))
    return [zone for zone in session.scalars(select(zones.c.zone)) if zone and region_of_zone(zone) == region]


def _newest_prices(session: TenantSession, zones: list[str], instance_type: str) -> dict[str, Decimal | None]:
    """Return the zones of which a price of the type is known, with the newest in USD per hour; None if that is old."""
    of_type = (SpotPrice.instance_type == instance_type, SpotPrice.product == LINUX_PRODUCT)
    newest = (
        select(SpotPrice.availability_zone, func.max(SpotPrice.observed_at).label("observed_at"))
        .where(is_any_of(session, SpotPrice.availability_zone, zones), *of_type)
        .group_by(SpotPrice.availability_zone)
        .subquery()
    )
    same = and_(
        SpotPrice.availability_zone == newest.c.availability_zone, SpotPrice.observed_at == newest.c.observed_at
    )
    query = select(SpotPrice.availability_zone, SpotPrice.price, SpotPrice.observed_at).join(newest, same)
    since = utc_now() - FRESH
    found = session.execute(query.where(*of_type))
    return {zone: price if observed_at >= since else None for zone, price, observed_at in found}


def _free(session: TenantSession, region: str, zones: Iterable[str], instance_type: str) -> list[str]:
    """Return the zones in which the pool of the type is not blocked."""
    pools = {f"{region}:{zone}:{instance_type}": zone for zone in zones}
    risks = check_pools(session, pools, stored=True)
    return [zone for pool, zone in pools.items() if not risks[pool].blocked]
