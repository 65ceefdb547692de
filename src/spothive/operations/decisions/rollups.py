"""Counting the decisions of finished days: into roll-ups, and into the models that judged.

A day is closed when it ended 24 hours ago, so that what followed each of its decisions is known; from then on a guard
(``lc_experiment_logs_day``) refuses decisions of that day. It is counted when every transaction is over that could
have added one before. Closing, taking a number to wait for and counting a day are transactions of their own, each of
which begins by locking the watermark and ends by moving it: after a kill the next call goes on from there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    and_,
    delete,
    exists,
    func,
    literal,
    not_,
    select,
    true,
    union_all,
)

from spothive.database import PLATFORM_TENANT_ID, TenantSession, system_scope
from spothive.database.bulk import insert_rows
from spothive.database.horizon import are_over, number
from spothive.errors import RuleBroken
from spothive.models import (
    Decision,
    DecisionRollup,
    ExperimentLog,
    GlobalRiskEvent,
    Instance,
    MlModel,
    ResourceType,
    RiskSource,
    RollupWatermark,
    SpotEventType,
    Tenant,
)
from spothive.models.decisions import COUNTING, NO_MODEL
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.types import Id, Money, a_day_after, new_id, utc_timestamp

KNOWN_AFTER: Final = timedelta(hours=24)
"""How long after a decision it is known what followed it."""

ATTEMPTS: Final = 20
"""How often in a row another process may get in the way before counting gives up."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Position:
    """How far counting has come: the position of the watermark, see :data:`~spothive.models.decisions.COUNTING`.

    Attributes:
        open_from: first day that takes decisions.
        counted_until: first day that is not counted.
        number: transactions with a lower number may have added to a closed day; 0 where that is not known yet.
    """

    open_from: date = date.min
    counted_until: date = date.min
    number: int = 0

    @classmethod
    def read(cls, text: str) -> Position:
        """Return what ``text`` says."""
        open_from, counted_until, number = text.split()
        return cls(date.fromisoformat(open_from), date.fromisoformat(counted_until), int(number))

    def __str__(self) -> str:
        """Write it down, the days at the same place in any position."""
        return f"{self.open_from.isoformat()} {self.counted_until.isoformat()} {self.number}"


@dataclass(frozen=True, slots=True)
class Folding:
    """What one call did.

    Attributes:
        days: days counted that had decisions.
        decisions: decisions counted.
        rollups: rows they became.
        waiting: days that are closed, and wait until transactions that were open before are over.
        counted_until: days before this one (UTC) are counted.
    """

    days: int = 0
    decisions: int = 0
    rollups: int = 0
    waiting: int = 0
    counted_until: date = date.min

    def then(self, step: Folding) -> Folding:
        """Return what was done after one more step."""
        days, decisions, rollups = self.days + step.days, self.decisions + step.decisions, self.rollups + step.rollups
        return Folding(days, decisions, rollups, step.waiting, step.counted_until)


def fold_decisions(sessions: Sessions, actor: Actor, *, now: datetime | None = None) -> Folding:
    """Count the decisions of all tenants, day by day, as far as days are finished (a procedure).

    Every decision is counted once, however many do this at once and wherever one is killed. Each day that had
    decisions leaves one audit row, in the transaction that counts it.

    Of a model are counted the switches and holds for which it gave a score, and those among them that no interruption
    followed within 24 hours: of the chosen pool after a switch, such as counts in the hive; of the instance itself
    after a hold. A notice that is handed in after the counting changes nothing.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: staff of platform.
        now: count as if it were this late only; the present if None, or if it lies in the future.

    Raises:
        Denied: ``actor`` is no staff of platform.
        RuleBroken: accounts vanish while their decisions are counted, over and over again.
    """
    done, failures = Folding(), 0
    while True:
        try:
            with sessions(tenant=PLATFORM_TENANT_ID) as session:
                _require_staff(actor)
                with system_scope(session, f"{actor.label} counts decisions"):
                    step, moved = _take_step(session, actor, now)
        except RuleBroken as refusal:  # another process made the watermark, or deleted an account
            failures += 1
            if failures == ATTEMPTS or not refusal.rule.startswith(("uq_", "fk_")):
                raise
        else:
            done, failures = done.then(step), 0
            if not moved:
                return done


def counted_until(session: TenantSession) -> date:
    """Return the first day that is not counted (UTC); the day before stays counted, whoever goes on counting."""
    position = session.scalar(select(RollupWatermark.position).where(RollupWatermark.name == COUNTING))
    return Position.read(position).counted_until if position else date.min


def _require_staff(actor: Actor) -> None:
    require(
        actor,
        Action.MANAGE_PLATFORM,
        attempt="decisions.counted",
        resource=COUNTING,
        resource_type=ResourceType.SYSTEM,
    )


def _take_step(session: TenantSession, actor: Actor, now: datetime | None) -> tuple[Folding, bool]:
    """Take the next step, in a transaction of its own; return what it did, and whether there may be another one."""
    mark = _locked_mark(session)
    at, step = Position.read(mark.position), Folding()
    if at.counted_until == at.open_from:
        to = _closed(session, at, now)
    elif at.number == 0 or at.number > number(session):  # none yet, or one of the server this was moved from
        to = replace(at, number=number(session))
    elif are_over(session, at.number):
        to, step = _counted_on(session, actor, at)
    else:
        day = _first_day(session, at.counted_until)
        to, step = at, Folding(waiting=(at.open_from - day).days if day and day < at.open_from else 0)
    if to != at:
        mark.position = str(to)
    return replace(step, counted_until=to.counted_until), to != at


def _locked_mark(session: TenantSession) -> RollupWatermark:
    """Return the watermark, locked for the transaction; make it if there is none."""
    query = select(RollupWatermark).where(RollupWatermark.name == COUNTING).with_for_update()
    mark = session.scalar(query)
    if mark is None:
        mark = RollupWatermark(name=COUNTING, position=str(Position()))
        session.add(mark)
        session.flush()  # so that another process's row refuses this one here
    return mark


def _closed(session: TenantSession, at: Position, now: datetime | None) -> Position:
    """Close the days that ended long enough ago, by the clock by which the guard of decisions goes."""
    clock = session.scalars(select(utc_timestamp())).one()
    due = (min(now or clock, clock) - KNOWN_AFTER).astimezone(UTC).date()
    return Position(due, at.counted_until) if due > at.open_from else at


def _counted_on(session: TenantSession, actor: Actor, at: Position) -> tuple[Position, Folding]:
    """Count the next closed day that has decisions, and skip those that have none."""
    day = _first_day(session, at.counted_until)
    if day is None or day >= at.open_from:
        return replace(at, counted_until=at.open_from), Folding()
    decisions, rollups = _count(session, day)
    after = {"day": day.isoformat(), "decisions": decisions, "rollups": rollups}
    record(session, actor, "decisions.counted", COUNTING, ResourceType.SYSTEM, after=after)
    return replace(at, counted_until=day + _DAY), Folding(days=1, decisions=decisions, rollups=rollups)


def _first_day(session: TenantSession, since: date) -> date | None:
    """Return the first day from ``since`` on that has decisions of any tenant: one look at its index for each."""
    log = ExperimentLog
    first = select(func.min(log.execution_time)).where(log.tenant_id == Tenant.id, log.execution_time >= _begin(since))
    found = session.scalar(select(func.min(first.correlate(Tenant).scalar_subquery())).select_from(Tenant))
    return found.date() if found else None


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# --- one day ------------------------------------------------------------------------------------------------------


def _count(session: TenantSession, day: date) -> tuple[int, int]:
    """Write the roll-ups of ``day`` and add to what its models came to; return how many decisions and roll-ups."""
    rows = session.execute(_counts(day)).all()
    left = delete(DecisionRollup).where(DecisionRollup.tenant_id.in_(select(Tenant.id)), DecisionRollup.day == day)
    session.execute(left, execution_options={"synchronize_session": False})  # whoever wrote any before the counting
    insert_rows(session, DecisionRollup, [_rollup(row, day) for row in rows])
    _judge(session, day, rows)
    return sum(row.decisions for row in rows), len(rows)


def _of(day: date) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the decisions of a day; by tenant, as their index is."""
    log = ExperimentLog
    within = log.execution_time >= _begin(day), log.execution_time < _begin(day + _DAY)
    return log.tenant_id.in_(select(Tenant.id)), *within


def _judged() -> ColumnElement[bool]:
    """Return the condition that a model foretold something, and that it was acted on, or would have been."""
    log = ExperimentLog
    decided = log.decision.in_([Decision.SWITCH, Decision.HOLD])
    return and_(log.model_id.is_not(None), log.prediction_score.is_not(None), decided)


def _counts(day: date) -> Select[Any]:
    log = ExperimentLog
    model = func.coalesce(log.model_id, literal(NO_MODEL, Id())).label("model_id")
    judged = _judged()
    return (
        select(
            log.tenant_id,
            log.account_id,
            model,
            *tallies(),
            func.coalesce(func.sum(log.prediction_score), 0.0).label("score_sum"),
            func.count().filter(judged).label("judged"),
            func.coalesce(func.sum(log.prediction_score).filter(judged), 0.0).label("foretold"),
        )
        .where(*_of(day))
        .group_by(log.tenant_id, log.account_id, log.model_id)
    )


def tallies() -> tuple[ColumnElement[Any], ...]:
    """Return what is counted of decisions: the columns of a roll-up but its sum of scores."""
    log, money = ExperimentLog, Money(signed=True)
    real = and_(log.decision == Decision.SWITCH, not_(log.is_shadow_run))
    saved = func.sum(log.projected_hourly_savings, type_=money).filter(real)
    return (
        func.count().label("decisions"),
        func.count().filter(log.decision == Decision.SWITCH).label("switches"),
        func.count().filter(log.decision == Decision.HOLD).label("holds"),
        func.count().filter(log.decision == Decision.FAILED).label("failures"),
        func.count().filter(log.is_shadow_run).label("shadow"),
        func.count().filter(real).label("real_switches"),
        func.coalesce(saved, literal(0, money)).label("projected_savings"),
    )


def _rollup(row: Row[Any], day: date) -> dict[str, Any]:
    counts = {name: value for name, value in row._mapping.items() if name not in {"judged", "foretold"}}  # noqa: SLF001 - its public name
    return {"id": new_id(), "day": day} | counts


# --- what models came to ------------------------------------------------------------------------------------------


def _judge(session: TenantSession, day: date, rows: Sequence[Row[Any]]) -> None:
    """Add what the models foretold on ``day``, and how often it held, to their counters."""
    judged: Counter[UUID] = Counter()
    foretold: dict[UUID, float] = defaultdict(float)
    for row in rows:
        judged[row.model_id] += row.judged
        foretold[row.model_id] += row.foretold
    models = [model_id for model_id, count in judged.items() if count]
    if not models:
        return
    failed: dict[UUID, int] = dict(session.execute(_failed(day)).all())
    known = session.scalars(select(MlModel).where(MlModel.id.in_(models)).order_by(MlModel.id).with_for_update())
    for model in known.all():
        count, wrong = judged[model.id], failed.get(model.id, 0)
        before, total = (model.avg_prediction_score or 0.0) * model.total_predictions, model.total_predictions + count
        model.avg_prediction_score = min(1.0, (before + foretold[model.id]) / total)
        model.total_predictions = total
        model.success_count += count - wrong
        model.failure_count += wrong


def _failed(day: date) -> Select[UUID, int]:
    """Return the query for how many decisions of ``day`` an interruption followed, by model."""
    both = union_all(_failed_switches(day), _failed_holds(day)).subquery("failed")
    return select(both.c.model_id, func.count(both.c.id.distinct())).group_by(both.c.model_id)


def _failed_switches(day: date) -> Select[UUID, UUID | None]:
    log, event = ExperimentLog, GlobalRiskEvent
    parts = Instance.region, log.selected_availability_zone, log.selected_instance_type
    hit = exists().where(
        event.pool_id == parts[0] + ":" + parts[1] + ":" + parts[2],
        func.coalesce(event.event_metadata["counted"].as_boolean(), true()),
        *_taken_away(day),
        *_within_a_day(event.reported_at),
    )
    moved = log.decision == Decision.SWITCH, Instance.tenant_id == log.tenant_id, Instance.id == log.instance_id
    return select(log.id, log.model_id).where(*_of(day), _judged(), *moved, hit)


def _failed_holds(day: date) -> Select[UUID, UUID | None]:
    log, event, source = ExperimentLog, GlobalRiskEvent, RiskSource
    # Found first, and on their own: there are few of them, and SQLite would look for them decision by decision.
    announced = (
        select(source.source_client_id.label("tenant_id"), source.instance_id, event.reported_at)
        .where(source.risk_event_id == event.id, *_taken_away(day))
        .cte("announced")
        .prefix_with("MATERIALIZED")
    )
    return select(log.id, log.model_id).where(
        *_of(day),
        _judged(),
        log.decision == Decision.HOLD,
        Instance.tenant_id == log.tenant_id,
        Instance.id == log.instance_id,
        announced.c.tenant_id == Instance.tenant_id,
        announced.c.instance_id == Instance.instance_id,
        *_within_a_day(announced.c.reported_at),
    )


def _taken_away(day: date) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for what can have hit a decision of ``day``: AWS takes an instance away."""
    event = GlobalRiskEvent
    within = event.reported_at >= _begin(day), event.reported_at < _begin(day + 2 * _DAY)
    return event.event_type == SpotEventType.TERMINATION_NOTICE, *within


def _within_a_day(reported_at: SQLColumnExpression[datetime]) -> tuple[ColumnElement[bool], ...]:
    at = ExperimentLog.execution_time
    return reported_at >= at, reported_at < a_day_after(at)
