"""``spothive session`` and ``spothive user totp`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from spothive.cli.identity.sessions import USER_AGENT
from spothive.database import Role, SessionLog, get_db_session
from spothive.operations.identity import find_actor, resume
from tests.cli.conftest import Ran, Spothive, audited
from tests.conftest import Database, settings
from tests.factories.sign_ins import PASSWORD, code_of, make_person
from tests.watching import everything, rows_of

ANN = ["--tenant", "acme", "--as", "ann"]
BOSS = ["--tenant", "acme", "--as", "acme-client"]


@pytest.fixture
def ann(people: Database) -> Database:
    """Make a user of acme who knows a password."""
    make_person(find_actor("acme-user", "acme")[1], role=Role.USER)
    return people


def test_an_operator_tries_a_log_in_lists_and_ends_sessions(
    ann: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    lines = done("session", "start", "ANN", given=PASSWORD + "\n").out.splitlines()
    assert lines[0].startswith("signed in as ann until ")
    first = lines[1].removeprefix("token, shown this once: ")
    assert resume(get_db_session, first)[0].username == "ann"
    second = done("session", "start", "ann", "--json", given=PASSWORD + "\n").json
    assert (second["username"], second["must_change_password"]) == ("ann", False)
    assert refused("session", "start", "ann", given="a wrong guess\n").startswith("user name or password is wrong")
    assert refused("session", "start", "nobody", given="\n") == "standard input holds no password"
    listed = done("session", "list", *ANN, "--json").json
    assert len(listed) == 2
    assert listed[0]["id"] == second["session_id"]
    assert {row["device_type"] for row in listed} == {"api"}
    assert second["session_id"] in done("session", "list", "ann", *BOSS).out
    assert done("session", "list", *BOSS).out == "no open sessions\n"
    assert done("session", "end", second["session_id"], *BOSS).out == "ended 1 session\n"
    assert "no open session has the id" in refused("session", "end", second["session_id"], *BOSS)
    assert "no open session has the id" in refused("session", "end", str(uuid4()), *ANN)
    assert "say which session is to end" in refused("session", "end", *ANN)
    assert done("session", "end", "--all", *ANN, "--json").json == {"ended": 1}
    assert done("session", "list", *ANN, "--json").json == []
    log_ins = done("session", "log-ins", *BOSS, "--json").json
    assert [row["failure_reason"] for row in log_ins] == ["wrong password", None, None]
    assert "ann  | no | wrong password" in done("session", "log-ins", "ann", *BOSS, "--limit", "1").out
    assert "may not invite and disable users" in refused("session", "log-ins", *ANN)
    for secret in (first, second["token"], PASSWORD):
        assert secret not in str(everything())


def test_a_second_factor_from_the_first_code_to_the_last(
    ann: Database, done: Spothive, refused: Callable[..., str], tmp_path: Path
) -> None:
    with settings(SPOTHIVE_SEALING_KEYS="a1b2c3d4:" + "A" * 43 + "="):
        begun = done("user", "totp", "enable", *ANN, "--json").json
        secret = begun["secret"]
        assert parse_qs(urlsplit(begun["uri"]).query)["secret"] == [secret]
        assert "does not fit" in refused("user", "totp", "confirm", *ANN, given="000000x\n")
        confirmed = done("user", "totp", "confirm", *ANN, given=code_of(secret) + "\n").out.splitlines()
        backup = [line.strip() for line in confirmed[2:]]
        assert len(backup) == 10
        start = ["session", "start", "ann"]
        assert refused(*start, given=PASSWORD + "\n") == "standard input holds no code"
        assert "does not fit" in refused(*start, given=f"{PASSWORD}\n{code_of(secret, 5)}\n")
        assert "signed in as ann" in done(*start, given=f"{PASSWORD}\n{backup[0]}\n").out
        renewed = done("user", "totp", "codes", *ANN, "--json", given=backup[1] + "\n").json["backup_codes"]
        assert "does not fit" in refused("user", "totp", "disable", *ANN, given=backup[2] + "\n")
        off = "ann signs in without a code from now on\n"
        assert done("user", "totp", "disable", *ANN, given=renewed[0] + "\n").out == off
        begun = done("user", "totp", "enable", *ANN).out.splitlines()
        secret = begun[0].removeprefix("secret, shown this once: ")
        done("user", "totp", "confirm", *ANN, given=code_of(secret) + "\n")
    with settings(SPOTHIVE_SEALING_KEY_FILE=str(tmp_path / "lost")):
        assert "there is no sealing key" in refused("user", "totp", "codes", *ANN, given=renewed[1] + "\n")
    assert "may not manage" in refused("user", "totp", "disable", "ann", *BOSS)
    assert done("user", "totp", "disable", "ann", "--tenant", "acme").out == off
    kept = str(everything())
    assert not [text for text in (secret, *backup, *renewed) if text.replace("-", "") in kept]
    assert [row["outcome"] for row in audited("totp.removed")] == ["DENIED", "SUCCESS"]


def test_at_a_terminal_password_and_code_are_asked_for_and_not_echoed(
    ann: Database, on_terminal: Callable[..., Ran], done: Spothive
) -> None:
    with settings(SPOTHIVE_SEALING_KEYS="a1b2c3d4:" + "A" * 43 + "="):
        secret = done("user", "totp", "enable", *ANN, "--json").json["secret"]
        out = done("user", "totp", "confirm", *ANN, "--json", given=code_of(secret) + "\n")
        code = out.json["backup_codes"][0]
        ran = on_terminal("session", "start", "ann", answers=[("Password: ", PASSWORD), ("code: ", code)])
    assert ran.code == 0, ran.out
    assert "token, shown this once: " in ran.out
    assert PASSWORD not in ran.out
    assert code not in ran.out
    assert [row["user_agent"] for row in rows_of(SessionLog)] == [USER_AGENT]
