"""Senders and digesters are killed anywhere: what was committed arrives, what was not never does, no digest twice."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import Role, User, dispose_engine, get_db_session
from spothive.models import EmailDigestEntry, EmailLog, NoticeEvent
from spothive.operations.actor import Actor
from spothive.operations.identity import create_user, find_actor
from spothive.operations.notifications import mailing, outbox, queue_digests, send_mails, tell
from tests.conftest import Database
from tests.factories.mail_server import MailServer, mail_server
from tests.operations.notifications.mailing import digest_time, wait_for_digest
from tests.torture import mail_works
from tests.torture.conftest import PATIENCE, moments, wait_until_alone
from tests.torture.processes import Child, all_at_once
from tests.torture.test_approvals import make_acme
from tests.watching import rows_of

pytestmark = pytest.mark.torture

FAILED, FLAGGED = NoticeEvent.ACCOUNT_FAILED, NoticeEvent.WASTE_FLAGGED
ROUNDS = 24
PROCESSES = 4


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LEASE", mail_works.LEASE)
    monkeypatch.setattr(mailing, "MARGIN", timedelta(0))


@pytest.fixture
def acme(db: Database) -> tuple[Actor, UUID]:
    """Return anna and her tenant, in which there are two more users."""
    anna, tenant_id = make_acme()
    for name in ("lena", "udo"):
        with get_db_session(tenant=tenant_id) as session:
            user: Any = {"username": name, "email": f"{name}@acme.io", "role": Role.USER, "password_hash": "h"}
            create_user(session, anna, **user)
    return anna, tenant_id


def tell_all(tenant_id: UUID, title: str, *, roll_back: bool = False) -> None:
    with get_db_session(tenant=tenant_id) as session:
        tell(session, FAILED, title, "AWS refused it.")
        session.flush()
        if roll_back:
            session.rollback()


def send_rest(anna: Actor, tenant_id: UUID, server: MailServer) -> None:
    """Send what waits until nothing does, as soon as the leases of the dead are over."""
    deadline = time.monotonic() + PATIENCE
    while rows_of(EmailLog, status="pending"):
        post = mail_works.mailer(server.port)
        send_mails(get_db_session, anna, tenant_id=tenant_id, mailer=post)
        post.close()
        assert time.monotonic() < deadline, "a mail of somebody who died is never sent"
        time.sleep(0.05)


def test_what_was_committed_arrives_though_its_sender_is_killed_anywhere(
    db: Database, acme: tuple[Actor, UUID]
) -> None:
    anna, tenant_id = acme
    killed: Counter[str] = Counter()
    with mail_server() as server:
        for number, pause in enumerate(moments(7, mail_works.PAUSE, ROUNDS)):
            tell_all(tenant_id, f"round {number}")
            tell_all(tenant_id, f"never {number}", roll_back=True)
            taken, steps = len(server.received), 1 + number % 9
            with Child(mail_works.send_in_steps, server.port) as child:
                child.go()
                child.take(steps)
                time.sleep(pause)
                interrupted = child.kill()
            dispose_engine()
            wait_until_alone(db)
            sent = len(rows_of(EmailLog, status="sent")) - 3 * number
            between = len(server.received) - taken - sent
            assert 0 <= between <= 1, "at most the one mail that was under way"
            killed[f"after step {steps}: {sent} sent"] += interrupted
            killed["taken and not noted"] += between
            send_rest(anna, tenant_id, server)
        rows = rows_of(EmailLog)
        assert [row["status"] for row in rows] == ["sent"] * 3 * ROUNDS
        arrived = Counter(server.message_ids)
        assert set(arrived) == {row["message_id"] for row in rows}, "each arrives, and under one Message-ID"
        assert arrived.total() - len(arrived) == killed["taken and not noted"], "twice only where nobody could know"
        assert max(arrived.values()) <= 2
        assert not [message for message in server.received if "never" in str(message["Subject"])]
        print(f"{db.engine}: {dict(sorted(killed.items()))}")
        assert killed.total() - killed["taken and not noted"] >= ROUNDS * 3 // 4
        assert killed["taken and not noted"] >= 2


def test_several_senders_send_each_mail_once(db: Database, acme: tuple[Actor, UUID]) -> None:
    _, tenant_id = acme
    for number in range(20):
        tell_all(tenant_id, f"mail {number}")
    with mail_server() as server:
        said = all_at_once(PROCESSES, mail_works.send_all, server.port)
    counts = [word for words in said for word in words if isinstance(word, int)]
    print(f"{db.engine}: {counts}")
    assert sum(counts) == 60
    assert sorted(server.message_ids) == sorted(row["message_id"] for row in rows_of(EmailLog))
    assert {row["status"] for row in rows_of(EmailLog)} == {"sent"}


def test_a_digest_whose_writer_is_killed_anywhere_is_one_mail(db: Database, acme: tuple[Actor, UUID]) -> None:
    anna, tenant_id = acme
    people = [find_actor(name, "acme")[0] for name in ("lena", "udo")]
    killed: Counter[str] = Counter()
    with mail_server() as server:
        for number, pause in enumerate(moments(8, mail_works.PAUSE, ROUNDS)):
            due = digest_time() - timedelta(days=ROUNDS - number)
            for person in people:
                wait_for_digest(person, FLAGGED, FLAGGED, due=due)
            before = len(rows_of(EmailLog))
            with Child(mail_works.digest_in_steps) as child:
                child.go()
                taken, steps = 0, 1 + number
                while taken < steps and child.hear() == "step":
                    taken += 1
                time.sleep(pause)
                interrupted = child.kill()
            dispose_engine()
            wait_until_alone(db)
            written = len(rows_of(EmailLog)) - before
            waiting = [row for row in rows_of(EmailDigestEntry) if not row["included_in_digest"]]
            assert len(waiting) == 4 - 2 * written, "an event is marked with its mail or not at all"
            killed[f"{written} written"] += interrupted
            assert queue_digests(get_db_session, anna, tenant_id=tenant_id).written == 2 - written
            assert queue_digests(get_db_session, anna, tenant_id=tenant_id).written == 0
            send_rest(anna, tenant_id, server)
    print(f"{db.engine}: {dict(killed)}")
    rows = rows_of(EmailLog)
    assert len(rows) == len({row["message_id"] for row in rows}) == 2 * ROUNDS, "one for each user and time"
    assert {row["event_data"]["counts"]["waste.flagged"] for row in rows} == {2}
    assert sorted(set(server.message_ids)) == sorted(row["message_id"] for row in rows)
    assert killed.total() >= ROUNDS // 2
    assert killed["0 written"] >= 2


def test_several_digesters_and_late_events_make_one_digest_and_lose_nothing(
    db: Database, acme: tuple[Actor, UUID]
) -> None:
    del acme
    (udo,) = rows_of(User, username="udo")
    due, each = digest_time(), 12
    said = all_at_once(PROCESSES, mail_works.digest_on_and_on, udo["id"], due, each)
    told = {row_id for words in said for word in words if isinstance(word, list) for row_id in word}
    (mail,) = rows_of(EmailLog)
    entries = rows_of(EmailDigestEntry)
    included = [row for row in entries if row["included_in_digest"]]
    print(f"{db.engine}: {len(included)} of {len(entries)} events in the digest, the others in the next")
    assert {row["id"] for row in entries} == told
    assert len(told) == PROCESSES * each
    assert mail["event_data"]["counts"] == {"waste.flagged": len(included)}
    assert all(row["scheduled_for"] > utc_now() for row in entries if not row["included_in_digest"])
