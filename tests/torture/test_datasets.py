"""Whoever makes a dataset is killed anywhere: there is a whole one or none, and no stray file after the sweep."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive.database import (
    Dataset,
    DatasetGeneration,
    DatasetImport,
    dispose_engine,
    get_db_session,
)
from spothive.gateways.dataset_store import DatasetStore
from spothive.operations.datasets import (
    FileState,
    cancel_job,
    delete_dataset,
    end_dead_jobs,
    tidy_files,
    verify_datasets,
)
from spothive.operations.identity import find_actor
from tests.conftest import Database
from tests.factories.datasets import files_in
from tests.torture.conftest import moments, wait_until_alone
from tests.torture.dataset_works import LEASE, NAME, ROWS, generate_in_steps, import_in_steps, make_people
from tests.torture.processes import DONE, STEP, Child, Work, at_work
from tests.watching import rows_of

pytestmark = pytest.mark.torture

ROUNDS = 12
WAYS = pytest.mark.parametrize(
    ("work", "model"), [(import_in_steps, DatasetImport), (generate_in_steps, DatasetGeneration)]
)


def steps_of(work: Work, folder: Path) -> int:
    """Return how many steps the whole work takes."""
    steps = 0
    with at_work(work, folder) as child:
        while (said := child.hear()) != DONE:
            assert said == STEP, said
            steps += 1
    return steps


def swept(acme: UUID, folder: Path) -> None:
    """Do what the sweep does about datasets."""
    admin, _ = find_actor("admin", "platform")
    with get_db_session(tenant=acme) as session:
        end_dead_jobs(session, admin)
    tidy_files(DatasetStore(folder))


@WAYS
def test_a_kill_anywhere_leaves_a_whole_dataset_or_none(
    db: Database, tmp_path: Path, work: Work, model: type[DatasetImport]
) -> None:
    acme, folder = make_people(), tmp_path / "store"
    dispose_engine()
    steps = steps_of(work, folder)
    assert steps > ROUNDS
    lost = 0
    first = rows_of(Dataset)
    for at in moments(7, steps, ROUNDS):  # spread over the work, its ends among them
        dispose_engine()
        with Child(work, folder) as child:
            child.go()
            child.take(max(1, int(at)))
            child.kill()
        wait_until_alone(db)
        time.sleep(LEASE.total_seconds() * 1.1)
        swept(acme, folder)
        assert {row["status"] for row in rows_of(model)} <= {"completed", "failed"}
        (row,) = rows_of(Dataset)  # the first one, or the one that took its place
        assert (row["name"], row["row_count"]) == (NAME, ROWS)
        (file,) = files_in(folder)
        assert str(file).endswith(row["file_path"])
        (found,) = verify_datasets(acme, store=DatasetStore(folder))
        assert found.state is FileState.WHOLE
        replaced = row["file_path"] != first[0]["file_path"]
        lost, first = lost + (not replaced), [row]
    assert lost > 0, "no kill came before the work was done"


@WAYS
def test_a_kill_before_there_is_a_dataset_leaves_nothing(
    db: Database, tmp_path: Path, work: Work, model: type[DatasetImport]
) -> None:
    acme, folder = make_people(), tmp_path / "store"
    anna, _ = find_actor("anna", "acme")
    dispose_engine()
    steps = steps_of(work, folder)
    delete_dataset(get_db_session, anna, tenant_id=acme, store=DatasetStore(folder), name=NAME)
    for at in (steps // 4, steps // 2, steps * 3 // 4):
        dispose_engine()
        with Child(work, folder) as child:
            child.go()
            child.take(at)
            assert child.kill()
        wait_until_alone(db)
        time.sleep(LEASE.total_seconds() * 1.1)
        swept(acme, folder)
        assert (rows_of(Dataset), files_in(folder)) == ([], [])
        assert {row["status"] for row in rows_of(model)} == {"failed"}


@WAYS
def test_a_job_is_cancelled_by_another_process(
    db: Database, tmp_path: Path, work: Work, model: type[DatasetImport]
) -> None:
    acme, folder = make_people(), tmp_path / "store"
    anna, _ = find_actor("anna", "acme")
    dispose_engine()
    with at_work(work, folder) as child:
        running: list[dict[str, Any]] = []
        while not running:
            child.take(1)
            running = [row for row in rows_of(model) if row["status"] == "running"]
        with get_db_session(tenant=acme) as session:
            cancel_job(session, anna, job_id=str(running[0]["id"]))
        while (said := child.hear()) == STEP:
            pass
    assert said == f"the making of {NAME!r} was cancelled: nothing of it is left"
    assert (rows_of(Dataset), files_in(folder)) == ([], [])
    assert [row["status"] for row in rows_of(model)] == ["cancelled"]
