"""Notifications: who is told of what, and how it reaches them."""

from spothive.operations.notifications.delivering import Sent, Tested, send_test, send_webhooks
from spothive.operations.notifications.telling import tell
from spothive.operations.notifications.webhooks import (
    ListedWebhook,
    NewWebhook,
    add_webhook,
    find_webhook,
    list_deliveries,
    list_webhooks,
    redeliver,
    remove_webhook,
    rotate_signing_secret,
    set_webhook_active,
    set_webhook_events,
    show_webhook,
)

__all__ = [
    "ListedWebhook",
    "NewWebhook",
    "Sent",
    "Tested",
    "add_webhook",
    "find_webhook",
    "list_deliveries",
    "list_webhooks",
    "redeliver",
    "remove_webhook",
    "rotate_signing_secret",
    "send_test",
    "send_webhooks",
    "set_webhook_active",
    "set_webhook_events",
    "show_webhook",
    "tell",
]
