"""``spothive notify``."""

from spothive.cli.notifications import mails  # noqa: F401 - adds its commands
from spothive.cli.notifications.notify import notify_commands

__all__ = ["notify_commands"]
