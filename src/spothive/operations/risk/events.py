"""The hive: taking what AWS announces about spot instances, which every tenant learns from and none is named in."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from spothive.database import PLATFORM_TENANT_ID, TenantSession, system_scope
from spothive.errors import DuplicateValue
from spothive.models import (
    Account,
    AccountStatus,
    EnvironmentType,
    GlobalRiskEvent,
    Instance,
    Lifecycle,
    ResourceType,
    RiskSource,
    SpotEventType,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.risk.notices import SpotNotice, read_spot_event, shortly
from spothive.operations.risk.pools import BLOCKED_FOR, block_pool
from spothive.operations.sessions import Sessions


class EventOutcome(enum.StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event.

    Attributes:
        outcome: recorded; repeated, it was there already; ignored, it is not about spot; or unknown, no connected
            account holds such a spot instance.
        reason: the same in words.
        notice: what was announced; None if the event was ignored.
        pool_id: pool of the instance, if it is known.
        blocked_until: until when that pool is blocked by now (UTC), if it is.
    """

    outcome: EventOutcome
    reason: str
    notice: SpotNotice | None = None
    pool_id: str | None = None
    blocked_until: datetime | None = None


# --- taking events --------------------------------------------------------------------------------------------------


def record_spot_event(
    sessions: Sessions, actor: Actor, event: Mapping[str, Any], *, tenant_id: UUID | None = None
) -> EventResult:
    """Take an event of AWS EventBridge about a spot instance (a procedure: it opens its own transactions).

    An event has one effect however often it comes, and the same in any order: a termination notice of a PROD account
    counts and blocks its pool until 15 days after the latest one. Other notices are recorded and block nothing.

    Args:
        sessions: opens transactions.
        actor: who hands the event in.
        event: the event as AWS sends it.
        tenant_id: whose account it must be about; None for staff of platform: that of whoever connected the account.

    Raises:
        InvalidInput: it is no such event, or its time is no time AWS can have announced anything.
        Denied: the role does not allow it.
    """
    notice = read_spot_event(event)
    if notice is None:
        return EventResult(EventOutcome.IGNORED, f"{shortly(event['detail-type'])} says nothing about spot instances")
    if tenant_id is None:
        tenant_id = _tenant_of(sessions, actor, notice)
    if tenant_id is None:
        return _unknown(notice)
    with sessions(tenant=tenant_id) as session:
        require(
            actor,
            Action.MANAGE,
            attempt="event.recorded",
            resource=notice.instance_id,
            resource_type=ResourceType.RISK,
        )
        return _record(session, actor, notice)


def _tenant_of(sessions: Sessions, actor: Actor, notice: SpotNotice) -> UUID | None:
    """Return the tenant that connected the event's account."""
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        require(
            actor,
            Action.MANAGE_PLATFORM,
            attempt="event.recorded",
            resource=notice.instance_id,
            resource_type=ResourceType.RISK,
        )
        with system_scope(session, f"{actor.label} hands in an event of any tenant"):
            return session.scalar(select(Account.tenant_id).where(*_feeding(notice)))


def _feeding(notice: SpotNotice) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an account is the one of ``notice`` and has proved it."""
    proven = Account.status.in_([AccountStatus.CONNECTED, AccountStatus.ACTIVE])
    return Account.account_id == notice.account_id, proven, Account.disconnecting_at.is_(None)


def _unknown(notice: SpotNotice) -> EventResult:
    # One answer whatever is missing: it must not tell whether somebody else has the account or the instance.
    return EventResult(EventOutcome.UNKNOWN, "no connected account holds such a spot instance", notice)


def _record(session: TenantSession, actor: Actor, notice: SpotNotice) -> EventResult:
    """Write the event down in the session's tenant, unless it is there."""
    account = session.scalar(select(Account).where(*_feeding(notice)))
    if account is None:
        return _unknown(notice)
    query = select(Instance).where(Instance.account_id == account.id, Instance.region == notice.region)
    spot = query.where(Instance.lifecycle == Lifecycle.SPOT)  # AWS interrupts no other
    instance = session.scalar(spot.where(Instance.instance_id == notice.instance_id))
    if instance is None:
        return _unknown(notice)
    is_prod = account.environment_type is EnvironmentType.PROD
    counts = is_prod and notice.event_type is SpotEventType.TERMINATION_NOTICE
    place = _place(instance)
    with system_scope(session, f"{actor.label} hands in an event about spot instances"):
        if not _write_event(session, account, notice, place, counts=counts):
            return EventResult(EventOutcome.REPEATED, "was recorded before", notice, place["pool_id"])
        blocked_until = block_pool(session, place, notice.reported_at) if counts else None
    after = {
        "event_type": notice.event_type,
        "pool_id": place["pool_id"],
        "reported_at": notice.reported_at.isoformat(),
        "counted": counts,
    }
    record(session, actor, "event.recorded", notice.instance_id, ResourceType.RISK, after=after)
    reason = "recorded; blocks nothing"
    if counts:
        reason = "recorded; blocks its pool" if blocked_until else "recorded; its 15 days are over"
    return EventResult(EventOutcome.RECORDED, reason, notice, place["pool_id"], blocked_until)


def _place(instance: Instance) -> dict[str, str]:
    region, zone, instance_type = instance.region, instance.availability_zone, instance.instance_type
    return {
        "pool_id": f"{region}:{zone}:{instance_type}",
        "region": region,
        "availability_zone": zone,
        "instance_type": instance_type,
    }


def _write_event(
    session: TenantSession, account: Account, notice: SpotNotice, place: dict[str, str], *, counts: bool
) -> bool:
    """Write an event and whose it is; return whether it is new, which its unique key decides."""
    event = GlobalRiskEvent(
        event_type=notice.event_type,
        reported_at=notice.reported_at,
        expires_at=notice.reported_at + BLOCKED_FOR,
        source_event_id=hashlib.sha256(f"{account.tenant_id} {notice.event_id}".encode()).hexdigest(),
        event_metadata={"counted": counts},
        **place,
    )
    try:
        with session.begin_nested():  # a repeated event must not end the transaction
            session.add(event)
    except DuplicateValue:
        return False
    session.add(
        RiskSource(
            risk_event_id=event.id,
            source_client_id=account.tenant_id,
            account_id=account.id,
            instance_id=notice.instance_id,
        )
    )
    return True
