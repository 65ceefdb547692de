"""Notifications: who is told of what, and how it reaches them."""

from spothive.operations.notifications.digests import Digests, queue_digests
from spothive.operations.notifications.mailing import Sent, send_mails
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
from spothive.operations.notifications.telling import tell

__all__ = [
    "EVENTS",
    "Change",
    "Digests",
    "Preference",
    "Sent",
    "find_mail",
    "list_mails",
    "list_notices",
    "list_preferences",
    "mark_read",
    "own_user",
    "queue_digests",
    "queue_test_mail",
    "send_mails",
    "set_preference",
    "set_timezone",
    "tell",
]
