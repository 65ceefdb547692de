"""The hive: what one tenant's interruptions teach all of them about a pool, without saying whose they were."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, select

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, TenantSession, system_scope
from spothive.database.bulk import is_any_of
from spothive.errors import DuplicateValue, InvalidInput
from spothive.gateways.instance_types import is_region
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
    SpotPoolRisk,
)
from spothive.models.risk import POISON_HOURS
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions

BLOCKED_FOR: Final = timedelta(hours=POISON_HOURS)
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By how much a clock at AWS may be ahead of ours."""

EVENTS_MAX: Final = 10_000
"""Most events one look at a pool's history returns."""

_FIRST_NOTICE: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""AWS announced no interruption before; an earlier time is a clock that was never set."""

_TYPES: Final = {
    "EC2 Spot Instance Interruption Warning": SpotEventType.TERMINATION_NOTICE,
    "EC2 Instance Rebalance Recommendation": SpotEventType.REBALANCE_NOTICE,
}
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_POOL = re.compile(r"[a-z0-9-]{1,32}:[a-z0-9-]{1,32}:[a-z0-9.-]{1,32}")
_SHOWN = 40
"""Characters of a wrong value that its refusal repeats."""


class EventOutcome(enum.StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SpotNotice:
    """What AWS announced about an instance, as far as it is believed: place and type come from the inventory."""

    event_id: str
    event_type: SpotEventType
    account_id: str
    region: str
    instance_id: str
    reported_at: datetime


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


@dataclass(frozen=True, slots=True)
class PoolRisk:
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
        return EventResult(EventOutcome.IGNORED, f"{_short(event['detail-type'])} says nothing about spot instances")
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


def read_spot_event(event: object) -> SpotNotice | None:
    """Return what an EventBridge event announces about a spot instance; None if it is about something else.

    Raises:
        InvalidInput: it is no event, lacks something, or says what cannot be.
    """
    if not isinstance(event, Mapping):
        _refuse(f"an event is a JSON object; got {_short(event)}")
    kind, detail = event.get("detail-type"), event.get("detail")
    if not isinstance(kind, str):
        _refuse(f"detail-type of an event is a text; got {_short(kind)}")
    if kind not in _TYPES:
        return None
    if event.get("source") != "aws.ec2":
        _refuse(f"source of such an event is aws.ec2; got {_short(event.get('source'))}")
    if not isinstance(detail, Mapping):
        _refuse(f"detail of an event is a JSON object; got {_short(detail)}")
    return SpotNotice(
        _matching(event, "id", _EVENT_ID, "AWS's id of the event"),
        _TYPES[kind],
        _matching(event, "account", _ACCOUNT_ID, "12 digits, as a text"),
        _region(event),
        _matching(detail, "instance-id", _INSTANCE_ID, "EC2's id of an instance"),
        _moment(_matching(event, "time", _MOMENT, "a time such as 2026-03-04T10:30:00Z")),
    )


def _matching(facts: Mapping[str, Any], key: str, form: re.Pattern[str], what: str) -> str:
    value = facts.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        _refuse(f"{key} of an event is {what}; got {_short(value)}")
    return value


def _region(event: Mapping[str, Any]) -> str:
    region = event.get("region")
    if not isinstance(region, str) or not is_region(region):
        _refuse(f"region of an event is one of AWS, such as us-east-1; got {_short(region)}")
    return region


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse(f"time of an event is a date that exists; got {text}")
    if moment < _FIRST_NOTICE:
        _refuse(f"time of an event is {text}, before AWS announced any interruption: correct the sender's clock")
    if moment > utc_now() + CLOCKS_DIFFER:
        _refuse(f"time of an event is {text}, in the future: correct the clock of the sender, or of this machine")
    return moment


def _refuse(message: str) -> NoReturn:
    raise InvalidInput(message)


def _short(value: object) -> str:
    """Return how a stranger's value looks, or the beginning of it."""
    if value is None:
        return "nothing"
    shown = ascii(value) if isinstance(value, (str, int, float)) else type(value).__name__
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}.."


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
        blocked_until = _poison(session, place, notice.reported_at) if counts else None
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


def _poison(session: TenantSession, place: dict[str, str], reported_at: datetime) -> datetime | None:
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


# --- asking ---------------------------------------------------------------------------------------------------------


def check_pools(session: TenantSession, pools: Collection[str]) -> dict[str, PoolRisk]:
    """Return what is known of each pool, in the order given; one statement for thousands.

    Raises:
        InvalidInput: one is not written ``region:availability_zone:instance_type``.
    """
    for pool in pools:
        _check_pool(pool)
    known = {risk.pool_id: risk for risk in _risks(session, is_any_of(session, SpotPoolRisk.pool_id, pools))}
    return {pool: known.get(pool) or PoolRisk(pool) for pool in pools}


def list_blocked(session: TenantSession) -> list[PoolRisk]:
    """Return the pools that are blocked now, those that are longest first."""
    blocked = SpotPoolRisk.poison_expires_at > utc_now()
    return sorted(_risks(session, blocked), key=lambda risk: (risk.until, risk.pool_id), reverse=True)


def why_pool(session: TenantSession, pool: str, *, limit: int = 100) -> PoolHistory:
    """Return what is known of a pool and the latest ``limit`` announcements about it, newest first.

    Raises:
        InvalidInput: it is not written ``region:availability_zone:instance_type``, or ``limit`` is not 1 to 10,000.
    """
    if not 1 <= limit <= EVENTS_MAX:
        _refuse(f"a history has 1 to {EVENTS_MAX} events")
    risk = check_pools(session, [pool])[pool]
    query = select(GlobalRiskEvent).where(GlobalRiskEvent.pool_id == pool)
    rows = session.scalars(query.order_by(GlobalRiskEvent.reported_at.desc(), GlobalRiskEvent.id.desc()).limit(limit))
    return PoolHistory(risk, [PoolEvent(row.event_type, row.reported_at, _counted(row)) for row in rows])


def _counted(event: GlobalRiskEvent) -> bool:
    terminates = event.event_type is SpotEventType.TERMINATION_NOTICE
    return terminates and event.event_metadata.get("counted") is not False


def _check_pool(pool: str) -> None:
    if not _POOL.fullmatch(pool):
        _refuse(
            "a pool is region:availability_zone:instance_type, such as us-east-1:us-east-1a:m5.large; "
            f"got {_short(pool)}"
        )


def _risks(session: TenantSession, condition: ColumnElement[bool]) -> list[PoolRisk]:
    """Return the pools that fulfil ``condition``. The flag is tidied late, so the time decides."""
    now = utc_now()
    query = select(
        SpotPoolRisk.pool_id,
        SpotPoolRisk.poison_expires_at,
        SpotPoolRisk.interruption_count,
        SpotPoolRisk.last_interruption,
    )
    found = []
    for pool_id, expires_at, count, last in session.execute(query.where(condition)):
        until = expires_at if expires_at is not None and expires_at > now else None
        found.append(PoolRisk(pool_id, until is not None, until, count, last))
    return found
