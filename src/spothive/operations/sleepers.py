"""Clusters that hibernation has put to sleep: whoever forgets their schedule forgets how they are woken."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.models import Account, Cluster, HibernationSchedule
from spothive.schema.types import clock_timestamp


def refuse_sleepers(session: TenantSession, *accounts: ColumnElement[bool]) -> None:
    """Refuse to forget how clusters of some accounts are woken. One statement.

    The accounts are to be locked ``FOR UPDATE``: then none of their clusters is put to sleep until the caller's
    transaction ends.

    Args:
        session: of the tenant.
        accounts: conditions over ``Account``.

    Raises:
        Conflict: some sleep, or are being put to sleep or woken at this moment.
    """
    asleep = or_(HibernationSchedule.restore_state.is_not(None), HibernationSchedule.leased_until > clock_timestamp())
    query = (
        select(Cluster.name)
        .join(HibernationSchedule, HibernationSchedule.cluster_id == Cluster.id)
        .join(Account, Account.id == Cluster.account_id)
        .where(asleep, *accounts)
        .order_by(Cluster.name)
    )
    if names := session.scalars(query).all():
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        msg = (
            f"{names[0]}{more} is asleep, and nobody would know how to wake it: `spothive hibernation disable "
            f"{names[0]}`, then `spothive hibernation apply`; or leave it asleep with --leave-asleep"
        )
        raise Conflict(msg)
