"""One raw DELETE takes what belongs to the row and leaves history, on both databases.

What must go is read from the keys and from the rows; what went is read from the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from tests.conftest import ENGINES, Database, migrated_copy
from tests.factories.samples import TABLES, Row, sample, sample_graph, sql_delete, sql_value

HISTORY = {
    "account_logs",
    "audit_logs",
    "audit_seals",
    "global_risk_events",
    "login_history",
    "risk_sources",
    "system_logs",
}
"""What tells of a tenant after it has gone."""

OF_CLUSTER = {
    "agent_actions",
    "cluster_policies",
    "hibernation_overrides",
    "hibernation_schedules",
    "optimization_jobs",
}
OF_ACCOUNT = OF_CLUSTER | {"clusters", "decision_rollups", "experiment_logs", "explanations", "instances"}
OF_ACCOUNT |= {"approval_requests", "onboarding_requests", "scan_runs", "scan_units", "waste_resources"}
OF_USER = OF_ACCOUNT | {"accounts", "api_keys", "api_usage", "node_templates", "notices", "webhook_configurations"}
AT_LEAST = {
    "clusters": OF_CLUSTER,
    "accounts": OF_ACCOUNT,
    "users": OF_USER,
    "tenants": {name for name, table in TABLES.items() if "tenant_id" in table.c} - HISTORY,
}
"""What goes with a row, in the words of the business: whatever the keys say, not less than this."""

OTHERWISE: dict[str, Row] = {
    "fk_api_keys_tenant_id_cluster_id": {"user_id": None, "scopes": ["agent"]},
    "fk_approval_requests_tenant_id_cluster_id": {"instance_id": None, "action_type": "HIBERNATE_CLUSTER"},
    "fk_approval_requests_tenant_id_waste_resource_id": {"instance_id": None, "action_type": "DELETE_WASTE"},
    "fk_instances_tenant_id_replica_of_id": {"is_replica": True, "replica_expiry": utc_now()},
}
"""Keys that a row of the sample cannot have beside its others, and how a row that has one differs."""

KEYS = sorted(
    (key for table in TABLES.values() for key in table.foreign_key_constraints), key=lambda key: str(key.name)
)
CASCADES = [key for key in KEYS if key.ondelete == "CASCADE"]
DETACHED = [key for key in KEYS if any(column.info.get("detach") for column in key.columns)]
KEPT = [key for key in KEYS if key not in CASCADES and key not in DETACHED]


def name_of(key: sa.ForeignKeyConstraint) -> str:
    return str(key.name)


def column_of(key: sa.ForeignKeyConstraint) -> str:
    """Return the column that names the parent; the tenant stands before it."""
    return key.column_keys[-1]


@dataclass(frozen=True)
class Full:
    """A database with a row of two tenants in every table; nothing that a test does to it stays."""

    database: Database
    rows: dict[str, Row]
    others: dict[str, Row]
    besides: dict[str, Row]

    @contextmanager
    def by_hand(self) -> Iterator[Any]:
        """Open a raw connection of the owner, in a transaction that is rolled back."""
        with self.database.raw(owner=True) as connection:
            if self.database.engine == "postgresql":
                connection.execute("SET ROLE spothive_system")
            connection.execute("BEGIN")
            yield connection
            connection.rollback()

    def delete(self, connection: Any, table: str) -> None:
        """Delete the first tenant's row of ``table``."""
        connection.execute(sql_delete(self.database.engine, table, self.rows[table]["id"]))

    def has(self, connection: Any, table: str, row: Row, condition: str = "true") -> bool:
        """Tell whether ``row`` is still there and fulfils ``condition``."""
        key = sql_value(self.database.engine, TABLES[table].c["id"], row["id"])
        query = f"SELECT count(*) FROM {table} WHERE id = {key} AND {condition}"
        return bool(connection.execute(query).fetchone()[0])

    def gone(self, connection: Any) -> set[str]:
        """Return the tables whose row of the first tenant is gone."""
        return {name for name, row in self.rows.items() if not self.has(connection, name, row)}

    def untouched(self, connection: Any) -> bool:
        """Tell whether the other tenant has every row."""
        return all(self.has(connection, name, row) for name, row in self.others.items())


@pytest.fixture(scope="module", params=ENGINES)
def full(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Full]:
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("full")) as database:
        yield filled(database)


def filled(database: Database) -> Full:
    """Fill a migrated database."""
    with get_db_session() as session, system_scope(session, "sample"):
        rows, others = (sample_graph(session, UUID(int=number), number) for number in (1, 2))
        parents = {table: row["id"] for table, row in rows.items()}
        besides = {}
        for key in KEYS:
            if name_of(key) in OTHERWISE:
                link = {column_of(key): parents[key.referred_table.name]}
                row = besides[name_of(key)] = sample(key.table.name, parents, 3, **link | OTHERWISE[name_of(key)])
                session.execute(sa.insert(key.table).values(row))
    return Full(database, rows, others, besides)


def settle(database: Database, connection: Any) -> None:
    """Ask the keys that are checked at commit, which a test does not reach."""
    if database.engine == "postgresql":
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    else:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def goes_with(rows: dict[str, Row], doomed: str) -> set[str]:
    """Return the tables whose row hangs on the row of ``doomed`` by keys that cascade."""
    gone = {doomed}
    for table in TABLES.values():  # parents come before their children
        for key in table.foreign_key_constraints:
            parent, row = key.referred_table.name, rows[table.name]
            if key in CASCADES and parent in gone and row.get(column_of(key)) == rows[parent]["id"]:
                gone.add(table.name)
    return gone


@pytest.mark.parametrize("doomed", AT_LEAST)
def test_one_delete_takes_its_own_and_leaves_history(full: Full, doomed: str) -> None:
    """By raw SQL, as somebody would do it by hand, in a database with a row in every table."""
    with full.by_hand() as connection:
        full.delete(connection, doomed)
        settle(full.database, connection)
        gone = full.gone(connection)
        assert full.untouched(connection), "a row of another tenant went too"
    assert gone == goes_with(full.rows, doomed), "the database does not delete as the models say"
    assert gone >= AT_LEAST[doomed], "these belong to it: declare them owned()"
    assert not gone & HISTORY, "history has no foreign keys: declare it outlives_tenant=True"


@pytest.mark.parametrize("doomed", AT_LEAST)
def test_such_a_delete_can_be_committed(db: Database, doomed: str) -> None:
    full = filled(db)
    with db.raw(owner=True) as connection:
        if db.engine == "postgresql":
            connection.execute("SET ROLE spothive_system")
        full.delete(connection, doomed)  # commits by itself, and asks the keys that are checked then
        assert not full.has(connection, doomed, full.rows[doomed])
        assert all(full.has(connection, name, full.rows[name]) for name in HISTORY)
        assert full.untouched(connection)


def child_of(full: Full, connection: Any, key: sa.ForeignKeyConstraint) -> Row:
    """Return the first tenant's row that points at its parent by ``key``."""
    row = full.besides.get(name_of(key), full.rows[key.table.name])
    assert full.has(connection, key.table.name, row, f"{column_of(key)} IS NOT NULL"), "see OTHERWISE"
    return row


def let_go(full: Full, connection: Any, key: sa.ForeignKeyConstraint) -> None:
    """Delete what would hold the parent of ``key`` back, apart from the rows that ``key`` is about."""
    parent = key.referred_table
    for other in KEPT:
        if other.referred_table is parent and other is not key:
            held = sql_value(full.database.engine, parent.c["id"], full.rows[parent.name]["id"])
            connection.execute(f"DELETE FROM {other.table.name} WHERE {column_of(other)} = {held}")


@pytest.mark.parametrize("key", CASCADES, ids=name_of)
def test_a_key_that_cascades_takes_the_child(full: Full, key: sa.ForeignKeyConstraint) -> None:
    with full.by_hand() as connection:
        child = child_of(full, connection, key)
        let_go(full, connection, key)
        full.delete(connection, key.referred_table.name)
        settle(full.database, connection)
        assert not full.has(connection, key.table.name, child)
        assert full.untouched(connection)


@pytest.mark.parametrize("key", DETACHED, ids=name_of)
def test_a_link_that_is_forgotten_leaves_the_child(full: Full, key: sa.ForeignKeyConstraint) -> None:
    with full.by_hand() as connection:
        child = child_of(full, connection, key)
        let_go(full, connection, key)
        full.delete(connection, key.referred_table.name)
        settle(full.database, connection)
        assert full.has(connection, key.table.name, child, f"{column_of(key)} IS NULL")
        assert full.untouched(connection)


@pytest.mark.parametrize("key", KEPT, ids=name_of)
def test_what_is_pointed_at_stays(full: Full, key: sa.ForeignKeyConstraint) -> None:
    """A sibling may go with the parent of both, but not alone; a model not at all."""
    parent = key.referred_table.name
    with full.by_hand() as connection:
        child_of(full, connection, key)
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError)):
            full.delete(connection, parent)
            connection.commit()
        connection.rollback()
        assert full.has(connection, parent, full.rows[parent])
