"""What sealing and verifying the audit trail ask of each database: leaves, and which rows are final.

A leaf stands for one row of ``audit_logs``: the SHA-256 of a zero byte and of every column in declared order, each as
PostgreSQL's COPY BINARY would write it: its length (4 bytes, big-endian, -1 for NULL) and its bytes. Ids are 16 bytes,
whole numbers 8 bytes big-endian, times 8 bytes too (microseconds since 2000-01-01 00:00 UTC), everything else UTF-8.
The same row has the same leaf on both databases. PostgreSQL computes it where the rows are, SQLite has no SHA-256.

An entry is the id of a row and its leaf, 48 bytes; entries are kept in the order of the ids.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import Session

from spothive.database.horizon import as_number
from spothive.models import AuditLog, AuditSeal
from spothive.schema.append_only import CLOCK_TOLERANCE
from spothive.schema.types import Id, UtcDateTime, Whole, utc_text

ID_BYTES = 16
ENTRY_BYTES = ID_BYTES + 32
ROWS = AuditLog.__table__
CLAIMS_NOTHING = 1
"""Horizon of a seal behind which older rows may still lack one: no transaction has a lower number."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTH = struct.Struct(">i").pack
_NULL = _LENGTH(-1)
_UNREADABLE = _LENGTH(-2)  # as no value begins
_ID_LENGTH = _LENGTH(ID_BYTES)
_SLACK = timedelta(seconds=2 * CLOCK_TOLERANCE)
"""By how much an SQLite row may be older than one that was written before it."""


def leaf(values: Iterable[Any]) -> bytes:
    """Return the leaf of a row, given as Python has its columns, in declared order."""
    return hashlib.sha256(b"\0" + b"".join(map(_field, values))).digest()


def entries(session: Session, rows: Select[Any]) -> bytes:
    """Return the entries of the ``rows`` (a SELECT of the whole table), in the order of the ids."""
    chosen = rows.subquery("chosen")
    if _on_postgresql(session):
        # Within the aggregate, the order of the rows is that of the ids, whatever the SELECT's is.
        leaf_of_row = _leaf_in_sql("chosen", plainly=_in_utf8(session))
        pieces = f"string_agg(uuid_send(chosen.id) || {leaf_of_row}, ''::bytea ORDER BY chosen.id)"
        found: bytes | None = session.scalar(sa.select(sa.literal_column(pieces)).select_from(chosen))
        return found or b""
    stored = [chosen.c[column.name] for column in ROWS.columns]
    # As they lie in the file: whatever somebody has written there by hand can be read in this way.
    raw = [column if isinstance(column.type, Whole) else sa.cast(column, sa.LargeBinary) for column in stored]
    found_rows = session.execute(sa.select(*raw).order_by(chosen.c.id))
    return b"".join(_stored_entry(row) for row in found_rows)


def final(session: Session, below: int) -> ColumnElement[bool]:
    """Return the condition for rows that nothing can be written before.

    ``below`` is the :func:`~spothive.database.horizon.horizon`.

    Rows of numbers that are still to come are final too: they were copied from another server.
    """
    if not _on_postgresql(session):
        return sa.true()
    to_come = as_number(sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()))
    return sa.or_(ROWS.c.txid < below, ROWS.c.txid >= to_come)


def mark(session: Session) -> ColumnElement[Any]:
    """Return the column in whose order rows become final: ``txid``, on SQLite ``timestamp``."""
    return ROWS.c.txid if _on_postgresql(session) else ROWS.c.timestamp


def new_since(session: Session, last: AuditSeal | None, below: int) -> tuple[Any, ColumnElement[bool]] | None:
    """Return where to begin by :func:`mark` to find what the newest seal does not cover, and up to where to look.

    Return None where that seal claims nothing that holds here, as it was made on another server: all rows are due.
    """
    if _on_postgresql(session):
        known = last is not None and CLAIMS_NOTHING < last.horizon <= below
        return (last.horizon, ROWS.c.txid < below) if last and known else None
    if last is None:
        return datetime(1, 1, 1, tzinfo=UTC), sa.true()
    return (_newest_time(session, last) - _SLACK, sa.true()) if last.horizon == 0 else None


def covered(session: Session, last: AuditSeal) -> ColumnElement[bool]:
    """Return the condition for rows that the newest seal, or one before it, must cover: nobody can write one any more.

    Where rows were moved to another server, only time tells the new ones from those.
    """
    if last.horizon == 0:
        return ROWS.c.timestamp < _newest_time(session, last) - _SLACK
    if last.horizon == CLAIMS_NOTHING:
        return sa.false()
    told = last.sealed_at - timedelta(seconds=CLOCK_TOLERANCE)
    return sa.and_(ROWS.c.txid < last.horizon, ROWS.c.timestamp < told)


def first_id() -> ColumnElement[bytes]:
    """Return the lowest id a seal covers."""
    return sa.func.substr(AuditSeal.leaves, 1, ID_BYTES, type_=sa.LargeBinary)


def last_id() -> ColumnElement[bytes]:
    """Return the highest id a seal covers."""
    start = sa.func.length(AuditSeal.leaves) - ENTRY_BYTES + 1
    return sa.func.substr(AuditSeal.leaves, start, ID_BYTES, type_=sa.LargeBinary)


def cut(entries: bytes) -> list[bytes]:
    """Return the single entries."""
    return [entries[n : n + ENTRY_BYTES] for n in range(0, len(entries), ENTRY_BYTES)]


def id_in(entry: bytes) -> bytes:
    """Return the 16 bytes of the id in an entry."""
    return entry[:ID_BYTES]


def _newest_time(session: Session, seal: AuditSeal) -> datetime:
    """Return the latest time of the rows that ``seal`` covers."""
    covered_ids = set(map(id_in, cut(seal.leaves)))
    between = (
        ROWS.c.tenant_id == seal.tenant_id,
        ROWS.c.id.between(UUID(bytes=min(covered_ids)), UUID(bytes=max(covered_ids))),
    )
    found = session.execute(sa.select(ROWS.c.id, ROWS.c.timestamp).where(*between)).yield_per(1000)
    return max((time for row_id, time in found if row_id.bytes in covered_ids), default=datetime(1, 1, 2, tzinfo=UTC))


# --- leaves ------------------------------------------------------------------------------------------------------


def _field(value: Any) -> bytes:
    match value:
        case None:
            return _NULL
        case UUID():
            data = value.bytes
        case datetime():
            data = struct.pack(">q", (value - _EPOCH) // _MICROSECOND)
        case int():
            data = struct.pack(">q", value)
        case _:
            data = str(value).encode()
    return _LENGTH(len(data)) + data


def _stored_entry(row: Sequence[Any]) -> bytes:
    fields = [_NULL if value is None else encode(value) for encode, value in zip(_STORED, row, strict=True)]
    return fields[_ID][4:].ljust(ID_BYTES, b"\0")[:ID_BYTES] + hashlib.sha256(b"\0" + b"".join(fields)).digest()


def _stored_id(data: bytes) -> bytes:
    """Return the field of an id as it lies in an SQLite file; in another spelling than ours it is equal to no other."""
    try:
        found = bytes.fromhex(data.decode())
    except ValueError:
        return _UNREADABLE + data
    return _ID_LENGTH + found if found.hex().encode() == data else _UNREADABLE + data


def _stored_time(data: bytes) -> bytes:
    """Return the field of a time, in the same way."""
    try:
        moment = datetime.fromisoformat(data.decode()).replace(tzinfo=UTC)
    except ValueError:
        return _UNREADABLE + data
    return _field(moment) if utc_text(moment).encode() == data else _UNREADABLE + data


def _stored_text(data: bytes) -> bytes:
    return _LENGTH(len(data)) + data


def _encoder(column: Any) -> Callable[[Any], bytes]:
    """Return what makes the field of a value as it lies in an SQLite file."""
    if isinstance(column.type, Id):
        return _stored_id
    if isinstance(column.type, UtcDateTime):
        return _stored_time
    return _field if isinstance(column.type, Whole) else _stored_text


_STORED = [_encoder(column) for column in ROWS.columns]
_ID = list(ROWS.columns.keys()).index("id")


def _leaf_in_sql(source: str, *, plainly: bool) -> str:
    fields = " || ".join(_field_in_sql(column, f"{source}.{column.name}", plainly=plainly) for column in ROWS.columns)
    return f"sha256('\\x00'::bytea || {fields})"


def _field_in_sql(column: Any, value: str, *, plainly: bool) -> str:
    if isinstance(column.type, Id):
        field = f"'\\x00000010'::bytea || uuid_send({value})"
    elif isinstance(column.type, UtcDateTime):
        field = f"'\\x00000008'::bytea || timestamptz_send({value})"
    elif isinstance(column.type, Whole):
        field = f"'\\x00000008'::bytea || int8send({value})"
    elif plainly:
        field = f"int4send(octet_length({value})) || textsend({value})"
    else:
        field = f"int4send(octet_length(convert_to({value}, 'UTF8'))) || convert_to({value}, 'UTF8')"
    return f"coalesce({field}, '\\xffffffff'::bytea)" if column.nullable else field


def _in_utf8(session: Session) -> bool:
    """Tell whether text is UTF-8 on the server and on its way to us: then nothing is converted."""
    told: Any = session.connection().connection.dbapi_connection
    return all(told.info.parameter_status(f"{side}_encoding") == "UTF8" for side in ("server", "client"))


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
