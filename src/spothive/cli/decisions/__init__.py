"""``spothive model`` and ``experiment``."""

from spothive.cli.decisions.experiments import experiment_commands
from spothive.cli.decisions.models import model_commands

__all__ = ["experiment_commands", "model_commands"]
