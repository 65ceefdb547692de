"""``spothive audit``."""

from spothive.cli.audit import proving, reading  # noqa: F401 - they add their commands
from spothive.cli.audit.group import audit_commands

__all__ = ["audit_commands"]
