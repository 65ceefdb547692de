"""The words of mails: what happened and where to read on, whatever a row holds."""

from __future__ import annotations

from typing import Any

import pytest

from spothive.models import EmailFrequency, NoticeEvent
from spothive.operations.notifications.letters import READ_ON, TEST, digest_subject, write_text

FAILED = NoticeEvent.ACCOUNT_FAILED


def test_a_mail_says_what_happened_and_where_to_read_on() -> None:
    data = {"title": "It failed", "body": "AWS refused it.", "link": "spothive account show main", "facts": {"a": 1}}
    assert write_text(FAILED, FAILED, "subject", data) == (
        "It failed\n\nAWS refused it.\n\nRead on: spothive account show main\n\n"
        "You are told of account.failed by mail at once. Rather in a daily digest, or not at all:\n"
        "  spothive notify set account.failed --frequency digest_daily\n"
        "  spothive notify set account.failed --no-email\n"
    )


def test_every_event_names_a_place_to_read_on() -> None:
    assert set(READ_ON) == set(NoticeEvent)
    for event, place in READ_ON.items():
        assert f"Read on: {place}\n" in write_text(event, event, "It happened", {"body": "In full."})


@pytest.mark.parametrize(
    ("template", "data", "words"),
    [
        ("spot_interruption", {"instance": "i-1", "pool": "eu:m5"}, "instance: i-1\npool: eu:m5"),
        ("account.failed", {"title": "It failed", "facts": {"account": "main"}}, "account: main"),
        ("account.failed", {"facts": ["no", "object"]}, "the subject"),
        ("account.failed", {}, "the subject"),
        ("digest_daily", {}, "since your last daily digest"),
        ("digest_weekly", {"counts": {"waste.flagged": 1}, "newest": [{}]}, "1  waste.flagged"),
        (TEST, {}, "the mail you asked for"),
    ],
)
def test_what_a_row_lacks_is_left_out(template: str, data: dict[str, Any], words: str) -> None:
    text = write_text(template, FAILED, "the subject", data)
    assert words in text
    assert "None" not in text
    assert "\n\n\n" not in text


def test_a_digest_counts_all_and_names_the_newest() -> None:
    newest = [{"event": "waste.flagged", "title": "vol-1", "at": "2026-03-04T10:30:59+00:00", "link": "see here"}]
    text = write_text("digest_daily", NoticeEvent.DIGEST_WEEKLY, "s", {"counts": {"b": 1, "a": 41}, "newest": newest})
    assert "      41  a\n       1  b\n" in text
    assert "The newest of them:\n\n  2026-03-04 10:30  vol-1\n    see here\n\n41 more are not listed here." in text
    assert digest_subject(EmailFrequency.DIGEST_DAILY, 1) == "Your daily digest: 1 event"
    assert digest_subject(EmailFrequency.DIGEST_WEEKLY, 2) == "Your weekly digest: 2 events"
