"""Deleting what was kept long enough: in batches, each a transaction of its own, the oldest first.

The audit trail, its seals and the events of the hive are not on the list, and the database refuses to delete them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, select

from spothive.database import PLATFORM_TENANT_ID, TenantSession, read_session, system_scope
from spothive.models import (
    AccountLog,
    ApiUsage,
    DeliveryStatus,
    EmailDigestEntry,
    EmailLog,
    LoginHistory,
    Notice,
    ResourceType,
    ScanUnit,
    SessionLog,
    SpotPrice,
    SystemLog,
    WebhookLog,
)
from spothive.operations.audit import record
from spothive.operations.audit.sealing import tenants_with
from spothive.operations.sweeps.work import Work
from spothive.schema.types import clock_timestamp
from spothive.settings import get_settings

BATCH: Final = 1000
"""Most rows that one transaction deletes: enough to be quick, few enough to hold nobody up."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Rows that are kept for a while.

    Attributes:
        model: of which table.
        since: the column from which their time is counted.
        days: the setting that says for how long.
        where: which of the rows; all if None.
        by_system: only system scope may delete them, and an audit row tells of each batch.
    """

    model: Any
    since: Any
    days: str
    where: ColumnElement[bool] | None = None
    by_system: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether the rows belong to no tenant."""
        return "global" in self.model.__table__.info


SHELVES: Final = (
    Shelf(ApiUsage, ApiUsage.timestamp, "keep_api_usage"),
    Shelf(EmailLog, EmailLog.created_at, "keep_deliveries", EmailLog.status != DeliveryStatus.PENDING),
    Shelf(EmailDigestEntry, EmailDigestEntry.created_at, "keep_deliveries", and_(EmailDigestEntry.included_in_digest)),
    Shelf(Notice, Notice.created_at, "keep_notices", Notice.read_at.is_not(None)),
    Shelf(WebhookLog, WebhookLog.created_at, "keep_deliveries", WebhookLog.status != DeliveryStatus.PENDING),
    Shelf(SystemLog, SystemLog.timestamp, "keep_system_logs"),
    Shelf(SessionLog, SessionLog.expires_at, "keep_sessions"),
    Shelf(SessionLog, SessionLog.logged_out_at, "keep_sessions"),
    Shelf(ScanUnit, ScanUnit.updated_at, "keep_scan_units"),
    Shelf(SpotPrice, SpotPrice.observed_at, "keep_spot_prices", by_system=True),
    Shelf(LoginHistory, LoginHistory.timestamp, "keep_login_history", by_system=True),
    Shelf(AccountLog, AccountLog.timestamp, "keep_account_logs", by_system=True),
)
"""What is deleted one day, and when; nothing else is."""


def delete_old_rows(work: Work) -> None:
    """Delete what was kept long enough, shelf by shelf and tenant by tenant, those of deleted tenants too.

    What a run that was killed has not deleted is found by the next one in the same way.
    """
    slugs, settings, now = work.slugs(), get_settings(), _clock()
    for shelf in SHELVES:
        before = now - timedelta(days=getattr(settings, shelf.days))
        for tenant_id in _owners(shelf):
            table = shelf.model.__tablename__
            owner = "all tenants" if shelf.is_shared else slugs.get(tenant_id, str(tenant_id))
            with work.part(f"{owner}/{table}"):
                _clear(work, shelf, tenant_id, before)


def _clock() -> datetime:
    """Return the database's time of day (UTC), by which its guards refuse to delete what is younger."""
    with read_session() as session:
        return session.scalars(select(clock_timestamp())).one()


def _owners(shelf: Shelf) -> list[UUID]:
    """Return the tenants that have rows on the shelf, by id; of what is shared, platform does it for all."""
    if shelf.is_shared:
        return [PLATFORM_TENANT_ID]
    reason = f"the sweep looks for the owners of {shelf.model.__tablename__}"
    with read_session() as session, system_scope(session, reason):
        return list(tenants_with(session, shelf.model.tenant_id))


def _clear(work: Work, shelf: Shelf, tenant_id: UUID, before: datetime) -> None:
    gone = BATCH
    while gone == BATCH:
        work.go_on()
        with work.sessions(tenant=tenant_id) as session:
            gone = _delete_batch(session, work, shelf, before)
        work.counts[shelf.model.__tablename__] += gone


def _delete_batch(session: TenantSession, work: Work, shelf: Shelf, before: datetime) -> int:
    if not shelf.by_system:
        return _delete_oldest(session, shelf, before)
    table = shelf.model.__tablename__
    with system_scope(session, f"the sweep deletes what {table} kept long enough"):
        gone = _delete_oldest(session, shelf, before)
        if gone:
            after = {"deleted": gone, "before": before.isoformat()}
            record(session, work.actor, "history.deleted", table, ResourceType.SYSTEM, after=after)
    return gone


def _delete_oldest(session: TenantSession, shelf: Shelf, before: datetime) -> int:
    """Delete at most :data:`BATCH` rows, the oldest by an index; return how many. One statement."""
    model = shelf.model
    mine = [] if shelf.is_shared else [model.tenant_id == session.tenant_id]
    which = mine + ([] if shelf.where is None else [shelf.where])
    oldest = select(model.id).where(*which, shelf.since < before).order_by(shelf.since).limit(BATCH)
    gone: Any = session.execute(
        delete(model).where(*mine, model.id.in_(oldest)), execution_options={"synchronize_session": False}
    )
    return int(gone.rowcount)
