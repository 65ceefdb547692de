"""``spothive event``, ``spothive risk``, ``spothive replica`` and ``spothive market``."""

from spothive.cli.risk.events import event_commands
from spothive.cli.risk.market import market_commands
from spothive.cli.risk.pools import risk_commands
from spothive.cli.risk.replicas import replica_commands

__all__ = ["event_commands", "market_commands", "replica_commands", "risk_commands"]
