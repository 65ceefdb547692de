"""Decisions of any day, notices that follow them, and what both come to, counted one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.database.bulk import insert_rows
from spothive.models import (
    NO_MODEL,
    Decision,
    DecisionRollup,
    ExperimentLog,
    GlobalRiskEvent,
    Instance,
    MlModel,
    PipelineMode,
    RiskSource,
    SpotEventType,
)
from tests.factories import make_account, make_instance
from tests.factories.samples import sample
from tests.watching import rows_of

Row = dict[str, Any]
DAY = timedelta(days=1)
ZONES, TYPES = ("eu-west-1a", "eu-west-1b"), ("m5.large", "c5.large")


def midnight(days_ago: int) -> datetime:
    """Return the beginning of a day in UTC."""
    return datetime.combine(utc_now().date() - days_ago * DAY, datetime.min.time(), UTC)


def model(version: str) -> UUID:
    """Make a model; return its id."""
    row = sample("ml_models", {}, 1, name="risk", version=version)
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(insert(MlModel).values(row))
    found: UUID = row["id"]
    return found


def decision(instance: Instance, at: datetime, kind: Decision = Decision.HOLD, **facts: Any) -> Row:
    """Return the row of a decision about ``instance``."""
    return {
        "tenant_id": instance.tenant_id,
        "id": uuid4(),
        "account_id": instance.account_id,
        "instance_id": instance.id,
        "model_id": None,
        "pipeline_mode": PipelineMode.CLUSTER,
        "is_shadow_run": False,
        "prediction_score": None,
        "decision": kind,
        "decision_reason": "test",
        "execution_time": at,
        "selected_instance_type": TYPES[0] if kind is Decision.SWITCH else None,
        "selected_availability_zone": ZONES[0] if kind is Decision.SWITCH else None,
        "projected_hourly_savings": None,
        "error_message": "no prices" if kind is Decision.FAILED else None,
        "features_used": {},
    } | facts


def decide(*rows: Row) -> None:
    """Write decisions of any tenants."""
    with get_db_session() as session, system_scope(session, "test"):
        insert_rows(session, ExperimentLog, rows)


def notice(
    instance: Instance,
    at: datetime,
    *,
    counted: bool | None = True,
    kind: SpotEventType = SpotEventType.TERMINATION_NOTICE,
    zone: str | None = None,
    instance_type: str | None = None,
) -> Row:
    """Announce that ``instance`` is taken from its pool, or from another one; return what was announced."""
    place = {
        "region": instance.region,
        "availability_zone": zone or instance.availability_zone,
        "instance_type": instance_type or instance.instance_type,
    }
    event = GlobalRiskEvent(
        pool_id=":".join(place.values()),
        event_type=kind,
        reported_at=at,
        expires_at=at + timedelta(hours=360),
        source_event_id=uuid4().hex * 2,
        event_metadata={} if counted is None else {"counted": counted},
        **place,
    )
    with get_db_session() as session, system_scope(session, "test"):
        session.add(event)
        session.flush()
        hit = {"source_client_id": instance.tenant_id, "account_id": instance.account_id}
        session.add(RiskSource(risk_event_id=event.id, instance_id=instance.instance_id, **hit))
    return {"pool": event.pool_id, "at": at, "counted": counted is not False, "kind": kind} | {
        "of": (instance.tenant_id, instance.instance_id)
    }


@dataclass
class Market:
    """Instances of some tenants, models, and everything decided and announced about them."""

    instances: list[Instance]
    models: Sequence[UUID | None]
    decisions: list[Row] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, tenants: Iterable[UUID], accounts: int = 2, machines: int = 3) -> Market:
        """Make accounts with instances for each tenant, and two models."""
        made = [(tenant, make_account(tenant).id) for tenant in tenants for _ in range(accounts)]
        places = [(zone, kind) for zone in ZONES for kind in TYPES]
        found = [
            make_instance(*owner, availability_zone=places[n][0], instance_type=places[n][1])
            for owner in made
            for n in range(machines)
        ]
        return cls(found, (None, model("1"), model("2")))

    def decide(self, dice: Random, count: int, since: datetime, days: int) -> None:
        """Take random decisions on random instances, some at the very edges of days."""
        rows = self.draw(dice, count, since, days)
        decide(*rows)
        self.decisions += rows

    def draw(self, dice: Random, count: int, since: datetime, days: int) -> list[Row]:
        """Return the rows of such decisions."""
        rows = []
        for _ in range(count):
            at = since + dice.randrange(days) * DAY + timedelta(microseconds=dice.choice(_EDGES))
            if at.time().microsecond == 0 and dice.random() < 0.8:
                at += timedelta(microseconds=dice.randrange(24 * 3600 * 10**6))
            kind = dice.choice([Decision.SWITCH, Decision.SWITCH, Decision.HOLD, Decision.HOLD, Decision.FAILED])
            facts: Row = {"model_id": dice.choice(self.models), "is_shadow_run": dice.random() < 0.2}
            # Sums of such scores are exact, in whatever order.
            facts["prediction_score"] = dice.choice([None, dice.randrange(1025) / 1024])
            facts["projected_hourly_savings"] = dice.choice([None, Decimal(dice.randrange(-100, 900)).scaleb(-6)])
            if kind is Decision.SWITCH:
                facts["selected_instance_type"] = dice.choice(TYPES)
                facts["selected_availability_zone"] = dice.choice(ZONES)
            rows.append(decision(dice.choice(self.instances), at, kind, **facts))
        return rows

    def announce(self, dice: Random, count: int, since: datetime, days: int) -> None:
        """Announce interruptions and warnings at random, some to the microsecond a day after a decision."""
        for _ in range(count):
            at = since + timedelta(microseconds=dice.randrange(days * 24 * 3600 * 10**6))
            if dice.random() < 0.3 and self.decisions:
                after = timedelta(microseconds=dice.choice([0, -1, 1]))
                at = dice.choice(self.decisions)["execution_time"] + dice.choice([timedelta(0), DAY]) + after
            kind = dice.choice([SpotEventType.TERMINATION_NOTICE] * 3 + [SpotEventType.REBALANCE_NOTICE])
            counted = dice.choice([True, True, False, None])
            self.notices.append(notice(dice.choice(self.instances), at, counted=counted, kind=kind))

    # --- counted one by one ---------------------------------------------------------------------------------------

    def rollups(self, before: date) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Return what the roll-ups of all days before this one must say."""
        found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in self.decisions:
            day = row["execution_time"].date()
            if day < before:
                found[row["tenant_id"], day, row["account_id"], row["model_id"] or NO_MODEL].append(row)
        return {key: counts(rows) for key, rows in found.items()}

    def model_counters(self, before: date) -> dict[UUID, tuple[int, int, int, float | None]]:
        """Return what the models must say: predictions, successes, failures and the mean score."""
        places = {one.id: one for one in self.instances}
        judged: dict[UUID, list[tuple[bool, float]]] = {one: [] for one in self.models if one}
        for row in self.decisions:
            score, at = row["prediction_score"], row["execution_time"]
            if row["model_id"] and score is not None and row["decision"] != "FAILED" and at.date() < before:
                hit = any(self._hits(each, row, places[row["instance_id"]]) for each in self.notices)
                judged[row["model_id"]].append((hit, score))
        return {
            one: (
                len(all_),
                sum(not hit for hit, _ in all_),
                sum(hit for hit, _ in all_),
                sum(score for _, score in all_) / len(all_) if all_ else None,
            )
            for one, all_ in judged.items()
        }

    @staticmethod
    def _hits(said: Row, row: Row, instance: Instance) -> bool:
        if (
            said["kind"] != "termination_notice"
            or not row["execution_time"] <= said["at"] < row["execution_time"] + DAY
        ):
            return False
        if row["decision"] == "HOLD":
            return bool(said["of"] == (instance.tenant_id, instance.instance_id))
        chosen = (instance.region, row["selected_availability_zone"], row["selected_instance_type"])
        return bool(said["counted"] and said["pool"] == ":".join(chosen))


_EDGES = (0, 0, 24 * 3600 * 10**6 - 1)
"""Microseconds after midnight."""


def counts(rows: Sequence[Row]) -> tuple[Any, ...]:
    """Return what a roll-up says of these decisions."""
    kinds = Counter(row["decision"] for row in rows)
    saved = [row["projected_hourly_savings"] for row in rows if is_acted_on(row)]
    return (
        len(rows),
        kinds[Decision.SWITCH],
        kinds[Decision.HOLD],
        kinds[Decision.FAILED],
        sum(row["is_shadow_run"] for row in rows),
        len(saved),
        sum((amount for amount in saved if amount is not None), Decimal(0)),
        sum(row["prediction_score"] or 0.0 for row in rows),
    )


def is_acted_on(row: Row) -> bool:
    """Tell whether it is a switch, and no shadow run."""
    return row["decision"] == Decision.SWITCH and not row["is_shadow_run"]


def stored_rollups() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return what the roll-ups say."""
    said = ("decisions", "switches", "holds", "failures", "shadow", "real_switches", "projected_savings", "score_sum")
    return {
        (row["tenant_id"], row["day"], row["account_id"], row["model_id"]): tuple(row[name] for name in said)
        for row in rows_of(DecisionRollup)
    }


def stored_counters() -> dict[UUID, tuple[int, int, int, float | None]]:
    """Return what the models say."""
    said = ("total_predictions", "success_count", "failure_count", "avg_prediction_score")
    return {row["id"]: tuple(row[name] for name in said) for row in rows_of(MlModel)}
