"""``spothive model``, ``experiment`` and ``decision``."""

from spothive.cli.decisions import making, reading  # noqa: F401 - they declare their commands
from spothive.cli.decisions.experiments import experiment_commands
from spothive.cli.decisions.group import decision_commands
from spothive.cli.decisions.models import model_commands

__all__ = ["decision_commands", "experiment_commands", "model_commands"]
