"""Asking AWS for spot prices: outside of any transaction, and a transaction for each region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.errors import ConfigurationError, InvalidInput, SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.instance_types import is_region
from spothive.models import Instance, InstanceState, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record_failure
from spothive.operations.risk.market import require_staff, store_facts
from spothive.operations.risk.market_files import MarketFact, MarketRead, take_spot_prices
from spothive.operations.sessions import Sessions

SOURCE: Final = "ec2:DescribeSpotPriceHistory"
"""Source of the facts that AWS was asked for."""

HISTORY: Final = timedelta(hours=24)
"""How far back AWS is asked; no decision uses an older price."""

_EVENT = "market.refreshed"


@dataclass(slots=True)
class MarketRefreshed:
    """What a refresh brought.

    Attributes:
        regions: those that were asked for.
        added: spot prices that were new.
        changed: spot prices that were stored differently.
        unchanged: spot prices that were known.
        refused: entries of AWS's answers that cannot be stored, each with the reason.
        failed: regions of which nothing was stored, with the reason.
    """

    regions: list[str]
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def refresh_market(
    sessions: Sessions, actor: Actor, *, regions: Iterable[str] = (), types: Iterable[str] = (), gateway: AwsGateway
) -> MarketRefreshed:
    """Store the spot prices that Linux had at AWS in the last 24 hours (a procedure).

    spothive asks as itself, so its own principal needs ``ec2:DescribeSpotPriceHistory``. A region that gives no answer
    keeps what it has, is remembered as failed, and the others go on.

    Args:
        sessions: opens transactions of a tenant.
        actor: who asks, staff of platform.
        regions: regions to ask for; when empty, all in which any tenant has an instance.
        types: instance types to ask for; all when empty.
        gateway: the way to AWS.

    Raises:
        Denied: ``actor`` is no staff of platform.
        InvalidInput: a region is none of AWS, or none is given and no tenant has an instance.
        ConfigurationError: AWS does not accept spothive's own credentials; regions before that are stored.
    """
    wanted = sorted(set(regions))
    if not all(map(is_region, wanted)):
        msg = "that is no AWS region; they are called like eu-west-1"
        raise InvalidInput(msg)
    with sessions(tenant=actor.home_tenant_id) as session:
        require_staff(actor, _EVENT, ", ".join(wanted)[:200] or "every region in use")
        wanted = wanted or _regions_in_use(session, actor)
    result = MarketRefreshed(wanted)
    chosen = sorted(set(types))
    for region in wanted:
        try:
            read = _read_region(gateway, region, chosen)
        except (AwsError, ConfigurationError) as error:
            result.failed[region] = str(error)
            _remember(sessions, actor, region, error)
            if isinstance(error, ConfigurationError):
                raise
            continue
        with sessions(tenant=actor.home_tenant_id) as session:
            done = store_facts(session, actor, read, event=_EVENT, resource=region)
        result.added += done.added
        result.changed += done.changed
        result.unchanged += done.unchanged
        result.refused += read.refused
    return result


def _regions_in_use(session: TenantSession, actor: Actor) -> list[str]:
    """Return the regions in which any tenant has an instance.

    Raises:
        InvalidInput: there is none.
    """
    with system_scope(session, f"{actor.label} looks for the regions in use"):
        living = select(Instance.region).where(Instance.state != InstanceState.TERMINATED)
        found = sorted(session.scalars(living.distinct()))
    if not found:
        msg = "no tenant has an instance yet: name a region"
        raise InvalidInput(msg)
    return found


def _read_region(gateway: AwsGateway, region: str, types: list[str]) -> MarketRead:
    read = MarketRead(MarketFact.SPOT, SOURCE)
    for page in gateway.spot_price_pages(region, since=utc_now() - HISTORY, types=types):
        take_spot_prices(read, page)
    return read


def _remember(sessions: Sessions, actor: Actor, region: str, error: SpothiveError) -> None:
    with sessions(tenant=actor.home_tenant_id) as session:
        record_failure(session, actor, _EVENT, region, ResourceType.RISK, reason=error)
