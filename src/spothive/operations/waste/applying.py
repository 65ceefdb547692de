"""Bringing the rows to what a region was seen to hold: only what differs is written, by a few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import insert_rows, is_any_of, update_rows
from spothive.models import ScanRun, WasteResource, WasteStatus, WasteType
from spothive.operations.waste.judging import Claim, counted_from
from spothive.operations.waste.looking import KindSeen
from spothive.operations.waste.memory import LIVE
from spothive.schema.types import a_day_after, new_id
from spothive.settings import get_settings

_UNPLANNED: Final[dict[str, Any]] = {"scheduled_deletion_date": None, "plan_hash": None, "undo_recipe": None}
"""What a deletion leaves that is not to be any more."""

_NOT_LISTED = "AWS does not list it any more"


@dataclass(slots=True)
class Applied:
    """Ids of what a look at a region changed: all that is waste, new, of another claim, and no waste any more."""

    seen: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)


def apply(session: TenantSession, run: ScanRun, region: str, kinds: Mapping[WasteType, KindSeen]) -> Applied:
    """Write what was seen of these kinds in a region; a fixed number of statements.

    What has begun to be deleted is left to whoever deletes it, and what was deleted since the scan began may have been
    read before that: it is not waste again. The account must be locked by the caller.

    Args:
        session: of the tenant.
        run: the scan.
        region: where it looked.
        kinds: each kind that was read to the end; others are left as they are.
    """
    now, done = utc_now(), Applied()
    known = _known(session, run, region, kinds)
    fresh: list[dict[str, Any]] = []
    altered: list[dict[str, Any]] = []
    otherwise: list[str] = []
    same: list[str] = []
    for claim in (claim for seen in kinds.values() for claim in seen.claims):
        row = known.pop(claim.resource_id, None)
        if row is not None and row.status == WasteStatus.DELETED:
            continue
        done.seen += 1
        if row is None:
            fresh.append(_born(run, counted_from(claim, now, now), now))
            done.added.append(claim.resource_id)
        elif row.deletion_begun_at is None:
            same.append(claim.resource_id)
            claims = counted_from(claim, row.detected_at, now)
            if _differs(row, claims):
                altered.append(_key(row) | _told(claims) | {"updated_at": now})
            if row.evidence != claim.evidence:
                otherwise.append(claim.resource_id)
    gone = [row for row in known.values() if row.status in LIVE and row.deletion_begun_at is None]
    insert_rows(session, WasteResource, fresh)
    update_rows(session, WasteResource, altered)
    done.changed = otherwise
    mine = (WasteResource.account_id == run.account_id, WasteResource.region == region)
    if otherwise:
        _step_back(session, (*mine, is_any_of(session, WasteResource.resource_id, otherwise)), now)
    if same:
        _see(session, run, (*mine, is_any_of(session, WasteResource.resource_id, same)), now)
    spared = {name: reason for seen in kinds.values() for name, reason in seen.spared.items()}
    update_rows(
        session, WasteResource, [_key(row) | _ended(spared.get(row.resource_id, _NOT_LISTED), now) for row in gone]
    )
    done.resolved = [row.resource_id for row in gone]
    return done


def flag(session: TenantSession, run: ScanRun) -> list[Decimal]:
    """Flag what a COMPLETE scan saw again, at least 24 hours after the first one that did; return what each costs.

    A volume must have been unused for as long as is set. Two statements.
    """
    waste = WasteResource
    seen = (waste.account_id == run.account_id, waste.status == WasteStatus.DETECTED, waste.scan_run_id == run.id)
    first = update(waste).where(*seen, waste.claimed_since.is_(None)).values(claimed_since=run.started_at)
    session.execute(first, execution_options={"synchronize_session": False})
    long_ago = run.started_at - timedelta(days=get_settings().waste_volume_days)
    long_unused = or_(waste.resource_type != WasteType.EBS_VOLUME, waste.unused_since <= long_ago)
    again = update(waste).where(*seen, a_day_after(waste.claimed_since) <= run.started_at, long_unused)
    flagged = again.values(status=WasteStatus.FLAGGED).returning(waste.monthly_cost)
    return list(session.scalars(flagged, execution_options={"synchronize_session": False}))


def _known(session: TenantSession, run: ScanRun, region: str, kinds: Collection[WasteType]) -> dict[str, Any]:
    """Return the live waste, and what was deleted since the scan began, by AWS's ids; locked.

    The ids differ between the kinds; of one that has several rows, as none should, the live one counts.
    """
    waste = WasteResource
    columns = (
        waste.tenant_id,
        waste.id,
        waste.resource_type,
        waste.resource_id,
        waste.detected_at,
        waste.monthly_cost,
        waste.days_unused,
        waste.evidence,
        waste.resource_metadata,
        waste.reason,
        waste.deletion_begun_at,
        waste.unused_since,
        waste.status,
    )
    deleted = and_(waste.status == WasteStatus.DELETED, waste.deleted_at >= run.started_at)
    mine = (waste.account_id == run.account_id, waste.region == region, or_(waste.status.in_(LIVE), deleted))
    query = select(*columns).where(*mine, waste.resource_type.in_(sorted(kinds))).order_by(waste.id)
    return {row.resource_id: row for row in session.execute(query.with_for_update())}


def _differs(row: Any, claim: Claim) -> bool:
    return any(getattr(row, name) != value for name, value in _told(claim).items())


def _told(claim: Claim) -> dict[str, Any]:
    """Return the columns that say what is claimed."""
    return {
        "monthly_cost": claim.monthly_cost,
        "days_unused": min(claim.days_unused or 0, 100_000),
        "evidence": claim.evidence,
        "resource_metadata": claim.metadata,
        "reason": claim.reason,
        "unused_since": claim.unused_since,
    }


def _key(row: Any) -> dict[str, Any]:
    return {"tenant_id": row.tenant_id, "id": row.id}


def _born(run: ScanRun, claim: Claim, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": run.tenant_id,
        "id": new_id(),
        "account_id": run.account_id,
        "scan_run_id": run.id,
        "resource_type": claim.resource_type,
        "resource_id": claim.resource_id,
        "region": claim.region,
        "detected_at": now,
        "last_seen_at": now,
        **_told(claim),
    }


def _ended(reason: str, now: datetime) -> dict[str, Any]:
    return {"status": WasteStatus.RESOLVED, "scheduled_deletion_date": None, "reason": reason, "updated_at": now}


def _see(session: TenantSession, run: ScanRun, which: tuple[ColumnElement[bool], ...], now: datetime) -> None:
    """Note that these were seen again. What is scheduled keeps the scan from which it was."""
    seen: dict[str, Any] = {"last_seen_at": now, "updated_at": now}
    waiting = (WasteStatus.DETECTED, WasteStatus.FLAGGED)
    for statuses, values in (
        (waiting, seen | {"scan_run_id": run.id}),
        ((WasteStatus.SCHEDULED_DELETE,), seen),
    ):
        found = (WasteResource.status.in_(statuses), WasteResource.deletion_begun_at.is_(None))
        here = update(WasteResource).where(*which, *found, WasteResource.detected_at <= now)
        session.execute(here.values(values), execution_options={"synchronize_session": False})


def _step_back(session: TenantSession, which: tuple[ColumnElement[bool], ...], now: datetime) -> None:
    """Take what is claimed otherwise now one step back: it is seen anew, or approved anew."""
    anew: dict[str, Any] = {"claimed_since": None, "updated_at": now}
    for status, values in (
        (WasteStatus.DETECTED, anew),
        (WasteStatus.FLAGGED, anew | {"status": WasteStatus.DETECTED}),
        (WasteStatus.SCHEDULED_DELETE, {"status": WasteStatus.FLAGGED, "updated_at": now, **_UNPLANNED}),
    ):
        here = update(WasteResource).where(*which, WasteResource.status == status).values(values)
        session.execute(here, execution_options={"synchronize_session": False})
