"""Whatever is wrong: one line that says what to do, exit code 1, nothing half-written, no secret."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.engine import make_url

from tests.cli.conftest import Spothive, answer, instance
from tests.conftest import Database, settings
from tests.watching import everything

IMPORT = ["account", "import", "--name", "main", "--file"]
SECRET = "hunter2-correct-horse"


# --- files ---------------------------------------------------------------------------------------

BAD_ANSWERS = {
    "empty": b"",
    "blank": b" \n\t ",
    "truncated": answer(instance(1), instance(2)).encode()[:-40],
    "cut in the middle of a character": '{"Reservations": "é'.encode()[:-1],
    "nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "nested 10,000 deep inside": b'{"Reservations": ' + b'{"a": ' * 10_000 + b"1" + b"}" * 10_001,
    "binary": bytes(range(256)),
    "a table": b"-----\n| Describe |\n",
    "an error of AWS": b"An error occurred (UnauthorizedOperation) when calling the DescribeInstances operation",
    "HTML": b"<html></html>",
    "another answer": b'{"Volumes": []}',
    "a wrong shape": b'{"Reservations": {"a": 1}}',
    "a wrong shape inside": b'{"Reservations": [{"Instances": 7}]}',
    "two accounts": json.dumps(
        [json.loads(answer(instance(1))), json.loads(answer(instance(2), owner_id="444455556666"))]
    ).encode(),
    "not a number": b'{"Reservations": [{"OwnerId": NaN}]}',
    "a number of 10,000 digits": b'{"Reservations": [{"OwnerId": ' + b"9" * 10_000 + b"}]}",
}


def test_answers_that_are_none(people: Database, refused: Callable[..., str], tmp_path: Path) -> None:
    before = everything()
    for kind, content in BAD_ANSWERS.items():
        file = tmp_path / f"{kind}.json"
        file.write_bytes(content)
        assert len(refused(*IMPORT, str(file))) < 500
        assert len(refused(*IMPORT, "-", given=content)) < 500
    assert everything() == before


def test_one_bad_file_among_good_ones_stops_all(people: Database, refused: Callable[..., str], tmp_path: Path) -> None:
    before = everything()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(answer(instance(1)))
    bad.write_text("{")
    assert "bad.json ends in the middle of the JSON" in refused(*IMPORT, str(good), "--file", str(bad))
    assert everything() == before


def test_a_file_too_large_is_refused_before_it_is_read(
    people: Database, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(300 << 20)  # takes no room on the disk
    monkeypatch.setattr("spothive.cli.files._blocks", lambda *_: pytest.fail("it was read"))
    for words in ([*IMPORT, str(huge)], ["market", "import", str(huge)]):
        assert refused(*words) == f"{huge} is larger than 256 MB: split it, for instance by region"


def test_a_stream_too_large_is_refused_as_soon_as_it_is(
    people: Database, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spothive.cli.files.MAX_BYTES", 2 << 20)
    assert refused(*IMPORT, "/dev/zero").startswith("/dev/zero is larger than 2 MB")
    assert refused(*IMPORT, "-", given=b" " * (3 << 20)).startswith("standard input is larger than 2 MB")


def test_files_that_cannot_be_read(people: Database, refused: Callable[..., str], tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert refused(*IMPORT, str(missing)) == f"{missing} cannot be read: No such file or directory"
    assert refused(*IMPORT, str(tmp_path)) == (
        f"{tmp_path} is a directory: name the files in it, each with its own --file"
    )
    assert refused(*IMPORT, "nul\0") == r"nul\x00 cannot be read: that is no file name"
    assert refused(*IMPORT, "x" * 5000).endswith("… cannot be read: File name too long")
    assert refused(*IMPORT, "-", "--file", "-") == "standard input can be read once: give - one time"


# --- values --------------------------------------------------------------------------------------


MISSING = [
    (["instance", "show", "i-nope"], "no instance has the id 'i-nope'"),
    (["instance", "show", "' OR 1=1 --"], "no instance has the id"),
    (["instance", "show", "x" * 5000], "no instance has the id 'xxx"),
    (["instance", "list", "--region", "mars-1"], "'mars-1' is no AWS region"),
    (["instance", "list", "--region", "us-esat-1"], "'us-esat-1' is no AWS region"),
    (["instance", "list", "--account", "nope"], "no account is called 'nope'"),
    (["instance", "list", "--limit", "0"], "a page has 1 to 10000 instances"),
    (["instance", "list", "--limit", "10001"], "a page has 1 to 10000 instances"),
    (["instance", "list", "--limit", str(2**70)], "a page has 1 to 10000 instances"),
    (["account", "show", "nope"], "no account is called 'nope'"),
    (["account", "mark", "nope", "LAB"], "no account is called 'nope'"),
    (["account", "disconnect", "nope", "--yes"], "no account is called 'nope'"),
    (["user", "list", "--as", "x" * 5000], "no user is called 'xxx"),
    (["user", "list", "--tenant", "x" * 5000], "no tenant is called 'xxx"),
]


def test_what_does_not_exist(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for words, reason in MISSING:
        assert reason in refused(*words)
    assert everything() == before


TAKING_TEXT = [
    ["tenant", "create", "{}", "--name", "X"],
    ["tenant", "create", "fine", "--name", "{}"],
    ["tenant", "suspend", "{}"],
    ["user", "create", "{}", "--email", "a@x.io", "--role", "user"],
    ["user", "create", "anna", "--email", "a{}@x.io", "--role", "user"],
    ["user", "create", "anna", "--email", "a@x.io", "--role", "user", "--full-name", "{}"],
    ["user", "disable", "{}"],
    ["user", "list", "--tenant", "{}"],
    ["user", "list", "--as", "{}"],
    ["apikey", "create", "{}"],
    ["apikey", "create", "x", "--user", "{}"],
    ["apikey", "create", "x", "--cluster", "{}"],
    ["apikey", "revoke", "{}", "--reason", "x"],
    ["apikey", "usage", "{}"],
    ["account", "import", "--name", "{}", "--file", "-"],
    ["account", "import", "--name", "x", "--file", "-", "--owner", "{}"],
    ["account", "import", "--name", "x", "--file", "-", "--region", "{}"],
    ["account", "import", "--name", "x", "--file", "{}"],
    ["account", "show", "{}"],
    ["account", "disconnect", "{}", "--yes"],
    ["instance", "show", "{}"],
    ["instance", "list", "--account", "{}"],
    ["db", "upgrade", "{}"],
    ["db", "sql", "{}"],
]


@pytest.mark.parametrize("text", ["nul\0", "half \ud83d"], ids=["NUL", "lone surrogate"])
def test_text_that_cannot_be_stored(text: str, people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for words in TAKING_TEXT:
        assert refused(*(word.replace("{}", text) for word in words), given=answer(instance(1))).isprintable()
    assert everything() == before


def test_a_filter_that_nothing_can_match(people: Database, spothive: Spothive) -> None:
    for option in ("--family", "--cluster", "--after"):
        for text in ("nul\0", "half \ud83d", "%", "'"):
            ran = spothive("instance", "list", option, text)
            assert (ran.out + ran.err).startswith(("no such instances", "error: ")), ran
            assert ran.code == (1 if ran.err else 0)


def test_a_name_of_the_wrong_length(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    refusal = refused("account", "import", "--name", "x" * 101, "--file", "-", given=answer(instance(1)))
    assert "accounts.account_name: the text has the wrong length" in refusal
    assert everything() == before


BLANK = [
    (["account", "import", "--file", "-"], "--name"),
    (["tenant", "create", "initech"], "--name"),
    (["account", "list"], "--tenant"),
    (["account", "list"], "--as"),
]


@pytest.mark.parametrize("name", ["", " \t"], ids=["empty", "blank"])
def test_a_blank_name_is_refused_and_never_replaced_by_a_default(
    name: str, people: Database, refused: Callable[..., str]
) -> None:
    before = everything()
    for words, option in BLANK:
        assert refused(*words, option, name, given=answer(instance(1))) == f"{option} is blank: give a name"
    assert refused("--tenant", name, "account", "list") == "--tenant is blank: give a name"
    assert everything() == before


def test_an_unknown_region(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for region in ("mars-1", "us-esat-1", "US-EAST-1", "us-east-1a", ""):
        refusal = refused(*IMPORT, "-", "--region", region, given=answer())
        assert "is no AWS region; they are called like eu-west-1" in refusal
    assert everything() == before


def test_one_account_keeps_to_one_aws_account(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    done(*IMPORT, "-", given=answer(instance(1)))
    before = everything()
    other = answer(instance(2), owner_id="444455556666")
    assert "holds instances of AWS account 111122223333" in refused(*IMPORT, "-", given=other)
    assert everything() == before


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:{}@localhost/x", "DATABASE_URL: a database URL starts with postgresql:// or sqlite:///"),
        ("nonsense", "DATABASE_URL: a database URL starts with"),
        ("{}", "DATABASE_URL: a database URL starts with"),
        ("postgresql+asyncpg://u:{}@localhost/x", "DATABASE_URL: a database URL starts with"),
        ("postgresql://u:{}@localhost:port/x", "DATABASE_URL cannot be read"),
        ("postgresql://u:{}@local@host:1/x", ""),
        ("postgresql://u:{}@127.0.0.1:1/x", "the database cannot be reached"),
        ("postgres://u:{}@127.0.0.1:1/x", "the database cannot be reached"),
        ("postgresql+psycopg2://u:{}@127.0.0.1:1/x", "the database cannot be reached"),
        ("postgresql://u@127.0.0.1:1/x?password={}", "the database cannot be reached"),
        ("postgresql://u:{}@127.0.0.1:1/x?sslmode=bogus", "the database cannot be reached"),
        ("postgresql://u:{}@127.0.0.1:1/x?bogus=1", ""),
        ("postgresql://u:{}@no-such-host.invalid/x", "the database cannot be reached"),
        ("sqlite://", "DATABASE_URL names no file"),
        ("sqlite:///:memory:", "DATABASE_URL names no file"),
    ],
)
@pytest.mark.parametrize(
    "words", [["db", "status"], ["db", "upgrade"], ["account", "list"], ["db", "roles", "--apply"]], ids=" ".join
)
def test_a_url_that_leads_nowhere(
    words: list[str],
    url: str,
    reason: str,
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with settings(DATABASE_URL=url.format(SECRET), SPOTHIVE_OWNER_URL="", SPOTHIVE_CONNECT_TIMEOUT="2"):
        refusal = refused(*words)
    assert reason in refusal
    assert SECRET not in refusal
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_used_is_named_without_its_value(refused: Callable[..., str]) -> None:
    with settings(SPOTHIVE_POOL_SIZE=SECRET):
        refusal = refused("account", "list")
    assert refusal.startswith("SPOTHIVE_POOL_SIZE: ")
    assert SECRET not in refusal


@pytest.mark.engines("postgresql")
def test_a_login_that_is_not_let_in(db: Database, refused: Callable[..., str]) -> None:
    for changed in ({"password": SECRET}, {"username": "nobody"}, {"database": "nowhere"}):
        url = make_url(db.service_url).set(**changed).render_as_string(hide_password=False)  # type: ignore[arg-type]  # one text each
        with settings(DATABASE_URL=url):
            refusal = refused("account", "list")
        assert refusal.startswith("the database cannot be ")
        assert SECRET not in refusal


# --- SQLite files --------------------------------------------------------------------------------

sqlite_only = pytest.mark.engines("sqlite")
NOBODY = 65534


def _file(db: Database) -> Path:
    return Path(str(make_url(db.owner_url).database))


@contextmanager
def _without_root() -> Iterator[None]:
    """Lay root's rights down, if they are there, for the length of the block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked(people: Database) -> Iterator[Path]:
    """Copy the seeded database into a folder in which nothing can be written but by root."""
    with closing(sqlite3.connect(_file(people))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with TemporaryDirectory() as folder:  # pytest's own is closed to others
        copy = Path(folder) / "spothive.db"
        shutil.copyfile(_file(people), copy)
        copy.chmod(0o444)
        copy.parent.chmod(0o555)
        yield copy
        copy.parent.chmod(0o755)


@sqlite_only
@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database(content: bytes, db: Database, refused: Callable[..., str]) -> None:
    file = _file(db)
    for side in ("", "-wal", "-shm"):
        Path(f"{file}{side}").unlink(missing_ok=True)
    file.write_bytes(content)
    for words in (["account", "list"], ["db", "status"], ["db", "upgrade"], ["db", "check"], ["db", "seed"]):
        assert refused(*words).startswith("the database cannot be used: ")
    assert file.read_bytes() == content


@sqlite_only
def test_a_damaged_file(people: Database, refused: Callable[..., str], spothive: Spothive) -> None:
    file = _file(people)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    assert refused("user", "list") == "the database cannot be used: the file is damaged: restore a backup"
    assert spothive("doctor").code == 1


@sqlite_only
def test_a_directory_is_no_database(refused: Callable[..., str], tmp_path: Path) -> None:
    with settings(DATABASE_URL=f"sqlite:///{tmp_path}", SPOTHIVE_OWNER_URL=""):
        for words in (["account", "list"], ["db", "upgrade"]):
            assert "it cannot be opened: check the path and its permissions" in refused(*words)


def test_a_folder_that_cannot_be_made(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with settings(DATABASE_URL=f"sqlite:///{tmp_path}/file/x.db", SPOTHIVE_OWNER_URL=""):
        assert "for the database (File exists): choose another DATABASE_URL" in refused("db", "upgrade")


@sqlite_only
def test_a_read_only_file(locked: Path, done: Spothive, refused: Callable[..., str]) -> None:
    done("tenant", "create", "before", "--name", "Before")  # loads what nobody may not read
    content = locked.read_bytes()
    with settings(DATABASE_URL=f"sqlite:///{locked}", SPOTHIVE_OWNER_URL=""), _without_root():
        for words in (["tenant", "create", "new", "--name", "New"], [*IMPORT, "-"], ["db", "seed"]):
            refusal = refused(*words, given=answer(instance(1)))
            assert (
                "check the path and its permissions" in refusal or "it is read-only: check the permissions" in refusal
            )
    assert locked.read_bytes() == content
    assert len(list(locked.parent.iterdir())) == 1


@sqlite_only
def test_a_folder_that_cannot_be_written(locked: Path, refused: Callable[..., str]) -> None:
    file = locked.parent / "var" / "new.db"
    with settings(DATABASE_URL=f"sqlite:///{file}", SPOTHIVE_OWNER_URL=""), _without_root():
        assert refused("db", "upgrade") == (
            f"cannot make {file} for the database (Permission denied): choose another DATABASE_URL"
        )


@sqlite_only
def test_a_file_that_another_process_writes_is_read_but_not_written(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    with people.raw() as other, settings(SPOTHIVE_SQLITE_BUSY_TIMEOUT="0.01"):
        other.execute("BEGIN IMMEDIATE")
        for words in (
            ["tenant", "list"],
            ["user", "list"],
            ["account", "list"],
            ["instance", "list"],
            ["db", "status"],
        ):
            done(*words)
        assert refused("tenant", "create", "new", "--name", "New").endswith("try again")
        other.execute("ROLLBACK")
