"""``spothive cluster`` and ``spothive hibernation``."""

from spothive.cli.clusters import applying  # noqa: F401 - declares its command
from spothive.cli.clusters.hibernation import hibernation_commands
from spothive.cli.clusters.policies import policy_commands
from spothive.cli.clusters.reading import cluster_commands
from spothive.cli.clusters.templates import template_commands

cluster_commands.add_typer(policy_commands, name="policy", help="Say what may be done with a cluster.")
cluster_commands.add_typer(template_commands, name="template", help="Say what nodes may look like.")

__all__ = ["cluster_commands", "hibernation_commands"]
