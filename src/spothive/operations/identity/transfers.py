"""Handing AWS accounts over to another user of the tenant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, AccountLog, OnboardingRequest, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import Action, require


def transfer_accounts(
    session: TenantSession, actor: Actor, *, from_user: str, to_user: str, accounts: Sequence[str] | None = None
) -> list[str]:
    """Let another user of the tenant answer for accounts, and for their open requests to be connected.

    Args:
        session: of the users' tenant.
        actor: who decides.
        from_user: name of the user who answers for them now.
        to_user: name of the user who will.
        accounts: names of the accounts; None for all but those being disconnected.

    Returns:
        The names of the accounts that changed hands.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such user in this tenant, or ``from_user`` does not answer for one of ``accounts``.
        Conflict: ``to_user`` is disabled.
        InvalidInput: both are the same user.
    """
    require(actor, Action.MANAGE, attempt="user.accounts_moved", resource=from_user, resource_type=ResourceType.USER)
    giver, taker = find_user(session, from_user), find_user(session, to_user)
    if giver.id == taker.id:
        msg = f"{giver.username} answers for these accounts already: name another user"
        raise InvalidInput(msg)
    # Locked, so that neither is disabled or deleted before this is done; in the order of the ids, so that two who hand
    # over to one another wait instead of dying in a deadlock.
    both = select(User.id, User.is_active).where(User.id.in_((giver.id, taker.id))).order_by(User.id)
    active = dict(session.execute(both.with_for_update()).all())
    if not active.get(taker.id):
        msg = f"{taker.username} is disabled: hand accounts to somebody who is there"
        raise Conflict(msg)
    moved = _live_accounts(session, giver, accounts)
    if not moved:
        return []
    names = [account.account_name for account in moved]
    for account in moved:
        account.user_id = taker.id
        session.add(_line(actor, account, giver, taker))
    session.flush()  # the accounts before their requests, as where an account is connected
    requests = update(OnboardingRequest).where(OnboardingRequest.account_id.in_([account.id for account in moved]))
    session.execute(requests.values(user_id=taker.id))
    record(
        session,
        actor,
        "user.accounts_moved",
        giver.username,
        ResourceType.USER,
        before={"user": giver.username, "accounts": names},
        after={"user": taker.username, "accounts": names},
    )
    return names


def _live_accounts(session: TenantSession, giver: User, names: Sequence[str] | None) -> list[Account]:
    """Return the accounts to be moved, locked, by name."""
    query = select(Account).where(Account.user_id == giver.id, Account.disconnecting_at.is_(None))
    if names is not None:
        query = query.where(Account.account_name.in_(names))
    found = list(session.scalars(query.order_by(Account.account_name).with_for_update()))
    if missing := sorted(set(names or ()) - {account.account_name for account in found}):
        msg = f"{giver.username} answers for no account called {missing[0]!r}: see `spothive user show`"
        raise NotFound(msg)
    return found


def _line(actor: Actor, account: Account, giver: User, taker: User) -> AccountLog:
    """Return the line in the account's own history."""
    return AccountLog(
        account_id=account.id,
        action="transferred",
        details={"from": giver.username, "to": taker.username},
        actor_id=actor.actor_id,
        actor_name=actor.label,
    )
