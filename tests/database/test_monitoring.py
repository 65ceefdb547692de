"""Slow statements are told of without what was in them; the pool counts what it hands out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import bindparam, func, insert, select, text, update

from spothive.database import SessionLocal, bind_tenant, dispose_engine, get_db_session, get_engine, read_session
from spothive.database.bulk import insert_rows
from spothive.database.monitoring import fingerprint
from spothive.models import Tenant, User
from spothive.schema.types import new_id
from tests.conftest import Database, settings
from tests.factories import make_tenant, make_user

SECRET = "hunter2"


@pytest.fixture
def tenant(db: Database) -> UUID:
    tenant = make_tenant("alpha")
    make_user(tenant, "ann")
    return tenant


@pytest.fixture
def warnings(tenant: UUID, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged when every statement is slow."""
    with settings(SPOTHIVE_SLOW_STATEMENT="0.0000001"), caplog.at_level(logging.DEBUG, "spothive"):
        with read_session() as session:  # what belongs to opening a connection
            session.scalar(text("SELECT 1"))
        caplog.clear()
        yield caplog


def about(log: pytest.LogCaptureFixture, what: str) -> str:
    (message,) = [message for message in log.messages if what in message]
    return message


# slow statements


def test_a_slow_statement_is_a_warning_with_all_an_operator_needs(
    warnings: pytest.LogCaptureFixture, tenant: UUID
) -> None:
    with get_db_session(tenant=tenant) as session:
        session.execute(update(User).where(User.username == "ann").values(full_name=SECRET))
    message = about(warnings, "UPDATE users")
    pattern = rf"slow statement [0-9a-f]{{16}}: \d+\.\d{{3}} s, rows 1, tenant {tenant}: UPDATE users .*"
    assert re.fullmatch(pattern, message)
    assert {record.levelname for record in warnings.records if "slow" in record.getMessage()} == {"WARNING"}


def test_how_many_rows_a_query_found_is_told_where_the_driver_knows(
    warnings: pytest.LogCaptureFixture, tenant: UUID, db: Database
) -> None:
    with read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
    assert ("rows 1," if db.engine == "postgresql" else "rows unknown,") in about(warnings, "SELECT users.tenant_id")


def test_no_tenant_is_told_as_none(warnings: pytest.LogCaptureFixture) -> None:
    with read_session() as session:
        session.scalar(text("SELECT 2"))
    assert ", tenant none: SELECT ?" in about(warnings, "SELECT ?")


def test_a_tenant_bound_late_is_told_too(warnings: pytest.LogCaptureFixture, tenant: UUID) -> None:
    with read_session() as session:
        session.scalar(text("SELECT 2"))
        bind_tenant(session, tenant)
        session.scalar(select(func.count(User.id)))
    assert f"tenant {tenant}" in about(warnings, "count(users.id)")


def test_no_value_is_ever_told(warnings: pytest.LogCaptureFixture, tenant: UUID) -> None:
    row = {"tenant_id": tenant, "email": f"{SECRET}@example.com", "username": SECRET, "password_hash": SECRET}
    statements: list[tuple[Any, Any]] = [
        (insert(User), [row]),
        (select(User).where(User.username == SECRET), None),
        (select(User).where(User.username.in_([SECRET, "b"])), None),
        (select(User).where(User.username == bindparam("x", SECRET, literal_execute=True)), None),
        (text(f"SELECT '{SECRET}', 'it''s {SECRET}'"), None),
        (text(f"SELECT 1 /* {SECRET} */ -- {SECRET}"), None),
    ]
    with SessionLocal(tenant=tenant) as session:
        for statement, parameters in statements:
            session.execute(statement, parameters)
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(rf"SELECT E'it\'s {SECRET}', $tag${SECRET}$tag$, 4711.5e1"))
        else:
            session.execute(text(f'SELECT "{SECRET}", 4711.5e1'))
    told = [message for message in warnings.messages if message.startswith("slow statement")]
    assert len(told) >= len(statements)
    assert not [message for message in told if SECRET in message or "4711" in message]


def test_a_quick_statement_is_not_worth_a_word(tenant: UUID, caplog: pytest.LogCaptureFixture) -> None:
    with settings(), caplog.at_level(logging.INFO, "spothive"), read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
    assert not [record for record in caplog.records if "slow" in record.getMessage()]


def test_a_fingerprint_is_the_same_whatever_the_values() -> None:
    same = [
        ["SELECT * FROM t WHERE a = 1", "SELECT  *\nFROM t WHERE a = 25.5", "SELECT * FROM t WHERE a = 0x1F"],
        ["SELECT 'a'", "SELECT 'it''s'", "SELECT ''"],
        ["IN (?, ?)", "IN (%(a)s, %(b)s, %(c)s)", "IN (%(a)s::UUID, %(b)s::TIMESTAMP WITH TIME ZONE)", "IN (1, 2)"],
    ]
    for statements in same:
        assert len({fingerprint(statement) for statement in statements}) == 1, statements
    assert len({fingerprint(statements[0])[0] for statements in same}) == len(same)
    assert fingerprint("SELECT t1.c2, x_3 FROM t1")[1] == "SELECT t1.c2, x_3 FROM t1", "names keep their numbers"
    assert len(fingerprint("SELECT " + "very_long_name, " * 100)[1]) == 1000


def test_a_bulk_write_is_told_with_its_copy(warnings: pytest.LogCaptureFixture, tenant: UUID, db: Database) -> None:
    row = {"tenant_id": tenant, "id": new_id(), "email": "a@b.com", "username": SECRET, "password_hash": SECRET}
    with get_db_session(tenant=tenant) as session:
        insert_rows(session, User, [row])
    assert "INSERT INTO users" in about(warnings, "INSERT INTO users")
    assert not [message for message in warnings.messages if SECRET in message]
    if db.engine == "postgresql":
        assert "rows 1," in about(warnings, "COPY staged_? (tenant_id, id, email, username, password_hash)")


@pytest.mark.engines("sqlite")
def test_waiting_for_the_write_lock_is_told_as_that(warnings: pytest.LogCaptureFixture) -> None:
    with get_db_session() as session:
        session.execute(text("SELECT 1"))
    assert re.fullmatch(r"waited \d+\.\d{3} s for the write lock: another .*", about(warnings, "write lock"))
    assert not [message for message in warnings.messages if "BEGIN IMMEDIATE" in message]


# the pool


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(f"spothive_db_{name}")
    assert value is not None
    return value


def test_the_pool_counts_what_it_hands_out(tenant: UUID) -> None:
    dispose_engine()
    names = ("connections_in_use", "checkouts_total", "connections_opened_total", "connection_held_seconds_count")
    before = [metric(name) for name in names]
    with read_session(tenant=tenant) as one, read_session(tenant=tenant) as other:
        one.scalars(select(User)).all()
        assert [metric(name) - was for name, was in zip(names, before, strict=True)] == [1, 1, 1, 0]
        other.scalars(select(User)).all()
        assert [metric(name) - was for name, was in zip(names, before, strict=True)] == [2, 2, 2, 0]
    assert [metric(name) - was for name, was in zip(names, before, strict=True)] == [0, 2, 2, 2]


def test_slow_statements_are_counted(warnings: pytest.LogCaptureFixture, tenant: UUID) -> None:
    before = metric("slow_statements_total")
    with read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
    assert metric("slow_statements_total") > before


def test_a_connection_that_is_lost_is_not_counted_as_in_use(tenant: UUID) -> None:
    before = metric("connections_in_use")
    with read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
        session.invalidate()
    assert metric("connections_in_use") == before


def test_opening_and_closing_is_told_at_debug(tenant: UUID, caplog: pytest.LogCaptureFixture) -> None:
    with settings(), caplog.at_level(logging.DEBUG, "spothive.database.monitoring"):
        with read_session(tenant=tenant) as session:
            session.scalars(select(User)).all()
        dispose_engine()
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("DEBUG", "database connection opened"), ("DEBUG", "database connection closed")]


def test_nothing_of_a_session_sticks_to_its_connection(tenant: UUID) -> None:
    with read_session(tenant=tenant) as session:
        session.scalars(select(User)).all()
        connection = session.connection()
        assert (connection.info["tenant_id"], connection.info["read_only"]) == (tenant, True)
    with get_engine().connect() as connection:
        assert {"tenant_id", "read_only"}.isdisjoint(connection.info)
        assert connection.execute(select(Tenant)).all() == []
