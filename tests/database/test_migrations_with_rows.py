"""Each revision goes down and up with rows of two tenants in every table that exists, and no other row notices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from spothive.database import get_db_session, run_all_migrations, run_migration, system_scope
from spothive.database.drift import find_drift
from spothive.database.revisions import downgrade, head, revisions
from tests.conftest import Database
from tests.database.as_owner import catalogue
from tests.factories.samples import SEALED, TABLES, Row, sample, sample_graph, sql_insert, sql_update

Contents = dict[str, dict[str, dict[str, Any]]]
"""What the tables hold: table to id to column to value."""

TENANTS = {number: UUID(int=number) for number in (1, 2)}
PLATFORM = 1
"""Rows that no test writes: the reserved tenant."""


def contents(db: Database) -> Contents:
    with db.raw(owner=True) as connection:
        if db.engine == "postgresql":
            connection.execute("SET ROLE spothive_system")
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        else:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        present = [table for (table,) in connection.execute(query).fetchall() if table in TABLES]
        return {table: rows_of(connection, table) for table in present}


def rows_of(connection: Any, table: str) -> dict[str, dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {str(row["id"]): row for row in rows}


def columns_of(found: Contents, table: str) -> set[str]:
    return {column for row in found[table].values() for column in row}


def shared(one: Contents, other: Contents) -> Contents:
    """Return of ``one`` the tables and columns that ``other`` has too."""
    return {
        table: {
            key: {column: value for column, value in row.items() if column in columns_of(other, table)}
            for key, row in rows.items()
        }
        for table, rows in one.items()
        if table in other
    }


def fill_everything() -> None:
    with get_db_session() as session, system_scope(session, "test"):
        for number, tenant_id in TENANTS.items():
            sample_graph(session, tenant_id, number)


def test_a_row_in_every_table_goes_down_to_nothing_and_comes_back_empty(empty_db: Database) -> None:
    run_all_migrations()
    declared = catalogue()
    fill_everything()
    assert {table: len(rows) for table, rows in contents(empty_db).items()} == {
        table: len(TENANTS) + (PLATFORM if table == "tenants" else 0) for table in TABLES
    }
    downgrade("base")
    assert contents(empty_db) == {}
    run_all_migrations()
    assert catalogue() == declared
    assert find_drift() == []
    assert {table for table, rows in contents(empty_db).items() if rows} == {"tenants"}


def test_every_revision_goes_down_and_up_again_and_takes_only_its_own(empty_db: Database) -> None:
    run_all_migrations()
    fill_everything()
    known = revisions()
    for number, revision in reversed(list(enumerate(known))):
        below = known[number - 1] if number else "base"
        before = contents(empty_db)
        downgrade(below)
        kept = contents(empty_db)
        assert kept == shared(before, kept), f"taking {revision} back changed a row that is not its own"

        run_migration(revision)
        again = contents(empty_db)
        assert again.keys() == before.keys()
        assert kept == shared(again, kept), f"{revision} changed a row that was there before it"
        came_back = {table for table in again.keys() - kept.keys() if again[table]}
        assert came_back <= {"tenants"}, f"{revision} brings rows along"

        downgrade(below)
        assert contents(empty_db) == kept
    assert contents(empty_db) == {}


def test_every_revision_goes_up_over_the_rows_of_those_before_it_and_back_the_same_way(empty_db: Database) -> None:
    rows = {number: planned(tenant_id, number) for number, tenant_id in TENANTS.items()}
    before: Contents = {}
    schemas = []
    for revision in revisions():
        run_migration(revision)
        schemas.append(catalogue())
        after = contents(empty_db)
        assert before == shared(after, before), f"{revision} changed a row that was there before it"
        with empty_db.raw(owner=True) as connection:
            if empty_db.engine == "postgresql":
                connection.execute("SET ROLE spothive_system")
            for number in TENANTS:
                for table in (table for table in TABLES if table in after.keys() - before.keys()):
                    connection.execute(sql_insert(empty_db.engine, table, rows[number][table]))
        before = contents(empty_db)
    assert {table for table in TABLES if len(before[table]) >= len(TENANTS)} == TABLES.keys()
    assert find_drift() == []
    while schemas:
        assert catalogue() == schemas.pop(), "the way down leads to another schema than the way up"
        downgrade(revisions()[len(schemas) - 1] if schemas else "base")
    assert catalogue() == {}


def planned(tenant_id: UUID, number: int) -> dict[str, Row]:
    """Return a row for every table, as ``sample_graph`` would insert it."""
    rows: dict[str, Row] = {}
    parents = {"tenants": tenant_id}
    for name in TABLES:
        rows[name] = sample(name, parents, number, **({"id": tenant_id} if name == "tenants" else {}))
        parents[name] = rows[name]["id"]
    return rows


def test_taking_the_second_factor_back_takes_its_three_columns_and_nothing_else_of_users(empty_db: Database) -> None:
    run_all_migrations()
    fill_everything()
    with empty_db.raw(owner=True) as connection:
        if empty_db.engine == "postgresql":
            connection.execute("SET ROLE spothive_system")
        for key in contents(empty_db)["users"]:
            factor: Row = {"totp_secret": SEALED, "totp_enabled": True, "totp_last_step": 7}
            connection.execute(sql_update(empty_db.engine, "users", UUID(key), **factor))
    before = contents(empty_db)
    downgrade("009")
    after = contents(empty_db)
    assert columns_of(before, "users") - columns_of(after, "users") == {"totp_secret", "totp_enabled", "totp_last_step"}
    # the others got columns by later revisions
    wider = {"users", "waste_resources", "hibernation_schedules", "webhook_configurations", "webhook_logs"}
    wider |= {"decision_rollups"}
    assert all(after[table] == shared(before, after)[table] for table in wider)
    assert all(after[table] == before[table] for table in after.keys() - wider)

    assert run_migration("head") == head()
    again = contents(empty_db)
    assert shared(again, after) == after
    assert {
        (row["totp_secret"], bool(row["totp_enabled"]), row["totp_last_step"]) for row in again["users"].values()
    } == {(None, False, None)}
    assert find_drift() == []
