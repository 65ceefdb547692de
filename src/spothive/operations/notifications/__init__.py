"""Notifications: who is told of what, and how it reaches them."""

from spothive.operations.notifications.delivering import Tested, Turns, WebhooksSent, send_test, send_webhooks
from spothive.operations.notifications.digests import Digests, queue_digests
from spothive.operations.notifications.mailing import MailsSent, send_mails
from spothive.operations.notifications.mails import find_mail, list_mails, queue_test_mail
from spothive.operations.notifications.notices import list_notices, mark_read
from spothive.operations.notifications.preferences import (
    EVENTS,
    Change,
    Preference,
    list_preferences,
    own_user,
    set_preference,
    set_timezone,
)
from spothive.operations.notifications.telling import News, tell, tell_all
from spothive.operations.notifications.webhooks import (
    ListedWebhook,
    NewWebhook,
    add_webhook,
    find_webhook,
    has_follower,
    is_told_nothing,
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
    "EVENTS",
    "Change",
    "Digests",
    "ListedWebhook",
    "MailsSent",
    "NewWebhook",
    "News",
    "Preference",
    "Tested",
    "Turns",
    "WebhooksSent",
    "add_webhook",
    "find_mail",
    "find_webhook",
    "has_follower",
    "is_told_nothing",
    "list_deliveries",
    "list_mails",
    "list_notices",
    "list_preferences",
    "list_webhooks",
    "mark_read",
    "own_user",
    "queue_digests",
    "queue_test_mail",
    "redeliver",
    "remove_webhook",
    "rotate_signing_secret",
    "send_mails",
    "send_test",
    "send_webhooks",
    "set_preference",
    "set_timezone",
    "set_webhook_active",
    "set_webhook_events",
    "show_webhook",
    "tell",
    "tell_all",
]
