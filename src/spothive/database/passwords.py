"""Passwords: which are taken, and how they are kept.

Kept is bcrypt over base64(SHA-256), so that no password is cut off at bcrypt's 72 bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import BoundedSemaphore

from spothive.blocks import refuse_in_block
from spothive.errors import InvalidInput, Overloaded

SHORTEST, LONGEST = 8, 1024
"""Characters of a password; the longest has at most 4,096 bytes in UTF-8."""
PATIENCE = 10.0
"""Seconds for which a call of bcrypt waits for its turn."""

_MARK = "sha256$"
"""Marks hashes made over the digest, should plain bcrypt hashes ever be taken over from elsewhere."""
_HASH = re.compile(r"sha256\$(\$2b\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31})")

# bcrypt lets go of Python's lock. More calls than cores would be slower each, and starve every other request.
_turns = BoundedSemaphore(os.cpu_count() or 1)


def require_good_password(password: str, *names: str) -> None:
    """Refuse a password that is guessed first. Hashes nothing, and so takes no time.

    Args:
        password: what somebody chose.
        names: user name and e-mail of that user, as far as they are known.

    Raises:
        InvalidInput: shorter than 8 or longer than 1024 characters, one of the 30,000 most common passwords, or one of
            ``names``; capitals make no difference.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        msg = f"a password has {SHORTEST} to {LONGEST} characters"
        raise InvalidInput(msg)
    if password.lower() in _common():
        msg = "this is one of the most common passwords, which are tried first: choose another"
        raise InvalidInput(msg)
    if password.strip().lower() in {name.strip().lower() for name in names}:
        msg = "the password is the user's own name or address, which is tried first: choose another"
        raise InvalidInput(msg)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]  # ships no types

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST)


def hash_password(password: str, *names: str) -> str:
    """Return the hash of ``password``. Takes about 0.2 s at the default cost: never call it inside a transaction.

    Args:
        password: what somebody chose.
        names: user name and e-mail of that user, as far as they are known.

    Raises:
        InvalidInput: :func:`require_good_password` refuses it, before it is hashed; or it is not valid Unicode.
        NetworkInTransaction: a transaction is open.
        Overloaded: too many passwords are hashed and checked at once.
    """
    import bcrypt

    from spothive.settings import get_settings

    require_good_password(password, *names)
    digest = _digest(password)
    if digest is None:
        msg = "the password is not valid Unicode"
        raise InvalidInput(msg)
    with _turn():
        return _MARK + bcrypt.hashpw(digest, bcrypt.gensalt(get_settings().bcrypt_rounds)).decode()


def check_password(password: str, password_hash: str | None) -> bool:
    """Tell whether ``password`` belongs to ``password_hash``, always by exactly one call of bcrypt.

    Where there is nothing to compare - no hash, one of another form, a password nobody can have - the call is made
    over a hash of the configured cost that no password has, so that the time it takes says nothing.

    Raises:
        NetworkInTransaction: a transaction is open.
        Overloaded: too many passwords are hashed and checked at once.
    """
    import bcrypt

    known = _HASH.fullmatch(password_hash or "")
    digest = _digest(password) if len(password) <= LONGEST else None
    with _turn():
        same = bcrypt.checkpw(digest or b"", known[1].encode() if known else _nobodys_hash())
    return same and known is not None and digest is not None


def _nobodys_hash() -> bytes:
    from spothive.settings import get_settings

    return f"$2b${get_settings().bcrypt_rounds:02d}$".encode() + b"." * 53


def _digest(password: str) -> bytes | None:
    """Return what bcrypt is given, or None where the password is not valid Unicode."""
    try:
        return base64.b64encode(hashlib.sha256(password.encode()).digest())
    except UnicodeEncodeError:
        return None


@contextmanager
def _turn() -> Iterator[None]:
    refuse_in_block("bcrypt")
    if not _turns.acquire(timeout=PATIENCE):
        msg = "too many people are signing in at this moment: try again in a few seconds"
        raise Overloaded(msg)
    try:
        yield
    finally:
        _turns.release()
