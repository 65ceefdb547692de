"""What the column types have in common: a type that derives the CHECK of its column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

from spothive.errors import InvalidInput

_V = TypeVar("_V")


class Check(NamedTuple):
    """One derived CHECK: the suffix of its name, the condition, and the database it is for (None: both)."""

    suffix: str
    condition: str
    dialect: str | None = None


class CheckedType(TypeDecorator[_V]):
    """A type that derives CHECK constraints for its column."""

    __abstract__ = True
    impl: type[TypeEngine[Any]] | TypeEngine[Any] = sa.Text
    cache_ok = True

    def checks(self, column: str) -> Iterator[Check]:
        """Yield the CHECKs for a column of this name."""
        raise NotImplementedError  # every subclass states its own


class Flag(CheckedType[bool]):
    """True or false, never 0 or 1; an integer on SQLite, which has no booleans."""

    impl = sa.Boolean
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bool | None:
        """Refuse what merely looks like a boolean.

        Raises:
            InvalidInput: it is no bool.
        """
        del dialect
        if value is None or isinstance(value, bool):
            return value
        msg = f"True or False expected; got {str(value)[:40]!r}"
        raise InvalidInput(msg)

    def checks(self, column: str) -> Iterator[Check]:
        """Keep other integers out of SQLite."""
        yield Check("bool", f"{column} IN (0, 1)", "sqlite")


def derived_checks(table: sa.Table) -> Iterator[sa.CheckConstraint]:
    """Yield the CHECKs that the types of ``table``'s columns imply, one for each database where they differ."""
    for column in table.columns:
        if isinstance(column.type, CheckedType):
            for check in column.type.checks(column.name):
                constraint = sa.CheckConstraint(sa.text(check.condition), name=f"{column.name}_{check.suffix}")
                yield constraint.ddl_if(dialect=check.dialect) if check.dialect else constraint


def _sqlite_storage(storage: str) -> Callable[..., str]:
    def compile_type(*_: Any, **__: Any) -> str:
        return storage

    return compile_type


# STRICT tables know five storage classes only; SQLAlchemy would write VARCHAR, CHAR(32), DATETIME, JSON.
for _kind, _storage in {
    sa.String: "TEXT",
    sa.Text: "TEXT",
    sa.Uuid: "TEXT",
    sa.DateTime: "TEXT",
    sa.JSON: "TEXT",
    sa.Boolean: "INTEGER",
    sa.BigInteger: "INTEGER",
    sa.Float: "REAL",
}.items():
    compiles(_kind, "sqlite")(_sqlite_storage(_storage))
