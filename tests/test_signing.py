"""Signing keys: made once, in a file of their owner's alone; the first signs, all vouch."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from spothive.errors import ConfigurationError, InvalidInput, KeyMissing
from spothive.signing import fingerprint, init_signing_key, load_signing_keys


def public_half(pem: Path) -> bytes:
    keys = load_signing_keys(pem)
    key = load_der_public_key(keys.public_keys[keys.key_id])
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_key_is_made_once_signs_and_is_followed_by_another(tmp_path: Path) -> None:
    old_file, new_file = tmp_path / "var" / "old.pem", tmp_path / "new.pem"
    made = init_signing_key(old_file)
    assert old_file.stat().st_mode & 0o777 == 0o600
    before = old_file.read_bytes()
    with pytest.raises(InvalidInput, match="exists and is left alone"):
        init_signing_key(old_file)
    assert old_file.read_bytes() == before
    old = load_signing_keys(old_file)
    assert old.key_id == made.key_id == fingerprint(old.public_keys[old.key_id])[:16]
    signature = old.sign(b"a seal")
    assert old.verify(old.key_id, b"a seal", signature)
    assert not old.verify(old.key_id, b"another", signature)
    assert not old.verify(old.key_id, b"a seal", b"nonsense")

    init_signing_key(new_file)
    with new_file.open("ab") as file:
        file.write(b"# retired in May\n" + public_half(old_file))
    both = load_signing_keys(new_file)
    assert list(both.public_keys) == [both.key_id, old.key_id]
    assert both.verify(old.key_id, b"a seal", signature)
    new_file.write_bytes(new_file.read_bytes() + b"\n" + before)
    assert len(load_signing_keys(new_file).public_keys) == 2, "the private half vouches too, and is the same key"
    with pytest.raises(KeyMissing, match=f"signing key {both.key_id} is not in the key file"):
        old.verify(both.key_id, b"a seal", signature)
    assert repr(old) == f"<SigningKeys {old.key_id}>"
    with pytest.raises(TypeError):
        copy.copy(old)


def test_what_is_no_key_file_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    with pytest.raises(KeyMissing, match="spothive audit init"):
        load_signing_keys(file)
    init_signing_key(file)
    private, public = file.read_bytes(), public_half(file)
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
    curve = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = (Encoding.PEM, PrivateFormat.PKCS8)
    for content, words in {
        b"": "has no private key in front",
        public + private: "has no private key in front",
        small.private_bytes(*pkcs8, NoEncryption()): "key 1 in .* cannot be used: it takes RSA keys",
        curve.private_bytes(*pkcs8, NoEncryption()): "key 1 in .* cannot be used",
        small.private_bytes(*pkcs8, BestAvailableEncryption(b"x")): "key 1 in .* cannot be used",
        private + private.replace(b"M", b"N", 9): "key 2 in .* cannot be used",
    }.items():
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=words) as refused:
            load_signing_keys(file)
        assert "\n" not in str(refused.value)
    file.write_bytes(private)
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="open to other users: run `chmod 600"):
        load_signing_keys(file)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="is no file: point SPOTHIVE_AUDIT_SIGNING_KEY_FILE"):
        load_signing_keys(pipe)
