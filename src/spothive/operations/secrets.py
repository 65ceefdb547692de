"""Secrets: which keys the stored ones need."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from spothive.database import Base, TenantSession, system_scope
from spothive.models import ResourceType
from spothive.operations.actor import Actor
from spothive.operations.identity import Action, require
from spothive.schema.sealed import key_id_of, sealed_columns


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values of one column, over all tenants, are sealed with one key."""

    table: str
    column: str
    key_id: str
    rows: int


def status(session: TenantSession, actor: Actor) -> list[SealedCount]:
    """Count the sealed values of all tenants by key, without opening any: one statement for each sealed column.

    A key that is counted here cannot be withdrawn; one that is counted and not in the keyring is missing.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    require(
        actor,
        Action.MANAGE_PLATFORM,
        attempt="secrets.status",
        resource="sealing keys",
        resource_type=ResourceType.SYSTEM,
    )
    counts = []
    with system_scope(session, f"{actor.label} counts sealed values"):
        for column in sealed_columns(Base.metadata):
            key_id = key_id_of(column)
            query = select(key_id, func.count()).where(column.is_not(None)).group_by(key_id).order_by(key_id)
            counts += [SealedCount(column.table.name, column.name, *row) for row in session.execute(query)]
    return counts
