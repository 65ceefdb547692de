"""Who may make the roles, and what an upgrade does where nobody has: on a server that has never seen spothive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from spothive.database import get_db_session, get_engine, policies, read_session, run_all_migrations, system_scope
from spothive.database.backup import back_up, restore
from spothive.database.doctor import Finding, Severity, examine
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.errors import MigrationFailed, SchemaOutdated
from spothive.models import OnDemandPrice, Tenant, User
from tests.conftest import settings
from tests.factories import make_tenant, make_user

ROLES = ("spothive_app", "spothive_readonly", "spothive_gate", "spothive_system")
OWNER, SERVICE = "house_owner", "house_service"


@dataclass(frozen=True)
class Server:
    """A server without roles of ours; ``house_owner`` owns the empty database ``house``."""

    url: URL

    def connect(self, user: str = "", database: str = "house") -> psycopg.Connection[Any]:
        """Open a connection in autocommit, as the superuser unless told otherwise."""
        url = self.url if not user else self.url.set(username=user, password="x")
        plain = url.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
        return psycopg.connect(plain, autocommit=True)

    def login(self, user: str) -> str:
        """Return the URL of a login for the settings."""
        return self.url.set(username=user, password="x", database="house").render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("roles"), durable=False) as server:
        yield make_url(server.owner_url)


@pytest.fixture
def server(embedded: URL) -> Iterator[Server]:
    server = Server(embedded)
    with server.connect(database="postgres") as superuser:
        superuser.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD 'x'")
        superuser.execute(f"CREATE ROLE {SERVICE} LOGIN PASSWORD 'x'")
        superuser.execute(f"CREATE DATABASE house OWNER {OWNER}")
        yield server
        superuser.execute("DROP DATABASE house WITH (FORCE)")
        for role in (*ROLES, OWNER, SERVICE):
            superuser.execute(f"DROP ROLE IF EXISTS {role}")


def tables(server: Server) -> list[str]:
    with server.connect() as superuser:
        rows = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return [name for (name,) in rows]


def roles(server: Server) -> set[str]:
    with server.connect() as superuser:
        rows = superuser.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'spothive%'").fetchall()
    return {name for (name,) in rows}


def examine_errors() -> list[Finding]:
    return [finding for finding in examine() if finding.severity is Severity.ERROR]


def works(server: Server, login: str) -> None:
    """Check that the database is in order for the login in DATABASE_URL."""
    assert examine_errors() == []
    alpha, beta = make_tenant("alpha"), make_tenant("beta")
    make_user(alpha, "ann")
    make_user(beta, "bob")
    with read_session(tenant=alpha) as session:
        assert [user.username for user in session.query(User)] == ["ann"]
    with get_db_session() as session, system_scope(session, "test"):
        assert {tenant.slug for tenant in session.query(Tenant)} == {"platform", "alpha", "beta"}
    with server.connect(login) as raw:
        assert raw.execute("SELECT * FROM users").fetchall() == []
        assert raw.execute("SELECT pg_has_role('spothive_system', 'USAGE')").fetchone() == (False,)
        assert raw.execute("SELECT pg_has_role('spothive_system', 'MEMBER')").fetchone() == (True,)
        raw.execute("SET ROLE spothive_system")
        assert len(raw.execute("SELECT * FROM users").fetchall()) == 2
        raw.execute("RESET ROLE")
        assert raw.execute("SELECT * FROM users").fetchall() == []


def test_an_owner_who_may_create_roles_needs_nobody(server: Server) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    with settings(DATABASE_URL=server.login(OWNER), SPOTHIVE_OWNER_URL=""):
        run_all_migrations()
        assert roles(server) == set(ROLES)
        works(server, OWNER)


def test_such_an_owner_backs_up_and_restores_without_a_superuser(server: Server, tmp_path: Path) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    with settings(DATABASE_URL=server.login(SERVICE), SPOTHIVE_OWNER_URL=server.login(OWNER)):
        run_all_migrations()
        make_user(make_tenant("alpha"), "ann")
        made = back_up(tmp_path / "b.db")
        assert made.tables["users"].rows == 1
        assert restore(tmp_path / "b.db", replace=True).tables == made.tables
        assert examine_errors() == []


def test_such_an_owner_lets_the_service_in(server: Server) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    with settings(DATABASE_URL=server.login(SERVICE), SPOTHIVE_OWNER_URL=server.login(OWNER)):
        run_all_migrations()
        works(server, SERVICE)
        with server.connect(SERVICE) as service, pytest.raises(errors.InsufficientPrivilege):
            service.execute("ALTER TABLE users DISABLE ROW LEVEL SECURITY")


def test_a_login_that_is_new_at_head_is_let_in_by_an_upgrade(server: Server) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    with settings(DATABASE_URL=server.login(OWNER), SPOTHIVE_OWNER_URL=""):
        run_all_migrations()
    with settings(DATABASE_URL=server.login(SERVICE), SPOTHIVE_OWNER_URL=server.login(OWNER)):
        with pytest.raises(SchemaOutdated, match="spothive db upgrade"), read_session() as session:
            session.query(OnDemandPrice).all()
        run_all_migrations()
        works(server, SERVICE)


def test_an_owner_who_may_not_is_told_what_to_do_and_changes_nothing(server: Server) -> None:
    with settings(DATABASE_URL=server.login(SERVICE), SPOTHIVE_OWNER_URL=server.login(OWNER)):
        with pytest.raises(MigrationFailed) as refused:
            run_all_migrations()
        assert str(refused.value) == (
            "house_owner may not create roles or hand them out (spothive_app, spothive_readonly, spothive_system, "
            "spothive_gate): have somebody who may run the output of `spothive db roles`, then run this again; "
            "nothing was changed"
        )
        assert tables(server) == []
        assert roles(server) == set()
        with pytest.raises(SchemaOutdated, match="spothive db upgrade"), read_session() as session:
            session.query(OnDemandPrice).all()
        with server.connect() as superuser:
            for statement in policies.role_statements(OWNER, SERVICE):
                superuser.execute(statement)
        run_all_migrations()
        works(server, SERVICE)


def test_an_owner_who_may_create_roles_but_not_hand_out_these_is_told_so(server: Server) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
        for statement in policies.role_statements():
            superuser.execute(statement)
    with settings(DATABASE_URL=server.login(OWNER), SPOTHIVE_OWNER_URL=""):
        with pytest.raises(MigrationFailed, match="spothive db roles"):
            run_all_migrations()
        assert tables(server) == []


def test_a_service_that_inherits_nothing_works(server: Server) -> None:
    with server.connect() as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEROLE")
        superuser.execute(f"ALTER ROLE {SERVICE} NOINHERIT")
    with settings(DATABASE_URL=server.login(SERVICE), SPOTHIVE_OWNER_URL=server.login(OWNER)):
        run_all_migrations()
        with get_engine().connect() as connection:
            assert connection.scalar(text("SELECT current_user")) == "spothive_app"
        make_tenant("alpha")


def test_guards_are_replaced_by_an_owner_who_may_do_nothing_else(server: Server) -> None:
    with server.connect() as superuser:
        for statement in policies.role_statements(OWNER):
            superuser.execute(statement)
    with settings(DATABASE_URL=server.login(OWNER), SPOTHIVE_OWNER_URL=""):
        run_all_migrations()
        with server.connect(OWNER) as owner:
            owner.execute("UPDATE spothive_guards SET checksum = 'old'")
        run_all_migrations()
        with server.connect(OWNER) as owner:
            assert owner.execute("SELECT * FROM spothive_guards WHERE checksum = 'old'").fetchall() == []
        works(server, OWNER)


def test_the_script_may_run_again_and_twice_at_once(server: Server) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with server.connect() as superuser:
                for statement in policies.role_statements(OWNER, SERVICE):
                    superuser.execute(statement)
        except psycopg.Error as error:
            failures.append(error)

    for _ in range(5):
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert roles(server) == set(ROLES)


def test_a_login_with_an_odd_name_is_quoted(server: Server) -> None:
    name = 'o\'dd "login" %s'
    quoted = sql.Identifier(name)
    with server.connect() as superuser:
        superuser.execute(sql.SQL("CREATE ROLE {}").format(quoted))
        for statement in policies.role_statements(name):
            superuser.execute(statement)
        query = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole ORDER BY 1"
        held = superuser.execute(query, (quoted.as_string(),)).fetchall()
        superuser.execute(sql.SQL("DROP ROLE {}").format(quoted))
    assert held == [("spothive_app",), ("spothive_gate",)]
