"""Files that nobody but their owner may read: how keys are kept on disk."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spothive.errors import ConfigurationError


@contextmanager
def open_private(path: Path, *, setting: str, otherwise: str = "") -> Iterator[int]:
    """Open a key file that nobody but us can read or change, for reading; yield its descriptor.

    Args:
        path: the file.
        setting: the variable that names it, for the advice in errors.
        otherwise: what else can be done where the file belongs to another user, as the end of a sentence.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigurationError: it cannot be read, is no file, belongs to another user, or is open to others.
    """
    try:
        # A pipe in its place would make a plain open wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error.strerror}") from None
    try:
        _refuse_shared(path, os.fstat(descriptor), setting, otherwise)
        yield descriptor
    finally:
        os.close(descriptor)


def read_whole(descriptor: int) -> bytes:
    """Return the content of an open file; it stays open."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def make_private(path: Path, text: str) -> bool:
    """Make the key file ``path`` (mode 0600), and its folder; return False, and leave it alone, if there is one.

    The file appears whole or not at all, and is on disk when this returns.

    Raises:
        ConfigurationError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_private(draft, text)
            made = _link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        flush_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be made: {error.strerror}") from None
    return made


def replace_private(path: Path, text: str) -> None:
    """Give the key file ``path`` another content, whole or not at all; it is on disk when this returns.

    Whoever calls this keeps others from doing the same at once.
    """
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)  # of somebody who was killed: we are alone here
    try:
        _write_private(draft, text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Bring to disk which files ``folder`` holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_shared(path: Path, found: os.stat_result, setting: str, otherwise: str) -> None:
    name = shlex.quote(str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"the key file {path} is no file: point {setting} to one")
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"the key file {path} belongs to another user: run `chown {os.geteuid()} {name}` as root{otherwise}"
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"the key file {path} is open to other users: run `chmod 600 {name}`")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchmod(descriptor, 0o600)  # the umask may have taken even our own rights
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _link(draft: Path, path: Path) -> bool:
    """Give the finished ``draft`` its name; unlike a rename, this never replaces a file. False if there is one."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    return True
