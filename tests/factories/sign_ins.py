"""People who can sign in, ways to sign them in, and an ear for bcrypt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import bcrypt
import pyotp
import pytest

from spothive.blocks import refuse_in_block
from spothive.clock import utc_now
from spothive.database import LoginHistory, User, get_db_session
from spothive.database.passwords import hash_password
from spothive.errors import SpothiveError
from spothive.operations.actor import Actor
from spothive.operations.identity import SignedIn, begin_totp, confirm_totp, log_in
from tests.factories import make_user
from tests.factories.sealing import make_keyring
from tests.watching import rows_of

PASSWORD = "correct horse battery"
KEYRING = make_keyring()
LONG_AGO = timedelta(minutes=10)
CLOCKS = ("lock_out", "open_sessions", "second_factor", "sessions", "sign_in")


def make_person(tenant_id: UUID, username: str = "ann", **values: Any) -> Actor:
    """Make a user whose password is ``PASSWORD``."""
    user = make_user(tenant_id, username, password_hash=hash_password(PASSWORD), **values)
    return Actor(user.id, user.username, user.role, tenant_id)


def sign_in(name: str = "ann", password: str = PASSWORD, code: str | None = None, **how: Any) -> SignedIn:
    """Sign in as a door would."""
    return log_in(get_db_session, **{"name": name, "password": password, "code": code, "keys": lambda: KEYRING, **how})


def refusal_of(name: str = "ann", password: str = PASSWORD, code: str | None = None, **how: Any) -> SpothiveError:
    """Sign in, which must fail; return how."""
    with pytest.raises(SpothiveError) as refused:
        sign_in(name, password, code, **how)
    return refused.value


def attempts(**equal: Any) -> list[str]:
    """Return why the attempts in ``login_history`` failed, or by what they succeeded, in the order of writing."""
    return [row["failure_reason"] or f"in by {row['login_method']}" for row in rows_of(LoginHistory, **equal)]


def the_user(username: str = "ann") -> dict[str, Any]:
    """Return the user's row."""
    (row,) = rows_of(User, username=username)
    return row


def change_user(actor: Actor, **values: Any) -> None:
    """Write into the user's row."""
    with get_db_session(tenant=actor.home_tenant_id) as session:
        user = session.get_one(User, actor.user_id)
        for name, value in values.items():
            setattr(user, name, value)


def code_of(secret: str, steps: int = 0, at: datetime | None = None) -> str:
    """Return the code an app shows at a moment, or some steps of 30 s later."""
    return pyotp.TOTP(secret).at(at or utc_now(), counter_offset=steps)


def with_second_factor(actor: Actor) -> tuple[str, list[str]]:
    """Turn it on, as if minutes ago: return the secret, whose present code is unused, and the backup codes."""
    with get_db_session(tenant=actor.home_tenant_id) as session:
        secret = begin_totp(session, actor, KEYRING).secret
    with pytest.MonkeyPatch.context() as patch, get_db_session(tenant=actor.home_tenant_id) as session:
        earlier = utc_now() - LONG_AGO
        patch.setattr("spothive.operations.identity.second_factor.utc_now", lambda: earlier)
        codes = confirm_totp(session, actor, code=code_of(secret, at=earlier), keyring=KEYRING)
    return secret, codes


@contextmanager
def later(**span: float) -> Iterator[datetime]:
    """Let signing in happen later."""
    moment = utc_now() + timedelta(**span)
    with pytest.MonkeyPatch.context() as patch:
        for module in CLOCKS:
            patch.setattr(f"spothive.operations.identity.{module}.utc_now", lambda: moment)
        yield moment


@contextmanager
def bcrypt_calls() -> Iterator[Counter[int]]:
    """Count the calls of bcrypt by their cost. None may be made while a transaction is open."""
    calls: Counter[int] = Counter()
    check, make = bcrypt.checkpw, bcrypt.hashpw

    def checked(password: bytes, hashed: bytes) -> bool:
        refuse_in_block("bcrypt")
        calls[int(hashed.split(b"$")[2])] += 1
        return check(password, hashed)

    def made(password: bytes, salt: bytes) -> bytes:
        refuse_in_block("bcrypt")
        calls[int(salt.split(b"$")[2])] += 1
        return make(password, salt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", checked)
        patch.setattr(bcrypt, "hashpw", made)
        yield calls


def ten_at_once(work: Callable[[int], Any]) -> list[Any]:
    """Call ``work`` with 0..9 in ten threads that begin together; return what each returned or was refused with."""
    start = Barrier(10)

    def one(number: int) -> Any:
        start.wait(60)
        try:
            return work(number)
        except SpothiveError as refusal:
            return refusal

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(one, range(10)))
