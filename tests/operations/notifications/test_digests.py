"""Digests: what waits becomes one mail for each user and time, of which the database lets there be no second."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import User, get_db_session
from spothive.errors import Denied, DuplicateValue, RuleBroken
from spothive.models import EmailDigestEntry, EmailFrequency, EmailLog, NoticeEvent
from spothive.operations.notifications import Digests, digests, queue_digests
from spothive.operations.notifications.digest_times import next_digest
from spothive.operations.notifications.mail_rows import digest_id_of
from tests.operations.conftest import World
from tests.operations.notifications.conftest import wish
from tests.operations.notifications.mailing import FLAGGED, PostOffice, digest_time, send, wait_for_digest
from tests.watching import explained, rows_of, statements

RECORDED = NoticeEvent.DOWNTIME_RECORDED
WEEKLY = EmailFrequency.DIGEST_WEEKLY


def queue(world: World) -> Digests:
    return queue_digests(get_db_session, world.anna, tenant_id=world.acme)


def test_what_is_due_becomes_one_mail_and_is_never_mailed_again(world: World) -> None:
    wait_for_digest(world.udo, FLAGGED, FLAGGED, title="vol-1 is waste", link="spothive waste list")
    wait_for_digest(world.udo, RECORDED, title="Outage of 40 s")
    wait_for_digest(world.lena, RECORDED)
    later = wait_for_digest(world.udo, FLAGGED, due=utc_now() + timedelta(hours=1))
    assert queue(world) == Digests(written=2, entries=4)
    assert queue(world) == Digests()
    (mail,) = rows_of(EmailLog, user_id=world.udo.user_id)
    assert (mail["event_type"], mail["template_name"]) == ("digest.weekly", "digest_daily")
    assert mail["message_id"] == digest_id_of(world.udo.user_id, digest_time())
    assert len(f"Message-ID: {mail['message_id']}") <= 78, "some mail programs read no folded one"
    assert mail["event_data"]["counts"] == {"waste.flagged": 2, "downtime.recorded": 1}
    waiting = [row["id"] for row in rows_of(EmailDigestEntry) if not row["included_in_digest"]]
    assert waiting == later
    post = PostOffice()
    assert send(world, post).sent == 2
    text = next(mail.text for mail in post.taken if mail.recipient == "udo@acme.io")
    for words in ("2  waste.flagged", "Outage of 40 s", "vol-1 is waste", "    spothive waste list"):
        assert words in text
    assert "Your daily digest: 3 events" in {mail.subject for mail in post.taken}


def test_a_digest_of_weekly_events_alone_says_so(world: World) -> None:
    wish(world.udo, FLAGGED, email_frequency=WEEKLY)
    wait_for_digest(world.udo, FLAGGED)
    queue(world)
    (mail,) = rows_of(EmailLog)
    assert (mail["template_name"], mail["subject"]) == ("digest_weekly", "Your weekly digest: 1 event")


def test_what_comes_after_the_digest_of_its_time_goes_into_the_next(world: World) -> None:
    wait_for_digest(world.udo, FLAGGED)
    queue(world)
    wish(world.udo, RECORDED, email_frequency=WEEKLY)
    late = {*wait_for_digest(world.udo, FLAGGED), *wait_for_digest(world.udo, RECORDED)}
    assert queue(world) == Digests(late=2)
    assert queue(world) == Digests()
    now = utc_now()
    found = {row["event_type"]: row for row in rows_of(EmailDigestEntry) if row["id"] in late}
    assert not any(row["included_in_digest"] for row in found.values())
    assert found[FLAGGED]["scheduled_for"] == next_digest(EmailFrequency.DIGEST_DAILY, "UTC", now)
    assert found[RECORDED]["scheduled_for"] == next_digest(WEEKLY, "UTC", now)
    assert len(rows_of(EmailLog)) == 1


def test_what_was_missed_for_days_comes_in_one_mail(world: World) -> None:
    for days in (3, 2, 1, 0):
        wait_for_digest(world.udo, FLAGGED, due=digest_time() - timedelta(days=days))
    assert queue(world) == Digests(written=1, entries=4)


def test_who_was_disabled_meanwhile_gets_none_then_nor_later(world: World) -> None:
    wait_for_digest(world.udo, FLAGGED, FLAGGED)
    later = wait_for_digest(world.udo, FLAGGED, due=utc_now() + timedelta(hours=1))
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(User).where(User.username == "udo").values(is_active=False))
    assert queue(world) == Digests(dropped=2)
    assert (rows_of(EmailLog), [row["id"] for row in rows_of(EmailDigestEntry)]) == ([], later)


def test_a_digest_that_fails_half_way_is_not_there_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for_digest(world.udo, FLAGGED, FLAGGED)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(digests, "_named", broken)
        queue(world)
    assert rows_of(EmailLog) == []
    assert {row["included_in_digest"] for row in rows_of(EmailDigestEntry)} == {False}
    assert queue(world) == Digests(written=1, entries=2)


def test_the_database_lets_no_digest_be_written_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = wait_for_digest(world.udo, FLAGGED)
    queue(world)
    (mail,) = rows_of(EmailLog)
    with pytest.raises(RuleBroken, match="goes into no other one"), get_db_session(tenant=world.acme) as session:
        back = update(EmailDigestEntry).where(EmailDigestEntry.id == first[0]).values(included_in_digest=False)
        session.execute(back)
    for change in ({"message_id": "<another@x.io>"}, {"message_id": None}):
        with pytest.raises(RuleBroken, match="keeps its Message-ID"), get_db_session(tenant=world.acme) as session:
            session.execute(update(EmailLog).where(EmailLog.id == mail["id"]).values(**change))
    with pytest.raises(DuplicateValue), get_db_session(tenant=world.acme) as session:
        facts = {"recipient_email": "udo@acme.io", "event_type": "digest.weekly", "template_name": "digest_daily"}
        session.add(EmailLog(message_id=mail["message_id"], subject="again", event_data={}, **facts))
    late = wait_for_digest(world.udo, FLAGGED)
    with monkeypatch.context() as patch:  # as one sees it that has looked a moment before
        patch.setattr(digests, "_is_written", lambda *_: False)
        assert queue(world) == Digests()
    (row,) = rows_of(EmailDigestEntry, id=late[0])
    assert not row["included_in_digest"]
    assert len(rows_of(EmailLog)) == 1


def test_many_events_are_counted_and_the_newest_are_named(world: World) -> None:
    wait_for_digest(world.udo, *[FLAGGED] * 500, title="🚀" * 255, link="漢" * 200)
    wait_for_digest(world.udo, FLAGGED, title="the last", link="l" * 201)
    with statements() as sent:
        assert queue(world) == Digests(written=1, entries=501)
    many = sum(sent.values())
    (mail,) = rows_of(EmailLog)
    newest = mail["event_data"]["newest"]
    assert (len(newest), newest[0]["title"], newest[0].get("link")) == (digests.LISTED, "the last", None)
    assert mail["event_data"]["counts"] == {"waste.flagged": 501}
    assert len(json.dumps(mail["event_data"])) < 256 * 1024, "even if every letter is written out"
    post = PostOffice()
    send(world, post)
    assert "461 more are not listed here." in post.taken[0].text
    wait_for_digest(world.lena, FLAGGED)
    with statements() as sent:
        queue(world)
    assert sum(sent.values()) == many


def test_only_who_manages_the_tenant_writes_digests(world: World) -> None:
    with pytest.raises(Denied):
        queue_digests(get_db_session, world.udo, tenant_id=world.acme)


def test_digests_of_other_tenants_are_left_alone(world: World) -> None:
    wait_for_digest(world.gina, FLAGGED)
    assert queue(world) == Digests()
    assert {row["included_in_digest"] for row in rows_of(EmailDigestEntry)} == {False}


def test_whose_digests_are_due_is_read_from_an_index(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        plan = explained(session, "email_digest_queue", lambda: digests._users_with_due(session))  # noqa: SLF001 - its plan
    if "SCAN" in plan or "SEARCH" in plan:
        assert "ix_email_digest_queue_due" in plan
