"""Invitations: for whom, by whom, once and in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Invitation,
    Role,
    Tenant,
    User,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.database.passwords import check_password
from spothive.errors import Denied, DuplicateValue, IllegalMove, InvalidInput, NotFound, ValueRefused
from spothive.operations.actor import Actor
from spothive.operations.identity import (
    accept_invitation,
    find_actor,
    invite,
    list_invitations,
    register_client,
    withdraw_invitation,
)
from tests.operations.conftest import World, audited
from tests.operations.identity.conftest import at_once
from tests.watching import everything, rows_of

PASSWORD = "correct horse battery"
NOT_OPEN = "the invitation is unknown, withdrawn, expired or accepted: ask for a new one"


def make(world: World, email: str = "ute@acme.io", role: Role = Role.USER, actor: Actor | None = None) -> str:
    with get_db_session(tenant=world.acme) as session:
        return invite(session, actor or world.anna, email=email, role=role)[1]


def accept(token: str, username: str = "ute") -> Actor:
    return accept_invitation(get_db_session, token=token, username=username, password=PASSWORD)


def not_open(token: str) -> bool:
    with pytest.raises(InvalidInput) as refusal:
        accept(token)
    return str(refusal.value) == NOT_OPEN


def test_who_accepts_becomes_what_was_offered(world: World) -> None:
    token = make(world, " Ute@Acme.IO", Role.LAB)
    (row,) = rows_of(Invitation)
    assert timedelta(days=6) < row["expires_at"] - utc_now() < timedelta(days=7)
    assert token not in str(everything())
    guest = accept(token, "UTE")
    (ute,) = rows_of(User, username="ute")
    assert (ute["tenant_id"], ute["email"], ute["role"]) == (world.acme, "ute@acme.io", Role.LAB)
    assert not ute["must_change_password"]
    assert check_password(PASSWORD, ute["password_hash"])
    assert find_actor("ute", "acme")[0] == guest
    assert not_open(token)


def test_of_five_who_hold_one_invitation_one_gets_in(world: World) -> None:
    token = make(world)
    errors = at_once(*[lambda name=f"ute{n}": accept(token, name) for n in range(5)])
    assert errors == [NOT_OPEN] * 4
    assert [row["username"][:3] for row in rows_of(User, email="ute@acme.io")] == ["ute"]


def test_invitations_that_are_not_open_answer_alike(world: World) -> None:
    older, token = make(world), make(world)
    assert len(rows_of(Invitation)) == 1, "inviting again replaces the older one"
    secret = token.partition(".")[2]
    assert all(map(not_open, (older, "", secret, f"{world.globex.hex}.{secret}", "\ud800")))
    with get_db_session(tenant=world.acme) as session, system_scope(session, "test"):
        session.execute(update(Tenant).where(Tenant.slug == "acme").values(is_active=False))
    assert not_open(token)
    with get_db_session(tenant=world.acme) as session, system_scope(session, "test"):
        session.execute(update(Tenant).where(Tenant.slug == "acme").values(is_active=True))
        session.execute(update(Invitation).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert not_open(token)
    token = make(world)
    with get_db_session(tenant=world.acme) as session:
        withdraw_invitation(session, world.anna, email="UTE@acme.io")
    assert not_open(token)
    with pytest.raises(NotFound, match=r"^no invitation of 'ute@acme"), get_db_session(tenant=world.acme) as session:
        withdraw_invitation(session, world.anna, email="ute@acme.io")
    assert rows_of(User, email="ute@acme.io") == []


def test_of_two_who_invite_the_same_person_at_once_one_does(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        invite(session, world.anna, email="other@acme.io", role=Role.USER)
    errors = at_once(lambda: make(world), lambda: make(world, actor=world.admin))
    assert len(rows_of(Invitation, email="ute@acme.io")) == 1
    assert len(errors) <= 1  # in good time, the second replaces the first
    with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=world.acme) as session:
        facts = {"token_hash": "0" * 64, "invited_by_name": "x", "expires_at": utc_now()}
        session.add(Invitation(email="ute@acme.io", role=Role.USER, **facts))
    assert refusal.value.rule == "lc_invitations_open"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_only_a_super_admin_invites_admins(world: World, role: Role) -> None:
    for actor in (world.anna, world.admin):
        with pytest.raises(Denied, match="may not make or unmake admins"):
            make(world, role=role, actor=actor)
    token = make(world, role=role, actor=world.root)
    for actor in (world.anna, world.admin):
        with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
            withdraw_invitation(session, actor, email="ute@acme.io")
        with pytest.raises(Denied):
            make(world, actor=actor)  # which would withdraw it too
    assert accept(token).role is role


def test_a_taken_address_is_refused_and_no_more_is_told(world: World) -> None:
    before = everything()
    said = set()
    for email in ("gina@globex.io", "udo@acme.io", "root@x.io"):
        with pytest.raises(DuplicateValue) as refusal:
            make(world, email)
        assert refusal.value.rule == "uq_users_email"
        said.add(str(refusal.value))
    assert len(said) == 1
    assert everything() == before


def test_an_address_may_be_invited_by_many_and_taken_once(world: World) -> None:
    of_acme = make(world, "ute@x.io")
    with get_db_session(tenant=world.globex) as session:
        of_globex = invite(session, world.gina, email="ute@x.io", role=Role.USER)[1]
    with read_session(tenant=world.acme) as session:
        assert [row.tenant_id for row in list_invitations(session)] == [world.acme]
    accept(of_globex, "ute")
    for name, rule in (("ute", "uq_users"), ("uta", "uq_users_email")):
        with pytest.raises(DuplicateValue) as refusal:
            accept(of_acme, name)
        assert refusal.value.rule.startswith(rule)
    assert rows_of(Invitation, tenant_id=world.acme)[0]["accepted_at"] is None


# --- coming by oneself ---


def test_who_registers_is_the_client_of_a_tenant_of_their_own(world: World) -> None:
    before = everything()
    facts = {"tenant_name": "Initech", "slug": "initech", "username": "Ines", "email": "ines@initech.io"}
    for wrong, error in (
        ({"password": "password1"}, InvalidInput),
        ({"password": "ines@initech.io"}, InvalidInput),
        ({"slug": "acme"}, DuplicateValue),
        ({"slug": "No Slug"}, ValueRefused),
        ({"username": "gina"}, DuplicateValue),
        ({"email": "udo@acme.io"}, DuplicateValue),
        ({"tenant_name": ""}, ValueRefused),
    ):
        with pytest.raises(error):
            register_client(get_db_session, **(facts | {"password": PASSWORD} | wrong))
    assert everything() == before, "half a registration is none"
    client = register_client(get_db_session, **facts, password=PASSWORD, via="web")
    (ines,) = rows_of(User, username="ines")
    assert (ines["id"], ines["role"], ines["must_change_password"]) == (client.user_id, Role.CLIENT, False)
    assert ines["tenant_id"] == client.home_tenant_id not in {world.acme, world.globex, PLATFORM_TENANT_ID}
    assert find_actor("ines", "initech", via="web") == (client, ines["tenant_id"])
    assert audited(event="tenant.registered")[0][3] == "ines (web)"
