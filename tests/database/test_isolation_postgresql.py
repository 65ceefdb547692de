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
from psycopg import errors, sql
from sqlalchemy import ForeignKeyConstraint, Table, text
from sqlalchemy.engine import make_url

from spothive.database import get_db_session, get_engine, policies, run_all_migrations, system_scope
from spothive.errors import TenantNotBound
from spothive.models import Base, User
from spothive.schema.tenancy import owner_column
from tests.conftest import Database, fresh_postgresql, migrated_copy, settings
from tests.factories.samples import TABLES, Row, sample, sample_graph, sql_insert, sql_value
from tests.factories.two_tenants import World

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
    with fresh_postgresql(None, server_url) as url, _owner(url, login) as owner_url:
        with settings(DATABASE_URL=owner_url, SPOTHIVE_OWNER_URL=""):
            run_all_migrations()
            yield Database("postgresql", owner_url, owner_url)


@contextmanager
def _owner(url: str, login: str) -> Iterator[str]:
    """Yield the URL of an empty database's owner: the superuser, or a login that is nothing else."""
    if login == "superuser":
        yield url
        return
    name = f"spothive_owner_{secrets.token_hex(4)}"
    with psycopg.connect(str(make_url(url).set(drivername="postgresql").render_as_string(False)), autocommit=True) as c:
        c.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'owner'")
        c.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(c.info.dbname), sql.Identifier(name)))
        for statement in policies.role_statements(name):
            c.execute(statement)
        try:
            yield make_url(url).set(username=name, password="owner").render_as_string(hide_password=False)
        finally:
            c.execute(f"REASSIGN OWNED BY {name} TO postgres")
            c.execute(f"DROP OWNED BY {name}")
            c.execute(f"DROP ROLE {name}")
