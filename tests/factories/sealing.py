"""Keyrings, accounts to seal secrets into, and an ear for secrets that errors repeat."""

from __future__ import annotations

import os
import traceback
from typing import Any
from uuid import UUID

from spothive.database import Account, ConnectionMethod, User
from spothive.keyring import Keyring
from spothive.schema.types import new_id


def make_keyring(*key_ids: str) -> Keyring:
    """Return a keyring with a random key for each id, the first one primary."""
    key_ids = key_ids or ("a1b2c3d4",)
    return Keyring({key_id: os.urandom(32) for key_id in key_ids}, primary=key_ids[0])


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


def everything_said(error: BaseException) -> str:
    """Return all that a log could show of ``error`` and of the errors behind it, even the suppressed ones."""
    behind: list[BaseException] = [error]
    for one in behind:  # grows as it goes; SQLAlchemy ties the errors it replaces into a ring
        behind += [other for other in (one.__cause__, one.__context__) if other is not None and other not in behind]
    return "\n".join([*traceback.format_exception(error), *(f"{one} {one!r} {one.args!r}" for one in behind)])
