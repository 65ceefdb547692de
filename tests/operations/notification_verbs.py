"""The verbs of notifications, as data; see ``verbs.py``."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import Notice, get_db_session
from spothive.models import EmailFrequency, NoticeEvent
from spothive.operations.notifications import Change, mark_read, queue_test_mail, set_preference, set_timezone
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

NOTICE = UUID("0197a1f0-0000-7000-8000-000000000009")


def _a_notice(world: World) -> None:
    facts = {"event_type": NoticeEvent.ACCOUNT_FAILED, "title": "it failed", "body": "AWS refused it"}
    with get_db_session(tenant=world.acme) as session:
        session.add(Notice(id=NOTICE, user_id=world.udo.user_id, created_at=utc_now() - timedelta(hours=1), **facts))


NOTIFICATION_VERBS: tuple[Verb, ...] = (
    verb(
        "set a preference",
        set_preference,
        {
            "event": NoticeEvent.WASTE_FLAGGED,
            "change": Change(email_frequency=EmailFrequency.DIGEST_WEEKLY, slack_enabled=True),
        },
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(
            "preference.set",
            "waste.flagged",
            {"email_frequency": "digest_daily", "slack_enabled": False},
            {"email_frequency": "digest_weekly", "slack_enabled": True},
        ),
    ),
    verb(
        "set the own time zone",
        set_timezone,
        {"timezone": "Europe/Berlin"},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("user.timezone", "udo", {"timezone": "UTC"}, {"timezone": "Europe/Berlin"}),
    ),
    verb(
        "read all notices",
        mark_read,
        {},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("notices.read", "notices", None, {"read": 1}),
        prepare=_a_notice,
    ),
    verb(
        "read one notice",
        mark_read,
        {"notice_id": NOTICE},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("notices.read", str(NOTICE), None, {"read": 1}),
        prepare=_a_notice,
    ),
    verb(
        "ask for a test mail",
        queue_test_mail,
        {},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("mail.tested", "udo", None, {"to": "udo@acme.io"}),
    ),
)
