"""Runs whose process is dead: their leases have ended, and nobody will end them but whoever comes next."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from spothive.database import TenantSession
from spothive.models import ResourceType, ScanRun, ScanStatus
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.told import tell_not_complete
from spothive.operations.identity import Action, require
from spothive.schema.types import clock_timestamp

_EVENT, _CALLED = "scans.ended", "scans"


def fail_dead_runs(session: TenantSession, now: datetime, *which: ColumnElement[bool], found_by: str) -> list[UUID]:
    """End the runs among ``which`` whose leases are over by ``now``; return their ids. One statement.

    What they did not see stays unknown. A run that its process has locked lives, and is left alone.
    """
    dead = select(ScanRun.id).where(ScanRun.status == ScanStatus.RUNNING, ScanRun.leased_until <= now, *which)
    error = f"its process stopped without a word; {found_by}"
    end = update(ScanRun).where(ScanRun.id.in_(dead.with_for_update(skip_locked=True)))
    end = end.values(status=ScanStatus.FAILED, finished_at=now, error=error).returning(ScanRun.id)
    return list(session.scalars(end, execution_options={"synchronize_session": False}))


def end_dead_scans(session: TenantSession, actor: Actor) -> int:
    """End the tenant's runs of every kind whose leases are over, and tell its people of them; return how many.

    Nothing depends on it: the next run of an account takes such a run over. If no next run comes, one whose process
    has died would be shown as under way for ever.

    Raises:
        Denied: the role does not allow it.
    """
    require(actor, Action.MANAGE, attempt=_EVENT, resource=_CALLED, resource_type=ResourceType.ACCOUNT)
    now = session.scalars(select(clock_timestamp())).one()
    ended = fail_dead_runs(session, now, found_by="its lease was over")
    if ended:
        record(session, actor, _EVENT, _CALLED, ResourceType.ACCOUNT, after={"failed": len(ended)})
        tell_not_complete(session, ended)
    return len(ended)
