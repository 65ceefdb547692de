"""Keyrings, accounts to seal secrets into, and an ear for secrets that errors repeat."""

from __future__ import annotations

import base64
import os
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from spothive.database import PLATFORM_TENANT_ID, Account, ConnectionMethod, User, get_db_session, system_scope
from spothive.keyring import Keyring
from spothive.schema.sealed import seal, unseal
from spothive.schema.types import new_id

KEY_ID, SECRET = "aws_access_key_id", "aws_secret_access_key"


def make_keyring(*key_ids: str) -> Keyring:
    """Return a keyring with a random key for each id, the first one primary."""
    key_ids = key_ids or ("a1b2c3d4",)
    return Keyring({key_id: os.urandom(32) for key_id in key_ids}, primary=key_ids[0])


def two_keyrings() -> tuple[Keyring, Keyring]:
    """Return the keys of before and after a rotation; each opens what the other has sealed."""
    keys = {key_id: os.urandom(32) for key_id in ("00000001", "00000002")}
    return Keyring(keys, primary="00000001"), Keyring(keys, primary="00000002")


def key_in(path: Path, key_id: str) -> bytes:
    """Return a key of a key file, as somebody who reads it would."""
    (key,) = [line.split()[1] for line in path.read_text().splitlines() if line.startswith(f"{key_id} ")]
    return base64.b64decode(key)


def new_account(owner: User, name: str = "shop", row_id: UUID | None = None, **facts: Any) -> Account:
    """Return a pending account of ``owner`` that is not stored yet."""
    return Account(
        id=row_id,
        tenant_id=owner.tenant_id,
        user_id=owner.id,
        account_name=name,
        account_id=f"pending-{new_id().hex}",
        connection_method=ConnectionMethod.ACCESS_KEYS,
        **facts,
    )


def store_secrets(owners: Iterable[User], each: int, ring: Keyring, columns: Iterable[str] = (SECRET,)) -> None:
    """Store so many accounts of each owner, of which each holds its own name as its secrets."""
    for owner in owners:
        with get_db_session(tenant=owner.tenant_id) as session:
            for number in range(each):
                account = new_account(owner, f"account {number}")
                for column in columns:
                    seal(ring, account, column, account.account_name)
                session.add(account)


def stored_accounts() -> list[Account]:
    """Return the accounts of all tenants, by id."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        return list(session.scalars(select(Account).order_by(Account.id)))


def opened(account: Account, ring: Keyring, column: str = SECRET) -> str:
    """Return the secret of ``account``, less what was written behind its name since."""
    return unseal(ring, account, column).partition(":")[0]


def sealed_by(row: Account | User, column: str = SECRET) -> str:
    """Return the id of the key that sealed the secret of ``row``."""
    return str(getattr(row, column)).split(":")[2]


def everything_said(error: BaseException) -> str:
    """Return all that a log could show of ``error`` and of the errors behind it, even the suppressed ones."""
    behind: list[BaseException] = [error]
    for one in behind:  # grows as it goes; SQLAlchemy ties the errors it replaces into a ring
        behind += [other for other in (one.__cause__, one.__context__) if other is not None and other not in behind]
    return "\n".join([*traceback.format_exception(error), *(f"{one} {one!r} {one.args!r}" for one in behind)])
