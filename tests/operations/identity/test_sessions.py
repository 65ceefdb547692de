"""Sessions: how long they last, how many there are, who sees and ends them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, Role, SessionLog, get_db_session, read_session
from spothive.errors import Denied, NotFound, SessionEnded
from spothive.operations.actor import Actor
from spothive.operations.identity import (
    SignedIn,
    end_other_sessions,
    end_session,
    list_sessions,
    log_out,
    resume,
    set_tenant_active,
)
from spothive.operations.identity.user_agents import read_user_agent
from tests.conftest import Database, settings
from tests.factories import make_tenant
from tests.factories.sign_ins import change_user, later, make_person, sign_in, ten_at_once
from tests.operations.conftest import World, audited
from tests.watching import rows_of, statements

GONE = "you are not signed in, or your session has ended: sign in again"


def is_open(token: str) -> bool:
    try:
        resume(get_db_session, token)
    except SessionEnded as ended:
        return str(ended) != GONE
    return True


def set_session(tenant_id: UUID, session_id: UUID, **values: object) -> None:
    with get_db_session(tenant=tenant_id) as session:
        for name, value in values.items():
            setattr(session.get_one(SessionLog, session_id), name, value)


def test_a_token_opens_its_session_by_one_look_up(db: Database) -> None:
    ann = make_person(make_tenant("alpha"), must_change_password=True)
    signed_in = sign_in()
    assert len(signed_in.token) == 43
    with statements() as sent:
        actor, row = resume(get_db_session, signed_in.token)
    assert len([text for text in sent if "session" in text and "set_config" not in text]) == 1
    assert not [text for text in sent if text.startswith(("UPDATE", "INSERT"))]
    assert actor == ann
    assert (row.session_id, row.tenant_slug, row.must_change_password) == (signed_in.session_id, "alpha", True)
    (stored,) = rows_of(SessionLog)
    assert signed_in.token not in str(stored)
    near = (signed_in.token[:-1], signed_in.token + "A", signed_in.token.swapcase())
    for wrong in ("", "x", *near, "\ud800" * 43, "\0" * 43):
        assert not is_open(wrong)


def test_a_session_ends_unused_or_old_or_left_and_with_its_user_or_tenant(world: World) -> None:
    ann = make_person(world.acme)
    with later(minutes=29):
        assert is_open((signed_in := sign_in()).token)
    with later(minutes=31):
        assert is_open(signed_in.token)
    with later(minutes=62):
        assert not is_open(signed_in.token), "unused for half an hour"
    signed_in = sign_in()
    for minutes in range(29, 24 * 60, 29):
        with later(minutes=minutes):
            assert is_open(signed_in.token)
    with later(hours=24, seconds=10):
        assert not is_open(signed_in.token), "open for a day"
    signed_in = sign_in()
    change_user(ann, is_active=False)
    assert not is_open(signed_in.token)
    change_user(ann, is_active=True)
    assert is_open(signed_in.token)
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=False)
    assert not is_open(signed_in.token)
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=True)
    for _ in range(2):
        log_out(get_db_session, signed_in.token)
        assert not is_open(signed_in.token)
    log_out(get_db_session, "no token")
    before = {"session_id": str(signed_in.session_id)}
    assert audited(event="session.left") == [("session.left", "ann", "SUCCESS", "ann", before, None)]


def test_the_use_of_a_session_is_written_once_a_minute(db: Database) -> None:
    ann = make_person(make_tenant())
    signed_in = sign_in()

    def noted() -> object:
        return rows_of(SessionLog)[0]["last_active_at"]

    started = noted()
    with later(seconds=50):
        assert is_open(signed_in.token)
        assert noted() == started
    with later(seconds=70) as moment:
        assert ten_at_once(lambda _: is_open(signed_in.token)) == [True] * 10
        assert noted() == moment
    with later(seconds=100):
        assert is_open(signed_in.token)
        assert noted() == moment
    with settings(SPOTHIVE_SESSION_IDLE="20"):  # shorter than a minute: whoever works on stays signed in
        set_session(ann.home_tenant_id, signed_in.session_id, last_active_at=utc_now())
        for seconds in (15, 30, 45):
            with later(seconds=seconds):
                assert is_open(signed_in.token)


def test_the_sixth_session_ends_the_one_used_least_lately(db: Database) -> None:
    ann = make_person(make_tenant())
    started: list[SignedIn] = []
    for minutes in range(5):
        with later(minutes=minutes):
            started.append(sign_in())
    with later(minutes=6):
        assert is_open(started[0].token)  # used now, so no longer the one
        sixth = sign_in()
        assert [is_open(one.token) for one in [*started, sixth]] == [True, False, True, True, True, True]
    rows = {row["id"]: row for row in rows_of(SessionLog)}
    assert rows[started[1].session_id]["revoked_reason"] == "only 5 may be open"
    assert audited()[-1][5]["ended"] == [str(started[1].session_id)]
    assert len(audited()) == 6
    with later(minutes=6, seconds=1), read_session(tenant=ann.home_tenant_id) as session:
        assert len(list_sessions(session, ann)) == 5


def test_of_ten_who_sign_in_at_once_five_stay(db: Database) -> None:
    ann = make_person(make_tenant())
    started = ten_at_once(lambda _: sign_in())
    assert [type(one) for one in started] == [SignedIn] * 10
    assert sum(is_open(one.token) for one in started) == 5
    with read_session(tenant=ann.home_tenant_id) as session:
        assert len(list_sessions(session, ann)) == 5
    assert len(audited(event="session.started")) == 10


def test_everybody_sees_and_ends_the_own_sessions(world: World) -> None:
    ann = make_person(world.acme)
    mine, other, third = sign_in(), sign_in(), sign_in()
    bens = make_person(world.acme, "ben")
    with read_session(tenant=world.acme) as session:
        assert {row.id for row in list_sessions(session, ann)} == {
            mine.session_id,
            other.session_id,
            third.session_id,
        }
        assert {row.id for row in list_sessions(session, ann, "ANN")} == {row.id for row in list_sessions(session, ann)}
        assert list_sessions(session, bens) == []
    with get_db_session(tenant=world.acme) as session:
        end_session(session, ann, other.session_id)
    for gone in (other.session_id, uuid4()):
        with pytest.raises(NotFound, match="no open session has the id"), get_db_session(tenant=world.acme) as session:
            end_session(session, ann, gone)
    for _ in range(2):
        with get_db_session(tenant=world.acme) as session:
            end_other_sessions(session, ann, keep=mine.session_id)
    assert [is_open(one.token) for one in (mine, other, third)] == [True, False, False]
    assert [row[0] for row in audited(actor_name="ann")][3:] == ["session.ended", "session.others_ended"]
    assert audited()[-1][4] == {"kept": str(mine.session_id), "sessions": 1}


def test_others_end_them_only_who_manage_the_user(world: World) -> None:
    for tenant, name, role in ((world.acme, "ann", Role.USER), (PLATFORM_TENANT_ID, "boss", Role.ADMIN)):
        make_person(tenant, name, role=role)
    anns, boss = sign_in(), sign_in("boss")

    def tries(actor: Actor, tenant_id: UUID, name: str, session_id: UUID) -> None:
        for refused in (
            lambda session: list_sessions(session, actor, name),
            lambda session: end_session(session, actor, session_id),
        ):
            with pytest.raises(Denied), get_db_session(tenant=tenant_id) as session:
                refused(session)

    tries(world.udo, world.acme, "ann", anns.session_id)
    tries(world.admin, PLATFORM_TENANT_ID, "boss", boss.session_id)
    assert [row[:3] for row in audited(outcome="DENIED")] == [
        (event, name, "DENIED") for name in ("ann", "boss") for event in ("session.listed", "session.ended")
    ]
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        end_session(session, world.gina, anns.session_id)
    assert is_open(anns.token)
    for actor, tenant, name, signed_in in (
        (world.anna, world.acme, "ann", anns),
        (world.root, PLATFORM_TENANT_ID, "boss", boss),
    ):
        with get_db_session(tenant=tenant) as session:
            assert [row.id for row in list_sessions(session, actor, name)] == [signed_in.session_id]
            end_session(session, actor, signed_in.session_id)
        assert not is_open(signed_in.token)
    assert {row["revoked_reason"] for row in rows_of(SessionLog)} == {"ended by anna", "ended by root"}


@pytest.mark.parametrize(
    ("user_agent", "device", "browser"),
    [
        (None, None, None),
        ("curl/8.5.0", "api", None),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "desktop", "Firefox"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "desktop", "Edge"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1 Version/18.0 Safari/605.1", "desktop", "Safari"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1 CriOS/140.0 Mobile/15E148 Safari/604.1", "mobile", "Chrome"),
        ("Mozilla/5.0 (iPad; CPU OS 18) AppleWebKit/605.1 Mobile/15E148 Safari/604.1", "tablet", "Safari"),
        ("Mozilla/5.0 (Linux; Android 15; SM-X) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "tablet", "Chrome"),
        ("Mozilla/5.0 (something new)", "desktop", None),
    ],
)
def test_what_a_browser_says_of_itself(user_agent: str | None, device: str | None, browser: str | None) -> None:
    assert read_user_agent(user_agent) == (device, browser)
