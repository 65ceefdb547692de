"""Counts and checksums of whole tables: equal rows have equal ones, on either database and in any order.

Rows are taken in the form in which SQLite stores them: ids as 32 hexadecimal digits, times as 26 characters of UTC,
money as millionths, booleans as 0 and 1, JSON as text. PostgreSQL converts its own while it answers, so no value
has to become a Python object of our column types and text again; it takes the same form back through COPY.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, inspect
from sqlalchemy.dialects import postgresql as pg

from spothive.database import guards, sqlite
from spothive.database.bulk import plain_type
from spothive.errors import CopyFailed, TextDamaged
from spothive.models import Base
from spothive.schema.types import JSON_MAX_BYTES

BATCH = 1000
"""Rows that are held in memory at once."""

StoredRow = tuple[Any, ...]
Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many rows are done and how many there are."""

_OWN_LEDGERS = {"alembic_version", guards.LEDGER, guards.MANIFEST}
_POSTGRESQL = pg.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
_AS_STORED = {
    pg.JSONB: "{}::text",
    sa.Uuid: "replace({}::text, '-', '')",
    sa.Boolean: "{}::int",
    sa.DateTime: "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    sa.Date: "to_char({}, 'YYYY-MM-DD')",
    sa.Float: "{} + 0",  # SQLite knows no -0.0
    sa.Numeric: "({} * 1000000)::bigint",
}
"""How PostgreSQL brings a column into SQLite's form; the types that are not here need nothing."""


@dataclass(frozen=True, slots=True)
class Total:
    """What a table holds: how many rows, and the checksum of all, 64 hexadecimal digits."""

    rows: int
    checksum: str


class StoredTable:
    """A table as a database has it, which at an older revision has fewer columns than the model."""

    def __init__(self, table: sa.Table, names: set[str]) -> None:
        """Take the columns of ``table`` that are among ``names``; what the database computes is left to it."""
        columns = [column for column in table.columns if column.name in names and column.computed is None]
        kinds = [plain_type(column, _POSTGRESQL) for column in columns]
        quote = _POSTGRESQL.identifier_preparer.quote
        self.name = table.name
        self.columns = [quote(column.name) for column in columns]
        self._converted = [_as_stored(name, kind) for name, kind in zip(self.columns, kinds, strict=True)]
        self._documents = [n for n, kind in enumerate(kinds) if isinstance(kind, pg.JSONB)]
        self.amounts = [n for n, kind in enumerate(kinds) if _as_stored("", kind) == _as_stored("", sa.Numeric())]

    def count(self, connection: Connection) -> int:
        """Return the number of rows."""
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {self.name}").scalar_one())

    @contextmanager
    def read(self, connection: Connection) -> Iterator[Iterator[Sequence[StoredRow]]]:
        """Read every row that ``connection`` sees, in batches; the block is what closes a cursor left half-way.

        Raises:
            CopyFailed: SQLite holds text there that is no UTF-8.
        """
        columns = self.columns if connection.dialect.name == "sqlite" else self._converted
        query = f"SELECT {', '.join(columns)} FROM {self.name}"
        options = {"stream_results": True, "max_row_buffer": BATCH}
        try:
            with connection.exec_driver_sql(query, execution_options=options) as result:
                yield ([tuple(row) for row in rows] for rows in result.partitions(BATCH))
        except TextDamaged:
            where = sqlite.undecodable_text(connection, self.name, self.columns)
            msg = f"{where} is text that is no UTF-8, as only another program can write it: correct it there first"
            raise CopyFailed(msg) from None

    def digest(self, row: StoredRow) -> int:
        """Return the SHA-256 of ``row``, as a number."""
        if self._documents:
            values = list(row)
            for n in self._documents:
                values[n] = canonical_json(values[n])
        else:
            values = row  # type: ignore[assignment]  # encoded like a list
        return int.from_bytes(hashlib.sha256(_encode(values).encode()).digest())


class Sum:
    """Adds up the rows of one table. Sums know no order, and SHA-256 makes one that fits by accident unthinkable."""

    def __init__(self, table: StoredTable) -> None:
        """Begin with no row of ``table``."""
        self.rows = 0
        self._table = table
        self._sum = 0

    def add(self, rows: Sequence[StoredRow]) -> None:
        """Add ``rows``."""
        self.rows += len(rows)
        self._sum = (self._sum + sum(map(self._table.digest, rows))) % 2**256

    def total(self) -> Total:
        """Return what was added so far."""
        return Total(self.rows, f"{self._sum:064x}")


def stored_tables(connection: Connection) -> list[StoredTable]:
    """Return the tables the database has, parents first.

    Raises:
        CopyFailed: it has a table or a column that this code does not know, whose values would be left out.
    """
    found = {name: {str(c["name"]) for c in cs} for (_, name), cs in inspect(connection).get_multi_columns().items()}
    declared = {table.name: {column.name for column in table.columns} for table in Base.metadata.sorted_tables}
    strange = sorted(found.keys() - declared.keys() - _OWN_LEDGERS)
    strange += sorted(f"{name}.{c}" for name, columns in declared.items() for c in found.get(name, set()) - columns)
    if strange:
        msg = (
            f"this spothive does not know {', '.join(strange[:5])}, which would be left out: remove what is not its own"
        )
        raise CopyFailed(msg)
    return [StoredTable(table, found[table.name]) for table in Base.metadata.sorted_tables if table.name in found]


def measure(connection: Connection, what: str, progress: Progress) -> dict[str, Total]:
    """Return table to what it holds, as ``connection`` sees it; ``progress`` hears of it as ``what`` and the table.

    Raises:
        CopyFailed: see :func:`stored_tables`.
    """
    totals = {}
    for table in stored_tables(connection):
        counted, found = table.count(connection), Sum(table)
        with table.read(connection) as batches:
            for rows in batches:
                found.add(rows)
                progress(f"{what} {table.name}", found.rows, counted)
        totals[table.name] = found.total()
    return totals


def canonical_json(text: str | None) -> str | None:
    r"""Return one spelling for all JSON texts of one value: keys sorted, each number by its exact value.

    PostgreSQL keeps numbers as decimals and prints 1e16 in full, where SQLite keeps what was written. A number becomes
    a text that begins with NUL, which no stored text contains.
    """
    if text is None or len(text) == len("{}"):
        return text
    return _sorted.encode(_exact.decode(text))


def _exact_number(text: str) -> str:
    number = _EXACT.create_decimal(text).normalize(_EXACT)
    return f"\0{number or 0:E}"  # not -0, which PostgreSQL does not know


_EXACT = Context(prec=JSON_MAX_BYTES, traps=[])
_exact = json.JSONDecoder(parse_int=_exact_number, parse_float=_exact_number)
_sorted = json.JSONEncoder(sort_keys=True)
_encode = json.JSONEncoder(default=bytes.hex).encode


def _as_stored(name: str, kind: sa.types.TypeEngine[Any]) -> str:
    return next((form for base, form in _AS_STORED.items() if isinstance(kind, base)), "{}").format(name)
