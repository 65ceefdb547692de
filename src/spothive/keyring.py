"""Sealing keys: secrets are stored encrypted, and opened only where the code visibly asks for them.

A secret becomes a token ``sealed:1:<key id>:<base64url of nonce and ciphertext>`` (AES-256-GCM). The token opens only
with the key it names and in the context it was sealed in: the bytes that say where the secret belongs, see
:mod:`spothive.schema.sealed`. Several keys can be held at once: the primary one seals, each opens what it sealed.
"""

from __future__ import annotations

import base64
import fcntl
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from spothive.errors import ConfigurationError, InvalidInput, KeyMissing, SecretUnreadable
from spothive.private_files import make_private, open_private, read_whole, replace_private

if TYPE_CHECKING:
    from spothive.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PLAINTEXT_MAX_BYTES = 16 * 1024
"""Longest secret, in bytes of UTF-8."""

LOOK_AFTER = 1.0
"""Seconds after which a process looks whether its key file has changed; for a key it lacks it looks at once."""

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
_log = logging.getLogger(__name__)


def is_key_id(text: str) -> bool:
    """Tell whether ``text`` has the form of a key's id."""
    return _KEY_ID.fullmatch(text) is not None


def is_token(text: object) -> bool:
    """Tell whether ``text`` has the form of a token; whether it opens, only a keyring can tell."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """The keys of one moment: checked, and replaced all at once, so that no thread sees half of two moments."""

    keys: Mapping[str, bytes]
    primary: str
    stamp: tuple[int, ...] = ()
    """What changes whenever their file does."""

    def __post_init__(self) -> None:
        if not all(_KEY_ID.fullmatch(key_id) and len(key) == KEY_BYTES for key_id, key in self.keys.items()):
            raise ConfigurationError(f"a sealing key is {_FORM}: make one with `spothive secrets init`")
        if len(set(self.keys.values())) < len(self.keys):
            raise ConfigurationError("two sealing keys are the same under different ids: take one of them out")
        if self.primary not in self.keys:
            raise ConfigurationError("the primary sealing key is not in the keyring: add it, or name another")


class Keyring:
    """Sealing keys by their id. It shows the ids alone, and can be neither pickled nor copied.

    A key may seal 2**32 values (its nonces are random); no fleet comes near.
    """

    __slots__ = ("_held",)

    def __init__(self, keys: Mapping[str, bytes], *, primary: str) -> None:
        """Hold ``keys`` of 32 bytes each; the one called ``primary`` seals new values.

        Raises:
            ConfigurationError: an id or a key has the wrong form, two ids share one key, or ``primary`` is not
                among them.
        """
        self._held = _Held(dict(keys), primary)

    @property
    def primary(self) -> str:
        """Id of the key that seals new values."""
        return self._current().primary

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys, the primary one first."""
        held = self._current()
        return (held.primary, *(key_id for key_id in held.keys if key_id != held.primary))

    def holds(self, key_id: str) -> bool:
        """Tell whether the key called ``key_id`` is here."""
        return key_id in self._current(key_id).keys

    def refresh(self) -> None:
        """Look at once whether the keys have changed where they come from."""

    def seal(self, plaintext: str, context: bytes) -> str:
        """Return a token that opens only in the same ``context``; never the same token twice.

        Raises:
            InvalidInput: ``plaintext`` is empty, longer than 16 kB or not valid Unicode; it is not repeated.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        held = self._current()
        header = f"{TOKEN_PREFIX}{held.primary}:"
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(held.keys[held.primary])
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
        keys = self._current(key_id).keys
        if key_id not in keys:
            raise KeyMissing(
                f"the sealing key {key_id} is needed and not in the keyring: "
                "bring it back in SPOTHIVE_SEALING_KEYS or in the key file"
            )
        header = token[:_HEADER_LENGTH]
        try:
            sealed = _from_base64url(body)
            data = AESGCM(keys[key_id]).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], header.encode() + context)
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

    def _current(self, needed: str = "") -> _Held:
        """Return the keys as they are now, after looking for the one called ``needed`` if it is not here."""
        del needed
        return self._held


class FileKeyring(Keyring):
    """The keys of a key file, as the file is: a process that goes on running learns of keys that come and go.

    A changed file is read within :data:`LOOK_AFTER` seconds, and at once for a key that is needed and not here. One
    that is missing or broken changes nothing: it is logged, and the keys of before stay until it is mended.
    """

    __slots__ = ("_complained", "_look_at", "_path")

    def __init__(self, path: Path) -> None:
        """Read the keys of the file at ``path``.

        Raises:
            KeyMissing: there is no such file, or no key in it.
            ConfigurationError: a key has the wrong form, or the file can be read or changed by others.
        """
        self._path = path
        self._held = _read_keys(path)
        self._look_at = time.monotonic() + LOOK_AFTER
        self._complained = False

    def _current(self, needed: str = "") -> _Held:
        if time.monotonic() >= self._look_at or (needed and needed not in self._held.keys):
            self.refresh()
        return self._held

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        self._look_at = time.monotonic() + LOOK_AFTER
        try:
            if _stamp(self._path.stat()) != self._held.stamp:
                self._held = _read_keys(self._path)
        except (ConfigurationError, OSError) as error:
            if not self._complained:
                reason = error if isinstance(error, ConfigurationError) else error.strerror
                _log.warning("the key file %s has changed and cannot be used: %s", self._path, reason)
            self._complained = True
        else:
            self._complained = False


Keys = Callable[[], Keyring]
"""Loads the keyring. Called only where a secret is sealed or opened: who has none needs no sealing key."""


def load_keyring(settings: Settings) -> Keyring:
    """Return the keys of ``SPOTHIVE_SEALING_KEYS`` if that is set, else those of the key file.

    Raises:
        KeyMissing: there is neither.
        ConfigurationError: a key has the wrong form, or the key file can be read or changed by others.
    """
    if settings.sealing_keys is not None:
        held = _held_by("SPOTHIVE_SEALING_KEYS", _given_keys(settings.sealing_keys.get_secret_value()))
        return Keyring(held.keys, primary=held.primary)
    return FileKeyring(settings.sealing_key_file)


def init_key_file(path: Path) -> str:
    """Make the key file ``path`` (mode 0600) with one new key and return the key's id.

    The file appears whole or not at all, and is on disk when this returns.

    Raises:
        InvalidInput: the file exists already; it is left alone.
        ConfigurationError: it cannot be written.
    """
    key_id, line = _new_key(())
    if not make_private(path, _FILE_HEADER + line):
        raise InvalidInput(f"{path} exists and is left alone: it may hold the only keys to secrets sealed before")
    return key_id


def add_key(path: Path, *, after: str) -> str | None:
    """Put a new key before the others in the key file, so that it seals from now on, and return its id.

    If the first key is no longer ``after``, another has just added one: nothing is done, and the answer is None. The
    file changes whole or not at all, is on disk when this returns, and keeps its comments and all other keys.

    Raises:
        KeyMissing: there is no key file, or no key in it.
        ConfigurationError: it cannot be read or written, or can be by others.
    """
    with _changing(path) as (real, text):
        held = _held_by(str(path), _filed_keys(path, text))
        if held.primary != after:
            return None
        key_id, line = _new_key(held.keys)
        lines = text.splitlines(keepends=True)
        lines.insert(_line_of(path, text, held.primary), line)
        replace_private(real, "".join(lines))
    return key_id


def remove_key(path: Path, key_id: str) -> None:
    """Take a key out of the key file, where it is in it; the file changes as by :func:`add_key`.

    Raises:
        InvalidInput: the key is the primary one.
        KeyMissing: there is no key file, or no key in it.
        ConfigurationError: it cannot be read or written, or can be by others.
    """
    with _changing(path) as (real, text):
        held = _held_by(str(path), _filed_keys(path, text))
        if held.primary == key_id:
            raise InvalidInput(f"the key {key_id} seals new values and stays: put another one before it in {path}")
        if key_id in held.keys:
            lines = text.splitlines(keepends=True)
            del lines[_line_of(path, text, key_id)]
            replace_private(real, "".join(lines))


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


def _held_by(source: str, entries: Iterable[_Entry]) -> _Held:
    """Return the keys of ``entries``, the first one primary. What is wrong is named by place, never repeated."""
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
    return _Held(keys, next(iter(keys)))


def _new_key(taken: Iterable[str]) -> tuple[str, str]:
    """Make a key; return its id, which is none of ``taken``, and its line in a key file."""
    key_id = secrets.token_hex(KEY_ID_LENGTH // 2)
    if key_id in taken:
        return _new_key(taken)
    return key_id, f"{key_id} {base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n"


# --- the key file ------------------------------------------------------------------------------------------------


def _read_keys(path: Path) -> _Held:
    with _open_file(path) as descriptor:
        stamp = _stamp(os.fstat(descriptor))  # first: what is written while we read is read again
        return replace(_held_by(str(path), _filed_keys(path, _text(descriptor))), stamp=stamp)


def _line_of(path: Path, text: str, key_id: str) -> int:
    """Return the index of the line that holds a key."""
    return next(
        n for n, line in enumerate(text.splitlines()) for entry in _filed_keys(path, line) if entry.key_id == key_id
    )


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _text(descriptor: int) -> str:
    """Return a file's text; what is no UTF-8 in its comments is written back as it was."""
    return read_whole(descriptor).decode(errors="surrogateescape")


@contextmanager
def _changing(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file behind ``path`` and its text, while no other spothive on this machine changes it."""
    try:
        while True:
            with _open_file(path) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(descriptor), path.stat()):  # else another took its place meanwhile
                    yield path.resolve(), _text(descriptor)
                    return
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be changed: {error.strerror}") from None


@contextmanager
def _open_file(path: Path) -> Iterator[int]:
    otherwise = ", or hand the keys over in SPOTHIVE_SEALING_KEYS"
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(
                open_private(path, setting="SPOTHIVE_SEALING_KEY_FILE", otherwise=otherwise)
            )
        except FileNotFoundError:
            raise KeyMissing(
                f"there is no sealing key: restore {path} if secrets were sealed before, else make it with "
                "`spothive secrets init`, or set SPOTHIVE_SEALING_KEYS"
            ) from None
        yield descriptor
