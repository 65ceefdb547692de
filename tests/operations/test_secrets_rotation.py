"""Sealing everything anew with another key, while others read and write."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive import keyring
from spothive.database import PLATFORM_TENANT_ID, Account, Role, get_db_session, read_session
from spothive.errors import InvalidInput, KeyMissing, SecretUnreadable
from spothive.keyring import FileKeyring, Keyring, init_key_file
from spothive.operations import secrets
from spothive.operations.actor import Actor
from spothive.operations.secrets import Rotation
from spothive.schema.sealed import reseal, seal, unseal
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.sealing import (
    KEY_ID,
    SECRET,
    key_in,
    make_keyring,
    opened,
    sealed_by,
    store_secrets,
    stored_accounts,
)
from tests.operations.conftest import audited

STAFF = Actor(UUID(int=1), "admin", Role.ADMIN, PLATFORM_TENANT_ID)


@dataclass
class Vault:
    """Accounts of two tenants with their secrets, and the key file."""

    path: Path
    first: str

    def ring(self) -> FileKeyring:
        """Load the keys, as a process does that starts now."""
        return FileKeyring(self.path)

    def only(self, key_id: str) -> Keyring:
        """Return what a process holds that knows but one of the keys."""
        return Keyring({key_id: key_in(self.path, key_id)}, primary=key_id)

    def rotate(self, **how: Any) -> Rotation:
        given = {"tenant_id": PLATFORM_TENANT_ID, "keyring": self.ring(), "key_file": self.path, **how}
        return secrets.rotate(get_db_session, STAFF, **given)


@pytest.fixture
def vault(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Ten secrets of each of two tenants, and rotations in batches of four."""
    monkeypatch.setattr(secrets, "BATCH", 4)
    path = tmp_path / "keys"
    vault = Vault(path, init_key_file(path))
    store_secrets([make_user(make_tenant()) for _ in range(2)], 10, vault.ring())
    return vault


class Killed(BaseException):
    """What kill -9 comes to: nothing more is done, and nothing is tidied up."""


def killed_after(batches: int, told: list[int]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        assert done <= total == 20
        told.append(done)
        if len(told) == batches:
            raise Killed

    return progress


def test_a_rotation_makes_a_key_and_seals_everything_with_it(vault: Vault) -> None:
    before = stored_accounts()
    done = vault.rotate()
    assert done == Rotation(vault.ring().primary, True, 20, (), 0)
    assert vault.ring().key_ids == (done.key_id, vault.first)
    after = stored_accounts()
    assert {sealed_by(account) for account in after} == {done.key_id}
    assert [opened(account, vault.ring()) for account in after] == [account.account_name for account in before]
    assert [account.updated_at for account in after] == [account.updated_at for account in before]
    numbers = {"resealed": 20, "unopened": 0, "left": 0}
    assert [row[:3] + row[4:] for row in audited()] == [
        ("secrets.rotating", "sealing keys", "SUCCESS", {vault.first: 20}, None),
        ("secrets.rotated", "sealing keys", "SUCCESS", None, {"primary": done.key_id, "added": True, **numbers}),
    ]


def test_one_that_was_killed_is_resumed_with_the_same_key_and_writes_nothing_twice(vault: Vault) -> None:
    told: list[int] = []
    with pytest.raises(Killed):
        vault.rotate(progress=killed_after(2, told))
    assert told == [4, 8]
    half = {
        account.id: account.aws_secret_access_key for account in stored_accounts() if sealed_by(account) != vault.first
    }
    assert len(half) == 8
    done = vault.rotate()
    assert (done.new_key, done.resealed) == (False, 20 - 8)
    assert len(vault.ring().key_ids) == 2
    after = {account.id: account for account in stored_accounts()}
    assert {row_id: after[row_id].aws_secret_access_key for row_id in half} == half
    assert {sealed_by(account) for account in after.values()} == {done.key_id}


def test_readers_and_writers_go_on_while_a_rotation_is_killed_and_resumed(vault: Vault) -> None:
    rows = [(account.tenant_id, account.id) for account in stored_accounts()]
    over, errors, seen = threading.Event(), [], []
    written: dict[Any, str] = {}
    everybody = [vault.ring() for _ in range(4)]  # loaded before there is a new key

    def until_over(work: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(number)
        try:
            while not over.is_set():
                work(chance)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    def read(ring: Keyring, chance: random.Random) -> None:
        tenant_id, row_id = chance.choice(rows)
        with read_session(tenant=tenant_id) as session:
            account = session.get_one(Account, row_id)
        seen.append(opened(account, ring) == account.account_name)

    def write(ring: Keyring, mine: list[Any], chance: random.Random) -> None:
        tenant_id, row_id = chance.choice(mine)
        with get_db_session(tenant=tenant_id) as session:
            account = session.get_one(Account, row_id)
            secret = f"{account.account_name}:{chance.random()}"
            seal(ring, account, SECRET, secret)
        written[row_id] = secret

    with ThreadPoolExecutor(4) as threads:
        for number, ring in enumerate(everybody[:2]):
            threads.submit(until_over, partial(read, ring), number)
        for number, ring in enumerate(everybody[2:]):
            threads.submit(until_over, partial(write, ring, rows[number::4]), number)
        try:
            with pytest.raises(Killed):
                # However quick the writers are, they leave ten rows alone, which are three batches.
                vault.rotate(progress=killed_after(2, []))
            vault.rotate()
        finally:
            over.set()
    assert errors == []
    assert all(seen)
    if any(sealed_by(account) == vault.first for account in stored_accounts()):  # by a writer who had not looked yet
        vault.rotate()  # with a key of its own, as the rotation before was complete
    primary = vault.ring().primary
    for account in stored_accounts():
        assert sealed_by(account) == primary
        assert unseal(vault.ring(), account, SECRET) == written.get(account.id, account.account_name)


def test_what_somebody_writes_meanwhile_stays_and_is_looked_at_again(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = stored_accounts()[3]
    former = vault.only(vault.first)
    written: list[UUID] = []

    def interrupted(ring: Keyring, column: Any, tenant_id: Any, row_id: Any, token: str) -> str:
        if row_id == victim.id and not written:
            with get_db_session(tenant=tenant_id) as session:
                seal(former, session.get_one(Account, row_id), SECRET, "newer")
            written.append(row_id)
        return reseal(ring, column, tenant_id, row_id, token)

    monkeypatch.setattr("spothive.operations.secrets.reseal", interrupted)
    done = vault.rotate()
    assert written
    assert (done.resealed, done.left) == (20, 0)
    (account,) = [account for account in stored_accounts() if account.id == victim.id]
    assert (unseal(vault.ring(), account, SECRET), sealed_by(account)) == ("newer", done.key_id)


def test_what_does_not_open_is_told_and_left_alone(vault: Vault) -> None:
    one, *_, other_row, other_column, lost = stored_accounts()[:10]
    stranger = stored_accounts()[-1]
    assert one.tenant_id == lost.tenant_id != stranger.tenant_id
    copies = [(other_row, SECRET), (other_column, KEY_ID), (stranger, SECRET)]
    for account, column in copies:
        _store(account, column, str(one.aws_secret_access_key))
    seal(make_keyring("0badcafe"), lost, SECRET, "lost")
    _store(lost, SECRET, str(lost.aws_secret_access_key))
    wrong = [(account.id, column) for account, column in (*copies, (lost, SECRET))]
    before = {account.id: account for account in stored_accounts()}
    done = vault.rotate()
    after = {account.id: account for account in stored_accounts()}
    assert sorted((each.row_id, each.column) for each in done.unopened) == sorted(wrong)
    assert (done.resealed, done.left) == (21 - 4, 0)
    for row_id, column in wrong:
        assert getattr(after[row_id], column) == getattr(before[row_id], column)
        with pytest.raises((SecretUnreadable, KeyMissing)):
            unseal(vault.ring(), after[row_id], column)
    assert {each.reason.partition(":")[0] for each in done.unopened} == {
        "a sealed value was changed, or copied from another row, column or tenant",
        "the sealing key 0badcafe is needed and not in the keyring",
    }
    assert audited(event="secrets.rotated")[0][5]["unopened"] == 4


def _store(account: Account, column: str, token: str) -> None:
    with get_db_session(tenant=account.tenant_id) as session:
        setattr(session.get_one(Account, account.id), column, token)


def test_two_rotations_at_once_end_with_one_new_key(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LOOK_AFTER", 3600)  # however late the second one comes, it knows the first key alone
    start = threading.Barrier(2)

    def go(_: int) -> Rotation:
        ring = vault.ring()
        start.wait()
        return vault.rotate(keyring=ring)

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(go, range(2)))
    assert len(vault.ring().key_ids) == 2
    assert sum(each.new_key for each in done) == 1
    assert {sealed_by(account) for account in stored_accounts()} == {vault.ring().primary}
    assert sum(each.resealed for each in done) == 20


def test_keys_of_the_environment_get_no_new_one_but_the_first_of_them_seals(vault: Vault) -> None:
    keys = {vault.first: key_in(vault.path, vault.first), "ffffffff": bytes(range(32))}
    given: dict[str, Any] = {"key_file": None, "keyring": Keyring(keys, primary=vault.first)}
    with pytest.raises(InvalidInput, match="SPOTHIVE_SEALING_KEYS, to which nothing can be added from here"):
        vault.rotate(**given)
    assert audited() == []
    given["keyring"] = Keyring(keys, primary="ffffffff")
    assert vault.rotate(**given) == Rotation("ffffffff", False, 20, (), 0)
    assert {sealed_by(account) for account in stored_accounts()} == {"ffffffff"}


def test_a_new_key_can_be_asked_for_in_any_case(vault: Vault) -> None:
    with pytest.raises(Killed):
        vault.rotate(progress=killed_after(1, []))
    second = vault.ring().primary
    done = vault.rotate(new_key=True)
    assert (done.new_key, done.resealed) == (True, 20)
    assert vault.ring().key_ids == (done.key_id, second, vault.first)
