"""Ids: UUIDs that the application makes."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from uuid_utils.compat import uuid7

from spothive.errors import InvalidInput
from spothive.schema.types.checked import Check, CheckedType

new_id = uuid7
"""Make a UUIDv7: time-ordered, so new rows land at the end of every index."""


class Id(CheckedType[UUID]):
    """A UUID: ``uuid`` on PostgreSQL, on SQLite 32 lower-case hexadecimal digits, so that each has one spelling."""

    impl = sa.Uuid
    cache_ok = True

    def process_bind_param(self, value: UUID | str | None, dialect: Dialect) -> UUID | None:
        """Accept a UUID or any of its usual spellings.

        Raises:
            InvalidInput: it is no UUID.
        """
        del dialect
        if value is None or isinstance(value, UUID):
            return value
        try:
            return UUID(value)
        except (ValueError, TypeError, AttributeError):
            msg = f"not an id: {str(value)[:40]!r}; an id looks like 0193a1b2-5c4d-7e6f-8a9b-0c1d2e3f4a5b"
            raise InvalidInput(msg) from None

    def checks(self, column: str) -> Iterator[Check]:
        """Keep other spellings out of SQLite, where they would be other ids."""
        yield Check("uuid", f"length({column}) = 32 AND {column} NOT GLOB '*[^0-9a-f]*'", "it is not an id", "sqlite")
