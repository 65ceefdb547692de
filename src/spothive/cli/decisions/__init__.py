"""``spothive model``, ``experiment``, ``decision`` and ``savings``."""

from spothive.cli.decisions import folding, making, reading  # noqa: F401 - they declare their commands
from spothive.cli.decisions.experiments import experiment_commands
from spothive.cli.decisions.group import decision_commands
from spothive.cli.decisions.models import model_commands
from spothive.cli.decisions.savings import savings_commands

__all__ = ["decision_commands", "experiment_commands", "model_commands", "savings_commands"]
