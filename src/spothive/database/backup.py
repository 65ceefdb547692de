"""Backups: each is a file that is an ordinary SQLite database of spothive, whatever it was made from.

It can be opened with any tool and served from. A table of its own, the manifest, says how many rows each table had in
the database that was backed up and what their checksum was; nothing is restored that differs from it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, NullPool, create_engine, inspect
from sqlalchemy.engine import URL

from spothive.clock import utc_now
from spothive.database import refusals, sqlite
from spothive.database.checksums import Progress, Total, measure
from spothive.database.connection import make_owner_engine
from spothive.database.copying import (
    Copied,
    copy_rows,
    differences,
    ignore_progress,
    revision_in,
    settings_for,
    snapshot,
)
from spothive.database.guards import MANIFEST
from spothive.database.revisions import CURE, apply_migrations, current_revision, head
from spothive.database.status import size_of
from spothive.errors import CopyFailed, DatabaseUnavailable, InvalidInput, SchemaOutdated
from spothive.settings import Settings, get_settings

PAGES = 1024
"""Pages of an SQLite file that are copied between two words of progress: 4 MB."""


def back_up(file: Path, *, progress: Progress = ignore_progress) -> Copied:
    """Back the database of the settings up, as its owner, to ``file``, which its owner alone may read.

    The database may be in use. The file gets its name when it is whole and checked; else nothing is left.

    Args:
        file: a name that is not taken yet, in a folder that is there.
        progress: is told what is going on, rows (or pages) done and in all.

    Raises:
        InvalidInput: the name is taken, or the file cannot be made.
        SchemaOutdated: the database is empty.
        SchemaTooNew: a newer spothive migrated it.
        CopyFailed: the database holds tables this code does not know, a row without the one it points at or text that
            is none; or what was written is not what was read.
        DatabaseUnavailable: the database cannot be read, or the disk is full.
    """
    started = time.monotonic()
    _refuse_taken(file)
    with snapshot(get_settings()) as source, _draft_of(file) as draft:
        revision = revision_in(source)
        copy = _copy_pages if source.dialect.name == "sqlite" else _copy_rows
        totals = copy(source, draft, progress)
        _write_manifest(draft, revision, totals)
        with _opened(draft) as made:
            _check(made, draft, progress)
        _refuse_taken(file)
        draft.rename(file)
        _make_durable(file.parent)
    return Copied(revision, totals, time.monotonic() - started, file.stat().st_size)


def restore(file: Path, *, replace: bool = False, progress: Progress = ignore_progress) -> Copied:
    """Restore the backup in ``file`` into the database of the settings, as its owner; that is made if there is none.

    The file is held against its manifest first. A backup of an earlier revision is upgraded before a row is copied,
    in a copy of its own, so that the database changes in one transaction.

    Args:
        file: a backup.
        replace: whether the rows that are there make way; else there may be none.
        progress: is told what is going on, rows (or pages) done and in all.

    Raises:
        InvalidInput: the file is no backup, is damaged or differs from its manifest, or is the database itself.
        SchemaOutdated: the database is older than the code.
        SchemaTooNew: a newer spothive made the backup or migrated the database.
        CopyFailed: the database holds rows, or the rows do not arrive whole; it is as it was.
        DatabaseUnavailable: the database cannot be reached or written; it is as it was.
        MigrationFailed: the tables cannot be made, or the backup not upgraded.
    """
    started = time.monotonic()
    settings = get_settings()
    _refuse_itself(file, settings)
    with _opened(file) as source:
        _check(source, file, progress)
        at = current_revision()
        if at not in {None, head()}:
            msg = f"the database is at {at}, a backup is restored at {head()}: {CURE} first"
            raise SchemaOutdated(msg)
        with _at_head(source, progress) as rows:
            if at is None:
                apply_migrations()
            totals = copy_rows(rows, settings, replace=replace, progress=progress)
    return Copied(head(), totals, time.monotonic() - started, size_of(settings))


def _refuse_taken(file: Path) -> None:
    try:
        file.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InvalidInput(f"{file} cannot be made: {_reason(error)}") from None
    kind = (
        "is a directory: name a file in it" if file.is_dir() else "exists: a backup never overwrites, name another file"
    )
    raise InvalidInput(f"{file} {kind}")


@contextmanager
def _draft_of(file: Path) -> Iterator[Path]:
    """Yield an empty file in a folder beside ``file``; the folder goes at the end, with all that SQLite adds to it."""
    try:
        folder = TemporaryDirectory(prefix=".spothive-backup-", dir=file.parent)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} cannot be made: {_reason(error)}") from None
    with folder as name:
        draft = Path(name) / "backup.db"
        draft.touch(mode=0o600)
        try:
            yield draft
        except DatabaseUnavailable as error:
            raise DatabaseUnavailable(f"{file} was not made: {error}") from error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or "that is no file name"


def _copy_pages(source: Connection, draft: Path, progress: Progress) -> Mapping[str, Total]:
    """Copy an SQLite file as it is. The transaction of ``source`` keeps writers from making the copy begin again."""
    totals = measure(source, "reading", progress)
    if broken := sqlite.missing_parent(source):
        msg = f"{broken}, so the backup could not be restored: add or delete one of them, `spothive doctor` says more"
        raise CopyFailed(msg)

    def tell(_: int, left: int, pages: int) -> None:
        progress("copying pages", pages - left, pages)

    live: Any = source.connection.dbapi_connection
    with _sqlite_errors(), closing(sqlite3.connect(draft)) as copy:
        live.backup(copy, pages=PAGES, progress=tell)
    return totals


def _copy_rows(source: Connection, draft: Path, progress: Progress) -> Mapping[str, Total]:
    settings = _settings_of(draft)
    apply_migrations(revision_in(source), settings=settings)
    return copy_rows(source, settings, progress=progress)


def _settings_of(file: Path) -> Settings:
    return settings_for(URL.create("sqlite", database=str(file.absolute())).render_as_string())


def _write_manifest(draft: Path, revision: str, totals: Mapping[str, Total]) -> None:
    tables = {name: asdict(total) for name, total in totals.items()}
    manifest = json.dumps({"made_at": utc_now().isoformat(), "revision": revision, "tables": tables})
    with _sqlite_errors(), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, and readable where nothing may be written
        connection.execute(f"DROP TABLE IF EXISTS {MANIFEST}")  # what is backed up may have been a backup itself
        connection.execute(f"CREATE TABLE {MANIFEST} (manifest TEXT NOT NULL) STRICT")
        connection.execute(f"INSERT INTO {MANIFEST} (manifest) VALUES (?)", (manifest,))


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    """Raise spothive's errors where the driver is used without SQLAlchemy."""
    try:
        yield
    except sqlite3.Error as error:
        raw = sqlite.read_refusal(error, None)
        if raw is None:
            raise
        raise refusals.to_error(raw) from error


def _make_durable(folder: Path) -> None:
    """Make sure that a name just given in ``folder`` is still there after a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _opened(file: Path) -> Iterator[Connection]:
    """Open a transaction on an SQLite file that changes nothing of it, not even its journal mode.

    Raises:
        InvalidInput: there is no file, or it cannot be read.
    """
    try:
        with file.open("rb"):
            place = f"file:{quote(str(file.absolute()))}?mode=ro"
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} cannot be read: {_reason(error)}") from None
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(place, uri=True, isolation_level=None), poolclass=NullPool
    )
    refusals.install(engine)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def _check(source: Connection, file: Path, progress: Progress) -> None:
    """Hold the file against its manifest.

    Raises:
        InvalidInput: it is damaged, has no manifest or differs from it.
        SchemaTooNew: a newer spothive made it.
    """
    try:
        if (found := source.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()) != "ok":
            raise InvalidInput(f"{file} is damaged ({str(found).splitlines()[0]}): take another copy of it")
        if not inspect(source).has_table(MANIFEST):
            raise InvalidInput(f"{file} is no backup of spothive: `spothive db backup` makes one")
        manifest = json.loads(source.exec_driver_sql(f"SELECT manifest FROM {MANIFEST}").scalar_one())
        revision = revision_in(source)
        differing = differences(
            {name: Total(**total) for name, total in manifest["tables"].items()}, measure(source, "checking", progress)
        )
    except DatabaseUnavailable as error:
        raise InvalidInput(f"{file} cannot be read as a backup: {error.__cause__ or error}") from None
    if revision != manifest["revision"] or differing:
        what = ", ".join(differing) or f"revision {revision}"
        msg = (
            f"{file} is not as it was made, in {what}: take another copy, or `spothive db copy` if the change is meant"
        )
        raise InvalidInput(msg)


def _refuse_itself(file: Path, settings: Settings) -> None:
    target = make_owner_engine(settings).url
    place = Path(str(target.database))
    if target.get_backend_name() == "sqlite" and place.exists() and file.exists() and file.samefile(place):
        raise InvalidInput(f"{file} is the database itself: name a backup, or another DATABASE_URL")


@contextmanager
def _at_head(source: Connection, progress: Progress) -> Iterator[Connection]:
    """Yield ``source``, or, if it is at an earlier revision, an upgraded copy."""
    if revision_in(source) == head():
        yield source
        return
    with TemporaryDirectory(prefix="spothive-restore-") as folder:
        scratch = Path(folder) / "scratch.db"
        _copy_pages(source, scratch, progress)
        apply_migrations(settings=_settings_of(scratch))
        with _opened(scratch) as upgraded:
            yield upgraded
