"""Finding the cluster that somebody names: the same names do for every street and every command."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import contains_eager

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import Account, Cluster


def find_cluster(session: TenantSession, named: str, *, for_update: bool = False) -> Cluster:
    """Return a cluster with its account; ``for_update`` lets one at a time change what belongs to it.

    Args:
        session: of the tenant.
        named: its name, its id, ``account/name``, or ``account/region/name``, which is that of one cluster.
        for_update: whether to lock it for the transaction.

    Raises:
        NotFound: the tenant has no such cluster, or its account is being disconnected.
        Conflict: several accounts or regions have one of this name.
    """
    query = (
        select(Cluster)
        .join(Cluster.account)
        .where(Account.disconnecting_at.is_(None))
        .options(contains_eager(Cluster.account))
    )
    if for_update:
        query = query.with_for_update(of=Cluster, key_share=True)
    cluster_id = id_in(named)
    by_id = session.scalar(query.where(Cluster.id == cluster_id)) if cluster_id else None
    if by_id is not None:
        return by_id
    called = [Cluster.name == named]
    if "/" in named:
        in_account = Account.account_name + "/" + Cluster.name
        in_region = Account.account_name + "/" + Cluster.region + "/" + Cluster.name
        called += [in_account == named, in_region == named]
    found = session.scalars(query.where(or_(*called)).order_by(Cluster.id).limit(2)).all()
    if len(found) > 1:
        places = " or ".join(f"{each.account.account_name}/{each.region}/{each.name}" for each in found)
        msg = f"several clusters are called {named!r}: name one as account/region/name, for example {places}"
        raise Conflict(msg)
    if not found:
        msg = f"no cluster is called {named[:255]!r}: see `spothive cluster list`"
        raise NotFound(msg)
    return found[0]


def id_in(text: str) -> UUID | None:
    """Return the id that somebody typed, or None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
