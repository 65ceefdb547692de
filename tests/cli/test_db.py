"""``spothive db`` on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from spothive.database import Role, User
from spothive.database.drift import find_drift
from spothive.database.revisions import head, revisions
from tests.cli.conftest import PATIENCE, SPOTHIVE, Ran, Spothive
from tests.conftest import Database
from tests.watching import everything

ACTING = [
    ["tenant", "create", "acme", "--name", "Acme"],
    ["tenant", "list"],
    ["tenant", "suspend", "acme"],
    ["tenant", "resume", "acme"],
    ["user", "create", "anna", "--email", "a@x.io", "--role", "client"],
    ["user", "list"],
    ["user", "disable", "anna"],
    ["user", "enable", "anna"],
    ["user", "passwd", "anna"],
    ["user", "show", "anna"],
    ["user", "role", "anna", "lab"],
    ["user", "transfer", "anna", "udo"],
    ["user", "delete", "anna", "--yes"],
    ["user", "register", "anna", "--email", "a@x.io", "--slug", "acme", "--tenant-name", "Acme"],
    ["user", "reset-link", "anna"],
    ["user", "reset"],
    ["invite", "create", "a@x.io", "--role", "lab"],
    ["invite", "list"],
    ["invite", "withdraw", "a@x.io"],
    ["invite", "accept", "anna"],
    ["account", "import", "--name", "a", "--file", "-"],
    ["account", "list"],
    ["account", "show", "a"],
    ["account", "mark", "a", "LAB"],
    ["account", "disconnect", "a", "--yes"],
    ["instance", "list"],
    ["instance", "show", "i-0"],
    ["market", "import", "-"],
    ["market", "list"],
    ["market", "status"],
    ["market", "refresh", "--region", "us-east-1"],
]


def test_from_nothing_to_a_seeded_database(empty_db: Database, done: Spothive) -> None:
    upgraded = done("db", "upgrade")
    assert upgraded.out == f"upgraded from empty to {head()}\nnext: spothive db seed\n"
    assert find_drift() == []
    again = done("db", "upgrade")
    assert again.out == f"at {head()} already\n"
    seeded = done("db", "seed")
    assert "made user admin, password, shown this once: " in seeded.out
    assert done("db", "seed").out == "nothing to seed\n"
    assert done("user", "list").words.startswith("user | role | active")


def test_an_empty_database_is_sent_to_db_upgrade(empty_db: Database, refused: Callable[..., str]) -> None:
    for words in ACTING:
        assert "`spothive db upgrade`" in refused(*words, given="")


def test_commands_on_an_empty_sqlite_file_make_none(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conftest import settings

    monkeypatch.chdir(tmp_path)
    with settings(DATABASE_URL="sqlite:///var/spothive.db", SPOTHIVE_OWNER_URL=""):
        assert str(tmp_path / "var" / "spothive.db") in refused("account", "list")
    assert list(tmp_path.iterdir()) == []


def test_without_an_admin_the_seed_is_named(db: Database, refused: Callable[..., str]) -> None:
    assert refused("account", "list") == "no user is called 'admin': `spothive db seed` makes the first one"


def test_upgrade_reports_as_json(empty_db: Database, done: Spothive) -> None:
    assert done("db", "upgrade", "000", "--json").json == {"before": None, "revision": "000_core"}
    assert done("--json", "db", "upgrade").json == {"before": "000_core", "revision": head()}
    assert done("--json", "db", "upgrade").json == {"before": head(), "revision": head()}


def test_upgrade_knows_its_revisions(empty_db: Database, refused: Callable[..., str]) -> None:
    assert "no migration is called '999'" in refused("db", "upgrade", "999")
    assert "no migration is called 'nope'" in refused("db", "downgrade", "nope", "--yes")


def test_status_of_an_empty_and_of_a_migrated_database(empty_db: Database, done: Spothive) -> None:
    empty = done("db", "status")
    assert "none, it is empty" in empty.out
    assert empty.out.endswith("next: spothive db upgrade\n")
    assert done("db", "status", "--json").json["at_head"] is False
    done("db", "upgrade")
    found = done("db", "status", "--json").json
    assert found["revision"] == found["head"] == head()
    assert found["at_head"] is True
    assert found["engine"] == empty_db.engine
    assert found["size_bytes"] > 100_000
    if empty_db.engine == "sqlite":
        file = Path(str(make_url(empty_db.owner_url).database))
        assert Path(found["place"]) == file.absolute()
        assert found["size_bytes"] >= file.stat().st_size
    else:
        assert "***" in found["place"]


@pytest.mark.engines("postgresql")
def test_the_place_holds_no_password_wherever_it_is_given(db: Database, spothive: Spothive) -> None:
    from tests.conftest import settings

    url = make_url(db.owner_url)
    password = str(url.password)
    hidden = url._replace(password=None).update_query_dict({"password": password, "application_name": "x"})
    with settings(DATABASE_URL=hidden.render_as_string(hide_password=False), SPOTHIVE_OWNER_URL=""):
        for words in (["db", "status"], ["doctor"]):
            ran = spothive(*words)
            assert str(url.database) in ran.out
            assert password not in ran.out + ran.err


def test_check_names_each_difference_on_a_line_of_bounded_length(
    db: Database, spothive: Spothive, done: Spothive
) -> None:
    assert done("db", "check").out == f"at {head()}, exactly as declared\n"
    assert done("db", "check", "--json").json == {"revision": head(), "repaired": False, "differences": []}
    with db.raw(owner=True) as connection:
        connection.execute("CREATE TABLE left_behind (note text)")
        connection.execute("DROP INDEX uq_scan_runs_running")
    ran = spothive("db", "check")
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert ran.err == (
        f"error: the database differs from the code in {len(lines)} places: `spothive db check --repair` restores "
        "guards, and no more\n"
    )
    assert any("left_behind" in line for line in lines)
    assert any("uq_scan_runs_running" in line for line in lines)
    assert all(len(line) <= 300 for line in lines)
    assert spothive("db", "check", "--json").json["differences"] == lines


def test_check_repairs_guards_and_tells_of_the_rest(db: Database, spothive: Spothive, done: Spothive) -> None:
    with db.raw(owner=True) as connection:
        connection.execute("DROP TRIGGER ao_audit_logs_delete" + (" ON audit_logs" if db.engine != "sqlite" else ""))
    ran = spothive("db", "check")
    assert (ran.code, ran.out) == (1, "trigger ao_audit_logs_delete on audit_logs is missing\n")
    assert "`spothive db check --repair`" in ran.err
    assert done("db", "check", "--repair").out == f"at {head()}, exactly as declared\n"
    assert done("db", "check", "--repair", "--json").json == {"revision": head(), "repaired": True, "differences": []}
    with db.raw(owner=True) as connection:
        connection.execute("DROP INDEX uq_scan_runs_running")
    ran = spothive("db", "check", "--repair")
    assert (ran.code, ran.out) == (1, "index uq_scan_runs_running is missing\n")
    assert ran.err == "error: the database differs from the code in 1 places: undo by hand what was changed\n"


def test_check_of_an_empty_database_is_refused(empty_db: Database, refused: Callable[..., str]) -> None:
    assert "`spothive db upgrade`" in refused("db", "check")
    assert "`spothive db upgrade`" in refused("db", "check", "--repair")


def test_seed_prints_the_password_once_in_either_form(db: Database, done: Spothive) -> None:
    from spothive.database import get_db_session
    from spothive.database.look_ups import login_row
    from spothive.database.passwords import check_password

    seeded = done("db", "seed", "--json").json
    assert (seeded["admin_created"], seeded["username"]) == (True, "admin")
    with get_db_session() as session:
        row = login_row(session, "admin")
    assert row is not None
    assert check_password(seeded["password"], row.password_hash)
    assert done("db", "seed", "--json").json["password"] is None


def test_seed_never_prints_a_password_it_was_given(
    db: Database, done: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spothive.settings import get_settings

    monkeypatch.setenv("SPOTHIVE_ADMIN_PASSWORD", "correct horse battery")
    get_settings.cache_clear()
    ran = done("db", "seed")
    assert ran.out == "made user admin, password as in SPOTHIVE_ADMIN_PASSWORD\n"


def test_downgrade_asks_first(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    before = everything()
    refusal = refused("db", "downgrade", "base")
    assert "loses the data" in refusal
    assert "--yes" in refusal
    assert everything() == before
    assert done("db", "downgrade", "base", "--yes").out == f"at base, was at {head()}\n"
    assert done("db", "status", "--json").json["revision"] is None
    done("db", "upgrade")
    assert find_drift() == []
    assert everything()[User.__tablename__] == []


def test_downgrade_to_where_it_never_was(empty_db: Database, refused: Callable[..., str]) -> None:
    assert "nothing to take back" in refused("db", "downgrade", "000")


def test_downgrade_to_where_it_is_asks_nothing(empty_db: Database, done: Spothive) -> None:
    nothing = "already: there is nothing to take back\n"
    assert done("db", "downgrade", "base").out == f"at base {nothing}"
    assert done("db", "downgrade", "base", "--json").json == {"before": None, "revision": None}
    done("db", "upgrade")
    assert done("db", "downgrade", head()).out == f"at {head()} {nothing}"


def test_of_two_upgrades_at_once_one_says_that_it_upgraded(empty_db: Database) -> None:
    words = [str(SPOTHIVE), "db", "upgrade"]
    upgrades = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=PATIENCE)[0] for process in upgrades)
    already = f"at {head()} already\n"
    assert said == [already, f"upgraded from empty to {head()}\nnext: spothive db seed\n"]


@pytest.mark.engines("sqlite")
def test_downgrade_takes_no_for_an_answer(people: Database, on_terminal: Callable[..., Ran]) -> None:
    ran = on_terminal("db", "downgrade", "base", answers=[("[y/N]: ", "n")])
    assert ran.code == 1
    assert ran.out.endswith("error: not confirmed, nothing was changed\n")
    assert everything()[User.__tablename__]


def test_verbose_says_what_happened_and_nothing_of_the_pool(empty_db: Database, spothive: Spothive) -> None:
    told = spothive("-v", "db", "upgrade").err.splitlines()
    assert len(told) == len(revisions())
    assert f"applied {head()}" in told[-1]
    assert spothive("-v", "db", "check").err == ""


def test_roles_are_printed_for_the_logins_in_the_settings(db: Database, done: Spothive) -> None:
    ran = done("db", "roles")
    if db.engine == "sqlite":
        assert ran.out == "SQLite has no roles: whoever may read the file may read everything\n"
        assert done("db", "roles", "--json", "--apply").json == {"sql": "", "applied": False}
        return
    for url in (db.owner_url, db.service_url):
        assert f"GRANT spothive_app TO {make_url(url).username}" in ran.out
        assert str(make_url(url).password) not in ran.out.replace("spothive_test_service", "")
    with psycopg.connect(
        make_url(db.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        connection.execute(ran.out.encode())
    assert done("db", "roles", "--apply").out == "the roles are there\n"
    assert done("db", "roles", "--apply", "--json").json == {"sql": ran.out, "applied": True}


@pytest.mark.engines("postgresql")
def test_roles_need_logins_with_names(db: Database, refused: Callable[..., str]) -> None:
    from tests.conftest import settings

    nameless = make_url(db.owner_url)._replace(username=None, password=None).render_as_string()
    with settings(DATABASE_URL=nameless, SPOTHIVE_OWNER_URL=""):
        assert "must name their users" in refused("db", "roles")


def test_the_printed_migrations_make_the_same_database(empty_db: Database, done: Spothive) -> None:
    script = done("db", "sql").out
    for words in (["--dialect", empty_db.engine], ["base:head"], [head()], [":head"]):
        assert done("db", "sql", *words).out == script
    assert done("db", "sql", "--json").json == {"sql": script}
    url = make_url(empty_db.owner_url)
    if empty_db.engine == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as file:
            file.executescript(script)
    else:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as server:
            server.execute(script.encode())
    assert done("db", "check").out == f"at {head()}, exactly as declared\n"


def test_sql_of_revisions_that_are_not_there(done: Spothive, refused: Callable[..., str], db: Database) -> None:
    assert "no migration is called '500'" in refused("db", "sql", "500")
    assert "no migration is called '500'" in refused("db", "sql", "500:head")
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[db.engine]
    assert ("ROW LEVEL SECURITY" in done("db", "sql", "--dialect", other).out) is (other == "postgresql")


def test_a_newer_database_is_told_apart(people: Database, refused: Callable[..., str], done: Spothive) -> None:
    with db_at(people, "999_from_the_future"):
        for words in (["account", "list"], ["db", "status"], ["db", "upgrade"], ["db", "check"], ["user", "list"]):
            assert "'999_from_the_future', which this spothive does not know: install a newer spothive" in refused(
                *words
            )
    done("account", "list")


def test_an_older_database_is_sent_to_db_upgrade(
    people: Database, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = head()
    monkeypatch.setattr("spothive.database.revisions.head", lambda: "900_next")
    assert (
        refused("account", "list")
        == f"the database is at {at}, this spothive needs 900_next: run `spothive db upgrade`"
    )
    assert "900_next" in refused("db", "check")


class db_at:  # noqa: N801 - reads as a word
    """Pretend that the database is at another revision, for the length of a block."""

    def __init__(self, db: Database, revision: str) -> None:
        self.db, self.revision = db, revision

    def __enter__(self) -> None:
        self._set(self.revision)

    def __exit__(self, *_: object) -> None:
        self._set(head())

    def _set(self, revision: str) -> None:
        with self.db.raw(owner=True) as connection:
            connection.execute(f"UPDATE alembic_version SET version_num = '{revision}'")


def test_roles_of_the_seed_are_those_of_the_model(db: Database, done: Spothive) -> None:
    done("db", "seed")
    [admin] = everything()[User.__tablename__]
    assert (admin["username"], admin["role"], admin["must_change_password"]) == ("admin", Role.ADMIN, True)
