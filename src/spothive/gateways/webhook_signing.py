"""Signatures of the Standard Webhooks specification: HMAC-SHA256 over id, moment and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from spothive.errors import InvalidInput

PREFIX: Final = "whsec_"
"""What a signing secret begins with, so that it is known for one wherever it turns up."""

KEY_BYTES: Final = 32
"""Bytes of a secret that is made here; the specification takes 24 to 64."""

_SHORTEST, _LONGEST = 24, 64
_VERSION = "v1"


def new_signing_secret() -> str:
    """Return a random secret in the form in which it is shown to whoever receives."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_in(secret: str) -> bytes:
    """Return the key that a signing secret stands for.

    Raises:
        InvalidInput: it is none; the message does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        msg = f"a signing secret is {PREFIX} and then {_SHORTEST} to {_LONGEST} bytes in Base64"
        raise InvalidInput(msg)
    return key


def signatures(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: one signature for each secret, in that order.

    Args:
        keys: signing secrets; while one is being changed for another, the new one and then the old one.
        message_id: the header ``webhook-id``; holds no full stop, which parts what is signed.
        timestamp: the header ``webhook-timestamp``: seconds since 1970, of this attempt.
        body: what is sent.

    Raises:
        InvalidInput: a secret is none.
    """
    return " ".join(f"{_VERSION},{_signature(key_in(key), message_id, timestamp, body)}" for key in keys)


def is_signed(header: str, keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> bool:
    """Tell whether one of the signatures in ``header`` is made with one of ``keys``.

    Every signature is compared with every key, in a time that does not tell how much of it is right.
    """
    shown = [signature for version, _, signature in (each.partition(",") for each in header.split()) if version == "v1"]
    right = False
    for key in keys:
        expected = _signature(key_in(key), message_id, timestamp, body).encode()
        for signature in shown:
            right |= hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    return right


def _signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    signed = b"".join((message_id.encode(), b".", str(timestamp).encode(), b".", body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
