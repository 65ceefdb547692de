"""``spothive db``."""

from spothive.cli.db import rows  # noqa: F401 - adds its commands to those of the schema
from spothive.cli.db.schema import commands

__all__ = ["commands"]
