"""Reading the files a command is given."""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from spothive.cli.output import shortened
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

STDIN = "-"
BLOCK = 1 << 20
NAME_MAX = 200
MAX_BYTES = 256 << 20
"""Most that is read of one file: what AWS prints is far smaller, and a mistake is found before memory runs out."""


def read_files(names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return (name, content) of each file; ``-`` is standard input.

    Raises:
        InvalidInput: a file is missing, is a directory, cannot be read or is larger than 256 MB.
    """
    if names.count(STDIN) > 1:
        msg = "standard input can be read once: give - one time"
        raise InvalidInput(msg)
    return [_read(name) for name in names]


def _read(name: str) -> tuple[str, bytes]:
    if name == STDIN:
        return "standard input", _blocks("standard input", sys.stdin.buffer, None)
    shown = shortened(name, NAME_MAX)
    try:
        with Path(name).open("rb") as file:
            status = Path(name).stat()
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
            if size is not None and size > MAX_BYTES:
                raise _too_large(shown)
            return name, _blocks(shown, file, size)
    except IsADirectoryError:
        msg = f"{shown} is a directory: name the files in it, each with its own --file"
        raise InvalidInput(msg) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or "that is no file name"
        msg = f"{shown} cannot be read: {reason}"
        raise InvalidInput(msg) from None


def _blocks(name: str, file: BinaryIO, size: int | None) -> bytes:
    content = bytearray()
    with show_progress(f"reading {name}", size) as progress:
        while block := file.read(BLOCK):
            content += block
            if len(content) > MAX_BYTES:
                raise _too_large(name)
            progress(len(content), size or len(content))
    return bytes(content)


def _too_large(name: str) -> InvalidInput:
    return InvalidInput(f"{name} is larger than {MAX_BYTES >> 20} MB: split it, for instance by region")
