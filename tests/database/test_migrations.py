"""The schema is reached by revisions only: from anywhere, by anyone, and never half."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.command import revision
from alembic.config import Config
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy.engine import make_url

from spothive.database import (
    get_db_session,
    guards,
    init_database,
    policies,
    run_all_migrations,
    run_migration,
    system_scope,
)
from spothive.database.drift import find_drift
from spothive.database.migrations import picture, upgrade
from spothive.database.migrations.script import migration_script
from spothive.database.revisions import (
    apply_migrations,
    current_revision,
    downgrade,
    head,
    require_head,
    restore_guards,
    revisions,
)
from spothive.database.roles import role_script
from spothive.errors import DatabaseUnavailable, InvalidInput, MigrationFailed, SchemaOutdated, SchemaTooNew
from spothive.models import Base, Tenant
from tests.conftest import Database, fresh_postgresql, settings
from tests.database.as_owner import catalogue, owner
from tests.database.revision_folder import RevisionFolder
from tests.factories.samples import sample_graph

CHECKOUT = Path(__file__).parents[2]
NEW_TABLE = 'op.create_table("extra", sa.Column("id", sa.Text, primary_key=True))'
DROP_TABLE = 'op.drop_table("extra")'


def tables(db: Database) -> set[str]:
    with owner() as connection:
        return set(sa.inspect(connection).get_table_names())


def command(*arguments: str, folder: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of this test."""
    return subprocess.run(
        arguments, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120, check=False
    )


def alembic(*arguments: str) -> subprocess.CompletedProcess[str]:
    return command(str(Path(sys.executable).with_name("alembic")), *arguments)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["000", "000_core", "000_core.sql", " 000_core "])
def test_a_revision_is_known_by_number_by_name_and_by_file(empty_db: Database, name: str) -> None:
    assert run_migration(name) == "000_core"
    assert current_revision() == "000_core"


def test_the_newest_revision_is_known_as_head(empty_db: Database) -> None:
    assert run_migration("head") == head()
    assert current_revision() == head() == revisions()[-1]
    assert find_drift() == []


def test_an_unknown_revision_is_refused_by_name(empty_db: Database) -> None:
    for name in ("", "00", "0000", "999", "core", "000_", "000_core.txt", "../000_core", "base", "%s"):
        with pytest.raises(InvalidInput, match="there are 000_core") as caught:
            run_migration(name)
        assert repr(name) in str(caught.value)
    assert current_revision() is None


def test_what_is_applied_is_neither_applied_again_nor_taken_back(empty_db: Database, folder: RevisionFolder) -> None:
    extra = folder.add("extra", NEW_TABLE, DROP_TABLE)
    assert run_migration("000") == "000_core"
    assert "extra" not in tables(empty_db)
    assert run_migration(f"{extra}.sql") == extra
    for name in ("000", "001", "head"):
        assert run_migration(name) == extra
    assert "extra" in tables(empty_db)


@pytest.mark.engines("sqlite")
def test_the_command_upgrades_and_names_the_revision(empty_db: Database) -> None:
    module = (sys.executable, "-m", "spothive.database.run_migration")
    done = command(*module, "--migration", "000")
    assert (done.returncode, done.stdout, done.stderr) == (0, "000_core\n", "")
    assert command(*module).stdout == f"{head()}\n"
    wrong = command(*module, "--migration", "999")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.count("\n") == 1


# --- down and up ----------------------------------------------------------------------------------


def test_down_to_nothing_and_up_again(empty_db: Database) -> None:
    run_all_migrations()
    before = catalogue()
    with get_db_session() as session, system_scope(session, "test"):
        sample_graph(session, uuid4())
    assert downgrade("base") is None
    assert catalogue() == {}
    assert tables(empty_db) == {"alembic_version", "spothive_guards"}
    assert current_revision() is None
    run_all_migrations()
    assert catalogue() == before
    assert find_drift() == []


def test_an_upgrade_tells_what_it_applied_itself(empty_db: Database, folder: RevisionFolder) -> None:
    folder.add("extra", NEW_TABLE, DROP_TABLE)
    assert apply_migrations() == revisions()
    assert apply_migrations("000") == apply_migrations() == []


def test_a_downgrade_to_where_the_database_never_was_is_refused(empty_db: Database) -> None:
    with pytest.raises(InvalidInput, match="nothing to take back"):
        downgrade("000")
    assert downgrade("base") is None


def test_revisions_are_taken_back_one_by_one_with_all_guards(db: Database, folder: RevisionFolder) -> None:
    former = head()
    extra = folder.add("extra", NEW_TABLE, DROP_TABLE)
    folder.add("more", "pass")
    run_all_migrations()
    assert downgrade(extra[:3]) == extra
    assert downgrade(former) == former
    assert "extra" not in tables(db)
    assert find_drift() == []


# --- Alembic itself ---------------------------------------------------------------------------------


def test_plain_alembic_upgrades_from_a_checkout(empty_db: Database) -> None:
    done = alembic("upgrade", "head")
    assert done.returncode == 0, done.stderr
    assert alembic("current").stdout.strip() == f"{head()} (head)"
    assert find_drift() == []
    done = alembic("check")
    assert "No new upgrade operations detected" in done.stdout, done.stdout + done.stderr


@pytest.mark.engines("sqlite")
def test_a_new_revision_is_called_by_number_and_message(db: Database, folder: RevisionFolder) -> None:
    config = Config(CHECKOUT / "alembic.ini", stdout=io.StringIO())
    config.set_main_option("script_location", str(folder.versions.parent))
    former = revisions()
    revision(config, "Add more keys!")
    revision(config, "and more", autogenerate=False, rev_id="900_chosen")
    assert revisions() == [*former, f"{int(former[-1][:3]) + 1:03d}_add_more_keys", "900_chosen"]
    assert run_all_migrations() == "900_chosen"


def test_autogenerate_finds_nothing_to_do(db: Database) -> None:
    with owner() as connection:
        options = {"include_name": upgrade.include_name, "render_as_batch": db.engine == "sqlite"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_the_printed_script_makes_the_same_database(empty_db: Database) -> None:
    done = alembic("-x", f"dialect={empty_db.engine}", "upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    assert done.stdout == migration_script("head", empty_db.engine)
    with owner() as connection:
        driver = connection.connection.dbapi_connection
        (driver.executescript if empty_db.engine == "sqlite" else driver.execute)(done.stdout)  # type: ignore[union-attr]  # the drivers' own
    assert current_revision() == head()
    assert find_drift() == []
    run_all_migrations()  # finds nothing to mend
    assert find_drift() == []


@pytest.mark.engines("postgresql")
def test_a_script_can_begin_at_the_revision_a_database_is_at(db: Database, folder: RevisionFolder) -> None:
    former = head()
    data = folder.add(
        "data",
        "with guards.lowered(op, 'accounts'):\n    op.execute(\"UPDATE accounts SET status = 'active'\")",
    )
    with get_db_session() as session, system_scope(session, "test"):
        sample_graph(session, uuid4())
    with owner() as connection:
        connection.connection.dbapi_connection.execute(migration_script(f"{former}:{data}"))  # type: ignore[union-attr]  # psycopg's
        assert connection.execute(sa.text("SELECT status FROM accounts")).scalars().all() == ["active"]
    assert current_revision() == data
    assert find_drift() == []


def test_a_script_is_for_whole_upgrades_only(empty_db: Database, folder: RevisionFolder) -> None:
    extra = folder.add("extra", NEW_TABLE)
    with pytest.raises(InvalidInput, match=f"newest revision only, which is {extra}"):
        migration_script("000", empty_db.engine)
    if empty_db.engine == "sqlite":
        with pytest.raises(InvalidInput, match="begins with an empty database"):
            migration_script("000:head", "sqlite")
    assert tables(empty_db) == set()


# --- one schema ------------------------------------------------------------------------------------


def test_migrations_models_and_pictures_make_one_and_the_same_schema(empty_db: Database, db: Database) -> None:
    migrated = catalogue()
    assert find_drift() == [], "the migrations make something else than the models declare"
    assert current_revision() == head()
    with settings(DATABASE_URL=empty_db.owner_url, SPOTHIVE_OWNER_URL=""):
        init_database()
        assert current_revision() == head()
        assert find_drift() == []
        assert catalogue() == migrated
        with get_db_session() as session, system_scope(session, "test"):
            assert session.scalars(sa.select(Tenant.slug)).all() == ["platform"]
        init_database()  # once more: nothing to do
        run_all_migrations()
        assert catalogue() == migrated

        downgrade("base")
        assert catalogue() == {}
        with owner() as connection, connection.begin():
            drawn = picture.HERE / f"schema.{db.engine}.sql"
            guards.run(connection, [policies.fix_search_path()] if db.engine == "postgresql" else [])
            guards.run(connection, upgrade.split(drawn.read_text(encoding="utf-8")))
        assert catalogue() == migrated, "run `make schema` and read the diff"


def test_init_database_leaves_a_migrated_database_of_another_revision_alone(
    db: Database, folder: RevisionFolder
) -> None:
    folder.add("extra", NEW_TABLE)
    with pytest.raises(MigrationFailed, match="db upgrade"):
        init_database()
    assert "extra" not in tables(db)


# --- at once, too new, too old -----------------------------------------------------------------------


def test_three_upgrades_at_once_all_succeed(empty_db: Database) -> None:
    upgrades = [
        subprocess.Popen(
            [sys.executable, "-m", "spothive.database.run_migration"],
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    outcomes = [(*process.communicate(timeout=120), process.returncode) for process in upgrades]
    assert outcomes == [(f"{head()}\n", "", 0)] * 3
    assert find_drift() == []


def test_a_revision_that_somebody_else_applied_meanwhile_is_not_applied_again(
    empty_db: Database, folder: RevisionFolder
) -> None:
    former = head()
    extra = folder.add("extra", NEW_TABLE)
    more = folder.add("more", NEW_TABLE.replace("extra", "more"))
    by_hand = []

    def somebody_else(_: sa.Connection) -> None:
        """Apply ``extra`` by hand in the moment between the revision before it and its own turn."""
        # Before that there is nothing to update, and during a revision SQLite is locked.
        with suppress(sqlite3.Error, psycopg.Error), empty_db.raw(owner=True) as other:
            if empty_db.engine == "sqlite":
                other.execute("PRAGMA busy_timeout = 0")
            applied = other.execute(
                f"UPDATE alembic_version SET version_num = '{extra}' WHERE version_num = '{former}'"
            )
            if applied.rowcount:
                other.execute("CREATE TABLE extra (id TEXT)")
                by_hand.append(applied.rowcount)

    sa.event.listen(sa.Engine, "begin", somebody_else)
    try:
        assert run_all_migrations() == more
    finally:
        sa.event.remove(sa.Engine, "begin", somebody_else)
    assert by_hand == [1]
    assert {"extra", "more"} <= tables(empty_db)


def test_a_database_that_is_newer_than_the_code_is_left_alone(db: Database) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '999_future'")
    for attempt in (run_all_migrations, lambda: downgrade("base"), require_head, init_database):
        with pytest.raises(SchemaTooNew, match=r"999_future.*install a newer spothive"):
            attempt()


def test_an_older_database_is_refused_by_the_service(empty_db: Database, folder: RevisionFolder) -> None:
    with pytest.raises(SchemaOutdated, match="spothive db upgrade"):
        require_head()
    former = run_all_migrations()
    assert require_head().at_head
    extra = folder.add("extra", NEW_TABLE)
    with pytest.raises(SchemaOutdated, match=f"at {former}, this spothive needs {extra}"):
        require_head()


def test_an_unreachable_database_is_said_to_be_unreachable() -> None:
    with (
        settings(DATABASE_URL="postgresql://nobody:s3cret@127.0.0.1:1/nowhere", SPOTHIVE_OWNER_URL=""),
        pytest.raises(DatabaseUnavailable) as caught,
    ):
        run_all_migrations()
    assert "s3cret" not in str(caught.value)


# --- a revision that fails -----------------------------------------------------------------------------

FAILURES = {
    "SQL": f"{NEW_TABLE}\nop.execute('INSERT INTO nowhere VALUES (1)')",
    "a CHECK": f"{NEW_TABLE}\nop.execute(\"INSERT INTO tenants (id, name, slug) VALUES (NULL, 'x', 'x')\")",
    "Python": f"{NEW_TABLE}\nraise RuntimeError('the revision is wrong')",
    "with guards down": f"with guards.lowered(op, 'users', 'audit_logs'):\n    {NEW_TABLE}\n    raise RuntimeError",
    "driver": f"{NEW_TABLE}\nguards.run(op.get_bind(), ['NO SQL AT ALL'])",
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failed_revision_leaves_the_one_before_it_whole(db: Database, folder: RevisionFolder, kind: str) -> None:
    former = head()
    before = catalogue()
    wrong = folder.add("wrong", FAILURES[kind])
    with pytest.raises(MigrationFailed if "raise" not in FAILURES[kind] else RuntimeError) as caught:
        run_all_migrations()
    assert "\n" not in str(caught.value)
    assert current_revision() == former
    assert catalogue() == before
    assert find_drift() == []
    (folder.versions / f"{wrong}.py").unlink()
    right = folder.add("right", NEW_TABLE)
    assert run_all_migrations() == right


@pytest.mark.engines("sqlite")
def test_a_revision_that_leaves_orphans_behind_is_undone(db: Database, folder: RevisionFolder) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        sample_graph(session, uuid4())
    folder.add("wrong", "with guards.lowered(op, 'users'):\n    op.execute('DELETE FROM users')")
    with pytest.raises(MigrationFailed, match=r"rows of \w+ without their row in users"):
        run_all_migrations()
    with db.raw() as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (1,)
    assert find_drift() == []


# --- an owner who is no superuser ------------------------------------------------------------------------


@pytest.fixture
def plain_owner(postgresql_url: str) -> Iterator[str]:
    """URL of a new database whose owner may create tables, but no roles."""
    name = f"spothive_owner_{uuid4().hex[:8]}"
    with fresh_postgresql(None, postgresql_url) as url:
        server = make_url(url)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'owner'").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                    sql.Identifier(str(server.database)), sql.Identifier(name)
                )
            )
        yield server.set(username=name, password="owner").render_as_string(hide_password=False)
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_an_owner_who_may_not_create_roles_is_told_whom_to_ask(plain_owner: str, postgresql_url: str) -> None:
    with settings(DATABASE_URL=plain_owner, SPOTHIVE_OWNER_URL=""):
        with pytest.raises(MigrationFailed, match="spothive db roles"):
            run_all_migrations()
        assert current_revision() is None
        assert catalogue() == {}
        with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(role_script())
        assert run_all_migrations() == head()
        assert find_drift() == []
        restore_guards()
        assert find_drift() == []
        with get_db_session() as session, system_scope(session, "test"):
            sample_graph(session, uuid4())
        downgrade("base")
        assert catalogue() == {}


def test_an_owner_who_may_not_create_tables_is_told_what_is_denied(plain_owner: str, postgresql_url: str) -> None:
    server = make_url(postgresql_url).set(drivername="postgresql", database=make_url(plain_owner).database)
    with settings(DATABASE_URL=plain_owner, SPOTHIVE_OWNER_URL=""):
        with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(role_script())
            connection.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(MigrationFailed, match="permission denied for schema public"):
            run_all_migrations()
        assert current_revision() is None


@pytest.mark.engines("postgresql")
def test_no_limit_of_the_server_ends_an_upgrade(db: Database) -> None:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout")
    with db.raw(owner=True) as server:
        for limit in limits:
            server.execute(f"ALTER DATABASE {make_url(db.owner_url).database} SET {limit} = '7s'")
    with owner() as connection:
        assert [connection.scalar(sa.text(f"SHOW {limit}")) for limit in limits] == ["0", "0"]
