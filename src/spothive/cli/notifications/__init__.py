"""``spothive webhook``."""

from spothive.cli.notifications.webhooks import webhook_commands

__all__ = ["webhook_commands"]
