"""``spothive secrets rotate`` and ``withdraw``, and what ``status`` and ``doctor`` say before and after."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from spothive.database import PLATFORM_TENANT_ID, Account, doctor, get_db_session
from spothive.database.doctor import Finding
from spothive.keyring import FileKeyring, Keyring
from spothive.schema.sealed import seal
from spothive.settings import get_settings
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database, settings
from tests.factories import make_user
from tests.factories.sealing import SECRET, key_in, make_keyring, store_secrets, stored_accounts
from tests.watching import everything

Refused = Callable[..., str]


@pytest.fixture
def path(people: Database, tmp_path: Path, done: Spothive, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the key file of three secrets."""
    path = tmp_path / "keys"
    monkeypatch.setenv("SPOTHIVE_SEALING_KEY_FILE", str(path))
    get_settings.cache_clear()
    done("secrets", "init")
    store_secrets([make_user(PLATFORM_TENANT_ID)], 3, FileKeyring(path))
    return path


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _only(path: Path, key_id: str) -> Keyring:
    return Keyring({key_id: key_in(path, key_id)}, primary=key_id)


def keys_found() -> Finding:
    """Return what ``spothive doctor`` finds of the keys; all that it looks at would take seconds."""
    return doctor._sealing_keys(get_settings())  # noqa: SLF001 - see above


def test_a_key_is_rotated_out_and_withdrawn(path: Path, done: Spothive, refused: Refused) -> None:
    (old,) = FileKeyring(path).key_ids
    keys = [key_in(path, old)]
    assert "rotate would seal 3 values with a new key" in done("secrets", "status").out
    assert f"the key {old} seals new values" in refused("secrets", "withdraw", old)
    ran = done("secrets", "rotate", "--json")
    new = ran.json["key_id"]
    assert ran.json == {"key_id": new, "new_key": True, "resealed": 3, "unopened": [], "left": 0}
    keys.append(key_in(path, new))
    assert done("secrets", "status", "--json").json["keys"] == [new, old]

    account = stored_accounts()[0]
    with get_db_session(tenant=account.tenant_id) as session:  # as a process does that still has the old keys
        seal(_only(path, old), session.get_one(Account, account.id), SECRET, "a secret")
    assert done("secrets", "status", "--json").json["rotate"] == {"new_key": False, "values": 1}
    assert (keys_found().severity, keys_found().found) == ("warning", f"{old} sealed stored secrets, not yet {new}")
    assert f"{old} is in use by 1 stored values (accounts.{SECRET} 1)" in refused("secrets", "withdraw", old)
    assert done("secrets", "rotate").out == f"sealed 1 values with {new}\n"
    assert keys_found().ok

    assert done("secrets", "withdraw", old).out.startswith(f"withdrew {old}\n")
    assert done("secrets", "withdraw", old, "--json").json == {"key_id": old, "withdrawn_now": False}
    status = done("secrets", "status", "--json").json
    assert (status["keys"], [key["key_id"] for key in status["withdrawn"]]) == ([new], [old])
    assert f"withdrawn: {old} on 20" in done("secrets", "status").out
    path.write_text(f"{old} {_text(keys[0])}\n{path.read_text()}")
    assert (keys_found().severity, keys_found().repair) == ("error", "run `spothive secrets rotate`")
    assert done("secrets", "rotate", "--json").json["new_key"], "for the key of before seals no more"

    said = repr(everything())
    assert not [key for key in keys if _text(key) in said]
    assert len(audited("secrets.rotated")) == 3


def test_what_does_not_open_is_listed(path: Path, spothive: Spothive) -> None:
    account = stored_accounts()[1]
    with get_db_session(tenant=account.tenant_id) as session:
        seal(make_keyring("0badcafe"), session.get_one(Account, account.id), SECRET, "lost")
    ran = spothive("secrets", "rotate")
    assert ran.code == 1
    assert "sealed 2 values" in ran.out
    assert str(account.id) in ran.out
    assert "the sealing key 0badcafe is needed and not in the keyring" in ran.words
    assert ran.err.startswith("error: 1 values do not open and were left alone")


def test_where_there_is_no_key_file_it_says_how(path: Path, done: Spothive, refused: Refused) -> None:
    (old,) = FileKeyring(path).key_ids
    keys = f"{old}:{_text(key_in(path, old))}"
    with settings(SPOTHIVE_SEALING_KEYS=keys):
        assert "put a new one before the others, made by `echo" in refused("secrets", "rotate")
    with settings(SPOTHIVE_SEALING_KEYS=f"ffffffff:{_text(bytes(32))},{keys}"):
        assert done("secrets", "rotate").out == "sealed 3 values with ffffffff\n"
        assert "take it out of SPOTHIVE_SEALING_KEYS now" in done("secrets", "withdraw", old).out


def test_only_staff_may_and_a_pasted_key_is_not_repeated(path: Path, refused: Refused) -> None:
    (old,) = FileKeyring(path).key_ids
    for words in (["rotate"], ["withdraw", old]):
        assert "may not" in refused("secrets", *words, "--as", "acme-client", "--tenant", "acme")
    key = _text(key_in(path, old))
    assert key not in refused("secrets", "withdraw", f"{old}:{key}")
    assert [row["outcome"] for event in ("secrets.rotating", "secrets.withdrawn") for row in audited(event)] == [
        "DENIED",
        "DENIED",
    ]
