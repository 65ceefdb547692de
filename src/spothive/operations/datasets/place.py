"""Where the files of this database are, in a store that several databases may share."""

from __future__ import annotations

from sqlalchemy import select

from spothive.database import PLATFORM_TENANT_ID, read_session
from spothive.gateways.dataset_store import DatasetStore
from spothive.models import Tenant


def own_part(store: DatasetStore) -> DatasetStore:
    """Return the part of ``store`` that belongs to this database: the folder named after the moment it was made.

    Whoever tidies up deletes what has no row. Of another database's files, such as those of the one that was used
    here before, no row knows: so each has a folder of its own. Backups and copies of a database keep that moment.
    """
    with read_session(tenant=PLATFORM_TENANT_ID) as session:
        made = session.scalars(select(Tenant.created_at).where(Tenant.id == PLATFORM_TENANT_ID)).one()
    return store.part(f"{made:%Y%m%dT%H%M%S%f}")
