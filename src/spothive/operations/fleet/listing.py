"""Reading the fleet: instances, and groups of them with what they would cost on demand.

Replicas that EC2 has not started yet are no part of it: `list_replicas` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Select, func, select

from spothive.database import TenantSession
from spothive.errors import InvalidInput, NotFound
from spothive.gateways.instance_types import is_region
from spothive.models import Account, AuthStatus, Cluster, Instance, InstanceState, Lifecycle, OnDemandPrice

HOURS_PER_MONTH = 730
"""Hours AWS reckons a month with in its own calculator."""

MAX_PAGE = 10_000

UNANSWERED: Final = frozenset({AuthStatus.FLAGGED, AuthStatus.UNAUTHORIZED})
"""What an instance is while nobody answers for it."""

GroupBy = Literal["region", "family", "lifecycle", "cluster"]


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances to list; what is None does not matter. ``after`` is the last instance id of the page before."""

    account: str | None = None
    region: str | None = None
    state: InstanceState | None = None
    lifecycle: Lifecycle | None = None
    family: str | None = None
    cluster: str | None = None
    auth_status: AuthStatus | None = None
    after: str | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance with the names of its account and cluster."""

    instance: Instance
    account_name: str
    cluster_name: str | None


@dataclass(slots=True)
class FleetGroup:
    """Some instances of the fleet.

    Attributes:
        key: what they have in common.
        instances: how many exist (not terminated).
        billed: how many of them are running; AWS bills no other state by the hour.
        monthly_cost: USD for 730 hours of all running ones at on-demand prices, as far as prices are known.
        unpriced: running instances whose price is not known.
    """

    key: str
    instances: int = 0
    billed: int = 0
    monthly_cost: Decimal = field(default_factory=Decimal)
    unpriced: int = 0


def list_instances(session: TenantSession, wanted: InstanceFilter) -> list[Listed]:
    """Return one page of instances in the order of their EC2 ids; one statement.

    Raises:
        InvalidInput: ``limit`` is not within 1..10,000, or the region is none of AWS.
    """
    if not 1 <= wanted.limit <= MAX_PAGE:
        msg = f"a page has 1 to {MAX_PAGE} instances"
        raise InvalidInput(msg)
    if wanted.region is not None:
        check_region(wanted.region)
    query = _listed().order_by(Instance.instance_id).limit(wanted.limit)
    rows = session.execute(_narrowed(query, wanted))
    return [Listed(instance, account, cluster) for instance, account, cluster in rows]


def find_instance(session: TenantSession, instance_id: str) -> Listed:
    """Return the tenant's instance with this EC2 id.

    Raises:
        NotFound: the tenant has no such instance.
    """
    found = session.execute(_listed().where(Instance.instance_id == instance_id)).first()
    if found is None:
        msg = f"no instance has the id {instance_id[:60]!r}: see `spothive instance list`"
        raise NotFound(msg)
    return Listed(*found)


def on_demand_price(session: TenantSession, instance: Instance) -> Decimal | None:
    """Return what an hour of ``instance`` costs on demand under Linux, in USD; None if that is not known."""
    prices = _prices(session, {instance.instance_type})
    return prices.get((instance.region, instance.instance_type))


def check_region(name: str) -> None:
    """Refuse a name that no AWS region can have.

    Raises:
        InvalidInput: it is misspelt.
    """
    if not is_region(name):
        msg = f"{name[:60]!r} is no AWS region; they are called like eu-west-1"
        raise InvalidInput(msg)


def _listed() -> Select[*tuple[Any, ...]]:
    return (
        select(Instance, Account.account_name, Cluster.name)
        .join(Account, Account.id == Instance.account_id)
        .outerjoin(Cluster, Cluster.id == Instance.cluster_id)
        .where(Account.disconnecting_at.is_(None), ~Instance.is_planned)
    )


def _narrowed(query: Select[*tuple[Any, ...]], wanted: InstanceFilter) -> Select[*tuple[Any, ...]]:
    exact = {
        Account.account_name: wanted.account,
        Instance.region: wanted.region,
        Instance.state: wanted.state,
        Instance.lifecycle: wanted.lifecycle,
        Cluster.name: wanted.cluster,
        Instance.auth_status: wanted.auth_status,
    }
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    if wanted.auth_status in UNANSWERED:
        query = query.where(Instance.flagged_at.is_not(None))  # they all are, and the index says so of its rows
    if wanted.family is not None:
        beginning = f"{wanted.family}."  # not by LIKE, to which SQLite's letters have no case
        query = query.where(func.substr(Instance.instance_type, 1, len(beginning)) == beginning)
    if wanted.after is not None:
        query = query.where(Instance.instance_id > wanted.after)
    return query


def summarise_fleet(session: TenantSession, by: GroupBy, *, account_id: UUID | None = None) -> list[FleetGroup]:
    """Return the fleet in groups, the largest first. Two statements; the sums are exact.

    Args:
        session: bound to the tenant.
        by: what a group has in common.
        account_id: count one account only.
    """
    columns = (Instance.region, Instance.instance_type, Instance.lifecycle, Instance.state, Cluster.name)
    query = (
        select(*columns, func.count())
        .join(Account, Account.id == Instance.account_id)
        .outerjoin(Cluster, Cluster.id == Instance.cluster_id)
        .where(Account.disconnecting_at.is_(None), Instance.state != InstanceState.TERMINATED, ~Instance.is_planned)
        .group_by(*columns)
    )
    if account_id is not None:
        query = query.where(Instance.account_id == account_id)
    rows = session.execute(query).all()
    prices = _prices(session, {row.instance_type for row in rows})
    groups: dict[str, FleetGroup] = {}
    for region, instance_type, lifecycle, state, cluster, count in rows:
        key = {
            "region": region,
            "family": instance_type.partition(".")[0],
            "lifecycle": str(lifecycle),
            "cluster": cluster or "(none)",
        }[by]
        group = groups.setdefault(key, FleetGroup(key))
        group.instances += count
        if state is InstanceState.RUNNING:
            group.billed += count
            price = prices.get((region, instance_type))
            if price is None:
                group.unpriced += count
            else:
                group.monthly_cost += price * HOURS_PER_MONTH * count
    return sorted(groups.values(), key=lambda group: (-group.instances, group.key))


def _prices(session: TenantSession, instance_types: set[str]) -> dict[tuple[str, str], Decimal]:
    """Return (region, type) to USD per hour."""
    query = select(OnDemandPrice.region, OnDemandPrice.instance_type, OnDemandPrice.price).where(
        OnDemandPrice.os == "Linux", OnDemandPrice.instance_type.in_(sorted(instance_types))
    )
    return {(region, kind): price for region, kind, price in session.execute(query)}
