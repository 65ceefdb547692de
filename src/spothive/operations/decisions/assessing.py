"""Asking the models and applying the rules, outside of any transaction: once for all instances in the same place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from spothive.errors import ModelRefused, SpothiveError
from spothive.operations.decisions.instances import Subject
from spothive.operations.decisions.judging import Compared, Staying, Thresholds, Verdict, decide, drop
from spothive.operations.decisions.pool_facts import KnownPool, Pool
from spothive.scoring.features import vector
from spothive.scoring.serving import LoadedModel
from spothive.scoring.shapley import Attribution

MOST_LISTED: Final = 200
"""Candidates that a decision keeps one by one; the rest is counted."""

Row: TypeAlias = tuple[float, ...]
ModelKey: TypeAlias = UUID | None
"""Model assigned to an instance of a LAB account; None is the one that is active in production."""

Place: TypeAlias = tuple[Pool, bool, ModelKey]
"""Where an instance is, whether it is a spot instance, and who judges: alike for all that share it."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found about the instances in one place.

    Attributes:
        verdict: what was decided; None if that failed.
        error: why nothing could be decided; None if something was.
        model: the model that judged; None if it was not asked.
        risk: probability that the pool to go to, or the own one on HOLD, is interrupted; None on demand.
        features: what the model was told for that, by name.
        explanation: of the same score.
        metrics: every candidate and what it was compared by.
    """

    verdict: Verdict | None = None
    error: str | None = None
    model: LoadedModel | None = None
    risk: float | None = None
    features: dict[str, float] = field(default_factory=dict)
    explanation: Attribution | None = None
    metrics: dict[str, Any] | None = None


class Asked:
    """A loaded model during one call: what was explained once is not explained again."""

    def __init__(self, model: LoadedModel) -> None:
        """Ask ``model``."""
        self.model = model
        self._explained: dict[Row, Attribution] = {}

    def row(self, known: KnownPool) -> Row:
        """Return what the model is told of a pool."""
        return vector(known.facts, self.model.contract.features)

    def risks(self, pools: Sequence[KnownPool]) -> dict[Pool, float]:
        """Return the probability of an interruption of each pool, from one batch.

        Raises:
            ModelRefused: the model gives something else than probabilities, or cannot be asked.
        """
        try:
            scores = self.model.score([self.row(each) for each in pools])
        except SpothiveError:
            raise
        except Exception as error:  # noqa: BLE001 - onnxruntime's, and whatever it is, the instances of others go on
            msg = f"model {self.model.file.label} cannot be asked: {str(error)[:200]}"
            raise ModelRefused(msg) from None
        if wrong := [score for score in scores if not 0 <= score <= 1]:
            msg = f"model {self.model.file.label} says {wrong[0]} where a probability belongs"
            raise ModelRefused(msg)
        return {each.pool: score for each, score in zip(pools, scores, strict=True)}

    def explained(self, row: Row) -> Attribution:
        """Return why a row has its score."""
        if row not in self._explained:
            self._explained[row] = self.model.explain(row)
        return self._explained[row]


def assess(
    subjects: Iterable[Subject],
    known: Mapping[Pool, KnownPool],
    candidates: Callable[[Subject], Sequence[KnownPool]],
    models: Mapping[ModelKey, Asked | str],
    thresholds: Thresholds,
) -> dict[Place, Assessment]:
    """Return what is found about each place that ``subjects`` are in.

    Args:
        subjects: instances.
        known: what is known of every pool they are in or could go to.
        candidates: returns the pools that an instance is compared with.
        models: each model that judges, or why it cannot.
        thresholds: when a switch is worth it.
    """
    compared: dict[ModelKey, dict[Place, Sequence[KnownPool]]] = defaultdict(dict)
    for subject in subjects:
        place = place_of(subject)
        if place not in compared[subject.lab_model]:
            compared[subject.lab_model][place] = candidates(subject)
    found: dict[Place, Assessment] = {}
    for key, places in compared.items():
        asked = models[key]
        if isinstance(asked, str):
            found |= dict.fromkeys(places, Assessment(error=asked))
            continue
        try:
            risks = asked.risks(_to_score(places, known))
        except SpothiveError as error:
            found |= dict.fromkeys(places, Assessment(error=str(error)))
            continue
        for place, pools in places.items():
            found[place] = _assess_one(place, pools, known, asked, risks, thresholds)
    return found


def place_of(subject: Subject) -> Place:
    """Return what decides about an instance, and about all others like it."""
    return subject.here, subject.spot, subject.lab_model


def _to_score(places: Mapping[Place, Sequence[KnownPool]], known: Mapping[Pool, KnownPool]) -> list[KnownPool]:
    """Return each pool that a score is needed of, once."""
    own = {here for here, spot, _ in places if spot}
    others = {each.pool for (here, *_), pools in places.items() for each in pools if drop(here, each) is None}
    return [known[pool] for pool in sorted(own | others)]


def _assess_one(  # noqa: PLR0917 - one argument a source
    place: Place,
    pools: Sequence[KnownPool],
    known: Mapping[Pool, KnownPool],
    asked: Asked,
    risks: Mapping[Pool, float],
    thresholds: Thresholds,
) -> Assessment:
    here, spot, _ = place
    verdict = decide(Staying(known[here], spot, risks[here] if spot else 0.0), pools, risks, thresholds)
    judged = verdict.target.pool if verdict.target else here if spot else None
    metrics = _metrics(verdict, asked.model, thresholds)
    if judged is None:
        return Assessment(verdict, model=asked.model if verdict.compared else None, metrics=metrics)
    row = asked.row(known[judged])
    features = dict(zip(asked.model.contract.features, row, strict=True))
    try:
        explanation = asked.explained(row)
    except Exception as error:  # noqa: BLE001 - as above
        return Assessment(error=f"model {asked.model.file.label} cannot be explained: {str(error)[:200]}")
    return Assessment(verdict, None, asked.model, risks[judged], features, explanation, metrics)


# --- what is kept of it -----------------------------------------------------------------------------------------------


def _metrics(verdict: Verdict, model: LoadedModel, thresholds: Thresholds) -> dict[str, Any]:
    """Return every candidate with what it was compared by; money as text, since JSON has no exact numbers."""
    staying = verdict.staying
    own = {
        "pool": staying.here.pool.name,
        "lifecycle": "spot" if staying.spot else "on-demand",
        "price": _money(staying.price),
        "risk": staying.risk,
        "score": float(staying.score),
    }
    compared = [_told(each) for each in verdict.compared[:MOST_LISTED]]
    room = MOST_LISTED - len(compared)
    dropped = [{"pool": each.pool.name, "dropped": each.reason} for each in verdict.dropped[:room]]
    more = {"compared": len(verdict.compared) - len(compared), "dropped": len(verdict.dropped) - len(dropped)}
    return {
        "own": own,
        "candidates": [*compared, *dropped],
        "more": more,
        "thresholds": {"least_saving": f"{thresholds.least_saving:f}", "most_risk": thresholds.most_risk},
        "model": {"name": model.file.name, "version": model.file.version, "sha256": model.file.sha256},
    }


def _told(each: Compared) -> dict[str, Any]:
    return {
        "pool": each.pool.name,
        "price": _money(each.price),
        "saving": round(float(each.saving), 6),
        "risk": each.risk,
        "score": round(float(each.score), 9),
    }


def _money(amount: Any) -> str | None:
    return None if amount is None else f"{amount:f}"
