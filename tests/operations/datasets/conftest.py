"""A store of its own for each test, and short ways to make datasets in acme."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive.database import DatasetKind, get_db_session
from spothive.gateways.dataset_store import DatasetStore
from spothive.operations.actor import Actor
from spothive.operations.datasets import (
    GenerationWish,
    ImportWish,
    MadeDataset,
    generate_dataset,
    import_dataset,
    tidy_files,
)
from spothive.operations.datasets.place import own_part
from tests.factories.datasets import files_in, source_of
from tests.operations.conftest import World


@dataclass(frozen=True)
class Desk:
    """Where datasets are made: by anna of acme, unless somebody else is named."""

    world: World
    store: DatasetStore

    def take(self, content: str | bytes, name: str = "prices", *, by: Actor | None = None, **wish: Any) -> MadeDataset:
        """Import a file."""
        actor = by or self.world.anna
        progress = wish.pop("progress", None)
        with source_of(content) as source:
            return import_dataset(
                get_db_session,
                actor,
                tenant_id=actor.home_tenant_id,
                store=self.store,
                source=source,
                wish=ImportWish(name, **wish),
                progress=progress,
            )

    def generate(self, kind: DatasetKind, name: str = "made", *, by: Actor | None = None, **wish: Any) -> MadeDataset:
        """Generate a dataset."""
        actor = by or self.world.anna
        progress = wish.pop("progress", None)
        return generate_dataset(
            get_db_session,
            actor,
            tenant_id=actor.home_tenant_id,
            store=self.store,
            wish=GenerationWish(name, kind, **wish),
            progress=progress,
        )

    def text(self, made: MadeDataset) -> str:
        """Return the whole file of a dataset."""
        with own_part(self.store).open(UUID(made.written.path[:36]), made.written.path) as file:
            return file.read().decode()

    def rows(self, made: MadeDataset) -> list[dict[str, str]]:
        """Return the rows of the file of a dataset."""
        return list(csv.DictReader(io.StringIO(self.text(made))))

    @property
    def files(self) -> list[Path]:
        """Every file of the store."""
        return files_in(self.store.folder)

    def tidied(self) -> int:
        """Tidy up; return how many files went."""
        return tidy_files(self.store)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    return Desk(world, DatasetStore(tmp_path / "store"))


@pytest.fixture
def at_every_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after which a job writes its progress whenever it could, not once a second."""

    def hurry() -> None:
        monkeypatch.setattr("spothive.operations.datasets.jobs.WRITE_EVERY", 0.0)
        monkeypatch.setattr("spothive.operations.datasets.importing.AT_ONCE", 1)
        monkeypatch.setattr("spothive.operations.datasets.generating.AT_ONCE", 1)

    return hurry
