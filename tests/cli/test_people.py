"""``spothive user`` and ``spothive invite`` from coming to going, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.database import User, get_db_session
from spothive.database.look_ups import login_row
from spothive.database.passwords import check_password
from tests.cli.conftest import Ran, Spothive, audited
from tests.conftest import Database
from tests.factories import make_account
from tests.watching import everything

PASSWORD = "correct horse battery"
BOTH = ["--token-stdin", "--password-stdin"]


def password_of(name: str, password: str) -> bool:
    with get_db_session() as session:
        row = login_row(session, name)
    return row is not None and check_password(password, row.password_hash)


def token_of(ran: Ran) -> str:
    (line,) = [line for line in ran.out.splitlines() if "shown this once: " in line]
    return line.rpartition(" ")[2]


def test_somebody_comes_and_invites_another(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    register = ["user", "register", "Ines", "--email", "Ines@Initech.io", "--slug", "initech", "--tenant-name", "I é"]
    before = everything()
    assert "say --password-stdin" in refused(*register, given=PASSWORD)
    assert "most common passwords" in refused(*register, "--password-stdin", given="password1\n")
    assert "own name or address" in refused(*register, "--password-stdin", given="ines@INITECH.io\n")
    assert refused(*register, "--password-stdin", "--tenant-name", " ", given=PASSWORD) == (
        "--tenant-name is blank: give a name"
    )
    assert everything() == before
    made = done(*register, "--password-stdin", given=PASSWORD)
    assert made.out.splitlines()[0] == "made tenant initech and its user ines, client"
    assert password_of("ines", PASSWORD)
    assert audited("tenant.registered")[0]["actor_name"].startswith("ines (cli: ")

    acting = ["--tenant", "initech", "--as", "ines"]
    assert done("invite", "list", *acting).out == "no invitations yet: spothive invite create --help\n"
    first = token_of(done("invite", "create", "ute@x.io", "--role", "lab", *acting))
    token = done("invite", "create", "Ute@x.io", "--role", "user", "--json", *acting).json["token"]
    assert "another row already has this email" in refused(
        "invite", "create", "gina@example.com", "--role", "lab", *acting
    )
    assert "say --token-stdin" in refused("invite", "accept", "ute")
    assert "withdrawn, expired or accepted" in refused("invite", "accept", "ute", *BOTH, given=f"{first}\n{PASSWORD}\n")
    welcome = done("invite", "accept", "Ute", *BOTH, "--full-name", "Ute É", given=f"{token}\n{PASSWORD}\n")
    assert welcome.out == "welcome ute, user\n"
    assert password_of("ute", PASSWORD)
    (row,) = done("invite", "list", "--json", *acting).json
    assert (row["email"], row["role"], row["state"], set(row) & {"token", "token_hash"}) == (
        *("ute@x.io", "user", "accepted"),
        set(),
    )
    assert "ute@x.io | user | accepted" in done("invite", "list", *acting).out
    done("invite", "create", "uwe@x.io", "--role", "user", *acting)
    assert done("invite", "withdraw", "uwe@x.io", *acting).out == "the invitation of uwe@x.io is withdrawn\n"
    assert "no invitation of 'uwe@x.io' is open" in refused("invite", "withdraw", "uwe@x.io", *acting)


def test_a_lost_password_is_chosen_anew_with_a_token(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    shown = done("user", "reset-link", "acme-user", "--tenant", "acme", "--as", "acme-client")
    token = token_of(shown)
    assert token not in str(everything())
    for given, reason in {
        "": "standard input holds no token",
        token: "standard input holds no password",
        f"{token}\nshort": "8 to 1024 characters",
        f"{token}\npassword1": "most common",
        f"x{token}\n{PASSWORD}": "unknown, expired or used",
    }.items():
        assert reason in refused("user", "reset", *BOTH, given=given)
    assert done("user", "reset", *BOTH, given=f"{token}\n{PASSWORD}\n").out.startswith("the password is changed")
    assert password_of("acme-user", PASSWORD)
    assert "unknown, expired or used" in refused("user", "reset", *BOTH, given=f"{token}\n{PASSWORD}\n")
    assert "may not make or unmake admins" in refused("user", "reset-link", "admin")


@pytest.mark.engines("sqlite")  # it is about the terminal
def test_tokens_and_passwords_are_asked_for_at_a_terminal_and_not_echoed(
    people: Database, done: Spothive, on_terminal: Callable[..., Ran]
) -> None:
    token = token_of(done("user", "reset-link", "acme-user", "--tenant", "acme"))
    ran = on_terminal(
        *("user", "reset"),
        answers=[("Token: ", token), ("New password: ", PASSWORD), ("Repeat for confirmation: ", PASSWORD)],
    )
    assert ran.code == 0, ran.out
    assert PASSWORD not in ran.out
    assert token not in ran.out
    assert password_of("acme-user", PASSWORD)


def test_a_user_is_shown_changed_relieved_and_deleted(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    own = ["--tenant", "acme", "--as", "acme-client"]
    (acme,) = [row["id"] for row in everything()["tenants"] if row["slug"] == "acme"]
    (lab,) = [row["id"] for row in everything()[User.__tablename__] if row["username"] == "acme-lab"]
    for name in ("books", "music"):
        make_account(acme, name, user_id=lab)
    shown = done("user", "show", "ACME-LAB", *own)
    assert "accounts              books, music" in shown.out
    assert "password" not in shown.out.replace("must change password", "")
    assert done("user", "show", "acme-lab", "--json", *own).json["accounts"] == ["books", "music"]

    assert done("user", "role", "acme-lab", "user", *own).out == "user acme-lab is user\n"
    assert done("user", "role", "acme-lab", "client", "--json", *own).json["role"] == "client"
    delete = ["user", "delete", "acme-lab", *own]
    assert "Nobody can be asked here: say --yes" in refused(*delete)
    assert "acme-lab answers for books, music" in refused(*delete, "--yes")
    transfer = ["user", "transfer", "acme-lab", "acme-user", *own]
    assert "answers for no account called 'rest'" in refused(*transfer, "--account", "books", "--account", "rest")
    assert done(*transfer, "--account", "music").out == "acme-user answers for music now\n"
    assert "answers for books" in refused(*delete, "--yes")
    assert done(*delete, "--yes", "--with-accounts").out == "user acme-lab is gone, and books\n"
    assert done("user", "transfer", "acme-client", "acme-user", *own).out == (
        "acme-client answers for no accounts: nothing was changed\n"
    )
    assert done("user", "transfer", "acme-user", "acme-client", "--json", *own).json["accounts"] == ["music"]
    assert "no user of this tenant is called 'acme-lab'" in refused("user", "show", "acme-lab", *own)
