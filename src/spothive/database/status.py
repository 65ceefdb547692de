"""Where the database is, how large it is and which revision it is at."""

from __future__ import annotations

from dataclasses import dataclass

from spothive.database import postgresql, sqlite
from spothive.database.connection import make_owner_engine
from spothive.database.revisions import SchemaStatus, current_revision, head
from spothive.settings import Settings, get_settings


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What can be told of a database, empty or not.

    Attributes:
        engine: ``postgresql`` or ``sqlite``.
        place: absolute path of the file, or URL without password.
        schema: its revision and the newest one this code knows.
        size: bytes on disk.
    """

    engine: str
    place: str
    schema: SchemaStatus
    size: int


def read_status() -> DatabaseStatus:
    """Look at the database as its owner; makes nothing, not even the file.

    Raises:
        DatabaseUnavailable: it cannot be reached or opened.
        SchemaTooNew: its revision is not known to this code.
    """
    settings = get_settings()
    schema = SchemaStatus(current_revision(), head())
    url = make_owner_engine(settings).url
    words = sqlite if url.get_backend_name() == "sqlite" else postgresql
    return DatabaseStatus(url.get_backend_name(), words.place(url), schema, size_of(settings))


def size_of(settings: Settings) -> int:
    """Return the bytes on disk of the database of ``settings``.

    Raises:
        DatabaseUnavailable: it cannot be reached.
    """
    engine = make_owner_engine(settings)
    try:
        if engine.dialect.name == "sqlite":
            return sqlite.size(engine.url)
        with engine.connect() as connection:
            return postgresql.size(connection)
    finally:
        engine.dispose()
