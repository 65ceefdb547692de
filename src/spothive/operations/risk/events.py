"""The hive: taking what AWS announces about spot instances, which every tenant learns from and none is named in."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, select

from spothive.clock import CLOCKS_DIFFER
from spothive.database import PLATFORM_TENANT_ID, TenantSession, system_scope
from spothive.errors import ConfigurationError, Conflict, DuplicateValue, SecretUnreadable
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.ec2_answer import ObservedInstance
from spothive.keyring import Keys
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
from spothive.operations.fleet.access import Access, read_access
from spothive.operations.fleet.describing import described, hold_described
from spothive.operations.identity import Action, require
from spothive.operations.notifications import tell_all
from spothive.operations.risk.notices import SpotNotice, read_spot_event, shortly
from spothive.operations.risk.pools import BLOCKED_FOR, block_pool
from spothive.operations.risk.replicas import ONE_END, Consequence, announced, follow, is_unseen, standby_of
from spothive.operations.risk.told import interruption_news
from spothive.operations.sessions import Sessions
from spothive.operations.sla.told import Down, budget_news
from spothive.settings import get_settings


class EventOutcome(enum.StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNKNOWN = "unknown"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event.

    Attributes:
        outcome: recorded; repeated, it was there already; ignored, it is not about spot; unknown, no connected account
            holds such a spot instance; or unanswered, AWS could not be asked about it: the event must be given again.
        reason: the same in words.
        notice: what was announced; None if the event was ignored.
        pool_id: pool of the instance, if it is known.
        blocked_until: until when that pool is blocked by now (UTC), if it is.
        consequence: what it did to replicas and outages, if it is new.
    """

    outcome: EventOutcome
    reason: str
    notice: SpotNotice | None = None
    pool_id: str | None = None
    blocked_until: datetime | None = None
    consequence: Consequence | None = None


def record_spot_event(
    sessions: Sessions,
    actor: Actor,
    event: Mapping[str, Any],
    *,
    tenant_id: UUID | None = None,
    gateway: AwsGateway | None = None,
    keys: Keys | None = None,
) -> EventResult:
    """Take an event of AWS EventBridge about a spot instance (a procedure: it opens its own transactions).

    An event has one effect however often it comes: a termination notice of a PROD account counts and blocks its pool
    until 15 days after the latest one. A rebalance notice plans a replica, the first termination notice of an instance
    lets its replica take over or begins an outage, and the tenant's people are told of the first of each. All of one
    event is one transaction.

    An instance that the inventory lacks, or that AWS has never described, is described once at AWS, if its account is
    connected in the tenant.

    Args:
        sessions: opens transactions.
        actor: who hands the event in.
        event: the event as AWS sends it.
        tenant_id: whose account it must be about; None for staff of platform: that of whoever connected the account.
        gateway: the way to AWS; without one such an instance stays unknown.
        keys: loads the keyring, for an account that is reached by keys.

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
        _require(actor, Action.MANAGE, notice)
        result = _record(session, actor, notice, may_ask=gateway is not None)
    if gateway is None or result.outcome is not EventOutcome.UNKNOWN:
        return result
    return _ask_and_record(sessions, actor, notice, tenant_id, gateway=gateway, keys=keys)


def _require(actor: Actor, action: Action, notice: SpotNotice) -> None:
    resource, kind = notice.instance_id, ResourceType.RISK
    require(actor, action, attempt="event.recorded", resource=resource, resource_type=kind)


def _tenant_of(sessions: Sessions, actor: Actor, notice: SpotNotice) -> UUID | None:
    """Return the tenant that connected the event's account."""
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        _require(actor, Action.MANAGE_PLATFORM, notice)
        with system_scope(session, f"{actor.label} hands in an event of any tenant"):
            return session.scalar(select(Account.tenant_id).where(*_feeding(notice)))


def _feeding(notice: SpotNotice) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an account is the one of ``notice`` and has proved it."""
    proven = Account.status.in_([AccountStatus.CONNECTED, AccountStatus.ACTIVE])
    return Account.account_id == notice.account_id, proven, Account.disconnecting_at.is_(None)


def _unknown(notice: SpotNotice) -> EventResult:
    # One answer whatever is missing: it must not tell whether somebody else has the account or the instance.
    return EventResult(EventOutcome.UNKNOWN, "no connected account holds such a spot instance", notice)


# --- an instance that the inventory lacks -----------------------------------------------------------------------------


def _ask_and_record(
    sessions: Sessions,
    actor: Actor,
    notice: SpotNotice,
    tenant_id: UUID,
    *,
    gateway: AwsGateway,
    keys: Keys | None,
) -> EventResult:
    """Ask AWS about the instance, outside of any transaction, and take the event if it is a spot instance."""
    try:
        with sessions(tenant=tenant_id) as session:
            access = _access(session, notice, keys)
            if access is None:  # it is not the tenant's, or another event had it described meanwhile
                return _record(session, actor, notice)
        seen = _described(access, notice, gateway)
    except (AwsError, ConfigurationError, SecretUnreadable) as error:
        why = f"AWS could not be asked about the instance ({error}): give the event again"
        return EventResult(EventOutcome.UNANSWERED, why, notice)
    if seen is None:
        return _unknown(notice)
    with sessions(tenant=tenant_id) as session:
        return _record_described(session, actor, notice, access, seen)


def _access(session: TenantSession, notice: SpotNotice, keys: Keys | None) -> Access | None:
    """Return how the account is reached, if the tenant connected it and AWS never told of an instance with this id."""
    held = session.scalar(select(Instance).where(Instance.instance_id == notice.instance_id))
    name = session.scalar(select(Account.account_name).where(*_feeding(notice)))
    if name is None or (held is not None and not is_unseen(held)):
        return None
    return read_access(session, name, keys or _no_keys)


def _no_keys() -> NoReturn:
    msg = "the account is reached by keys, and no sealing keys were given"
    raise ConfigurationError(msg)


def _described(access: Access, notice: SpotNotice, gateway: AwsGateway) -> ObservedInstance | None:
    """Return the spot instance as AWS describes it; None if the account has no such."""
    seen = described(gateway, access, notice.region, notice.instance_id)
    return seen if seen is not None and seen.lifecycle == Lifecycle.SPOT.value else None


def _record_described(
    session: TenantSession, actor: Actor, notice: SpotNotice, access: Access, seen: ObservedInstance
) -> EventResult:
    """Put the instance into the inventory and take the event, all in one transaction."""
    try:
        hold_described(session, access, seen)
    except Conflict:  # disconnected while AWS was asked; had the database refused, the commit would say so
        return _unknown(notice)
    return _record(session, actor, notice, is_described=True)


# --- an instance of the inventory -------------------------------------------------------------------------------------


def _record(
    session: TenantSession, actor: Actor, notice: SpotNotice, *, is_described: bool = False, may_ask: bool = False
) -> EventResult:
    """Write the event down in the session's tenant, unless it is there, and do all that follows from it.

    An instance of which only an outcome tells is unknown where we may ask AWS about it, and else counts for no pool.
    """
    # Shared among events, it keeps discovery and disconnection out: they change many instances, in an order of theirs.
    account = session.scalar(select(Account).where(*_feeding(notice)).with_for_update(read=True))
    if account is None:
        return _unknown(notice)
    query = select(Instance).where(Instance.account_id == account.id, Instance.region == notice.region)
    spot = query.where(Instance.lifecycle == Lifecycle.SPOT)  # AWS interrupts no other
    instance = session.scalar(spot.where(Instance.instance_id == notice.instance_id).with_for_update())
    if instance is None or (may_ask and is_unseen(instance)):
        return _unknown(notice)
    standby = standby_of(session, instance)
    amiss = _amiss(instance, notice)
    is_prod = account.environment_type is EnvironmentType.PROD
    counts = is_prod and amiss is None and not is_unseen(instance)
    place = _place(instance)
    with system_scope(session, f"{actor.label} hands in an event about spot instances"):
        was_announced = bool(announced(session, [notice.instance_id], near=notice.reported_at))
        was_told = was_announced
        if notice.event_type is SpotEventType.REBALANCE_NOTICE:
            recommended = _recommended(session, notice)
            counts, was_told = counts and True not in recommended, was_told or bool(recommended)
        if not _write_event(session, account, notice, place, counts=counts):
            return EventResult(EventOutcome.REPEATED, "was recorded before", notice, place["pool_id"])
        terminates = notice.event_type is SpotEventType.TERMINATION_NOTICE
        blocked_until = block_pool(session, place, notice.reported_at) if counts and terminates else None
    lifetime = timedelta(seconds=get_settings().replica_lifetime)
    if amiss is None:
        consequence = follow(session, notice, instance, standby, was_announced=was_announced, lifetime=lifetime)
    else:
        consequence = Consequence(amiss)
    after = {
        "event_type": notice.event_type,
        "pool_id": place["pool_id"],
        "reported_at": notice.reported_at.isoformat(),
        "counted": counts and terminates,
        "described": is_described,
    }
    after |= consequence.facts()
    record(session, actor, "event.recorded", notice.instance_id, ResourceType.RISK, after=after)
    if amiss is None and not was_told:  # AWS says the same again and again, under other ids
        news = interruption_news(notice, instance, place["pool_id"], consequence)
        if consequence.down_since and consequence.down_until:  # what lasts is the sweep's
            news += budget_news(session, [Down(instance.cluster_id, consequence.down_since, consequence.down_until)])
        tell_all(session, news)
    blocks = "blocks nothing"
    if counts and terminates:
        blocks = "blocks its pool" if blocked_until else "its 15 days are over"
    reason = f"recorded; {blocks}; {consequence.reason}"
    return EventResult(EventOutcome.RECORDED, reason, notice, place["pool_id"], blocked_until, consequence)


def _amiss(instance: Instance, notice: SpotNotice) -> str | None:
    """Return why nothing may follow from a notice about an instance that is known; None if something may."""
    if instance.launched_at is not None and notice.reported_at < instance.launched_at - CLOCKS_DIFFER:
        return "the instance was started after that"
    if instance.terminated_at is not None and notice.reported_at > instance.terminated_at + CLOCKS_DIFFER:
        return "the instance was gone before that"
    return None


def _recommended(session: TenantSession, notice: SpotNotice) -> set[bool]:
    """Return, for each time AWS recommended to leave this instance within a day of the notice, whether that counted.

    It does so again and again; one instance is one voice about its pool. Only in system scope.
    """
    query = (
        select(GlobalRiskEvent.event_metadata)
        .join(RiskSource, RiskSource.risk_event_id == GlobalRiskEvent.id)
        .where(RiskSource.source_client_id == session.tenant_id, RiskSource.instance_id == notice.instance_id)
        .where(GlobalRiskEvent.event_type == SpotEventType.REBALANCE_NOTICE)
        .where(GlobalRiskEvent.reported_at.between(notice.reported_at - ONE_END, notice.reported_at + ONE_END))
    )
    return {bool(about.get("counted")) for about in session.scalars(query)}


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
