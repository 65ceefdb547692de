"""Withdrawing a sealing key: never while it is in use, and for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    Role,
    User,
    WithdrawnKey,
    get_db_session,
    get_engine,
    system_scope,
)
from spothive.database.backup import back_up, restore
from spothive.errors import ConfigurationError, Conflict, IllegalMove, InvalidInput, NotFound
from spothive.keyring import Keyring
from spothive.operations import secrets
from spothive.operations.actor import Actor
from spothive.schema.sealed import seal, unseal
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.sealing import SECRET, new_account, store_secrets, stored_accounts
from tests.operations.conftest import audited
from tests.schema.waiting import until_blocked

STAFF = Actor(UUID(int=1), "admin", Role.ADMIN, PLATFORM_TENANT_ID)
OLD, NEW = "00000001", "00000002"
KEYS = {OLD: bytes(range(32)), NEW: bytes(32)}
RULE = f"lc_accounts_{SECRET}_withdrawn"

both = Keyring(KEYS, primary=NEW)
old_first = Keyring(KEYS, primary=OLD)


@pytest.fixture
def owner(db: Database) -> User:
    return make_user(make_tenant())


def rotate() -> None:
    secrets.rotate(get_db_session, STAFF, tenant_id=PLATFORM_TENANT_ID, keyring=both)


def withdraw(key_id: str = OLD, ring: Keyring = both, **where: Any) -> bool:
    given = {"tenant_id": PLATFORM_TENANT_ID, "key_id": key_id, "keyring": ring, **where}
    return secrets.withdraw(get_db_session, STAFF, **given)


def withdrawn() -> list[str]:
    with get_db_session() as session:
        return [key.key_id for key in secrets.list_withdrawn(session)]


def write(owner: User, ring: Keyring, name: str = "late") -> Account:
    account = new_account(owner, name)
    seal(ring, account, SECRET, "late")
    with get_db_session(tenant=owner.tenant_id) as session:
        session.add(account)
    return account


def test_a_key_in_use_is_not_withdrawn_and_a_withdrawn_one_is_never_used_again(owner: User) -> None:
    store_secrets([owner, make_user(make_tenant())], 2, old_first)
    with pytest.raises(Conflict, match=rf"{OLD} is in use by 4 stored values \(accounts.{SECRET} 4\): run .*rotate"):
        withdraw()
    with pytest.raises(Conflict, match=f"{OLD} seals new values"):
        withdraw(ring=old_first)
    with pytest.raises(NotFound, match="no sealing key is called 0badcafe"):
        withdraw("0badcafe")
    assert withdrawn() == []
    rotate()
    assert withdraw()
    assert not withdraw(), "the second time there is nothing to do"
    assert withdrawn() == [OLD]
    assert [row[:4] for row in audited(event="secrets.withdrawn")] == [("secrets.withdrawn", OLD, "SUCCESS", "admin")]
    with pytest.raises(IllegalMove, match="a withdrawn key sealed it") as refusal:
        write(owner, old_first)
    assert refusal.value.rule == RULE
    with pytest.raises(IllegalMove), get_db_session(tenant=owner.tenant_id) as session:
        seal(old_first, session.scalars(sa.select(Account).limit(1)).one(), SECRET, "changed")
    write(owner, both)
    assert len(stored_accounts()) == 5


def test_what_is_no_id_may_be_a_key_and_is_not_repeated(owner: User) -> None:
    pasted = f"{OLD}:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    with pytest.raises(InvalidInput) as refusal:
        withdraw(pasted)
    assert pasted[10:] not in str(refusal.value)
    assert audited() == []


def test_the_key_leaves_the_file_even_if_the_first_call_was_killed(
    owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def broken(_: Path, __: str) -> None:
        raise ConfigurationError("the disk is full")

    monkeypatch.setattr("spothive.operations.secrets.remove_key", broken)
    with pytest.raises(ConfigurationError):
        withdraw(key_file=tmp_path)
    assert withdrawn() == [OLD]
    monkeypatch.setattr("spothive.operations.secrets.remove_key", lambda _, key_id: removed.append(key_id))
    assert not withdraw(key_file=tmp_path)
    assert removed == [OLD]


# --- at the same moment ------------------------------------------------------------------------------------------


def meanwhile(db: Database, threads: ThreadPoolExecutor, work: Callable[[], Any]) -> Future[Any]:
    """Start ``work`` in a thread and return once it waits for this transaction (on SQLite for its one write lock)."""
    future = threads.submit(work)
    until_blocked(db)
    return future


def test_a_value_on_its_way_is_waited_for_and_keeps_its_key_from_being_withdrawn(db: Database, owner: User) -> None:
    account = new_account(owner)
    seal(old_first, account, SECRET, "on its way")
    with ThreadPoolExecutor(1) as threads:
        with get_db_session(tenant=owner.tenant_id) as session:
            session.add(account)
            session.flush()
            withdrawal = meanwhile(db, threads, withdraw)
        with pytest.raises(Conflict) as refusal:
            withdrawal.result()
    assert (
        f"{OLD} is in use by 1" in str(refusal.value)
        or getattr(refusal.value, "rule", "") == "lc_withdrawn_keys_in_use"
    )
    assert withdrawn() == []
    assert unseal(both, stored_accounts()[0], SECRET) == "on its way"


def test_who_writes_while_a_key_is_being_withdrawn_waits_and_is_refused(db: Database, owner: User) -> None:
    with ThreadPoolExecutor(1) as threads:
        with get_db_session() as session, system_scope(session, "a test withdraws"):
            session.add(WithdrawnKey(key_id=OLD, person_name="admin"))
            session.flush()
            writer = meanwhile(db, threads, lambda: write(owner, old_first))
            assert not writer.done()
        with pytest.raises(IllegalMove) as refusal:
            writer.result()
    assert refusal.value.rule == RULE
    assert stored_accounts() == []


@pytest.mark.engines("postgresql")
def test_writers_of_other_keys_do_not_wait(db: Database, owner: User) -> None:
    with get_db_session() as session, system_scope(session, "a test withdraws"):
        session.add(WithdrawnKey(key_id=OLD, person_name="admin"))
        session.flush()
        with ThreadPoolExecutor(1) as threads:
            threads.submit(write, owner, both).result(timeout=60)


@pytest.mark.engines("postgresql")
def test_a_transaction_that_could_not_see_a_withdrawal_may_store_no_secret(db: Database, owner: User) -> None:
    with get_engine().connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        account = new_account(owner)
        seal(old_first, account, SECRET, "from the past")
        connection.execute(sa.text(f"SELECT set_config('spothive.tenant_id', '{owner.tenant_id}', true)"))
        assert connection.scalar(sa.text("SELECT count(*) FROM withdrawn_keys")) == 0
        withdraw()
        values = {name: value for name, value in vars(account).items() if not name.startswith("_")}
        with pytest.raises(IllegalMove, match="READ COMMITTED"):
            connection.execute(sa.insert(Account).values(values))
        connection.rollback()


# --- backups -----------------------------------------------------------------------------------------------------


@pytest.mark.engines("sqlite")  # the rows of a backup go the same way into either database
def test_a_backup_from_before_is_restored_and_needs_the_old_key_again(owner: User, tmp_path: Path) -> None:
    store_secrets([owner], 1, old_first)
    back_up(tmp_path / "before")
    rotate()
    withdraw()
    back_up(tmp_path / "after")
    restore(tmp_path / "before", replace=True)
    assert withdrawn() == []
    assert unseal(old_first, stored_accounts()[0], SECRET) == "account 0"
    restore(tmp_path / "after", replace=True)
    assert withdrawn() == [OLD]
    with pytest.raises(IllegalMove):
        write(owner, old_first)
