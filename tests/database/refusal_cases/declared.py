"""What the models declare, counted: the docs print it, and the cases must reach all of it."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from spothive.database.guards import refusals_of
from spothive.database.migrations.picture import ENGINES
from spothive.schema.types import declare_checks, derived_checks
from tests.database.refusal_cases.case import CHECK, FOREIGN_KEY, NOT_NULL, TRIGGER, UNIQUE
from tests.factories.samples import TABLES

STAMPED = {("audit_logs", "timestamp"), ("audit_logs", "txid")}
"""Columns that PostgreSQL fills itself, whatever is sent: their other rules cannot be broken there."""


def declared(table: sa.Table, engine: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of every constraint that ``table`` has on ``engine`` and that a write can break."""
    stamped = {name for of, name in STAMPED if (of, engine) == (table.name, "postgresql")}
    declare_checks(table)
    ddl = str(CreateTable(table).compile(dialect=ENGINES[engine]))
    for constraint in table.constraints:
        name = str(constraint.name)
        if isinstance(constraint, sa.CheckConstraint):
            # Many a CHECK is for one of the databases only.
            here = f"CONSTRAINT {name} CHECK" in ddl
            if here and not any(name.startswith(f"ck_{table.name}_{column}_") for column in stamped):
                yield CHECK, name
        elif isinstance(constraint, (sa.UniqueConstraint, sa.PrimaryKeyConstraint)):
            yield UNIQUE, name
        elif isinstance(constraint, sa.ForeignKeyConstraint):
            yield FOREIGN_KEY, name
    yield from ((UNIQUE, str(index.name)) for index in table.indexes if index.unique)
    for column in table.columns:
        if not column.nullable and column.name not in stamped:
            yield NOT_NULL, f"nn_{table.name}_{column.name}"
    yield from ((TRIGGER, refusal.rule) for refusal in refusals_of(table) if engine in refusal.dialects)


def counted() -> dict[str, dict[str, int]]:
    """Return engine to kind to the number of constraints that are declared, and tried by test_refusals.py."""
    found: dict[str, dict[str, int]] = {}
    for engine in ENGINES:
        kinds = found[engine] = dict.fromkeys((CHECK, UNIQUE, FOREIGN_KEY, NOT_NULL, TRIGGER), 0)
        for table in TABLES.values():
            for kind, _ in set(declared(table, engine)):
                kinds[kind] += 1
    return found


def kind_by_hand(table: sa.Table) -> set[tuple[str, str]]:
    """Return (name, kind) of what a street declares itself: CHECKs over several columns, partial keys, guards."""
    checks = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
    derived = {name for name, _, _ in derived_checks(table)}
    return (
        {(name, CHECK) for name in checks - derived}
        | {(str(index.name), UNIQUE) for index in table.indexes if index.unique}
        | {(refusal.rule, TRIGGER) for refusal in table.info.get("refusals", ())}
    )
