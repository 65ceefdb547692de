"""Sending what waits: each mail once if all goes well, and what becomes of it if not."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from spothive.clock import utc_now
from spothive.database import User, get_db_session
from spothive.errors import Denied, NotFound
from spothive.gateways.mail import MailDeferred, MailRefused, MailServerUnusable, SmtpMailer, SmtpOptions
from spothive.models import AuditLog, EmailLog
from spothive.operations.notifications import find_mail, list_mails, outbox, queue_test_mail, send_mails
from spothive.operations.notifications.mail_rows import message_id_of
from tests.conftest import Database
from tests.factories.mail_server import HOST, mail_server, text_of
from tests.operations.conftest import World, audited
from tests.operations.notifications.mailing import PostOffice, let_pass, send, set_mail, tell_acme
from tests.watching import explained_all, rows_of, statements

ANNA, LENA, UDO = "anna@acme.io", "lena@acme.io", "udo@acme.io"
DOWN = MailServerUnusable("mail.acme.io cannot be used: refused")


def only_mail(**equal: Any) -> dict[str, Any]:
    (row,) = rows_of(EmailLog, **equal)
    return row


def test_what_was_committed_is_sent_once_by_a_real_server(world: World) -> None:
    tell_acme(world)
    answers = {LENA: "550 no such user", UDO: "451 come back"}
    with mail_server(to_recipient=answers) as server:
        options = SmtpOptions(HOST, "spothive@acme.io", port=server.port, security="none")
        with closing(SmtpMailer(options)) as mailer:
            done = send_mails(get_db_session, world.anna, tenant_id=world.acme, mailer=mailer)
            again = send_mails(get_db_session, world.anna, tenant_id=world.acme, mailer=mailer)
    assert (done.sent, done.deferred, done.failed, done.obstacle) == (1, 1, 1, None)
    assert (again.sent, again.deferred, again.failed) == (0, 0, 0)
    assert (server.recipients, server.connections) == ([ANNA], 1)
    sent = only_mail(recipient_email=ANNA)
    assert (sent["status"], sent["provider"], sent["attempts"], sent["next_attempt_at"]) == ("sent", "smtp", 1, None)
    assert sent["message_id"] == message_id_of(sent["id"]) == server.message_ids[0]
    assert sent["sent_at"] is not None
    said = text_of(server.received[0])
    assert "AWS refused it." in said
    assert "Read on: spothive account list" in said
    assert "spothive notify set account.failed --no-email" in said
    refused, deferred = only_mail(recipient_email=LENA), only_mail(recipient_email=UDO)
    assert (refused["status"], refused["last_error"]) == ("failed", "the server refuses it: 550 no such user")
    assert (deferred["status"], deferred["attempts"]) == ("pending", 1)
    assert deferred["last_error"] == "the server does not take it now: 451 come back"
    assert timedelta(seconds=2) < deferred["next_attempt_at"] - utc_now() <= timedelta(seconds=6)


def test_a_mail_that_is_put_off_climbs_the_ladder_and_is_given_up(world: World) -> None:
    tell_acme(world, world.udo)
    post, pauses = PostOffice(wrong={UDO: MailDeferred("451 busy")}), []
    for pause in outbox.LADDER:
        done = send(world, post)
        row = only_mail()
        assert (done.deferred, done.failed, row["status"]) == (1, 0, "pending")
        pauses.append(row["next_attempt_at"] - row["updated_at"])
        assert send(world, post) == type(done)(), "not before its time"
        let_pass(world, pause, age=True)
    done, row = send(world, post), only_mail()
    assert [round(each.total_seconds()) for each in pauses] == [5, 300, 1800, 7200, 18000, 36000]
    assert (done.deferred, done.failed) == (0, 1)
    assert (row["status"], row["attempts"]) == ("failed", 7)
    assert row["last_error"] == "given up at attempt 7: 451 busy"
    assert post.taken == []


def test_processes_that_were_killed_cost_a_mail_no_attempt(world: World) -> None:
    tell_acme(world, world.udo)
    for _ in range(6):
        with get_db_session(tenant=world.acme) as session:
            assert len(outbox.claim_mails(session)[0]) == 1
        let_pass(world, outbox.LEASE, age=True)
    post = PostOffice(wrong={UDO: MailDeferred("450 busy")})
    for hours in (2, 5, 10):
        assert send(world, post).deferred == 1
        row = only_mail()
        assert round((row["next_attempt_at"] - row["updated_at"]) / timedelta(hours=1), 2) == hours
        let_pass(world, timedelta(hours=hours), age=True)
    assert send(world, post).failed == 1
    assert only_mail()["last_error"] == "given up at attempt 10: 450 busy"


@pytest.mark.parametrize(
    ("claims", "age", "step"),
    [
        (1, timedelta(0), 1),
        (1, timedelta(days=4), 1),
        (2, timedelta(seconds=5), 2),
        (7, timedelta(minutes=90), 4),
        (7, timedelta(hours=17, minutes=35, seconds=4), 6),
        (7, timedelta(hours=17, minutes=35, seconds=5), 7),
        (9, timedelta(seconds=-3), 1),
        (49, timedelta(days=1), 7),
    ],
)
def test_an_attempt_is_as_far_as_its_claims_and_its_age_say(claims: int, age: timedelta, step: int) -> None:
    assert outbox.ladder_step(claims, age) == step


def test_the_mail_over_which_the_server_was_found_closed_lets_the_others_go_first(world: World) -> None:
    tell_acme(world)
    post = PostOffice(wrong={ANNA: MailServerUnusable("421 over this one alone")})
    assert send(world, post).obstacle is not None
    found_by = {row["recipient_email"]: row["next_attempt_at"] for row in rows_of(EmailLog, status="pending")}
    assert max(found_by, key=lambda each: found_by[each]) == ANNA
    let_pass(world, outbox.SERVER_PAUSE + timedelta(seconds=1))
    assert send(world, post).sent == len(found_by) - 1
    assert sorted(post.recipients) == [LENA, UDO]


def test_a_server_that_is_down_costs_no_mail_an_attempt(world: World) -> None:
    tell_acme(world)
    post = PostOffice(closed=DOWN)
    for _ in range(10):
        done = send(world, post)
        assert (done.sent, done.deferred, done.failed, done.obstacle) == (0, 0, 0, str(DOWN))
        rows = rows_of(EmailLog)
        assert {(row["status"], row["attempts"], row["last_error"]) for row in rows} == {("pending", 0, str(DOWN))}
        assert all(row["next_attempt_at"] > utc_now() + timedelta(minutes=4) for row in rows)
        let_pass(world, outbox.SERVER_PAUSE + timedelta(seconds=1))
    post.closed = None
    assert send(world, post).sent == 3
    assert {(row["attempts"], row["last_error"]) for row in rows_of(EmailLog)} == {(1, None)}


def test_a_server_that_stays_down_for_days_ends_the_oldest(world: World) -> None:
    tell_acme(world, world.anna, world.udo)
    old = only_mail(recipient_email=UDO)
    set_mail(world, old["id"], created_at=utc_now() - outbox.OLDEST - timedelta(seconds=5))
    done = send(world, PostOffice(closed=DOWN))
    assert done.failed == 1
    assert only_mail(recipient_email=UDO)["last_error"] == f"given up after 5 days: {DOWN}"
    assert only_mail(recipient_email=ANNA)["status"] == "pending"


def test_one_mail_that_breaks_the_connection_blocks_no_other_but_two_in_a_row_do(world: World) -> None:
    tell_acme(world)
    lost = MailDeferred("the connection was lost over it", lost=True)
    post = PostOffice(wrong={LENA: lost})
    done = send(world, post)
    assert (done.sent, done.deferred, done.obstacle) == (2, 1, None)
    tell_acme(world)
    let_pass(world, timedelta(hours=1))
    done = send(world, PostOffice(wrong=dict.fromkeys((ANNA, LENA, UDO), lost)))
    assert (done.sent, done.deferred, done.obstacle) == (0, 2, str(lost))
    assert sorted(row["attempts"] for row in rows_of(EmailLog, status="pending")) == [0, 1, 1, 1]


def test_who_was_disabled_or_deleted_meanwhile_gets_no_mail(world: World) -> None:
    tell_acme(world)
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(User).where(User.username == "udo").values(is_active=False))
        session.delete(session.get_one(User, world.lena.user_id))
    post = PostOffice()
    done = send(world, post)
    assert (done.sent, done.failed, post.recipients) == (1, 2, [ANNA])
    reasons = {row["last_error"] for row in rows_of(EmailLog, status="failed")}
    assert reasons == {"its user was disabled or deleted before it was sent"}


def test_a_claim_ends_with_its_lease_and_its_former_holder_changes_nothing(world: World) -> None:
    tell_acme(world, world.udo)
    with get_db_session(tenant=world.acme) as session:
        ((stale,), _) = outbox.claim_mails(session)
    post = PostOffice()
    assert send(world, post).sent == 0, "somebody has it"
    let_pass(world, outbox.LEASE)
    with get_db_session(tenant=world.acme) as session:
        ((fresh,), _) = outbox.claim_mails(session)
    assert (stale.token, fresh.token, stale.message_id) == (1, 2, fresh.message_id)
    before = only_mail()
    with get_db_session(tenant=world.acme) as session:
        assert not outbox.note_sent(session, stale, "smtp")
        assert not outbox.note_failed(session, stale, "no")
        outbox.note_deferred(session, stale, "no")
        outbox.give_back(session, [stale], "no")
    assert only_mail() == before
    with get_db_session(tenant=world.acme) as session:
        assert outbox.note_sent(session, fresh, "smtp")
        assert not outbox.note_failed(session, fresh, "no")
    assert only_mail()["status"] == "sent"


def test_who_dies_again_and_again_is_not_waited_for_for_ever(world: World) -> None:
    tell_acme(world, world.udo)
    set_mail(world, only_mail()["id"], attempts=outbox.CLAIMS_MAX)
    assert send(world, PostOffice()).failed == 1
    assert "claimed 50 times, by processes that died" in str(only_mail()["last_error"])


def test_what_is_not_begun_is_given_back_at_once(world: World) -> None:
    tell_acme(world)
    asked = []

    def go_on() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt

    post = PostOffice()
    with pytest.raises(KeyboardInterrupt):
        send(world, post, go_on=go_on)
    assert len(post.taken) == 1
    waiting = rows_of(EmailLog, status="pending")
    assert [(row["attempts"], row["last_error"]) for row in waiting] == [(0, None)] * 2
    assert send(world, post).sent == 2


def test_a_batch_that_takes_longer_than_its_lease_begins_no_further_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_acme(world)
    monkeypatch.setattr(outbox, "BATCH", 2)
    monkeypatch.setattr("spothive.operations.notifications.mailing.MARGIN", outbox.LEASE)
    stops = iter(range(3))

    def go_on() -> None:
        if next(stops, None) is None:
            raise KeyboardInterrupt

    post = PostOffice()
    with pytest.raises(KeyboardInterrupt):
        send(world, post, go_on=go_on)
    assert post.taken == []
    assert {row["attempts"] for row in rows_of(EmailLog)} == {0}


def test_what_happens_to_the_row_while_it_is_sent_is_left_as_it_is(world: World) -> None:
    tell_acme(world, world.udo)

    def meanwhile(_: Any) -> None:
        let_pass(world, outbox.LEASE)
        with get_db_session(tenant=world.acme) as session:
            outbox.claim_mails(session)

    done = send(world, PostOffice(before=meanwhile))
    row = only_mail()
    assert (done.sent, row["status"], row["attempts"]) == (1, "pending", 2)


def test_rows_of_an_older_release_get_a_message_id_and_keep_it(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        facts = {
            "event_type": "spot.interruption",
            "template_name": "spot_interruption",
            "subject": "i-1 was lost",
        }
        session.add(EmailLog(recipient_email=ANNA, event_data={"instance": "i-1"}, next_attempt_at=utc_now(), **facts))
    post = PostOffice(wrong={ANNA: MailDeferred("451 busy")})
    send(world, post)
    row = only_mail()
    assert row["message_id"] == message_id_of(row["id"])
    post.wrong.clear()
    let_pass(world, timedelta(hours=1))
    send(world, post)
    assert post.taken[0].message_id == row["message_id"]
    assert "instance: i-1" in post.taken[0].text


def test_a_batch_costs_the_same_whatever_waits_behind_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 3)
    costs = []
    for count in (1, 5):
        for _ in range(count):
            tell_acme(world)
        with get_db_session(tenant=world.acme) as session, statements() as sent:
            claims, _ = outbox.claim_mails(session)
        assert len(claims) == 3
        costs.append(sum(sent.values()))
    assert costs[0] == costs[1]


def test_what_is_claimed_is_found_by_the_index_of_what_waits(db: Database, world: World) -> None:
    tell_acme(world)
    with get_db_session(tenant=world.acme) as session:
        if db.engine == "postgresql":  # which reads a table that is nearly empty from end to end
            session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = explained_all(session, "email_logs", lambda: outbox.claim_mails(session))[0]
    assert "ix_email_logs_waiting" in plan


def test_only_who_manages_the_tenant_sends_and_others_send_their_own(world: World) -> None:
    tell_acme(world)
    for who in (world.udo, world.lena):
        with pytest.raises(Denied):
            send_mails(get_db_session, who, tenant_id=world.acme, mailer=PostOffice())
    mine, hers = only_mail(recipient_email=UDO), only_mail(recipient_email=ANNA)
    with pytest.raises(Denied):
        send_mails(get_db_session, world.udo, tenant_id=world.acme, mailer=PostOffice(), only=hers["id"])
    post = PostOffice()
    done = send_mails(get_db_session, world.udo, tenant_id=world.acme, mailer=post, only=mine["id"])
    assert (done.sent, post.recipients) == (1, [UDO])
    assert {row["outcome"] for row in rows_of(AuditLog, event="mails.sent")} == {"DENIED"}, "deliveries are no changes"


def test_mails_are_read_by_whom_they_are_for_and_by_who_manages_the_tenant(world: World) -> None:
    tell_acme(world)
    hers = only_mail(recipient_email=ANNA)["id"]
    with get_db_session(tenant=world.globex) as session:
        assert list_mails(session, world.gina).rows == []
        with pytest.raises(NotFound, match="no mail has the id"):
            find_mail(session, world.gina, hers)
    with get_db_session(tenant=world.acme) as session:
        assert [mail.recipient_email for mail in list_mails(session, world.udo).rows] == [UDO]
        page = list_mails(session, world.anna, limit=2)
        rest = list_mails(session, world.anna, limit=2, before=page.next)
        assert len({mail.id for mail in (*page.rows, *rest.rows)}) == 3
        assert find_mail(session, world.anna, hers).recipient_email == ANNA
        with pytest.raises(NotFound, match="no mail has the id"):
            find_mail(session, world.udo, hers)


def test_a_test_mail_goes_to_the_own_address_through_the_outbox(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        mail_id = queue_test_mail(session, world.udo).id
    post = PostOffice()
    assert send_mails(get_db_session, world.udo, tenant_id=world.acme, mailer=post, only=mail_id).sent == 1
    (mail,) = post.taken
    assert (mail.recipient, mail.subject) == (UDO, "A test mail from spothive")
    assert "This is the mail you asked for" in mail.text
    assert [row[:3] for row in audited(event="mail.tested")] == [("mail.tested", "udo", "SUCCESS")]
    with pytest.raises(NotFound, match="no user of this tenant"), get_db_session(tenant=world.acme) as session:
        queue_test_mail(session, world.admin)


def test_a_mail_that_is_refused_for_good_is_not_tried_again(world: World) -> None:
    tell_acme(world, world.udo)
    post = PostOffice(wrong={UDO: MailRefused("550 no such user")})
    assert send(world, post).failed == 1
    let_pass(world, timedelta(days=1))
    assert send(world, post).failed == 0
    assert only_mail()["attempts"] == 1
