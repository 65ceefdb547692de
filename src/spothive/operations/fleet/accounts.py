"""Accounts: find, list, mark and disconnect them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, or_, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import Conflict, DuplicateValue, NotFound
from spothive.models import (
    Account,
    AccountLog,
    AccountStatus,
    Cluster,
    ConnectionMethod,
    EnvironmentType,
    ExperimentLog,
    Instance,
    InstanceState,
    ResourceType,
    ScanRun,
    User,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.identity.names import normal_name
from spothive.operations.sessions import Sessions
from spothive.operations.sleepers import refuse_sleepers

Progress = Callable[[int, int], None]
"""Told (done, total) as long work goes on."""

BATCH = 5_000
"""Decisions or instances one transaction of a disconnection deletes; others wait for one batch at most."""

_HELD = "held_when_disconnected"
"""Where an account that is being disconnected keeps the numbers of its rows, for whoever finishes the work."""


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account with the number of its instances that still exist, and of its clusters."""

    account: Account
    instances: int
    clusters: int


def list_accounts(session: TenantSession) -> list[AccountSummary]:
    """Return the tenant's accounts by name, without those being disconnected. Four statements."""
    accounts = session.scalars(select(Account).where(Account.disconnecting_at.is_(None)).order_by(Account.account_name))
    live = select(Instance.account_id, func.count()).where(Instance.state != InstanceState.TERMINATED)
    instances = Counter(dict(session.execute(live.group_by(Instance.account_id)).all()))
    # Taken off afterwards: an index alone answers the first question, and there are few replicas.
    planned = live.where(Instance.replica_of_id.is_not(None), Instance.is_planned)
    instances.subtract(dict(session.execute(planned.group_by(Instance.account_id)).all()))
    clusters = dict(session.execute(select(Cluster.account_id, func.count()).group_by(Cluster.account_id)).all())
    return [AccountSummary(a, instances[a.id], clusters.get(a.id, 0)) for a in accounts]


def find_account(session: TenantSession, name: str, *, for_update: bool = False) -> Account:
    """Return the account with this name or AWS account id; ``for_update`` locks it for the transaction.

    Raises:
        NotFound: the tenant has no such account, or it is being disconnected.
    """
    query = _called(name).where(Account.disconnecting_at.is_(None))
    account = session.scalar(query.with_for_update() if for_update else query)
    if account is None:
        raise _not_found(name)
    return account


def _not_found(name: str) -> NotFound:
    return NotFound(f"no account is called {name!r}: see `spothive account list`")


def _called(name: str) -> Select[Account]:
    query = select(Account).where(or_(Account.account_name == name, Account.account_id == name))
    # A name that looks like another account's id means the name.
    return query.order_by(Account.account_name != name).limit(1)


def set_environment(session: TenantSession, actor: Actor, *, name: str, environment: EnvironmentType) -> Account:
    """Mark an account PROD, whose interruptions count for everyone, or LAB.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such account.
        ValueRefused: only an account that has proved itself can be PROD.
    """
    require(actor, Action.MANAGE, attempt="account.marked", resource=name, resource_type=ResourceType.ACCOUNT)
    account = find_account(session, name, for_update=True)
    if account.environment_type is environment:
        return account
    before, account.environment_type = {"environment_type": account.environment_type}, environment
    session.flush()  # so that the rule about proof answers here
    after = {"environment_type": environment}
    record(
        session,
        actor,
        "account.marked",
        account.account_name,
        ResourceType.ACCOUNT,
        before=before,
        after=after,
    )
    log_account(session, actor, account, "marked", after)
    return account


def make_placeholder(
    session: TenantSession, name: str, method: ConnectionMethod, user_id: UUID, *, region: str = "us-east-1"
) -> Account:
    """Make the row of an account that has proved nothing yet; if another call was quicker, return that one's, locked.

    Raises:
        Conflict: an account of this name is being disconnected.
    """
    account = Account(
        account_name=name,
        account_id=f"pending-{uuid4().hex}",
        connection_method=method,
        user_id=user_id,
        region=region,
    )
    try:
        with session.begin_nested():  # a taken name must not end the transaction
            session.add(account)
    except DuplicateValue:
        try:
            return find_account(session, name, for_update=True)  # another call made it since we looked
        except NotFound:
            msg = f"account {name} is being disconnected: let `spothive account disconnect {name}` finish first"
            raise Conflict(msg) from None
    return account


def responsible_user(session: TenantSession, actor: Actor, owner: str | None) -> UUID:
    """Return the user who answers for a new account: ``owner``, else the actor, else the tenant's first client.

    Raises:
        NotFound: no active user of the tenant is called so, or there is none at all.
    """
    if owner is None and actor.home_tenant_id == session.tenant_id:
        return actor.user_id
    query = select(User.id).where(User.is_active).order_by(User.role != "client", User.created_at).limit(1)
    user_id = session.scalar(query if owner is None else query.where(User.username == normal_name(owner)))
    if user_id is None:
        who = f"no active user of this tenant is called {owner!r}" if owner else "this tenant has no user yet"
        msg = f"{who}: make one with `spothive user create`, somebody must answer for the account"
        raise NotFound(msg)
    return user_id


def log_account(
    session: TenantSession,
    actor: Actor,
    account: Account,
    action: str,
    details: dict[str, Any],
    *,
    moved: tuple[AccountStatus, AccountStatus] | None = None,
) -> None:
    """Add one line to the account's own history; ``moved`` is the status before and after, if it changed."""
    session.add(
        AccountLog(
            account_id=account.id,
            action=action,
            from_status=moved[0] if moved else None,
            to_status=moved[1] if moved else None,
            details=details,
            actor_id=actor.actor_id,
            actor_name=actor.label,
        )
    )


def disconnect_account(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    name: str,
    leave_asleep: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Forget an account and all that hangs on it (a procedure: it opens its own transactions).

    The account is invisible from the first transaction on; its rows go in batches, so nobody waits long. Interrupted,
    it goes on where it was when called again with the same name.

    Args:
        sessions: opens transactions of a tenant.
        actor: who does it.
        tenant_id: tenant of the account.
        name: name or AWS account id.
        leave_asleep: forget clusters that hibernation has put to sleep, and the sizes to go back to with them.
        progress: told (instances done, instances in all); decisions go first.

    Returns:
        What hung on the account when it was hidden, rows by kind: instances, clusters, scan_runs.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such account.
        Conflict: clusters of it sleep, or another call finished the work meanwhile.
    """
    account_id, held = _bury(sessions, actor, tenant_id, name, leave_asleep=leave_asleep)
    last = _delete_decisions(sessions, tenant_id, account_id, after=None)
    while last is not None:
        if progress:
            progress(0, held["instances"])
        last = _delete_decisions(sessions, tenant_id, account_id, after=last)
    left = held["instances"]
    while batch := _delete_batch(sessions, tenant_id, account_id):
        left -= batch
        if progress:
            progress(held["instances"] - left, held["instances"])
    _delete_account(sessions, actor, tenant_id, account_id, name)
    return held


def _bury(
    sessions: Sessions, actor: Actor, tenant_id: UUID, name: str, *, leave_asleep: bool
) -> tuple[UUID, dict[str, int]]:
    """Set the tombstone, unless an interrupted call has; return the account's row id and what hung on it then."""
    with sessions(tenant=tenant_id) as session:
        require(
            actor,
            Action.MANAGE,
            attempt="account.disconnecting",
            resource=name,
            resource_type=ResourceType.ACCOUNT,
        )
        account = session.scalar(_called(name).with_for_update())
        if account is None:
            raise _not_found(name)
        if account.disconnecting_at is None:
            if not leave_asleep:
                refuse_sleepers(session, Account.id == account.id)
            held = _held(session, account)
            account.disconnecting_at = utc_now()
            account.account_metadata[_HELD] = held
            log_account(session, actor, account, "disconnecting", held)
            record(session, actor, "account.disconnecting", account.account_name, ResourceType.ACCOUNT, before=held)
        return account.id, dict(account.account_metadata[_HELD])


def _held(session: TenantSession, account: Account) -> dict[str, int]:
    """Count what hangs on the account."""
    counts = {
        "instances": select(func.count()).where(Instance.account_id == account.id),
        "clusters": select(func.count()).where(Cluster.account_id == account.id),
        "scan_runs": select(func.count()).where(ScanRun.account_id == account.id),
    }
    return {kind: session.scalar(query) or 0 for kind, query in counts.items()}


def _delete_decisions(
    sessions: Sessions, tenant_id: UUID, account_id: UUID, *, after: datetime | None
) -> datetime | None:
    """Delete the account's next decisions in a transaction of their own; return when the last was, None at the end.

    Instances take theirs along, one by one and however many: these are found by time, many at once. Those of one
    moment go together.
    """
    log = ExperimentLog
    left = [log.account_id == account_id]
    if after is not None:  # past the index entries of those that are deleted and not cleaned up yet
        left.append(log.execution_time > after)
    with sessions(tenant=tenant_id) as session:
        times = select(log.execution_time).where(*left).order_by(log.execution_time)
        last = session.scalar(times.offset(BATCH - 1).limit(1))
        if last is not None:
            left.append(log.execution_time <= last)
        session.execute(delete(log).where(*left))
    return last


def _delete_batch(sessions: Sessions, tenant_id: UUID, account_id: UUID) -> int:
    """Delete some of the account's instances in a transaction of their own; return how many there were."""
    own = Instance.account_id == account_id
    with sessions(tenant=tenant_id) as session:
        batch = session.scalars(select(Instance.instance_id).where(own).limit(BATCH)).all()
        if batch:
            # Replicas may be in another batch than what they stand by for: they live on alone until it is their turn.
            alone = {"is_replica": False, "replica_of_id": None, "replica_expiry": None}
            session.execute(update(Instance).where(own, Instance.replica_of_id.is_not(None)).values(alone))
            gone = delete(Instance).where(own, is_any_of(session, Instance.instance_id, batch))
            session.execute(gone, execution_options={"synchronize_session": False})  # it holds none of them
    return len(batch)


def _delete_account(sessions: Sessions, actor: Actor, tenant_id: UUID, account_id: UUID, name: str) -> None:
    """Delete the account with what is left of it and say so in the audit trail."""
    with sessions(tenant=tenant_id) as session:
        account = session.scalar(select(Account).where(Account.id == account_id).with_for_update())
        if account is None:
            msg = f"another call disconnected {name} meanwhile: nothing is left to do"
            raise Conflict(msg)
        held = dict(account.account_metadata[_HELD])
        session.execute(delete(Account).where(Account.id == account_id))
        record(session, actor, "account.disconnected", account.account_name, ResourceType.ACCOUNT, before=held)
