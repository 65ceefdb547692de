"""API keys: making, listing and revoking them. Knowing whoever shows one is the business of ``api_key_use.py``.

A key is ``sh_live_<8>_<72>`` for a user's program and ``sh_agent_<7>_<72>`` for the agent of a cluster. Its first 16
characters, the prefix, find it; then come 256 random bits as 64 hexadecimal digits and a checksum of 8 over all before
it, so that a key that was cut or mistyped is refused without a question to the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, DuplicateValue, InvalidInput, NotFound
from spothive.models import STAFF_ROLES, ApiKey, ApiScope, Cluster, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.clusters.finding import find_cluster
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import Action, key_role, require, require_person

PREFIX_LENGTH = 16
PREFIX_TRIES = 5
"""Prefixes tried for a new key; a second one is hardly ever needed."""

_UNLIKE = "23456789abcdefghjkmnpqrstuvwxyz"
"""Characters of a prefix, which people read to one another: none looks like another."""

_SHAPE = re.compile(r"(sh_live_[0-9a-z]{8}|sh_agent_[0-9a-z]{7})_[0-9a-f]{64}([0-9a-f]{8})")
_SECRET_BYTES = 32


def list_api_keys(session: TenantSession, *, revoked: bool = False) -> list[ApiKey]:
    """Return the keys of the session's tenant with their owners, oldest first; with ``revoked`` the revoked ones too.

    One statement.
    """
    query = _with_owners().order_by(ApiKey.id)
    return list(session.scalars(query if revoked else query.where(ApiKey.revoked_at.is_(None))))


def owner_of(key: ApiKey) -> str:
    """Return the name of the user, or ``account/cluster`` of the agent, that holds a key of :func:`list_api_keys`."""
    if key.user_id is not None:
        assert key.user is not None  # noqa: S101 - its key says so
        return key.user.username
    assert key.cluster is not None  # noqa: S101 - a key has one owner, the database sees to it
    return f"{key.cluster.account.account_name}/{key.cluster.name}"


def create_api_key(
    session: TenantSession,
    actor: Actor,
    *,
    name: str,
    scopes: Iterable[ApiScope],
    owner: str | None = None,
    cluster: str | None = None,
    rate_limit: int = 1000,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for a user, ``actor`` unless another is named, or for the agent of a cluster.

    Args:
        session: of the tenant.
        actor: who makes it.
        name: what it is for, for people.
        scopes: what it may be used for; exactly ``agent`` for an agent.
        owner: user name of whom the key acts for.
        cluster: the agent's, named as :func:`find_cluster` knows it.
        rate_limit: requests an hour.
        expires_at: aware; None if it does not expire.

    Returns:
        The row with its owner, and the key itself: a secret, which is stored nowhere and cannot be had again.

    Raises:
        Denied: ``actor`` may not make keys, or not one that acts as an admin for somebody else, or is a key.
        NotFound: no such user or cluster in this tenant.
        Conflict: the user is disabled, or several clusters are called so.
        InvalidInput: scopes that such an owner's key cannot have, an expiry that has passed, or a blank name.
        ValueRefused: the rate limit or the name is out of bounds.
    """
    need = partial(require, actor, attempt="api_key.created", resource=name, resource_type=ResourceType.API_KEY)
    need(Action.MANAGE)
    require_person(actor, attempt="api_key.created", resource=name, resource_type=ResourceType.API_KEY)
    wanted = [scope for scope in ApiScope if scope in set(scopes)]
    _refuse_odd(name, wanted, expires_at, agent=cluster is not None)
    row = ApiKey(name=name, scopes=wanted, rate_limit=rate_limit, expires_at=expires_at)
    if cluster is not None:
        if owner is not None:
            msg = "a key belongs to one user or to one cluster: name one of them"
            raise InvalidInput(msg)
        found = find_cluster(session, cluster)
        row.cluster_id = found.id
        set_committed_value(row, "cluster", found)
    else:
        user = _find_owner(session, actor, owner)
        row.user_id = user.id
        set_committed_value(row, "user", user)
        _refuse_more_than_owner(user, wanted)
        if key_role(user.role, wanted) in STAFF_ROLES and user.id != actor.user_id:
            need(Action.MAKE_ADMINS)
    key = _insert(session, row)
    after = {
        "name": name,
        "owner": owner_of(row),
        "scopes": wanted,
        "rate_limit": rate_limit,
        "expires_at": expires_at,
    }
    record(session, actor, "api_key.created", row.prefix, ResourceType.API_KEY, after=after)
    return row, key


def revoke_api_key(session: TenantSession, actor: Actor, *, prefix: str, reason: str) -> ApiKey:
    """Make a key worthless, from the commit on.

    Args:
        session: of the tenant.
        actor: who revokes it.
        prefix: of the key; the whole key will do, since that is what somebody has who has found one.
        reason: why, for people.

    Raises:
        Denied: ``actor`` may not.
        NotFound: no such key in this tenant.
        Conflict: it is revoked already.
        InvalidInput: the reason is blank.
        ValueRefused: the reason is longer than 255 characters.
    """
    prefix = prefix_in(prefix)
    require(actor, Action.MANAGE, attempt="api_key.revoked", resource=prefix, resource_type=ResourceType.API_KEY)
    if not reason.strip():
        msg = "the reason is blank: say why the key is revoked"
        raise InvalidInput(msg)
    key = find_api_key(session, prefix, for_update=True)
    if key.revoked_at is not None:
        msg = f"{prefix} was revoked already, at {key.revoked_at:%Y-%m-%d %H:%M} UTC ({key.revoked_reason})"
        raise Conflict(msg)
    key.revoked_at, key.revoked_reason = utc_now(), reason
    session.flush()  # so that a reason that is too long is refused here
    after = {"name": key.name, "reason": reason}
    record(session, actor, "api_key.revoked", prefix, ResourceType.API_KEY, after=after)
    return key


# --- making one -----------------------------------------------------------------------------------------


def _refuse_odd(name: str, scopes: list[ApiScope], expires_at: datetime | None, *, agent: bool) -> None:
    if not name.strip():
        msg = "the name of the key is blank: say what it is for"
        raise InvalidInput(msg)
    if agent and scopes != [ApiScope.AGENT]:
        msg = "the key of a cluster's agent has exactly the scope agent"
        raise InvalidInput(msg)
    if not agent and (not scopes or ApiScope.AGENT in scopes):
        msg = "the key of a user has one or more of the scopes read, write and admin; agent is for a cluster's"
        raise InvalidInput(msg)
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= utc_now()):
        msg = "a key expires in the future, and its expiry names a time zone"
        raise InvalidInput(msg)


def _refuse_more_than_owner(user: User, scopes: list[ApiScope]) -> None:
    if ApiScope.ADMIN in scopes and user.role not in STAFF_ROLES:
        msg = f"{user.username} is {user.role}, and a key has no more power than its owner: leave the scope admin out"
        raise InvalidInput(msg)


def _find_owner(session: TenantSession, actor: Actor, username: str | None) -> User:
    user = find_user(session, username) if username is not None else session.get(User, actor.user_id)
    if user is None:
        msg = f"{actor.username} is no user of this tenant, and a key belongs to one: name whom the key acts for"
        raise NotFound(msg)
    if not user.is_active:
        msg = f"{user.username} is disabled, and so would be the key: enable the user first"
        raise Conflict(msg)
    return user


def _insert(session: TenantSession, row: ApiKey) -> str:
    """Insert ``row`` under a prefix that no key has; return the key."""
    beginning = "sh_agent_" if row.cluster_id else "sh_live_"
    tries = PREFIX_TRIES
    while True:
        row.prefix = beginning + _random_letters(PREFIX_LENGTH - len(beginning))
        key = f"{row.prefix}_{secrets.token_hex(_SECRET_BYTES)}"
        key += checksum_of_key(key)
        row.key_hash = hash_of_key(key)
        try:
            with session.begin_nested():
                session.add(row)
        except DuplicateValue as taken:
            tries -= 1
            if taken.rule != "uq_api_keys_prefix" or not tries:
                raise
        else:
            return key


def _random_letters(count: int) -> str:
    return "".join(secrets.choice(_UNLIKE) for _ in range(count))


def checksum_of_key(key: str) -> str:
    """Return the last 8 characters of the key that begins with ``key``. They prove nothing, they find mistakes."""
    return f"{zlib.crc32(key.encode()):08x}"


def hash_of_key(key: str) -> str:
    """Return what is stored of a key: its SHA-256, 64 hexadecimal digits. 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


# --- finding one ----------------------------------------------------------------------------------------


def _with_owners() -> Select[ApiKey]:
    return select(ApiKey).options(
        joinedload(ApiKey.user), joinedload(ApiKey.cluster).joinedload(Cluster.account, innerjoin=True)
    )


def find_api_key(session: TenantSession, prefix: str, *, for_update: bool = False) -> ApiKey:
    """Return the key of the session's tenant with this prefix; ``for_update`` locks it for the transaction.

    Raises:
        NotFound: no such key in this tenant.
    """
    query = select(ApiKey).where(ApiKey.prefix == prefix)
    key = session.scalar(query.with_for_update() if for_update else query)
    if key is None:
        msg = f"no API key of this tenant begins with {prefix!r}: see `spothive apikey list`"
        raise NotFound(msg)
    return key


def prefix_in(text: str) -> str:
    """Return the prefix somebody means, who may have the whole key: nothing longer is ever shown or stored."""
    return text.strip()[:PREFIX_LENGTH]


def prefix_of_whole_key(key: str) -> str | None:
    """Return the prefix of ``key``, or None if it has not the form of one."""
    shape = _SHAPE.fullmatch(key)
    return shape[1] if shape and shape[2] == checksum_of_key(key[: -len(shape[2])]) else None
