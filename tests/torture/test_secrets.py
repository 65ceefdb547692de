"""Ten thousand secrets are sealed anew under readers and writers, and the process that does it is killed half-way."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from spothive.database import PLATFORM_TENANT_ID, dispose_engine, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.errors import IllegalMove
from spothive.keyring import FileKeyring, Keyring, init_key_file
from spothive.operations import secrets
from spothive.operations.identity import find_actor
from spothive.operations.secrets import Rotation
from spothive.schema.sealed import seal, unseal
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.sealing import KEY_ID, SECRET, key_in, sealed_by, store_secrets, stored_accounts
from tests.torture.conftest import wait_until_alone
from tests.torture.processes import DONE, Child, at_work
from tests.torture.secret_works import read_secrets, rotate_keys, write_secrets

pytestmark = pytest.mark.torture

TENANTS, ACCOUNTS = 5, 1_000
VALUES = TENANTS * ACCOUNTS * 2
READERS, WRITERS = 8, 4
COLUMNS = (KEY_ID, SECRET)


@pytest.fixture
def path(db: Database, tmp_path: Path) -> Path:
    """Return the key file of 10,000 secrets; nobody is connected."""
    seed_initial_data()
    path = tmp_path / "keys"
    init_key_file(path)
    store_secrets([make_user(make_tenant()) for _ in range(TENANTS)], ACCOUNTS, FileKeyring(path), columns=COLUMNS)
    dispose_engine()
    return path


def rotate(path: Path, **how: Any) -> Rotation:
    actor, _ = find_actor("admin", "platform")
    given = {"tenant_id": PLATFORM_TENANT_ID, "keyring": FileKeyring(path), "key_file": path, **how}
    return secrets.rotate(get_db_session, actor, **given)


def test_ten_thousand_secrets_are_rotated(db: Database, path: Path) -> None:
    start = time.monotonic()
    done = rotate(path)
    print(f"{db.engine}: {done.resealed} values sealed anew in {time.monotonic() - start:.1f} s")
    assert (done.resealed, done.unopened, done.left) == (VALUES, (), 0)


def test_readers_and_writers_go_on_through_a_kill_and_a_resumption(db: Database, path: Path) -> None:
    (old,) = FileKeyring(path).key_ids
    rows = [(account.tenant_id, account.id) for account in stored_accounts()]
    tenants = sorted({tenant_id for tenant_id, _ in rows})
    dispose_engine()
    with ExitStack() as stack:
        readers = [stack.enter_context(at_work(read_secrets, path, tenants, n)) for n in range(READERS)]
        writers = [stack.enter_context(at_work(write_secrets, path, rows[n::WRITERS], n)) for n in range(WRITERS)]
        with at_work(rotate_keys, path) as child:
            child.take(VALUES // secrets.BATCH // 2)
            assert child.kill(), "it was over before it was killed"
        half = sum(sealed_by(account, column) == old for account in stored_accounts() for column in COLUMNS)
        dispose_engine()
        with at_work(rotate_keys, path) as child:
            child.wait_for(DONE)
        opened = sum(_stop(reader) for reader in readers)
        stored = {place: secret for writer in writers for place, secret in _stop(writer).items()}
    wait_until_alone(db)
    print(f"{db.engine}: killed with {half} of {VALUES} left; {opened} opened, {len(stored)} places written meanwhile")
    assert 0 < half < VALUES
    assert opened > VALUES
    assert len(stored) > WRITERS
    new, *others = FileKeyring(path).key_ids
    assert others == [old]
    check(path, old, new, stored)


def _stop(child: Child) -> Any:
    assert not child.pipe.poll(), child.hear()  # it speaks before it is told to stop only if it fails
    child.go()
    said = child.hear()
    assert not isinstance(said, str), said
    return said


def check(path: Path, old: str, new: str, stored: dict[Any, str]) -> None:
    """Check every value, and that the old key can be withdrawn now and is of no more use."""
    actor, _ = find_actor("admin", "platform")
    ring = FileKeyring(path)
    accounts = stored_accounts()
    if any(sealed_by(account, column) == old for account in accounts for column in COLUMNS):
        assert rotate(path).key_id == new  # a writer had not looked at the file yet
        accounts = stored_accounts()
    for account in accounts:
        for column in COLUMNS:
            assert sealed_by(account, column) == new
            assert unseal(ring, account, column) == stored.get((account.id, column), account.account_name)
    late = Keyring({old: key_in(path, old)}, primary=old)
    assert secrets.withdraw(
        get_db_session, actor, tenant_id=PLATFORM_TENANT_ID, key_id=old, keyring=ring, key_file=path
    )
    assert FileKeyring(path).key_ids == (new,)
    with pytest.raises(IllegalMove), get_db_session(tenant=accounts[0].tenant_id) as session:
        session.add(accounts[0])
        seal(late, accounts[0], SECRET, "too late")
