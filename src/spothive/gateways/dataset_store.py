"""The folder in which the files of datasets are kept: one folder a tenant, in it one file a job that made one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Final
from uuid import UUID

from spothive.errors import ConfigurationError, NotFound
from spothive.private_files import flush_folder

_ID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_PATH: Final = re.compile(rf"({_ID})/({_ID})\.csv")
_FILE: Final = re.compile(rf"\.new-(?P<draft>{_ID})|(?P<made>{_ID})\.csv")
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store, finished or not.

    Attributes:
        tenant_id: whose it is.
        job_id: the job that made it, or is about to.
        path: where it is kept, as the rows of datasets say it; None while it is not finished.
    """

    tenant_id: UUID
    job_id: UUID
    path: str | None


class DatasetDraft:
    """A file that is being written. Nobody sees it before it is kept."""

    def __init__(self, store: DatasetStore, tenant_id: UUID, job_id: UUID) -> None:
        """Make it, empty; only its owner may read it.

        Raises:
            ConfigurationError: the store cannot be written.
        """
        self.path = f"{tenant_id}/{job_id}.csv"
        self._store = store
        self._digest = hashlib.sha256()
        with _writing():
            self._folder = store.folder_of(tenant_id)
            self._scratch = self._folder / f".new-{job_id}"
            store.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._scratch, flags, 0o600), "wb")

    def write(self, data: bytes) -> None:
        """Write more.

        Raises:
            ConfigurationError: the store cannot be written.
        """
        with _writing():
            self._file.write(data)
        self._digest.update(data)

    def keep(self) -> str:
        """Bring the file to disk and give it its name; return its SHA-256.

        Raises:
            ConfigurationError: the store cannot be written.
            NotFound: somebody has tidied the draft away, as after a lease that ran out.
        """
        with _writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            try:
                self._scratch.replace(self._store.folder / self.path)
            except FileNotFoundError:
                msg = "the file of this job was tidied away: make the dataset again"
                raise NotFound(msg) from None
            flush_folder(self._folder)
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):
            self._file.close()
        self._scratch.unlink(missing_ok=True)


class DatasetStore:
    """A folder of dataset files. It is made when the first one is written."""

    def __init__(self, folder: Path, *, part: str | None = None) -> None:
        """Keep files below ``folder``, on a file system that all who make or read datasets share.

        The folder itself may be a link. ``part`` is the name of a folder in it, of one of several databases, which like
        everything below may not.
        """
        self.folder = folder if part is None else folder / part
        self._is_part = part is not None

    def part(self, name: str) -> DatasetStore:
        """Return the part of this store that is kept in the folder ``name``."""
        return DatasetStore(self.folder, part=name)

    def folder_of(self, tenant_id: UUID) -> Path:
        """Return the folder of a tenant, whether it is there or not.

        Raises:
            ConfigurationError: it, or the part of the store it is in, is a link, which may lead out of the store.
        """
        if self._is_part:
            _inside(self.folder)
        return _inside(self.folder / str(tenant_id))

    def draft(self, tenant_id: UUID, job_id: UUID) -> DatasetDraft:
        """Begin the file that a job of a tenant makes; raises as :class:`DatasetDraft`."""
        return DatasetDraft(self, tenant_id, job_id)

    def holds(self, tenant_id: UUID, path: str) -> bool:
        """Tell whether ``path`` is the name of a file of this tenant, whether it is there or not."""
        found = _PATH.fullmatch(path)
        return found is not None and found[1] == str(tenant_id)

    def open(self, tenant_id: UUID, path: str) -> BinaryIO:
        """Open a file of a tenant for reading.

        Raises:
            NotFound: it is no file of this tenant's in the store, or not there.
            ConfigurationError: it cannot be read.
        """
        if not self.holds(tenant_id, path):
            msg = f"{path[:80]!r} is no file of the dataset store"
            raise NotFound(msg)
        try:
            # Neither a pipe nor a link that somebody put in its place.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.fdopen(os.open(self.folder_of(tenant_id) / PurePath(path).name, flags), "rb")
        except FileNotFoundError:
            msg = f"the dataset store has no file {path}"
            raise NotFound(msg) from None
        except OSError as error:
            msg = f"{path} in the dataset store cannot be read: {error.strerror}"
            raise ConfigurationError(msg) from None

    def hash_of(self, tenant_id: UUID, path: str) -> str:
        """Return the SHA-256 of a file of a tenant, hexadecimal; raises as :meth:`open`."""
        digest = hashlib.sha256()
        with self.open(tenant_id, path) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def remove(self, tenant_id: UUID, path: str) -> bool:
        """Delete a file of a tenant; tell whether there was one. What is not the tenant's in the store is left alone.

        Raises:
            ConfigurationError: it cannot be deleted.
        """
        if not self.holds(tenant_id, path):
            return False
        with _writing():
            try:
                (self.folder_of(tenant_id) / PurePath(path).name).unlink()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def remove_stored(self, file: StoredFile) -> None:
        """Delete a finished file or a draft, if it is there; raises as :meth:`remove`."""
        with _writing():
            folder = self.folder_of(file.tenant_id)
            (folder / (f"{file.job_id}.csv" if file.path else f".new-{file.job_id}")).unlink(missing_ok=True)

    def files(self) -> Iterator[StoredFile]:
        """Yield every file that a job has made or begun; whatever else lies in the folder is nobody's business.

        Raises:
            ConfigurationError: this part of the store is a link.
        """
        for folder in _entries(_inside(self.folder) if self._is_part else self.folder):
            if not re.fullmatch(_ID, folder.name) or folder.is_symlink():
                continue
            for file in _entries(folder):
                found = _FILE.fullmatch(file.name)
                if found is None or (file.is_dir() and not file.is_symlink()):
                    continue
                path = f"{folder.name}/{file.name}" if found["made"] else None
                yield StoredFile(UUID(folder.name), UUID(found["made"] or found["draft"]), path)


@contextmanager
def _writing() -> Iterator[None]:
    """Tell what the disk refuses in one line."""
    try:
        yield
    except OSError as error:
        msg = f"the dataset store cannot be written: {error.strerror} (SPOTHIVE_DATASET_STORE)"
        raise ConfigurationError(msg) from None


def _inside(folder: Path) -> Path:
    """Return a folder of the store.

    Raises:
        ConfigurationError: it is a link, which may lead out of the store.
    """
    if folder.is_symlink():
        msg = f"{folder.name} in the dataset store is a link: put a folder in its place (SPOTHIVE_DATASET_STORE)"
        raise ConfigurationError(msg)
    return folder


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
