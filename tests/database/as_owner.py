"""The database as its owner sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from spothive.database.connection import make_owner_engine
from spothive.database.drift import Catalogue, read_catalogue
from spothive.settings import get_settings


@contextmanager
def owner() -> Iterator[sa.Connection]:
    """Open a connection as migrations do."""
    engine = make_owner_engine(get_settings())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def catalogue() -> Catalogue:
    """Return everything the database holds, by name."""
    with owner() as connection:
        return read_catalogue(connection)
