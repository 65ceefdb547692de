"""Other roles, other hands and the end of a user."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    AccountLog,
    OnboardingRequest,
    Role,
    SessionLog,
    User,
    UserToken,
    get_db_session,
)
from spothive.errors import Conflict, Denied, IllegalMove, InvalidInput, NotFound
from spothive.operations.fleet import begin_onboarding
from spothive.operations.identity import (
    create_user,
    delete_user,
    make_reset_token,
    set_role,
    set_user_active,
    transfer_accounts,
)
from tests.factories import make_account, make_instance
from tests.operations.conftest import World, audited
from tests.operations.identity.conftest import at_once
from tests.watching import everything, rows_of


def role_of(name: str) -> Role:
    return Role(rows_of(User, username=name)[0]["role"])


# --- roles ---


def test_who_may_give_which_role(world: World) -> None:
    """A table: who, to whom, which role, and whether."""
    for actor, home, username, role, allowed in (
        (world.anna, world.acme, "udo", Role.LAB, True),
        (world.anna, world.acme, "udo", Role.CLIENT, True),
        (world.anna, world.acme, "udo", Role.USER, True),
        (world.anna, world.acme, "udo", Role.ADMIN, False),
        (world.anna, world.acme, "anna", Role.ADMIN, False),
        (world.lena, world.acme, "lena", Role.CLIENT, False),
        (world.udo, world.acme, "udo", Role.LAB, False),
        (world.admin, world.acme, "udo", Role.SUPER_ADMIN, False),
        (world.admin, PLATFORM_TENANT_ID, "admin", Role.SUPER_ADMIN, False),
        (world.admin, PLATFORM_TENANT_ID, "root", Role.USER, False),
        (world.root, world.acme, "udo", Role.ADMIN, True),
        (world.anna, world.acme, "udo", Role.USER, False),
        (world.root, world.acme, "udo", Role.USER, True),
        (world.anna, world.acme, "anna", Role.LAB, True),  # less, of oneself
        (world.anna, world.acme, "anna", Role.CLIENT, False),  # an actor that the database has overtaken
        (world.root, PLATFORM_TENANT_ID, "root", Role.ADMIN, True),
        (world.root, PLATFORM_TENANT_ID, "root", Role.SUPER_ADMIN, False),
    ):
        before = role_of(username)
        if allowed:
            with get_db_session(tenant=home) as session:
                assert set_role(session, actor, username=username, role=role).role is role
        else:
            with pytest.raises(Denied), get_db_session(tenant=home) as session:
                set_role(session, actor, username=username, role=role)
        assert role_of(username) is (role if allowed else before)
    assert len(audited(event="user.role", outcome="DENIED")) == 10


def test_the_last_admin_stays_one_and_another_tenants_users_do_not_exist(world: World) -> None:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_role(session, world.root, username="admin", role=Role.USER)
    before = everything()
    with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_role(session, world.root, username="root", role=Role.USER)
    assert refusal.value.rule == "lc_users_last_admin"
    with pytest.raises(IllegalMove), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        delete_user(session, world.root, username="root")
    with pytest.raises(NotFound), get_db_session(tenant=world.acme) as session:
        set_role(session, world.anna, username="gina", role=Role.LAB)
    with pytest.raises(NotFound), get_db_session(tenant=world.acme) as session:
        delete_user(session, world.anna, username="gina")
    with get_db_session(tenant=world.acme) as session:
        set_role(session, world.anna, username="udo", role=Role.USER)  # what udo is
    assert everything() == before


def test_of_two_who_change_one_role_one_does(world: World) -> None:
    with get_db_session() as session:
        both_look_first = session.get_bind().dialect.name == "postgresql"
    looked = Barrier(2)

    def change(role: Role) -> None:
        with get_db_session(tenant=world.acme) as session:
            session.scalars(select(User)).all()
            if both_look_first:
                looked.wait(60)
            set_role(session, world.anna, username="udo", role=role)

    errors = at_once(lambda: change(Role.LAB), lambda: change(Role.CLIENT))
    assert errors == ["udo has just been changed by somebody else: see `spothive user list`"] * both_look_first
    assert len(audited(event="user.role")) == 2 - both_look_first


# --- accounts that change hands, and users who go ---


@pytest.fixture
def shop(world: World) -> World:
    """Let udo answer for three accounts, one with an open request and one being disconnected, and anna for one."""
    make_account(world.acme, "books", user_id=world.udo.user_id)
    make_account(world.acme, "old", user_id=world.udo.user_id, disconnecting_at=utc_now())
    make_account(world.acme, "hers", user_id=world.anna.user_id)
    client = replace(world.udo, role=Role.CLIENT)
    with get_db_session(tenant=world.acme) as session:
        begin_onboarding(session, client, name="music")
    return world


def held_by(name: str) -> list[str]:
    (user,) = rows_of(User, username=name)
    return sorted(row["account_name"] for row in rows_of(Account, user_id=user["id"]))


def test_accounts_change_hands_with_their_requests_and_history(shop: World) -> None:
    with get_db_session(tenant=shop.acme) as session:
        names = transfer_accounts(session, shop.anna, from_user="udo", to_user="Lena", accounts=["music"])
        assert names == ["music"]
    assert (held_by("udo"), held_by("lena")) == (["books", "old"], ["music"])
    assert rows_of(OnboardingRequest)[0]["user_id"] == shop.lena.user_id
    (line,) = rows_of(AccountLog, action="transferred")
    assert (line["details"], line["actor_name"]) == ({"from": "udo", "to": "lena"}, "anna")
    with get_db_session(tenant=shop.acme) as session:
        assert transfer_accounts(session, shop.anna, from_user="udo", to_user="lena") == ["books"]
        session.flush()
        assert transfer_accounts(session, shop.anna, from_user="udo", to_user="lena") == []
    assert held_by("udo") == ["old"], "what is being disconnected stays where it is"
    assert len(audited(event="user.accounts_moved")) == 2


def test_accounts_that_cannot_change_hands(shop: World) -> None:
    with get_db_session(tenant=shop.acme) as session:
        set_user_active(session, shop.anna, username="lena", active=False)
    before = everything()
    for facts, error in (
        ({"from_user": "udo", "to_user": "gina"}, NotFound),
        ({"from_user": "udo", "to_user": "nobody"}, NotFound),
        ({"from_user": "nobody", "to_user": "anna"}, NotFound),
        ({"from_user": "udo", "to_user": "udo"}, InvalidInput),
        ({"from_user": "udo", "to_user": "lena"}, Conflict),
        ({"from_user": "udo", "to_user": "anna", "accounts": ["books", "hers"]}, NotFound),
        ({"from_user": "udo", "to_user": "anna", "accounts": ["old"]}, NotFound),
    ):
        with pytest.raises(error), get_db_session(tenant=shop.acme) as session:
            transfer_accounts(session, shop.anna, **facts)
    assert everything() == before


def test_two_who_hand_over_to_one_another_both_do(shop: World) -> None:
    def hand_over(giver: str, taker: str) -> None:
        with get_db_session(tenant=shop.acme) as session:
            transfer_accounts(session, shop.anna, from_user=giver, to_user=taker)

    assert at_once(lambda: hand_over("udo", "anna"), lambda: hand_over("anna", "udo")) == []
    assert sorted(held_by("udo") + held_by("anna")) == ["books", "hers", "music", "old"]


def test_a_user_who_answers_for_accounts_is_not_deleted_by_mistake(shop: World) -> None:
    make_instance(shop.acme, rows_of(Account, account_name="books")[0]["id"])
    before = everything()
    named = r"^udo answers for books, music: .*spothive user transfer"
    with pytest.raises(Conflict, match=named), get_db_session(tenant=shop.acme) as session:
        delete_user(session, shop.anna, username="udo")
    assert everything() == before
    with get_db_session(tenant=shop.acme) as session:
        assert delete_user(session, shop.anna, username="UDO", with_accounts=True) == ["books", "music"]
    assert rows_of(User, username="udo") == []
    assert [row["account_name"] for row in rows_of(Account)] == ["hers"]
    assert everything()["instances"] == []
    assert audited(event="user.deleted")[0][4]["accounts"] == ["books", "music"]


def test_a_user_goes_with_sessions_and_tokens_and_the_trail_stays(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        ends = utc_now() + timedelta(hours=1)
        session.add(SessionLog(user_id=world.udo.user_id, token_hash="0" * 64, expires_at=ends))
        make_reset_token(session, world.anna, username="udo")
    trail = audited()
    with get_db_session(tenant=world.acme) as session:
        delete_user(session, world.anna, username="udo")
    assert (rows_of(SessionLog), rows_of(UserToken), rows_of(User, username="udo")) == ([], [], [])
    assert audited()[: len(trail)] == trail


def test_only_a_super_admin_deletes_admins_and_two_never_both_go(world: World) -> None:
    for actor in (world.anna, world.admin):
        with pytest.raises(Denied), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            delete_user(session, actor, username="root")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        create_user(session, world.root, username="rita", email="rita@x.io", role=Role.SUPER_ADMIN, password_hash="r")
        set_user_active(session, world.root, username="admin", active=False)

    def leave(name: str) -> None:
        with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            delete_user(session, world.root, username=name)

    (error,) = at_once(lambda: leave("root"), lambda: leave("rita"))
    assert error.startswith("the last active admin of 'platform' stays")
