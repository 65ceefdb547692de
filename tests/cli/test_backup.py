"""``spothive db backup``, ``restore`` and ``copy``, as they are typed."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spothive.database import dispose_engine
from spothive.database.revisions import head
from tests.cli.conftest import PATIENCE, SPOTHIVE, Ran, Spothive
from tests.conftest import ENGINES, Database
from tests.database.copies import inside, nowhere
from tests.watching import everything


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a name in an empty folder."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "b.db"


@pytest.fixture
def new(tmp_path: Path) -> str:
    """Return the URL of an SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path / 'new.db'}"


def test_a_backup_is_made_and_restored(people: Database, file: Path, new: str, done: Spothive) -> None:
    before = everything()
    tables, rows = len(before), sum(map(len, before.values()))
    made = done("db", "backup", str(file))
    assert made.out.startswith(f"backed up {rows} rows of {tables} tables at {head()} to {file}, ")
    with inside(new):
        assert done("db", "restore", str(file)).out == (
            f"restored {rows} rows of {tables} tables at {head()} from {file}\n"
        )
        assert everything() == before
        assert done("db", "check").out == f"at {head()}, exactly as declared\n"
        assert "gina" in done("user", "list", "--tenant", "globex").out


@pytest.mark.parametrize("kind", ENGINES)
def test_a_copy_goes_to_a_url(kind: str, people: Database, postgresql_url: str, tmp_path: Path, done: Spothive) -> None:
    before = everything()
    with nowhere(kind, postgresql_url, tmp_path) as url:
        copied = done("db", "copy", "--to", url)
        assert copied.out.startswith(f"copied {sum(map(len, before.values()))} rows of ")
        assert copied.out.endswith(
            "\nnext: spothive db upgrade, with DATABASE_URL and SPOTHIVE_OWNER_URL of the copy\n"
        )
        with inside(url):
            done("db", "upgrade")
            assert everything() == before


def test_json_tells_counts_checksums_seconds_and_bytes(people: Database, file: Path, new: str, done: Spothive) -> None:
    counts = {name: len(rows) for name, rows in everything().items()}
    made = done("db", "backup", str(file), "--json").json
    assert made["file"] == str(file)
    assert made["bytes"] == file.stat().st_size
    copied = done("db", "copy", "--to", new, "--json").json
    with inside(f"{new}.restored"):
        restored = done("db", "restore", str(file), "--json").json
    for document in (made, copied, restored):
        assert document["revision"] == head()
        assert document["rows"] == sum(counts.values())
        assert document["seconds"] >= 0
        assert document["bytes"] > 100_000
        assert {table["table"]: table["rows"] for table in document["tables"]} == counts
        assert document["tables"] == made["tables"]
        assert {len(table["checksum"]) for table in document["tables"]} == {64}


def test_rows_that_are_there_are_lost_only_if_that_is_meant(
    people: Database, file: Path, done: Spothive, refused: Callable[..., str]
) -> None:
    done("db", "backup", str(file))
    before = everything()
    done("tenant", "create", "initech", "--name", "Initech")
    later = everything()
    assert "holds rows already" in refused("db", "restore", str(file))
    refusal = refused("db", "restore", str(file), "--replace")
    assert refusal.startswith(f"nothing was changed: restoring {file} replaces every row of ")
    assert refusal.endswith(". Nobody can be asked here: say --yes if that is meant")
    assert everything() == later
    done("db", "restore", str(file), "--replace", "--yes")
    assert everything() == before


@pytest.mark.engines("sqlite")
def test_replace_takes_no_for_an_answer(
    people: Database, file: Path, done: Spothive, on_terminal: Callable[..., Ran]
) -> None:
    done("db", "backup", str(file))
    done("tenant", "create", "initech", "--name", "Initech")
    before = everything()
    ran = on_terminal("db", "restore", str(file), "--replace", answers=[("[y/N]: ", "n")])
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "error: not confirmed, nothing was changed")
    assert everything() == before


@pytest.mark.engines("sqlite")
def test_progress_is_shown_at_a_terminal(people: Database, file: Path, on_terminal: Callable[..., Ran]) -> None:
    ran = on_terminal("db", "backup", str(file))
    assert ran.code == 0
    assert "backed up" in ran.out
    assert file.exists()


def test_what_cannot_be_is_one_line(people: Database, file: Path, refused: Callable[..., str]) -> None:
    before = everything()
    file.write_text("precious")
    assert refused("db", "backup", str(file)) == f"{file} exists: a backup never overwrites, name another file"
    assert refused("db", "backup", str(file.parent)) == f"{file.parent} is a directory: name a file in it"
    assert refused("db", "backup", "") == ". is a directory: name a file in it"
    assert refused("db", "backup", "nul\0") == r"nul\x00 cannot be made: that is no file name"
    assert refused("db", "backup", "half \ud83d").endswith("cannot be made: that is no file name")
    assert "cannot be made: File name too long" in refused("db", "backup", str(file.parent / ("x" * 300)))
    assert refused("db", "restore", f"{file}.no") == f"{file}.no cannot be read: No such file or directory"
    assert refused("db", "restore", str(file)).startswith(f"{file} cannot be read as a backup: ")
    assert refused("db", "restore", "nul\0") == r"nul\x00 cannot be read: that is no file name"
    assert refused("db", "copy", "--to", "") == "--to is blank: give a name"
    assert refused("db", "copy", "--to", people.owner_url) == (
        "source and target are the same database: name another one"
    )
    assert everything() == before
    assert file.read_text() == "precious"


@pytest.mark.parametrize("url", ["mysql://u:hunter2@localhost/x", "postgresql://u:hunter2@127.0.0.1:1/x", "hunter2"])
def test_a_target_that_cannot_be_reached_is_told_without_its_password(
    url: str, people: Database, refused: Callable[..., str]
) -> None:
    refusal = refused("db", "copy", "--to", url)
    assert "--to" in refusal
    assert "DATABASE_URL" not in refusal
    assert "hunter2" not in refusal


@contextmanager
def steps_end_in(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the first word of progress be an error."""

    def stop(*_: Any) -> None:
        raise error

    @contextmanager
    def stopping() -> Iterator[Callable[..., None]]:
        yield stop

    with monkeypatch.context() as patch:
        patch.setattr("spothive.cli.db.rows.show_steps", stopping)
        yield


def test_ctrl_c_ends_with_130_and_leaves_nothing(
    people: Database, file: Path, new: str, spothive: Spothive, done: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with steps_end_in(KeyboardInterrupt(), monkeypatch):
        assert spothive("db", "backup", str(file)).code == 130
        assert list(file.parent.iterdir()) == []
        assert spothive("db", "copy", "--to", new).code == 130
    with inside(new):
        assert len([row for rows in everything().values() for row in rows]) == 1
    done("db", "backup", str(file))
    before = everything()
    with steps_end_in(KeyboardInterrupt(), monkeypatch):
        assert spothive("db", "restore", str(file), "--replace", "--yes").code == 130
    assert everything() == before


def test_a_full_disk_leaves_no_backup(people: Database, file: Path) -> None:
    dispose_engine()
    room = 200_000  # enough to read the database, not for another
    ran = subprocess.run(
        [SPOTHIVE, "db", "backup", str(file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"error: {file} was not made: the database cannot be used: the disk ")
    assert ran.stderr.count("\n") == 1
    assert list(file.parent.iterdir()) == []
