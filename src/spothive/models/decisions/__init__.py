"""Decisions: what was decided about each instance and why, and the models behind it."""

from spothive.models.decisions.deciding import (
    Decision,
    DecisionStatus,
    ExperimentLog,
    ExperimentStatus,
    Explanation,
    ExplanationMethod,
    LabExperiment,
    MlModel,
    ModelFormat,
    ModelStatus,
    TestType,
)
from spothive.models.decisions.rollups import (
    COUNTING,
    NO_MODEL,
    DecisionRollup,
    RollupWatermark,
    open_from,
)

__all__ = [
    "COUNTING",
    "NO_MODEL",
    "Decision",
    "DecisionRollup",
    "DecisionStatus",
    "ExperimentLog",
    "ExperimentStatus",
    "Explanation",
    "ExplanationMethod",
    "LabExperiment",
    "MlModel",
    "ModelFormat",
    "ModelStatus",
    "RollupWatermark",
    "TestType",
    "open_from",
]
