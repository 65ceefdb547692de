"""Passwords: setting one for somebody, changing the own one, and the way back to one that was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.look_ups import login_row
from spothive.database.passwords import check_password, hash_password
from spothive.errors import Conflict, InvalidInput, NotAllowed
from spothive.models import ResourceType, Tenant, TokenPurpose, User, UserToken
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.identity.lock_out import count_failure, is_locked, locked_user
from spothive.operations.identity.names import normal_name
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import managing, require, require_over, require_person
from spothive.operations.identity.sessions import end_sessions
from spothive.operations.identity.tokens import hash_of, new_token, tenant_of
from spothive.operations.sessions import Sessions

RESET_HOURS = 1
_WRONG = "the current password is wrong, or was wrong too often: try again, after a while if need be"
_NO_TOKEN = "the token is unknown, expired or used: ask for a new one"  # noqa: S105 - a message


def set_password(session: TenantSession, actor: Actor, *, username: str, password_hash: str) -> User:
    """Set a user's password: anybody the own one, else who may manage that user. All the user's sessions end.

    Raises:
        Denied: ``actor`` may not.
        NotFound: no such user in this tenant.
    """
    user = find_user(session, username)
    require_over(actor, user, attempt="user.password")
    _require_person(actor, user, "user.password")
    _put(session, user, password_hash, must_change=user.id != actor.user_id)
    record(session, actor, "user.password", user.username, ResourceType.USER)
    return user


def make_reset_token(session: TenantSession, actor: Actor, *, username: str) -> str:
    """Return a token with which a user may choose a new password, once, for an hour; older ones work no more.

    It is a secret, and not stored: hand it to the user and to nobody else.

    Raises:
        Denied: ``actor`` may not manage that user.
        NotFound: no such user in this tenant.
        Conflict: the user is disabled.
    """
    user = find_user(session, username)
    require(
        actor,
        managing(user.role),
        attempt="user.reset_link",
        resource=user.username,
        resource_type=ResourceType.USER,
    )
    _require_person(actor, user, "user.reset_link")
    if not user.is_active:
        msg = f"{user.username} is disabled: `spothive user enable {user.username}` first"
        raise Conflict(msg)
    token = _renew_token(session, user)
    record(session, actor, "user.reset_link", user.username, ResourceType.USER)
    return token


def change_password(
    sessions: Sessions, actor: Actor, *, current: str, new: str, keep_session: UUID | None = None
) -> None:
    """Change the own password (a procedure), and end the own sessions, all but ``keep_session``.

    A wrong ``current`` counts as a failed sign-in: whoever sits at a session that somebody left open has no more
    guesses than at the front door. While the user is locked out the right one gets the answer of a wrong one.

    Raises:
        Denied: it is an API key that acts.
        InvalidInput: ``new`` is too short, too long, common, the own name, or the password one has.
        NotAllowed: ``current`` is wrong, or was wrong too often; the attempt is in the audit trail.
        Conflict: the password was changed meanwhile, or the user disabled.
    """
    with sessions(tenant=actor.home_tenant_id) as session:
        known = session.get_one(User, actor.user_id)
        _require_person(actor, known, "user.password")
    if new == current:
        msg = "the new password is the one you have: choose another"
        raise InvalidInput(msg)
    # Both, whatever the answer will be: the time it takes says nothing about the current password.
    password_hash = hash_password(new, known.username, known.email)
    right = check_password(current, known.password_hash)
    refusal = None
    with sessions(tenant=actor.home_tenant_id) as session:
        user = locked_user(session, known.id)
        if user is None or not user.is_active or user.password_hash != known.password_hash:
            msg = "the password was changed meanwhile, or the user disabled: sign in again"
            raise Conflict(msg)
        if right and not is_locked(user):
            _put(session, user, password_hash, must_change=False, keep=keep_session)
            record(session, actor, "user.password", user.username, ResourceType.USER)
        else:
            refusal = NotAllowed(_WRONG)
            count_failure(session, user)
            record_failure(session, actor, "user.password", user.username, ResourceType.USER, reason=refusal)
    if refusal:
        raise refusal


def request_password_reset(sessions: Sessions, *, name: str, via: str = "") -> str | None:
    """Make a token for whoever forgot a password (a procedure), to be mailed to that user and shown to nobody else.

    Whoever asks has proved nothing. So a door answers alike whatever this returns, and before it runs this, since a
    name that exists takes a few milliseconds more. Older tokens work no more.

    Args:
        sessions: opens transactions.
        name: user name or e-mail address.
        via: how it was asked, for the audit trail, for example ``web``.

    Returns:
        The token, good once and for an hour; None if nobody active has this name.
    """
    try:
        with sessions() as session:
            row = login_row(session, normal_name(name))
    except InvalidInput:  # text that no column can hold is nobody's name
        return None
    if row is None or not (row.is_active and row.tenant_is_active):
        return None
    unproved = Actor(row.id, row.username, row.role, row.tenant_id, ", ".join(filter(None, (via, "not signed in"))))
    with sessions(tenant=row.tenant_id) as session:
        user = session.get(User, row.id)
        if user is None:
            return None
        token = _renew_token(session, user)
        record(session, unproved, "user.reset_asked", user.username, ResourceType.USER)
    return token


def reset_password(sessions: Sessions, *, token: str, password: str, via: str = "") -> None:
    """Give the user whom ``token`` was made for a new password (a procedure); unlocks, and ends all sessions.

    Args:
        sessions: opens transactions.
        token: from :func:`request_password_reset` or :func:`make_reset_token`.
        password: the new one.
        via: how the user came, for the audit trail.

    Raises:
        InvalidInput: the token is unknown, expired or used, or its user or tenant no longer active: one answer for
            all; or the password is too short, too long, common or the user's name.
    """
    tenant_id = tenant_of(token)
    if tenant_id is None:
        raise InvalidInput(_NO_TOKEN)
    with sessions(tenant=tenant_id) as session:
        user = _holder(session, token)
    password_hash = hash_password(password, user.username, user.email)
    with sessions(tenant=tenant_id) as session:
        user = _holder(session, token, for_update=True)
        _use(session, token)
        _put(session, user, password_hash, must_change=False)
        proved = Actor(user.id, user.username, user.role, tenant_id, via or "reset token")
        record(session, proved, "user.password_reset", user.username, ResourceType.USER)


def _require_person(actor: Actor, user: User, attempt: str) -> None:
    """Refuse an API key the password of its own user; those of others are the business of its role."""
    if user.id == actor.user_id:
        require_person(actor, attempt=attempt, resource=user.username, resource_type=ResourceType.USER)


def _put(
    session: TenantSession, user: User, password_hash: str, *, must_change: bool, keep: UUID | None = None
) -> None:
    """Give ``user`` another password: what the old one opened is shut, and who was locked out may try again."""
    user.password_hash, user.must_change_password = password_hash, must_change
    user.failed_logins, user.locked_until = 0, None
    session.flush()  # the user's row before the others, as everywhere: two changes at once wait for one another
    _forget_tokens(session, user.id)
    end_sessions(session, user.id, reason="the password was changed", keep=keep)


def _renew_token(session: TenantSession, user: User) -> str:
    """Make a token for ``user`` in the place of those that were not used."""
    session.execute(select(User.id).where(User.id == user.id).with_for_update())  # two at once leave one token
    _forget_tokens(session, user.id)
    token = new_token(user.tenant_id)
    session.add(
        UserToken(
            user_id=user.id,
            purpose=TokenPurpose.PASSWORD_RESET,
            token_hash=hash_of(token),
            expires_at=utc_now() + timedelta(hours=RESET_HOURS),
        )
    )
    session.flush()  # so that the next one, in this transaction, finds and replaces it
    return token


def _forget_tokens(session: TenantSession, user_id: UUID) -> None:
    mine = (UserToken.user_id == user_id, UserToken.purpose == TokenPurpose.PASSWORD_RESET)
    unused = delete(UserToken).where(*mine, UserToken.used_at.is_(None))
    session.execute(unused.execution_options(synchronize_session=False))


def _holder(session: TenantSession, token: str, *, for_update: bool = False) -> User:
    """Return the active user of an active tenant whom an open ``token`` was made for.

    Raises:
        InvalidInput: there is none.
    """
    query = (
        select(User)
        .join(UserToken, UserToken.user_id == User.id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(*_open(token, utc_now()), User.is_active, Tenant.is_active)
    )
    user = session.scalar(query.with_for_update(of=User) if for_update else query)
    if user is None:
        raise InvalidInput(_NO_TOKEN)
    return user


def _use(session: TenantSession, token: str) -> None:
    """Use up ``token`` by compare-and-set.

    Raises:
        InvalidInput: somebody else was quicker.
    """
    now = utc_now()
    used = update(UserToken).where(*_open(token, now)).values(used_at=now)
    result = session.execute(used.execution_options(synchronize_session=False))
    if result.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        raise InvalidInput(_NO_TOKEN)


def _open(token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        UserToken.token_hash == hash_of(token),
        UserToken.purpose == TokenPurpose.PASSWORD_RESET,
        UserToken.used_at.is_(None),
        UserToken.expires_at > now,
    )
