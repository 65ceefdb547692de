"""Replaying decisions: the stored model is asked again about the stored features."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, ModelRefused
from spothive.models import ExperimentLog
from spothive.operations.actor import Actor
from spothive.operations.decisions.reading import no_decision
from spothive.operations.decisions.registry import file_of, remember_refused
from spothive.operations.sessions import Sessions
from spothive.scoring.serving import LoadedModel, ModelFile, load
from spothive.scoring.store import ModelStore

MOST_AT_ONCE: Final = 1000
TOLERANCE: Final = 1e-6
"""By how much two computations of one score may differ."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of asking again.

    Attributes:
        decision_id: the decision.
        model: name and version of the model that judged it.
        stored: the probability that was stored.
        again: what the model says of the stored features now; None if it cannot be asked any more.
        explained: base value + attributions of the stored explanation; None if there is none.
        trouble: why it does not agree; None if it does.
    """

    decision_id: UUID
    model: str
    stored: float
    again: float | None
    explained: float | None
    trouble: str | None

    @property
    def agrees(self) -> bool:
        """Whether score and explanation are what was stored, within 1e-6."""
        return self.trouble is None


@dataclass(frozen=True, slots=True)
class _Stored:
    decision_id: UUID
    file: ModelFile
    score: float
    features: dict[str, Any]
    explained: float | None


def replay_decisions(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, decision_ids: Collection[UUID], store: ModelStore
) -> list[Replay]:
    """Ask the stored model again about the stored features of decisions, in the order given (a procedure).

    Each model file is compared with what was registered; one that is refused is audited. Nothing else is written.

    Args:
        sessions: opens transactions.
        actor: who asks.
        tenant_id: whose decisions they are.
        decision_ids: which.
        store: where model files are kept.

    Raises:
        NotFound: the tenant has no such decision.
        Conflict: no model gave a decision its score, as one that FAILED or that is about an instance on demand.
        InvalidInput: these are more than 1,000.
        ConfigurationError: onnxruntime is not installed.
    """
    if len(decision_ids) > MOST_AT_ONCE:
        msg = f"replay at most {MOST_AT_ONCE} decisions at a time"
        raise InvalidInput(msg)
    with sessions(tenant=tenant_id) as session:
        stored = _read(session, decision_ids)
    models: dict[ModelFile, LoadedModel | str] = {}
    for each in stored:
        if each.file not in models:
            try:
                models[each.file] = load(store, each.file)
            except ModelRefused as refusal:
                remember_refused(sessions, actor, each.file, refusal)
                models[each.file] = str(refusal)
    return [_replay(each, models[each.file]) for each in stored]


def _read(session: TenantSession, decision_ids: Collection[UUID]) -> list[_Stored]:
    query = select(ExperimentLog).where(ExperimentLog.id.in_(decision_ids))
    with_both = query.options(joinedload(ExperimentLog.model), selectinload(ExperimentLog.explanations))
    found = {row.id: row for row in session.scalars(with_both)}
    for decision_id in decision_ids:
        if decision_id not in found:
            raise no_decision(decision_id)
    return [_stored(found[decision_id]) for decision_id in decision_ids]


def _stored(row: ExperimentLog) -> _Stored:
    if row.model is None or row.prediction_score is None:
        msg = f"decision {row.id} has no score of a model ({row.decision}): there is nothing to ask again"
        raise Conflict(msg)
    sums = [each.base_value + sum(part["attribution"] for part in each.explanation_data) for each in row.explanations]
    return _Stored(row.id, file_of(row.model), row.prediction_score, dict(row.features_used), sums[0] if sums else None)


def _replay(stored: _Stored, model: LoadedModel | str) -> Replay:
    known = stored.decision_id, stored.file.label, stored.score
    if isinstance(model, str):
        return Replay(*known, None, stored.explained, model)
    names = model.contract.features
    if set(names) != stored.features.keys():
        return Replay(*known, None, stored.explained, "the features that were stored are not those the model is told")
    (again,) = model.score([[float(stored.features[name]) for name in names]])
    trouble = None
    if abs(again - stored.score) > TOLERANCE:
        trouble = f"the model says {again:.7f} now"
    elif stored.explained is None:
        trouble = "its explanation is missing"
    elif abs(stored.explained - stored.score) > TOLERANCE:
        trouble = f"its explanation sums to {stored.explained:.7f}"
    return Replay(*known, again, stored.explained, trouble)
