"""The folder in which model files are kept, each under the SHA-256 of its content."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from spothive.errors import ConfigurationError, ModelRefused
from spothive.scoring.model_file import MAX_BYTES, sha256_of

SUFFIX = ".onnx"


class ModelStore:
    """A folder of model files. It is made when the first one is kept."""

    def __init__(self, folder: Path) -> None:
        """Keep files in ``folder``, on a file system that all who load models share."""
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep ``data``, all of it or nothing; return the name under which it is kept. Kept twice, it is kept once.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        name = sha256_of(data) + SUFFIX
        with suppress(ModelRefused):
            if self.read(name) == data:
                return name
        try:
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor, scratch = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    os.fchmod(file.fileno(), 0o644)
                    file.flush()
                    os.fsync(file.fileno())
                Path(scratch).replace(self.folder / name)
            except BaseException:
                Path(scratch).unlink(missing_ok=True)
                raise
        except OSError as error:
            msg = f"the model store {self.folder} cannot be written: {error.strerror} (SPOTHIVE_MODEL_STORE)"
            raise ConfigurationError(msg) from None
        return name

    def read(self, name: str) -> bytes:
        """Return the content of the file called ``name``, whatever it is: compare its hash.

        Raises:
            ModelRefused: there is no such file, or it is no plain file of this folder, or too large.
        """
        if Path(name).name != name:
            raise ModelRefused(f"{name[:80]!r} is no file of the model store")
        return read_model_file(self.folder / name)


def read_model_file(path: Path) -> bytes:
    """Return the content of a file that is to be a model. Tenants read why not: no folder is told.

    Raises:
        ModelRefused: it is missing, is no plain file, cannot be read, or is too large.
    """
    try:
        # Not to hang on a pipe that somebody put there.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            if not path.is_file():
                raise ModelRefused(f"{path.name} is no plain file")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no file name"
        raise ModelRefused(f"{path.name} cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise ModelRefused(f"{path.name} is larger than {MAX_BYTES >> 20} MB")
    return data
