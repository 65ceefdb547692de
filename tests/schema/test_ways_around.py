"""No way around a guard: every word that a database has for writing, tried on every table whose rows have a past."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from spothive.database import get_db_session, system_scope
from spothive.database.guards import refusals_of
from spothive.errors import NotAllowed
from tests.conftest import Database
from tests.factories.graph import FRESH, Graph
from tests.factories.lives import entering, illegal_move, machine_of
from tests.factories.samples import TABLES, Row, rule_of, sample, sql_insert, sql_update, sql_value
from tests.factories.ways import Raw

WITH_A_PAST = [name for name, table in TABLES.items() if machine_of(name) or "append_only" in table.info]
"""Tables whose rows nobody may rewrite: their state says where they have been, or all of them is history."""
KEPT = [
    name
    for name, table in TABLES.items()
    if any("delete" in refusal.events for refusal in refusals_of(table)) and name not in {"tenants", "users"}
]
"""Tables that refuse deletions; tests/schema/test_last_admin.py is about users, and other tenants may go."""
FORGERIES: dict[str, Row] = {
    "account_logs": {"actor_name": "nobody"},
    "audit_logs": {"actor_name": "nobody"},
    "audit_seals": {"signature": b"forged"},
    "global_risk_events": {"event_type": "termination_notice"},
    "login_history": {"login_name": "nobody"},
    "risk_sources": {"instance_id": "i-0"},
    "withdrawn_keys": {"person_name": "nobody"},
}
"""What somebody would like history to say."""
SWITCHES = {
    "sqlite": [
        ["PRAGMA recursive_triggers = ON"],
        ["PRAGMA recursive_triggers = OFF"],
        ["PRAGMA recursive_triggers = OFF", "PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON"],
    ],
    "postgresql": [["RESET ROLE"], ["SET ROLE spothive_system"]],
}
"""What somebody may have set before."""


@pytest.fixture
def rows(sample_rows: dict[str, Row]) -> dict[str, Row]:
    return sample_rows


def with_a_past(graph: Graph, table: str) -> tuple[Row, Row]:
    """Add a row that has come far, or is history; return it and what somebody would rather have it say."""
    guarded = machine_of(table)
    if guarded is None:
        row = graph.add(table, 99)
        return row, FORGERIES[table]
    far, barred = illegal_move(guarded[1])
    return graph.grow(table, far, 99), entering(table, barred)


def upserts(engine: str, table: str, row: Row, forged: Row) -> Iterator[str]:
    """Yield what both databases know for "insert it, or else"."""
    insert = sql_insert(engine, table, row | forged)
    key = ", ".join(column.name for column in TABLES[table].primary_key.columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in forged)
    yield f"{insert} ON CONFLICT DO NOTHING"
    for conflict in dict.fromkeys((key, "id")):
        yield f"{insert} ON CONFLICT ({conflict}) DO UPDATE SET {changes}"


def sqlite_words(table: str, row: Row, forged: Row) -> Iterator[str]:
    """Yield what only SQLite says."""
    for verb in ("REPLACE", *(f"INSERT OR {word}" for word in ("REPLACE", "IGNORE", "FAIL", "ROLLBACK"))):
        yield sql_insert("sqlite", table, row | forged, verb=verb)
        if "tenant_id" in row:  # the same id under another owner
            yield sql_insert("sqlite", table, row | forged | {"tenant_id": uuid4()}, verb=verb)
    mine = sql_value("sqlite", TABLES[table].c.id, row["id"])
    for verb in (f"UPDATE OR {word}" for word in ("REPLACE", "IGNORE", "FAIL", "ROLLBACK")):
        yield sql_update("sqlite", table, row["id"], verb=verb, **forged)
        for name in forged:  # REPLACE takes the default for a NULL
            yield sql_update("sqlite", table, row["id"], verb=verb, **{name: None})
        yield f"{verb} {table} SET id = {mine} WHERE id <> {mine}"


def postgresql_words(table: str, row: Row, forged: Row) -> Iterator[str]:
    """Yield what only PostgreSQL says; MERGE came with version 15 and is a mistake before."""
    columns = TABLES[table].c
    key = f"t.id = {sql_value('postgresql', columns.id, row['id'])}"
    changes = ", ".join(f"{name} = {sql_value('postgresql', columns[name], value)}" for name, value in forged.items())
    update = f"UPDATE {table} t SET {changes} WHERE {key}"
    yield f"MERGE INTO {table} t USING (SELECT 1) s ON {key} WHEN MATCHED THEN UPDATE SET {changes}"
    yield f"WITH changed AS ({update} RETURNING 1) SELECT count(*) FROM changed"
    for before in (
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        f"CREATE OR REPLACE RULE r AS ON UPDATE TO {table} DO INSTEAD NOTHING",
        "CREATE OR REPLACE FUNCTION spothive_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ):
        yield f"{before}; {update}"
    for truncated in (table, "tenants", "accounts, users", "ml_models"):
        yield f"TRUNCATE {truncated} CASCADE"
    yield f"TRUNCATE {table}"
    yield f"DROP TABLE {table} CASCADE"


@pytest.mark.parametrize("table", WITH_A_PAST)
def test_no_word_rewrites_the_past_of_a_row(db: Database, rows: dict[str, Row], table: str) -> None:
    with db.raw() as service, db.raw(owner=True) as witness:
        way = Raw(db.engine, service, rows["tenants"]["id"])
        row, forged = with_a_past(Graph(way, rows), table)
        way.commit()
        own = sqlite_words if db.engine == "sqlite" else postgresql_words
        attempts = [*upserts(db.engine, table, row, forged), sql_update(db.engine, table, row["id"], **forged)]
        unchanged_by(db, service, witness, [*attempts, *own(table, row, forged)], table, row)


def unchanged_by(db: Database, service: Any, witness: Any, attempts: list[str], table: str, row: Row) -> None:
    """Try every word under every switch; the rows of ``table`` stay what they were."""
    guarded = machine_of(table)
    question = f"SELECT {f'id, {guarded[0]}' if guarded else '*'} FROM {table} ORDER BY id"
    before = witness.execute(question).fetchall()
    assert len(before) >= 2
    for switches in SWITCHES[db.engine]:
        for switch in switches:
            service.execute(switch)
        if db.engine == "postgresql":
            service.execute(f"SET spothive.tenant_id = '{row.get('tenant_id', '')}'")
        for attempt in attempts:
            with suppress(sqlite3.Error, psycopg.Error):
                service.execute(attempt)
            assert witness.execute(question).fetchall() == before, (switches, attempt)


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("table", KEPT)
def test_replace_takes_no_key_from_a_row_that_stays(db: Database, rows: dict[str, Row], table: str) -> None:
    """A new row with a key of an old one: REPLACE would delete the old one, and no delete trigger sees it."""
    with db.raw() as service, db.raw(owner=True) as witness:
        way = Raw("sqlite", service, rows["tenants"]["id"])
        row = Graph(way, rows).add(table, 99)
        way.commit()
        attempts = []
        for columns in unique_columns(table):
            same = {name: row[name] for name in columns if name in row}
            for verb in ("REPLACE", "INSERT OR REPLACE"):
                fresh = sample(table, parents(rows), 100, **FRESH.get(table, {}), **same)
                attempts.append(sql_insert("sqlite", table, fresh, verb=verb))
            values = {name: row[name] for name in columns if name in row}
            if values:
                attempts.append(sql_update("sqlite", table, rows[table]["id"], verb="UPDATE OR REPLACE", **values))
        unchanged_by(db, service, witness, attempts, table, row)


def unique_columns(table: str) -> Iterator[list[str]]:
    """Yield the columns of every key beside the id."""
    keys = [key for key in TABLES[table].constraints if isinstance(key, sa.UniqueConstraint)]
    for key in keys:
        yield [column.name for column in key.columns]


def parents(rows: dict[str, Row]) -> dict[str, UUID]:
    return {table: row["id"] for table, row in rows.items()}


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("table", [name for name in WITH_A_PAST if machine_of(name)])
def test_copy_brings_no_row_that_was_not_born(db: Database, rows: dict[str, Row], table: str) -> None:
    """COPY writes rows past every INSERT, and past none of its triggers. With row security it is refused at all."""
    guarded = machine_of(table)
    assert guarded
    late = next(state for state in guarded[1].states if state not in guarded[1].first)
    row = sample(table, parents(rows), 99, **FRESH.get(table, {})) | entering(table, late)
    values = ", ".join(sql_value("postgresql", TABLES[table].c[name], value) for name, value in row.items())
    with db.raw(owner=True) as owner, pytest.raises(psycopg.Error) as caught, owner.cursor() as cursor:
        text = owner.execute(f"SELECT {values}").fetchone()
        with cursor.copy(f"COPY {table} ({', '.join(row)}) FROM STDIN") as copy:
            copy.write_row(text)
    assert rule_of(caught.value) == f"lc_{table}_{guarded[0]}_first"


@pytest.mark.parametrize("scope", ["tenant", "system"])
def test_a_session_cannot_take_a_guard_down(db: Database, rows: dict[str, Row], scope: str) -> None:
    words = {
        "sqlite": (
            "PRAGMA recursive_triggers = OFF",
            "PRAGMA writable_schema = ON",
            "PRAGMA ignore_check_constraints = ON",
            "DROP TRIGGER ao_audit_logs_update",
            "ALTER TABLE audit_logs RENAME TO elsewhere",
            "REPLACE INTO tags (id) VALUES ('x')",
            "DROP TABLE audit_logs",
            "VACUUM",
        ),
        "postgresql": (
            "TRUNCATE audit_logs",
            "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
            "DROP TRIGGER ao_audit_logs_update ON audit_logs",
            "SET LOCAL session_replication_role = replica",
            "ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY tenant ON audit_logs",
            "CREATE TRIGGER t BEFORE UPDATE ON tags EXECUTE FUNCTION spothive_refuse('x')",
            "DROP TABLE audit_logs",
        ),
    }
    for word in words[db.engine]:
        with pytest.raises(NotAllowed), get_db_session(tenant=rows["tenants"]["id"]) as session:
            if scope == "tenant":
                session.execute(sa.text(word))
            else:
                with system_scope(session, "test"):
                    session.execute(sa.text(word))
