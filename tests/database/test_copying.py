"""Every row of one database in another: whole, equal, from one moment, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete
from sqlalchemy.engine import make_url

from spothive.database import AuditLog, Tenant, copying, get_db_session
from spothive.database.checksums import StoredTable, Sum, Total, canonical_json, stored_tables
from spothive.database.copying import copy_database, snapshot
from spothive.database.drift import find_drift
from spothive.database.revisions import current_revision, head, run_migration
from spothive.errors import CopyFailed, InvalidInput, SchemaOutdated, SchemaTooNew
from spothive.models import Account
from spothive.settings import get_settings
from tests.conftest import ENGINES, Database
from tests.database.copies import fill, inside, nowhere, raw
from tests.database.revision_folder import RevisionFolder
from tests.factories import make_account, make_tenant, make_user
from tests.factories.samples import TABLES
from tests.watching import everything, rows_of

INTO_SQLITE = pytest.mark.parametrize("target", ["sqlite"], indirect=True)
"""For what has nothing to do with the kind of the target."""

FROM_SQLITE = pytest.mark.engines("sqlite")
"""For what has nothing to do with the kind of the source."""


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, postgresql_url: str, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database without any table, of either kind."""
    with nowhere(request.param, postgresql_url, tmp_path) as url:
        yield url


def test_every_row_arrives_equal_in_either_database(db: Database, target: str) -> None:
    fill()
    before = everything()
    assert all(before.values()), "the sample leaves no table empty"
    copied = copy_database(target)
    assert (copied.revision, copied.rows) == (head(), sum(map(len, before.values())))
    assert {name: total.rows for name, total in copied.tables.items()} == {n: len(rows) for n, rows in before.items()}
    assert everything() == before, "the source is only read"
    with inside(target):
        run_migration()  # lets the logins in, if there are others
        assert everything() == before
        assert find_drift() == []
        assert copied.size > 100_000


@INTO_SQLITE
def test_a_second_copy_has_the_checksums_of_the_first(db: Database, target: str, tmp_path: Path) -> None:
    fill()
    first = copy_database(target)
    with inside(target):
        assert copy_database(f"sqlite:///{tmp_path / 'again.db'}").tables == first.tables


@INTO_SQLITE
def test_what_writers_do_meanwhile_is_not_in_the_copy(db: Database, target: str) -> None:
    fill()
    before = everything()
    written = []

    def write(what: str, _: int, __: int) -> None:
        if not what.startswith("copying"):
            return
        written.append(make_account(make_tenant()))
        with get_db_session(tenant=UUID(int=1)) as session:
            session.execute(delete(Account))

    copy_database(target, progress=write)
    assert len(written) >= len(TABLES)
    assert everything() != before
    with inside(target):
        assert everything() == before


@INTO_SQLITE
def test_progress_names_each_table_and_reaches_its_end(db: Database, target: str) -> None:
    fill()
    told: dict[str, tuple[int, int]] = {}
    copied = copy_database(target, progress=lambda what, done, rows: told.update({what: (done, rows)}))
    rows = {name: total.rows for name, total in copied.tables.items()}
    assert told == {f"{step} {name}": (n, n) for name, n in rows.items() for step in ("copying", "verifying")}


@FROM_SQLITE
def test_a_database_with_rows_is_no_target(db: Database, target: str) -> None:
    with inside(target):
        run_migration()
        make_user(make_tenant("mine"), "anna")
        before = everything()
    with pytest.raises(CopyFailed, match="holds rows already, of tenants, users: a copy needs an empty database"):
        copy_database(target)
    with inside(target):
        assert everything() == before
        assert find_drift() == []


def test_a_database_is_not_copied_into_itself_under_any_name(db: Database, tmp_path: Path) -> None:
    fill()
    before = everything()
    url = make_url(db.owner_url)
    if db.engine == "sqlite":
        other = tmp_path / "link.db"
        other.symlink_to(str(url.database))
        url = url.set(database=str(other))
    else:
        url = url.update_query_dict({"application_name": "somebody else"})
    with pytest.raises(InvalidInput, match="source and target are the same database"):
        copy_database(url.render_as_string(hide_password=False))
    assert everything() == before


@INTO_SQLITE
def test_both_are_at_one_revision(db: Database, target: str, folder: RevisionFolder) -> None:
    fill()
    former, newer = head(), folder.add("next", "pass")
    with inside(target):
        run_migration(newer)
    with pytest.raises(CopyFailed, match=f"the rows are at {former}, the target is at {newer}: `spothive db upgrade`"):
        copy_database(target)


@INTO_SQLITE
def test_an_earlier_revision_is_copied_as_it_is(db: Database, target: str, folder: RevisionFolder) -> None:
    fill()
    before = everything()
    former = head()
    folder.add("next", "pass")
    assert copy_database(target).revision == former
    with inside(target):
        assert current_revision() == former
        assert rows_of(Tenant) == before["tenants"]


@INTO_SQLITE
def test_a_newer_or_empty_database_is_not_copied(empty_db: Database, target: str) -> None:
    with pytest.raises(SchemaOutdated, match="the database is empty: run `spothive db upgrade`"):
        copy_database(target)
    run_migration()
    raw(empty_db, "UPDATE alembic_version SET version_num = '999_from_the_future'")
    with pytest.raises(SchemaTooNew, match="install a newer spothive"):
        copy_database(target)
    with inside(target):
        assert current_revision() is None


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "UPDATE tenants SET slug = 'NOT A SLUG' WHERE slug <> 'platform'",
            r"a row of tenants is refused by the target",
        ),
        ("DELETE FROM tenants WHERE slug <> 'platform'", r"does not exist in this tenant|lacks its row in tenants"),
    ],
    ids=["CHECK", "foreign key"],
)
def test_rows_that_break_a_rule_leave_nothing_behind(db: Database, target: str, change: str, reason: str) -> None:
    make_account(make_tenant("acme"))
    raw(db, change)
    with pytest.raises(CopyFailed, match=reason) as caught:
        copy_database(target)
    assert "nothing was kept" in str(caught.value)
    with inside(target):
        assert [row["slug"] for row in rows_of(Tenant)] == ["platform"]
        assert not any(rows for name, rows in everything().items() if name != "tenants")
        assert find_drift() == []


@FROM_SQLITE
def test_a_row_that_is_lost_on_the_way_is_noticed(db: Database, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill()

    def losing_one(write: Any) -> Any:
        def run(to: Any, table: StoredTable, batches: Any) -> None:
            write(to, table, (rows[table.name == "audit_logs" :] for rows in batches))

        return run

    for name in ("_write_sqlite", "_write_postgresql"):
        monkeypatch.setattr(copying, name, losing_one(getattr(copying, name)))
    with pytest.raises(CopyFailed, match=r"^audit_logs did not arrive as read; nothing was kept"):
        copy_database(target)
    with inside(target):
        assert len(rows_of(Tenant)) == 1
        assert rows_of(AuditLog) == []


@FROM_SQLITE
def test_a_target_that_differs_from_the_code_is_refused(db: Database, target: str) -> None:
    fill()
    with inside(target):
        run_migration()
        engine = "sqlite" if target.startswith("sqlite") else "postgresql"
        raw(Database(engine, target, target), "DROP INDEX uq_scan_runs_running")
    with pytest.raises(CopyFailed, match=r"index uq_scan_runs_running is missing.*`spothive db check` there"):
        copy_database(target)


@INTO_SQLITE
@pytest.mark.parametrize(
    ("change", "unknown"),
    [("CREATE TABLE notes (x text)", "notes"), ("ALTER TABLE users ADD COLUMN shoe_size text", "users.shoe_size")],
)
def test_what_would_be_left_out_is_named(db: Database, target: str, change: str, unknown: str) -> None:
    raw(db, change)
    with pytest.raises(CopyFailed, match=f"this spothive does not know {unknown}, which would be left out"):
        copy_database(target)


@INTO_SQLITE
@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    "change",
    [
        "DROP POLICY system ON users",
        "ALTER POLICY system ON users USING (username <> 'anna')",
        "CREATE POLICY mine ON users AS RESTRICTIVE USING (username <> 'anna')",
    ],
)
def test_rows_that_a_policy_hides_are_not_left_out_unnoticed(db: Database, target: str, change: str) -> None:
    make_user(make_tenant(), "anna")
    raw(db, change)
    with pytest.raises(CopyFailed, match="row security hides rows of users from spothive_system"):
        copy_database(target)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:hunter2@h/x", "sqlite:///:memory:", "postgresql://u:a@b@h/x"]
)
def test_a_url_that_is_none_is_told_of_by_its_option(db: Database, url: str) -> None:
    with pytest.raises(Exception, match=r"^--to") as caught:
        copy_database(url)
    assert "DATABASE_URL" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


# --- checksums ------------------------------------------------------------------------------------

SAME = [
    ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
    ('{"a": 1}', '{"a": 1.0}'),
    ('{"a": 10000000000000000}', '{"a": 1e16}'),
    ('{"a": 0.0000001}', '{"a": 1e-7}'),
    ('{"a": -0.0}', '{"a": 0}'),
    ('["\\u00e4"]', '["ä"]'),
]
DIFFERENT = [
    ('{"a": 1}', '{"a": "1"}'),
    ('{"a": 1}', '{"a": true}'),
    ('{"a": 1}', '{"a": 1.0000000000000000000000000001}'),
    ('{"a": 12345678901234567890}', '{"a": 12345678901234567891}'),
    ('{"a": null}', "{}"),
    ("{}", "[]"),
    ("[1, 2]", "[2, 1]"),
    ('["1E+0"]', "[1]"),
]


def test_one_value_has_one_json_text() -> None:
    for one, other in SAME:
        assert canonical_json(one) == canonical_json(other), one
    for one, other in DIFFERENT:
        assert canonical_json(one) != canonical_json(other), one
    assert canonical_json(None) is None


def test_a_checksum_sees_every_column_and_no_order(db: Database) -> None:
    fill()
    with snapshot(get_settings()) as connection:
        for table in stored_tables(connection):
            with table.read(connection) as batches:
                rows: list[Any] = [row for batch in batches for row in batch]
            whole = total_of(table, rows)
            assert total_of(table, rows[::-1]) == whole
            for n in range(len(table.columns)):
                other = (*rows[0][:n], "[0]", *rows[0][n + 1 :])
                assert total_of(table, [other, *rows[1:]]) != whole, f"{table.name}.{table.columns[n]}"
            assert total_of(table, rows[1:]) != whole


def total_of(table: StoredTable, rows: list[Any]) -> Total:
    found = Sum(table)
    found.add(rows)
    return found.total()
