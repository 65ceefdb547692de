"""How somebody hears of an event who never said how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spothive.models import EmailFrequency, NoticeEvent

AT_ONCE: Final = frozenset(
    {
        NoticeEvent.ACCOUNT_FAILED,
        NoticeEvent.SCAN_PARTIAL,
        NoticeEvent.DECISION_FAILED,
        NoticeEvent.AGENT_OFFLINE,
        NoticeEvent.WEBHOOK_DISABLED,
        NoticeEvent.SPOT_INTERRUPTION,
        NoticeEvent.APPROVAL_REQUESTED,
        NoticeEvent.APPROVAL_DECIDED,
        NoticeEvent.DOWNTIME_BUDGET_EXCEEDED,
    }
)
"""Failures, approvals, interruptions and the budget: told by mail at once. Of the rest a daily digest tells."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How one user wants to hear of one kind of event; the columns of ``NotificationPreference``."""

    email_enabled: bool
    in_app_enabled: bool
    slack_enabled: bool
    webhook_enabled: bool
    email_frequency: EmailFrequency


def default_wishes(event: NoticeEvent) -> Wishes:
    """Return the wishes of whoever has not said any about ``event``."""
    frequency = EmailFrequency.IMMEDIATE if event in AT_ONCE else EmailFrequency.DIGEST_DAILY
    return Wishes(
        email_enabled=True,
        in_app_enabled=True,
        slack_enabled=False,
        webhook_enabled=False,
        email_frequency=frequency,
    )
