"""Decisions: the registry of models, the lab in which they are tried, and deciding about instances."""

from spothive.operations.decisions.deciding import DecisionsMade, make_decisions
from spothive.operations.decisions.lab import (
    ListedExperiment,
    assign_model,
    create_experiment,
    find_experiment,
    finish_experiment,
    list_experiments,
    start_experiment,
)
from spothive.operations.decisions.registry import (
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

__all__ = [
    "DecisionsMade",
    "ListedExperiment",
    "accept_model",
    "activate_model",
    "active_model",
    "archive_model",
    "assign_model",
    "create_experiment",
    "enable_model",
    "file_of",
    "find_experiment",
    "find_model",
    "finish_experiment",
    "graduate_model",
    "list_experiments",
    "list_models",
    "make_decisions",
    "register_model",
    "serve_model",
    "start_experiment",
]
