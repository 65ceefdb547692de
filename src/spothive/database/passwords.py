"""Passwords: bcrypt over base64(SHA-256), so that no password is cut off at bcrypt's 72 bytes."""

from __future__ import annotations

import base64
import hashlib

from spothive.errors import InvalidInput

SHORTEST, LONGEST = 8, 1024
_MARK = "sha256$"
"""Marks hashes made over the digest, should plain bcrypt hashes ever be taken over from elsewhere."""


def hash_password(password: str) -> str:
    """Return the hash of ``password``. Takes about 0.2 s at the default cost: never call it inside a transaction.

    Raises:
        InvalidInput: shorter than 8 or longer than 1024 characters, or not valid Unicode.
    """
    import bcrypt

    from spothive.settings import get_settings

    if not SHORTEST <= len(password) <= LONGEST:
        msg = f"a password has {SHORTEST} to {LONGEST} characters"
        raise InvalidInput(msg)
    return _MARK + bcrypt.hashpw(_digest(password), bcrypt.gensalt(get_settings().bcrypt_rounds)).decode()


def check_password(password: str, password_hash: str) -> bool:
    """Tell whether ``password`` belongs to ``password_hash``; as slow as hashing."""
    import bcrypt

    if not password_hash.startswith(_MARK):
        return False
    return bcrypt.checkpw(_digest(password), password_hash.removeprefix(_MARK).encode())


def _digest(password: str) -> bytes:
    try:
        return base64.b64encode(hashlib.sha256(password.encode()).digest())
    except UnicodeEncodeError:
        msg = "the password is not valid Unicode"
        raise InvalidInput(msg) from None
