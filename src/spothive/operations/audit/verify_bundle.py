"""Verify an exported audit trail, with nothing but Python 3.9 or newer: no package, no database, no network.

    python3 -I verify_bundle.py BUNDLE --key FINGERPRINT [--anchor FILE]

FINGERPRINT is the SHA-256 of the public signing key in DER, or its first 16 or more hexadecimal digits. Get it from
the operator by another way than the bundle: a bundle brings its keys along, and anybody can make keys.
Exits 0 if everything holds, else 1 and says where it does not.

The bundle is JSON, one object a line: a header, then each seal followed by the rows it covers, then the counts.
A row's leaf is SHA-256(0x00 + each column: its length in 4 bytes, -1 for none, and its bytes); ids are 16 bytes,
numbers 8 bytes big-endian, times 8 bytes (microseconds since 2000-01-01 UTC), all else is UTF-8. A seal's root is that
of RFC 6962 over the leaves in the order of the ids. Each seal holds the hash of the seal before it and is signed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

COLUMNS = (
    "tenant_id id timestamp txid actor_id actor_name event resource resource_type outcome ip_address user_agent "
    "request_id diff_before diff_after"
).split()
SIGNED = ("tenant_id id seal_no row_count merkle_root previous_seal_hash horizon sealed_at algorithm key_id").split()
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2: it stands before the digest
ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)  # what nonsense leads to


class Broken(Exception):
    """Something does not hold."""


def encoded(column: str, value: Any) -> bytes:
    """Return one value of a row: its length, and its bytes."""
    if value is None:
        return struct.pack(">i", -1)
    if column in {"tenant_id", "id", "actor_id"}:
        data = UUID(value).bytes
    elif column == "txid":
        data = struct.pack(">q", value)
    elif column == "timestamp":
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        start = datetime(2000, 1, 1, tzinfo=timezone.utc)
        data = struct.pack(">q", (moment - start) // timedelta(microseconds=1))
    else:
        data = value.encode("utf-8")
    return struct.pack(">i", len(data)) + data


def leaf_of(row: list[Any]) -> bytes:
    """Return the leaf of a row, given as the values of its columns."""
    if len(row) != len(COLUMNS):
        raise Broken("a row has not the columns of an audit row")
    return hashlib.sha256(b"\0" + b"".join(map(encoded, COLUMNS, row))).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """Return the Merkle root as RFC 6962 words it: the left part is the largest power of two below the whole."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:left]) + root_of(leaves[left:])).digest()


def parts_of(der: bytes) -> Iterator[bytes]:
    """Yield what is inside each element of ``der``."""
    while der:
        size, start = der[1], 2
        if size & 0x80:  # the size of the size comes first
            start += size & 0x7F
            size = int.from_bytes(der[2:start], "big")
        yield der[start : start + size]
        der = der[start + size :]


def is_signed(data: bytes, signature: bytes, key: bytes) -> bool:
    """Tell whether ``signature`` is RSA PKCS#1 v1.5 with SHA-256 over ``data``, by the public ``key`` in DER."""
    (info,) = parts_of(key)
    _, bits = parts_of(info)
    (numbers,) = parts_of(bits[1:])
    modulus, exponent = (int.from_bytes(part, "big") for part in parts_of(numbers))
    size = (modulus.bit_length() + 7) // 8
    digest = SHA256_INFO + hashlib.sha256(data).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    found = pow(int.from_bytes(signature, "big"), exponent, modulus)
    return size >= 256 and len(signature) == size and found.to_bytes(size, "big") == expected


def hash_of(seal: dict[str, Any], keys: dict[str, bytes]) -> str:
    """Verify the signature of a seal, and return the hash that the next one holds of it."""
    if seal["key_id"] not in keys:
        raise Broken(f"it is signed by key {seal['key_id']}, whose fingerprint was not given")
    if seal["algorithm"] != "rsa-pkcs1-sha256":
        raise Broken("it is signed in an unknown way")
    signed = "\n".join(["spothive audit seal 1", *(f"{name}: {seal[name]}" for name in SIGNED), ""]).encode("utf-8")
    signature = bytes.fromhex(seal["signature"])
    if not is_signed(signed, signature, keys[seal["key_id"]]):
        raise Broken("its signature is wrong: a field of the seal was changed, or it was forged")
    return hashlib.sha256(signed + f"signature: {signature.hex()}\n".encode()).hexdigest()


def verify_seal(
    seal: dict[str, Any], rows: list[list[Any]], tenant_id: str, keys: dict[str, bytes], before: Any
) -> str:
    """Verify one seal and its rows; return its hash."""
    if set(seal) != {*SIGNED, "signature"}:
        raise Broken("it has not the fields of a seal")
    found = hash_of(seal, keys)
    if before is not None and (seal["seal_no"], seal["previous_seal_hash"]) != (before[0] + 1, before[1]):
        raise Broken("it does not follow the seal before it")
    if (seal["seal_no"] == 1) != (seal["previous_seal_hash"] == "0" * 64):
        raise Broken("the first seal, and no other, has none before it")
    if len(rows) != seal["row_count"]:
        raise Broken(f"it covers {seal['row_count']} rows, and {len(rows)} are here")
    if {seal["tenant_id"], *(row[0] for row in rows)} != {tenant_id}:
        raise Broken("it, or one of its rows, is of another tenant")
    ids = [UUID(row[1]).bytes for row in rows]
    if ids != sorted(set(ids)):
        raise Broken("its rows are not in the order of their ids, each once")
    if root_of([leaf_of(row) for row in rows]).hex() != seal["merkle_root"]:
        raise Broken("its rows do not give its root: at least one was changed")
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that says nothing twice: another reader could take the other."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def objects_in(path: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a bundle or an anchor, and an empty one for a line that is none."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                found = json.loads(line, object_pairs_hook=once)
            except (ValueError, RecursionError):
                found = {}
            yield found if isinstance(found, dict) else {}


def verify(path: str, fingerprints: list[str], anchored: Any) -> str:
    """Verify a bundle; return what to tell of it."""
    lines = objects_in(path)
    header: dict[str, Any] = next(lines, {})
    if header.get("bundle") != "spothive audit bundle 1":
        raise Broken("this is no audit bundle of version 1")
    if header["columns"] != COLUMNS:
        raise Broken("its header names other columns than an audit row has")
    brought = {hashlib.sha256(key).hexdigest(): key for key in map(base64.b64decode, header["public_keys"].values())}
    keys = {full[:16]: key for full, key in brought.items() if any(full.startswith(one) for one in fingerprints)}
    before: Any = None
    first: Any = None
    last: Any = None
    total, line = 0, next(lines, {})
    while set(line) == {"seal"}:
        last, rows = line["seal"], []
        line = next(lines, {})
        while set(line) == {"row"}:
            rows.append(line["row"])
            line = next(lines, {})
        try:
            before = last["seal_no"], verify_seal(last, rows, header["tenant_id"], keys, before)
            if anchored is not None and anchored.get((last["tenant_id"], before[0])) != before[1]:
                raise Broken("the anchor does not know it, or knows another one")
        except (Broken, *ERRORS) as error:
            what = error if isinstance(error, Broken) else "it, or one of its rows, is damaged"
            raise Broken(f"seal {last.get('seal_no')}: {what}") from None
        first, total = first or last, total + len(rows)
    end = {"seals": last["seal_no"] - first["seal_no"] + 1, "rows": total} if last else None
    if line != {"end": end} or next(lines, None) is not None:
        raise Broken("the bundle is not whole: something is missing, does not belong there, or comes after its end")
    made = f"{first['sealed_at']} to {last['sealed_at']}"
    return (
        f"sound: {total} rows of tenant {header['tenant_id']}, in seals {first['seal_no']} to {last['seal_no']}, made "
        f"{made}, signed by {', '.join(sorted(keys))}; nothing is said of rows before or after"
    )


def main() -> int:
    """Read the arguments, verify, and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify an exported audit trail.")
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", required=True, help="fingerprint of a signing key; may be repeated")
    parser.add_argument("--anchor", help="copy of the anchor file, which must know every seal")
    asked = parser.parse_args()
    prints = [one.replace(":", "").strip().lower() for one in asked.key]
    if any(len(one) < 16 for one in prints):
        parser.error("a fingerprint has 16 hexadecimal digits or more")
    try:
        lines = objects_in(asked.anchor) if asked.anchor else []
        known = {(one["tenant_id"], one["seal_no"]): one["seal_hash"] for one in lines if "seal_hash" in one}
        print(verify(asked.bundle, prints, known if asked.anchor else None))
    except OSError as error:
        parser.error(f"{error.filename} cannot be read: {error.strerror}")
    except (Broken, *ERRORS) as error:
        print(f"NOT SOUND: {error if isinstance(error, Broken) else 'this is no audit bundle'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
