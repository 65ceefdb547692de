"""Who may do what: the table, and what is left behind by those who tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from spothive.database import (
    PLATFORM_TENANT_ID,
    AuditLog,
    ResourceType,
    Role,
    TenantSession,
    User,
    get_db_session,
    read_session,
)
from spothive.errors import Denied, NotAllowed, NotFound, TenantMismatch
from spothive.operations.actor import Actor, spothive_itself
from spothive.operations.audit import record
from spothive.operations.identity import (
    Action,
    create_user,
    find_actor,
    list_tenants,
    list_users,
    may,
    require,
    set_password,
    set_tenant_active,
    set_user_active,
)
from spothive.operations.identity.permissions import require_person
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of

TABLE = """
                  user  lab  client  admin  super_admin
READ               x     x     x       x        x
EXPERIMENT         -     x     x       x        x
MANAGE             -     -     x       x        x
MANAGE_USERS       -     -     x       x        x
APPROVE_HIGH       -     -     -       x        x
MANAGE_PLATFORM    -     -     -       x        x
APPROVE_CRITICAL   -     -     -       -        x
MAKE_ADMINS        -     -     -       -        x
"""
HEADER, *LINES = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(line[0], role, mark == "x") for line in LINES for role, mark in zip(HEADER, line[1:], strict=True)]


def an_actor(role: Role, home: object = PLATFORM_TENANT_ID) -> Actor:
    return Actor(uuid4(), "somebody", role, home)  # type: ignore[arg-type]  # a UUID


def test_the_table_is_whole() -> None:
    assert {cell[:2] for cell in CELLS} == {(action.name, role) for action in Action for role in Role}


@pytest.mark.parametrize(("action", "role", "allowed"), CELLS)
def test_every_role_may_what_the_table_says(action: str, role: str, allowed: bool) -> None:
    assert may(an_actor(Role(role)), Action[action]) is allowed


@pytest.mark.parametrize("role", Role)
def test_nobody_outside_platform_manages_the_platform(role: Role) -> None:
    assert not may(an_actor(role, uuid4()), Action.MANAGE_PLATFORM)


@pytest.mark.parametrize("role", Role)
def test_only_admins_of_platform_are_staff(role: Role) -> None:
    assert an_actor(role).is_staff is (role in {Role.ADMIN, Role.SUPER_ADMIN})
    assert not an_actor(role, uuid4()).is_staff


def test_a_refusal_names_the_roles_that_may() -> None:
    named = "accounts, decisions, replicas, spot events, outages, waste, "
    able = "super_admin, admin, client"
    with pytest.raises(Denied, match=rf"^somebody \(user\) may not manage {named}.*: ask {able}$"):
        require(an_actor(Role.USER), Action.MANAGE, attempt="x", resource="y", resource_type=ResourceType.ACCOUNT)


def test_a_denied_attempt_is_one_audit_row_and_nothing_else(world: World) -> None:
    before = everything()

    def change_one_and_try_another() -> None:
        with get_db_session(tenant=world.acme) as session:
            set_password(session, world.udo, username="udo", password_hash="changed")  # allowed, and rolled back
            session.flush()
            set_user_active(session, world.udo, username="anna", active=False)

    with pytest.raises(Denied):
        change_one_and_try_another()
    after = everything()
    (denied,) = [row for row in after["audit_logs"] if row not in before["audit_logs"]]
    assert (denied["tenant_id"], denied["event"], denied["resource"]) == (world.acme, "user.disabled", "anna")
    assert (denied["actor_id"], denied["actor_name"], denied["outcome"]) == (world.udo.user_id, "udo", "DENIED")
    assert denied["resource_type"] is ResourceType.USER
    after["audit_logs"].remove(denied)
    assert after == before


@pytest.mark.parametrize("name", ["", "a\0b", "half \ud800 a character", "x" * 400])
def test_a_denied_attempt_is_remembered_whatever_was_typed(world: World, name: str) -> None:
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.anna, slug=name, active=False)
    (row,) = audited(outcome="DENIED")
    assert row[0] == "tenant.suspended"
    assert row[1] in {"(no name)", r"a\x00b", r"half \ud800 a character", "x" * 255}


def test_staff_reaches_every_tenant_and_others_only_their_own(world: World) -> None:
    assert find_actor("admin", "acme", via="cli: root")[1] == world.acme
    assert find_actor("root", "globex")[1] == world.globex
    assert find_actor("anna", "acme")[1] == world.acme
    for name in ("anna", "lena", "udo"):
        for slug in ("globex", "platform", "no-such"):
            with pytest.raises(NotFound, match=f"^no tenant is called '{slug}'"):
                find_actor(name, slug)
    with pytest.raises(NotFound, match=r"^no tenant is called 'no-such'"):
        find_actor("admin", "no-such")


def test_an_admin_of_a_customer_stays_there(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        create_user(session, world.root, username="chief", email="c@acme.io", role=Role.ADMIN, password_hash="h")
    chief, _ = find_actor("chief", "acme")
    with pytest.raises(NotFound):
        find_actor("chief", "globex")
    with read_session(tenant=world.acme) as session:
        assert [tenant.slug for tenant in list_tenants(session, chief)] == ["acme"]
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, chief, slug="globex", active=False)


def test_names_are_found_in_any_case_and_by_e_mail(world: World) -> None:
    assert find_actor("ANNA", "acme")[0].user_id == world.anna.user_id
    assert find_actor("anna@acme.io", "acme")[0].user_id == world.anna.user_id
    with pytest.raises(NotFound, match=r"^no user is called 'nobody'"):
        find_actor("nobody", "acme")


def test_an_actor_changes_nothing_in_another_tenant_whatever_a_door_lets_in(world: World) -> None:
    before = everything()
    changes: list[Callable[[TenantSession], Any]] = [
        lambda s: set_user_active(s, world.gina, username="udo", active=False),
        lambda s: set_password(s, world.gina, username="udo", password_hash="stolen"),
    ]
    for change in changes:
        refused = pytest.raises(TenantMismatch, match=r"^gina belongs to another tenant")
        with refused, get_db_session(tenant=world.acme) as session:
            change(session)
    assert everything() == before


def test_the_disabled_and_the_suspended_are_refused(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
        set_tenant_active(session, world.admin, slug="globex", active=False)
    with pytest.raises(NotAllowed, match=r"^udo is disabled$"):
        find_actor("udo", "acme")
    with pytest.raises(NotAllowed, match=r"^tenant globex is suspended"):
        find_actor("gina", "globex")
    assert find_actor("admin", "globex")[1] == world.globex


def test_the_audit_trail_says_how_somebody_came_in(world: World) -> None:
    via_cli = replace(world.anna, via="cli: root")
    with get_db_session(tenant=world.acme) as session:
        set_password(session, via_cli, username="udo", password_hash="h2")
    assert audited(event="user.password") == [("user.password", "udo", "SUCCESS", "anna (cli: root)", None, None)]


def test_users_of_other_tenants_do_not_exist(world: World) -> None:
    with read_session(tenant=world.acme) as session:
        assert [user.username for user in list_users(session)] == ["anna", "lena", "udo"]
    with (
        pytest.raises(NotFound, match=r"^no user of this tenant is called 'gina'"),
        get_db_session(tenant=world.acme) as session,
    ):
        set_password(session, world.anna, username="gina", password_hash="stolen")
    assert {row["password_hash"] for row in rows_of(User, username="gina")} == {"h"}


def test_spothive_itself_acts_in_every_tenant_and_is_no_user(world: World) -> None:
    itself = spothive_itself("sweep")
    assert (itself.label, itself.actor_id, itself.is_staff) == ("spothive (sweep)", None, True)
    with get_db_session(tenant=world.globex) as session:
        record(session, itself, "a.test", "thing", ResourceType.SYSTEM)
    [row] = rows_of(AuditLog, event="a.test")
    assert (row["tenant_id"], row["actor_id"], row["actor_name"]) == (world.globex, None, "spothive (sweep)")


def test_spothive_itself_may_not_do_what_takes_a_person(world: World) -> None:
    called: Any = {"attempt": "a.test", "resource": "thing", "resource_type": ResourceType.APPROVAL}
    with pytest.raises(Denied, match=r"^spothive itself may not do this: it takes a person$"):
        require_person(spothive_itself("sweep"), **called)
    with pytest.raises(Denied, match=r"^spothive itself"):
        require(spothive_itself("sweep"), Action.MANAGE_USERS, **called)
