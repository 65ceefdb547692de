"""Telling the other tenants: whoever has spot instances in a pool that is blocked hears of it, once, and not by whom.

Nobody waits for it: whoever hands an event in blocks the pool, and the sweep finds who is to be told. It goes by what
is, not by what was written since: tenants with live instances in a pool that is blocked, of whose block they were not
told. So nothing is lost by a late commit or a run that was killed, and whoever comes into the pool later is told, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, literal_column, or_, select, true

from spothive.database import TenantSession
from spothive.models import (
    Account,
    GlobalRiskEvent,
    Instance,
    InstanceState,
    Lifecycle,
    NoticeEvent,
    RiskSource,
    SpotEventType,
    SpotPoolRisk,
    Telling,
    Tenant,
)
from spothive.operations.notifications import tell_all
from spothive.operations.notifications.once import note_told
from spothive.operations.risk.told import blocked_news
from spothive.schema.types import clock_timestamp

BLOCKED: Final = NoticeEvent.SPOT_POOL_BLOCKED

AT_ONCE: Final = 5000
"""Most pairs of a tenant and a pool that are read at once."""


@dataclass(frozen=True, slots=True)
class UntoldBlock:
    """A blocked pool in which a tenant has instances, and of whose block the tenant was not told.

    Attributes:
        tenant_id: the tenant.
        slug: what it is called.
        pool_id: the pool.
        poisoned_at: when the latest interruption was announced (UTC).
        until: until when the pool is blocked (UTC).
        knows: whether an interruption of the tenant itself blocks it: of that the tenant was told.
    """

    tenant_id: UUID
    slug: str
    pool_id: str
    poisoned_at: datetime
    until: datetime
    knows: bool


def untold_blocks(
    session: TenantSession, *, after: tuple[UUID, str] | None = None, limit: int = AT_ONCE
) -> list[UntoldBlock]:
    """Return whom blocked pools concern that were not told, by tenant and pool; one statement, in system scope.

    Those of suspended tenants and of accounts that are being disconnected are left out.

    Args:
        session: in system scope.
        after: tenant and pool of the last one that was returned before.
        limit: at most so many.
    """
    # Found first, and on their own: there are few blocked pools, and SQLite would begin with every tenant's instances.
    pool, instance = SpotPoolRisk, Instance
    found = (
        select(instance.tenant_id, instance.account_id, pool.pool_id, pool.poisoned_at, pool.poison_expires_at)
        .where(*_lives_in_pool(), pool.poison_expires_at > clock_timestamp())
        .cte("found")
        .prefix_with("MATERIALIZED")
        .c
    )
    told = and_(Telling.tenant_id == found.tenant_id, Telling.event_type == BLOCKED, Telling.subject == found.pool_id)
    query = (
        select(found.tenant_id, Tenant.slug, found.pool_id, found.poisoned_at, found.poison_expires_at, _knows(found))
        .distinct()
        .join(Account, and_(Account.tenant_id == found.tenant_id, Account.id == found.account_id))
        .join(Tenant, Tenant.id == found.tenant_id)
        .outerjoin(Telling, told)
        .where(Tenant.is_active, Account.disconnecting_at.is_(None))
        .where(or_(Telling.told_until.is_(None), Telling.told_until < found.poison_expires_at))
    )
    if after is not None:
        tenant_id, pool_id = after
        rest = and_(found.tenant_id == tenant_id, found.pool_id > pool_id)
        query = query.where(or_(found.tenant_id > tenant_id, rest))
    rows = session.execute(query.order_by(found.tenant_id, found.pool_id).limit(limit))
    return [UntoldBlock(*row) for row in rows]


def tell_of_blocks(session: TenantSession, blocks: Collection[UntoldBlock]) -> int:
    """Tell the tenant's people of pools that are blocked; return of how many.

    A block that was extended since they were told, and one that their own interruption began, are noted and not told.

    Args:
        session: of the tenant, not in system scope.
        blocks: of this tenant.
    """
    before = note_told(session, BLOCKED, {block.pool_id: block.until for block in blocks})
    news = {
        block.pool_id: block.until
        for block in blocks
        if not block.knows and (block.pool_id not in before or before[block.pool_id] < block.poisoned_at)
    }
    tell_all(session, [blocked_news(news)] if news else [])
    return len(news)


def _lives_in_pool() -> tuple[ColumnElement[bool], ...]:
    # The word itself, not a parameter: both databases take the index of live spot instances only then.
    spot: ColumnElement[str] = literal_column(f"'{Lifecycle.SPOT}'")
    return (
        Instance.availability_zone == SpotPoolRisk.availability_zone,
        Instance.instance_type == SpotPoolRisk.instance_type,
        Instance.region == SpotPoolRisk.region,
        Instance.lifecycle == spot,
        Instance.terminated_at.is_(None),
        Instance.state.in_([InstanceState.PENDING, InstanceState.RUNNING]),
        ~Instance.is_planned,
    )


def _knows(found: Any) -> ColumnElement[bool]:
    """Return whether an interruption of the tenant's own belongs to the block: it blocked until after the latest."""
    event = GlobalRiskEvent
    return exists().where(
        event.pool_id == found.pool_id,
        event.event_type == SpotEventType.TERMINATION_NOTICE,
        event.expires_at >= found.poisoned_at,
        func.coalesce(event.event_metadata["counted"].as_boolean(), true()),
        RiskSource.risk_event_id == event.id,
        RiskSource.source_client_id == found.tenant_id,
    )
