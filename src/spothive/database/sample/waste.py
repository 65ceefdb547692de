"""Waste: what nothing uses, seen by the scans, and how far its end has come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from spothive.database.sample.approvals import Wish
from spothive.database.sample.chance import Dice
from spothive.database.sample.scans import WASTE_SCANS, WasteScans
from spothive.database.sample.world import AwsAccount, Company, Period, Row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import ApprovalAction, ResourceType, RiskLevel, WasteResource, WasteStatus, WasteType

_GRACE = timedelta(days=7)
_ADDRESS_PRICE, _VOLUME_PRICE, _SNAPSHOT_PRICE = Decimal("3.60"), Decimal("0.08"), Decimal("0.05")
_PREFIXES = {
    WasteType.ELASTIC_IP: "eipalloc",
    WasteType.EBS_VOLUME: "vol",
    WasteType.EBS_SNAPSHOT: "snap",
    WasteType.AMI: "ami",
}
_LOOKED_FOR: Mapping[WasteType, list[str]] = {
    WasteType.ELASTIC_IP: ["association", "NAT gateway"],
    WasteType.EBS_VOLUME: ["attachment"],
    WasteType.EBS_SNAPSHOT: ["own images, disabled ones included", "shares"],
    WasteType.AMI: ["instances", "launch templates", "launch configurations", "Auto Scaling groups"],
}
_FLAGGED, _SCHEDULED = WasteStatus.FLAGGED, WasteStatus.SCHEDULED_DELETE
_ENDINGS: Final = (
    WasteStatus.DETECTED,
    WasteStatus.FLAGGED,
    WasteStatus.FLAGGED,
    WasteStatus.FLAGGED,
    WasteStatus.SCHEDULED_DELETE,
    WasteStatus.DELETED,
    WasteStatus.RESOLVED,
)


def write_waste(
    writer: Writer, period: Period, companies: list[Company], scans: WasteScans
) -> tuple[list[Wish], list[Life]]:
    """Write what the scans found in each active account; return what has to be approved of it, and how it went on.

    What was scheduled was approved before: take the lives through their steps when the approvals are written.
    """
    lives: list[Life] = []
    wishes: list[Wish] = []
    for company in companies:
        dice = period.dice("waste", company.number)
        for account in company.accounts:
            if account.active:
                found = [_found(dice, period, company, account, ending) for ending in _ENDINGS]
                for number, (life, ending) in enumerate(zip(found, _ENDINGS, strict=True)):
                    _live(dice, period, life, ending, scans[account.id])
                    wishes += _wish(period, company, life, ending, number)
                    writer.made(company.tenant_id, ResourceType.WASTE, life.born["resource_id"])
                lives += found
    writer.insert(WasteResource, (life.born for life in lives))
    return wishes, lives


def _seen_in(ending: WasteStatus) -> int:
    """Return the number of the scan that saw it first: what is new was seen once, what is gone long ago."""
    return {WasteStatus.DETECTED: 3, WasteStatus.FLAGGED: 2, WasteStatus.SCHEDULED_DELETE: 2}.get(ending, 0)


def _found(dice: Dice, period: Period, company: Company, account: AwsAccount, ending: WasteStatus) -> Life:
    kind = dice.choice(list(WasteType))
    gigabytes = dice.choice((20, 50, 100, 500))
    at = period.until - WASTE_SCANS[_seen_in(ending)]
    unused = dice.randrange(31, 200)
    return Life(
        company.row(
            dice,
            at,
            account_id=account.id,
            scan_run_id=None,
            resource_type=kind,
            resource_id=f"{_PREFIXES[kind]}-{dice.hex(17)}",
            region=dice.choice(account.regions),
            monthly_cost=_cost(kind, gigabytes),
            detected_at=at,
            last_seen_at=at,
            days_unused=unused,
            evidence={"looked_for": _LOOKED_FOR[kind], "found": []},
            resource_metadata={} if kind == WasteType.ELASTIC_IP else {"size_gb": gigabytes},
            reason=f"no {', no '.join(_LOOKED_FOR[kind])} for {unused} days",
        )
    )


def _cost(kind: WasteType, gigabytes: int) -> Decimal:
    if kind == WasteType.ELASTIC_IP:
        return _ADDRESS_PRICE
    return gigabytes * (_VOLUME_PRICE if kind == WasteType.EBS_VOLUME else _SNAPSHOT_PRICE)


def _live(dice: Dice, period: Period, life: Life, ending: WasteStatus, scans: list[UUID]) -> None:
    """Tell the life of a resource: flagged by the second scan that saw it, and what was done with it then."""
    first = _seen_in(ending)
    life.born["scan_run_id"] = scans[first]
    life.born["claimed_since"] = at = life.born["detected_at"]
    is_volume = life.born["resource_type"] == WasteType.EBS_VOLUME
    life.born["unused_since"] = at - timedelta(days=life.born["days_unused"]) if is_volume else None
    if ending == WasteStatus.DETECTED:
        return
    again = period.until - WASTE_SCANS[first + 1]
    life.then(step(again, status=_FLAGGED, last_seen_at=again, scan_run_id=scans[first + 1]))
    approved = again + timedelta(hours=2)
    if ending in {_SCHEDULED, WasteStatus.DELETED}:
        scheduled = {"scheduled_deletion_date": approved + _GRACE, "plan_hash": dice.hash()}
        # The rule asks for the latest scan, and in here all have ended: what is gone tells its own scan again below.
        life.then(step(approved, status=_SCHEDULED, scan_run_id=scans[-1], **scheduled))
    if ending == WasteStatus.DELETED:
        gone = approved + _GRACE + timedelta(minutes=1)
        facts: Row = {"scheduled_deletion_date": None, "deleted_at": gone, "undo_recipe": _undo(dice, life.born)}
        facts |= {"deletion_begun_at": gone, "scan_run_id": scans[first + 1]}
        life.then(step(gone, status=ending, **facts))
    if ending == WasteStatus.RESOLVED:
        life.then(step(again + timedelta(days=1), status=ending))


def _undo(dice: Dice, born: Row) -> Row | None:
    """Return how to get a resource back: from the snapshot that was taken last; an address is gone for good."""
    if born["resource_type"] == WasteType.ELASTIC_IP:
        return None
    return {"snapshot": f"snap-{dice.hex(17)}", "region": born["region"]}


def _wish(period: Period, company: Company, life: Life, ending: WasteStatus, number: int) -> list[Wish]:
    """Return the request for a deletion: what is going or gone was approved, of the flagged ones two wait."""
    born = life.born

    def wish(at: datetime, outcome: str) -> Wish:
        return Wish(
            company,
            ApprovalAction.DELETE_WASTE,
            born["id"],
            RiskLevel.MEDIUM if born["resource_type"] != WasteType.ELASTIC_IP else RiskLevel.HIGH,
            f"Delete {born['resource_id']} in {born['region']}: it costs {born['monthly_cost']} USD a month",
            at,
            outcome,
        )

    again = period.until - WASTE_SCANS[min(_seen_in(ending) + 1, len(WASTE_SCANS) - 1)]
    if ending in {_SCHEDULED, WasteStatus.DELETED}:
        approved = wish(again + timedelta(hours=1), "executed")
        approved.plan_hash = life.steps[1]["plan_hash"]
        return [approved]
    if ending == _FLAGGED:
        return [wish(period.until - timedelta(hours=1), ("pending", "rejected", "pending")[number - 1])]
    return []
