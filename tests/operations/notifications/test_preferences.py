"""How users say what they want to hear of, and how, and what then becomes of what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import User, get_db_session
from spothive.errors import InvalidInput, NotFound
from spothive.models import EmailDigestEntry, EmailFrequency, EmailLog, NoticeEvent, NotificationPreference
from spothive.operations.actor import Actor
from spothive.operations.notifications import EVENTS, Change, list_preferences, set_preference, set_timezone
from spothive.operations.notifications.defaults import default_wishes
from spothive.operations.notifications.digest_times import next_digest
from tests.operations.conftest import World, audited
from tests.operations.notifications.conftest import wish
from tests.operations.notifications.mailing import FAILED, FLAGGED, tell_acme, wait_for_digest
from tests.watching import rows_of

DAILY, WEEKLY = EmailFrequency.DIGEST_DAILY, EmailFrequency.DIGEST_WEEKLY
SOON = timedelta(hours=1)


def set_for(actor: Actor, event: NoticeEvent, **change: Any) -> Any:
    with get_db_session(tenant=actor.home_tenant_id) as session:
        return set_preference(session, actor, event=event, change=Change(**change))


def waiting() -> dict[Any, Any]:
    return {row["id"]: row["scheduled_for"] for row in rows_of(EmailDigestEntry)}


def test_defaults_are_listed_as_such_until_somebody_says_otherwise(world: World) -> None:
    set_for(world.udo, FLAGGED, email_frequency=WEEKLY)
    wish(world.anna, FAILED, email_enabled=False)
    with get_db_session(tenant=world.acme) as session:
        found = {each.event: each for each in list_preferences(session, world.udo)}
    assert tuple(found) == EVENTS
    assert NoticeEvent.DIGEST_WEEKLY not in found
    assert [event for event, each in found.items() if not each.is_default] == [FLAGGED]
    assert found[FAILED].wishes == default_wishes(FAILED), "others say it for themselves alone"
    assert found[FLAGGED].wishes.email_frequency is WEEKLY


def test_what_is_not_named_stays_and_what_changed_is_audited(world: World) -> None:
    set_for(world.udo, FAILED, slack_enabled=True)
    set_for(world.udo, FAILED, email_enabled=False, slack_enabled=True)
    tell_acme(world, world.udo)
    assert rows_of(EmailLog) == []
    (row,) = rows_of(NotificationPreference)
    said = {name: row[name] for name in ("email_enabled", "in_app_enabled", "slack_enabled", "email_frequency")}
    assert said == {
        "email_enabled": False,
        "in_app_enabled": True,
        "slack_enabled": True,
        "email_frequency": "immediate",
    }
    assert [(row[1], row[4], row[5]) for row in audited(event="preference.set")] == [
        (FAILED, {"slack_enabled": False}, {"slack_enabled": True}),
        (FAILED, {"email_enabled": True, "slack_enabled": True}, {"email_enabled": False, "slack_enabled": True}),
    ]


def test_what_waits_follows_the_new_wish(world: World) -> None:
    soon = utc_now() + SOON
    (mine,) = wait_for_digest(world.udo, FLAGGED, due=soon)
    (other,) = wait_for_digest(world.udo, NoticeEvent.DOWNTIME_RECORDED, due=soon)
    (hers,) = wait_for_digest(world.lena, FLAGGED, due=soon)
    set_for(world.udo, FLAGGED, in_app_enabled=False)
    assert waiting() == dict.fromkeys((mine, other, hers), soon), "mails are as before"
    set_for(world.udo, FLAGGED, email_frequency=WEEKLY)
    assert waiting() == {mine: next_digest(WEEKLY, "UTC", utc_now()), other: soon, hers: soon}
    set_for(world.udo, FLAGGED, email_frequency=EmailFrequency.IMMEDIATE)
    assert waiting()[mine] == next_digest(WEEKLY, "UTC", utc_now()), "what was put off is not lost"
    set_for(world.udo, FLAGGED, email_frequency=DAILY)
    assert waiting()[mine] == next_digest(DAILY, "UTC", utc_now())
    set_for(world.udo, FLAGGED, email_enabled=False)
    assert waiting() == dict.fromkeys((other, hers), soon)


def test_another_zone_moves_nine_o_clock_for_what_waits(world: World) -> None:
    soon = utc_now() + SOON
    wish(world.udo, NoticeEvent.DOWNTIME_RECORDED, email_frequency=WEEKLY)
    (daily,) = wait_for_digest(world.udo, FLAGGED, due=soon)
    (weekly,) = wait_for_digest(world.udo, NoticeEvent.DOWNTIME_RECORDED, due=soon)
    (hers,) = wait_for_digest(world.lena, FLAGGED, due=soon)
    with get_db_session(tenant=world.acme) as session:
        assert set_timezone(session, world.udo, timezone="Pacific/Kiritimati") == "Pacific/Kiritimati"
    now = utc_now()
    zone = "Pacific/Kiritimati"
    assert waiting() == {daily: next_digest(DAILY, zone, now), weekly: next_digest(WEEKLY, zone, now), hers: soon}
    (row,) = rows_of(User, username="udo")
    assert row["timezone"] == "Pacific/Kiritimati"
    for nowhere in ("Nowhere/Land", "localtime", "", "../etc/passwd"):
        with pytest.raises(InvalidInput, match="is no time zone"), get_db_session(tenant=world.acme) as session:
            set_timezone(session, world.udo, timezone=nowhere)


def test_digests_themselves_and_nothing_at_all_cannot_be_set(world: World) -> None:
    with pytest.raises(InvalidInput, match="what digests are filed under"):
        set_for(world.udo, NoticeEvent.DIGEST_WEEKLY, email_enabled=False)
    with pytest.raises(InvalidInput, match="say what is to be different"):
        set_for(world.udo, FAILED)
    assert rows_of(NotificationPreference) == []


def test_nobody_has_preferences_in_another_tenant(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        for change in (
            lambda: list_preferences(session, world.gina),
            lambda: list_preferences(session, world.admin),
            lambda: set_preference(session, world.admin, event=FAILED, change=Change(email_enabled=False)),
            lambda: set_timezone(session, world.admin, timezone="UTC"),
        ):
            with pytest.raises(NotFound, match="is no user of this tenant"):
                change()
