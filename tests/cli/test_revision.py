"""``spothive db revision``: what it says. What it writes is tested in tests/database/test_new_revision.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spothive.database.revisions import head
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.database.revision_folder import RevisionFolder

NEXT = "it, run `make schema`, read the diff, `spothive db upgrade`, `spothive db check`\n"


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that new revisions go into: a copy of the packaged one."""
    return RevisionFolder(tmp_path / "migrations", monkeypatch).versions


def test_it_names_the_files_and_what_comes_next(versions: Path, done: Spothive) -> None:
    number = int(head()[:3]) + 1
    first, second = f"{number:03d}_add_notes", f"{number + 1:03d}_add_more"
    assert done("db", "revision", "add notes").out == f"wrote {versions / first}.py\nnext: complete {NEXT}"
    files = [str(versions / f"{second}{ending}") for ending in (".postgresql.sql", ".sqlite.sql", ".py")]
    assert done("db", "revision", "add more", "--sql", "--json").json == {
        "revision": second,
        "files": files,
        "left": [],
    }
    assert all(Path(file).is_file() for file in files)


def test_what_the_database_lacks_is_filled_in(db: Database, versions: Path, done: Spothive) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("DROP INDEX ix_system_logs_tenant_id_timestamp")
    assert done("db", "revision", "add index", "--autogenerate").out.endswith(f"next: read {NEXT}")
    assert "ix_system_logs_tenant_id_timestamp" in (versions / f"{head()}.py").read_text()


@pytest.mark.engines("postgresql")
def test_what_it_does_not_mend_is_left_to_the_contributor(db: Database, versions: Path, done: Spothive) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("ALTER TABLE system_logs DROP COLUMN execution_time_ms")
        connection.execute("DROP INDEX ix_system_logs_tenant_id_timestamp")
    said = done("db", "revision", "add time", "--sql", "--autogenerate").out.splitlines()
    assert said[-2] == "left to you: index ix_system_logs_tenant_id_timestamp is missing"
    assert "ADD COLUMN\n    execution_time_ms BIGINT\n" in (versions / f"{head()}.postgresql.sql").read_text()


def test_refusals_are_one_line(empty_db: Database, versions: Path, refused: Callable[..., str]) -> None:
    before = sorted(versions.iterdir())
    assert refused("db", "revision", "?!") == (
        "the text names the revision: a few plain words, without quotes, at most 100 characters"
    )
    assert "`spothive db upgrade`" in refused("db", "revision", "add notes", "--autogenerate")
    assert sorted(versions.iterdir()) == before


def test_there_must_be_something_to_write(db: Database, versions: Path, refused: Callable[..., str]) -> None:
    nothing = "the database has all that the models declare: there is nothing to write"
    assert refused("db", "revision", "add notes", "--autogenerate") == nothing
    assert refused("db", "revision", "add notes", "--autogenerate", "--sql") == nothing
