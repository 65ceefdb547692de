"""``spothive account`` and ``spothive instance``."""

from spothive.cli.fleet import connecting  # noqa: F401 - adds its commands to those of the account
from spothive.cli.fleet.accounts import account_commands
from spothive.cli.fleet.instances import instance_commands

__all__ = ["account_commands", "instance_commands"]
