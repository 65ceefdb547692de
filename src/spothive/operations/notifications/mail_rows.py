"""Rows of the outbox of mails: how each begins, and the Message-ID by which two copies of one mail are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column

from spothive.models import EmailLog, EmailProvider, NoticeEvent
from spothive.schema.types import new_id
from spothive.settings import get_settings

_DOMAIN: Final = "spothive.invalid"
"""Ends every Message-ID, whatever the settings say: an id that moved with one would not be equal over attempts."""


def message_id_of(mail_id: UUID) -> str:
    """Return the Message-ID of the mail whose row this is."""
    return f"<m.{mail_id.hex}@{_DOMAIN}>"


def digest_id_of(user_id: UUID, scheduled_for: datetime) -> str:
    """Return the Message-ID of a user's digest for a time: there is one at most, which a unique index sees to.

    The time is in seconds since 1970; with its name, such a header fits into the 78 characters of a line.
    """
    return f"<d.{user_id.hex}.{round(scheduled_for.timestamp())}@{_DOMAIN}>"


def waits_for_digest() -> ColumnElement[bool]:
    """Return the condition under which an event is in no digest yet, in the very words of the index over these."""
    waiting: ColumnElement[bool] = literal_column("NOT included_in_digest")
    return waiting


def new_mail(
    *,
    user_id: UUID,
    recipient: str,
    event: NoticeEvent,
    subject: str,
    data: dict[str, Any],
    now: datetime,
    template: str | None = None,
    message_id: str | None = None,
) -> EmailLog:
    """Return a mail that waits to be sent, for the caller to add.

    Args:
        user_id: whom it is for.
        recipient: address.
        event: what it is filed under.
        subject: in one line, at most 255 characters.
        data: what fills the text; never a secret.
        now: it is not sent before, UTC.
        template: text it is made from; the one of ``event`` when None.
        message_id: that of the row when None.
    """
    mail_id = new_id()
    return EmailLog(
        id=mail_id,
        user_id=user_id,
        recipient_email=recipient,
        event_type=event,
        subject=subject,
        template_name=template or event,
        event_data=data,
        provider=EmailProvider.SMTP if get_settings().smtp_host else EmailProvider.CONSOLE,
        message_id=message_id or message_id_of(mail_id),
        next_attempt_at=now,
    )
