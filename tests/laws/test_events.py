"""The guide to events names each of them, and says truly when a mail is sent."""

from __future__ import annotations

from spothive.models import EmailFrequency, NoticeEvent
from spothive.operations.notifications.defaults import default_wishes
from tests.laws.events_page import event_rows


def test_every_event_has_its_row_in_the_guide() -> None:
    assert set(event_rows()) == {str(event) for event in NoticeEvent}, "write its row in docs/guides/events.md"


def test_the_guide_says_how_a_mail_is_sent_by_default() -> None:
    words = {EmailFrequency.IMMEDIATE: "at once", EmailFrequency.DIGEST_DAILY: "daily digest"}
    said = {event: row.mail for event, row in event_rows().items()}
    meant = {str(event): words[default_wishes(event).email_frequency] for event in NoticeEvent}
    assert said == meant, "mend docs/guides/events.md, or operations/notifications/defaults.py"
