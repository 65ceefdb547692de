"""Rows of append-only tables are never changed, and go only where their table says when."""

from __future__ import annotations

import sqlite3
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.errors import AppendOnly, NotAllowed
from spothive.models import AccountLog, AuditLog, Base
from tests.conftest import Database
from tests.factories.samples import TABLES, Row, rule_of, sample, sql_delete, sql_insert, sql_update

MODELS = [
    mapper.class_
    for mapper in sorted(Base.registry.mappers, key=lambda mapper: mapper.class_.__name__)
    if "append_only" in mapper.local_table.info  # type: ignore[attr-defined]  # a Table
]
EVERY_TABLE = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__tablename__)
TENANT = uuid4()
SCOPES = {"tenant": nullcontext, "system": partial(system_scope, reason="test")}


def written(model: Any, **values: Any) -> Row:
    row = sample(model.__tablename__, {"tenants": TENANT}, **values)
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.insert(model).values(**row))
    return row


def name_of(model: Any) -> str:
    """Return a text column that the sample fills and that takes the word "facade"."""
    return next(
        name for name in ("actor_name", "login_name", "key_id", "instance_id", "region") if name in model.__table__.c
    )


def scopes_of(model: Any) -> list[str]:
    """Return the scopes that may write to the table at all: what all tenants share is written by system alone."""
    return list(SCOPES) if "tenant_id" in model.__table__.c else ["system"]


@pytest.mark.parametrize(
    ("model", "scope"),
    [pytest.param(m, SCOPES[scope], id=f"{scope}-{m.__tablename__}") for m in MODELS for scope in scopes_of(m)],
)
def test_orm_and_core_are_refused_by_the_same_rules(db: Database, model: Any, scope: Any) -> None:
    row = written(model)
    by_id = [getattr(model, key.name) == row[key.name] for key in model.__table__.primary_key]
    attempts: list[tuple[str, Any]] = [
        ("update", lambda s: setattr(s.get_one(model, row["id"]), name_of(model), "facade")),
        ("delete", lambda s: s.delete(s.get_one(model, row["id"]))),
        ("update", lambda s: s.execute(sa.update(model).where(*by_id).values({name_of(model): "facade"}))),
        ("update", lambda s: s.execute(sa.update(model).where(*by_id).values({name_of(model): name_of(model)}))),
        ("delete", lambda s: s.execute(sa.delete(model).where(*by_id))),
    ]
    for what, attempt in attempts:
        with pytest.raises(AppendOnly) as caught, get_db_session(tenant=TENANT) as session, scope(session):
            attempt(session)
        assert (caught.value.rule, caught.value.table) == (f"ao_{model.__tablename__}_{what}", model.__tablename__)


@EVERY_TABLE
def test_raw_sql_is_refused_even_for_the_owner(db: Database, model: Any) -> None:
    row = written(model)
    table = model.__tablename__
    attempts = [
        (f"ao_{table}_update", sql_update(db.engine, table, row["id"], **{name_of(model): "facade"})),
        (f"ao_{table}_update", f"UPDATE {table} SET id = id"),
        (f"ao_{table}_delete", sql_delete(db.engine, table, row["id"])),
        (f"ao_{table}_delete", f"DELETE FROM {table}"),
    ]
    if db.engine == "postgresql":
        attempts += [
            (f"ao_{table}_truncate", f"TRUNCATE {table}"),
            (f"ao_{table}_truncate", f"TRUNCATE tenants, {table} CASCADE"),
        ]
    with db.raw(owner=True) as connection:
        for rule, attempt in attempts:
            with pytest.raises(Exception, match=rule) as caught:
                connection.execute(attempt)
            assert rule_of(caught.value) == rule
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_no_table_can_be_truncated_past_its_triggers(db: Database, scope: Any) -> None:
    for table in TABLES:
        with pytest.raises(NotAllowed), get_db_session(tenant=TENANT) as session, scope(session):
            session.execute(sa.text(f"TRUNCATE {table} CASCADE"))


@pytest.mark.engines("sqlite")
@EVERY_TABLE
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_sqlites_own_words_cannot_rewrite_a_row(db: Database, model: Any, recursive: str) -> None:
    row, table = written(model), model.__tablename__
    forged = row | {name_of(model): "facade"}
    key = ", ".join(column.name for column in TABLES[table].primary_key.columns)
    attempts = [
        sql_insert("sqlite", table, forged, verb="REPLACE"),
        sql_insert("sqlite", table, forged, verb="INSERT OR REPLACE"),
        sql_insert("sqlite", table, forged | ({"tenant_id": uuid4()} if "tenant_id" in row else {}), verb="REPLACE"),
        sql_insert("sqlite", table, forged) + f" ON CONFLICT ({key}) DO UPDATE SET {name_of(model)} = 'facade'",
        sql_update("sqlite", table, row["id"], verb="UPDATE OR IGNORE", **{name_of(model): "facade"}),
        sql_update("sqlite", table, row["id"], verb="UPDATE OR REPLACE", **{name_of(model): "facade"}),
    ]
    with db.raw() as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        for attempt in attempts:
            with suppress(sqlite3.Error):
                connection.execute(attempt)
            found = connection.execute(f"SELECT {name_of(model)} FROM {table}").fetchall()
            assert found == [(row[name_of(model)],)], attempt


# --- history that may go one day -------------------------------------------------------------------


def test_an_account_log_goes_after_365_days_and_only_by_system(db: Database) -> None:
    year = timedelta(days=365)
    young = written(AccountLog, timestamp=utc_now() - year + timedelta(minutes=1))
    old = written(AccountLog, timestamp=utc_now() - year - timedelta(minutes=1))

    def delete(row: Row, *, system: bool) -> None:
        with get_db_session(tenant=TENANT) as session:
            statement = sa.delete(AccountLog).where(AccountLog.id == row["id"], AccountLog.tenant_id == TENANT)
            if system:
                with system_scope(session, "test"):
                    session.execute(statement)
            else:
                session.execute(statement)

    for system in (True, False):
        with pytest.raises(AppendOnly):
            delete(young, system=system)
    if db.engine == "postgresql":  # SQLite knows no roles
        with pytest.raises(AppendOnly):
            delete(old, system=False)
    delete(old, system=True)
    with get_db_session(tenant=TENANT) as session:
        assert session.scalars(sa.select(AccountLog.id)).all() == [young["id"]]


def test_an_audit_row_never_goes(db: Database) -> None:
    row = written(AuditLog)
    with pytest.raises(AppendOnly), get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.delete(AuditLog).where(AuditLog.timestamp > datetime(2000, 1, 1, tzinfo=UTC)))
    with get_db_session(tenant=TENANT) as session:
        assert session.scalars(sa.select(AuditLog.id)).all() == [row["id"]]


# --- stamps ---------------------------------------------------------------------------------------


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("sent", [datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)])
def test_postgresql_stamps_an_audit_row_whatever_was_sent(db: Database, sent: datetime) -> None:
    with get_db_session(tenant=TENANT) as session:
        values = sample("audit_logs", {"tenants": TENANT}, timestamp=sent, txid=5)
        session.add(AuditLog(**values))
        session.flush()
        session.execute(sa.insert(AuditLog).values(values | {"id": uuid4()}))
        mine = session.scalar(sa.text("SELECT pg_current_xact_id()::text::bigint"))
    with db.raw(owner=True) as connection:
        connection.execute(sql_insert(db.engine, "audit_logs", values | {"id": uuid4()}))
    with get_db_session(tenant=TENANT) as session:
        rows = session.execute(sa.select(AuditLog.timestamp, AuditLog.txid).order_by(AuditLog.timestamp)).all()
    assert len(rows) == 3
    assert all(abs(row.timestamp - utc_now()) < timedelta(minutes=1) for row in rows)
    assert [row.txid for row in rows[:2]] == [mine, mine]
    assert rows[2].txid > mine


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("seconds", [-7, 7, 86_400])
def test_sqlite_refuses_an_audit_row_whose_time_is_off(db: Database, seconds: int) -> None:
    off = utc_now() + timedelta(seconds=seconds)
    with pytest.raises(AppendOnly) as caught:
        written(AuditLog, timestamp=off)
    assert caught.value.rule == "ao_audit_logs_clock"
    with db.raw() as connection, pytest.raises(sqlite3.IntegrityError, match="ao_audit_logs_clock"):
        connection.execute(sql_insert("sqlite", "audit_logs", sample("audit_logs", {"tenants": TENANT}, timestamp=off)))


@pytest.mark.engines("sqlite")
def test_sqlite_takes_a_time_close_to_its_own_and_no_transaction_number(db: Database) -> None:
    written(AuditLog, timestamp=utc_now() - timedelta(seconds=2))
    written(AuditLog, timestamp=utc_now() + timedelta(seconds=2))
    with db.raw() as connection:
        connection.execute(sql_insert("sqlite", "audit_logs", sample("audit_logs", {"tenants": TENANT})))
    with pytest.raises(AppendOnly) as caught:
        written(AuditLog, txid=1)
    assert caught.value.rule == "ao_audit_logs_clock"
