"""Discovering accounts again, each when it was last tried long enough ago."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import exists, select

from spothive.database import TenantSession
from spothive.errors import AlreadyRunning
from spothive.models import Account, AccountStatus, ScanKind, ScanRun, ScanStatus
from spothive.operations.fleet import discover_account
from spothive.operations.sweeps.having import has_accounts
from spothive.operations.sweeps.work import ForTenant, Work
from spothive.schema.types import clock_timestamp
from spothive.settings import get_settings


def discover_accounts(work: Work) -> None:
    """Discover the accounts of tenants that are not suspended, one after the other.

    One that AWS refuses is noted, and fails as in any discovery: it comes back when somebody has rechecked it.
    """
    for tenant in work.tenants(has_accounts(), suspended=False):
        due: list[str] = []
        with work.part(tenant.slug), work.sessions(tenant=tenant.id) as session:
            due = due_accounts(session, ScanKind.DISCOVERY, get_settings().discovery_age)
        for name in due:
            with work.part(f"{tenant.slug}/{name}"):
                _discover(work, tenant, name)


def due_accounts(session: TenantSession, kind: ScanKind, age: int) -> list[str]:
    """Return the names of the tenant's accounts at which nobody has looked for ``age`` seconds. Two statements.

    An attempt counts, however it ended, and so does one that somebody else has made: AWS is not asked more often.
    """
    now = session.scalars(select(clock_timestamp())).one()
    since = now - timedelta(seconds=age)
    tried = exists().where(ScanRun.account_id == Account.id, ScanRun.kind == kind, ScanRun.started_at > since)
    living = (
        Account.status.in_([AccountStatus.CONNECTED, AccountStatus.ACTIVE]),
        Account.disconnecting_at.is_(None),
    )
    return list(session.scalars(select(Account.account_name).where(*living, ~tried).order_by(Account.account_name)))


def _discover(work: Work, tenant: ForTenant, name: str) -> None:
    try:
        found = discover_account(
            work.sessions, work.actor, tenant_id=tenant.id, name=name, gateway=work.tools.gateway, keys=work.tools.keys
        )
    except AlreadyRunning:
        work.counts["under_way"] += 1
        return
    work.counts["accounts"] += 1
    work.counts["instances"] += found.seen
    if found.status is not ScanStatus.COMPLETE:
        reasons = "; ".join(f"{region}: {reason}" for region, reason in sorted(found.failed.items()))
        work.fail(f"{tenant.slug}/{name}", f"{found.status}: {reasons}")
