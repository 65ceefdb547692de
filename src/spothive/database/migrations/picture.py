"""Write the pictures of the schema: ``python -m spothive.database.migrations.picture``.

``schema.postgresql.sql`` and ``schema.sqlite.sql`` show what the models declare, guards included, so that a review
sees every change as SQL. A test holds them against the models and against a migrated database.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment

from spothive.database import guards
from spothive.models import PLATFORM_TENANT_ID, Base
from spothive.schema.types import declare_checks

HERE = Path(__file__).parent
# The paramstyle of psycopg would double every % in a literal.
ENGINES: dict[str, Dialect] = {"postgresql": postgresql.dialect(paramstyle="named"), "sqlite": sqlite.dialect()}  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy


def table_statements(engine: str, only: Container[str] | None = None) -> Iterator[str]:
    """Yield the DDL of every table, or of those ``only`` names, with indexes and comments, parents first."""
    dialect = ENGINES[engine]
    for table in Base.metadata.sorted_tables:
        if only is None or table.name in only:
            yield _create(table, dialect)
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                yield _tidy(str(CreateIndex(index).compile(dialect=dialect)))
            yield from _comments(engine, table.columns)


def column_statements(engine: str, table: Table, names: Container[str]) -> Iterator[str]:
    """Yield the DDL that adds the columns ``names`` to a ``table`` that is there, with their CHECKs and comments.

    A CHECK comes with the last column it names: SQLite cannot add one later, and PostgreSQL should in two revisions.
    """
    # SQLAlchemy writes each column and each constraint on a line of its own.
    lines = [line.rstrip(",") for line in _create(table, ENGINES[engine]).splitlines()]
    checks = [line for line in lines if re.match(r" *CONSTRAINT \w+ CHECK ", line)]
    added = [column for column in table.columns if column.name in names]
    later = {column.name for column in added}
    for column in added:
        later.remove(column.name)
        definition = next(line for line in lines if re.match(rf' *"?{column.name}"? ', line))
        mine = [check for check in checks if _names(check, {column.name}) and not _names(check, later)]
        yield "\n".join([f"ALTER TABLE {table.name} ADD COLUMN", definition, *mine])
    yield from _comments(engine, added)


def _create(table: Table, dialect: Dialect) -> str:
    declare_checks(table)
    return _tidy(str(CreateTable(table).compile(dialect=dialect)))


def _names(check: str, columns: Container[str]) -> bool:
    return any(word in columns for word in re.findall(r"\w+", check))


def _comments(engine: str, columns: Iterable[Column[Any]]) -> Iterator[str]:
    dialect = ENGINES[engine]
    for column in columns:
        if column.comment and dialect.supports_comments:
            yield _tidy(str(SetColumnComment(column).compile(dialect=dialect)))


def platform_row(engine: str) -> str:
    """Return the INSERT of the reserved tenant."""
    key = PLATFORM_TENANT_ID.hex if engine == "sqlite" else str(PLATFORM_TENANT_ID)
    return f"INSERT INTO tenants (id, name, slug) VALUES ('{key}', 'Platform', 'platform')"


def schema_picture(engine: str) -> str:
    """Return the whole schema as one SQL text."""
    parts = [*table_statements(engine)]
    for guard_set in guards.declared(engine):
        parts += guard_set.statements()
    return script(parts)


def script(statements: list[str]) -> str:
    """Join statements in the form :func:`spothive.database.migrations.upgrade.split` takes apart."""
    return ";\n\n".join(statements) + ";\n\n"


def _tidy(ddl: str) -> str:
    return "\n".join(line.rstrip() for line in ddl.replace("\t", "    ").strip().splitlines())


def main() -> None:
    """Write the pictures."""
    for engine in ENGINES:
        (HERE / f"schema.{engine}.sql").write_text(schema_picture(engine), encoding="utf-8")


if __name__ == "__main__":
    main()
