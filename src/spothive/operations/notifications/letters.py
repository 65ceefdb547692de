"""The texts of mails: what happened, and the command to read on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spothive.models import EmailFrequency, NoticeEvent

TEST: Final = "test"
"""Template of the mail that shows whether mails arrive."""

READ_ON: Final = {
    NoticeEvent.ACCOUNT_FAILED: "spothive account list",
    NoticeEvent.SCAN_PARTIAL: "spothive account list",
    NoticeEvent.SPOT_INTERRUPTION: "spothive replica list",
    NoticeEvent.SPOT_POOL_BLOCKED: "spothive risk list",
    NoticeEvent.DECISION_FAILED: "spothive decision list",
    NoticeEvent.APPROVAL_REQUESTED: "spothive approval list",
    NoticeEvent.APPROVAL_DECIDED: "spothive approval list",
    NoticeEvent.WASTE_FLAGGED: "spothive waste list",
    NoticeEvent.WASTE_DELETED: "spothive waste list",
    NoticeEvent.DOWNTIME_RECORDED: "spothive sla outages",
    NoticeEvent.DOWNTIME_BUDGET_EXCEEDED: "spothive sla report",
    NoticeEvent.MODEL_ACTIVATED: "spothive model list",
    NoticeEvent.AGENT_OFFLINE: "spothive cluster list",
    NoticeEvent.WEBHOOK_DISABLED: "spothive webhook list",
    NoticeEvent.DIGEST_WEEKLY: "spothive notify list",
}
"""Where to read on if whoever told of it named no place."""

_DIGESTS: Final = {EmailFrequency.DIGEST_DAILY: "daily", EmailFrequency.DIGEST_WEEKLY: "weekly"}


def write_text(template: str, event: NoticeEvent, subject: str, data: Mapping[str, Any]) -> str:
    """Return the text of a mail. What ``data`` lacks is left out: an old row makes a short mail, never none.

    Args:
        template: name of the text: an event, ``digest_daily``, ``digest_weekly`` or ``test``.
        event: what the mail is filed under.
        subject: its subject.
        data: what fills the text.
    """
    if template == TEST:
        parts = _test()
    elif template in _DIGESTS:
        parts = _digest(_DIGESTS[EmailFrequency(template)], data)
    else:
        parts = _one(event, subject, data)
    return "\n\n".join(part for part in parts if part) + "\n"


def digest_subject(frequency: EmailFrequency, total: int) -> str:
    """Return the subject of a digest."""
    return f"Your {_DIGESTS[frequency]} digest: {total} event" + ("s" if total != 1 else "")


def _test() -> Iterator[str]:
    yield "This is the mail you asked for: what spothive has to tell you arrives here."
    yield "Which mails you get, and how often: spothive notify preferences"


def _one(event: NoticeEvent, subject: str, data: Mapping[str, Any]) -> Iterator[str]:
    title = str(data.get("title") or subject)
    yield title
    body = str(data.get("body") or "")
    yield body if body != title else ""
    if not body:
        known = data.get("facts", data)
        yield "\n".join(f"{key}: {value}" for key, value in sorted(known.items())) if isinstance(known, dict) else ""
    yield f"Read on: {data.get('link') or READ_ON[event]}"
    yield (
        f"You are told of {event} by mail at once. Rather in a daily digest, or not at all:\n"
        f"  spothive notify set {event} --frequency digest_daily\n"
        f"  spothive notify set {event} --no-email"
    )


def _digest(called: str, data: Mapping[str, Any]) -> Iterator[str]:
    counts: dict[str, int] = data.get("counts", {})
    newest: list[dict[str, str]] = data.get("newest", [])
    total = sum(counts.values())
    yield f"What happened since your last {called} digest:"
    yield "\n".join(f"  {count:>6}  {event}" for event, count in sorted(counts.items(), key=lambda each: -each[1]))
    yield "The newest of them:" if total > len(newest) else "In detail, the newest first:"
    yield "\n".join(_line(each) for each in newest)
    yield f"{total - len(newest)} more are not listed here." if total > len(newest) else ""
    yield f"Read on: {READ_ON[NoticeEvent.DIGEST_WEEKLY]}"
    yield "Which events come in a digest, and which at once or never: spothive notify preferences"


def _line(entry: Mapping[str, str]) -> str:
    at = entry.get("at", "")[:16].replace("T", " ")
    link = f"\n    {entry['link']}" if entry.get("link") else ""
    return f"  {at}  {entry.get('title') or entry.get('event', '')}{link}"
