"""``spothive audit``."""

from spothive.cli.audit import reading  # noqa: F401 - adds its commands
from spothive.cli.audit.group import audit_commands

__all__ = ["audit_commands"]
