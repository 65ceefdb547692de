"""Plain tables: with the columns, CHECKs, keys and indexes of one of ours, and none of its guards and policies."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from bench.place import Database
from spothive.models import Base

_FOREIGN_KEYS = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass"


def make_plain_table(database: Database, model: type[Base], name: str) -> None:
    """Make the plain table of ``model`` on PostgreSQL, as owner; the service may write it."""
    table = model.__tablename__
    with database.raw() as connection:
        connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        for (key,) in connection.execute(_FOREIGN_KEYS, [table]).fetchall():
            connection.execute(f"ALTER TABLE {name} ADD {key}")
        connection.execute(f"GRANT SELECT, INSERT ON {name} TO spothive_app")


def plain_class(model: type[Base], name: str) -> Any:
    """Return a class for the rows of the plain table, with the columns of ``model``."""
    table = model.__table__.to_metadata(MetaData(), name=name)  # type: ignore[attr-defined]  # a Table, as all ours are
    made = type(name, (), {"__table__": table, "__tablename__": name})
    registry().map_imperatively(made, table, primary_key=[table.c.id], eager_defaults=False)
    return made
