"""A valid row for any table, made from its declaration: what a law tries on every table, it tries on these.

A new table needs nothing here, unless one of its own rules refuses what the declaration alone suggests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from spothive.clock import utc_now
from spothive.database.migrations.picture import ENGINES
from spothive.keyring import KEY_ID_LENGTH, TOKEN_MIN_LENGTH, TOKEN_PREFIX
from spothive.models import Base
from spothive.models.audit import LEAF_BYTES
from spothive.schema.sealed import Sealed
from spothive.schema.types import (
    WEEK_HOURS,
    Bits64,
    Bytes,
    CheckedType,
    Day,
    Email,
    Flag,
    Fraction,
    Id,
    Json,
    Money,
    NameList,
    Text,
    TextEnum,
    UtcDateTime,
    WeekMatrix,
    Whole,
    new_id,
    strict_json,
)

Row = dict[str, Any]
Parents = Mapping[str, UUID]
TABLES: dict[str, sa.Table] = {table.name: table for table in Base.metadata.sorted_tables}


SEALED_BY = "0" * KEY_ID_LENGTH
SEALED = f"{TOKEN_PREFIX}{SEALED_BY}:{'A' * TOKEN_MIN_LENGTH}"
"""Looks like a sealed value; no key opens it."""


def _exceptions(table: str, number: int) -> Row:
    """What a rule of the table itself asks for."""
    now = utc_now().replace(microsecond=0)
    later = now + timedelta(hours=1)
    pool = {"region": "eu-west-1", "availability_zone": "eu-west-1a", "instance_type": f"m{number}.large"}
    pool_id = ":".join(pool.values())
    exceptions: dict[str, Row] = {
        "accounts": {
            "account_id": f"{number:012d}",
            "role_arn": f"arn:aws:iam::{number:012d}:role/spothive",
            "external_id": str(number),
        },
        "agent_actions": {
            "action_type": "CORDON_NODE",
            "payload": {"node": f"ip-10-0-0-{number}"},
            "available_at": now,
        },
        "api_usage": {"method": "GET"},
        "api_keys": {"cluster_id": None, "prefix": f"sh_live_{number:08d}"},
        "approval_requests": {"waste_resource_id": None, "cluster_id": None, "expires_at": later},
        "audit_seals": {
            "seal_no": number,
            "row_count": 1,
            "leaves": bytes(LEAF_BYTES),
            "previous_seal_hash": f"{number - 1:064x}",
        },
        "downtime_logs": {"start_time": now},
        "global_risk_events": pool | {"pool_id": pool_id, "expires_at": now + timedelta(hours=360), "reported_at": now},
        "hibernation_overrides": {"starts_at": now, "ends_at": later},
        "login_history": {"success": True},
        "experiment_logs": {"decision": "HOLD"},
        "spot_pool_risks": pool | {"pool_id": pool_id},
        "waste_resources": {"currency": "USD", "detected_at": now, "last_seen_at": now},
        "webhook_configurations": {"signing_secret": SEALED},
    }
    return exceptions.get(table, {})


def sample(table: str, parents: Parents, number: int = 1, **values: Any) -> Row:
    """Return a valid row of ``table``: required columns, keys to ``parents``, and then ``values``.

    Args:
        table: its name.
        parents: table to the id of the row that is pointed at; optional keys are filled in too.
        number: rows with different numbers differ in every unique column.
        values: columns that are to differ.
    """
    row: Row = {"id": new_id()}
    if "tenant_id" in TABLES[table].c:
        row["tenant_id"] = parents["tenants"]
    for column in TABLES[table].columns:
        target = _target(column)
        if column.name in row:
            continue
        if target and target != table:
            row[column.name] = parents[target]
        elif target is None and not column.nullable and column.default is None:
            row[column.name] = _value(column, number)
    return row | _exceptions(table, number) | values


def sample_graph(session: Session, tenant_id: UUID, number: int = 1) -> dict[str, Row]:
    """Insert one row into every table for one tenant, through ``session`` in system scope; return table to row."""
    rows: dict[str, Row] = {}
    parents = {"tenants": tenant_id}
    for name, table in TABLES.items():
        rows[name] = sample(name, parents, number, **({"id": tenant_id} if name == "tenants" else {}))
        session.execute(sa.insert(table).values(rows[name]))
        parents[name] = rows[name]["id"]
    return rows


def _target(column: sa.Column[Any]) -> str | None:
    """Return the table that ``column`` points at, apart from the tenant."""
    if "owned_by" in column.info:
        return str(column.info["owned_by"][0])
    return next((key.column.table.name for key in column.foreign_keys if column.name != "tenant_id"), None)


# A subclass stands before its base.
_VALUES: dict[type[CheckedType[Any]], Callable[[Any, int], Any]] = {
    Email: lambda _, number: f"u{number}@example.com",
    WeekMatrix: lambda *_: [1] * WEEK_HOURS,
    NameList: lambda kind, _: [next(iter(kind.enum_class)).value if kind.enum_class else "m6i"],
    Day: lambda _, number: utc_now().date() - timedelta(days=number),
    Bytes: lambda *_: b"",
    Sealed: lambda *_: SEALED,
    Text: lambda kind, number: str(number).rjust(kind.min_length, "0"),
    TextEnum: lambda kind, _: next(iter(kind.enum_class)),
    UtcDateTime: lambda *_: utc_now(),
    Money: lambda _, number: Decimal(number),
    Bits64: lambda _, number: number,
    Whole: lambda kind, _: kind.low,
    Fraction: lambda kind, _: kind.low,
    Json: lambda kind, _: {} if kind.shape == "object" else [],
    Flag: lambda *_: False,
    Id: lambda *_: new_id(),
}


def _value(column: sa.Column[Any], number: int) -> Any:
    if machine := column.info.get("state_machine"):
        return min(machine.first)
    make = next((make for kind, make in _VALUES.items() if isinstance(column.type, kind)), None)
    assert make, f"no sample value for {column}: teach _VALUES its type"
    return make(column.type, number)


# --- the same as SQL text, for a driver that knows nothing of the models ---------------------------


def sql_value(engine: str, column: sa.Column[Any], value: Any) -> str:
    """Return ``value`` as an SQL literal of ``column``'s type; what is SQL already stays as it is."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):  # SQLAlchemy would write them as text
        return f"X'{value.hex()}'" if engine == "sqlite" else f"'\\x{value.hex()}'::bytea"
    if isinstance(column.type, Json) and not isinstance(value, sa.ClauseElement):
        value = sa.literal(strict_json(value), sa.Text())
    literal = value if isinstance(value, sa.ClauseElement) else sa.literal(value, column.type)
    return str(literal.compile(dialect=ENGINES[engine], compile_kwargs={"literal_binds": True}))


def sql_insert(engine: str, table: str, row: Row, *, verb: str = "INSERT") -> str:
    """Return the INSERT of ``row``; what it does not name is left to the database's defaults."""
    values = ", ".join(sql_value(engine, TABLES[table].c[name], value) for name, value in row.items())
    return f"{verb} INTO {table} ({', '.join(row)}) VALUES ({values})"


def sql_update(engine: str, table: str, row_id: UUID, *, verb: str = "UPDATE", **values: Any) -> str:
    """Return the UPDATE of one row."""
    columns = TABLES[table].c
    changes = ", ".join(f"{name} = {sql_value(engine, columns[name], value)}" for name, value in values.items())
    return f"{verb} {table} SET {changes} WHERE id = {sql_value(engine, columns['id'], row_id)}"


def sql_delete(engine: str, table: str, row_id: UUID) -> str:
    """Return the DELETE of one row."""
    return f"DELETE FROM {table} WHERE id = {sql_value(engine, TABLES[table].c['id'], row_id)}"


def rule_of(error: Any) -> str:
    """Return the rule that a driver's error names."""
    diagnosis = getattr(error, "diag", None)
    return str(diagnosis.constraint_name or error.sqlstate) if diagnosis else str(error).rpartition(": ")[2]
