"""Who is told of what, by which way, and that it is told with the change or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, TimeoutError as StillWaiting
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from spothive.database import User, get_db_session, read_session, system_scope
from spothive.models import (
    EmailDigestEntry,
    EmailFrequency,
    EmailLog,
    Notice,
    NoticeEvent,
    Role,
    WebhookConfiguration,
    WebhookLog,
    WebhookProvider,
)
from spothive.operations.identity import delete_user
from spothive.operations.notifications import News, remove_webhook, tell
from spothive.operations.notifications.digest_times import next_digest
from spothive.operations.notifications.telling import FACTS_MAX
from spothive.schema.types import new_id, strict_json
from tests.operations.conftest import World
from tests.operations.notifications.conftest import hook, wish
from tests.watching import rows_of, statements

FAILED = NoticeEvent.ACCOUNT_FAILED
FLAGGED = NoticeEvent.WASTE_FLAGGED


def said(world: World, event: NoticeEvent = FAILED, **how: Any) -> int:
    with get_db_session(tenant=world.acme) as session:
        return tell(session, event, "Account main failed", "AWS refused it.", facts={"account": "main"}, **how)


def test_everybody_of_the_tenant_is_told_of_a_failure_at_once_and_of_the_rest_by_digest(world: World) -> None:
    assert said(world) == 3
    assert said(world, FLAGGED) == 3
    people = {world.anna.user_id, world.lena.user_id, world.udo.user_id}
    assert {row["user_id"] for row in rows_of(Notice)} == people
    assert len(rows_of(Notice)) == 6
    mails, digest = rows_of(EmailLog), rows_of(EmailDigestEntry)
    assert {(row["user_id"], row["event_type"]) for row in mails} == {(each, FAILED) for each in people}
    assert {(row["user_id"], row["event_type"]) for row in digest} == {(each, FLAGGED) for each in people}
    assert mails[0]["event_data"] == {
        "title": "Account main failed",
        "body": "AWS refused it.",
        "facts": {"account": "main"},
    }
    assert {row["tenant_id"] for row in mails} == {world.acme}


def test_each_hears_as_that_user_wishes(world: World) -> None:
    wish(world.anna, FAILED, email_enabled=False, in_app_enabled=False)
    wish(world.lena, FAILED, email_frequency=EmailFrequency.DIGEST_WEEKLY)
    said(world)
    assert [row["user_id"] for row in rows_of(EmailLog)] == [world.udo.user_id]
    assert [row["user_id"] for row in rows_of(EmailDigestEntry)] == [world.lena.user_id]
    assert {row["user_id"] for row in rows_of(Notice)} == {world.lena.user_id, world.udo.user_id}


def test_only_those_concerned_are_told(world: World) -> None:
    assert said(world, roles=[Role.CLIENT]) == 1
    assert said(world, to=[world.udo.user_id, world.gina.user_id]) == 1
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(User).where(User.username == "udo").values(is_active=False))
    assert said(world, to=[world.udo.user_id]) == 0
    assert [row["user_id"] for row in rows_of(Notice)] == [world.anna.user_id, world.udo.user_id]


def test_no_other_tenant_hears_of_it_not_even_in_system_scope(world: World) -> None:
    hook(world.gina, FAILED)
    with get_db_session(tenant=world.acme) as session, system_scope(session, "a test tells"):
        assert tell(session, FAILED, "title", "body") == 3
        session.flush()
    for model in (Notice, EmailLog, WebhookLog):
        assert {row["tenant_id"] for row in rows_of(model)} <= {world.acme}


def test_a_webhook_gets_its_own_events_or_else_what_its_owner_wishes(world: World) -> None:
    listed = hook(world.anna, FAILED)
    hook(world.anna, FLAGGED)
    hook(world.lena)
    slack = hook(world.udo, provider=WebhookProvider.SLACK)
    hook(world.udo, FAILED, is_active=False)
    wish(world.udo, FAILED, slack_enabled=True)
    said(world)
    sent = rows_of(WebhookLog)
    assert {row["webhook_config_id"] for row in sent} == {listed, slack}
    assert len({row["message_id"] for row in sent}) == 1
    assert sent[0]["payload"]["type"] == FAILED
    assert sent[0]["payload"]["data"]["facts"] == {"account": "main"}
    said(world, to=[world.lena.user_id])
    assert {row["webhook_config_id"] for row in rows_of(WebhookLog)[2:]} == {listed}


def test_what_is_rolled_back_tells_nobody(world: World) -> None:
    hook(world.anna, FAILED)

    def fails() -> None:
        with get_db_session(tenant=world.acme) as session:
            tell(session, FAILED, "title", "body")
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert [rows_of(model) for model in (Notice, EmailLog, EmailDigestEntry, WebhookLog)] == [[], [], [], []]


def test_telling_three_costs_what_telling_one_costs(world: World) -> None:
    costs = []
    for to in ([world.anna.user_id], None):
        with statements() as sent:
            said(world, to=to)
        costs.append(sum(sent.values()))
    assert costs[0] == costs[1]


def test_words_that_do_not_fit_are_cut(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        tell(session, FAILED, "t" * 300, "b" * 5000, link="l" * 3000)
    with read_session(tenant=world.acme) as session:
        notice = session.query(Notice).first()
        assert notice is not None
        assert (len(notice.title), len(notice.body), len(notice.link or "")) == (255, 4000, 2048)


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({"a": 1, "b": "x" * FACTS_MAX, "c": ["ü"]}, {"a": 1, "c": ["ü"], "truncated": True}),
        ({"a": "x" * 9000, "b": "ü" * 4000, "c": 3}, {"a": "x" * 9000, "c": 3, "truncated": True}),
        ({"a": "\x00", "b": "\ud800", "c": float("nan"), "d": object(), "e": 5}, {"e": 5, "truncated": True}),
        ({"a": "x" * 9000, "c": 3}, {"a": "x" * 9000, "c": 3}),
        ({}, {}),
    ],
)
def test_facts_that_do_not_fit_are_left_out_and_that_is_said(facts: dict[str, Any], kept: dict[str, Any]) -> None:
    told = News(FAILED, "title", "body", facts).content()["facts"]
    assert told == kept
    assert len(strict_json(told)) <= FACTS_MAX + len('{"truncated": true}')


def test_a_change_is_never_refused_for_what_it_tells(world: World) -> None:
    hook(world.anna, FAILED)
    wish(world.udo, FAILED, email_frequency=EmailFrequency.DIGEST_DAILY)
    with get_db_session(tenant=world.acme) as session:
        tell(session, FAILED, "", "\x00\ud800", facts={"tags": ["x" * 1000] * 1000}, link="l\x00" * 3000)
    assert {(row["title"], row["body"]) for row in rows_of(Notice)} == {(str(FAILED), "\ufffd?")}
    contents = [row["event_data"] for model in (EmailLog, EmailDigestEntry) for row in rows_of(model)]
    contents += [row["payload"]["data"] for row in rows_of(WebhookLog)]
    assert [content["facts"] for content in contents] == [{"truncated": True}] * 4


def test_so_many_are_told_that_a_statement_could_not_name_them(world: World) -> None:
    strangers = [new_id() for _ in range(40_000)]
    assert said(world, to=[*strangers, world.udo.user_id, world.gina.user_id]) == 1
    assert [row["user_id"] for row in rows_of(Notice)] == [world.udo.user_id]


def _remove_hook(world: World, hook_id: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        remove_webhook(session, world.anna, str(hook_id))


def _remove_udo(world: World, _: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        delete_user(session, world.root, username="udo")


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("remove", [_remove_hook, _remove_udo])
def test_who_removes_what_is_told_waits_for_the_change_and_refuses_it_nothing(
    world: World, remove: Callable[[World, UUID], None]
) -> None:
    hook_id = hook(world.anna, FAILED)
    with ThreadPoolExecutor(1) as pool:
        with get_db_session(tenant=world.acme) as session:
            tell(session, FAILED, "title", "body")
            removed = pool.submit(remove, world, hook_id)
            with pytest.raises(StillWaiting):
                removed.result(timeout=0.3)
        removed.result(timeout=10)
    told = {row["user_id"] for row in rows_of(EmailLog)}
    assert told == {world.anna.user_id, world.lena.user_id, world.udo.user_id}


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("removed", [WebhookConfiguration, User])
def test_who_is_removed_at_this_moment_is_waited_for_and_not_told(world: World, removed: type[Any]) -> None:
    hook_id = hook(world.anna, FAILED)
    mine = removed.id == (hook_id if removed is WebhookConfiguration else world.udo.user_id)
    with ThreadPoolExecutor(1) as pool:
        with get_db_session(tenant=world.acme) as session:
            session.execute(delete(removed).where(mine).execution_options(synchronize_session=False))
            telling = pool.submit(said, world)
            with pytest.raises(StillWaiting):
                telling.result(timeout=0.3)
        assert telling.result(timeout=10) == (3 if removed is WebhookConfiguration else 2)
    assert len(rows_of(WebhookLog)) == (0 if removed is WebhookConfiguration else 1)
    assert len(rows_of(Notice)) == len(rows_of(EmailLog)) == telling.result()


DAILY, WEEKLY = EmailFrequency.DIGEST_DAILY, EmailFrequency.DIGEST_WEEKLY


@pytest.mark.parametrize(
    ("frequency", "zone", "now", "due"),
    [
        (DAILY, "UTC", "2026-03-02 08:59:59", "2026-03-02 09:00:00"),
        (DAILY, "UTC", "2026-03-02 09:00:00", "2026-03-03 09:00:00"),
        (DAILY, "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-29 07:00:00"),  # the clocks change that night
        (DAILY, "Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25 08:00:00"),
        (DAILY, "Pacific/Kiritimati", "2026-03-02 12:00:00", "2026-03-02 19:00:00"),
        (DAILY, "Nowhere/Land", "2026-03-02 08:00:00", "2026-03-02 09:00:00"),
        (WEEKLY, "UTC", "2026-03-02 08:00:00", "2026-03-02 09:00:00"),  # a Monday
        (WEEKLY, "UTC", "2026-03-02 09:00:00", "2026-03-09 09:00:00"),
        (WEEKLY, "America/New_York", "2026-03-08 12:00:00", "2026-03-09 13:00:00"),
    ],
)
def test_a_digest_is_due_at_nine_by_the_users_clock(frequency: EmailFrequency, zone: str, now: str, due: str) -> None:
    at, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, due))
    assert next_digest(frequency, zone, at) == expected
