"""What hibernation would save: hours asleep, and what the instances that run now cost in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.models import Cluster, Instance, InstanceState, Lifecycle
from spothive.operations.clusters.hours import Hours, time_asleep
from spothive.operations.decisions.pool_facts import Pool, read_pools, read_region

PREVIEW_DAYS: Final = 30

_HOUR: Final = timedelta(hours=1)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class HibernationPreview:
    """What some hours would bring over 30 days.

    Attributes:
        days: how many times 24 hours.
        hours_asleep: hours in which the cluster is asleep.
        instances: how many of its instances run now.
        unpriced: of these, how many have no known price and are left out of the money.
        hourly_cost: USD per hour of all others.
        saved: USD that these do not cost while the cluster is asleep; disks and addresses go on.
    """

    days: int
    hours_asleep: Decimal
    instances: int
    unpriced: int
    hourly_cost: Decimal
    saved: Decimal


def preview_hibernation(
    session: TenantSession, cluster: Cluster, hours: Hours, *, start: datetime
) -> HibernationPreview:
    """Return what ``hours`` would bring over 30 days from ``start`` (UTC); seven statements at most.

    An instance costs what is stored as its price; else, for spot, what its pool costs, or else what AWS asks on demand.

    Raises:
        InvalidInput: ``start`` has no zone or lies outside the years 1970 to 8999.
    """
    asleep = Decimal(time_asleep(hours, PREVIEW_DAYS, start) // timedelta(seconds=1)) / Decimal(_HOUR.seconds)
    prices = _prices(session, cluster, start)
    hourly = sum((price for price in prices if price is not None), Decimal())
    return HibernationPreview(
        days=PREVIEW_DAYS,
        hours_asleep=asleep.quantize(_CENT),
        instances=len(prices),
        unpriced=prices.count(None),
        hourly_cost=hourly,
        saved=(hourly * asleep).quantize(_CENT),
    )


def _prices(session: TenantSession, cluster: Cluster, now: datetime) -> list[Decimal | None]:
    """Return USD per hour of each instance that runs, None where it is not known."""
    columns = (Instance.price, Instance.lifecycle, Instance.availability_zone, Instance.instance_type)
    running = select(*columns).where(Instance.cluster_id == cluster.id, Instance.state == InstanceState.RUNNING)
    rows = session.execute(running).all()
    asked = [(zone, type_) for price, _, zone, type_ in rows if price is None]
    if not asked:
        return [price for price, *_ in rows]
    zones, types = {zone for zone, _ in asked}, {type_ for _, type_ in asked}
    pools = read_pools(session, read_region(session, cluster.region), zones, types, now)
    prices: list[Decimal | None] = []
    for price, lifecycle, zone, type_ in rows:
        pool = pools.get(Pool(cluster.region, zone, type_))
        market = None if pool is None else pool.price if lifecycle is Lifecycle.SPOT else pool.on_demand
        prices.append(market if price is None else price)
    return prices
