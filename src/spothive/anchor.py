"""The anchor: a file outside the database to which every seal of the audit trail is appended.

One JSON object a line, never changed. Whoever cuts the newest seals out of the database, or brings back an older copy
of it, would have to cut this file too: kept on other storage it proves that no seal is missing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO
from uuid import UUID

from spothive.errors import ConfigurationError
from spothive.private_files import flush_folder

_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class AnchoredSeal:
    """One line of the anchor.

    Attributes:
        tenant_id: whose trail it is, as a UUID with hyphens.
        seal_no: place in the tenant's chain, from 1.
        seal_hash: SHA-256 over the whole seal, 64 hexadecimal digits.
        row_count: rows it covers.
        sealed_at: when, as ISO 8601 in UTC.
        key_id: which key signed it.
    """

    tenant_id: str
    seal_no: int
    seal_hash: str
    row_count: int
    sealed_at: str
    key_id: str


@dataclass(slots=True)
class Anchored:
    """What the anchor holds.

    Attributes:
        exists: whether there is an anchor at all.
        hashes: tenant to the number and the hash of each of its seals.
        damaged: lines that are none, as a crash in the middle of one leaves behind.
    """

    exists: bool = False
    hashes: dict[UUID, dict[int, str]] = field(default_factory=dict)
    damaged: int = 0

    def of(self, tenant_id: UUID) -> Mapping[int, str]:
        """Return number and hash of each anchored seal of a tenant."""
        return self.hashes.get(tenant_id, {})

    def last(self, tenant_id: UUID) -> int:
        """Return the number of a tenant's newest anchored seal, 0 if it has none."""
        return max(self.of(tenant_id), default=0)

    def add(self, line: bytes) -> None:
        """Take one line."""
        try:
            seal = AnchoredSeal(**json.loads(line))
            self.hashes.setdefault(UUID(seal.tenant_id), {})[int(seal.seal_no)] = str(seal.seal_hash)
        except (ValueError, TypeError, AttributeError):
            self.damaged += 1


class Anchor:
    """The anchor at one path. Several processes may append to it at once; what was read is not read again."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made by the first seal."""
        self.path = path
        self._known = Anchored()
        self._end = 0  # of the lines that are known, in bytes

    def read(self) -> Anchored:
        """Return what it holds now.

        Raises:
            ConfigurationError: it cannot be read, or others than its owner can change it.
        """
        try:
            with self.path.open("rb") as file:
                self._learn(file)
        except FileNotFoundError:
            self._known, self._end = Anchored(), 0
        except OSError as error:
            raise self._unusable("read", error) from None
        return self._known

    def append(self, tenant_id: UUID, seals: Iterable[AnchoredSeal]) -> int:
        """Append those of a tenant's ``seals`` that are newer than the newest it holds; return how many.

        They come in the order of their numbers and without a gap, whoever else appends meanwhile. They are on disk
        when this returns.

        Raises:
            ConfigurationError: it cannot be written, or others than its owner can change it.
        """
        try:
            new = not self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
                size = self._learn(file)
                last = self._known.last(tenant_id)
                lines = [_line(seal) for seal in seals if seal.seal_no > last]
                if lines:
                    # Half a line that a crash left stays, and ends here.
                    _write_whole(descriptor, (b"\n" if size > self._end else b"") + b"".join(lines))
                    os.fsync(descriptor)
            if new:
                flush_folder(self.path.parent)
        except OSError as error:
            raise self._unusable("written", error) from None
        return len(lines)

    def _learn(self, file: IO[bytes]) -> int:
        """Take the whole lines that are new, and return the size of the file."""
        status = os.fstat(file.fileno())
        if status.st_mode & _OPEN_TO_OTHERS:
            raise ConfigurationError(
                f"others can change the anchor {self.path}: run `chmod 600 {shlex.quote(str(self.path))}`"
            )
        if status.st_size < self._end:  # another file by now
            self._known, self._end = Anchored(), 0
        self._known.exists = True
        file.seek(self._end)
        content = file.read()
        whole, separator, _ = content.rpartition(b"\n")
        for line in whole.splitlines():
            self._known.add(line)
        self._end += len(whole) + len(separator)
        return status.st_size

    def _unusable(self, how: str, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"the anchor {self.path} cannot be {how} ({error.strerror}): correct that, or SPOTHIVE_AUDIT_ANCHOR"
        )


def _line(seal: AnchoredSeal) -> bytes:
    return json.dumps(asdict(seal), separators=(",", ":")).encode() + b"\n"


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
