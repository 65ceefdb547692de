"""How commands end: one line, the right exit code, and never a secret."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SPOTHIVE, Spothive, answer, instance
from tests.conftest import Database
from tests.watching import everything

SECRET = "hunter2-correct-horse"


def buffered() -> dict[str, str]:
    """Return the environment of a process whose output waits in a buffer, as that of most does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Return a function that makes `account list` raise."""

    def install(error: BaseException) -> None:
        def raise_it(*_: object) -> None:
            raise error

        monkeypatch.setattr("spothive.operations.fleet.list_accounts", raise_it)

    return install


def test_a_defect_is_one_line_without_its_words(
    people: Database, spothive: Spothive, broken: Callable[[BaseException], None]
) -> None:
    broken(ValueError(f"password {SECRET}"))
    ran = spothive("account", "list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "internal error: ValueError; this is a defect, please report it with what the same command prints under "
        "SPOTHIVE_DEBUG=1\n"
    )


@pytest.mark.parametrize("how", ["-v", "SPOTHIVE_DEBUG"])
def test_a_defect_can_be_looked_into(
    how: str,
    people: Database,
    spothive: Spothive,
    broken: Callable[[BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(ValueError("what happened"))
    if how != "-v":
        monkeypatch.setenv(how, "1")
    ran = spothive("account", "list", *([how] if how == "-v" else []))
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert "ValueError: what happened" in ran.err
    assert ran.err.splitlines()[-1].startswith("internal error: ValueError")


def test_an_interrupt_ends_with_130_and_one_line(
    people: Database, spothive: Spothive, broken: Callable[[BaseException], None]
) -> None:
    broken(KeyboardInterrupt())
    ran = spothive("account", "list")
    assert (ran.code, ran.out, ran.err) == (130, "", "interrupted: what was not finished was rolled back\n")


@pytest.mark.engines("sqlite")
def test_a_real_interrupt_in_the_middle_of_reading_writes_nothing(people: Database) -> None:
    before = everything()
    # A shell starts its background jobs with SIGINT ignored, and children inherit that.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [SPOTHIVE, "account", "import", "--name", "main", "--file", "-", "--file", "/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, former)
    assert process.stdin is not None
    # More than a pipe holds: once it is written, the command is reading.
    process.stdin.write(b" " * (1 << 20))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err == b"interrupted: what was not finished was rolled back\n"
    assert everything() == before


@pytest.mark.parametrize("module", ["typer", "spothive.cli.fleet"])
def test_an_interrupt_before_any_command_is_one_line_too(module: str) -> None:
    code = (
        "import sys; from spothive.cli import main\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "main()"
    )
    ran = subprocess.run([sys.executable, "-c", code, "account", "list"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (130, "")
    assert ran.stderr == "interrupted: what was not finished was rolled back\n"


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(
    "words", [["user", "list"], ["user", "list", "--json"], ["--help"], ["user", "--help"]], ids=" ".join
)
def test_a_reader_who_leaves_is_not_complained_about(words: list[str], people: Database) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run([SPOTHIVE, *words], env=buffered(), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("words", [["user", "list"], ["user", "list", "--json"]], ids=" ".join)
def test_a_full_disk_under_the_output_is_said(words: list[str], people: Database) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [SPOTHIVE, *words], env=buffered(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ran.returncode, ran.stderr) == (1, "error: No space left on device\n")


def test_json_stays_pure_whatever_is_logged(
    people: Database, spothive: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spothive.database import dispose_engine
    from spothive.settings import get_settings

    monkeypatch.setenv("SPOTHIVE_SQL_ECHO", "1")
    monkeypatch.setenv("SPOTHIVE_SLOW_STATEMENT", "0.0000001")
    dispose_engine()
    get_settings.cache_clear()
    ran = spothive("-v", "user", "list", "--json")
    assert [user["username"] for user in ran.json] == ["admin"]
    assert "slow statement" in ran.err
    assert "level=info" in ran.err
    assert all(line.startswith("timestamp=") for line in ran.err.splitlines())


def test_slow_statements_are_warned_of_without_being_asked(
    people: Database, spothive: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spothive.database import dispose_engine
    from spothive.settings import get_settings

    monkeypatch.setenv("SPOTHIVE_SLOW_STATEMENT", "0.0000001")
    dispose_engine()
    get_settings.cache_clear()
    ran = spothive("user", "list")
    assert "level=warning" in ran.err
    assert "slow statement" in ran.err
    assert "level=info" not in ran.err
    monkeypatch.setenv("SPOTHIVE_LOG_LEVEL", "error")
    get_settings.cache_clear()
    assert spothive("user", "list").err == ""


def test_no_secret_reaches_a_log_or_an_error(
    people: Database, spothive: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spothive.database import dispose_engine
    from spothive.settings import get_settings

    for name, value in {"SQL_ECHO": "1", "SLOW_STATEMENT": "0.0000001", "LOG_LEVEL": "debug", "DEBUG": "1"}.items():
        monkeypatch.setenv(f"SPOTHIVE_{name}", value)
    dispose_engine()
    get_settings.cache_clear()
    words = ["user", "create", "anna", "--email", "anna@x.io", "--role", "client", "--password-stdin"]
    said = [spothive(*words, "-v", given=SECRET), spothive(*words, "-v", given=SECRET), spothive("user", "list", "-v")]
    assert [ran.code for ran in said] == [0, 1, 0]
    [digest] = [row["password_hash"] for row in everything()["users"] if row["username"] == "anna"]
    for secret in (SECRET, digest, digest[-20:]):
        assert not any(secret in ran.out + ran.err for ran in said)


def test_nothing_is_written_when_the_audit_cannot_be(
    people: Database, refused: Callable[..., str], db: Database
) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("ALTER TABLE audit_logs RENAME TO audit_logs_elsewhere")
    refused("account", "import", "--name", "main", "--file", "-", given=answer(instance(1)))
    with db.raw(owner=True) as connection:
        connection.execute("ALTER TABLE audit_logs_elsewhere RENAME TO audit_logs")
    assert not everything()["accounts"]


def test_python_says_nothing_of_its_own(people: Database) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "spothive.cli", "user", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.engines("sqlite")
def test_what_was_found_comes_before_what_is_wrong_with_it(people: Database, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"regions": {"us-east-1": {"t3.micro": "free"}}, "source": "a test"}')
    ran = subprocess.run(
        [SPOTHIVE, "market", "import", prices],
        env=buffered(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    *found, error = ran.stdout.splitlines()
    assert ran.returncode == 1, ran.stdout
    assert error.startswith("error: ")
    assert found
