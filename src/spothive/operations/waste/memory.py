"""What is known of an account before AWS is asked: since when volumes are unused, and what undoes a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import ScanKind, ScanRun, ScanStatus, WasteResource, WasteStatus, WasteType
from spothive.settings import get_settings

LIVE: Final = (WasteStatus.DETECTED, WasteStatus.FLAGGED, WasteStatus.SCHEDULED_DELETE)
"""Statuses of what still is waste."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of an account beforehand.

    Attributes:
        unused: since when the volumes are unused that still are waste, by AWS's id.
        resolved: when others were waste no more the last time, by AWS's id.
        scanned_at: when the latest COMPLETE scan began. Of what has no row it saw that it was in use, or young.
        undoes: what was deleted that a snapshot brings back, by the snapshot's id.
    """

    unused: Mapping[str, datetime] = field(default_factory=dict)
    resolved: Mapping[str, datetime] = field(default_factory=dict)
    scanned_at: datetime | None = None
    undoes: Mapping[str, str] = field(default_factory=dict)

    def unused_since(self, volume_id: str, created_at: datetime) -> datetime:
        """Return since when nothing used a volume, as far as known."""
        if volume_id in self.unused:
            return self.unused[volume_id]
        return max(created_at, self.resolved.get(volume_id, created_at), self.scanned_at or created_at)


def remember(session: TenantSession, account_id: UUID, only: str | None = None) -> Memory:
    """Return what is known of an account, or of one of its volumes; three statements."""
    unused, resolved = _volumes(session, account_id, only)
    mine = (ScanRun.account_id == account_id, ScanRun.kind == ScanKind.WASTE, ScanRun.status == ScanStatus.COMPLETE)
    scanned_at = session.scalar(select(func.max(ScanRun.started_at)).where(*mine))
    return Memory(unused, resolved, scanned_at, _undoes(session, account_id))


def _volumes(
    session: TenantSession, account_id: UUID, only: str | None
) -> tuple[dict[str, datetime], dict[str, datetime]]:
    waste = WasteResource
    # A live row that does not say since when was made before that was kept: it was unused when it was seen first.
    unused = case((waste.status.in_(LIVE), func.coalesce(waste.unused_since, waste.detected_at)))
    resolved = case((waste.status == WasteStatus.RESOLVED, waste.updated_at))
    query = select(waste.resource_id, func.max(unused), func.max(resolved)).group_by(waste.resource_id)
    query = query.where(waste.account_id == account_id, waste.status.in_([*LIVE, WasteStatus.RESOLVED]))
    query = query.where(waste.resource_type == WasteType.EBS_VOLUME)
    if only is not None:
        query = query.where(waste.resource_id == only)
    rows = session.execute(query).all()
    return {name: at for name, at, _ in rows if at is not None}, {name: at for name, _, at in rows if at is not None}


def _undoes(session: TenantSession, account_id: UUID) -> dict[str, str]:
    """Return the snapshots by which deletions of late are undone, and those that are under way."""
    waste = WasteResource
    late = utc_now() - timedelta(days=get_settings().waste_undo_days)
    deleted = and_(waste.status == WasteStatus.DELETED, waste.deleted_at > late)
    which = or_(deleted, waste.status == WasteStatus.SCHEDULED_DELETE)
    query = select(waste.resource_id, waste.undo_recipe).where(waste.account_id == account_id, which)
    found = session.execute(query.where(waste.undo_recipe.is_not(None)))
    return {snapshot: name for name, recipe in found for snapshot in _snapshots(recipe)}


def _snapshots(recipe: Mapping[str, Any]) -> list[str]:
    one = recipe.get("snapshot")
    return [*recipe.get("snapshots", ()), *([one] if one else [])]
