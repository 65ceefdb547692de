"""Raw SQL, as the very login in DATABASE_URL: the row policies of PostgreSQL hold without any help from Python."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import ForeignKeyConstraint, Table, text
from sqlalchemy.engine import make_url

from spothive.clock import utc_now
from spothive.database import get_db_session, get_engine, policies, run_all_migrations, system_scope
from spothive.errors import TenantNotBound
from spothive.models import Base, User
from spothive.schema.tenancy import owner_column
from tests.conftest import Database, fresh_postgresql, migrated_copy, settings
from tests.factories.logins import another_login
from tests.factories.samples import TABLES, Row, sample, sample_graph, sql_insert, sql_update

LOGINS = ("service", "owner", "superuser")
OWNED = [table for table in Base.metadata.sorted_tables if owner_column(table)]
TENANT_TABLES = [table for table in OWNED if table.name != "tenants"]
GLOBAL = [table for table in Base.metadata.sorted_tables if not owner_column(table)]
KEYS = [
    (table, key)
    for table in TENANT_TABLES
    for key in table.constraints
    if isinstance(key, ForeignKeyConstraint) and "tenant_id" in key.column_keys and len(key.column_keys) > 1
]


@dataclass(frozen=True)
class House:
    """A database used by one kind of login, with a row of two tenants in every table."""

    login: str
    database: Database
    alpha: dict[str, Row]
    beta: dict[str, Row]

    @contextmanager
    def bound_to(self, tenant: dict[str, Row] | None) -> Iterator[psycopg.Connection[Any]]:
        """Open a raw connection as the service's login, in a transaction of ``tenant`` that is rolled back."""
        with self.database.raw() as connection, connection.transaction(force_rollback=True):
            if tenant:
                bind(connection, tenant)
            yield connection


def bind(connection: psycopg.Connection[Any], tenant: dict[str, Row]) -> None:
    connection.execute("SELECT set_config('spothive.tenant_id', %s, true)", (str(tenant["tenants"]["id"]),))


# PostgreSQL asks no superuser for anything; the others are under the policies by themselves.
under_policies = pytest.mark.parametrize("house", ["service", "owner"], indirect=True, scope="module")
service_alone = pytest.mark.parametrize("house", ["service"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=LOGINS)
def house(
    request: pytest.FixtureRequest, templates: dict[str, str], postgresql_url: str, tmp_path_factory: Any
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with _database(request.param, templates, postgresql_url, folder) as database:
        with get_db_session() as session, system_scope(session, "test"):
            graphs = [sample_graph(session, UUID(int=number), number) for number in (1, 2)]
        yield House(request.param, database, *graphs)


@contextmanager
def _database(login: str, templates: dict[str, str], server_url: str, folder: Path) -> Iterator[Database]:
    if login == "service":
        with migrated_copy("postgresql", templates, folder) as database:
            yield database
        return
    with (
        fresh_postgresql(None, server_url) as url,
        _owner_of(url, login) as owner_url,
        settings(DATABASE_URL=owner_url, SPOTHIVE_OWNER_URL=""),
    ):
        run_all_migrations()
        yield Database("postgresql", owner_url, owner_url)


@contextmanager
def _owner_of(url: str, login: str) -> Iterator[str]:
    """Yield the URL of the database's owner: the superuser of ``url``, or a login that owns it and no more."""
    if login == "superuser":
        yield url
        return
    name = f"spothive_owner_{secrets.token_hex(4)}"
    with Database("postgresql", url, url).raw() as superuser:
        superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'owner'")
        superuser.execute(f"ALTER DATABASE {superuser.info.dbname} OWNER TO {name}")
        for statement in policies.role_statements(name):
            superuser.execute(statement)
        try:
            yield make_url(url).set(username=name, password="owner").render_as_string(hide_password=False)
        finally:
            superuser.execute(f"REASSIGN OWNED BY {name} TO current_user")
            superuser.execute(f"DROP OWNED BY {name}")
            superuser.execute(f"DROP ROLE {name}")


# what the login is


def test_no_connection_of_the_service_is_above_the_policies(house: House) -> None:
    with get_engine().connect() as connection:
        role = connection.execute(
            text(
                "SELECT rolsuper, rolbypassrls, pg_has_role(current_user, 'spothive_system', 'USAGE'), "
                "pg_has_role(session_user, 'spothive_system', 'MEMBER'), row_security_active('users') "
                "FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    assert tuple(role) == (False, False, False, True, True)


def test_only_an_owner_steps_down(house: House) -> None:
    with get_engine().connect() as connection:
        names = connection.execute(text("SELECT current_user, session_user")).one()
    login = make_url(house.database.service_url).username
    assert tuple(names) == (login if house.login == "service" else "spothive_app", login)


# what it sees


def test_unbound_it_sees_no_row(house: House) -> None:
    with get_engine().connect() as connection:
        for table in OWNED:
            assert connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar() == 0, table.name
    if house.login == "superuser":
        return  # PostgreSQL asks no superuser for anything: spothive itself never works as one
    with house.bound_to(None) as connection:
        for table in OWNED:
            assert count(connection, table) == 0, table.name


def count(connection: psycopg.Connection[Any], table: Table) -> int:
    (found,) = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone() or (None,)
    assert isinstance(found, int)
    return found


def test_bound_it_sees_the_rows_of_its_tenant(house: House) -> None:
    with get_db_session(tenant=house.alpha["tenants"]["id"]) as session:
        for table in OWNED:
            owner = owner_column(table)
            seen = session.execute(text(f"SELECT {owner} FROM {table.name}")).scalars().all()
            assert seen == [house.alpha["tenants"]["id"]], table.name


@under_policies
def test_a_setting_that_is_no_tenant_shows_nothing(house: House) -> None:
    with house.bound_to(None) as connection:
        connection.execute("SELECT set_config('spothive.tenant_id', '', true)")
        assert count(connection, TABLES["users"]) == 0
        connection.execute("SELECT set_config('spothive.tenant_id', %s, true)", (str(UUID(int=99)),))
        assert count(connection, TABLES["users"]) == 0
        connection.execute("SELECT set_config('spothive.tenant_id', 'everybody', true)")
        with pytest.raises(errors.InvalidTextRepresentation):
            count(connection, TABLES["users"])


@under_policies
def test_the_tenant_is_forgotten_with_the_transaction(house: House) -> None:
    with house.database.raw() as connection:
        with connection.transaction():
            bind(connection, house.alpha)
            assert count(connection, TABLES["users"]) == 1
        assert count(connection, TABLES["users"]) == 0


@under_policies
def test_row_security_cannot_be_switched_off(house: House) -> None:
    with house.bound_to(house.alpha) as connection:
        connection.execute("SET LOCAL row_security = off")
        with pytest.raises(errors.InsufficientPrivilege):
            count(connection, TABLES["users"])


@under_policies
def test_a_function_in_a_condition_sees_no_foreign_row(house: House) -> None:
    notices: list[str] = []
    with house.bound_to(house.alpha) as connection:
        connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        connection.execute(
            "CREATE FUNCTION pg_temp.tell(name text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
            "$$ BEGIN RAISE NOTICE '%', name; RETURN true; END $$"
        )
        connection.execute("SELECT FROM users WHERE pg_temp.tell(username)")
    assert notices == [house.alpha["users"]["username"]]


@under_policies
def test_statistics_tell_nothing(house: House) -> None:
    with house.database.raw(owner=True) as owner:
        owner.execute("ANALYZE users")
    with house.bound_to(house.alpha) as connection:
        assert connection.execute("SELECT * FROM pg_stats WHERE tablename = 'users'").fetchall() == []


# what it writes


@pytest.mark.parametrize(("table", "key"), KEYS, ids=lambda part: str(part.name))
def test_no_row_points_at_another_tenants_parent(house: House, table: Table, key: ForeignKeyConstraint) -> None:
    column = next(name for name in key.column_keys if name != "tenant_id")
    theirs, nobodys = house.beta[key.referred_table.name]["id"], UUID(int=99)
    with get_engine().connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        for statement in (insert_of, update_to):
            refused = refusal(raw, house, statement(house, table, column, theirs))
            assert refused == refusal(raw, house, statement(house, table, column, nobodys)), "it can be told apart"
            assert refused == key.name or refused.startswith(("lc_", "uq_")), "a trigger or unique key may be first"


def insert_of(house: House, table: Table, column: str, parent: UUID) -> str:
    parents = {name: row["id"] for name, row in house.alpha.items()}
    return sql_insert("postgresql", table.name, sample(table.name, parents, 3, **changes(table, column, parent)))


def update_to(house: House, table: Table, column: str, parent: UUID) -> str:
    return sql_update("postgresql", table.name, house.alpha[table.name]["id"], **changes(table, column, parent))


def changes(table: Table, column: str, parent: UUID) -> dict[str, Any]:
    """Return the values with which a row of ``table`` points at ``parent`` by ``column``, and by no other instead."""
    besides: dict[str, dict[str, Any]] = {
        "instances.replica_of_id": {"is_replica": True, "replica_expiry": utc_now()},
        "api_keys.cluster_id": {"user_id": None, "scopes": ["agent"]},
        "approval_requests.cluster_id": {"instance_id": None, "action_type": "HIBERNATE_CLUSTER"},
        "approval_requests.waste_resource_id": {"instance_id": None, "action_type": "DELETE_WASTE"},
    }
    return {column: parent, **besides.get(f"{table.name}.{column}", {})}


def refusal(connection: Any, house: House, statement: str) -> str:
    """Return the rule that refuses a write of alpha's."""
    with connection.transaction(force_rollback=True):
        bind(connection, house.alpha)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(errors.IntegrityError) as refused, connection.transaction():
            connection.execute(statement)
    return str(refused.value.diag.constraint_name)


@pytest.mark.parametrize("table", TENANT_TABLES, ids=lambda table: str(table.name))
@under_policies
def test_no_row_is_written_for_another_tenant(house: House, table: Table) -> None:
    parents = {name: row["id"] for name, row in house.beta.items()}
    with house.bound_to(house.alpha) as connection:
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"), connection.transaction():
            connection.execute(sql_insert("postgresql", table.name, sample(table.name, parents, 4)))
        with pytest.raises(errors.Error), connection.transaction():
            connection.execute(f"UPDATE {table.name} SET tenant_id = '{parents['tenants']}'")
        for statement in (f"UPDATE {table.name} SET id = id", f"DELETE FROM {table.name}"):
            theirs = f"{statement} WHERE tenant_id = '{parents['tenants']}'"
            assert connection.execute(theirs).rowcount == 0


@pytest.mark.parametrize("table", [*GLOBAL, TABLES["tenants"]], ids=lambda table: str(table.name))
@under_policies
def test_what_all_share_is_read_only(house: House, table: Table) -> None:
    with get_engine().connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        for verb in ("UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with raw.transaction(force_rollback=True), pytest.raises(errors.InsufficientPrivilege):
                raw.execute(verb.format(table.name))


@under_policies
def test_copy_does_not_pass_by_the_policies(house: House) -> None:
    with house.bound_to(house.alpha) as connection:
        with connection.cursor().copy("COPY (SELECT username FROM users) TO STDOUT") as copy:
            assert b"".join(copy).decode().split() == [house.alpha["users"]["username"]]
        with pytest.raises(errors.FeatureNotSupported), connection.transaction():
            copy_in(connection)


def copy_in(connection: psycopg.Connection[Any]) -> None:
    with connection.cursor().copy("COPY users (tenant_id, id) FROM STDIN") as copy:
        copy.write_row((UUID(int=2), UUID(int=3)))


# what it may become


@under_policies
def test_a_role_is_taken_on_by_the_name_of_the_way_back(house: House) -> None:
    with house.bound_to(house.alpha) as connection:
        connection.execute("SET LOCAL ROLE spothive_system")
        assert count(connection, TABLES["users"]) == 2
        connection.execute("SET LOCAL ROLE spothive_app")
        assert count(connection, TABLES["users"]) == 1


@pytest.mark.parametrize("way", ["RESET ROLE", "SET ROLE NONE", "SET LOCAL ROLE NONE", "DISCARD ALL", "RESET ALL"])
@under_policies
def test_no_way_back_to_the_login_shows_more(house: House, way: str) -> None:
    with get_engine().connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        connection.detach()
        raw.autocommit = True
        raw.execute(way)
        assert count(raw, TABLES["users"]) == 0
        with raw.transaction(force_rollback=True):
            bind(raw, house.alpha)
            if way != "DISCARD ALL":  # not inside a transaction
                raw.execute(way)
            assert count(raw, TABLES["users"]) <= 1


@pytest.mark.parametrize("role", ["spothive_readonly", "pg_read_all_data", "postgres"])
@under_policies
def test_no_other_role_is_within_reach(house: House, role: str) -> None:
    with house.bound_to(None) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(f"SET ROLE {role}")


@service_alone
def test_a_login_that_inherits_system_scope_steps_down(house: House) -> None:
    with another_login(house.database, "IN ROLE spothive_app, spothive_gate, spothive_system") as database:
        with database.raw() as connection:
            assert count(connection, TABLES["users"]) == 2, "the mistake"
        with get_engine().connect() as service:
            assert service.scalar(text("SELECT count(*) FROM users")) == 0
            assert service.scalar(text("SELECT current_user")) == "spothive_app"


# the role for reports


@pytest.fixture
def report(house: House) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose login has ``spothive_readonly`` and nothing else."""
    with another_login(house.database, "IN ROLE spothive_readonly") as database, database.raw() as connection:
        connection.autocommit = False
        yield connection


@service_alone
def test_reports_see_the_bound_tenant_and_write_nothing(house: House, report: psycopg.Connection[Any]) -> None:
    for table in OWNED:
        assert count(report, table) == 0
    bind(report, house.alpha)
    for table in OWNED:
        assert count(report, table) == 1
    for table in Base.metadata.sorted_tables:
        for statement in (f"UPDATE {table.name} SET id = id", f"DELETE FROM {table.name}"):
            with pytest.raises(errors.InsufficientPrivilege), report.transaction():
                report.execute(statement)
    for role in ("spothive_system", "spothive_app", "spothive_gate"):
        with pytest.raises(errors.InsufficientPrivilege), report.transaction():
            report.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege), report.transaction():
        report.execute("SELECT * FROM login_row('x')")


def test_an_unbound_session_of_any_login_is_told_what_to_do(house: House) -> None:
    with pytest.raises(TenantNotBound), get_db_session() as session:
        session.query(User).all()
