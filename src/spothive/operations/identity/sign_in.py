"""Signing in by name, password and second factor.

Every attempt is a row of ``login_history``. Whoever does not know the password learns nothing: an unknown name, a
wrong password and a locked user get one answer after one call of bcrypt. That a user is disabled, a tenant suspended
or a code needed is told to those who know the password. That a user is locked is told to nobody: it would tell who
guesses on when a guess was right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, bind_tenant, read_session
from spothive.database.look_ups import LoginRow, login_row
from spothive.database.passwords import check_password
from spothive.errors import Conflict, SecondFactorNeeded, SignInRefused, SpothiveError
from spothive.keyring import Keys
from spothive.models import PLATFORM_TENANT_ID, LoginHistory, LoginMethod, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record, storable
from spothive.operations.identity.lock_out import NOBODY, Failure, count_failure, is_locked, locked_user
from spothive.operations.identity.names import normal_name
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import Action, require
from spothive.operations.identity.second_factor import WRONG_CODE, ShownCode
from spothive.operations.identity.sessions import start_session
from spothive.operations.sessions import Sessions

_NAME_MAX, _ADDRESS_MAX, _AGENT_MAX = 255, 45, 500


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who has just signed in.

    Attributes:
        actor: who it is.
        token: opens the session; a secret, shown this once.
        session_id: id of the session.
        expires_at: when it ends in any case, UTC.
        must_change_password: whether the user is to do nothing else before.
    """

    actor: Actor
    token: str = field(repr=False)
    session_id: UUID
    expires_at: datetime
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who stands at the door, by the name that was given; ``row`` and ``user`` are None if nobody is called so."""

    row: LoginRow | None
    user: User | None
    login_name: str
    ip_address: str | None
    user_agent: str | None

    @property
    def tenant_id(self) -> UUID:
        return self.row.tenant_id if self.row else PLATFORM_TENANT_ID

    def attempt(self, method: LoginMethod, failure_reason: str | None) -> LoginHistory:
        return LoginHistory(
            user_id=self.row.id if self.row else None,
            login_name=self.login_name,
            ip_address=self.ip_address,
            user_agent=self.user_agent,
            login_method=method,
            success=failure_reason is None,
            failure_reason=failure_reason,
        )


def log_in(
    sessions: Sessions,
    *,
    name: str,
    password: str,
    code: str | None = None,
    keys: Keys,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> SignedIn:
    """Sign somebody in (a procedure).

    Args:
        sessions: opens transactions.
        name: user name or e-mail address.
        password: as typed.
        code: of the second factor, where the user has one: of the app, or a backup code.
        keys: loads the sealing keys; called if a code is to be checked.
        ip_address: from where.
        user_agent: what the browser calls itself.

    Raises:
        SecondFactorNeeded: the password is right, and no code was given, or a wrong or used one.
        SignInRefused: somebody is not let in; the message says no more than the caller may know.
        Overloaded: too many sign in at once.
        KeyMissing: the second factor is sealed with a key the keyring does not hold.
        Conflict: the user was changed in this very moment.
    """
    caller = _look_up(name, ip_address, user_agent)
    try:
        knows = check_password(password, caller.row.password_hash if caller.row else None)
        shown = _open_code(caller, code, keys) if knows and code else None
        with sessions(tenant=caller.tenant_id) as session:
            decided = _decide(session, caller, knows=knows, code=code, shown=shown)
    except SpothiveError as error:
        with sessions(tenant=caller.tenant_id) as session:
            session.add(caller.attempt(LoginMethod.PASSWORD, f"not decided: {type(error).__name__}"))
        raise
    if isinstance(decided, SignInRefused):
        raise decided
    return decided


def list_log_ins(
    session: TenantSession, actor: Actor, *, username: str | None = None, limit: int = 100
) -> list[LoginHistory]:
    """Return the latest attempts to sign in to the session's tenant, the last first.

    Names that nobody has are kept under ``platform``, by their beginning: people type passwords there.

    Args:
        session: may be one that only reads.
        actor: who asks.
        username: whose attempts; everybody's when None.
        limit: at most so many.

    Raises:
        Denied: ``actor`` may not manage users.
        NotFound: no such user in this tenant.
    """
    whom = username or "everybody"
    require(actor, Action.MANAGE_USERS, attempt="log_ins.listed", resource=whom, resource_type=ResourceType.USER)
    query = select(LoginHistory).order_by(LoginHistory.timestamp.desc(), LoginHistory.id.desc()).limit(limit)
    if username is not None:
        query = query.where(LoginHistory.user_id == find_user(session, username).id)
    return list(session.scalars(query))


def _look_up(name: str, ip_address: str | None, user_agent: str | None) -> _Caller:
    typed = normal_name(name)
    # What no user can be called is not asked for: a database would refuse some of it, or be sent a book.
    possible = typed.isascii() and "\0" not in typed and len(typed) <= _NAME_MAX
    with read_session() as session:
        row = login_row(session, typed if possible else "")
        bind_tenant(session, row.tenant_id if row else PLATFORM_TENANT_ID)
        user = session.get(User, row.id if row else NOBODY)
    login_name = typed if row else _beginning(typed)
    return _Caller(row, user, login_name, _kept(ip_address, _ADDRESS_MAX), _kept(user_agent, _AGENT_MAX))


def _beginning(typed: str) -> str:
    """Return so much of a name that nobody has as may be kept: it may be a password, typed into the wrong field."""
    return f"{storable(typed[:2])}… ({len(typed)} characters)" if typed else storable(typed)


def _kept(text: str | None, length: int) -> str | None:
    return storable(text, length) if text else None


def _open_code(caller: _Caller, code: str, keys: Keys) -> ShownCode | None:
    user = caller.user
    if user is None or not user.totp_enabled or is_locked(user):  # a lock hides even that a key is missing
        return None
    return ShownCode.of(user, code, keys)


def _decide(
    session: TenantSession, caller: _Caller, *, knows: bool, code: str | None, shown: ShownCode | None
) -> SignedIn | SignInRefused:
    """Let the caller in or not, and write down which; whatever is decided is committed."""
    user = locked_user(session, caller.row.id if caller.row else NOBODY)
    failure = _why_not(session, caller, user, knows=knows, code=code, shown=shown)
    method = shown.method if shown else LoginMethod.PASSWORD
    session.add(caller.attempt(method, failure))
    if failure is not None:
        if failure.counts:
            count_failure(session, user)
        return _refusal(failure, caller)
    assert user is not None  # noqa: S101 - else that were the failure
    return _let_in(session, caller, user, method)


def _why_not(
    session: TenantSession,
    caller: _Caller,
    user: User | None,
    *,
    knows: bool,
    code: str | None,
    shown: ShownCode | None,
) -> Failure | None:
    """Return why the caller is not let in, the first of the reasons, or None."""
    if user is None or caller.row is None:
        return Failure.UNKNOWN_NAME
    reasons = {
        Failure.LOCKED: is_locked(user),
        Failure.WRONG_PASSWORD: not knows or user.password_hash != caller.row.password_hash,  # changed meanwhile
        Failure.DISABLED: not user.is_active,
        Failure.SUSPENDED: not caller.row.tenant_is_active,
    }
    failure = next((reason for reason, holds in reasons.items() if holds), None)
    if failure or not user.totp_enabled:
        return failure
    if not code:
        return Failure.CODE_NEEDED
    if shown is None:
        msg = f"the second factor of {user.username} has just been changed: try again"
        raise Conflict(msg)
    return shown.use_up(session, user, caller.ip_address)


def _refusal(failure: Failure, caller: _Caller) -> SignInRefused:
    """Return what the caller is told; see the top of this file."""
    row = caller.row
    match failure:
        case Failure.CODE_NEEDED:
            return SecondFactorNeeded("a code is needed too: the one the authenticator app shows, or a backup code")
        case Failure.WRONG_CODE | Failure.USED_CODE:
            return SecondFactorNeeded(WRONG_CODE)
        case Failure.DISABLED if row:
            return SignInRefused(f"{row.username} is disabled: ask whoever manages your users")
        case Failure.SUSPENDED if row:
            return SignInRefused(f"tenant {row.tenant_slug} is suspended: ask the staff of platform")
        case _:
            return SignInRefused(
                "user name or password is wrong, or it was wrong too often: try again, after a while if need be"
            )


def _let_in(session: TenantSession, caller: _Caller, user: User, method: LoginMethod) -> SignedIn:
    user.failed_logins, user.locked_until, user.last_login = 0, None, utc_now()
    started = start_session(session, user, ip_address=caller.ip_address, user_agent=caller.user_agent)
    actor = Actor(user.id, user.username, user.role, user.tenant_id)
    after = {"session_id": started.row.id, "method": method, "ip_address": caller.ip_address}
    if started.ended:
        after["ended"] = started.ended
    record(session, actor, "session.started", user.username, ResourceType.USER, after=after)
    return SignedIn(actor, started.token, started.row.id, started.row.expires_at, user.must_change_password)
