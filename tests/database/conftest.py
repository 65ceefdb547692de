"""What several tests of the database floor begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database.revision_folder import RevisionFolder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RevisionFolder:
    """Return a copy of the revisions, which this test may add to."""
    return RevisionFolder(tmp_path / "migrations", monkeypatch)
