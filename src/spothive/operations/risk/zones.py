"""Where to start a replica: the zones of a region that are known, and the best of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import Instance, SpotPoolRisk, SpotPrice
from spothive.operations.risk.pools import check_pools
from spothive.operations.risk.spot_prices import FRESH, newest_offers, zones_in

_NO_PRICE: Final = Decimal("Infinity")


def best_zone(session: TenantSession, instance: Instance) -> str | None:
    """Return the zone of its region in which another one like ``instance`` had best be started; None if there is none.

    Zones are known from spot prices and interruptions of the type, and from the tenant's instances. The best is the
    cheapest whose pool is not blocked; those whose price is not known come last, by name. The zone the instance runs
    in is what AWS is about to take capacity from: it counts only where no other is known. Five statements, each led by
    an index.
    """
    region, instance_type = instance.region, instance.instance_type
    prices = _newest_prices(session, region, instance_type)
    hit = select(SpotPoolRisk.availability_zone)
    hit = hit.where(SpotPoolRisk.region == region, SpotPoolRisk.instance_type == instance_type)
    known = prices.keys() | set(session.scalars(hit)) | zones_in(session, Instance.availability_zone, region).keys()
    others = known - {instance.availability_zone}
    free = _free(session, region, others or {instance.availability_zone}, instance_type)
    return min(free, key=lambda zone: (prices.get(zone) or _NO_PRICE, zone), default=None)


def _newest_prices(session: TenantSession, region: str, instance_type: str) -> dict[str, Decimal | None]:
    """Return the zones of which a price of the type is known, with the newest in USD per hour; None if that is old."""
    pools = [(zone, instance_type) for zone in zones_in(session, SpotPrice.availability_zone, region)]
    since = utc_now() - FRESH
    offers = (offer for _, offer in newest_offers(session, pools))
    return {offer.zone: offer.price if offer.observed_at >= since else None for offer in offers}


def _free(session: TenantSession, region: str, zones: Iterable[str], instance_type: str) -> list[str]:
    """Return the zones in which the pool of the type is not blocked."""
    pools = {f"{region}:{zone}:{instance_type}": zone for zone in zones}
    risks = check_pools(session, pools, stored=True)
    return [zone for pool, zone in pools.items() if not risks[pool].blocked]
