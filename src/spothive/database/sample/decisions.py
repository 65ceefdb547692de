"""The decisions: about one a day for each running spot instance, by the rules, with reasons and explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.interruptions import Hive
from spothive.database.sample.judging import BASE_VALUE, LEAST_SAVING, Judge, Verdict
from spothive.database.sample.market import Market
from spothive.database.sample.registry import Model
from spothive.database.sample.world import Company, Machine, Period, Row, Switch, step
from spothive.database.sample.writing import BATCH, Life, Writer
from spothive.models import (
    Decision,
    DecisionStatus,
    EnvironmentType,
    ExperimentLog,
    Explanation,
    ExplanationMethod,
    PipelineMode,
)

Progress = Callable[[int, int], None]
"""Takes how many decisions are written and how many there will be, about."""

_HOURS: Final = (17.5, 21.5)
"""Between two decisions about an instance: a little under a day, since some instances come late or leave early."""
_FAILED, _SHADOW_MODEL, _LEAVES, _REVERTED = 0.006, 0.1, 0.1, 0.35
_FOLLOWED_UP = 40
_TIMED_OUT = "the model did not answer within 2000 ms"


@dataclass(slots=True)
class _Batch:
    """Rows that are sent together: decisions, their explanations, and what became of them."""

    logs: list[Row] = field(default_factory=list)
    explanations: list[Row] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)

    def send(self, writer: Writer) -> None:
        writer.insert(ExperimentLog, self.logs)
        writer.insert(Explanation, self.explanations)
        writer.move(ExperimentLog, self.lives)


class DecisionWriter:
    """Takes and writes the decisions of one company after another."""

    def __init__(self, writer: Writer, period: Period, market: Market, hive: Hive, models: list[Model]) -> None:
        """Judge by ``market`` and ``hive``, with ``models``. Counting is left to whoever counts all decisions."""
        self._writer = writer
        self._period = period
        self._models = models
        self._judge = Judge(market, hive)
        self._written = 0

    def write(self, company: Company, expected: int, progress: Progress) -> None:
        """Write the history of ``company``, oldest decision first, in batches that fit into memory."""
        dice = self._period.dice("decisions", company.number)
        leaving = {machine for machine in company.machines if dice.likely(_LEAVES) and not machine.guarded}
        batch = _Batch()
        for at, machine in _agenda(self._period, dice, company):
            if machine.terminated and at >= machine.terminated:
                continue
            self._decide(batch, dice, company, machine, at, leaves=machine in leaving)
            if len(batch.logs) >= BATCH:
                batch = self._send(batch, expected, progress)
        self._send(batch, expected, progress)
        company.switches.sort(key=lambda switch: switch.at)

    def _send(self, batch: _Batch, expected: int, progress: Progress) -> _Batch:
        batch.send(self._writer)
        self._written += len(batch.logs)
        progress(self._written, max(expected, self._written))
        return _Batch()

    def _decide(
        self, batch: _Batch, dice: Dice, company: Company, machine: Machine, at: datetime, *, leaves: bool
    ) -> None:
        shadow_model = dice.likely(_SHADOW_MODEL)
        model = self._models[1 if shadow_model else 0]
        shadow = shadow_model or machine.account.environment == EnvironmentType.LAB
        machine.last_decision = at
        row = _log(dice, company, machine, at, model.id, shadow=shadow)
        batch.logs.append(row)
        if dice.likely(_FAILED):
            row |= _FAILURE
            return
        verdict = self._judge.judge(machine, at)
        row |= _judged(verdict)
        if verdict.target is None:
            return
        batch.explanations.append(_explanation(dice, company, row, verdict))
        life = self._followed(dice, machine, row, leaves=leaves and not shadow)
        if life.steps:
            batch.lives.append(life)
        if not shadow and (life.steps or len(company.switches) < _FOLLOWED_UP):
            acted = machine.terminated is not None and bool(life.steps)
            saving = row["projected_hourly_savings"]
            target = verdict.target
            company.switches.append(Switch(row["id"], machine, at, target.zone, target.type, saving, acted))

    def _followed(self, dice: Dice, machine: Machine, row: Row, *, leaves: bool) -> Life:
        """Return what became of a switch: most wait for somebody; some were made, some made and taken back."""
        life, at = Life(row), row["execution_time"]
        soon, later = at + timedelta(minutes=5), at + timedelta(minutes=9)
        if not leaves or later > self._period.until:
            return life
        life.then(step(soon, status=DecisionStatus.ACTED))
        if dice.likely(_REVERTED) or machine.terminated:
            return life.then(step(later, status=DecisionStatus.REVERTED))
        machine.terminated = soon
        return life


def _agenda(period: Period, dice: Dice, company: Company) -> Iterator[tuple[datetime, Machine]]:
    """Yield when each spot instance of an active account is looked at, in the order of time."""
    moments: list[tuple[float, int]] = []
    span = period.days * 24.0
    for number, machine in enumerate(company.machines):
        if not machine.spot or not machine.account.active or machine.replica_of:
            continue
        begins = machine.decides_from or max(period.start, machine.launched)
        hour = (begins - period.start).total_seconds() / 3600 + dice.uniform(0, _HOURS[1] / 2)
        while hour < span:
            moments.append((hour, number))
            hour += dice.uniform(*_HOURS)
    for hour, number in sorted(moments):
        yield period.start + timedelta(seconds=int(hour * 3600)), company.machines[number]


_FAILURE: Row = {
    "decision": Decision.FAILED,
    "decision_reason": f"no decision: {_TIMED_OUT}",
    "error_message": _TIMED_OUT,
    "execution_duration_ms": 2000,
}


def _log(dice: Dice, company: Company, machine: Machine, at: datetime, model_id: UUID, *, shadow: bool) -> Row:
    """Return the row of a decision about which nothing is known yet."""
    return {
        "tenant_id": company.tenant_id,
        "id": dice.id_at(at),
        "created_at": at,
        "updated_at": at,
        "account_id": machine.account.id,
        "instance_id": machine.id,
        "model_id": model_id,
        "experiment_name": None,
        "pipeline_mode": PipelineMode.CLUSTER if machine.cluster else PipelineMode.LINEAR,
        "is_shadow_run": shadow,
        "execution_time": at,
        "execution_duration_ms": dice.randrange(9, 120),
        "prediction_score": None,
        "decision": None,
        "decision_reason": None,
        "candidates_evaluated": None,
        "selected_instance_type": None,
        "selected_availability_zone": None,
        "old_spot_price": None,
        "new_spot_price": None,
        "projected_hourly_savings": None,
        "features_used": {},
        "metrics": None,
        "error_message": None,
    }


def _judged(verdict: Verdict) -> Row:
    here, target = verdict.here, verdict.target
    new = target or here
    return {
        "prediction_score": verdict.score,
        "decision": Decision.SWITCH if target else Decision.HOLD,
        "decision_reason": _reason(verdict),
        "candidates_evaluated": len(verdict.scores),
        "selected_instance_type": target.type if target else None,
        "selected_availability_zone": target.zone if target else None,
        "old_spot_price": here.quote.price,
        "new_spot_price": new.quote.price,
        "projected_hourly_savings": here.quote.price - new.quote.price if target else Decimal(0),
        "features_used": {name: value for name, value, _ in verdict.features},
        "metrics": {"scores": verdict.scores, "stay": -verdict.score, "blocked": verdict.blocked},
    }


def _reason(verdict: Verdict) -> str:
    """Say in words and figures why."""
    here, target, risk = verdict.here, verdict.target, verdict.score
    if target:
        return (
            f"{target.id} costs {target.quote.price} USD an hour instead of {here.quote.price}: {verdict.saving:.1%} "
            f"less, at a risk of {target.risk:.1%} instead of {risk:.1%}"
        )
    if verdict.saving is None:
        return f"stay in {here.id}: each of the {len(verdict.blocked)} pools that would do is blocked"
    best = max(verdict.scores, key=verdict.scores.__getitem__)
    if verdict.saving < LEAST_SAVING:
        return (
            f"stay in {here.id} at {here.quote.price} USD an hour: {best}, the best of {len(verdict.scores)} other "
            f"pools, saves {verdict.saving:.1%}, and a switch must save {LEAST_SAVING:.0%}"
        )
    return (
        f"stay in {here.id}, whose risk is {risk:.1%}: {best} would save {verdict.saving:.1%}, "
        f"which its higher risk outweighs"
    )


def _explanation(dice: Dice, company: Company, log: Row, verdict: Verdict) -> Row:
    data = [{"feature": name, "value": value, "attribution": part} for name, value, part in verdict.features]
    facts = {"method": ExplanationMethod.SHAPLEY, "base_value": BASE_VALUE, "explanation_data": data}
    return company.row(dice, log["execution_time"], experiment_log_id=log["id"], **facts)
