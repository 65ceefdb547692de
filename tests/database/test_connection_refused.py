"""A database that cannot be used: one clear line that says what to do, and never a secret."""

from __future__ import annotations

import logging
import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from spothive.database import get_db_session, get_engine, read_session, run_all_migrations
from spothive.database.doctor import Severity, examine
from spothive.database.revisions import restore_guards
from spothive.errors import ConfigurationError, DatabaseUnavailable, SchemaOutdated, SpothiveError
from spothive.models import OnDemandPrice, User
from spothive.settings import get_settings
from tests.conftest import Database, settings
from tests.factories import make_tenant
from tests.factories.logins import another_login

SECRET = "hunter2"


def refusal(expected: type[SpothiveError], caplog: pytest.LogCaptureFixture) -> str:
    """Ask the database something; return the one line it is refused with, after looking everywhere for the secret."""
    with caplog.at_level(logging.DEBUG), pytest.raises(expected) as refused, read_session() as session:
        session.scalars(select(OnDemandPrice)).all()
    message = str(refused.value)
    assert "\n" not in message
    everything = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + caplog.text
    assert SECRET not in everything
    return message


# URLs


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", "Postgres"])
def test_every_spelling_of_the_scheme_is_understood(db: Database, scheme: str) -> None:
    url = f"{scheme}://{db.service_url.partition('://')[2]}"
    with settings(DATABASE_URL=url), read_session() as session:
        assert session.scalar(text("SELECT 1")) == 1
        assert get_engine().dialect.driver == "psycopg"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"mysql://root:{SECRET}@localhost/x", "starts with postgresql:// or sqlite:///, this one has 'mysql'"),
        (f"mssql+pyodbc://root:{SECRET}@localhost/x", "this one has 'mssql+pyodbc'"),
        (SECRET, "this one has 'no scheme'"),
        (f"postgresql://u:p@{SECRET}:word@h/db", "percent-encode"),
        (f"postgresql://u:p@{SECRET}@h/db", "percent-encode"),
        (f"postgresql://u:p@h:{SECRET}/db", "percent-encode"),
        (f"postgresql://u:{SECRET}%00@h/db", "(%00), which no name and no password can have: remove it"),
        (f"postgresql://u:p@h/db?port={SECRET}", "correct its host, its port"),
        (f"postgresql://u:{SECRET}@/db?host=a:x&host=b", "correct its host, its port"),
        (f"sqlite:///x.db?foo={SECRET}", "takes no parameters: remove what follows"),
        (f"sqlite:///x.db?timeout={SECRET}", "takes no parameters: remove what follows"),
        (f"sqlite://u:{SECRET}@/x.db", "write sqlite:/// and the path"),
        ("sqlite://host/x.db", "write sqlite:/// and the path"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(caplog: pytest.LogCaptureFixture, url: str, reason: str) -> None:
    with settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL=""):
        assert reason in refusal(ConfigurationError, caplog)


@pytest.mark.engines("sqlite")
def test_capitals_in_the_scheme_are_understood(db: Database) -> None:
    with settings(DATABASE_URL=db.service_url.replace("sqlite", "SQLite")), read_session() as session:
        assert session.scalars(select(OnDemandPrice)).all() == []


def test_a_password_is_percent_encoded(db: Database) -> None:
    with settings(DATABASE_URL="postgresql://u:p%40ss%3Aword%2F@127.0.0.1/db"):
        assert get_engine().url.password == "p@ss:word/"


def test_neither_settings_nor_engine_show_the_password(db: Database) -> None:
    with settings(DATABASE_URL=f"postgresql://u:{SECRET}@127.0.0.1/db"):
        assert get_engine().url.password == SECRET
        assert SECRET not in repr(get_settings()) + str(get_settings()) + repr(get_engine()) + str(get_engine().url)


# PostgreSQL


def test_an_unreachable_server_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with settings(DATABASE_URL=f"postgresql://u:{SECRET}@127.0.0.1:1/db", SPOTHIVE_OWNER_URL=""):
        message = refusal(DatabaseUnavailable, caplog)
    assert message.startswith("the database cannot be reached: ")
    assert "check DATABASE_URL and the server" in message


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": SECRET}, "password authentication failed"),
        ({"username": "nobody", "password": SECRET}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_a_login_that_is_refused_is_said(
    db: Database, caplog: pytest.LogCaptureFixture, change: dict[str, str], reason: str
) -> None:
    url = make_url(db.service_url).set(**change)  # type: ignore[arg-type]  # names of its fields
    with settings(DATABASE_URL=url.render_as_string(hide_password=False)):
        assert reason in refusal(DatabaseUnavailable, caplog)


@pytest.mark.engines("postgresql")
def test_a_server_that_takes_no_more_connections_is_said(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    with another_login(db, "CONNECTION LIMIT 0"):
        assert "too many connections" in refusal(DatabaseUnavailable, caplog)


@pytest.mark.engines("postgresql")
def test_a_wrong_option_in_the_url_is_said(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    url = make_url(db.service_url).update_query_dict({"nonsense": SECRET})
    with settings(DATABASE_URL=url.render_as_string(hide_password=False)):
        assert "nonsense" in refusal(DatabaseUnavailable, caplog)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((option, SECRET) for option in ("sslmode", "service", "host", "hostaddr", "client_encoding")),
        ("sslmode", f"{SECRET}\n{SECRET * 100}"),
        ("options", f"-c {SECRET}=1"),
    ],
)
def test_what_an_option_of_the_url_says_is_not_repeated(
    db: Database, caplog: pytest.LogCaptureFixture, option: str, value: str
) -> None:
    url = make_url(db.service_url).update_query_dict({option: value})
    with settings(DATABASE_URL=url.render_as_string(hide_password=False)):
        assert "'***'" in refusal(DatabaseUnavailable, caplog)


def test_an_empty_database_names_the_cure(empty_db: Database, caplog: pytest.LogCaptureFixture) -> None:
    assert "spothive db upgrade" in refusal(SchemaOutdated, caplog)


# SQLite files


@contextmanager
def sqlite_at(path: Path) -> Iterator[None]:
    with settings(DATABASE_URL=f"sqlite:///{path}", SPOTHIVE_OWNER_URL=""):
        yield


def test_a_file_that_is_no_database_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are my notes, not a database. " * 100)
    with sqlite_at(file):
        expected = "the database cannot be used: the file is no SQLite database: check DATABASE_URL"
        assert refusal(DatabaseUnavailable, caplog) == expected
        with pytest.raises(DatabaseUnavailable, match="no SQLite database"):
            run_all_migrations()
    assert file.read_text().startswith("these are my notes")


@pytest.mark.engines("sqlite")
def test_a_damaged_file_is_said(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    make_tenant()
    with db.raw() as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = Path(str(make_url(db.service_url).database))
    content = file.read_bytes()
    with settings():
        file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        assert "the file is damaged: restore a backup" in refusal(DatabaseUnavailable, caplog)


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sqlite_at(tmp_path):
        assert "it cannot be opened: check the path and its permissions" in refusal(DatabaseUnavailable, caplog)


@pytest.mark.parametrize("place", ["/proc/spothive/x.db", "{file}/x.db", "{file}/a/b/x.db"])
def test_a_place_where_nothing_can_be_made_is_said(tmp_path: Path, place: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with sqlite_at(Path(place.format(file=file))), pytest.raises(DatabaseUnavailable) as refused:
        run_all_migrations()
    assert "choose another DATABASE_URL" in str(refused.value)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Go on as an ordinary user: root may write everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("folder_too", [False, True])
def test_a_file_that_may_only_be_read_is_said(
    public_folder: Path, caplog: pytest.LogCaptureFixture, folder_too: bool
) -> None:
    file = public_folder / "spothive.db"
    with sqlite_at(file):
        run_all_migrations()
        tenant = make_tenant()
    for name in public_folder.iterdir():
        name.chmod(0o444)
    public_folder.chmod(0o555 if folder_too else 0o777)
    changed = file.stat().st_mtime_ns
    with sqlite_at(file):
        get_engine()  # what it imports may lie where nobody may look
        with as_nobody():
            with pytest.raises(DatabaseUnavailable) as refused, get_db_session(tenant=tenant) as session:
                session.add(User(username="ann", email="ann@example.com", password_hash="none"))
            assert "check the" in str(refused.value)
            assert "permissions" in str(refused.value)
            found = {finding.name: finding for finding in examine() if finding.severity is Severity.ERROR}
            assert "its folder writable" in found["writable"].repair if "writable" in found else found["connection"]
            with pytest.raises(DatabaseUnavailable, match="permissions"):
                restore_guards()
    assert file.stat().st_mtime_ns == changed
    public_folder.chmod(0o755)


def test_an_ordinary_read_only_session_is_not_taken_for_such_a_file(db: Database) -> None:
    with pytest.raises(SpothiveError, match="this session only reads"), read_session() as session:
        session.connection().exec_driver_sql("DELETE FROM on_demand_prices")
