from .deciding import DecisionsMade, make_decisions
from .decision_rows import Decided
from .lab import (
    ListedExperiment,
    assign_model,
    create_experiment,
    end_dead_experiments,
    find_experiment,
    finish_experiment,
    list_experiments,
    start_experiment,
)
from .outcomes import record_switch_outcome, set_shadow_mode
from .reading import DecisionFilter, find_decision, list_decisions
from .registry import (
    accept_model,
    activate_model,
    active_model,
    archive_model,
    enable_model,
    file_of,
    find_model,
    graduate_model,
    list_models,
    register_model,
    serve_model,
)
from .replaying import Replay, replay_decisions
from .rollups import Folding, fold_decisions
from .savings import By, Savings, SavingsReport, savings_report

__all__ = [
    "By",
    "Decided",
    "DecisionFilter",
    "DecisionsMade",
    "Folding",
    "ListedExperiment",
    "Replay",
    "Savings",
    "SavingsReport",
    "accept_model",
    "activate_model",
    "active_model",
    "archive_model",
    "assign_model",
    "create_experiment",
    "enable_model",
    "end_dead_experiments",
    "file_of",
    "find_decision",
    "find_experiment",
    "find_model",
    "finish_experiment",
    "fold_decisions",
    "graduate_model",
    "list_decisions",
    "list_experiments",
    "list_models",
    "make_decisions",
    "record_switch_outcome",
    "register_model",
    "replay_decisions",
    "savings_report",
    "serve_model",
    "set_shadow_mode",
    "start_experiment",
]
