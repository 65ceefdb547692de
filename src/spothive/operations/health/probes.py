"""The questions by which each part of spothive is asked how it does.

Each reads the tables in a short block over all tenants and judges what it read by the limits here. Files are read
outside of any block.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from spothive.database import read_session, system_scope
from spothive.database.trail import CLAIMS_NOTHING
from spothive.models import (
    ActionStatus,
    AgentAction,
    AuditLog,
    AuditSeal,
    ComponentStatus,
    MlModel,
    OnDemandPrice,
    SpotPrice,
    Tenant,
)
from spothive.settings import get_settings

QUEUE_WAITING = timedelta(minutes=5)
"""An agent asks for work far more often: an action that has waited longer is not being fetched."""
QUEUE_STUCK = timedelta(minutes=30)
"""Half of the hour after which an action expires unless it says otherwise."""
LEASE_OVERDUE = timedelta(minutes=5)
"""An action whose lease ran out is handed out again at the next claim, or expired by the sweep each minute."""

SPOT_PRICE_OLD = timedelta(hours=12)
"""Half of the time for which a price may be decided upon."""
SPOT_PRICE_USELESS = timedelta(hours=24)
"""No decision uses an older price."""
ON_DEMAND_PRICE_OLD = timedelta(days=90)
"""AWS changes on-demand prices a few times a year."""
AHEAD = timedelta(minutes=5)
"""A price from further in the future is an error, and hides no old one."""

SEALING_LATE = timedelta(hours=25)
"""A day, which is the least one seals, and an hour for the job to run."""
SEALING_STOPPED = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe saw: how the component does, the same for people, and the numbers behind it; never a secret."""

    status: ComponentStatus
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


def probe_database(now: datetime) -> Finding:
    """Let the database answer one question in a transaction of its own; what matters is how long that takes."""
    del now
    with read_session() as session:
        session.scalar(select(1))
    return Finding(ComponentStatus.HEALTHY, "answers")


def probe_queue(now: datetime) -> Finding:
    """Look for actions that no agent fetches, and for leases that ran out."""
    waiting = and_(
        AgentAction.status == ActionStatus.PENDING, AgentAction.available_at <= now, AgentAction.expires_at > now
    )
    overdue = and_(AgentAction.status == ActionStatus.PICKED_UP, AgentAction.leased_until < now - LEASE_OVERDUE)
    with read_session() as session, system_scope(session, "the queue is checked"):
        oldest = session.scalar(select(func.min(AgentAction.available_at)).where(waiting))
        number = session.scalar(select(func.count()).select_from(AgentAction).where(waiting)) or 0
        lost = session.scalar(select(func.count()).select_from(AgentAction).where(overdue)) or 0
    waited = timedelta() if oldest is None else now - oldest
    facts = {"waiting": number, "oldest_waited_seconds": round(waited.total_seconds()), "leases_overdue": lost}
    if waited > QUEUE_STUCK:
        return Finding(ComponentStatus.DOWN, f"an action has waited {_span(waited)} for its agent", facts)
    if waited > QUEUE_WAITING:
        return Finding(ComponentStatus.DEGRADED, f"an action has waited {_span(waited)} for its agent", facts)
    if lost:
        late = _span(LEASE_OVERDUE)
        return Finding(ComponentStatus.DEGRADED, f"{lost} leases ran out more than {late} ago", facts)
    return Finding(ComponentStatus.HEALTHY, f"{number} actions wait", facts)


def probe_market_data(now: datetime) -> Finding:
    """Ask how old the newest prices are."""
    with read_session() as session:
        spot, on_demand = (
            session.scalar(select(func.max(table.observed_at)).where(table.observed_at <= now + AHEAD))
            for table in (SpotPrice, OnDemandPrice)
        )
    facts = {"newest_spot_price": _iso(spot), "newest_on_demand_price": _iso(on_demand)}
    if spot is None:
        return Finding(ComponentStatus.UNKNOWN, "no spot price is known yet", facts)
    age = now - spot
    if age > SPOT_PRICE_USELESS:
        message = f"the newest spot price is {_span(age)} old: no decision uses it"
        return Finding(ComponentStatus.DOWN, message, facts)
    if age > SPOT_PRICE_OLD:
        return Finding(ComponentStatus.DEGRADED, f"the newest spot price is {_span(age)} old", facts)
    if on_demand is None:
        return Finding(ComponentStatus.DEGRADED, "no on-demand price is known: spothive market import", facts)
    if now - on_demand > ON_DEMAND_PRICE_OLD:
        message = f"the newest on-demand price is {_span(now - on_demand)} old: spothive market import"
        return Finding(ComponentStatus.DEGRADED, message, facts)
    return Finding(ComponentStatus.HEALTHY, f"the newest spot price is {_span(age)} old", facts)


def probe_model(now: datetime) -> Finding:
    """Hold the file of the model that decides in production against its hash."""
    del now
    with read_session() as session:
        model = session.scalar(select(MlModel).where(MlModel.is_active_prod))
    if model is None:
        return Finding(ComponentStatus.UNKNOWN, "no model is active in production")
    name, file = f"{model.name} {model.version}", get_settings().model_store / model.file_path
    facts = {"model": name}
    if not file.is_file():  # what is no file might also never end
        return Finding(ComponentStatus.DOWN, f"the file of {name} is not there", facts)
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        message = f"the file of {name} cannot be read here: {error.strerror or type(error).__name__}"
        return Finding(ComponentStatus.UNKNOWN, message, facts)
    if found != model.file_hash:
        return Finding(ComponentStatus.DOWN, f"the file of {name} is not the one that was registered", facts)
    return Finding(ComponentStatus.HEALTHY, f"{name} is as it was registered", facts)


def probe_sealer(now: datetime) -> Finding:
    """Ask how long audit rows have been without a seal, in the tenant where that is longest.

    One statement, which looks at the newest rows of each tenant. A seal covers the rows of transactions before its
    horizon. SQLite has no numbers of transactions and one writer at a time: there it covers what was written before it.
    """
    newer = aliased(AuditSeal)
    is_newest = ~exists().where(newer.tenant_id == AuditSeal.tenant_id, newer.seal_no > AuditSeal.seal_no)
    last = select(AuditSeal.tenant_id, AuditSeal.horizon, AuditSeal.sealed_at).where(is_newest).subquery()
    by_number = and_(last.c.horizon > CLAIMS_NOTHING, AuditLog.txid >= last.c.horizon)
    by_time = and_(last.c.horizon <= CLAIMS_NOTHING, AuditLog.timestamp > last.c.sealed_at)
    oldest = (
        select(func.min(AuditLog.timestamp))
        .where(AuditLog.tenant_id == Tenant.id, or_(last.c.horizon.is_(None), by_number, by_time))
        .correlate(Tenant, last)
        .scalar_subquery()
    )
    tenants_with_last = select(oldest.label("oldest"), last.c.sealed_at).select_from(Tenant)
    each = tenants_with_last.outerjoin(last, last.c.tenant_id == Tenant.id).subquery()
    query = select(func.min(each.c.oldest), func.count(each.c.oldest), func.max(each.c.sealed_at))
    with read_session() as session, system_scope(session, "the sealer is checked"):
        found: Any = session.execute(query).one()
    unsealed, tenants, sealed_at = found
    facts = {"oldest_unsealed": _iso(unsealed), "tenants_with_unsealed": tenants, "last_seal": _iso(sealed_at)}
    if sealed_at is None:
        return Finding(ComponentStatus.UNKNOWN, "nothing has ever been sealed", facts)
    if unsealed is None:
        return Finding(ComponentStatus.HEALTHY, "every audit row is sealed", facts)
    age = now - unsealed
    message = f"the oldest unsealed audit row is {_span(age)} old"
    if age > SEALING_STOPPED:
        return Finding(ComponentStatus.DOWN, message, facts)
    return Finding(ComponentStatus.DEGRADED if age > SEALING_LATE else ComponentStatus.HEALTHY, message, facts)


def _span(length: timedelta) -> str:
    """Return a length of time as people say it, for example ``26 h``."""
    minutes = round(length.total_seconds() / 60)
    for size, unit, least in ((24 * 60, "days", 3), (60, "h", 2)):
        if minutes >= size * least:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
