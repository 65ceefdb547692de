"""Looks at accounts: discovery, waste and import. An account has one open look of a kind, so they come in rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import AwsAccount, Company, Period, Row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import AccountStatus, ScanKind, ScanRun, ScanStatus, ScanUnit, UnitStatus

WASTE_SCANS: Final = (timedelta(days=12), timedelta(days=10), timedelta(hours=30), timedelta(hours=4))
"""How long before the end of the history an active account was looked through for waste; all were COMPLETE."""

_WASTE_KINDS = ("elastic_ip", "ebs_volume", "ebs_snapshot", "ami")
_DISCOVERIES = 6
_THROTTLED = "AWS throttled the request: RequestLimitExceeded"


@dataclass(slots=True)
class _Look:
    company: Company
    account: AwsAccount
    kind: ScanKind
    at: datetime
    outcome: ScanStatus = ScanStatus.COMPLETE
    run: Life | None = None
    units: list[Life] = field(default_factory=list)


WasteScans = dict[UUID, list[UUID]]
"""Ids of the COMPLETE waste scans of an account, in the order of :data:`WASTE_SCANS`."""


def write_scans(writer: Writer, period: Period, companies: list[Company]) -> WasteScans:
    """Write every look at every account; return those that waste was found by."""
    dice = period.dice("scans")
    found: WasteScans = {}
    for looks in _rounds(period, companies):
        for look in looks:
            _fill(dice, period, look)
            assert look.run is not None  # noqa: S101 - _fill sets it
            if look.kind == ScanKind.WASTE and look.outcome == ScanStatus.COMPLETE:
                found.setdefault(look.account.id, []).append(look.run.born["id"])
        runs = [look.run for look in looks if look.run]
        writer.insert(ScanRun, (run.born for run in runs))
        writer.insert_lives(ScanUnit, [unit for look in looks for unit in look.units])
        writer.move(ScanRun, runs)
    return found


def _rounds(period: Period, companies: list[Company]) -> list[list[_Look]]:
    """Return lists of looks; in each an account is looked at once for each kind at most."""
    first, last = period.founded + timedelta(days=1), period.until - timedelta(hours=1)
    every = (last - first) / (_DISCOVERIES - 1)
    moments = [(first + number * every).replace(microsecond=0) for number in range(_DISCOVERIES)]
    active = [(company, account) for company in companies for account in company.accounts if account.active]
    rounds = [[_Look(*one, ScanKind.DISCOVERY, at) for one in active] for at in moments]
    for number, ago in enumerate(WASTE_SCANS):
        rounds[number] += [_Look(*one, ScanKind.WASTE, period.until - ago) for one in active]
    partial = period.until - timedelta(days=2)
    for company in companies:
        staging = company.accounts[2]
        rounds[4].append(_Look(company, staging, ScanKind.WASTE, partial, ScanStatus.PARTIAL))
        next(look for look in rounds[2] if look.account is staging).outcome = ScanStatus.PARTIAL
        for account in company.accounts:
            if account.status == AccountStatus.FAILED:
                rounds[0].append(_Look(company, account, ScanKind.DISCOVERY, first))
                failed = period.start + timedelta(hours=6)
                rounds[1].append(_Look(company, account, ScanKind.DISCOVERY, failed, ScanStatus.FAILED))
            elif account.name == "spreadsheet":
                rounds[0].append(_Look(company, account, ScanKind.IMPORT, account.joined))
    return rounds


def _fill(dice: Dice, period: Period, look: _Look) -> None:
    """Make the rows of one look: the run, its units, and how they ended."""
    account, kind = look.account, look.kind
    resources = _WASTE_KINDS if kind == ScanKind.WASTE else ("instances",)
    parts = [(region, resource) for region in account.regions for resource in resources]
    end = look.at + timedelta(seconds=dice.randrange(8, 90))
    born = look.company.row(
        dice,
        look.at,
        account_id=account.id,
        kind=kind,
        units_expected=len(parts),
        lease_token=dice.id_at(look.at),
        leased_until=look.at + timedelta(minutes=5),
        started_at=look.at,
    )
    seen = 0
    for number, (region, resource) in enumerate(parts):
        lost = look.outcome == ScanStatus.FAILED or (look.outcome == ScanStatus.PARTIAL and number == 0)
        items = 0 if lost else _items(dice, look, region, resource)
        seen += items
        unit = look.company.row(dice, look.at, scan_run_id=born["id"], region=region, resource_kind=resource)
        facts: Row = {"status": UnitStatus.FAILED if lost else UnitStatus.DONE, "items": items}
        facts |= {"pages": 0 if lost else 1 + items // 500, "error": _error(look) if lost else None}
        look.units.append(Life(unit, [step(end, **facts)]))
    first = look.at <= period.founded + timedelta(days=1)
    facts = {"status": look.outcome, "finished_at": end, "seen": seen, "added": seen if first else 0}
    facts["error"] = None if look.outcome == ScanStatus.COMPLETE else _error(look)
    look.run = Life(born, [step(end, **facts)])


def _items(dice: Dice, look: _Look, region: str, resource: str) -> int:
    if look.kind == ScanKind.WASTE:
        return dice.randrange(2, 40) if resource != "elastic_ip" else dice.randrange(6)
    fleet = (machine for machine in look.company.machines if machine.account is look.account)
    if look.kind == ScanKind.IMPORT:
        return sum(1 for _ in fleet)
    return sum(1 for machine in fleet if machine.region == region and machine.alive_at(look.at))


def _error(look: _Look) -> str:
    return "AWS refused the role: access denied" if look.outcome == ScanStatus.FAILED else _THROTTLED
