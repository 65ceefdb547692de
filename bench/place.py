"""Where the bench has its databases: migrated once, copied for each round, used as the application uses them."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from spothive.database import dispose_engine, run_all_migrations
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.models import Base
from spothive.settings import get_settings, normalise_url

Made = TypeVar("Made")
EngineName: TypeAlias = Literal["postgresql", "sqlite"]
ENGINES: Final[tuple[EngineName, ...]] = ("postgresql", "sqlite")

NAMES: Final = "spothive_bench_"
"""Begins the name of every database and login that the bench makes, and drops."""

_SERVICE: Final = NAMES + "service"
_COPIES_FILES: Final = 150_000
"""Oldest version of PostgreSQL that can be told to copy a database file by file."""
_LARGE: Final = 2**26
"""From this size, in bytes, that is faster: it makes each of a thousand files safe on disk, however small."""
_BCRYPT_ROUNDS: Final = "4"
"""No question is about passwords."""

GIVEN: Final = "SPOTHIVE_BENCH_POSTGRES_URL"
"""Names a server to measure on instead of the embedded one."""


class Unfit(Exception):
    """The place cannot be measured in; the message says why."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database.

    Attributes:
        engine: postgresql or sqlite.
        service_url: login of the service, which owns nothing (a secret).
        owner_url: login that owns it, a superuser on PostgreSQL (a secret).
    """

    engine: EngineName
    service_url: str
    owner_url: str

    @contextmanager
    def raw(self, *, owner: bool = True) -> Iterator[Any]:
        """Open a connection of the bare driver, in autocommit; on SQLite with spothive's own pragmas.

        As owner it passes by the row policies, so that nothing keeps a peer back.
        """
        if self.engine == "sqlite":
            with closing(open_sqlite(self.file)) as connection:
                yield connection
        else:
            with psycopg.connect(self.conninfo(owner=owner), autocommit=True) as opened:
                yield opened

    def conninfo(self, *, owner: bool = True) -> str:
        """Return the URL as psycopg takes it (a secret)."""
        return plain(make_url(self.owner_url if owner else self.service_url))

    @property
    def file(self) -> Path:
        """The file of an SQLite database."""
        return Path(str(make_url(self.owner_url).database))

    def value(self, statement: str) -> Any:
        """Return the first value of the first row, read as the owner."""
        with self.raw() as connection:
            return connection.execute(statement).fetchone()[0]


@dataclass(frozen=True, slots=True)
class Beginning(Generic[Made]):
    """A database with rows, for rounds to copy or to read, and what whoever wrote them says of them."""

    database: Database
    made: Made


def open_sqlite(file: Path) -> sqlite3.Connection:
    """Open an SQLite file with the bare driver and the pragmas that spothive uses, in autocommit."""
    connection = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "recursive_triggers = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def id_rising_with(moment: str, number: str) -> str:
    """Return SQL for an id that rises with time, as spothive's own do: new ones are neighbours in every index."""
    return f"""(
        lpad(to_hex((extract(epoch FROM {moment}) * 1000)::bigint), 12, '0') || '7'
            || lpad(to_hex(mod({number}, 4096)), 3, '0') || '8' || substr(md5(random()::text), 1, 15)
    )::uuid"""


def plain(url: URL) -> str:
    """Return ``url`` as PostgreSQL's own tools take it (a secret)."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def settings(**values: str) -> Iterator[None]:
    """Run with other environment variables; the engine of the process is made anew."""
    before = {name: os.environ.get(name) for name in values}
    _forget_engine()
    os.environ.update(values)
    get_settings.cache_clear()
    try:
        yield
    finally:
        _forget_engine()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        get_settings.cache_clear()


def _forget_engine() -> None:
    """Dispose of the engine, and let go of it: mappers keep statements, which keep their engines."""
    dispose_engine()
    for mapper in Base.registry.mappers:
        mapper.__dict__.pop("_compiled_cache", None)


@contextmanager
def in_use(database: Database, **values: str) -> Iterator[Database]:
    """Let the settings of this process lead to ``database``, and have ``values`` besides."""
    urls = {"DATABASE_URL": database.service_url, "SPOTHIVE_OWNER_URL": database.owner_url}
    with settings(**urls, SPOTHIVE_BCRYPT_ROUNDS=_BCRYPT_ROUNDS, **values):
        yield database


class Place:
    """A PostgreSQL server and a folder for SQLite files; what the bench makes there, it removes."""

    def __init__(self, folder: Path, server: URL) -> None:
        """Use ``folder`` and ``server``; :func:`open_place` makes both."""
        self.folder = folder
        self._server = server
        self._password = secrets.token_urlsafe(18)
        self._migrated: dict[EngineName, Database] = {}

    @property
    def maintenance(self) -> str:
        """URL of the server's own database, as its owner (a secret)."""
        return plain(self._server.set(database="postgres"))

    @contextmanager
    def empty(self, engine: EngineName) -> Iterator[Database]:
        """Make a database without any table, for the length of the block."""
        name = f"{NAMES}{secrets.token_hex(6)}"
        if engine == "sqlite":
            file = self.folder / f"{name}.db"
            yield Database("sqlite", f"sqlite:///{file}", f"sqlite:///{file}")
            _remove_file(file)
            return
        self._do("CREATE DATABASE {}", name)
        try:
            yield self._database(name)
        finally:
            self._do("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def copy(self, original: Database) -> Iterator[Database]:
        """Copy a database that nobody uses, for the length of the block; nothing of it is in use yet."""
        name = f"{NAMES}{secrets.token_hex(6)}"
        if original.engine == "sqlite":
            file = self.folder / f"{name}.db"
            shutil.copyfile(original.file, file)
            yield Database("sqlite", f"sqlite:///{file}", f"sqlite:///{file}")
            _remove_file(file)
            return
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            template = str(make_url(original.owner_url).database)
            (large,) = connection.execute("SELECT pg_database_size(%s) > %s", (template, _LARGE)).fetchone() or (True,)
            files = sql.SQL(" STRATEGY FILE_COPY" if large and connection.info.server_version >= _COPIES_FILES else "")
            names = map(sql.Identifier, (name, template))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names) + files)
        try:
            yield self._database(name)
        finally:
            self._do("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def used_copy(self, original: Database, **values: str) -> Iterator[Database]:
        """Copy a database, and let the settings lead to the copy."""
        with self.copy(original) as database, in_use(database, **values):
            yield database

    @contextmanager
    def beginning(self, engine: EngineName, make: Callable[[Database], Made]) -> Iterator[Beginning[Made]]:
        """Make a migrated database that holds what ``make`` writes; nothing of it is in use afterwards."""
        with self.copy(self.migrated(engine)) as database:
            with in_use(database):
                made = make(database)
            settle(database)
            yield Beginning(database, made)

    def migrated(self, engine: EngineName) -> Database:
        """Return the database of an engine that has all tables and no rows of ours, made at first use."""
        if engine not in self._migrated:
            self._migrated[engine] = self._migrate(engine)
        return self._migrated[engine]

    def _migrate(self, engine: EngineName) -> Database:
        if engine == "sqlite":
            file = self.folder / f"{NAMES}migrated.db"
            database = Database("sqlite", f"sqlite:///{file}", f"sqlite:///{file}")
        else:
            self._do("CREATE DATABASE {}", f"{NAMES}migrated")
            database = self._database(f"{NAMES}migrated")
        with in_use(database):
            run_all_migrations()
        if engine == "sqlite":
            with database.raw() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return database

    def _database(self, name: str) -> Database:
        owner = self._server.set(database=name)
        service = owner.set(username=_SERVICE, password=self._password)
        urls = [url.render_as_string(hide_password=False) for url in (service, owner)]
        return Database("postgresql", *urls)

    def _do(self, statement: str, name: str) -> None:
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def tidy(self) -> None:
        """Drop what this run, or one that was killed, has left on the server."""
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            like = [NAMES.replace("_", "\\_") + "%"]
            for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", like).fetchall():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(_SERVICE)))

    def make_login(self) -> None:
        """Make the login of the service: it owns nothing, so that the row policies hold for it."""
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            login = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(login.format(sql.Identifier(_SERVICE), sql.Literal(self._password)))


def settle(database: Database) -> None:
    """Let the database do now what it would do by itself at some time: clean up, and learn what its tables hold."""
    with database.raw() as connection:
        if database.engine == "postgresql":
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        else:
            connection.execute("ANALYZE")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_file(file: Path) -> None:
    for each in file.parent.glob(f"{file.name}*"):  # the log and its index too
        each.unlink()


@contextmanager
def open_place(folder: Path, given_url: str | None) -> Iterator[Place]:
    """Open the place: SQLite files in ``folder``, and the PostgreSQL at ``given_url``, or the embedded one there.

    Raises:
        Unfit: the server cannot be reached or does not sync, its login is no superuser's, or another run is on.
    """
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context((folder / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unfit(f"another run uses {folder}: wait for its end") from None
        shutil.rmtree(folder / "sqlite", ignore_errors=True)  # of a run that was killed
        (folder / "sqlite").mkdir(parents=True)
        stack.callback(shutil.rmtree, folder / "sqlite", ignore_errors=True)
        if not given_url:
            server = make_url(stack.enter_context(EmbeddedPostgres(folder / "postgresql", durable=True)).owner_url)
        else:
            server = _given(given_url)
        place = Place(folder / "sqlite", server)
        _refuse_unfit(place, server)
        place.tidy()
        place.make_login()
        stack.callback(place.tidy)
        yield place


def _given(url: str) -> URL:
    try:
        server = make_url(normalise_url(url))
    except (ArgumentError, ValueError):
        raise Unfit(f"{GIVEN} cannot be read: write postgresql://user:password@host:port/database") from None
    if server.get_backend_name() != "postgresql":
        raise Unfit(f"{GIVEN} leads to no PostgreSQL")
    return server


def _refuse_unfit(place: Place, server: URL) -> None:
    if not server.host or server.host.startswith("/"):
        raise Unfit("the server is reached by a Unix socket: name its host, as round trips are counted on the network")
    try:
        opened = psycopg.connect(place.maintenance, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise Unfit(f"the server in {GIVEN} cannot be reached: {str(error).splitlines()[0]}") from None
    with opened as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            if row != ("on",):
                raise Unfit(
                    f"the server runs with {name} = {row and row[0]}: what it promises is not kept, switch it on"
                )
        found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if found != (True,):
            raise Unfit("the login is no superuser's: peers write past the row policies, and databases are copied")
