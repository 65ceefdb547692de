"""Tenants and users: what is taken, what is refused and by which rule."""

from __future__ import annotations

from threading import Barrier, Thread
from uuid import UUID

import pytest

from spothive.database import PLATFORM_TENANT_ID, Role, Tenant, User, get_db_session, read_session
from spothive.database.seed_data import seed_initial_data
from spothive.errors import Conflict, Denied, DuplicateValue, IllegalMove, InvalidInput, NotFound, ValueRefused
from spothive.operations.identity import (
    create_tenant,
    create_user,
    find_actor,
    list_tenants,
    list_users,
    set_password,
    set_tenant_active,
    set_user_active,
)
from tests.conftest import Database
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of


def make_user(world: World, *, username: str = "new", email: str = "new@acme.io") -> User:
    with get_db_session(tenant=world.acme) as session:
        return create_user(session, world.anna, username=username, email=email, role=Role.USER, password_hash="h")


# --- tenants ---


def test_staff_sees_all_tenants_and_a_customer_its_own(world: World) -> None:
    with read_session(tenant=world.acme) as session:
        assert [tenant.slug for tenant in list_tenants(session, world.admin)] == ["acme", "globex", "platform"]
        assert [tenant.slug for tenant in list_tenants(session, world.anna)] == ["acme"]


def test_a_slug_is_taken_once(world: World) -> None:
    before = everything()
    with pytest.raises(DuplicateValue, match="slug") as refusal, get_db_session(tenant=world.acme) as session:
        create_tenant(session, world.admin, slug="acme", name="Another")
    assert refusal.value.rule == "uq_tenants_slug"
    assert everything() == before


@pytest.mark.parametrize("slug", ["", "Acme", "ac me", "ac_me", "ácme", "a" * 64, "acme\n"])
def test_a_slug_is_lower_case_letters_digits_and_hyphens(world: World, slug: str) -> None:
    with pytest.raises((ValueRefused, InvalidInput)), get_db_session(tenant=world.acme) as session:
        create_tenant(session, world.admin, slug=slug, name="Name")


def test_platform_is_never_suspended(world: World) -> None:
    with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_tenant_active(session, world.root, slug="platform", active=False)
    assert refusal.value.rule == "lc_tenants_platform"
    assert rows_of(Tenant, slug="platform")[0]["is_active"] is True


def test_suspending_twice_is_written_once(world: World) -> None:
    for _ in range(2):
        with get_db_session(tenant=world.acme) as session:
            assert not set_tenant_active(session, world.admin, slug="globex", active=False).is_active
    assert len(audited(event="tenant.suspended")) == 1


def test_an_unknown_tenant_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match=r"^no tenant is called 'initech'"), get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="initech", active=False)


# --- users ---


def test_names_and_addresses_are_kept_in_lower_case(world: World) -> None:
    user = make_user(world, username=" New ", email=" New@ACME.io ")
    assert (user.username, user.email) == ("new", "new@acme.io")
    assert user.must_change_password
    with read_session(tenant=world.acme) as session:
        assert "new" in [listed.username for listed in list_users(session)]


@pytest.mark.parametrize(
    ("taken", "rule"),
    [({"username": "gina"}, "uq_users_username"), ({"email": "gina@globex.io"}, "uq_users_email")],
)
def test_names_and_addresses_are_taken_once_in_the_whole_system(world: World, taken: dict[str, str], rule: str) -> None:
    before = everything()
    with pytest.raises(DuplicateValue) as refusal:
        make_user(world, **taken)
    assert refusal.value.rule == rule
    assert "globex" not in str(refusal.value)
    assert everything() == before


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_only_a_super_admin_makes_admins(world: World, role: Role) -> None:
    for actor in (world.admin, world.anna):
        with pytest.raises(Denied, match=r"ask super_admin$"), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            create_user(session, actor, username="boss", email="b@x.io", role=role, password_hash="h")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        create_user(session, world.root, username="boss", email="b@x.io", role=role, password_hash="h")
    assert find_actor("boss", "acme")[0].role is role


def test_an_admin_makes_the_first_super_admin_of_platform_and_no_other(db: Database) -> None:
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        acme = create_tenant(session, admin, slug="acme", name="Acme").id

    def make(username: str, tenant_id: UUID, role: Role) -> None:
        email = f"{username}@x.io"
        with get_db_session(tenant=tenant_id) as session:
            create_user(session, admin, username=username, email=email, role=role, password_hash="h")

    for tenant_id, role in ((acme, Role.SUPER_ADMIN), (PLATFORM_TENANT_ID, Role.ADMIN)):
        with pytest.raises(Denied):
            make("boss", tenant_id, role)
    make("root", PLATFORM_TENANT_ID, Role.SUPER_ADMIN)
    with pytest.raises(Denied):
        make("boss", PLATFORM_TENANT_ID, Role.SUPER_ADMIN)


def test_only_a_super_admin_disables_admins_or_sets_their_passwords(world: World) -> None:
    for actor in (world.admin, world.anna):
        with pytest.raises(Denied), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            set_user_active(session, actor, username="root", active=False)
        with pytest.raises(Denied), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            set_password(session, actor, username="root", password_hash="stolen")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_password(session, world.root, username="admin", password_hash="given")
        set_user_active(session, world.root, username="admin", active=False)
    (admin,) = rows_of(User, username="admin")
    assert (admin["password_hash"], admin["must_change_password"], admin["is_active"]) == ("given", True, False)


def test_everybody_sets_the_own_password(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_password(session, world.udo, username="udo", password_hash="mine")
    (udo,) = rows_of(User, username="udo")
    assert (udo["password_hash"], udo["must_change_password"]) == ("mine", False)
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
        set_password(session, world.udo, username="anna", password_hash="not mine")


def test_a_new_password_unlocks(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.get_one(User, world.udo.user_id).failed_logins = 5
    with get_db_session(tenant=world.acme) as session:
        set_password(session, world.anna, username="udo", password_hash="new")
    assert rows_of(User, username="udo")[0]["failed_logins"] == 0


def test_disabling_twice_is_written_once(world: World) -> None:
    for _ in range(2):
        with get_db_session(tenant=world.acme) as session:
            assert not set_user_active(session, world.anna, username="udo", active=False).is_active
    assert len(audited(event="user.disabled")) == 1


def test_two_changes_of_one_user_in_one_session_are_both_kept(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_password(session, world.anna, username="udo", password_hash="new")
        set_user_active(session, world.anna, username="udo", active=False)
    (udo,) = rows_of(User, username="udo")
    assert (udo["password_hash"], udo["is_active"]) == ("new", False)


def test_the_last_admin_of_platform_stays(world: World) -> None:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_user_active(session, world.root, username="admin", active=False)
    before = everything()
    with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        set_user_active(session, world.root, username="root", active=False)
    assert refusal.value.rule == "lc_users_last_admin"
    assert everything() == before


def test_of_two_who_disable_the_same_user_one_does(world: World) -> None:
    with get_db_session() as session:
        both_look_first = session.get_bind().dialect.name == "postgresql"  # SQLite has one writer, from its first look
    barrier, errors = Barrier(2), []

    def disable() -> None:
        try:
            with get_db_session(tenant=world.acme) as session:
                list_users(session)
                if both_look_first:
                    barrier.wait(60)
                set_user_active(session, world.anna, username="udo", active=False)
        except Conflict as error:
            errors.append(str(error))

    threads = [Thread(target=disable) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(audited(event="user.disabled")) == 1
    assert errors == ["udo has just been changed by somebody else: see `spothive user list`"] * both_look_first
