"""Changing a password, and the way back to a lost one: what proves whom, how often, and what it shuts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from secrets import token_hex
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import AuditLog, Role, SessionLog, Tenant, User, UserToken, get_db_session, system_scope
from spothive.database.passwords import check_password, hash_password
from spothive.errors import Conflict, Denied, InvalidInput, NotAllowed
from spothive.operations.identity import (
    change_password,
    make_reset_token,
    request_password_reset,
    reset_password,
    set_password,
    set_role,
    set_user_active,
)
from spothive.operations.identity.tokens import hash_of
from tests.operations.conftest import World, audited
from tests.operations.identity.conftest import at_once
from tests.watching import everything, rows_of

OLD, NEW = "the one before", "the one after it"


@pytest.fixture
def udo(world: World) -> UUID:
    """Give udo a password and two open sessions."""
    password_hash = hash_password(OLD)
    with get_db_session(tenant=world.acme) as session:
        session.get_one(User, world.udo.user_id).password_hash = password_hash
        for number in range(2):
            ends = utc_now() + timedelta(hours=1)
            session.add(SessionLog(user_id=world.udo.user_id, token_hash=f"{number:064}", expires_at=ends))
    return world.udo.user_id


def open_sessions() -> list[str]:
    return [row["token_hash"][-1] for row in rows_of(SessionLog) if row["logged_out_at"] is None]


def udo_now() -> dict[str, Any]:
    (row,) = rows_of(User, username="udo")
    return row


def fits(password: str) -> bool:
    return check_password(password, udo_now()["password_hash"])


def lock_is_open() -> bool:
    return (udo_now()["failed_logins"], udo_now()["locked_until"]) == (0, None)


# --- the own password ---


def test_a_changed_password_ends_the_other_sessions(world: World, udo: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.get_one(User, udo).must_change_password = True
    kept = rows_of(SessionLog)[1]["id"]
    request_password_reset(get_db_session, name="udo")
    change_password(get_db_session, world.udo, current=OLD, new=NEW, keep_session=kept)
    assert fits(NEW)
    assert not udo_now()["must_change_password"]
    assert open_sessions() == ["1"]
    assert rows_of(UserToken) == [], "what was asked for before works no more"
    with pytest.raises(Conflict, match="changed meanwhile"):
        change_between(world, lambda: change_password(get_db_session, world.udo, current=NEW, new=OLD))


def change_between(world: World, act: Callable[[], object]) -> None:
    """Run ``act`` while somebody else sets the password as soon as it was checked."""
    from spothive.operations.identity import passwords

    def check_and_lose(password: str, password_hash: str) -> bool:
        right = check_password(password, password_hash)
        with get_db_session(tenant=world.acme) as session:
            set_password(session, world.anna, username="udo", password_hash="another")
        return right

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "check_password", check_and_lose)
        act()


def test_a_new_password_that_cannot_be_changes_nothing(world: World, udo: UUID) -> None:
    before = everything()
    for new in (OLD, "short", "password1", "UDO@acme.io"):
        with pytest.raises(InvalidInput):
            change_password(get_db_session, world.udo, current=OLD, new=new)
    assert everything() == before


def test_wrong_passwords_are_remembered_and_lock(world: World, udo: UUID) -> None:
    def refused(current: str) -> None:
        with pytest.raises(NotAllowed, match=r"^the current password is wrong, or was wrong too often"):
            change_password(get_db_session, world.udo, current=current, new=NEW)

    for wrong in range(1, 6):
        refused("not it")
        assert udo_now()["failed_logins"] == wrong
    assert len(audited(event="user.locked")) == 1
    for current in (OLD, "not it"):  # one answer for both
        refused(current)
    assert fits(OLD)
    assert [row[2] for row in audited(event="user.password")] == ["FAILURE"] * 7
    assert open_sessions() == ["0", "1"]
    with get_db_session(tenant=world.acme) as session:  # the time passes
        session.get_one(User, udo).locked_until = utc_now() - timedelta(seconds=1)
    refused("not it")
    assert (udo_now()["failed_logins"], udo_now()["locked_until"]) == (1, None), "after a lock the count begins anew"
    change_password(get_db_session, world.udo, current=OLD, new=NEW)
    assert fits(NEW)
    assert lock_is_open()


def test_many_guesses_at_once_count_one_by_one(world: World, udo: UUID) -> None:
    errors = at_once(*[lambda: change_password(get_db_session, world.udo, current="not it", new=NEW)] * 8)
    assert len(errors) == udo_now()["failed_logins"] == 8
    assert len(audited(event="user.locked")) == 1
    with pytest.raises(NotAllowed):
        change_password(get_db_session, world.udo, current=OLD, new=NEW)


def test_whoever_loses_the_right_loses_the_sessions(world: World, udo: UUID) -> None:
    acts: list[Callable[[Any], object]] = [
        lambda session: set_password(session, world.anna, username="udo", password_hash="given"),
        lambda session: set_password(session, world.udo, username="udo", password_hash="own"),
        lambda session: set_user_active(session, world.anna, username="udo", active=False),
    ]
    for act in acts:
        with get_db_session(tenant=world.acme) as session:
            open_again(session, udo)
            act(session)
        assert open_sessions() == []
    with get_db_session(tenant=world.acme) as session:
        open_again(session, udo)
        set_user_active(session, world.anna, username="udo", active=True)
        set_role(session, world.anna, username="udo", role=Role.LAB)
    assert open_sessions() == []


def open_again(session: Any, user_id: UUID) -> None:
    ends = utc_now() + timedelta(hours=1)
    session.add(SessionLog(user_id=user_id, token_hash=token_hex(32), expires_at=ends))
    session.flush()


# --- the way back ---


def test_a_reset_opens_once_unlocks_and_shuts_what_was_open(world: World, udo: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        user = session.get_one(User, udo)
        user.failed_logins, user.locked_until = 5, utc_now() + timedelta(minutes=15)
    token = request_password_reset(get_db_session, name=" UDO@acme.io")
    assert token is not None
    stored = str(everything())
    assert token not in stored
    assert token.partition(".")[2] not in stored
    assert hash_of(token) not in str(rows_of(AuditLog))
    with pytest.raises(InvalidInput, match="most common"):
        reset_password(get_db_session, token=token, password="password1")
    with pytest.raises(InvalidInput, match="own name"):
        reset_password(get_db_session, token=token, password="udo@acme.io")
    reset_password(get_db_session, token=token, password=NEW)
    assert fits(NEW)
    assert lock_is_open()
    assert open_sessions() == []
    with pytest.raises(InvalidInput, match="unknown, expired or used"):
        reset_password(get_db_session, token=token, password="yet another one")
    assert fits(NEW)
    assert [row[:4] for row in audited(event="user.password_reset")] == [
        ("user.password_reset", "udo", "SUCCESS", "udo (reset token)")
    ]


def test_of_ten_who_hold_one_token_one_resets(world: World, udo: UUID) -> None:
    token = request_password_reset(get_db_session, name="udo") or ""
    errors = at_once(*[lambda: reset_password(get_db_session, token=token, password=NEW)] * 10)
    assert errors == ["the token is unknown, expired or used: ask for a new one"] * 9
    assert len(audited(event="user.password_reset")) == 1
    assert fits(NEW)


def test_who_does_not_exist_gets_no_token_and_leaves_nothing(world: World, udo: UUID) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
        suspend(session, "globex")
    before = everything()
    for name in (
        "nobody",
        "nobody@acme.io",
        "udo",
        "udo@acme.io",
        "gina",
        "",
        "x" * 5000,
        "ud\u043e",
        "udo\0",
        "\ud800",
    ):
        assert request_password_reset(get_db_session, name=name) is None
    assert everything() == before


def test_tokens_that_open_nothing_answer_alike(world: World, udo: UUID) -> None:
    def token() -> str:
        with get_db_session(tenant=world.acme) as session:
            return make_reset_token(session, world.anna, username="udo")

    older, newer = token(), token()
    secret = newer.partition(".")[2]
    assert len(rows_of(UserToken)) == 1, "a new one replaces the older"
    dead = [
        older,
        "",
        ".",
        secret,
        f"{world.globex.hex}.{secret}",
        f"{UUID(int=9).hex}.{secret}",
        newer + "x",
        "\ud800",
    ]
    for each in dead:
        assert refusal(each)
    for column, value in (("expires_at", utc_now() - timedelta(seconds=1)), ("purpose", "email_check")):
        with get_db_session(tenant=world.acme) as session:
            newer = make_reset_token(session, world.anna, username="udo")
            session.execute(update(UserToken).values({column: value}))
        assert refusal(newer)
    newer = token()
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
    assert refusal(newer)
    with pytest.raises(Conflict, match="udo is disabled"):
        token()
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=True)
        suspend(session, "acme")
    assert refusal(newer)
    with get_db_session(tenant=world.acme) as session:
        suspend(session, "acme", again=True)
    reset_password(get_db_session, token=newer, password=NEW)
    assert fits(NEW)


def refusal(token: str) -> bool:
    with pytest.raises(InvalidInput) as error:
        reset_password(get_db_session, token=token, password=NEW)
    return str(error.value) == "the token is unknown, expired or used: ask for a new one"


def suspend(session: Any, slug: str, *, again: bool = False) -> None:
    with system_scope(session, "test"):
        session.execute(update(Tenant).where(Tenant.slug == slug).values(is_active=again))


def test_a_way_back_for_an_admin_is_made_by_who_makes_admins(world: World) -> None:
    for actor, home in ((world.admin, world.root.home_tenant_id), (world.anna, world.root.home_tenant_id)):
        with pytest.raises(Denied), get_db_session(tenant=home) as session:
            make_reset_token(session, actor, username="root")
