"""The last active admin of ``platform`` stays, whatever is tried and however many try at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from spothive.database import TenantSession, get_db_session, system_scope
from spothive.errors import IllegalMove
from spothive.models import PLATFORM_TENANT_ID, Role, Tenant, User
from tests.conftest import Database
from tests.factories.samples import rule_of, sample, sql_delete, sql_insert, sql_update

RULE, GONE, PLATFORM = "lc_users_last_admin", "lc_users_last_admin_gone", "lc_tenants_platform"


@pytest.fixture
def admins(db: Database) -> Iterator[list[UUID]]:
    """Two active admins of ``platform``, among people who do not count."""
    other = uuid4()
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.insert(Tenant).values(id=other, name="Other", slug="other"))
        people = [
            person(1, role="admin"),
            person(2, role="super_admin"),
            person(3, role="client"),
            person(4, role="admin", is_active=False),
            person(5, tenant=other, role="super_admin"),
        ]
        session.execute(sa.insert(User), people)
    yield [people[0]["id"], people[1]["id"]]
    with get_db_session() as session, system_scope(session, "test"):
        assert active_admins(session) >= 1


def person(number: int, *, tenant: UUID = PLATFORM_TENANT_ID, **values: Any) -> dict[str, Any]:
    return sample("users", {"tenants": tenant}, number, **{"is_active": True} | values)


def active_admins(session: TenantSession) -> int:
    mine = (User.tenant_id == PLATFORM_TENANT_ID, User.is_active, User.role.in_((Role.ADMIN, Role.SUPER_ADMIN)))
    return session.scalar(sa.select(sa.func.count()).select_from(User).where(*mine)) or 0


def departures(engine: str, admin: UUID) -> dict[str, tuple[str, str]]:
    """Return every single statement by which an admin could go, and the rule that minds."""
    elsewhere = "(SELECT id FROM tenants WHERE slug = 'other')"
    of_admin = sql_delete(engine, "users", admin).partition(" WHERE ")[2]
    ways = {
        "demote": (sql_update(engine, "users", admin, role="client"), RULE),
        "disable": (sql_update(engine, "users", admin, is_active=False), RULE),
        "demote and disable": (sql_update(engine, "users", admin, role="lab", is_active=False), RULE),
        "move": (f"UPDATE users SET tenant_id = {elsewhere} WHERE {of_admin}", RULE),
        "delete": (sql_delete(engine, "users", admin), GONE),
    }
    if engine == "sqlite":
        replaced = person(1, id=admin, role="client")
        ways |= {
            "role to its default": (sql_update(engine, "users", admin, verb="UPDATE OR REPLACE", role=None), RULE),
            "replace": (sql_insert(engine, "users", replaced, verb="REPLACE"), "pk_users"),
            "replace by name": (
                sql_insert(engine, "users", replaced | {"id": uuid4()}, verb="REPLACE"),
                "uq_users_username",
            ),
            "take the name": (
                "UPDATE OR REPLACE users SET username = '001' WHERE username = '003'",
                "uq_users_username",
            ),
        }
    return ways


WAYS = ["demote", "disable", "demote and disable", "move", "delete"]
SQLITE_WAYS = ["role to its default", "replace", "replace by name", "take the name"]


@pytest.mark.parametrize("way", WAYS)
def test_of_two_admins_one_may_go_and_the_last_stays(db: Database, admins: list[UUID], way: str) -> None:
    with db.raw(owner=True) as connection:
        connection.execute(departures(db.engine, admins[1])[way][0])
        statement, rule = departures(db.engine, admins[0])[way]
        with pytest.raises(Exception, match=rule) as caught:
            connection.execute(statement)
        assert rule_of(caught.value) == rule


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("way", SQLITE_WAYS)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_sqlites_own_words_do_not_remove_the_last_admin(
    db: Database, admins: list[UUID], way: str, recursive: str
) -> None:
    with db.raw() as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        connection.execute(departures(db.engine, admins[1])["delete"][0])
        statement, rule = departures(db.engine, admins[0])[way]
        with pytest.raises(Exception, match=rule):
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE users SET role = 'user'", RULE),
        ("UPDATE users SET role = 'user' WHERE role IN ('admin', 'super_admin')", RULE),
        ("UPDATE users SET is_active = NOT is_active", RULE),
        ("UPDATE users SET tenant_id = (SELECT id FROM tenants WHERE slug = 'other')", RULE),
        ("DELETE FROM users", GONE),
        ("DELETE FROM tenants", f"{PLATFORM}_gone"),
        ("DELETE FROM tenants WHERE slug = 'platform'", f"{PLATFORM}_gone"),
        ("UPDATE tenants SET is_active = false WHERE slug = 'platform'", PLATFORM),
        ("UPDATE tenants SET slug = 'mine' WHERE slug = 'platform'", PLATFORM),
    ],
)
def test_one_statement_for_all_admins_is_refused_whole(
    db: Database, admins: list[UUID], statement: str, rule: str
) -> None:
    with db.raw(owner=True) as connection:
        before = connection.execute("SELECT id, tenant_id, role, is_active FROM users ORDER BY id").fetchall()
        with pytest.raises(Exception, match=rule) as caught:
            connection.execute(statement)
        assert rule_of(caught.value) == rule
        assert connection.execute("SELECT id, tenant_id, role, is_active FROM users ORDER BY id").fetchall() == before


@pytest.mark.parametrize(
    "harmless",
    [
        "UPDATE users SET role = 'super_admin' WHERE username = '001'",
        "UPDATE users SET role = role, is_active = is_active, tenant_id = tenant_id",
        "UPDATE users SET failed_logins = 3, role = 'admin' WHERE username = '001'",
        "DELETE FROM users WHERE username IN ('003', '004')",
        "UPDATE users SET role = 'user' WHERE username = '005'",
        "DELETE FROM tenants WHERE slug = 'other'",
        "UPDATE tenants SET name = 'Staff' WHERE slug = 'platform'",
        "UPDATE tenants SET id = id, slug = slug, is_active = is_active",
    ],
)
def test_what_leaves_an_admin_is_allowed(db: Database, admins: list[UUID], harmless: str) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("DELETE FROM users WHERE username = '002'")
        connection.execute(harmless)


@pytest.mark.parametrize("change", [{"role": Role.CLIENT}, {"is_active": False}], ids=["demote", "disable"])
def test_through_a_session_the_refusal_says_what_to_do(
    db: Database, admins: list[UUID], change: dict[str, Any]
) -> None:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.delete(session.get_one(User, admins[1]))
    with (
        pytest.raises(IllegalMove, match="make somebody else admin first") as caught,
        get_db_session(tenant=PLATFORM_TENANT_ID) as session,
    ):
        session.execute(sa.update(User).where(User.id == admins[0]).values(**change))
    assert (caught.value.rule, caught.value.table) == (RULE, "users")


# --- at once --------------------------------------------------------------------------------------


def test_two_admins_who_demote_each_other_leave_one(db: Database, admins: list[UUID]) -> None:
    for turn in range(20):
        outcomes = at_once([partial(demote, who) for who in admins])
        assert sorted(map(str, outcomes)) == ["None", RULE], f"turn {turn}"
        reinstate(admins)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("way", WAYS[:2])
def test_one_remains_at_every_isolation_level(db: Database, admins: list[UUID], isolation: str, way: str) -> None:
    both_have_looked = threading.Barrier(2)

    def leave(who: UUID) -> str | None:
        with db.raw(owner=True) as connection:
            try:
                connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
                assert connection.execute("SELECT count(*) FROM users").fetchone() == (5,)
                both_have_looked.wait(60)
                connection.execute(departures(db.engine, who)[way][0])
                connection.execute("COMMIT")
            except psycopg.Error as refusal:
                return rule_of(refusal)
        return None

    for turn in range(10):
        outcomes = at_once([partial(leave, who) for who in admins])
        # 40001 is "could not serialize": try again. 40P01 would be a deadlock.
        assert outcomes.count(None) == 1, f"turn {turn}: {outcomes}"
        assert set(outcomes) <= ({None, RULE} if isolation == "READ COMMITTED" else {None, RULE, "40001"})
        reinstate(admins)


def demote(who: UUID) -> str | None:
    try:
        with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            session.get_one(User, who).role = Role.CLIENT
    except IllegalMove as refusal:
        return refusal.rule
    return None


def reinstate(admins: list[UUID]) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        assert active_admins(session) == 1
        mine = sa.update(User).where(User.id.in_(admins), User.tenant_id == PLATFORM_TENANT_ID)
        session.execute(mine.values(role=Role.ADMIN, is_active=True))


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Run ``acts`` in threads that start together; return what they return."""
    start, outcomes = threading.Barrier(len(acts)), [NotImplemented] * len(acts)

    def run(number: int) -> None:
        start.wait(60)
        outcomes[number] = acts[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return outcomes
