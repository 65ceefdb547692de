"""What the models declare, built once for all tests that compare a database with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from spothive.database import drift, guards
from spothive.models import Base


@contextmanager
def declared_once() -> Iterator[dict[object, drift.Catalogue]]:
    """Let comparisons build what is declared only if the same was not built before, for as long as the block lasts.

    Building it is most of a comparison, and hundreds of tests end with one. Tests that change what is declared find
    their own, and those of the building itself clear what is yielded.
    """
    known: dict[object, drift.Catalogue] = {}
    in_memory, in_scratch = (vars(drift)[f"_declared_in_{where}"] for where in ("memory", "scratch"))

    def once(key: object, build: Callable[[], drift.Catalogue]) -> drift.Catalogue:
        if key not in known:
            known[key] = build()
        return dict(known[key])

    def memory() -> drift.Catalogue:
        return once(_declared(SQLiteDialect()), in_memory)

    def scratch(connection: Connection) -> drift.Catalogue:
        owner = connection.exec_driver_sql("SELECT current_user, version()").one()
        return once((*owner, _declared(connection.dialect)), lambda: in_scratch(connection))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "_declared_in_memory", memory)
        patch.setattr(drift, "_declared_in_scratch", scratch)
        yield known


def _declared(dialect: Dialect) -> tuple[str, ...]:
    """Return the words of all that is declared: they cost a tenth of what it costs a database to obey them."""
    tables = Base.metadata.tables.values()
    words = [str(CreateTable(table).compile(dialect=dialect)) for table in tables]
    words += [str(CreateIndex(index).compile(dialect=dialect)) for table in tables for index in table.indexes]
    words += [str(column.comment) for table in tables for column in table.columns]
    words += [statement for each in guards.declared(dialect.name) for statement in each.statements()]
    return tuple(sorted(words))
