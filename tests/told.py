"""Ways to look at what somebody was told, by whichever way."""

from __future__ import annotations

from typing import Any

from spothive.models import EmailDigestEntry, EmailLog, Notice, NoticeEvent
from spothive.operations.actor import Actor
from tests.watching import rows_of

Content = dict[str, Any]


def heard(who: Actor, *events: NoticeEvent) -> list[Content]:
    """Return the contents of what a user was told, in order; a mail or an entry of a digest, and a notice of each.

    A user without preferences is told of everything by both.
    """
    mails = [row for model in (EmailLog, EmailDigestEntry) for row in rows_of(model, user_id=who.user_id)]
    mails = sorted((row for row in mails if not events or row["event_type"] in events), key=lambda row: row["id"])
    notices = [row for row in rows_of(Notice, user_id=who.user_id) if not events or row["event_type"] in events]
    assert {row["tenant_id"] for row in (*mails, *notices)} <= {who.home_tenant_id}
    assert sorted(row["title"] for row in notices) == sorted(row["event_data"]["title"] for row in mails)
    return [row["event_data"] for row in mails]


def titles(who: Actor, *events: NoticeEvent) -> list[str]:
    """Return the titles of the same."""
    return [content["title"] for content in heard(who, *events)]
