"""One ``db`` fixture, both databases: made by the migrations only, copied from a template, used as the application."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from bench import place
from bench.place import plain
from spothive.database import get_db_session, run_all_migrations, system_scope
from spothive.database.drift import Catalogue
from spothive.database.embedded_postgresql import EmbeddedPostgres
from tests.compiling import compiled_once
from tests.declaring import declared_once
from tests.factories.samples import Row, sample_graph

T = TypeVar("T")
Graph = dict[str, Row]

ENGINES = ("sqlite", "postgresql")
settings = place.settings
"""Run with other environment variables, as the bench does."""
SERVICE = "spothive_test_service"
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own below, as it does below /tmp
ROOM = 2**31
SEARCH_SELDOM = (20_000, 10, 25)


def pytest_configure() -> None:
    """Keep temporary files, the databases among them, in memory if there is room: a disk makes a test wait.

    ``TMPDIR`` says otherwise. Processes that the tests start inherit it.
    """
    if "TMPDIR" not in os.environ and _takes_programs(MEMORY) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # Python looked already


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Search for garbage seldom, and not among what importing and collecting leave: half a million objects that stay.

    A search through everything takes half a second, and by default there is one every few tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*SEARCH_SELDOM)
        gc.enable()


def _takes_programs(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC


@dataclass(frozen=True)
class Database:
    """The database of one test. The service's settings point to it."""

    engine: str
    service_url: str
    owner_url: str

    @contextmanager
    def raw(self, *, owner: bool = False) -> Iterator[Any]:
        """Open a driver connection that knows nothing of spothive, in autocommit."""
        url = make_url(self.owner_url if owner else self.service_url)
        if self.engine == "sqlite":
            with closing(sqlite3.connect(str(url.database), isolation_level=None, timeout=30)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA recursive_triggers = ON")
                yield connection
        else:
            with psycopg.connect(plain(url), autocommit=True) as connection:
                yield connection


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every connection of a test to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"  # a Unix socket is a path
        if host != "localhost" and not ip_address(host).is_loopback:
            msg = f"a test reached for {host}: tests stay on this machine"
            raise AssertionError(msg)
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="session")
def statements_compiled_once() -> Iterator[None]:
    """Keep what SQLAlchemy compiled from one test to the next."""
    with compiled_once():
        yield


@pytest.fixture(autouse=True, scope="session")
def schema_declared_once() -> Iterator[dict[object, Catalogue]]:
    """Keep what the models declare from one comparison to the next."""
    with declared_once() as known:
        yield known


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Owner URL of a PostgreSQL server: a given one, or the embedded one that all workers share."""
    with ExitStack() as stack:
        url = os.environ.get("SPOTHIVE_TEST_POSTGRES_URL")
        if not url:
            base = tmp_path_factory.getbasetemp()
            shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
            url = stack.enter_context(EmbeddedPostgres(shared / "postgresql", durable=False)).owner_url
        stack.enter_context(_kept_connection(make_url(url)))
        yield url


@contextmanager
def _kept_connection(owner: URL) -> Iterator[None]:
    """Keep the connection that makes and drops databases: to open it costs as much as the copy."""
    server = _maintenance(owner)
    with psycopg.connect(server, autocommit=True) as connection:
        # Deriving a key 4096 times is most of what a client does to connect, and these passwords hide nothing.
        connection.execute("SELECT set_config(name, '1', false) FROM pg_settings WHERE name = 'scram_iterations'")
        _kept[server] = connection
        yield
        del _kept[server]


_kept: dict[str, psycopg.Connection[Any]] = {}


def _maintenance(server: URL) -> str:
    return plain(server.set(database="postgres"))


@pytest.fixture(scope="session")
def templates(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return engine to the URL of a migrated, empty database that tests copy."""
    with _migrated(postgresql_url, tmp_path_factory) as urls:
        yield urls


@pytest.fixture(scope="session")
def own_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the same on a PostgreSQL of this worker alone: the oldest open transaction is one of the test's."""
    folder = tmp_path_factory.mktemp("own") / "postgresql"
    with (
        EmbeddedPostgres(folder, durable=False) as server,
        _kept_connection(make_url(server.owner_url)),
        _migrated(server.owner_url, tmp_path_factory) as urls,
    ):
        yield urls


@contextmanager
def _migrated(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"spothive_template_{worker}_{secrets.token_hex(3)}"
    sqlite_file = tmp_path_factory.mktemp("template") / "spothive.db"
    owner = make_url(postgresql_url)
    connection = _kept[_maintenance(owner)]
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _make_service_login(connection)
    urls = {
        "sqlite": f"sqlite:///{sqlite_file}",
        "postgresql": owner.set(database=name).render_as_string(hide_password=False),
    }
    for engine, url in urls.items():
        with settings(DATABASE_URL=_service(url) if engine == "postgresql" else url, SPOTHIVE_OWNER_URL=url):
            run_all_migrations()
    with closing(sqlite3.connect(sqlite_file)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield urls
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _make_service_login(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # another worker made it
        connection.execute(f"CREATE ROLE {SERVICE} LOGIN PASSWORD 'service'")


def _service(owner_url: str) -> str:
    return make_url(owner_url).set(username=SERVICE, password="service").render_as_string(hide_password=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for ``db`` both databases, unless ``engines`` names the ones it is about."""
    if "db_engine" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("engines")
        metafunc.parametrize("db_engine", mark.args if mark else ENGINES)


@pytest.hookimpl(tryfirst=True)  # pytest then moves those together that share what is made once for many
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in one order on every worker: metadata keeps some of its parts in sets."""
    items.sort(key=lambda item: item.nodeid)


@pytest.fixture
def db(db_engine: str, templates: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Yield a fresh migrated database; settings, sessions and commands of this process use it.

    It holds no rows but those of the one fixture ``begins_with_...`` the test asks for, if it does: a
    :class:`Beginning`.
    """
    alone = request.node.get_closest_marker("own_server") is not None
    names = [name for name in request.fixturenames if name.startswith("begins_with_")]
    if names:
        (begins,) = map(request.getfixturevalue, names)
        if alone and db_engine == "postgresql":
            begun = request.getfixturevalue("begun_alone")(begins)
            with begun as own, migrated_copy(db_engine, own, tmp_path) as database:
                yield database
            return
        templates = begins.templates
    elif alone:
        templates = request.getfixturevalue("own_templates")
    with migrated_copy(db_engine, templates, tmp_path) as database:
        yield database


@dataclass(frozen=True)
class Beginning(Generic[T]):
    """Databases with the same rows, one of each engine, for the tests to copy.

    Attributes:
        templates: engine to the URL of the database.
        made: engine to what tests are told of its rows. They share it, so nothing about it may change.
        make: writes the rows.
    """

    templates: dict[str, str]
    made: dict[str, T]
    make: Callable[[], T]


@pytest.fixture(scope="session")
def beginning(
    templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Callable[[], T]], Beginning[T]]]:
    """Return a function that lets its argument write rows, once, into a database of each engine.

    For fixtures of the session called ``begins_with_...``: they run before anything a test has patched or set.
    """
    with ExitStack() as stack:

        def begin(make: Callable[[], T]) -> Beginning[T]:
            urls, made = {}, {}
            for engine in ENGINES:
                database = stack.enter_context(_copied(engine, templates, tmp_path_factory.mktemp("beginning")))
                with _in_use(database):
                    made[engine] = make()
                urls[engine] = database.owner_url
            return Beginning(urls, made, make)

        yield begin


@pytest.fixture(scope="session")
def begun_alone(
    own_templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Beginning[Any]], AbstractContextManager[dict[str, str]]]]:
    """Return a function that gives a beginning's templates on this worker's own server, and tells of its rows there."""
    with ExitStack() as stack:
        known: dict[int, tuple[str, Any]] = {}

        @contextmanager
        def begin(begins: Beginning[Any]) -> Iterator[dict[str, str]]:
            if id(begins) not in known:
                folder = tmp_path_factory.mktemp("alone")
                database = stack.enter_context(_copied("postgresql", own_templates, folder))
                with _in_use(database):
                    known[id(begins)] = database.owner_url, begins.make()
            shared = begins.made["postgresql"]
            url, begins.made["postgresql"] = known[id(begins)]
            yield {"postgresql": url}
            begins.made["postgresql"] = shared

        yield begin


@pytest.fixture(scope="session")
def begins_with_sample(beginning: Callable[[Callable[[], Graph]], Beginning[Graph]]) -> Beginning[Graph]:
    return beginning(_make_sample)


@pytest.fixture
def sample_rows(db: Database, begins_with_sample: Beginning[Graph]) -> Graph:
    """Return the rows, one in every table, that the database of this test begins with."""
    return {table: dict(row) for table, row in begins_with_sample.made[db.engine].items()}


def _make_sample() -> Graph:
    with get_db_session() as session, system_scope(session, "test"):
        return sample_graph(session, uuid4())


@contextmanager
def migrated_copy(engine: str, templates: dict[str, str], folder: Path) -> Iterator[Database]:
    """Do what the fixture ``db`` does, for as long as the caller likes: for the reading tests of a whole module."""
    with _copied(engine, templates, folder) as database, _in_use(database):
        yield database


@contextmanager
def _copied(engine: str, templates: dict[str, str], folder: Path) -> Iterator[Database]:
    template = make_url(templates[engine])
    if engine == "sqlite":
        file = folder / "spothive.db"
        shutil.copyfile(str(template.database), file)
        url = f"sqlite:///{file}"
        yield Database("sqlite", url, url)
        return
    with fresh_postgresql(template.render_as_string(hide_password=False)) as owner_url:
        yield Database("postgresql", _service(owner_url), owner_url)


def _in_use(database: Database) -> AbstractContextManager[None]:
    urls = {"DATABASE_URL": database.service_url, "SPOTHIVE_OWNER_URL": database.owner_url}
    return settings(**urls, SPOTHIVE_BCRYPT_ROUNDS="4")


@contextmanager
def fresh_postgresql(template_url: str | None, server_url: str | None = None) -> Iterator[str]:
    """Yield the owner URL of a new database: a copy of ``template_url``, or an empty one on ``server_url``."""
    name = f"spothive_test_{secrets.token_hex(6)}"
    server = make_url(template_url or server_url or "")
    copy: sql.Composable = sql.SQL("")
    if template_url:
        copy = sql.SQL(" TEMPLATE {}").format(sql.Identifier(str(server.database)))
    with ExitStack() as stack:
        connection = _kept.get(_maintenance(server))
        if connection is None:
            connection = stack.enter_context(psycopg.connect(_maintenance(server), autocommit=True))
        strategy = sql.SQL(" STRATEGY FILE_COPY" if connection.info.server_version >= 150000 and template_url else "")
        connection.execute(sql.SQL("CREATE DATABASE {}{}{}").format(sql.Identifier(name), copy, strategy))
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_db(db_engine: str, postgresql_url: str, tmp_path: Path) -> Iterator[Database]:
    """Yield a database without any table; one login owns it and serves."""
    if db_engine == "sqlite":
        url = f"sqlite:///{tmp_path / 'empty.db'}"
        with settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL="", SPOTHIVE_BCRYPT_ROUNDS="4"):
            yield Database("sqlite", url, url)
        return
    with (
        fresh_postgresql(None, postgresql_url) as url,
        settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL="", SPOTHIVE_BCRYPT_ROUNDS="4"),
    ):
        yield Database("postgresql", url, url)
