"""Approvals: what was asked for, who decided, and what was not decided in time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import ACTOR, Company, Period, Row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import (
    ApprovalAction,
    ApprovalRequest,
    ApprovalStatus,
    DecidedBy,
    EnvironmentType,
    ResourceType,
    RiskLevel,
)

_HOUR = timedelta(hours=1)
_WINDOWS = {RiskLevel.HIGH: 8 * _HOUR, RiskLevel.CRITICAL: 2 * _HOUR}
_WINDOW = 24 * _HOUR
_TARGETS = {
    ApprovalAction.SWITCH_INSTANCE: "instance_id",
    ApprovalAction.TERMINATE_ROGUE: "instance_id",
    ApprovalAction.DELETE_WASTE: "waste_resource_id",
    ApprovalAction.HIBERNATE_CLUSTER: "cluster_id",
}


@dataclass(slots=True)
class Wish:
    """Something that needs an approval, and how that ended.

    Attributes:
        outcome: pending, executed, rejected, expired, lapsed (approved and not executed in time) or policy
            (approved by the tenant's policy and executed).
        plan_hash: hash of what is to be done; made from the rest if empty.
    """

    company: Company
    action: ApprovalAction
    target: UUID
    risk: RiskLevel
    description: str
    at: datetime
    outcome: str
    plan_hash: str = ""


def write_approvals(writer: Writer, period: Period, companies: list[Company], wishes: Iterable[Wish]) -> None:
    """Write ``wishes``, and those that follow from the decisions, the rogue instances and the schedules."""
    asked = list(wishes)
    for company in companies:
        asked += [*_switches(period, company), *_rogues(period, company), *_sleep(period, company)]
    dice = period.dice("approvals")
    lives = [_request(dice, wish) for wish in sorted(asked, key=lambda wish: wish.at)]
    writer.insert_lives(ApprovalRequest, lives)
    for wish in asked:
        writer.made(wish.company.tenant_id, ResourceType.APPROVAL, wish.description)


def _request(dice: Dice, wish: Wish) -> Life:
    company, at = wish.company, wish.at
    payload = {"action": wish.action.value, "target": str(wish.target)}
    by_hand = wish.action == ApprovalAction.DELETE_WASTE
    born = company.row(
        dice,
        at,
        requester_id=company.owner.id if by_hand else None,
        requester_name=company.owner.name if by_hand else ACTOR,
        action_type=wish.action,
        instance_id=None,
        waste_resource_id=None,
        cluster_id=None,
        action_description=wish.description,
        risk_level=wish.risk,
        action_payload=payload,
        plan_hash=wish.plan_hash or hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest(),
        requested_at=at,
        expires_at=at + _WINDOWS.get(wish.risk, _WINDOW),
    )
    born[_TARGETS[wish.action]] = wish.target
    life = Life(born)
    for change in _ends(wish, born["expires_at"]):
        life.then(change)
    return life


def _ends(wish: Wish, expires: datetime) -> list[Row]:
    """Return how a request ended, step by step."""
    decided = wish.at + timedelta(minutes=40)
    approver = {"decided_by": DecidedBy.PERSON, "approver_id": wish.company.second.id}
    approver |= {"approver_name": wish.company.second.name, "decided_at": decided}
    approved = step(decided, status=ApprovalStatus.APPROVED, **approver)
    executed = step(decided + timedelta(minutes=20), executed_at=decided + timedelta(minutes=20))
    expired = step(expires, status=ApprovalStatus.EXPIRED)
    rejected = step(decided, status=ApprovalStatus.REJECTED, rejection_reason="we still need it", **approver)
    by_policy = step(wish.at, status=ApprovalStatus.APPROVED, decided_by=DecidedBy.POLICY, decided_at=wish.at)
    return {
        "pending": [],
        "executed": [approved, executed],
        "rejected": [rejected],
        "expired": [expired],
        "lapsed": [approved, expired],
        "policy": [by_policy, executed],
    }[wish.outcome]


def _switches(period: Period, company: Company) -> list[Wish]:
    """Return the requests for the latest switch of each instance, if it was not a matter of course."""
    latest = {switch.machine: switch for switch in company.switches if not switch.acted}
    wishes = []
    for number, (machine, switch) in enumerate(latest.items()):
        open_still = switch.at + _WINDOW > period.until
        ended = ("rejected", "expired", "lapsed")[number % 3]
        text = (
            f"Move {machine.instance_id} from {machine.type} in {machine.zone} to {switch.type} in {switch.zone}, "
            f"which saves {switch.saving} USD an hour"
        )
        outcome = "pending" if open_still else ended
        wishes.append(
            Wish(company, ApprovalAction.SWITCH_INSTANCE, machine.id, RiskLevel.LOW, text, switch.at, outcome)
        )
    return wishes


def _rogues(period: Period, company: Company) -> list[Wish]:
    """Return a request to end each instance that nobody has answered for."""
    at = period.until - _HOUR
    return [
        Wish(
            company,
            ApprovalAction.TERMINATE_ROGUE,
            machine.id,
            RiskLevel.CRITICAL,
            f"Terminate {machine.instance_id}: nobody answers for it since {machine.launched:%Y-%m-%d %H:%M} UTC",
            at,
            "pending",
        )
        for machine in company.machines
        if machine.rogue and machine.launched < period.until - 25 * _HOUR
    ]


def _sleep(period: Period, company: Company) -> list[Wish]:
    """Return what the policy of a LAB account allowed without asking anybody."""
    at = period.until - 12 * _HOUR
    return [
        Wish(
            company,
            ApprovalAction.HIBERNATE_CLUSTER,
            cluster.id,
            RiskLevel.MEDIUM,
            f"Put {cluster.name} to sleep by its schedule",
            at,
            "policy",
        )
        for cluster in company.clusters
        if cluster.account.environment == EnvironmentType.LAB
    ]
