"""Sealing keys: secrets are stored encrypted, and opened only where the code visibly asks for them.

A secret becomes a token ``sealed:1:<key id>:<base64url of nonce and ciphertext>`` (AES-256-GCM). The token opens only
with the key it names and in the context it was sealed in: the bytes that say where the secret belongs, see
:mod:`spothive.schema.sealed`. Several keys can be held at once: the primary one seals, each opens what it sealed.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from spothive.errors import ConfigurationError, InvalidInput, KeyMissing, SecretUnreadable
from spothive.private_files import make_private, read_private

if TYPE_CHECKING:
    from spothive.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PLAINTEXT_MAX_BYTES = 16 * 1024
"""Longest secret, in bytes of UTF-8."""

TOKEN_PREFIX = "sealed:1:"  # noqa: S105 - the mark and the version of a token, no secret
KEY_ID_LENGTH = 8
_HEADER_LENGTH = len(TOKEN_PREFIX) + KEY_ID_LENGTH + 1


def _body_length(plaintext_bytes: int) -> int:
    """Return the length of unpadded base64 over nonce, ciphertext and tag: four characters for three bytes."""
    return -(-4 * (NONCE_BYTES + plaintext_bytes + TAG_BYTES) // 3)


TOKEN_MIN_LENGTH = _HEADER_LENGTH + _body_length(1)
TOKEN_MAX_LENGTH = _HEADER_LENGTH + _body_length(PLAINTEXT_MAX_BYTES)

_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID_LENGTH}}}")
_TOKEN = re.compile(
    rf"{TOKEN_PREFIX}({_KEY_ID.pattern}):([A-Za-z0-9_-]{{{_body_length(1)},{_body_length(PLAINTEXT_MAX_BYTES)}}})"
)
_FORM = f"an id of {KEY_ID_LENGTH} hexadecimal digits (0-9a-f) and a key of {KEY_BYTES} random bytes in base64"
_FILE_HEADER = """\
# The keys that seal spothive's secrets: one "<id> <key in base64>" a line; the first seals, all of them open.
# Without this file no sealed secret can ever be read again: keep a copy, apart from the backups of the database.
"""


def is_token(text: object) -> bool:
    """Tell whether ``text`` has the form of a token; whether it opens, only a keyring can tell."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


class Keyring:
    """Sealing keys by their id. It shows the ids alone, and can be neither pickled nor copied.

    A key may seal 2**32 values (its nonces are random); no fleet comes near.
    """

    __slots__ = ("_keys", "_primary")

    def __init__(self, keys: Mapping[str, bytes], *, primary: str) -> None:
        """Hold ``keys`` of 32 bytes each; the one called ``primary`` seals new values.

        Raises:
            ConfigurationError: an id or a key has the wrong form, two ids share one key, or ``primary`` is not
                among them.
        """
        if not all(_KEY_ID.fullmatch(key_id) and len(key) == KEY_BYTES for key_id, key in keys.items()):
            raise ConfigurationError(f"a sealing key is {_FORM}: make one with `spothive secrets init`")
        if len(set(keys.values())) < len(keys):
            raise ConfigurationError("two sealing keys are the same under different ids: take one of them out")
        if primary not in keys:
            raise ConfigurationError("the primary sealing key is not in the keyring: add it, or name another")
        self._keys = dict(keys)
        self._primary = primary

    @property
    def primary(self) -> str:
        """Id of the key that seals new values."""
        return self._primary

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys, the primary one first."""
        return (self._primary, *(key_id for key_id in self._keys if key_id != self._primary))

    def seal(self, plaintext: str, context: bytes) -> str:
        """Return a token that opens only in the same ``context``; never the same token twice.

        Raises:
            InvalidInput: ``plaintext`` is empty, longer than 16 kB or not valid Unicode; it is not repeated.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header = f"{TOKEN_PREFIX}{self._primary}:"
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(self._keys[self._primary])
        return header + _to_base64url(nonce + cipher.encrypt(nonce, _sealable(plaintext), header.encode() + context))

    def unseal(self, token: str, context: bytes) -> str:
        """Return what was sealed into ``token``.

        Raises:
            KeyMissing: the keyring does not hold the key that sealed it; the message names the key's id.
            SecretUnreadable: it is no token, was changed, or was sealed in another context.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise SecretUnreadable("a sealed value was damaged or never sealed: store the secret again")
        key_id, body = parts.groups()
        if key_id not in self._keys:
            raise KeyMissing(
                f"the sealing key {key_id} is needed and not in the keyring: "
                "bring it back in SPOTHIVE_SEALING_KEYS or in the key file"
            )
        header = token[:_HEADER_LENGTH]
        try:
            sealed = _from_base64url(body)
            data = AESGCM(self._keys[key_id]).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], header.encode() + context
            )
        except (ValueError, InvalidTag):
            raise SecretUnreadable(
                "a sealed value was changed, or copied from another row, column or tenant: store the secret again"
            ) from None
        return data.decode()

    def __repr__(self) -> str:
        """Show the ids alone."""
        return f"<Keyring {', '.join(self.key_ids)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Keyring is never pickled or copied: load it where it is needed")


Keys = Callable[[], Keyring]
"""Loads the keyring. Called only where a secret is sealed or opened: who has none needs no sealing key."""


def load_keyring(settings: Settings) -> Keyring:
    """Return the keys of ``SPOTHIVE_SEALING_KEYS`` if that is set, else those of the key file.

    Raises:
        KeyMissing: there is neither.
        ConfigurationError: a key has the wrong form, or the key file can be read or changed by others.
    """
    if settings.sealing_keys is not None:
        return _keyring("SPOTHIVE_SEALING_KEYS", _given_keys(settings.sealing_keys.get_secret_value()))
    path = settings.sealing_key_file
    return _keyring(str(path), _filed_keys(path, _read_file(path)))


def init_key_file(path: Path) -> str:
    """Make the key file ``path`` (mode 0600) with one new key and return the key's id.

    The file appears whole or not at all, and is on disk when this returns.

    Raises:
        InvalidInput: the file exists already; it is left alone.
        ConfigurationError: it cannot be written.
    """
    key_id = secrets.token_hex(KEY_ID_LENGTH // 2)
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    if not make_private(path, f"{_FILE_HEADER}{key_id} {key}\n"):
        raise InvalidInput(f"{path} exists and is left alone: it may hold the only keys to secrets sealed before")
    return key_id


# --- tokens ------------------------------------------------------------------------------------------------------


def _sealable(plaintext: str) -> bytes:
    # Looked for by hand: the error of str.encode() carries the text it could not encode.
    if any("\ud800" <= character <= "\udfff" for character in plaintext):
        raise InvalidInput("a secret to be sealed is not valid Unicode: send it as UTF-8")
    data = plaintext.encode()
    if not data:
        raise InvalidInput("an empty secret cannot be sealed: leave the value out instead")
    if len(data) > PLAINTEXT_MAX_BYTES:
        raise InvalidInput(f"a secret to be sealed has at most {PLAINTEXT_MAX_BYTES // 1024} kB, this one more")
    return data


def _to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    """Decode the one spelling :func:`_to_base64url` gives; base64 itself would ignore stray bits at the end."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _to_base64url(data) != text:
        raise ValueError("not the canonical spelling")
    return data


# --- where keys come from ----------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """A key as somebody wrote it, and where."""

    place: str
    key_id: str
    key: str


def _given_keys(text: str) -> Iterator[_Entry]:
    for number, entry in enumerate(text.split(","), start=1):
        if entry.strip():
            key_id, _, key = entry.partition(":")
            yield _Entry(f"SPOTHIVE_SEALING_KEYS, key {number}", key_id.strip(), key.strip())


def _filed_keys(path: Path, text: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), start=1):
        key_id, *key = line.partition("#")[0].split() or [""]
        if key_id:
            yield _Entry(f"{path}, line {number}", key_id, " ".join(key))


def _keyring(source: str, entries: Iterable[_Entry]) -> Keyring:
    """Make a keyring of ``entries``, the first one primary. What is wrong is named by place, never repeated."""
    keys: dict[str, bytes] = {}
    for entry in entries:
        try:
            key = base64.b64decode(entry.key, validate=True)
        except ValueError:
            key = b""
        if not _KEY_ID.fullmatch(entry.key_id) or len(key) != KEY_BYTES:
            raise ConfigurationError(f"{entry.place}: a sealing key is {_FORM}")
        if entry.key_id in keys:
            raise ConfigurationError(f"{entry.place}: there is another key with the id {entry.key_id}")
        keys[entry.key_id] = key
    if not keys:
        raise KeyMissing(f"{source} holds no sealing key: write one there, {_FORM}")
    return Keyring(keys, primary=next(iter(keys)))


def _read_file(path: Path) -> str:
    try:
        content = read_private(
            path, setting="SPOTHIVE_SEALING_KEY_FILE", otherwise=", or hand the keys over in SPOTHIVE_SEALING_KEYS"
        )
    except FileNotFoundError:
        raise KeyMissing(
            f"there is no sealing key: restore {path} if secrets were sealed before, else make it with "
            "`spothive secrets init`, or set SPOTHIVE_SEALING_KEYS"
        ) from None
    return content.decode(errors="replace")
