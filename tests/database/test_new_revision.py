"""`spothive db revision`: what it writes upgrades, downgrades and leaves nothing to mend, on both databases."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from sqlalchemy.schema import ForeignKeyConstraint

from spothive.database import run_all_migrations
from spothive.database.drift import find_drift
from spothive.database.migrations import new_revision, picture
from spothive.database.migrations.new_revision import write_revision
from spothive.database.migrations.script import migration_script
from spothive.database.revisions import current_revision, downgrade, head
from spothive.errors import InvalidInput, SchemaOutdated
from spothive.models import Base
from tests.conftest import Database
from tests.database.as_owner import catalogue
from tests.database.revision_folder import RevisionFolder
from tests.database.test_sql_lint import complaints

COLUMNS = {"ml_models": ("deployed_at", "archived_at"), "users": ("failed_logins", "full_name")}
INDEX = "ix_system_logs_tenant_id_timestamp"
MODEL = (
    "INSERT INTO ml_models (id, name, version, file_path, file_hash) "
    f"VALUES ('{'0' * 32}', 'spot', '1', 'spot.onnx', '{'a' * 64}')"
)


def with_children(*roots: str) -> set[str]:
    """Return the tables and all that have a key to them, also through others."""
    found = set(roots)
    for table in Base.metadata.sorted_tables:
        keys = [key for key in table.constraints if isinstance(key, ForeignKeyConstraint)]
        if any(key.referred_table.name in found for key in keys):
            found.add(table.name)
    return found


def first_revision(
    folder: RevisionFolder, *, tables: AbstractSet[str] = frozenset(), columns: bool = False, index: bool = False
) -> None:
    """Make the folder hold one revision: what the models declare, without what is named here."""
    for file in folder.versions.iterdir():
        file.unlink()
    (folder.versions / "000_core.py").write_text(
        "from alembic import op\nfrom spothive.database.migrations.upgrade import run_sql_file\n"
        "revision = '000_core'\ndown_revision = None\n"
        "def upgrade(): run_sql_file(op, __file__)\ndef downgrade(): pass\n"
    )
    for engine in picture.ENGINES:
        statements = list(picture.table_statements(engine, set(Base.metadata.tables) - tables))
        if columns:
            statements = [without_columns(statement) for statement in statements]
        if index:
            statements = [statement for statement in statements if f"INDEX {INDEX} " not in statement]
        script = picture.script([*filter(None, statements), picture.platform_row(engine)])
        (folder.versions / f"000_core.{engine}.sql").write_text(script)


def without_columns(statement: str) -> str:
    """Return the DDL without the lines that name one of COLUMNS."""
    for table, columns in COLUMNS.items():
        names = re.compile(rf"\b({'|'.join(columns)})\b")
        if statement.startswith(f"COMMENT ON COLUMN {table}.") and names.search(statement):
            return ""
        if statement.startswith(f"CREATE TABLE {table} "):
            body, end = statement.split("\n)")
            lines = [line.rstrip(",") for line in body.splitlines()[1:] if not names.search(line)]
            return f"CREATE TABLE {table} (\n" + ",\n".join(lines) + "\n)" + end
    return statement


def models(db: Database) -> list[tuple[str]]:
    with db.raw(owner=True) as connection:
        return list(connection.execute("SELECT name FROM ml_models").fetchall())


def assert_tidy(file: Path) -> None:
    for words in (["check", "--ignore", "INP001"], ["format", "--check"]):
        ran = subprocess.run(
            [Path(sys.executable).with_name("ruff"), *words, file], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout


def assert_up_and_down(name: str) -> None:
    """Upgrade to the models, take it back to what was there, and upgrade again."""
    before = catalogue()
    assert run_all_migrations() == name
    assert find_drift() == []
    assert downgrade("000") == "000_core"
    assert catalogue() == before
    assert run_all_migrations() == name
    assert find_drift() == []


# --- new tables and columns, as SQL ---------------------------------------------------------------------


def test_new_tables_and_columns_are_written_for_both_databases(empty_db: Database, folder: RevisionFolder) -> None:
    tables = with_children("scan_runs", "datasets")
    first_revision(folder, tables=tables, columns=True)
    run_all_migrations()
    with empty_db.raw(owner=True) as connection:
        connection.execute(MODEL)
    made = write_revision("add the rest", sql=True, autogenerate=True)
    assert made.name == "001_add_the_rest"
    assert made.left == ()
    assert [file.name for file in made.files] == [
        "001_add_the_rest.postgresql.sql",
        "001_add_the_rest.sqlite.sql",
        "001_add_the_rest.py",
    ]
    assert_up_and_down(made.name)
    assert models(empty_db) == [("spot",)]
    assert_tidy(made.files[-1])
    assert complaints(migration_script("head", "postgresql")) == []
    python = made.files[-1].read_text()
    assert python.index('op.drop_table("scan_units")') < python.index('op.drop_table("scan_runs")')


def test_new_tables_alone_lower_no_guards(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder, tables=with_children("datasets"))
    run_all_migrations()
    made = write_revision("add datasets", sql=True, autogenerate=True)
    assert "guards" not in made.files[-1].read_text()
    assert_tidy(made.files[-1])
    assert_up_and_down(made.name)


def test_what_sql_does_not_mend_is_left_and_said(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder, columns=True, index=True)
    run_all_migrations()
    made = write_revision("add columns", sql=True, autogenerate=True)
    assert made.left == (f"index {INDEX} is missing",)
    run_all_migrations()
    assert find_drift() == [f"index {INDEX} is missing"]
    with pytest.raises(InvalidInput, match=f"index {INDEX} is missing: .* leave --sql out"):
        write_revision("add index", sql=True, autogenerate=True)


# --- the rest, by Alembic -------------------------------------------------------------------------------


def test_an_index_is_written_by_alembic(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder, index=True)
    run_all_migrations()
    made = write_revision("add index", autogenerate=True)
    assert [file.name for file in made.files] == ["001_add_index.py"]
    assert made.left == ()
    assert_up_and_down(made.name)


def test_new_tables_and_columns_are_refused_without_sql(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder, columns=True)
    run_all_migrations()
    with pytest.raises(InvalidInput, match=r"column \w+\.\w+ is new: add --sql"):
        write_revision("add columns", autogenerate=True)
    assert head() == "000_core"


# --- by hand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", [False, True])
def test_an_empty_revision_changes_nothing_and_needs_no_database(
    empty_db: Database, folder: RevisionFolder, sql: bool
) -> None:
    first_revision(folder)
    made = write_revision("  tidy up:\n  Nothing!  ", sql=sql)
    assert made.name == "001_tidy_up_nothing"
    assert current_revision() is None
    run_all_migrations()
    assert_up_and_down(made.name)
    assert made.files[-1].read_text().startswith('"""Tidy up: Nothing!."""\n')


def test_the_sql_beside_a_revision_is_run(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder)
    made = write_revision("Add a model", sql=True)
    for file in made.files[:2]:
        file.write_text(f"{file.read_text()}{MODEL};\n\n{MODEL.replace('spot', 'a;b').replace('000', '123')};\n\n")
    run_all_migrations()
    assert sorted(models(empty_db)) == [("a;b",), ("spot",)]
    assert find_drift() == []


# --- refused --------------------------------------------------------------------------------------------


def test_a_database_that_is_not_at_the_newest_revision_is_refused(empty_db: Database, folder: RevisionFolder) -> None:
    first_revision(folder)
    for sql in (False, True):
        with pytest.raises(SchemaOutdated, match="spothive db upgrade"):
            write_revision("add tables", sql=sql, autogenerate=True)
    assert head() == "000_core"


def test_where_nothing_is_missing_nothing_is_written(db: Database, folder: RevisionFolder) -> None:
    before = sorted(folder.versions.iterdir())
    for sql in (False, True):
        with pytest.raises(InvalidInput, match="nothing to write"):
            write_revision("add tables", sql=sql, autogenerate=True)
    assert sorted(folder.versions.iterdir()) == before


@pytest.mark.parametrize("message", ["", "  \n", "!!!", 'say "hello"', "back\\slash", "a\x00b", "long " * 30])
def test_a_text_that_makes_no_name_is_refused(folder: RevisionFolder, message: str) -> None:
    with pytest.raises(InvalidInput, match="a few plain words"):
        write_revision(message)


def test_without_its_source_no_revision_is_written(
    folder: RevisionFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(new_revision, "CHECKOUT", tmp_path)
    with pytest.raises(InvalidInput, match="installed here without its source"):
        write_revision("add notes")


def test_a_revision_that_cannot_be_written_whole_is_not_there(folder: RevisionFolder) -> None:
    former = head()
    number = f"{int(former[:3]) + 1:03d}"
    (folder.versions / f"{number}_add_notes.sqlite.sql").mkdir()  # in the way of the second file
    with pytest.raises(InvalidInput, match=rf"cannot be written: .*{number}_add_notes.sqlite.sql: File exists"):
        write_revision("add notes", sql=True)
    assert head() == former
    assert not (folder.versions / f"{number}_add_notes.postgresql.sql").exists()
