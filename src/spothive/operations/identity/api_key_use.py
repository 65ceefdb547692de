"""API keys at work: knowing whoever shows one, and what is asked with it."""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from sqlalchemy import func, or_, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.look_ups import ApiKeyRow, find_api_key_row
from spothive.errors import Conflict, KeyRefused, NotAllowed
from spothive.models import PLATFORM_TENANT_ID, STAFF_ROLES, ApiKey, ApiScope, ApiUsage, LoginHistory, LoginMethod
from spothive.operations.actor import Actor
from spothive.operations.audit import storable
from spothive.operations.identity.api_keys import find_api_key, hash_of_key, prefix_in, prefix_of_whole_key
from spothive.operations.identity.permissions import key_role
from spothive.operations.sessions import Sessions

NOTED_EVERY = timedelta(minutes=1)
"""How often the use of a key is noted in its row, and a reason for refusing it in the log-in history."""

REFUSALS_NOTED = 100
"""Refused keys that the log-in history takes for one tenant in that time: a flood shows there and does not fill it."""

_NOBODYS_HASH = "0" * 64
_INVALID = "this API key is not valid: check that it was copied whole, or ask for a new one"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whoever has shown a valid API key: a user's program, or the agent of a cluster.

    Attributes:
        tenant_id: tenant the key belongs to, and the only one it opens.
        key_id: id of the key.
        prefix: beginning of the key, by which people know it.
        name: what the key is for.
        scopes: what it may be used for, as far as its owner still may.
        rate_limit: requests an hour; the HTTP door counts them.
        actor: the user, with the lesser of the own role and what the scopes stand for; None for an agent.
        cluster_id: the agent's cluster; None for a user.
    """

    tenant_id: UUID
    key_id: UUID
    prefix: str
    name: str
    scopes: frozenset[ApiScope]
    rate_limit: int
    actor: Actor | None
    cluster_id: UUID | None

    def require(self, scope: ApiScope) -> None:
        """Let the holder pass if the key has ``scope``. No scope includes another.

        Raises:
            NotAllowed: it has not.
        """
        if scope not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "nothing any more"
            msg = f"the API key {self.prefix} is not for {scope}, it is for {has}: use another key"
            raise NotAllowed(msg)


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """What was asked of one endpoint with one key.

    Attributes:
        endpoint: path of the requests, without parameters; ``method`` is their HTTP method.
        requests: how many there were.
        failed: how many of them were answered by a status of 400 or more.
        average_ms: milliseconds an answer took; None if that was never measured. Likewise ``slowest_ms``.
        last_at: when the last one came (UTC).
    """

    endpoint: str
    method: str
    requests: int
    failed: int
    average_ms: int | None
    slowest_ms: int | None
    last_at: datetime


def record_usage(
    session: TenantSession, holder: KeyHolder, *, endpoint: str, method: str, status: int, ms: int | None
) -> None:
    """Add one request to what was asked with a key. It is no change of the tenant's state and not audited.

    Args:
        session: of the holder's tenant.
        holder: as :func:`check_api_key` returned it.
        endpoint: path or, better, pattern of the route. What follows a ``?`` or ``#`` is dropped: it may be a secret.
        method: HTTP method.
        status: HTTP status of the answer.
        ms: milliseconds until the answer; None if unknown.
    """
    path = storable(re.split(r"[?#]", endpoint, maxsplit=1)[0] or "/")
    usage = ApiUsage(api_key_id=holder.key_id, endpoint=path, method=method.upper(), status_code=status)
    usage.response_time_ms = ms
    session.add(usage)


def requests_in_last_hour(session: TenantSession, key_id: UUID) -> int:
    """Return how many requests were recorded for a key in the last 60 minutes: one look into one index."""
    since = utc_now() - timedelta(hours=1)
    query = select(func.count()).where(ApiUsage.api_key_id == key_id, ApiUsage.timestamp > since)
    return session.scalar(query) or 0


def list_usage(session: TenantSession, *, prefix: str, since: datetime, limit: int = 100) -> list[EndpointUsage]:
    """Return what was asked with a key, endpoint by endpoint, the busiest first. Usage is kept for 90 days.

    Args:
        session: of the tenant.
        prefix: of the key.
        since: aware; earlier requests are left out.
        limit: most endpoints returned.

    Raises:
        NotFound: no such key in this tenant.
    """
    key = find_api_key(session, prefix_in(prefix))
    requests = func.count()
    query = (
        select(
            ApiUsage.endpoint,
            ApiUsage.method,
            requests,
            func.count().filter(ApiUsage.status_code >= 400),  # noqa: PLR2004 - HTTP's word for failure
            func.avg(ApiUsage.response_time_ms),
            func.max(ApiUsage.response_time_ms),
            func.max(ApiUsage.timestamp),
        )
        .where(ApiUsage.api_key_id == key.id, ApiUsage.timestamp >= since)
        .group_by(ApiUsage.endpoint, ApiUsage.method)
        .order_by(requests.desc(), ApiUsage.endpoint, ApiUsage.method)
        .limit(limit)
    )
    return [
        EndpointUsage(endpoint, method, count, failed, None if mean is None else round(mean), slowest, last)
        for endpoint, method, count, failed, mean, slowest, last in session.execute(query)
    ]


def check_api_key(sessions: Sessions, key: str, *, scope: ApiScope | None, ip_address: str | None = None) -> KeyHolder:
    """Tell who shows a key: a procedure, of one statement unless the use or refusal of the key is to be noted.

    Args:
        sessions: like :func:`~spothive.database.get_db_session`.
        key: as it came; a secret.
        scope: what the key is to be used for; None if the caller asks the holder later.
        ip_address: where it came from, for the log-in history.

    Raises:
        KeyRefused: it is no key, nobody's, revoked or expired, its owner is disabled or its tenant suspended; always
            by the same words. The reason is in the log-in history.
        NotAllowed: the key is valid, but not for ``scope``.
    """
    prefix = prefix_of_whole_key(key)
    if prefix is None:
        raise KeyRefused(_INVALID, reason="cut or mistyped")
    row = find_api_key_row(prefix)
    now = utc_now()
    reason = _reason_to_refuse(row, key, now)
    if row is None or reason is not None:
        _refuse(sessions, row, prefix, reason or "unknown key", ip_address)
    if row.last_used_at is None or row.last_used_at <= now - NOTED_EVERY:
        _note_use(sessions, row, now)
    holder = _holder(row, prefix)
    if scope is not None:
        holder.require(scope)
    return holder


def _reason_to_refuse(row: ApiKeyRow | None, key: str, now: datetime) -> str | None:
    """Return why the key opens nothing, or None; whether somebody has such a prefix does not show in the time."""
    fits = hmac.compare_digest(hash_of_key(key), row.key_hash if row else _NOBODYS_HASH)
    if row is None:
        return "unknown key"
    checks = {
        "wrong secret": not fits,
        "revoked": row.revoked_at is not None,
        "expired": row.expires_at is not None and row.expires_at <= now,
        "owner disabled": row.is_active is False,
        "tenant suspended": not row.tenant_is_active,
    }
    return next((reason for reason, applies in checks.items() if applies), None)


def _refuse(sessions: Sessions, row: ApiKeyRow | None, prefix: str, reason: str, ip_address: str | None) -> NoReturn:
    """Refuse a key, and keep the reason in the log-in history unless it is there since less than a minute."""
    recent = (
        select(LoginHistory.login_name, LoginHistory.failure_reason)
        .where(LoginHistory.timestamp > utc_now() - NOTED_EVERY, LoginHistory.login_method == LoginMethod.API_KEY)
        .order_by(LoginHistory.timestamp.desc())
        .limit(REFUSALS_NOTED)
    )
    tenant_id = row.tenant_id if row else PLATFORM_TENANT_ID
    with suppress(Conflict), sessions(tenant=tenant_id) as session:  # a busy database is no reason to let it pass
        known = [tuple(found) for found in session.execute(recent)]
        if len(known) < REFUSALS_NOTED and (prefix, reason) not in known:
            session.add(
                LoginHistory(
                    user_id=row.user_id if row else None,
                    login_name=prefix,
                    login_method=LoginMethod.API_KEY,
                    success=False,
                    failure_reason=reason,
                    ip_address=ip_address,
                )
            )
    raise KeyRefused(_INVALID, reason=reason, tenant_id=row.tenant_id if row else None)


def _note_use(sessions: Sessions, row: ApiKeyRow, now: datetime) -> None:
    """Note in a key's row that it is used; of many at once one does, the others find it done."""
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - NOTED_EVERY)
    noted = update(ApiKey).where(ApiKey.id == row.key_id, unnoted).values(last_used_at=now)
    with suppress(Conflict), sessions(tenant=row.tenant_id) as session:  # nobody is refused for want of a note
        session.execute(noted.execution_options(synchronize_session=False))


def _holder(row: ApiKeyRow, prefix: str) -> KeyHolder:
    scopes, actor = {ApiScope(scope) for scope in row.scopes}, None
    if row.user_id is not None and row.username is not None and row.role is not None:
        if row.role not in STAFF_ROLES:
            scopes -= {ApiScope.ADMIN}  # the owner was an admin when the key was made
        role = key_role(row.role, scopes)
        actor = Actor(row.user_id, row.username, role, row.tenant_id, via=f"api key {prefix}", by_key=True)
    return KeyHolder(
        row.tenant_id, row.key_id, prefix, row.key_name, frozenset(scopes), row.rate_limit, actor, row.cluster_id
    )
