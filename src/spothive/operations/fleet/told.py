"""What people are told of accounts: that one has failed, and that a look at one did not see everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from shlex import quote
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from spothive.database import TenantSession
from spothive.models import Account, NoticeEvent, ScanKind, ScanRun, ScanStatus, ScanUnit, UnitStatus
from spothive.operations.notifications import News, tell, tell_all

NAMES: Final = {ScanKind.DISCOVERY: "discovery", ScanKind.WASTE: "waste scan", ScanKind.IMPORT: "import"}
"""What a run of a kind is called in messages."""

NOT_ASKED: Final = "not asked for: only a scan of every enabled region is COMPLETE"
"""Why the units of regions are FAILED that a scan of some regions left out."""

_AGAIN: Final = {ScanKind.DISCOVERY: "spothive account discover", ScanKind.WASTE: "spothive waste scan"}
_SHOWN: Final = 10
"""Failed units that are told of one by one."""
_LONG: Final = 300

Trouble = tuple[str, str, str]
"""Region, kind and reason of a unit that failed; without the first two if the run failed as a whole."""


def tell_account_failed(session: TenantSession, account: Account, reason: str) -> None:
    """Tell everybody that AWS refuses an account, in the transaction of its move."""
    name = account.account_name
    recheck = f"spothive account recheck {quote(name)}"
    tell(
        session,
        NoticeEvent.ACCOUNT_FAILED,
        f"Account {name} has failed",
        f"{reason}. Nothing of {name} is discovered, scanned or changed until it is mended at AWS. Then: `{recheck}`.",
        facts={"account": name, "account_id": str(account.id), "reason": reason},
        link=f"spothive account show {quote(name)}",
    )


def tell_not_complete(session: TenantSession, run_ids: Sequence[UUID]) -> None:
    """Tell everybody of runs that have ended PARTIAL or FAILED; two statements beside the telling, none without runs.

    A trouble that the run before had already, of the same account and kind, is told of no more: a run tells if a unit
    failed that had not, or for another reason. Regions that were not asked for are no trouble.

    Args:
        session: of the tenant, in the transaction in which they end.
        run_ids: which; one that is COMPLETE is left out.
    """
    if not run_ids:
        return
    session.flush()  # the end is read back, beside the runs before
    before = aliased(ScanRun)
    earlier = (
        select(before.id)
        .where(before.account_id == ScanRun.account_id, before.kind == ScanRun.kind)
        .where(before.tenant_id == ScanRun.tenant_id, before.started_at < ScanRun.started_at)
        .where(before.status != ScanStatus.RUNNING, before.id != ScanRun.id)
        .order_by(before.started_at.desc())
        .limit(1)
        .correlate(ScanRun)
        .scalar_subquery()
        .label("earlier")
    )
    query = (
        select(ScanRun.id, ScanRun.kind, ScanRun.status, Account.account_name, earlier)
        .join(Account, Account.id == ScanRun.account_id)
        .where(ScanRun.id.in_(run_ids), ScanRun.status.in_([ScanStatus.PARTIAL, ScanStatus.FAILED]))
    )
    rows = session.execute(query.order_by(Account.account_name, ScanRun.kind)).all()
    looked_at = {run_id for row in rows for run_id in (row.id, row.earlier) if run_id is not None}
    troubles = _troubles(session, looked_at) if rows else {}
    news = []
    for run_id, kind, status, name, previous in rows:
        found = troubles.get(run_id, set())
        if found - troubles.get(previous, set()):
            news.append(_not_complete(name, kind, status, sorted(found)))
    tell_all(session, news)


def _troubles(session: TenantSession, run_ids: Collection[UUID]) -> dict[UUID, set[Trouble]]:
    """Return what went wrong in each run; in one without a failed unit, why it failed itself."""
    failed = and_(
        ScanUnit.tenant_id == ScanRun.tenant_id,
        ScanUnit.scan_run_id == ScanRun.id,
        ScanUnit.status == UnitStatus.FAILED,
    )
    unit = func.coalesce(ScanUnit.region, ""), func.coalesce(ScanUnit.resource_kind, "")
    reason = func.coalesce(ScanUnit.error, ScanRun.error, "")
    query = select(ScanRun.id, *unit, reason).outerjoin(ScanUnit, failed)
    found: dict[UUID, set[Trouble]] = defaultdict(set)
    for run_id, region, kind, why in session.execute(query.where(ScanRun.id.in_(run_ids))):
        if why and why != NOT_ASKED:
            found[run_id].add((region, kind, why))
    return found


def _not_complete(name: str, kind: ScanKind, status: ScanStatus, troubles: list[Trouble]) -> News:
    what, regions = NAMES[kind], sorted({region for region, _, _ in troubles if region})
    where = f" in {', '.join(regions[:_SHOWN])}" if regions else ""
    again = f"{_AGAIN.get(kind, 'spothive account import')} {quote(name)}"
    lines = [f"{region} ({each}): {why[:_LONG]}" if region else why[:_LONG] for region, each, why in troubles]
    left = f"\nand {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return News(
        NoticeEvent.SCAN_PARTIAL,
        f"The {what} of {name} is {status}{where}",
        f"What could not be read is left as it was, and is unknown:\n{chr(10).join(lines[:_SHOWN])}{left}\n"
        f"Again: `{again}`. It is told once, and again when something else goes wrong.",
        {"account": name, "kind": kind, "status": status, "regions": regions, "failed": len(troubles)},
        f"spothive account show {quote(name)}",
    )
