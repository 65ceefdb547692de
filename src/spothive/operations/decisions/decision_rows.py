"""What is written down of decisions: a row each, its explanation, and when the instance was last looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import insert_rows, is_any_of, update_rows
from spothive.models import Decision, ExperimentLog, Explanation, ExplanationMethod, Instance
from spothive.operations.decisions.assessing import Assessment
from spothive.operations.decisions.instances import Subject
from spothive.schema.types import new_id

_Row: TypeAlias = dict[str, Any]
_MOST_TEXT: Final = 4000


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about one instance, in short.

    Attributes:
        decision_id: id of its row.
        instance_id: EC2's id.
        decision: SWITCH, HOLD or FAILED.
        zone: where to go; None to stay.
        instance_type: what to become; None to stay.
        saving: part of the present price that a switch saves.
        risk: probability of an interruption within 24 hours of the pool to go to, or of the own one on HOLD.
        reason: why, for people.
        is_shadow_run: whether it is recorded only.
    """

    decision_id: UUID
    instance_id: str
    decision: Decision
    zone: str | None
    instance_type: str | None
    saving: Decimal | None
    risk: float | None
    reason: str
    is_shadow_run: bool


def store_decisions(
    session: TenantSession, found: Sequence[tuple[Subject, Assessment]], *, now: datetime, duration_ms: int
) -> list[Decided]:
    """Write what was found about each instance that is still there; four statements, however many there are.

    Args:
        session: of the tenant; who calls writes the audit row.
        found: instances and what was found about them.
        now: the moment it was decided from (UTC).
        duration_ms: share of each in how long it took, in milliseconds.
    """
    # Locked in one order, so that two who decide about the same instances wait for one another.
    there = (
        select(Instance.id, Instance.last_evaluation)
        .where(is_any_of(session, Instance.instance_id, [subject.instance_id for subject, _ in found]))
        .where(Instance.terminated_at.is_(None))
        .order_by(Instance.id)
        .with_for_update(key_share=True)
    )
    evaluated: dict[UUID, datetime | None] = dict(session.execute(there).all())
    left = [(subject, assessment) for subject, assessment in found if subject.id in evaluated]
    written = utc_now()
    rows = [_log(session, subject, assessment, now, duration_ms, written) for subject, assessment in left]
    insert_rows(session, ExperimentLog, rows)
    explained = [(row, found) for row, (_, found) in zip(rows, left, strict=True) if found.explanation is not None]
    insert_rows(session, Explanation, [_explanation(row, found, written) for row, found in explained])
    older = [subject.id for subject, _ in left if (evaluated[subject.id] or now) <= now]
    tenant = {"tenant_id": session.tenant_id, "last_evaluation": now, "updated_at": written}
    update_rows(session, Instance, [{"id": instance} | tenant for instance in older])
    return [_in_short(row, subject, assessment) for row, (subject, assessment) in zip(rows, left, strict=True)]


def _log(  # noqa: PLR0917 - a fact each
    session: TenantSession, subject: Subject, found: Assessment, now: datetime, duration_ms: int, written: datetime
) -> _Row:
    return {
        "tenant_id": session.tenant_id,
        "id": new_id(),
        "created_at": written,
        "updated_at": written,
        "account_id": subject.account_id,
        "instance_id": subject.id,
        "model_id": found.model.file.model_id if found.model else None,
        "experiment_name": None,
        "pipeline_mode": subject.pipeline_mode,
        "is_shadow_run": subject.is_shadow_mode,
        "execution_time": now,
        "execution_duration_ms": duration_ms,
        "prediction_score": found.risk,
        "features_used": found.features,
        "metrics": found.metrics,
    } | _outcome(found)


def _outcome(found: Assessment) -> _Row:
    verdict = found.verdict
    if verdict is None:
        why = found.error or "no reason was given"
        return {
            "decision": Decision.FAILED,
            "decision_reason": f"no decision: {why}"[:_MOST_TEXT],
            "candidates_evaluated": None,
            "selected_instance_type": None,
            "selected_availability_zone": None,
            "old_spot_price": None,
            "new_spot_price": None,
            "projected_hourly_savings": None,
            "error_message": why[:_MOST_TEXT],
        }
    target, price = verdict.target, verdict.staying.price
    return {
        "decision": verdict.decision,
        "decision_reason": verdict.reason[:_MOST_TEXT],
        "candidates_evaluated": len(verdict.compared),
        "selected_instance_type": target.pool.instance_type if target else None,
        "selected_availability_zone": target.pool.zone if target else None,
        "old_spot_price": price,
        "new_spot_price": target.price if target else None,
        "projected_hourly_savings": price - target.price if target and price is not None else None,
        "error_message": None,
    }


def _explanation(row: _Row, found: Assessment, written: datetime) -> _Row:
    explanation = found.explanation
    assert explanation is not None  # noqa: S101 - whoever has none was left out
    parts = zip(found.features.items(), explanation.parts, strict=True)
    return {
        "tenant_id": row["tenant_id"],
        "id": new_id(),
        "created_at": written,
        "updated_at": written,
        "experiment_log_id": row["id"],
        "method": ExplanationMethod.SHAPLEY,
        "base_value": explanation.base,
        "explanation_data": [{"feature": name, "value": value, "attribution": part} for (name, value), part in parts],
    }


def _in_short(row: _Row, subject: Subject, found: Assessment) -> Decided:
    target = found.verdict.target if found.verdict else None
    return Decided(
        decision_id=row["id"],
        instance_id=subject.instance_id,
        decision=row["decision"],
        zone=row["selected_availability_zone"],
        instance_type=row["selected_instance_type"],
        saving=target.saving if target else None,
        risk=found.risk,
        reason=row["decision_reason"],
        is_shadow_run=subject.is_shadow_mode,
    )
