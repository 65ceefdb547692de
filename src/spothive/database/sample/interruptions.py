"""Interruptions: what AWS announced, whom it hit, which pools are blocked, which replicas stood in, what was down."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from spothive.database.sample.chance import Dice
from spothive.database.sample.market import ZONES
from spothive.database.sample.world import Company, Machine, Period, Row, shared_row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import (
    DowntimeCause,
    DowntimeLog,
    EnvironmentType,
    GlobalRiskEvent,
    RiskSource,
    SpotEventType,
    SpotPoolRisk,
)
from spothive.models.risk import POISON_HOURS

BLOCKED_FOR: Final = timedelta(hours=POISON_HOURS)
REPLICA_LIVES: Final = timedelta(hours=6)

_MONTHLY_SHARE = 0.04
_MONTH_DAYS = 30
_NOTICE = timedelta(minutes=2)
_REBALANCE, _TERMINATION = SpotEventType.REBALANCE_NOTICE, SpotEventType.TERMINATION_NOTICE


@dataclass(frozen=True, slots=True)
class Notice:
    """One announcement of AWS about one instance."""

    company: Company
    machine: Machine
    kind: SpotEventType
    at: datetime


class Hive:
    """What all interruptions together say of a pool at a moment."""

    def __init__(self, notices: list[Notice]) -> None:
        """Learn from ``notices``; every termination of the sample hits a PROD account, so each one counts."""
        self._seen: dict[str, list[datetime]] = defaultdict(list)
        for notice in sorted(notices, key=lambda notice: notice.at):
            if notice.kind == _TERMINATION:
                self._seen[notice.machine.pool].append(notice.at)

    def recent(self, pool: str, moment: datetime) -> int:
        """Return how many interruptions hit ``pool`` in the 15 days before; it is blocked if there is one."""
        if pool not in self._seen:
            return 0
        times = self._seen[pool]
        return bisect_right(times, moment) - bisect_right(times, moment - BLOCKED_FOR)


def plan_interruptions(period: Period, companies: list[Company]) -> tuple[list[Notice], Hive]:
    """Decide which instances are announced and lost, and give some of them a replica; nothing is written."""
    notices: list[Notice] = []
    warned: list[tuple[Notice, bool]] = []
    for company in companies:
        dice = period.dice("interruptions", company.number)
        lost, alarmed = _victims(dice, period, company)
        for number, machine in enumerate(lost):
            at = dice.between(
                max(period.start, machine.launched) + timedelta(minutes=90), period.until - timedelta(minutes=10)
            )
            machine.terminated = at + _NOTICE
            notices.append(Notice(company, machine, _TERMINATION, at))
            if number % 2 == 1:
                before = at - timedelta(minutes=dice.randrange(10, 80))
                warned.append((Notice(company, machine, _REBALANCE, before), True))
        for number, machine in enumerate(alarmed):
            machine.guarded = number == 0
            at = period.until - 2 * timedelta(hours=1)
            if number:
                at = dice.between(max(period.start, machine.launched), period.until - REPLICA_LIVES)
            warned.append((Notice(company, machine, _REBALANCE, at), False))
    hive = Hive(notices)
    for notice, promoted in warned:
        dice = period.dice("replica", notice.machine.id)
        notice.company.machines.append(_replica(dice, period, hive, notice, promoted=promoted))
    return [*notices, *(notice for notice, _ in warned), *_lab_warnings(period, companies)], hive


def _victims(dice: Dice, period: Period, company: Company) -> tuple[list[Machine], list[Machine]]:
    """Return the instances that are lost and those that are only warned of."""
    late = period.until - timedelta(hours=3)
    exposed = [
        machine
        for machine in company.machines
        if machine.spot and machine.account.active and _is_prod(machine) and machine.launched < late
    ]
    losses = max(2, round(len(exposed) * period.days / _MONTH_DAYS * _MONTHLY_SHARE))
    chosen = dice.sample(exposed, min(2 * losses + 1, len(exposed)))
    return chosen[:losses], chosen[losses:]


def _is_prod(machine: Machine) -> bool:
    return machine.account.environment == EnvironmentType.PROD


def _lab_warnings(period: Period, companies: list[Company]) -> list[Notice]:
    """Return a warning for one LAB instance of each company: it is recorded, and blocks nothing."""
    notices = []
    for company in companies:
        machine = next(known for known in company.machines if known.account.active and not _is_prod(known))
        at = period.dice("lab warning", company.number).between(max(period.start, machine.launched), period.until)
        notices.append(Notice(company, machine, _REBALANCE, at))
    return notices


def _replica(dice: Dice, period: Period, hive: Hive, notice: Notice, *, promoted: bool) -> Machine:
    """Return what was launched in place of an instance: it took over, or it waits, or it was not needed."""
    primary, launched = notice.machine, notice.at + _NOTICE
    others = [primary.region + letter for letter in ZONES if primary.region + letter != primary.zone]
    free = [zone for zone in others if not hive.recent(f"{primary.region}:{zone}:{primary.type}", notice.at)]
    replica = Machine(
        dice.id_at(launched),
        f"i-{dice.hex(17)}",
        primary.account,
        primary.cluster,
        primary.type,
        (free or others)[0],
        spot=True,
        launched=launched,
    )
    if promoted:
        replica.decides_from = primary.terminated
        return replica
    replica.replica_of, replica.replica_expiry = primary, notice.at + REPLICA_LIVES
    if replica.replica_expiry <= period.until:
        replica.terminated = replica.replica_expiry
    return replica


def write_interruptions(writer: Writer, period: Period, notices: list[Notice]) -> None:
    """Write the events, whom they hit, and what they make of their pools."""
    dice = period.dice("events")
    events, sources = [], []
    for notice in sorted(notices, key=lambda notice: (notice.at, notice.machine.instance_id)):
        written = notice.at + timedelta(seconds=dice.randrange(1, 9))
        digest = hashlib.sha256(f"{notice.company.tenant_id} {dice.hex(32)}".encode()).hexdigest()
        event = (
            _written(dice, written)
            | _pool_of(notice.machine)
            | {
                "event_type": notice.kind,
                "reported_at": notice.at,
                "expires_at": notice.at + BLOCKED_FOR,
                "source_event_id": digest,
                "event_metadata": {},
            }
        )
        events.append(event)
        sources.append(
            _written(dice, written)
            | {
                "risk_event_id": event["id"],
                "source_client_id": notice.company.tenant_id,
                "account_id": notice.machine.account.id,
                "instance_id": notice.machine.instance_id,
            }
        )
    writer.insert(GlobalRiskEvent, events)
    writer.insert(RiskSource, sources)
    _write_pools(writer, dice, period, [event for event in events if event["event_type"] == _TERMINATION])
    _write_downtime(writer, period, notices)


def _written(dice: Dice, at: datetime) -> Row:
    return {"id": dice.id_at(at), "timestamp": at}


def _pool_of(machine: Machine) -> Row:
    return {
        "pool_id": machine.pool,
        "region": machine.region,
        "availability_zone": machine.zone,
        "instance_type": machine.type,
    }


def _write_pools(writer: Writer, dice: Dice, period: Period, terminations: list[Row]) -> None:
    """Count ``terminations`` into their pools, on top of what another sample may have counted."""
    hits: dict[str, list[Row]] = defaultdict(list)
    for event in terminations:
        hits[event["pool_id"]].append(event)
    known = select(
        SpotPoolRisk.pool_id, SpotPoolRisk.id, SpotPoolRisk.interruption_count, SpotPoolRisk.last_interruption
    )
    there = {row.pool_id: row for row in writer.session.execute(known)}
    new: list[Row] = []
    changed: list[Life] = []
    for pool, events in hits.items():
        before = there.get(pool)
        times = [event["reported_at"] for event in events]
        if before and before.last_interruption:
            times.append(before.last_interruption)
        facts = {"interruption_count": len(events) + (before.interruption_count if before else 0)}
        facts |= {"last_interruption": max(times)} | _block(max(times), period)
        if before:
            changed.append(Life({"id": before.id}, [step(period.until, **facts)]))
            continue
        place = {name: events[0][name] for name in ("pool_id", "region", "availability_zone", "instance_type")}
        row = shared_row(dice, min(times), **place, pool_metadata={}) | facts
        new.append(row | {"updated_at": max(times)})
    writer.insert(SpotPoolRisk, new)
    writer.move(SpotPoolRisk, changed)


def _block(last: datetime, period: Period) -> Row:
    blocked = last + BLOCKED_FOR > period.until
    return {
        "is_poisoned": blocked,
        "poisoned_at": last if blocked else None,
        "poison_expires_at": last + BLOCKED_FOR if blocked else None,
    }


def _write_downtime(writer: Writer, period: Period, notices: list[Notice]) -> None:
    """Write an outage for each instance that was lost and had no replica to take its place."""
    dice = period.dice("downtime")
    warned = {notice.machine for notice in notices if notice.kind == _REBALANCE}
    rows = []
    for notice in notices:
        if notice.kind == _TERMINATION and notice.machine not in warned:
            start = notice.at + _NOTICE
            seconds = dice.randrange(20, 240)
            end = start + timedelta(seconds=seconds)
            over = end <= period.until
            rows.append(
                outage(
                    notice.company,
                    dice,
                    notice.machine,
                    start,
                    end_time=end if over else None,
                    duration_seconds=seconds if over else None,
                    cause=DowntimeCause.NO_REPLICA,
                    cause_details=f"{notice.machine.pool} was interrupted and no replica ran",
                )
            )
    writer.insert(DowntimeLog, rows)


def outage(company: Company, dice: Dice, machine: Machine, start: datetime, **facts: object) -> Row:
    """Return a downtime row of ``machine``."""
    cluster = machine.cluster.id if machine.cluster else None
    row: Row = {"decision_id": None, "downtime_metadata": {}, "instance_id": machine.instance_id, "cluster_id": cluster}
    return company.row(dice, start, start_time=start, **row) | facts
