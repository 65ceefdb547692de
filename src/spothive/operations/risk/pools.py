"""Spot pools: which are blocked for everybody by what was announced about them, until when and why; never whose."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.database.bulk import is_any_of
from spothive.errors import DuplicateValue, InvalidInput
from spothive.gateways.instance_types import region_of_zone
from spothive.models import GlobalRiskEvent, ResourceType, SpotEventType, SpotPoolRisk
from spothive.models.risk import POISON_HOURS
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.schema.types import clock_timestamp
from spothive.scoring.features import size_class

BLOCKED_FOR: Final = timedelta(hours=POISON_HOURS)
EVENTS_MAX: Final = 10_000
"""Most events one look at a pool's history returns."""

_POOLS: Final = SpotPoolRisk.__table__
_PART_MAX: Final = 32
_NAME_MAX: Final = 3 * _PART_MAX + 2
_SHOWN = 80
"""Characters of a wrong pool that its refusal repeats."""


class PoolRisk(NamedTuple):
    """What the interruptions of all tenants say about a pool, never whose they were.

    Attributes:
        pool_id: ``region:availability_zone:instance_type``.
        blocked: whether nobody should start an instance there now.
        until: when the block ends (UTC), if there is one.
        interruptions: terminations of PROD instances ever seen.
        last_interruption: the latest of them (UTC).
    """

    pool_id: str
    blocked: bool = False
    until: datetime | None = None
    interruptions: int = 0
    last_interruption: datetime | None = None

    @property
    def reason(self) -> str:
        """Why it is blocked or not, in words."""
        if self.last_interruption is None:
            return "no interruption seen"
        times = "interruption" if self.interruptions == 1 else "interruptions"
        return f"{self.interruptions} {times}, the last at {self.last_interruption:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """One announcement about a pool; ``counted`` if it was an interruption that blocks it for 15 days."""

    event_type: SpotEventType
    reported_at: datetime
    counted: bool


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """A pool with what was announced about it, newest first."""

    risk: PoolRisk
    events: list[PoolEvent]


def parts_of_pool(name: str) -> tuple[str, str, str]:
    """Return region, zone and instance type of a pool called ``region:availability_zone:instance_type``.

    A name that no pool can have is a slip, and is never answered as a pool of which nothing is known.

    Raises:
        InvalidInput: it is not written so, the zone lies in another region, or the type is none of EC2's by its form.
    """
    parts = _parts(name) if len(name) <= _NAME_MAX else None
    if parts is not None:
        return parts
    got = ascii(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!a}.."
    msg = f"a pool is region:availability_zone:instance_type, such as us-east-1:us-east-1a:m5.large; got {got}"
    raise InvalidInput(msg)


@lru_cache(maxsize=16_384)  # whoever looks for candidates asks about the same pools again and again
def _parts(name: str) -> tuple[str, str, str] | None:
    parts = name.split(":")
    if len(parts) == 3:  # noqa: PLR2004 - as in the name
        region, zone, instance_type = parts
        if _region_of(zone) == region and _is_type(instance_type):
            return region, zone, instance_type
    return None


@lru_cache(maxsize=1024)  # thousands of pools are a few zones times a few hundred types
def _region_of(zone: str) -> str | None:
    return region_of_zone(zone) if len(zone) <= _PART_MAX else None


@lru_cache(maxsize=4096)
def _is_type(name: str) -> bool:
    return len(name) <= _PART_MAX and size_class(name) is not None


def check_pools(session: TenantSession, pools: Collection[str], *, stored: bool = False) -> dict[str, PoolRisk]:
    """Return what is known of each pool, in the order given; one statement for thousands.

    Args:
        session: of any tenant.
        pools: their names.
        stored: they are made of what is stored, and not judged: AWS may call a type what it likes.

    Raises:
        InvalidInput: one cannot be a pool; see :func:`parts_of_pool`.
    """
    for pool in () if stored else pools:
        parts_of_pool(pool)
    known = {risk.pool_id: risk for risk in _risks(session, is_any_of(session, _POOLS.c.pool_id, pools))}
    return {pool: known.get(pool) or PoolRisk(pool) for pool in pools}


def list_blocked(session: TenantSession) -> list[PoolRisk]:
    """Return the pools that are blocked now, those that are longest first."""
    blocked = _POOLS.c.poison_expires_at > utc_now()
    return sorted(_risks(session, blocked), key=lambda risk: (risk.until, risk.pool_id), reverse=True)


def why_pool(session: TenantSession, pool: str, *, limit: int = 100) -> PoolHistory:
    """Return what is known of a pool and the latest ``limit`` announcements about it, newest first.

    Raises:
        InvalidInput: it cannot be a pool, see :func:`parts_of_pool`, or ``limit`` is not 1 to 10,000.
    """
    if not 1 <= limit <= EVENTS_MAX:
        msg = f"a history has 1 to {EVENTS_MAX} events"
        raise InvalidInput(msg)
    risk = check_pools(session, [pool])[pool]
    query = select(GlobalRiskEvent).where(GlobalRiskEvent.pool_id == pool)
    rows = session.scalars(query.order_by(GlobalRiskEvent.reported_at.desc(), GlobalRiskEvent.id.desc()).limit(limit))
    return PoolHistory(risk, [PoolEvent(row.event_type, row.reported_at, _counted(row)) for row in rows])


def _counted(event: GlobalRiskEvent) -> bool:
    terminates = event.event_type is SpotEventType.TERMINATION_NOTICE
    return terminates and event.event_metadata.get("counted") is not False


def _risks(session: TenantSession, condition: ColumnElement[bool]) -> list[PoolRisk]:
    """Return the pools that fulfil ``condition``. The flag is tidied late, so the time decides."""
    now = utc_now()
    columns = _POOLS.c
    query = select(  # of the table, as mapped columns take half as long again
        columns.pool_id, columns.poison_expires_at, columns.interruption_count, columns.last_interruption
    )
    found = []
    for pool_id, expires_at, count, last in session.execute(query.where(condition)).all():
        until = expires_at if expires_at is not None and expires_at > now else None
        found.append(PoolRisk(pool_id, until is not None, until, count, last))
    return found


# --- blocking -------------------------------------------------------------------------------------------------------


def block_pool(session: TenantSession, place: dict[str, str], reported_at: datetime) -> datetime | None:
    """Count an interruption into its pool; return until when the pool is blocked, if it still is.

    What the pool says afterwards does not depend on the order in which interruptions come.
    """
    pool = _locked_pool(session, place)
    pool.interruption_count += 1
    pool.last_interruption = max(pool.last_interruption or reported_at, reported_at)
    expires_at = max(pool.poison_expires_at or reported_at, pool.last_interruption + BLOCKED_FOR)
    if expires_at <= utc_now():
        return None
    if expires_at != pool.poison_expires_at:
        pool.is_poisoned, pool.poisoned_at, pool.poison_expires_at = True, pool.last_interruption, expires_at
    return expires_at


def _locked_pool(session: TenantSession, place: dict[str, str]) -> SpotPoolRisk:
    """Return the row of a pool, locked for the transaction; make it if there is none."""
    query = select(SpotPoolRisk).where(SpotPoolRisk.pool_id == place["pool_id"]).with_for_update()
    pool = session.scalar(query)
    if pool is None:
        try:
            with session.begin_nested():  # another event may make the same row
                session.add(SpotPoolRisk(**place, interruption_count=0, pool_metadata={}))
        except DuplicateValue:
            pass
        pool = session.scalars(query.execution_options(populate_existing=True)).one()
    return pool


# --- tidying --------------------------------------------------------------------------------------------------------

TIDIED_AT_ONCE: Final = 1000
"""Most pools that one call tidies."""


def tidy_pools(session: TenantSession, actor: Actor) -> int:
    """Take the flag from pools whose block is over, a thousand at most; return how many. One statement.

    Nothing depends on it: whether a pool is blocked is told by the time. A pool that a notice
    has locked at this moment is left to the next call, so that a fresh block is never undone.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    event, called = "pools.tidied", "pools"
    require(actor, Action.MANAGE_PLATFORM, attempt=event, resource=called, resource_type=ResourceType.RISK)
    over = (SpotPoolRisk.is_poisoned, SpotPoolRisk.poison_expires_at <= clock_timestamp())
    first = select(SpotPoolRisk.id).where(*over).order_by(SpotPoolRisk.poison_expires_at).limit(TIDIED_AT_ONCE)
    tidy = update(SpotPoolRisk).where(SpotPoolRisk.id.in_(first.with_for_update(skip_locked=True)), *over)
    tidy = tidy.values(is_poisoned=False, poisoned_at=None, poison_expires_at=None).returning(SpotPoolRisk.id)
    with system_scope(session, f"{actor.label} tidies pools"):
        tidied = len(session.execute(tidy, execution_options={"synchronize_session": False}).all())
        if tidied:
            record(session, actor, event, called, ResourceType.RISK, after={"tidied": tidied})
    return tidied
