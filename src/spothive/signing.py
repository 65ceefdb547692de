"""Signing keys: what proves that a seal of the audit trail was made by this installation.

The key file holds PEM blocks one after another. The first must be a private RSA key and signs; every block, private or
public, vouches for what its key has signed before. So a key is changed by putting a new one in front, and of an old
one the public half is enough. A key is known by its id, the first 16 hexadecimal digits of its fingerprint: the
SHA-256 of the public key in DER.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from spothive.errors import ConfigurationError, InvalidInput, KeyMissing
from spothive.private_files import make_private, open_private, read_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KEY_BITS = 3072
KEY_BITS_LEAST = 2048
KEY_ID_LENGTH = 16
_PUBLIC_EXPONENT = 65537
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_SETTING = "SPOTHIVE_AUDIT_SIGNING_KEY_FILE"
_FORM = f"it takes RSA keys in PEM, without a passphrase and of {KEY_BITS_LEAST} bits or more"


class SigningKeys:
    """The keys of one key file. It shows the ids alone, and can be neither pickled nor copied."""

    __slots__ = ("_public", "_signer", "key_id")

    def __init__(self, signer: RSAPrivateKey, *others: RSAPublicKey) -> None:
        """Sign with ``signer``; know its signatures and those of ``others``."""
        self._signer = signer
        self._public = {key_id_of(key): key for key in (signer.public_key(), *others)}
        self.key_id = next(iter(self._public))

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Key id to the public key in DER; the one that signs comes first."""
        return {key_id: _der(key) for key_id, key in self._public.items()}

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: RSA PKCS#1 v1.5 with SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._signer.sign(data, PKCS1v15(), SHA256())

    def verify(self, key_id: str, data: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` over ``data`` is that of the key called ``key_id``.

        Raises:
            KeyMissing: the file holds no such key.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        if key_id not in self._public:
            raise KeyMissing(f"the signing key {key_id} is not in the key file: put its public half behind the others")
        try:
            self._public[key_id].verify(signature, data, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        """Show the ids alone."""
        return f"<SigningKeys {', '.join(self._public)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("signing keys are never pickled or copied: load them where they are needed")


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a public key in DER, 64 hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()


def key_id_of(key: RSAPublicKey) -> str:
    """Return the id of a public key."""
    return fingerprint(_der(key))[:KEY_ID_LENGTH]


def new_signer() -> RSAPrivateKey:
    """Make a key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)


def load_signing_keys(path: Path) -> SigningKeys:
    """Return the keys of the file ``path``.

    Raises:
        KeyMissing: there is no such file.
        ConfigurationError: it holds no private key in front, or something else than RSA keys, or others can read it.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    try:
        with open_private(path, setting=_SETTING) as descriptor:
            content = read_whole(descriptor)
    except FileNotFoundError:
        raise KeyMissing(
            f"there is no signing key: restore {path} if the audit trail was sealed before, else make it with "
            "`spothive audit init`"
        ) from None
    keys = [_read_key(path, number, block[0]) for number, block in enumerate(_BLOCK.finditer(content), start=1)]
    signer = keys[0] if keys else None
    if not isinstance(signer, RSAPrivateKey):
        raise ConfigurationError(f"{path} has no private key in front, which signs: {_FORM}")
    return SigningKeys(signer, *(key.public_key() if isinstance(key, RSAPrivateKey) else key for key in keys[1:]))


def init_signing_key(path: Path) -> SigningKeys:
    """Make the key file ``path`` (mode 0600) with one new key and return it.

    Raises:
        InvalidInput: the file exists already; it is left alone.
        ConfigurationError: it cannot be written.
    """
    from cryptography.hazmat.primitives import serialization

    if path.exists():
        raise _taken(path)
    signer = new_signer()
    pem = signer.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if not make_private(path, pem.decode()):
        raise _taken(path)
    return SigningKeys(signer)


def _taken(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path} exists and is left alone: it may hold the only key to seals made before; to change the key, make a "
        f"new file under another {_SETTING} and put the old key behind the new one"
    )


def _read_key(path: Path, number: int, block: bytes) -> RSAPrivateKey | RSAPublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    try:
        if b"PRIVATE KEY-----" in block:
            key: object = serialization.load_pem_private_key(block, password=None)
        else:
            key = serialization.load_pem_public_key(block)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey | RSAPublicKey) or key.key_size < KEY_BITS_LEAST:
        raise ConfigurationError(f"key {number} in {path} cannot be used: {_FORM}")
    return key


def _der(key: RSAPublicKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
