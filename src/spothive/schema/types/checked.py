"""What the column types have in common: a type that derives the CHECK of its column."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import conv
from sqlalchemy.types import TypeDecorator, TypeEngine

from spothive.errors import InvalidInput

_V = TypeVar("_V")
_declaring = threading.Lock()


class Check(NamedTuple):
    """One derived CHECK.

    Attributes:
        suffix: end of its name, after the table and the column.
        condition: what has to be true, in SQL.
        message: what is wrong with a value that is refused, in one line for people.
        dialect: the database it is for; None: both.
    """

    suffix: str
    condition: str
    message: str
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
        yield Check("bool", f"{column} IN (0, 1)", "it is neither true nor false", "sqlite")


class Bytes(CheckedType[bytes]):
    """Bytes: ``bytea`` on PostgreSQL, a blob on SQLite."""

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, max_bytes: int | None = None) -> None:
        """Set the limit; None if a CHECK of the table knows the exact length."""
        super().__init__()
        self.max_bytes = max_bytes

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """Take bytes and nothing that could be encoded in more than one way.

        Raises:
            InvalidInput: it is something else.
        """
        del dialect
        if value is None or isinstance(value, bytes):
            return value
        msg = f"bytes expected; got {type(value).__name__}"
        raise InvalidInput(msg)

    def checks(self, column: str) -> Iterator[Check]:
        """State the limit; a STRICT table refuses what is no blob."""
        if self.max_bytes is not None:
            yield Check("size", f"length({column}) <= {self.max_bytes}", f"it is longer than {self.max_bytes} bytes")


class NamedCheck(NamedTuple):
    """One derived CHECK of a table.

    Attributes:
        name: its whole name, ``ck_<table>_<column>_<suffix>``.
        message: table, column, and what is wrong with a value that is refused.
        check: what the type of the column says.
    """

    name: str
    message: str
    check: Check


def derived_checks(table: sa.Table) -> Iterator[NamedCheck]:
    """Yield the CHECKs that the types of ``table``'s columns imply, one for each database where they differ."""
    for column in table.columns:
        if isinstance(column.type, CheckedType):
            for check in column.type.checks(column.name):
                name = f"ck_{table.name}_{column.name}_{check.suffix}"
                yield NamedCheck(name, f"{table.name}.{column.name}: {check.message}", check)


def declare_checks(table: sa.Table) -> None:
    """Make the derived CHECKs constraints of ``table``, unless they are: whoever writes its DDL begins with this.

    Nobody else needs these more than a thousand objects; made with the models, they would cost every process a
    fifteenth of the time it takes to start.
    """
    with _declaring:
        if table.info.get("checks_declared"):
            return
        constraints = []
        for name, message, check in derived_checks(table):
            made = sa.CheckConstraint(sa.text(check.condition), name=conv(name), info={"message": message})
            constraints.append(made.ddl_if(dialect=check.dialect) if check.dialect else made)
        for constraint in constraints:
            table.append_constraint(constraint)
        table.info["checks_declared"] = True


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
    sa.Date: "TEXT",
    sa.LargeBinary: "BLOB",
}.items():
    compiles(_kind, "sqlite")(_sqlite_storage(_storage))
