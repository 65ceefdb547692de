"""Ways to look at everything a database holds, and at what is sent to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, exists, select
from sqlalchemy.orm import Session

from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    AccountLog,
    AuditLog,
    Base,
    Cluster,
    Instance,
    ScanRun,
    ScanUnit,
    TenantSession,
    get_db_session,
    get_engine,
    system_scope,
)

Rows = list[dict[str, Any]]


def rows_of(model: type[Base], **equal: Any) -> Rows:
    """Return the rows of every tenant, by id; only those whose columns have the given values."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        return _rows(session, model, equal)


def everything() -> dict[str, Rows]:
    """Return every row of every table, to be compared with what is there later."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    # Most tables are empty in most tests, and one question tells which.
    held = select(*(exists(select(model.__table__.c.id)) for model in models))
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        holds = session.execute(held).one()
        return {
            model.__tablename__: _rows(session, model, {}) if some else []
            for model, some in zip(models, holds, strict=True)
        }


def _rows(session: Session, model: type[Base], equal: dict[str, Any]) -> Rows:
    table = model.__table__
    where = [table.c[name] == value for name, value in equal.items()]
    return [dict(row) for row in session.execute(select(table).where(*where).order_by(table.c.id)).mappings()]


def fleet_state() -> dict[str, list[str]]:
    """Return what is known of accounts, apart from the ids and moments that differ each time the same is done."""
    clusters = {row["id"]: (row["region"], row["name"]) for row in rows_of(Cluster)}
    known: dict[str, Rows] = {
        "accounts": rows_of(Account),
        "clusters": rows_of(Cluster),
        "instances": [row | {"cluster_id": clusters.get(row["cluster_id"])} for row in rows_of(Instance)],
        "scan_runs": rows_of(ScanRun),
        "scan_units": rows_of(ScanUnit),
        "account_logs": rows_of(AccountLog),
        "audit_logs": rows_of(AuditLog, resource="shop"),
    }
    return {table: sorted(str(_lasting(row)) for row in rows) for table, rows in known.items()}


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    passing = {"id", "tenant_id", "account_id", "scan_run_id", "timestamp", "txid", "lease_token", "leased_until"}
    moments = {name: row[name] is not None for name in row if name.endswith("_at") and name != "launched_at"}
    return {name: value for name, value in row.items() if name not in passing} | moments


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Count the statements that the block sends, by their text."""
    sent: Counter[str] = Counter()

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent[statement] += 1

    engine = get_engine()
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", count)


def explained(session: TenantSession, table: str, read: Callable[[], object]) -> str:
    """Return the plan of the one statement about ``table`` that ``read`` sends through ``session``."""
    [plan] = explained_all(session, table, read)
    return plan


def explained_all(session: TenantSession, table: str, read: Callable[[], object]) -> list[str]:
    """Return the plan of each statement about ``table`` that ``read`` sends through ``session``."""
    sent = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if table in statement:
            sent.append((statement, parameters))

    engine = get_engine()
    event.listen(engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    connection = session.connection()
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    plans = [connection.exec_driver_sql(f"{explain} {statement}", parameters) for statement, parameters in sent]
    return ["\n".join(str(row[-1]).replace('"', "") for row in plan) for plan in plans]
