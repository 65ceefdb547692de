"""An account of acme at an AWS that holds what may be waste."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from spothive.database import WasteResource
from spothive.settings import get_settings
from tests.factories.waste import connect
from tests.operations.conftest import World
from tests.watching import rows_of


@pytest.fixture
def shop(world: World) -> UUID:
    """Connect the account; return its row's id."""
    return connect(world.acme, world.anna.user_id)


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let what is scheduled be due at once."""
    monkeypatch.setenv("SPOTHIVE_WASTE_GRACE", "0")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def waste() -> dict[str, dict[str, Any]]:
    """Return the rows by AWS's id; of several the youngest."""
    return {row["resource_id"]: row for row in rows_of(WasteResource)}


def statuses() -> dict[str, str]:
    return {name: str(row["status"]) for name, row in waste().items()}
