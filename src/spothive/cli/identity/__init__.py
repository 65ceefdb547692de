"""``spothive tenant``, ``user`` and what else is about people and how they sign in."""

from spothive.cli.identity.people import user_commands
from spothive.cli.identity.tenants import tenant_commands

__all__ = ["tenant_commands", "user_commands"]
