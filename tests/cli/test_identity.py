"""``spothive tenant`` and ``spothive user`` on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.database import User, get_db_session
from spothive.database.look_ups import LoginRow, login_row
from spothive.database.passwords import check_password
from tests.cli.conftest import Ran, Spothive, audited
from tests.conftest import Database
from tests.watching import everything

NEW = ["user", "create", "anna", "--email", "Anna@X.io", "--role", "client", "--tenant", "acme"]


def _user(name: str) -> LoginRow:
    with get_db_session() as session:
        row = login_row(session, name)
    assert row is not None
    return row


def test_a_tenant_is_made_listed_suspended_and_resumed(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    made = done("tenant", "create", "initech", "--name", "Initech é")
    assert made.out.splitlines() == [
        "made tenant initech",
        "next: spothive user create USERNAME --email ADDRESS --role client --tenant initech",
    ]
    assert "initech  | Initech é | yes" in done("tenant", "list").out
    assert [t["slug"] for t in done("tenant", "list", "--json").json] == ["acme", "globex", "initech", "platform"]
    assert done("tenant", "suspend", "acme").out == "tenant acme is suspended\n"
    assert refused("account", "list", "--tenant", "acme", "--as", "acme-client").startswith("tenant acme is suspended")
    assert done("tenant", "resume", "acme", "--json").json["is_active"] is True
    done("account", "list", "--tenant", "acme", "--as", "acme-client")
    assert [len(audited(f"tenant.{event}")) for event in ("created", "suspended", "resumed")] == [1, 1, 1]


def test_a_tenant_that_cannot_be(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    assert "another row already has this slug" in refused("tenant", "create", "acme", "--name", "Again")
    assert "tenants.slug" in refused("tenant", "create", "Not A Slug", "--name", "X")
    assert "tenants.name" in refused("tenant", "create", "fine", "--name", "x" * 256)
    assert "no tenant is called 'nobody'" in refused("tenant", "suspend", "nobody")
    assert "platform" in refused("tenant", "suspend", "platform")
    assert everything() == before


def test_a_user_gets_a_password_that_works_and_is_shown_once(people: Database, done: Spothive) -> None:
    made = done(*NEW, "--full-name", "Anna Karenina")
    lines = made.out.splitlines()
    assert lines[0] == "made user anna, client"
    password = lines[1].removeprefix("password, shown this once: ")
    row = _user("anna")
    assert check_password(password, row.password_hash)
    assert row.must_change_password
    listed = done("user", "list", "--tenant", "acme", "--json").json
    [anna] = [user for user in listed if user["username"] == "anna"]
    assert (anna["email"], anna["full_name"], anna["role"]) == ("anna@x.io", "Anna Karenina", "client")
    assert not {"password", "password_hash"} & set(anna)
    assert password not in str(everything())


def test_a_password_on_standard_input_is_not_shown(people: Database, done: Spothive) -> None:
    made = done(*NEW, "--password-stdin", "--json", given="pässword of anna\n")
    assert made.json["password"] is None
    assert check_password("pässword of anna", _user("anna").password_hash)
    done("user", "passwd", "anna", "--tenant", "acme", "--password-stdin", given="another of hers\r\nnot this line")
    assert check_password("another of hers", _user("anna").password_hash)


def test_a_password_that_cannot_be(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for given, reason in {
        b"": "standard input holds no password",
        b"\n": "standard input holds no password",
        b"\xff\xfe\n": "standard input is no UTF-8 text",
        b"short\n": "a password has 8 to 1024 characters",
        b"x" * 5000: "a password has 8 to 1024 characters",
    }.items():
        assert refused(*NEW, "--password-stdin", given=given) == reason
    assert everything() == before


def test_a_new_password_is_generated_where_nobody_can_be_asked(people: Database, done: Spothive) -> None:
    done(*NEW, "--password-stdin", given="the first password\n")
    changed = done("user", "passwd", "anna", "--tenant", "acme", "--json").json
    assert check_password(changed["password"], _user("anna").password_hash)
    own = done("user", "passwd", "admin").out.splitlines()
    assert own[0] == "new password for admin"
    assert check_password(own[1].removeprefix("shown this once: "), _user("admin").password_hash)
    assert not _user("admin").must_change_password
    assert len(audited("user.password")) == 2


@pytest.mark.engines("sqlite")  # it is about the terminal
def test_at_a_terminal_the_password_is_asked_for_twice_and_not_echoed(
    people: Database, on_terminal: Callable[..., Ran]
) -> None:
    password = "correct horse battery"
    ran = on_terminal(
        *NEW,
        answers=[
            ("New password: ", "correct horse"),
            ("Repeat for confirmation: ", "incorrect horse"),
            ("New password: ", password),
            ("Repeat for confirmation: ", password),
        ],
    )
    assert ran.code == 0, ran.out
    assert ran.out.endswith("made user anna, client\n")
    assert "horse" not in ran.out
    assert check_password(password, _user("anna").password_hash)


def test_a_user_that_cannot_be(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    assert "email" in refused("user", "create", "anna", "--email", "admin@localhost", "--role", "user")
    assert "username" in refused("user", "create", "gina", "--email", "new@x.io", "--role", "user")
    assert "no e-mail address" in refused("user", "create", "anna", "--email", "nowhere", "--role", "user")
    assert "users.username" in refused("user", "create", "ännä", "--email", "a@x.io", "--role", "user")
    assert "users.username" in refused("user", "create", "an", "--email", "a@x.io", "--role", "user")
    after = everything()
    assert {name for name in after if after[name] != before[name]} == set()


def test_disabled_users_are_refused_until_enabled(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    acting = ["account", "list", "--tenant", "acme", "--as", "acme-client"]
    assert done("user", "disable", "acme-client", "--tenant", "acme").out == "user acme-client is disabled\n"
    assert refused(*acting) == "acme-client is disabled"
    assert done("user", "enable", "acme-client", "--tenant", "acme", "--json").json["is_active"] is True
    done(*acting)
    assert "no user of this tenant is called 'nobody'" in refused("user", "disable", "nobody")


def test_the_last_admin_stays(
    people: Database, spothive: Spothive, refused: Callable[..., str], done: Spothive
) -> None:
    assert "may not make or unmake admins" in refused("user", "disable", "admin")
    done("user", "create", "root", "--email", "root@x.io", "--role", "super_admin")
    done("user", "disable", "admin", "--as", "root")
    assert "last active admin" in refused("user", "disable", "root", "--as", "root")
    assert [
        row["username"] for row in everything()[User.__tablename__] if row["role"] == "super_admin" and row["is_active"]
    ]


def test_an_unknown_user_is_told_what_to_do(people: Database, refused: Callable[..., str]) -> None:
    assert refused("user", "list", "--as", "nobody") == "no user is called 'nobody': choose another with --as"
