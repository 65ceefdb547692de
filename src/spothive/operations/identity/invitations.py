"""Invitations: an offer to become a user of a tenant, taken up by whoever holds its token."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.look_ups import login_row
from spothive.database.passwords import hash_password
from spothive.errors import DuplicateValue, InvalidInput, NotFound
from spothive.models import Invitation, ResourceType, Role, Tenant, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.names import normal_name, require_email, require_username
from spothive.operations.identity.permissions import managing, require
from spothive.operations.identity.tokens import hash_of, new_token, tenant_of
from spothive.operations.sessions import Sessions

OPEN_DAYS = 7
_NO_INVITATION = "the invitation is unknown, withdrawn, expired or accepted: ask for a new one"


def list_invitations(session: TenantSession) -> list[Invitation]:
    """Return the invitations of the session's tenant, the newest first."""
    return list(session.scalars(select(Invitation).order_by(Invitation.created_at.desc(), Invitation.id.desc())))


def invite(session: TenantSession, actor: Actor, *, email: str, role: Role) -> tuple[Invitation, str]:
    """Invite somebody into the session's tenant for 7 days; an older invitation of the same address works no more.

    Returns:
        The invitation, and the token that accepts it: a secret, stored nowhere, for that person alone.

    Raises:
        Denied: ``actor`` may not make users of this role.
        InvalidInput: the e-mail is none.
        DuplicateValue: a user, of this or another tenant, has the address.
        ValueRefused: other characters than lower-case ASCII.
        IllegalMove: somebody else invited this address at this moment.
    """
    email = normal_name(email)
    older = _open_of(session, email)
    needed = managing(role, *([older.role] if older else []))  # replacing one is withdrawing it
    require(actor, needed, attempt="invitation.made", resource=email, resource_type=ResourceType.USER)
    require_email(email)
    if login_row(session, email) is not None:
        msg = "users: another row already has this email: somebody with this address has a user"
        raise DuplicateValue(msg, rule="uq_users_email", table="users")
    assert session.tenant_id is not None  # noqa: S101 - whoever invites works in a tenant
    if older is not None:
        _drop_open(session, email)
        session.expunge(older)
    token = new_token(session.tenant_id)
    invitation = Invitation(
        email=email,
        role=role,
        token_hash=hash_of(token),
        invited_by_name=actor.label,
        expires_at=utc_now() + timedelta(days=OPEN_DAYS),
    )
    session.add(invitation)
    session.flush()  # so that an address that is none, or invited at this moment, is refused here
    record(session, actor, "invitation.made", email, ResourceType.USER, after={"email": email, "role": role})
    return invitation, token


def withdraw_invitation(session: TenantSession, actor: Actor, *, email: str) -> None:
    """Take back the open invitation of an address.

    Raises:
        Denied: ``actor`` may not make users of the role it was for.
        NotFound: there is no open one.
    """
    email = normal_name(email)
    invitation = _open_of(session, email)
    role = invitation.role if invitation else Role.USER
    require(actor, managing(role), attempt="invitation.withdrawn", resource=email, resource_type=ResourceType.USER)
    if invitation is None or not _drop_open(session, email):
        msg = f"no invitation of {email!r} is open: see `spothive invite list`"
        raise NotFound(msg)
    session.expunge(invitation)
    record(session, actor, "invitation.withdrawn", email, ResourceType.USER, before={"email": email, "role": role})


def accept_invitation(
    sessions: Sessions, *, token: str, username: str, password: str, full_name: str | None = None, via: str = ""
) -> Actor:
    """Become a user by an invitation (a procedure), once and in time.

    Args:
        sessions: opens transactions.
        token: of the invitation.
        username: name the user will sign in with.
        password: chosen by the user, who need not change it.
        full_name: name of the user for people.
        via: how the user came in, for the audit trail.

    Returns:
        The new user.

    Raises:
        InvalidInput: the token is unknown, withdrawn, expired or used, or the tenant suspended: one answer for all; or
            the password is too short, too long, common or the user's own name.
        DuplicateValue: the user name is taken, or the address by now; the invitation stays open.
        ValueRefused: the user name has other characters than lower-case ASCII, or not 3 to 50 of them.
    """
    tenant_id = tenant_of(token)
    if tenant_id is None:
        raise InvalidInput(_NO_INVITATION)
    username = normal_name(username)
    require_username(username)
    with sessions(tenant=tenant_id) as session:
        invitation = _open_invitation(session, token)
    password_hash = hash_password(password, username, invitation.email)
    with sessions(tenant=tenant_id) as session:
        _take(session, _open_invitation(session, token))
        user = User(
            username=username,
            email=invitation.email,
            full_name=full_name,
            role=invitation.role,
            password_hash=password_hash,
        )
        session.add(user)
        session.flush()  # the audit row needs the user's id
        guest = Actor(user.id, username, user.role, tenant_id, via)
        after = {"username": username, "email": user.email, "role": user.role, "invited_by": invitation.invited_by_name}
        record(session, guest, "invitation.accepted", username, ResourceType.USER, after=after)
    return guest


def _open_of(session: TenantSession, email: str) -> Invitation | None:
    return session.scalar(select(Invitation).where(Invitation.email == email, Invitation.accepted_at.is_(None)))


def _open_invitation(session: TenantSession, token: str) -> Invitation:
    """Return the invitation of an active tenant that ``token`` accepts.

    Raises:
        InvalidInput: there is none.
    """
    query = (
        select(Invitation)
        .join(Tenant, Tenant.id == Invitation.tenant_id)
        .where(
            Invitation.token_hash == hash_of(token),
            Invitation.accepted_at.is_(None),
            Invitation.expires_at > utc_now(),
            Tenant.is_active,
        )
    )
    invitation = session.scalar(query)
    if invitation is None:
        raise InvalidInput(_NO_INVITATION)
    return invitation


def _take(session: TenantSession, invitation: Invitation) -> None:
    """Mark ``invitation`` accepted by compare-and-set.

    Raises:
        InvalidInput: somebody else was quicker.
    """
    now = utc_now()
    still_open = (Invitation.id == invitation.id, Invitation.accepted_at.is_(None), Invitation.expires_at > now)
    taken = update(Invitation).where(*still_open).values(accepted_at=now)
    result = session.execute(taken.execution_options(synchronize_session=False))
    if result.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        raise InvalidInput(_NO_INVITATION)


def _drop_open(session: TenantSession, email: str) -> int:
    unused = delete(Invitation).where(Invitation.email == email, Invitation.accepted_at.is_(None))
    result = session.execute(unused.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a CursorResult, since this is DML
