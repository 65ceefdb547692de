"""What the system did, for operators: the log of each tenant, and how the parts of spothive do.

The audit trail says who changed what and is kept for ever; this log says what happened besides and is kept for 30
days. A check of a part of spothive is a row in the log of ``platform``, and the counts of the last 24 hours are
counted there, so that they are true whenever they are written and whoever wrote before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from spothive.clock import utc_now
from spothive.database.pages import Page, newest_first
from spothive.database.tenancy import TenantSession, system_scope
from spothive.errors import DuplicateValue
from spothive.models import PLATFORM_TENANT_ID, ComponentHealth, ComponentStatus, LogLevel, SystemLog
from spothive.schema.types import strict_json

CHECKED = "health.checked"
"""Action of the log rows that tell of a check."""

MASK = "(masked)"
"""What stands in the log for whatever is named like a secret."""

_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|key|hash|authori[sz]ation|credential|cookie|totp", re.IGNORECASE
)
_DAY = timedelta(hours=24)
_MESSAGE_MAX = 4000
_LEVELS = {
    ComponentStatus.UNKNOWN: LogLevel.DEBUG,
    ComponentStatus.HEALTHY: LogLevel.INFO,
    ComponentStatus.DEGRADED: LogLevel.WARNING,
    ComponentStatus.DOWN: LogLevel.ERROR,
}
"""Level of the log row that tells of a check; the counts are counted by it."""


def log_user_action(  # noqa: PLR0913 - a column each
    session: TenantSession,
    *,
    action: str,
    message: str,
    component: str,
    user_id: UUID | None = None,
    person_name: str | None = None,
    level: LogLevel = LogLevel.INFO,
    details: dict[str, Any] | None = None,
    execution_time_ms: int | None = None,
) -> SystemLog:
    """Add one row to the log of the session's tenant, in the caller's transaction.

    Args:
        session: bound to the tenant; in system scope without one the row is ``platform``'s.
        action: what was done, for example ``digest.sent``.
        message: the same for people, at most 4000 characters; never a secret.
        component: part of spothive that speaks, for example ``notifications``.
        user_id: whom it was about.
        person_name: the name of that person at this time.
        level: how serious it is.
        details: the same for programs, strict JSON of at most 256 kB. What is named like a secret, at whatever depth,
            is masked; a secret under a harmless name is not found.
        execution_time_ms: how long it took, in milliseconds.

    Raises:
        InvalidInput: ``details`` are no strict JSON, or too large.
        TenantNotBound: when the session flushes, if it is bound to no tenant; ValueRefused if a text is too long.
    """
    unbound = PLATFORM_TENANT_ID if session.in_system_scope else None
    row = SystemLog(
        tenant_id=session.tenant_id or unbound,
        timestamp=utc_now(),
        user_id=user_id,
        person_name=person_name,
        component=component,
        level=level,
        action=action,
        message=message,
        details=_stored(details),
        execution_time_ms=execution_time_ms,
    )
    session.add(row)
    return row


def masked(details: Any) -> Any:
    """Return ``details``, which are JSON, with everything masked that is named like a secret: password, token, key.."""
    if isinstance(details, dict):
        return {name: MASK if _SECRET.search(name) else masked(value) for name, value in details.items()}
    if isinstance(details, (list, tuple)):
        return [masked(value) for value in details]
    return details


def _stored(details: dict[str, Any] | None) -> dict[str, Any]:
    strict_json(details or {})  # before it is walked through: nothing else is sure to end
    stored: dict[str, Any] = masked(details or {})
    return stored


def get_recent_logs(  # noqa: PLR0913 - a filter each
    session: TenantSession,
    limit: int = 100,
    *,
    level: LogLevel | None = None,
    component: str | None = None,
    action: str | None = None,
    user: UUID | str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: str | None = None,
) -> Page[SystemLog]:
    """Return one page of the log of the session's tenant, newest first; what is None does not matter. One statement.

    Args:
        session: bound to the tenant.
        limit: most rows, 1 to 10,000.
        level: rows at least as serious as this.
        component: of this part of spothive.
        action: exactly this.
        user: about the person of this id, or of this name at that time.
        since: from this moment on, UTC.
        until: up to this moment, which is left out, UTC.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(SystemLog)
    if level is not None:
        levels = list(LogLevel)
        query = query.where(SystemLog.level.in_(levels[levels.index(level) :]))
    if component is not None:
        query = query.where(SystemLog.component == component)
    if action is not None:
        query = query.where(SystemLog.action == action)
    if user is not None:
        query = query.where((SystemLog.user_id if isinstance(user, UUID) else SystemLog.person_name) == user)
    return newest_first(session, SystemLog, query, limit=limit, since=since, until=until, before=before)


@dataclass(frozen=True, slots=True)
class Health:
    """How one part of spothive does.

    Attributes:
        component: which part.
        status: as the last check saw it; unknown if that was more than 24 hours ago.
        message: what that check saw, for people.
        last_check: UTC; likewise ``last_success`` and ``last_failure``.
        success_count_24h: checks of the last 24 hours that found it healthy or degraded.
        failure_count_24h: checks of the last 24 hours that found it down.
        avg_execution_time_ms: how long those checks took, in milliseconds.
        error_message: what the last check that found it down said.
        facts: what else the last check saw.
        recorded: whether the database holds this; it cannot while the database itself is down.
    """

    component: str
    status: ComponentStatus
    message: str
    last_check: datetime
    last_success: datetime | None = None
    last_failure: datetime | None = None
    success_count_24h: int = 0
    failure_count_24h: int = 0
    avg_execution_time_ms: int | None = None
    error_message: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    recorded: bool = True


def record_health(
    session: TenantSession,
    *,
    component: str,
    status: ComponentStatus,
    message: str,
    execution_time_ms: int,
    facts: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> Health:
    """Write down what a check of ``component`` found: a row in platform's log, and what follows from it.

    Two at once wait for each other. One whose ``now`` is earlier than what is known is counted and changes no status.

    Args:
        session: of any tenant or none; it enters system scope.
        component: which part.
        status: how it does.
        message: what was seen, for people; never a secret.
        execution_time_ms: how long the check took, in milliseconds.
        facts: what else was seen; masked like the details of the log.
        now: when it was checked; the present if None.

    Raises:
        NotAllowed: inside a savepoint.
    """
    now, message, stored = now or utc_now(), message.replace("\0", "")[:_MESSAGE_MAX], _stored(facts)
    with system_scope(session, f"the check of {component} is recorded"):
        row = _locked(session, component, now)  # before the counting, so that a second check counts this one too
        session.add(
            SystemLog(
                tenant_id=PLATFORM_TENANT_ID,
                timestamp=now,
                component=component,
                level=_LEVELS[status],
                action=CHECKED,
                message=message,
                details=stored,
                execution_time_ms=execution_time_ms,
            )
        )
        session.flush()  # so that it is counted
        if now >= row.last_check:
            row.status, row.last_check = status, now
            row.component_metadata = {"message": message, "facts": stored}
        if status is ComponentStatus.DOWN and (row.last_failure is None or now >= row.last_failure):
            row.last_failure, row.error_message = now, message
        if status in {ComponentStatus.HEALTHY, ComponentStatus.DEGRADED}:
            row.last_success = max(now, row.last_success or now)
        _count(session, row)
        session.flush()
        return _health(row)


def get_component_health(session: TenantSession, *, now: datetime | None = None) -> list[Health]:
    """Return how each part does, as its last check saw it, by name. One statement; everybody may read it.

    What was not checked for 24 hours is unknown, with no checks to count.
    """
    now = now or utc_now()
    found = [_health(row) for row in session.scalars(select(ComponentHealth).order_by(ComponentHealth.component))]
    return [health if health.last_check > now - _DAY else _stale(health) for health in found]


def _locked(session: TenantSession, component: str, now: datetime) -> ComponentHealth:
    """Return the component's row, locked; it is made if there is none."""
    query = select(ComponentHealth).where(ComponentHealth.component == component).with_for_update()
    query = query.execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is not None:
        return row
    row = ComponentHealth(component=component, last_check=now, component_metadata={})
    try:
        with session.begin_nested():
            session.add(row)
    except DuplicateValue:  # another check was the first one since we looked
        return session.scalars(query).one()
    return row


def _count(session: TenantSession, row: ComponentHealth) -> None:
    """Count the checks of the 24 hours up to the last one."""
    counted = select(SystemLog.level, func.count(), func.sum(SystemLog.execution_time_ms)).where(
        SystemLog.tenant_id == PLATFORM_TENANT_ID,
        SystemLog.component == row.component,
        SystemLog.action == CHECKED,
        SystemLog.timestamp > row.last_check - _DAY,
        SystemLog.timestamp <= row.last_check,
    )
    by_level: Any = session.execute(counted.group_by(SystemLog.level))
    checks = {level: (number, int(took)) for level, number, took in by_level}
    row.success_count_24h = sum(checks.get(level, (0, 0))[0] for level in (LogLevel.INFO, LogLevel.WARNING))
    row.failure_count_24h = checks.get(LogLevel.ERROR, (0, 0))[0]
    number = sum(number for number, _ in checks.values())
    row.avg_execution_time_ms = round(sum(took for _, took in checks.values()) / number) if number else None


def _health(row: ComponentHealth) -> Health:
    seen = row.component_metadata
    return Health(
        component=row.component,
        status=row.status,
        message=str(seen.get("message", "")),
        last_check=row.last_check,
        last_success=row.last_success,
        last_failure=row.last_failure,
        success_count_24h=row.success_count_24h,
        failure_count_24h=row.failure_count_24h,
        avg_execution_time_ms=row.avg_execution_time_ms,
        error_message=row.error_message,
        facts=dict(seen.get("facts", {})),
    )


def _stale(health: Health) -> Health:
    return Health(
        component=health.component,
        status=ComponentStatus.UNKNOWN,
        message="not checked for 24 hours: spothive health",
        last_check=health.last_check,
        last_success=health.last_success,
        last_failure=health.last_failure,
        error_message=health.error_message,
    )
