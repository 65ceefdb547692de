"""A backup is a file that is whole, or none; what is restored is what was backed up, or nothing."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, text
from sqlalchemy.engine import make_url

from spothive.clock import utc_now
from spothive.database import Account, Tenant, backup, get_db_session
from spothive.database.backup import back_up, restore
from spothive.database.copying import copy_database
from spothive.database.doctor import Severity, examine
from spothive.database.drift import find_drift
from spothive.database.revisions import current_revision, head, run_migration
from spothive.errors import CopyFailed, InvalidInput, SchemaOutdated, SchemaTooNew
from tests.conftest import ENGINES, Database
from tests.database.copies import fill, inside, nowhere, raw
from tests.database.revision_folder import RevisionFolder
from tests.factories import make_account, make_tenant, make_user
from tests.watching import everything, rows_of


@pytest.fixture(params=ENGINES)
def elsewhere(request: pytest.FixtureRequest, postgresql_url: str, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database that is not there yet, of either kind."""
    with nowhere(request.param, postgresql_url, tmp_path) as url:
        yield url


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "back ups? 100%"
    folder.mkdir()
    return folder


@pytest.fixture
def made(db: Database, place: Path) -> Path:
    """Return a backup of a small database."""
    make_account(make_tenant("acme"), "shop")
    back_up(place / "made.db")
    return place / "made.db"


def edit(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def wrong() -> dict[str, str]:
    return {finding.name: finding.found for finding in examine() if finding.severity is Severity.ERROR}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_can_be_restored_into_either_database(db: Database, elsewhere: str, place: Path) -> None:
    fill()
    before = everything()
    made = back_up(place / "b.db")
    assert everything() == before
    with inside(elsewhere):
        restored = restore(place / "b.db")
        assert restored.tables == made.tables
        assert everything() == before
        assert find_drift() == []


def test_the_file_is_private_alone_and_says_what_it_holds(db: Database, place: Path) -> None:
    fill()
    started = utc_now()
    made = back_up(place / "b.db")
    assert files(place) == ["b.db"]
    assert stat.S_IMODE((place / "b.db").stat().st_mode) == 0o600
    assert made.size == (place / "b.db").stat().st_size
    with closing(sqlite3.connect(place / "b.db")) as file:
        assert file.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        manifest = json.loads(file.execute("SELECT manifest FROM spothive_backup").fetchone()[0])
        counts = {name: file.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in manifest["tables"]}
    assert started <= datetime.fromisoformat(manifest["made_at"]) <= utc_now()
    assert manifest["revision"] == made.revision == head()
    assert {name: total["rows"] for name, total in manifest["tables"].items()} == counts
    assert counts == {name: len(rows) for name, rows in everything().items()}


@pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
def test_a_backup_can_be_served_from_and_backed_up_again(db: Database, elsewhere: str, place: Path) -> None:
    fill()
    before = everything()
    back_up(place / "b.db")
    with inside(f"sqlite:///{place / 'b.db'}".replace("%", "%25").replace("?", "%3F")):
        assert everything() == before
        assert find_drift() == []
        make_user(UUID(int=1), "newcomer")
        changed = everything()
        back_up(place / "second.db")
    assert files(place) == ["b.db", "second.db"]
    with inside(elsewhere):
        with pytest.raises(InvalidInput, match=r"is not as it was made, in users: .*`spothive db copy`"):
            restore(place / "b.db")
        restore(place / "second.db")
        assert everything() == changed
        assert "spothive_backup" not in tables_of(elsewhere)


def tables_of(url: str) -> set[str]:
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names


def test_what_writers_do_meanwhile_is_not_in_the_backup(
    db: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    before = everything()
    monkeypatch.setattr(backup, "PAGES", 20)
    told = []

    def write(what: str, _: int, __: int) -> None:
        told.append(what)
        if len(told) % 4 != 1:
            return
        make_account(make_tenant())
        with get_db_session(tenant=UUID(int=1)) as session:
            session.execute(delete(Account))

    back_up(place / "b.db", progress=write)
    if db.engine == "sqlite":
        assert told.count("copying pages") > 3, "it is copied in parts"
    assert everything() != before
    with inside(f"sqlite:///{place.parent / 'other.db'}"):
        restore(place / "b.db")
        assert everything() == before


# --- names that cannot be ------------------------------------------------------------------------


def test_a_name_that_is_taken_or_impossible_is_refused(db: Database, place: Path) -> None:
    taken = place / "taken.db"
    taken.write_text("precious")
    (place / "dangling").symlink_to(place / "nothing")
    for file, reason in (
        (taken, "exists: a backup never overwrites"),
        (place / "dangling", "exists: a backup never overwrites"),
        (place, "is a directory: name a file in it"),
        (place / "no" / "such" / "folder", "cannot be made: No such file or directory"),
        (taken / "below", "cannot be made: Not a directory"),
        (place / "nul\0", "cannot be made: that is no file name"),
        (place / ("x" * 300), "cannot be made: File name too long"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            back_up(file)
    assert taken.read_text() == "precious"
    assert files(place) == ["dangling", "taken.db"]


def test_a_name_taken_meanwhile_is_not_overwritten(db: Database, place: Path) -> None:
    def get_there_first(*_: Any) -> None:
        (place / "b.db").write_text("precious")

    with pytest.raises(InvalidInput, match="exists"):
        back_up(place / "b.db", progress=get_there_first)
    assert (place / "b.db").read_text() == "precious"
    assert files(place) == ["b.db"]


def test_an_empty_database_is_not_backed_up(empty_db: Database, place: Path) -> None:
    with pytest.raises(SchemaOutdated, match="the database is empty: run `spothive db upgrade`"):
        back_up(place / "b.db")
    assert files(place) == []


def test_a_file_that_is_no_backup_is_refused(db: Database, place: Path) -> None:
    (place / "text.db").write_text("not a database, but long enough to be taken for one\n" * 100)
    (place / "empty.db").touch()
    edit(place / "other.db", "CREATE TABLE x (y)")
    reasons = {
        "missing.db": "cannot be read: No such file or directory",
        ".": "cannot be read: Is a directory",
        "nul\0": "cannot be read: that is no file name",
        "text.db": "cannot be read as a backup: .*file is not a database",
        "empty.db": "is no backup of spothive: `spothive db backup` makes one",
        "other.db": "is no backup of spothive",
        "no/such.db": "cannot be read: No such file or directory",
    }
    for file, reason in reasons.items():
        with pytest.raises(InvalidInput, match=reason):
            restore(place / file)
    assert len(rows_of(Tenant)) == 1


# --- files that were changed ---------------------------------------------------------------------


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE users SET role = 'admin'", "users"),
        ("DELETE FROM accounts", "accounts"),
        ("UPDATE tenants SET settings = '{\"auto_approve_low\": true}' WHERE slug = 'acme'", "tenants"),
        ("UPDATE alembic_version SET version_num = '000_other'", ""),
        ("DROP TABLE accounts", "accounts"),
    ],
)
def test_a_file_that_was_changed_is_refused(change: str, table: str, made: Path) -> None:
    edit(made, change)
    before = everything()
    with pytest.raises((InvalidInput, SchemaTooNew), match=f"is not as it was made, in {table}:|does not know"):
        restore(made, replace=True)
    assert everything() == before


@pytest.mark.engines("sqlite")
def test_a_damaged_file_is_refused(made: Path) -> None:
    whole = made.read_bytes()
    before = everything()
    for damaged in (whole[: len(whole) // 2], whole[:5000], whole[:20_000] + bytes(4096) + whole[24_096:]):
        made.write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"is damaged|cannot be read as a backup|is no backup"):
            restore(made, replace=True)
        assert everything() == before


@pytest.mark.engines("sqlite")
def test_the_database_itself_is_no_backup_of_it(db: Database) -> None:
    with pytest.raises(InvalidInput, match="is the database itself"):
        restore(Path(str(make_url(db.owner_url).database)))


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.engines("sqlite")
def test_a_database_with_rows_is_kept_unless_they_are_to_be_replaced(made: Path, db: Database, elsewhere: str) -> None:
    before = everything()
    with inside(elsewhere):
        run_migration()
        fill()
        mine = everything()
        with pytest.raises(CopyFailed, match=r"holds rows already, of .*`spothive db restore --replace`"):
            restore(made)
        assert everything() == mine
        restore(made, replace=True)
        assert everything() == before
        assert find_drift() == []


def test_a_database_restored_into_itself_is_what_it_was(made: Path, db: Database) -> None:
    before = everything()
    fill()
    restore(made, replace=True)
    assert everything() == before


def test_an_older_database_is_sent_to_db_upgrade(made: Path, db: Database, folder: RevisionFolder) -> None:
    former, newer = head(), folder.add("next", "pass")
    with pytest.raises(SchemaOutdated, match=f"the database is at {former}, .* at {newer}: run `spothive db upgrade`"):
        restore(made)


LOUDER = "with guards.lowered(op, 'tenants'):\n    op.execute('UPDATE tenants SET name = upper(name)')"


@pytest.mark.engines("sqlite")
def test_an_older_backup_is_upgraded_on_its_way(
    made: Path, db: Database, elsewhere: str, folder: RevisionFolder
) -> None:
    newer = folder.add("louder", LOUDER)
    content = made.read_bytes()
    with inside(elsewhere):
        assert restore(made).revision == newer
        assert current_revision() == newer
        assert {row["name"] for row in rows_of(Tenant)} == {"PLATFORM", "ACME"}
        assert find_drift() == []
    assert made.read_bytes() == content


def test_a_backup_of_an_older_database_is_one_too(db: Database, place: Path, folder: RevisionFolder) -> None:
    make_tenant("acme")
    former = head()
    folder.add("louder", LOUDER)
    assert back_up(place / "b.db").revision == former
    run_migration()
    restore(place / "b.db", replace=True)
    assert {row["name"] for row in rows_of(Tenant)} == {"PLATFORM", "ACME"}


def test_a_newer_backup_is_refused(db: Database, place: Path, folder: RevisionFolder) -> None:
    newer = folder.add("louder", LOUDER)
    run_migration(newer)
    back_up(place / "b.db")
    (folder.versions / f"{newer}.py").unlink()
    with inside(f"sqlite:///{place.parent / 'other.db'}"):
        with pytest.raises(SchemaTooNew, match=f"'{newer}', which this spothive does not know"):
            restore(place / "b.db")
        assert current_revision() is None


# --- interrupted ---------------------------------------------------------------------------------


def interrupt(at: str) -> Callable[[str, int, int], None]:
    def progress(what: str, _: int, __: int) -> None:
        if what.startswith(at):
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_backup_leaves_nothing(db: Database, place: Path) -> None:
    fill()
    told: set[str] = set()
    back_up(place / "whole.db", progress=lambda what, *_: told.add(what.split()[0]))
    assert told >= {"copying", "checking"}
    assert told <= {"reading", "copying", "verifying", "checking"}
    for step in told:
        with pytest.raises(KeyboardInterrupt):
            back_up(place / "b.db", progress=interrupt(step))
        assert files(place) == ["whole.db"], step


def test_an_interrupted_restore_leaves_the_database_as_it_was(made: Path, db: Database) -> None:
    fill()
    before = everything()
    for step in ("checking", "copying users", "verifying tenants"):
        with pytest.raises(KeyboardInterrupt):
            restore(made, replace=True, progress=interrupt(step))
        assert everything() == before, step
    assert find_drift() == []


def test_a_backup_that_is_not_what_was_read_is_no_backup(
    db: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    write = vars(backup)["_write_manifest"]

    def spoil(draft: Path, revision: str, totals: Any) -> None:
        edit(draft, "UPDATE users SET role = 'admin'")
        write(draft, revision, totals)

    monkeypatch.setattr(backup, "_write_manifest", spoil)
    with pytest.raises(InvalidInput, match="is not as it was made, in users"):
        back_up(place / "b.db")
    assert files(place) == []


@pytest.mark.engines("sqlite")
def test_what_could_not_be_restored_is_not_backed_up(db: Database, place: Path) -> None:
    account = make_account(make_tenant("acme"), "shop")
    raw(db, "CREATE TABLE other (a INTEGER REFERENCES gone)", "INSERT INTO other VALUES (1)")
    assert wrong().keys() == {"guards"}, "another program's table is no business of ours"
    raw(db, "DROP TABLE other", "DELETE FROM users")
    found = f"the row {account.id.hex} of accounts lacks its row in users"
    with pytest.raises(CopyFailed, match=rf"^{found}, so the backup could not be restored: .*doctor"):
        back_up(place / "b.db")
    assert wrong()["keys"] == found
    assert files(place) == []


@pytest.mark.engines("sqlite")
def test_text_that_is_none_is_refused_by_its_place(db: Database, elsewhere: str, place: Path) -> None:
    make_tenant("acme")
    account = make_account(make_tenant("globex"), "shop")
    raw(db, "UPDATE accounts SET status_reason = CAST(X'6F6BFF' AS TEXT)")
    where = rf"^accounts.status_reason of the row {account.id.hex} is text that is no UTF-8"
    with pytest.raises(CopyFailed, match=where):
        back_up(place / "b.db")
    with pytest.raises(CopyFailed, match=where):
        copy_database(elsewhere)
    assert files(place) == []
    raw(db, "UPDATE accounts SET status_reason = CAST(X'6F6BC3A4' AS TEXT)")
    back_up(place / "b.db")


@pytest.mark.engines("sqlite")
def test_postgresql_knows_what_it_holds_after_a_restore(made: Path, postgresql_url: str, tmp_path: Path) -> None:
    with nowhere("postgresql", postgresql_url, tmp_path) as url, inside(url):
        restore(made)
        with get_db_session() as session:
            estimated = "SELECT reltuples FROM pg_class WHERE relname = 'tenants'"
            assert session.scalar(text(estimated)) == 2
