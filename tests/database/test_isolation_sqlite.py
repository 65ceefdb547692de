"""What keeps tenants apart where the database has no row policies: the compiler's filter and the triggers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    MetaData,
    column,
    create_engine,
    delete,
    func,
    insert,
    literal,
    select,
    table,
    text,
    true,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import quoted_name

from spothive.database import SessionLocal, TenantSession, get_db_session, get_engine, read_session, system_scope
from spothive.errors import NotAllowed, SchemaOutdated, SpothiveError, TenantMismatch, TenantNotBound
from spothive.models import Account, Instance, OnDemandPrice, User
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.samples import TABLES
from tests.factories.two_tenants import World, make_world, rows_of

pytestmark = pytest.mark.engines("sqlite")
USERS: Any = TABLES["users"]
NO_ID = literal("0" * 32, Instance.id.type)


@pytest.fixture
def world(db: Database) -> World:
    return make_world("sqlite")


def user_row(world: World, **values: Any) -> dict[str, Any]:
    given = {"tenant_id": world.alpha.tenant_id, "email": "new@example.com", "username": "new", "password_hash": "none"}
    return {**given, **values}


def plan(session: TenantSession, query: Any) -> list[str]:
    sql = query.compile(dialect=session.connection().dialect, compile_kwargs={"literal_binds": True})
    return [row.detail for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize(
    ("query", "searched"),
    [
        (
            select(Instance).where(Instance.id == literal("0" * 32, Instance.id.type)),
            {"instances": "id=?"},
        ),
        (
            select(Account.account_name, func.count(Instance.id))
            .join(Account.instances)
            .group_by(Account.account_name),
            {"accounts": "tenant_id=? AND id=?", "instances": "tenant_id=?"},
        ),
        (
            select(Account.account_name, Instance.instance_id).outerjoin(Account.instances),
            {"accounts": "tenant_id=?", "instances": "tenant_id=? AND account_id=?"},
        ),
        (
            select(Account.id).where(Account.instances.any(Instance.state == "running")),
            {"accounts": "tenant_id=?", "instances": "tenant_id=? AND account_id=? AND state=?"},
        ),
        (select(Instance).order_by(Instance.instance_id).limit(20), {"instances": "tenant_id=?"}),
    ],
)
def test_the_filter_uses_the_indexes(world: World, query: Any, searched: dict[str, str]) -> None:
    with read_session(tenant=world.alpha.tenant_id) as session:
        details = plan(session, query)
    for name, columns in searched.items():
        assert any(f"SEARCH main.{name} " in detail and f"({columns})" in detail for detail in details), details
    assert not any("SCAN" in detail or "MATERIALIZE" in detail for detail in details), details


REPLACING: dict[str, Callable[[TenantSession, World], Any]] = {
    "insert or replace": lambda s, w: s.execute(
        insert(User).prefix_with("OR REPLACE").values(**user_row(w, email=w.beta.user.email))
    ),
    "update or replace": lambda s, w: s.execute(update(User).prefix_with("OR REPLACE").values(email=w.beta.user.email)),
    "through the driver": lambda s, _: s.connection().exec_driver_sql(
        "UPDATE users SET full_name = 'x' WHERE username = 'beta'"
    ),
    "deleted through the driver": lambda s, _: s.connection().exec_driver_sql("DELETE FROM users"),
}


@pytest.mark.parametrize("name", REPLACING)
def test_a_row_of_another_tenant_is_not_replaced(world: World, name: str) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        before = rows_of(session, world.beta.tenant_id)
        with pytest.raises(TenantMismatch, match="users: the row belongs to another tenant"):
            REPLACING[name](session, world)
        session.rollback()
        assert rows_of(session, world.beta.tenant_id) == before


def test_own_rows_are_replaced(world: World) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        session.execute(insert(User).prefix_with("OR IGNORE").values(**user_row(world)))
        replacing = insert(User).prefix_with("OR REPLACE").values(**user_row(world, full_name="x"))
        session.execute(replacing)
        assert session.scalar(select(User.full_name).where(User.username == "new")) == "x"


def test_a_table_is_known_in_any_spelling(world: World) -> None:
    with read_session(tenant=world.alpha.tenant_id) as session:
        assert session.scalars(select(table("USERS", column("username")))).all() == ["alpha"]
        with pytest.raises(TenantNotBound):
            session.execute(text('SELECT * FROM "USERS"'))
        with pytest.raises(TenantNotBound):
            session.execute(text("SELECT * FROM main.[users]"))
        assert session.scalar(text("SELECT 'users_of_old'")) == "users_of_old"


BARE_USERS: Any = table("users").alias("accounts")
MAIN_USERS: Any = USERS.to_metadata(MetaData(), schema="main")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (update(table("users", column("full_name"))).values(full_name="x"), TenantNotBound),
        (delete(table("users")), TenantNotBound),
        (delete(BARE_USERS), TenantNotBound),
        (update(select(USERS).cte("accounts")).values(full_name="x"), NotAllowed),
        (update(USERS.join(TABLES["clusters"], true())).values(full_name="x"), NotAllowed),
        (update(MAIN_USERS).values(full_name="x"), NotAllowed),
        (update(MAIN_USERS.alias()).values(full_name="x"), NotAllowed),
        (delete(MAIN_USERS), NotAllowed),
    ],
)
def test_a_write_that_cannot_be_filtered_is_refused(world: World, statement: Any, error: type[Exception]) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        before = rows_of(session, world.beta.tenant_id)
        with pytest.raises(error):
            session.execute(statement)
        session.rollback()
        assert rows_of(session, world.beta.tenant_id) == before


@pytest.mark.parametrize(
    "query",
    [
        select(MAIN_USERS.c.username),
        select(MAIN_USERS.alias().c.username),
        select(MAIN_USERS.c.username, User.username),
        select(table("USERS", column("username"), schema="MAIN")),
        select(table("users", column("username"), schema=quoted_name("main", quote=True))),
    ],
)
def test_a_schema_is_no_way_around_the_filter(world: World, query: Any) -> None:
    with (
        read_session(tenant=world.alpha.tenant_id) as session,
        pytest.raises(NotAllowed, match=r"belongs to tenants: on SQLite it is named without a schema"),
    ):
        session.execute(query)


SOURCES = TABLES["risk_sources"]


@pytest.mark.parametrize(
    "query",
    [
        select(table("RISK_SOURCES", column("instance_id"))),
        select(SOURCES.to_metadata(MetaData())),
        select(SOURCES.to_metadata(MetaData(), schema="main")),
        select(SOURCES).with_hint(SOURCES, "NOT INDEXED"),
        text("SELECT * FROM main.[Risk_Sources]"),
    ],
)
def test_a_table_for_system_scope_alone_is_known_in_any_spelling(world: World, query: Any) -> None:
    with (
        read_session(tenant=world.alpha.tenant_id) as session,
        pytest.raises(NotAllowed, match="risk_sources is for system scope alone"),
    ):
        session.execute(query)


def test_a_translated_schema_is_refused_too(world: World) -> None:
    with read_session(tenant=world.alpha.tenant_id) as session:
        session.connection(execution_options={"schema_translate_map": {None: "main"}})
        with pytest.raises(NotAllowed, match="without a schema"):
            session.execute(select(User))


def test_rows_of_another_tenant_are_not_inserted_under_a_schema(world: World) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session, pytest.raises(TenantMismatch):
        session.execute(insert(MAIN_USERS), [user_row(world, tenant_id=world.beta.tenant_id)])


def unquoted(name: str) -> quoted_name:
    return quoted_name(name, quote=False)


@pytest.mark.parametrize(
    "query",
    [
        select(table(unquoted("main.users"), column("username"))),
        select(column("username")).select_from(table(unquoted("(SELECT * FROM users)"))),
        select(column(unquoted("(SELECT max(username) FROM users)"))),
        select(column("username")).select_from(table("clusters").alias(unquoted("c, users"))),
        select(OnDemandPrice.region.label(unquoted('"x", (SELECT max(username) FROM users)'))),
        select(OnDemandPrice.region.collate(unquoted("NOCASE, (SELECT max(username) FROM users)"))),
    ],
)
def test_a_name_is_never_taken_as_sql(world: World, query: Any) -> None:
    with read_session(tenant=world.alpha.tenant_id) as session:
        try:
            found = session.execute(query).all()
        except (SpothiveError, OperationalError):  # what is not there
            found = []
        assert "beta" not in str(found)


def test_statements_are_kept_compiled_for_system_scope_apart(world: World) -> None:
    query = select(User.username).order_by(User.username)
    change = update(User).values(full_name=User.username)
    for _ in range(3):
        for holding in (world.alpha, world.beta):
            with SessionLocal(tenant=holding.tenant_id) as session:
                own = [holding.user.username]
                assert session.scalars(query).all() == own
                with system_scope(session, "test"):
                    assert session.scalars(query).all() == ["alpha", "beta"]
                    assert session.execute(change).rowcount == 2  # type: ignore[attr-defined]  # a CursorResult
                assert session.scalars(query).all() == own
                assert session.execute(change).rowcount == 1  # type: ignore[attr-defined]  # as above


def test_a_connection_without_a_session_sees_and_writes_nothing(world: World) -> None:
    with get_db_session(tenant=world.alpha.tenant_id) as session:
        session.scalars(select(User)).all()
    with get_engine().connect() as connection:  # the same one, from the pool
        assert connection.execute(select(User)).all() == []
        assert connection.execute(update(User).values(full_name="x")).rowcount == 0
        with pytest.raises(TenantMismatch):
            connection.execute(insert(User), user_row(world))
        with pytest.raises(NotAllowed):
            connection.exec_driver_sql("DELETE FROM on_demand_prices")


def test_the_function_of_a_detached_connection_tells_the_truth(world: World) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        connection = session.connection()
        connection.detach()
        assert connection.exec_driver_sql("SELECT spothive_tenant()").scalar() == world.alpha.tenant_id.hex
        with system_scope(session, "test"):
            assert connection.exec_driver_sql("SELECT spothive_system()").scalar() == 1
        assert connection.exec_driver_sql("SELECT spothive_system()").scalar() == 0


def test_an_engine_that_cannot_keep_tenants_apart_is_refused(db: Database) -> None:
    engine = create_engine(db.service_url)
    with SessionLocal(bind=engine, tenant=make_tenant()) as session, pytest.raises(NotAllowed, match="get_engine"):
        session.scalars(select(User)).all()
    engine.dispose()


def test_a_database_that_is_migrated_while_connected_is_guarded(empty_db: Database) -> None:
    Path(empty_db.service_url.removeprefix("sqlite:///")).touch()
    with pytest.raises(SchemaOutdated), read_session() as session:
        session.scalars(select(OnDemandPrice)).all()
    subprocess.run([sys.executable, "-m", "spothive.database.run_migration"], check=True, capture_output=True)
    user = make_user(make_tenant())
    with pytest.raises(TenantMismatch), get_db_session(tenant=make_tenant()) as session:
        session.connection().exec_driver_sql("DELETE FROM users WHERE username = ?", (user.username,))
