"""What the companies allow spothive to do: cluster policies, node templates, hibernation."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import Company, Period, Row
from spothive.database.sample.writing import Writer
from spothive.models import (
    Architecture,
    ClusterPolicy,
    DiskType,
    HibernationOverride,
    HibernationSchedule,
    NodeStrategy,
    NodeTemplate,
    ResourceType,
    SleepState,
)
from spothive.schema.types import WEEK_HOURS

_WAKES, _SLEEPS, _WORKDAYS = 7, 20, 5
OFFICE_HOURS: Final = [int(hour // 24 < _WORKDAYS and _WAKES <= hour % 24 < _SLEEPS) for hour in range(WEEK_HOURS)]
"""A week that is awake from 7 to 20 o'clock on working days."""
_ZONES = {"staging": "Europe/Berlin", "analytics": "UTC"}
_TEMPLATES = (
    ("everyday", ["m5", "m6i", "m6a"], NodeStrategy.BALANCED, 100),
    ("batch", ["c5", "c6i", "c6a"], NodeStrategy.CHEAPEST, 50),
    ("databases", ["r5", "r6i"], NodeStrategy.PERFORMANCE, 500),
)


def write_governance(writer: Writer, period: Period, companies: list[Company]) -> None:
    """Write policies, templates, schedules and an exception from one of them."""
    policies: list[Row] = []
    templates: list[Row] = []
    schedules: list[Row] = []
    overrides: list[Row] = []
    for company in companies:
        dice = period.dice("governance", company.number)
        policies += _policies(writer, dice, company)
        templates += _templates(writer, dice, period, company)
        mine = _schedules(writer, dice, period, company)
        schedules += mine
        overrides += _overrides(dice, period, company, mine)
    writer.insert(ClusterPolicy, policies)
    writer.insert(NodeTemplate, templates)
    writer.insert(HibernationSchedule, schedules)
    writer.insert(HibernationOverride, overrides)


def _policies(writer: Writer, dice: Dice, company: Company) -> list[Row]:
    rows = []
    for cluster in company.clusters:
        config = {
            "strategy": dice.choice(list(NodeStrategy)).value,
            "spot_percentage": dice.choice((60, 80, 100)),
            "binpack_enabled": dice.likely(0.5),
            "binpack_threshold": 65,
            "fallback_on_demand": True,
            "excluded_namespaces": ["kube-system"],
            "max_risk_threshold": 0.2,
            "require_approval": cluster.name != "staging",
            "min_nodes": 2,
            "max_nodes": 200,
            "downtime_budget_seconds": 60,
        }
        at = cluster.account.joined + timedelta(days=1)
        rows.append(company.row(dice, at, cluster_id=cluster.id, config=config, version=dice.randrange(1, 6)))
        writer.made(company.tenant_id, ResourceType.POLICY, cluster.name)
    return rows


def _templates(writer: Writer, dice: Dice, period: Period, company: Company) -> list[Row]:
    rows = []
    for number, (name, families, strategy, size) in enumerate(_TEMPLATES):
        facts = {"architecture": Architecture.X86_64, "disk_type": DiskType.GP3, "disk_size": size}
        facts |= {"families": families, "strategy": strategy, "is_default": number == 0}
        at = period.founded + timedelta(days=3)
        rows.append(company.row(dice, at, user_id=company.owner.id, name=name, **facts))
        writer.made(company.tenant_id, ResourceType.TEMPLATE, name)
    return rows


def _schedules(writer: Writer, dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return the schedules of the clusters that may sleep; the states applied last are those of the last hour."""
    rows = []
    for cluster in company.clusters:
        if cluster.name not in _ZONES:
            continue
        zone = _ZONES[cluster.name]
        local = period.until.astimezone(ZoneInfo(zone))
        awake = OFFICE_HOURS[local.weekday() * 24 + local.hour]
        facts: Row = {
            "schedule_matrix": OFFICE_HOURS,
            "timezone": zone,
            "prewarm_enabled": cluster.name == "staging",
            "prewarm_minutes": 20,
            "enabled": True,
            "applied_state": SleepState.AWAKE if awake else SleepState.ASLEEP,
            "applied_at": period.until - timedelta(minutes=1),
            "restore_state": None if awake else {"eks:general": {"min": 2, "max": 12, "desired": 3}},
        }
        at = cluster.account.joined + timedelta(days=2)
        rows.append(company.row(dice, at, cluster_id=cluster.id, **facts))
        writer.made(company.tenant_id, ResourceType.HIBERNATION, cluster.name)
    return rows


def _overrides(dice: Dice, period: Period, company: Company, schedules: list[Row]) -> list[Row]:
    """Return a night that was worked through, for each schedule."""
    rows = []
    for schedule in schedules:
        start = dice.between(period.start, period.until - timedelta(hours=14))
        facts = {"starts_at": start, "ends_at": start + timedelta(hours=12), "state": SleepState.AWAKE}
        facts |= {"reason": "load test overnight", "created_by": company.owner.id, "person_name": company.owner.name}
        rows.append(company.row(dice, start - timedelta(hours=5), schedule_id=schedule["id"], **facts))
    return rows
