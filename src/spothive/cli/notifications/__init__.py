"""``spothive notify`` and ``spothive webhook``."""

from spothive.cli.notifications import mails  # noqa: F401 - adds its commands
from spothive.cli.notifications.notify import notify_commands
from spothive.cli.notifications.webhooks import webhook_commands

__all__ = ["notify_commands", "webhook_commands"]
