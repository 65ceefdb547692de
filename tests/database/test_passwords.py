"""Passwords: which are taken, and that each verifies itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import bcrypt
import pytest

from spothive.database.passwords import check_password, hash_password
from spothive.errors import InvalidInput
from tests.conftest import settings


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with settings(SPOTHIVE_BCRYPT_ROUNDS="4"):
        yield


def test_no_password_is_cut_off() -> None:
    beginning = "x" * 72
    passwords = [
        *("a" * length for length in (8, 72, 73, 100, 1000, 1024)),
        "🐝" * 64,
        "🐝" * 1024,
        beginning + "one end",
        beginning + "another",
        beginning,
    ]
    hashes = [hash_password(password) for password in passwords]
    assert len(set(hashes)) == len(passwords)
    for number, password in enumerate(passwords):
        fits = [check_password(password, password_hash) for password_hash in hashes]
        assert fits == [n == number for n in range(len(passwords))]


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "8 to 1024 characters"),
        ("seven77", "8 to 1024 characters"),
        ("x" * 1025, "8 to 1024 characters"),
        ("🐝" * 1025, "8 to 1024 characters"),
        ("x" * 10_000_000, "8 to 1024 characters"),
        ("12345678", "most common"),
        ("password1", "most common"),
        ("PassWord1", "most common"),
        ("anna.karenina", "own name or address"),
        ("ANNA.Karenina", "own name or address"),
        ("Anna@Acme.io ", "own name or address"),
        ("half \ud800 a character", "not valid Unicode"),
    ],
)
def test_what_is_refused_is_not_hashed(password: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcrypt, "hashpw", lambda *_: pytest.fail("it was hashed"))
    with pytest.raises(InvalidInput, match=reason) as refusal:
        hash_password(password, "anna.karenina", "anna@acme.io")
    assert not password or not re.search(re.escape(password[:40]), str(refusal.value))


def test_a_name_counts_for_its_own_user_alone() -> None:
    assert check_password("anna.karenina", hash_password("anna.karenina", "vronsky", "v@acme.io"))
