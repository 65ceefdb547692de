"""What is due to be deleted, and what came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.models import Account, WasteResource, WasteStatus, WasteType
from spothive.schema.types import clock_timestamp


class Ending(enum.StrEnum):
    """What came of a deletion that was due."""

    DELETED = "DELETED"
    """it is gone"""
    RESOLVED = "RESOLVED"
    """it is in use again, or somebody else removed it"""
    CHANGED = "CHANGED"
    """it is not what was approved: FLAGGED again"""
    WAITS = "WAITS"
    """for its final snapshot, or for another run"""
    PUT_OFF = "PUT_OFF"
    """enough of the kind was deleted today"""
    FAILED = "FAILED"
    """AWS refused or gave no answer: the next run tries again"""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One resource whose deletion was due, and what came of it.

    Attributes:
        monthly_cost: USD for a month of 30 days.
        detail: why, for people.
    """

    resource_id: str
    resource_type: WasteType
    region: str
    account_name: str
    monthly_cost: Decimal
    ending: Ending
    detail: str


@dataclass(frozen=True, slots=True)
class Due:
    """A resource whose deletion is due.

    Attributes:
        since: when its grace ended, UTC: what the audit trail tells of it since then is of this very deletion.
    """

    row_id: UUID
    account_id: UUID
    resource_id: str
    resource_type: WasteType
    region: str
    account_name: str
    monthly_cost: Decimal
    since: datetime

    def came_to(self, ending: Ending, detail: str) -> Deletion:
        """Return that this is what came of it."""
        facts = (self.resource_id, self.resource_type, self.region, self.account_name, self.monthly_cost)
        return Deletion(*facts, ending, detail)


def read_due(session: TenantSession) -> list[Due]:
    """Return what is due of the accounts that are not being disconnected, the longest due first in each."""
    waste = WasteResource
    columns = (
        waste.id,
        waste.account_id,
        waste.resource_id,
        waste.resource_type,
        waste.region,
        Account.account_name,
        waste.monthly_cost,
        waste.scheduled_deletion_date,
    )
    query = select(*columns).join(Account, Account.id == waste.account_id).where(Account.disconnecting_at.is_(None))
    over = (waste.status == WasteStatus.SCHEDULED_DELETE, waste.scheduled_deletion_date < clock_timestamp())
    rows = session.execute(query.where(*over).order_by(Account.account_name, waste.scheduled_deletion_date, waste.id))
    return [Due(*row) for row in rows]  # type: ignore[arg-type]  # what is due has a date
