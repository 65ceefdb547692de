"""``spothive job``, ``spothive action`` and ``spothive agent``: what the optimiser wants, and agents do."""

from spothive.cli.jobs.actions import action_commands
from spothive.cli.jobs.agent import agent_commands
from spothive.cli.jobs.jobs import job_commands

__all__ = ["action_commands", "agent_commands", "job_commands"]
