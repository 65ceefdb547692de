"""Listing datasets, proving that their files are whole, deleting them, and tidying up behind those who died."""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select

from spothive.blocks import refuse_in_block
from spothive.database import TenantSession, read_session
from spothive.database.bulk import is_any_of
from spothive.database.pages import Page, newest_first
from spothive.errors import ConfigurationError, NotFound
from spothive.gateways.dataset_store import DatasetStore, StoredFile
from spothive.models import Dataset, DatasetGeneration, DatasetImport, DatasetJobStatus, DatasetKind, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.datasets.place import own_part
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions

_JOBS: Final[tuple[Any, ...]] = (DatasetImport, DatasetGeneration)


class FileState(enum.StrEnum):
    """What became of the file of a dataset."""

    WHOLE = "whole"
    CHANGED = "changed"
    MISSING = "missing"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class VerifiedDataset:
    """What was found of a dataset's file: ``elsewhere`` if it is none of the tenant's in the store."""

    name: str
    state: FileState
    file_path: str


def list_datasets(
    session: TenantSession, *, kind: DatasetKind | None = None, limit: int = 100, before: str | None = None
) -> Page[Dataset]:
    """Return one page of the tenant's datasets, newest first; one statement.

    Args:
        session: of the tenant.
        kind: only those of this kind.
        limit: most datasets, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(Dataset)
    if kind is not None:
        query = query.where(Dataset.kind == kind)
    return newest_first(session, Dataset, query, limit=limit, before=before, by="created_at")


def find_dataset(session: TenantSession, name: str, *, lock: bool = False) -> Dataset:
    """Return the tenant's dataset of this name, or with this id.

    Raises:
        NotFound: there is none.
    """
    query = select(Dataset).where(Dataset.name == name)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        try:
            query = select(Dataset).where(Dataset.id == UUID(name))
        except ValueError:
            found = None
        else:
            found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        msg = f"no dataset is called {name[:80]!r}: see `spothive dataset list`"
        raise NotFound(msg)
    return found


def forget_dataset(session: TenantSession, actor: Actor, *, name: str) -> str:
    """Delete a dataset and the jobs that made it; return where its file is, which goes after the commit.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has none of this name.
    """
    event = "dataset.deleted"
    require(actor, Action.MANAGE, attempt=event, resource=name, resource_type=ResourceType.DATASET)
    found = find_dataset(session, name, lock=True)
    for model in _JOBS:
        session.execute(delete(model).where(model.dataset_id == found.id))
    before = {"kind": found.kind, "rows": found.row_count, "sha256": found.file_hash}
    path = found.file_path
    session.delete(found)
    record(session, actor, event, found.name, ResourceType.DATASET, before=before)
    return path


def delete_dataset(sessions: Sessions, actor: Actor, *, tenant_id: UUID, store: DatasetStore, name: str) -> bool:
    """Delete a dataset, then its file; tell whether the store had one. What is not the store's stays where it is.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has none of this name.
        ConfigurationError: the file cannot be deleted; the dataset is gone, and the sweep tries again.
    """
    refuse_in_block("delete_dataset")
    store = own_part(store)
    with sessions(tenant=tenant_id) as session:
        path = forget_dataset(session, actor, name=name)
    return store.remove(tenant_id, path)


def verify_datasets(tenant_id: UUID, *, store: DatasetStore, name: str | None = None) -> list[VerifiedDataset]:
    """Read the files of the tenant's datasets, or of one, and compare them with the hashes in their rows.

    Raises:
        NotFound: the tenant has none of this name.
    """
    refuse_in_block("verify_datasets")
    store = own_part(store)
    found, before = list[VerifiedDataset](), None
    while True:
        with read_session(tenant=tenant_id) as session:
            page = list_datasets(session, before=before) if name is None else Page([find_dataset(session, name)], None)
            rows = [(row.name, row.file_path, row.file_hash) for row in page.rows]
        found += [
            VerifiedDataset(called, _state(store, tenant_id, path, digest), path) for called, path, digest in rows
        ]
        if page.next is None:
            return found
        before = page.next


def tidy_files(store: DatasetStore) -> int:
    """Delete the files of the store that no dataset has and no worker is writing; return how many.

    Whose they were is in their path; a tenant that was deleted has neither. The folder is looked at before the rows:
    a file that is there belongs to a job that has begun, so it is judged by what became of that.

    Raises:
        ConfigurationError: the store cannot be written.
    """
    refuse_in_block("tidy_files")
    store = own_part(store)
    by_tenant: dict[UUID, list[StoredFile]] = defaultdict(list)
    for file in store.files():
        by_tenant[file.tenant_id].append(file)
    stray = []
    for tenant_id, files in by_tenant.items():
        with read_session(tenant=tenant_id) as session:
            kept = _kept(session, files)
        stray += [file for file in files if file.job_id not in kept[1] and file.path not in kept[0]]
    for file in stray:
        store.remove_stored(file)
    return len(stray)


def _kept(session: TenantSession, files: list[StoredFile]) -> tuple[set[str], set[UUID]]:
    """Return the paths of datasets among ``files``, and the jobs that are being done; three statements."""
    paths = [file.path for file in files if file.path is not None]
    running: set[UUID] = set()
    for model in _JOBS:  # before the datasets: a job that completes in between has one by then
        running |= set(session.scalars(select(model.id).where(model.status == DatasetJobStatus.RUNNING)))
    kept = set(session.scalars(select(Dataset.file_path).where(is_any_of(session, Dataset.file_path, paths))))
    return kept, running


def _state(store: DatasetStore, tenant_id: UUID, path: str, digest: str) -> FileState:
    if not store.holds(tenant_id, path):
        return FileState.ELSEWHERE
    try:
        return FileState.WHOLE if store.hash_of(tenant_id, path) == digest else FileState.CHANGED
    except NotFound:
        return FileState.MISSING
    except ConfigurationError:
        return FileState.CHANGED
