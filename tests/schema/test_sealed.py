"""Sealed columns: what the database takes, and where a token opens."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from spothive.database import Account, Base, User, get_db_session, read_session, system_scope
from spothive.errors import InvalidInput, KeyMissing, SecretUnreadable, TenantNotBound
from spothive.keyring import TOKEN_MAX_LENGTH, Keyring
from spothive.schema.sealed import Sealed, seal, sealed_columns, unseal
from spothive.schema.types import new_id
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.sealing import everything_said, make_keyring, new_account

KEY_ID, SECRET = "aws_access_key_id", "aws_secret_access_key"
PLAIN_ID, PLAIN_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

ACCOUNTS = Base.metadata.tables["accounts"]
REFUSED = (psycopg.errors.CheckViolation, sqlite3.IntegrityError)

ring = make_keyring("a1b2c3d4", "00000002")
a_tenant = st.uuids()


def sealed_account(owner: User, **facts: Any) -> Account:
    account = new_account(owner, **facts)
    seal(ring, account, KEY_ID, PLAIN_ID)
    seal(ring, account, SECRET, PLAIN_SECRET)
    return account


def stored(owner: User, account: Account) -> Account:
    """Store ``account`` and return it as the database has it."""
    with get_db_session(tenant=owner.tenant_id) as session:
        session.add(account)
    with read_session(tenant=owner.tenant_id) as session:
        return session.scalars(sa.select(Account).where(Account.id == account.id)).one()


# --- without a database ------------------------------------------------------------------------------------------


@given(
    tenant=a_tenant,
    row=st.uuids(),
    plaintext=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=99),
)
def test_what_is_sealed_opens(tenant: Any, row: Any, plaintext: str) -> None:
    account = Account(tenant_id=tenant, id=row)
    seal(ring, account, SECRET, plaintext)
    assert account.aws_secret_access_key is not None
    assert plaintext not in account.aws_secret_access_key.rpartition(":")[2] or len(plaintext) < 6
    assert unseal(
        ring, Account(tenant_id=tenant, id=row, aws_secret_access_key=account.aws_secret_access_key), SECRET
    ) == (plaintext)


@given(
    tenant=a_tenant,
    row=st.uuids(),
    other_tenant=a_tenant,
    other_row=st.uuids(),
    column=st.sampled_from([KEY_ID, SECRET]),
)
def test_and_in_no_other_row_column_or_tenant(
    tenant: Any, row: Any, other_tenant: Any, other_row: Any, column: str
) -> None:
    account = Account(tenant_id=tenant, id=row)
    seal(ring, account, KEY_ID, PLAIN_ID)
    copy = Account(tenant_id=other_tenant, id=other_row, **{column: account.aws_access_key_id})
    if (tenant, row, KEY_ID) == (other_tenant, other_row, column):
        assert unseal(ring, copy, column) == PLAIN_ID
    else:
        with pytest.raises(SecretUnreadable):
            unseal(ring, copy, column)


def test_tenant_and_row_are_not_interchangeable() -> None:
    one, other = new_id(), new_id()
    account = Account(tenant_id=one, id=other)
    seal(ring, account, SECRET, PLAIN_SECRET)
    with pytest.raises(SecretUnreadable):
        unseal(ring, Account(tenant_id=other, id=one, aws_secret_access_key=account.aws_secret_access_key), SECRET)


def test_a_new_row_gets_its_id_by_sealing_and_a_given_id_stays() -> None:
    without, given_id = Account(tenant_id=new_id()), new_id()
    seal(ring, without, KEY_ID, PLAIN_ID)
    first = without.id
    seal(ring, without, SECRET, PLAIN_SECRET)
    assert first is not None
    assert without.id == first
    assert (unseal(ring, without, KEY_ID), unseal(ring, without, SECRET)) == (PLAIN_ID, PLAIN_SECRET)
    having = Account(tenant_id=new_id(), id=given_id)
    seal(ring, having, KEY_ID, PLAIN_ID)
    assert having.id == given_id


def test_a_row_without_a_tenant_is_refused_and_stays_as_it_was() -> None:
    account = Account()
    with pytest.raises(TenantNotBound, match="tenant_id"):
        seal(ring, account, SECRET, PLAIN_SECRET)
    assert account.aws_secret_access_key is None


@pytest.mark.parametrize("attribute", ["region", "user", "aws_account_id", "nothing"])
def test_only_sealed_columns_take_secrets(attribute: str) -> None:
    account = Account(tenant_id=new_id())
    with pytest.raises(TypeError, match=attribute):
        seal(ring, account, attribute, PLAIN_SECRET)
    with pytest.raises(TypeError, match=attribute):
        unseal(ring, account, attribute)


def test_what_does_not_open_is_named_by_its_place_and_not_repeated() -> None:
    account = Account(tenant_id=new_id(), id=new_id())
    with pytest.raises(SecretUnreadable, match=f"Account.{SECRET} of {account.id} holds no secret"):
        unseal(ring, account, SECRET)
    seal(ring, account, KEY_ID, PLAIN_ID)
    account.aws_secret_access_key = account.aws_access_key_id
    with pytest.raises(SecretUnreadable, match=f"Account.{SECRET} of {account.id}") as refusal:
        unseal(ring, account, SECRET)
    assert str(account.aws_access_key_id)[18:40] not in str(refusal.value)


def test_a_key_that_is_not_held_is_named() -> None:
    account = Account(tenant_id=new_id())
    seal(ring, account, SECRET, PLAIN_SECRET)
    with pytest.raises(KeyMissing, match="a1b2c3d4"):
        unseal(make_keyring("00000002"), account, SECRET)


def test_the_sealed_columns_are_known_and_no_two_share_a_purpose() -> None:
    columns = sealed_columns(Base.metadata)
    assert {("accounts", KEY_ID), ("accounts", SECRET)} <= {(column.table.name, column.name) for column in columns}
    purposes = [column.type.purpose for column in columns if isinstance(column.type, Sealed)]
    assert len(set(purposes)) == len(columns), "give every Sealed() column a purpose of its own"
    for column in columns:
        assert "tenant_id" in column.table.c, f"{column} is sealed for a tenant: make its table TenantOwned"


def test_a_token_is_bound_to_the_purpose_and_survives_a_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(tenant_id=new_id())
    seal(ring, account, SECRET, PLAIN_SECRET)
    monkeypatch.setattr(ACCOUNTS.c[KEY_ID].type, "purpose", "aws.secret_access_key")
    account.aws_access_key_id = account.aws_secret_access_key
    assert unseal(ring, account, KEY_ID) == PLAIN_SECRET


# --- in the database ---------------------------------------------------------------------------------------------


def test_a_stored_secret_opens(db: Database) -> None:
    owner = make_user(make_tenant())
    account = stored(owner, sealed_account(owner))
    assert unseal(ring, account, KEY_ID) == PLAIN_ID
    assert unseal(ring, account, SECRET) == PLAIN_SECRET


def test_the_longest_secret_can_be_stored(db: Database) -> None:
    owner = make_user(make_tenant())
    account = new_account(owner)
    seal(ring, account, SECRET, "x" * 16384)
    assert len(account.aws_secret_access_key or "") == TOKEN_MAX_LENGTH
    assert unseal(ring, stored(owner, account), SECRET) == "x" * 16384


def test_a_secret_can_be_replaced_and_removed(db: Database) -> None:
    owner = make_user(make_tenant())
    account = sealed_account(owner)
    stored(owner, account)
    with get_db_session(tenant=owner.tenant_id) as session:
        account = session.scalars(sa.select(Account)).one()
        seal(ring, account, SECRET, "another")
        account.aws_access_key_id = None
    with read_session(tenant=owner.tenant_id) as session:
        account = session.scalars(sa.select(Account)).one()
        assert unseal(ring, account, SECRET) == "another"
        assert account.aws_access_key_id is None


def test_reading_accounts_opens_nothing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_user(make_tenant())
    account = sealed_account(owner)

    def never(*_: Any) -> str:
        pytest.fail("a secret was opened")

    monkeypatch.setattr(Keyring, "unseal", never)
    assert str(stored(owner, account).aws_secret_access_key).startswith("sealed:1:")


def test_a_token_copied_to_another_row_column_or_tenant_does_not_open(db: Database) -> None:
    owner, stranger = make_user(make_tenant()), make_user(make_tenant())
    account = stored(owner, sealed_account(owner))
    row = new_account(owner, "other row", aws_secret_access_key=account.aws_secret_access_key)
    swapped = new_account(owner, "swapped", aws_access_key_id=account.aws_secret_access_key)
    tenant = new_account(stranger, aws_secret_access_key=account.aws_secret_access_key)
    for who, copy, column in ((owner, row, SECRET), (owner, swapped, KEY_ID), (stranger, tenant, SECRET)):
        with pytest.raises(SecretUnreadable):
            unseal(ring, stored(who, copy), column)
    with get_db_session(tenant=owner.tenant_id) as session:
        mine = session.scalars(sa.select(Account).where(Account.id == account.id)).one()
        mine.aws_access_key_id, mine.aws_secret_access_key = mine.aws_secret_access_key, mine.aws_access_key_id
    with read_session(tenant=owner.tenant_id) as session:
        mine = session.scalars(sa.select(Account).where(Account.id == account.id)).one()
        for column in (KEY_ID, SECRET):
            with pytest.raises(SecretUnreadable):
                unseal(ring, mine, column)


def tokens() -> tuple[str, str]:
    account = Account(tenant_id=new_id())
    seal(ring, account, SECRET, PLAIN_SECRET)
    token = str(account.aws_secret_access_key)
    return token[:18], token[18:]


HEADER, BODY = tokens()
NO_TOKENS = {
    "plain text": PLAIN_SECRET,
    "long plain text": PLAIN_SECRET.replace("/", "x") * 5,
    "empty": "",
    "prefix alone": "sealed:1:",
    "prefix and plain text": f"sealed:1:{PLAIN_SECRET * 3}",
    "capitals": f"SEALED:1:{HEADER[9:]}{BODY}",
    "another version": f"sealed:2:{HEADER[9:]}{BODY}",
    "short key id": f"sealed:1:a1b2c3:{BODY}xx",
    "key id of capitals": f"sealed:1:A1B2C3D4:{BODY}",
    "no colon": f"{HEADER[:-1]}x{BODY}",
    "too short": f"{HEADER}{'A' * 38}",
    "too long": f"{HEADER}{'A' * (TOKEN_MAX_LENGTH - 17)}",
    "spaces": f"{HEADER}{BODY} {PLAIN_SECRET}",
    "base64 of the other alphabet": f"{HEADER}{BODY}+/=",
    "before it": f" {HEADER}{BODY}",
    "line after it": f"{HEADER}{BODY}\n{PLAIN_SECRET}",
    "other digits": f"{HEADER}{BODY}٣",
}


@pytest.mark.parametrize("text", NO_TOKENS.values(), ids=NO_TOKENS)
@pytest.mark.parametrize("column", [KEY_ID, SECRET])
def test_raw_sql_cannot_store_plain_text(db: Database, column: str, text: str) -> None:
    owner = make_user(make_tenant())
    account = stored(owner, sealed_account(owner))
    with db.raw(owner=True) as connection:
        if db.engine == "postgresql":
            connection.execute("SELECT set_config('spothive.tenant_id', %s, false)", [str(owner.tenant_id)])
        mark = "%s" if db.engine == "postgresql" else "?"
        with pytest.raises(REFUSED, match=f"ck_accounts_{column}_sealed"):
            connection.execute(f"UPDATE accounts SET {column} = {mark} WHERE account_name = 'shop'", [text])
    with read_session(tenant=owner.tenant_id) as session:
        assert unseal(ring, session.scalars(sa.select(Account)).one(), column) == unseal(ring, account, column)


@pytest.mark.engines("sqlite")
def test_nothing_hides_behind_a_nul_on_sqlite(db: Database) -> None:
    owner = make_user(make_tenant())
    stored(owner, sealed_account(owner))
    with db.raw() as connection, pytest.raises(sqlite3.IntegrityError, match="_sealed"):
        connection.execute("UPDATE accounts SET aws_secret_access_key = ?", [f"{HEADER}{BODY}\x00{PLAIN_SECRET}"])


def test_the_session_refuses_plain_text_before_it_is_sent(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    owner = make_user(make_tenant())
    account = new_account(owner, aws_secret_access_key=PLAIN_SECRET)
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidInput, match="seal") as refusal:
        stored(owner, account)
    assert PLAIN_SECRET not in everything_said(refusal.value)
    assert PLAIN_SECRET not in caplog.text


def test_core_statements_refuse_plain_text_too(db: Database) -> None:
    owner = make_user(make_tenant())
    stored(owner, sealed_account(owner))
    with get_db_session() as session, system_scope(session, "a test writes around the ORM"):
        with pytest.raises(InvalidInput):
            session.execute(sa.update(ACCOUNTS).values({SECRET: PLAIN_SECRET}))
        with pytest.raises(InvalidInput):
            session.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c[SECRET] == PLAIN_SECRET))
        session.rollback()


def test_no_secret_is_shown_or_logged(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    owner = make_user(make_tenant())
    account = sealed_account(owner)
    loaded = stored(owner, account)
    unseal(ring, loaded, SECRET)
    shown = [repr(account), str(loaded), repr(loaded), json.dumps(vars(loaded), default=str), repr(ring), caplog.text]
    for text in (PLAIN_ID, PLAIN_SECRET):
        assert not any(text in one for one in shown)
    assert str(loaded.aws_secret_access_key)[18:] not in repr(loaded) + caplog.text
