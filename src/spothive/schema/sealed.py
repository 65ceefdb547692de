"""Columns that hold secrets, sealed.

The column type does no cryptography: a query over a thousand accounts opens nothing. Sealing and opening are calls
that stand in the code, and a sealed value opens only in the tenant, the column and the row it was sealed for.
"""

from __future__ import annotations

import hmac
import string
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from spothive.errors import InvalidInput, KeyMissing, SecretUnreadable, TenantNotBound
from spothive.keyring import KEY_ID_LENGTH, TOKEN_MAX_LENGTH, TOKEN_MIN_LENGTH, TOKEN_PREFIX, Keyring, is_token
from spothive.schema.refusal import HasColumns, Refusal, by_system, fixed_snapshot
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import CheckedType, new_id
from spothive.schema.types.checked import Check

_CONTEXT_VERSION = b"1"
_HEX = "0123456789abcdef"
_ALPHABET = f"{string.ascii_letters}{string.digits}-_:"


class Sealed(CheckedType[str]):
    """TEXT that holds a token of :mod:`spothive.keyring` and nothing else; the database refuses plain text too."""

    cache_ok = True

    def __init__(self, purpose: str) -> None:
        """Seal values for ``purpose``, for example ``aws.access_key_id``.

        The purpose is part of what a token is bound to. It is unique among the columns and never changes, whatever
        the column or the table is called later: a value sealed for another purpose no longer opens.
        """
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse plain text before it is sent, so that no error or log of the database can repeat it.

        Raises:
            InvalidInput: it is no token.
        """
        del dialect
        if value is not None and not is_token(value):
            raise InvalidInput("this column takes sealed values only: set it with spothive.schema.sealed.seal()")
        return value

    def checks(self, column: str) -> Iterator[Check]:
        """Refuse what does not look like a token."""
        colon = len(TOKEN_PREFIX) + KEY_ID_LENGTH + 1
        # No LIKE: on SQLite it is blind to case. And trim() over the whole value, as SQLite's substr() stops at a NUL.
        yield Check(
            "sealed",
            f"substr({column}, 1, {len(TOKEN_PREFIX)}) = '{TOKEN_PREFIX}' "
            f"AND trim(substr({column}, {len(TOKEN_PREFIX) + 1}, {KEY_ID_LENGTH}), '{_HEX}') = '' "
            f"AND substr({column}, {colon}, 1) = ':' "
            f"AND trim({column}, '{_ALPHABET}') = '' "
            f"AND length({column}) >= {TOKEN_MIN_LENGTH} AND length({column}) <= {TOKEN_MAX_LENGTH}",
            "it holds sealed values only",
        )


def seal(keyring: Keyring, row: TenantOwned, attribute: str, plaintext: str) -> None:
    """Seal ``plaintext`` for this very row and set ``attribute`` to the token.

    A new row without an id is given one here, since the token is bound to it; it keeps that id when it is flushed.

    Raises:
        InvalidInput: ``plaintext`` is empty, longer than 16 kB or not valid Unicode.
        TenantNotBound: a new row has no ``tenant_id`` yet.
        TypeError: ``attribute`` is no sealed column.
    """
    purpose = _purpose(row, attribute)
    if row.tenant_id is None:
        raise TenantNotBound(f"this {type(row).__name__} has no tenant yet: give it a tenant_id before sealing")
    if row.id is None:
        row.id = new_id()  # type: ignore[unreachable]  # Mapped[] speaks of stored rows, a new one has no id yet
    setattr(row, attribute, keyring.seal(plaintext, _context(row.tenant_id, purpose, row.id)))


def unseal(keyring: Keyring, row: TenantOwned, attribute: str) -> str:
    """Return the secret that ``attribute`` holds.

    Raises:
        KeyMissing: the keyring does not hold the key that sealed it.
        SecretUnreadable: there is no value, it was changed, or it was copied from another row, column or tenant.
        TypeError: ``attribute`` is no sealed column.
    """
    purpose = _purpose(row, attribute)
    token = getattr(row, attribute)
    where = f"{type(row).__name__}.{attribute} of {row.id}"
    if token is None:
        raise SecretUnreadable(f"{where} holds no secret: store one first")
    try:
        return keyring.unseal(token, _context(row.tenant_id, purpose, row.id))
    except SecretUnreadable as error:
        raise SecretUnreadable(f"{where}: {error}") from None


def still_holds(keyring: Keyring, row: TenantOwned, attribute: str, plaintext: str) -> bool:
    """Tell whether ``attribute`` holds ``plaintext``, which was read from it before.

    The token alone does not tell: sealing the same secret anew with another key changes it.

    Raises:
        TypeError: ``attribute`` is no sealed column.
    """
    try:
        return hmac.compare_digest(unseal(keyring, row, attribute).encode(), plaintext.encode())
    except (KeyMissing, SecretUnreadable):
        return False


def reseal(keyring: Keyring, column: sa.Column[Any], tenant_id: UUID, row_id: UUID, token: str) -> str:
    """Return ``token``, stored in sealed ``column`` of that row, as the primary key seals it.

    Raises:
        KeyMissing: the keyring does not hold the key that sealed it.
        SecretUnreadable: it was changed, or copied from another row, column or tenant.
        TypeError: ``column`` is no sealed column.
    """
    context = _context(tenant_id, _purpose_of(column.type, str(column)), row_id)
    return keyring.seal(keyring.unseal(token, context), context)


def sealed_columns(metadata: sa.MetaData) -> list[sa.Column[Any]]:
    """Return every sealed column, by table and name."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return [column for table in tables for column in table.columns if isinstance(column.type, Sealed)]


def key_id_of(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """Return the SQL expression for the id of the key that sealed ``column``'s value."""
    return sa.func.substr(column, len(TOKEN_PREFIX) + 1, KEY_ID_LENGTH, type_=sa.Text)


def _purpose(row: TenantOwned, attribute: str) -> str:
    declared = sa.inspect(type(row)).column_attrs.get(attribute)
    kind = declared.columns[0].type if declared is not None else None
    return _purpose_of(kind, f"{type(row).__name__}.{attribute}")


def _purpose_of(kind: object, name: str) -> str:
    if not isinstance(kind, Sealed):
        raise TypeError(f"{name} is no sealed column")
    return kind.purpose


def _context(tenant_id: UUID, purpose: str, row_id: UUID) -> bytes:
    """Return what a token is bound to. Each part has its length before it, so no two lists of parts look alike."""
    parts = (_CONTEXT_VERSION, tenant_id.bytes, purpose.encode(), row_id.bytes)
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


# --- withdrawn keys ----------------------------------------------------------------------------------------------
#
# Who writes a sealed value holds its key's lock together with all others who do, who withdraws a key has it alone: so
# a value that is still being written when a key is withdrawn is either counted or refused. What PostgreSQL's REPEATABLE
# READ would not see after it has waited is refused outright.


def withdrawal_refusals(table: sa.Table) -> Iterator[Refusal]:
    """Yield, for each sealed column of ``table``, what refuses a value that a withdrawn key has sealed."""
    for column in table.columns:
        if isinstance(column.type, Sealed):
            yield Refusal(
                rule=f"lc_{table.name}_{column.name}_withdrawn",
                events=("insert", "update"),
                columns=(column.name,),
                when=partial(_is_withdrawn, table.metadata, column.name),
                lock=partial(_share_key, column.name),
                message="a withdrawn key sealed it: seal it with the first key of `spothive secrets status`, "
                "in READ COMMITTED (other transactions cannot tell)",
            )


def stays_in_use(table: str, metadata: Callable[[], sa.MetaData]) -> Refusal:
    """Return what refuses to list a key in ``table``, the withdrawn ones, while it seals any value of any tenant.

    Args:
        table: its name.
        metadata: gives the tables, once all are declared.
    """
    return Refusal(
        rule=f"lc_{table}_in_use",
        events=("insert",),
        when=lambda _, new: _is_in_use(metadata(), new),
        lock=lambda _, new: sa.select(sa.func.pg_advisory_xact_lock(_lock_number(new.c.key_id))),
        message="the key seals stored values: run `spothive secrets rotate` first, and withdraw it after that",
    )


def _is_withdrawn(metadata: sa.MetaData, column: str, _: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    withdrawn = metadata.tables["withdrawn_keys"]
    listed = sa.select(sa.literal(1)).select_from(withdrawn).where(withdrawn.c.key_id == key_id_of(new.c[column]))
    return sa.and_(new.c[column].is_not(None), sa.or_(sa.exists(listed), fixed_snapshot()))


def _share_key(column: str, _: HasColumns, new: HasColumns) -> sa.Select[Any]:
    return sa.select(sa.func.pg_advisory_xact_lock_shared(_lock_number(key_id_of(new.c[column]))))


def _is_in_use(metadata: sa.MetaData, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a value needs the new row's key, or that the writer could not see all of them."""
    used = [
        sa.exists(sa.select(sa.literal(1)).select_from(column.table).where(key_id_of(column) == new.c.key_id))
        for column in sealed_columns(metadata)
    ]
    return sa.or_(*used, sa.not_(by_system()), fixed_snapshot())


def _lock_number(key_id: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(sa.literal("spothive.sealing_key.", sa.Text()) + key_id, 0)
