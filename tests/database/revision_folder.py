"""A folder of revisions that a test may add to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spothive.database import revisions


class RevisionFolder:
    """A copy of the packaged revisions, which the code under test takes for its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(revisions.VERSIONS.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.versions = folder / "versions"
        monkeypatch.setattr(revisions, "VERSIONS", self.versions)

    def add(self, words: str, upgrade: str, downgrade: str = "pass") -> str:
        """Write a revision after the newest one and return its name, which is its number and ``words``.

        ``upgrade`` and ``downgrade`` are lines of Python.
        """
        former = revisions.head()
        name = f"{int(former[:3]) + 1:03d}_{words}"
        (self.versions / f"{name}.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\nfrom spothive.database import guards\n\n"
            f"revision = {name!r}\ndown_revision = {former!r}\n\n\n"
            f"def upgrade():\n{_indented(upgrade)}\n\n\ndef downgrade():\n{_indented(downgrade)}\n"
        )
        return name

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text that occurs in ``file``."""
        path = self.versions / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new))


def _indented(lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines.splitlines())
