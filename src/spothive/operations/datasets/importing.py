"""Importing a file of market facts or events as a dataset."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from uuid import UUID

from sqlalchemy import select

from spothive.blocks import refuse_in_block
from spothive.database import TenantSession, read_session
from spothive.database.bulk import is_any_of
from spothive.errors import (
    AlreadyRunning,
    ConfigurationError,
    DatabaseUnavailable,
    InvalidInput,
    RowsRefused,
    SpothiveError,
)
from spothive.gateways.dataset_store import DatasetDraft, DatasetStore
from spothive.models import DatasetImport, DatasetKind, Instance
from spothive.operations.actor import Actor
from spothive.operations.datasets.jobs import HeldJob, JobCancelled, MadeDataset, Written, ask, claim
from spothive.operations.datasets.place import own_part
from spothive.operations.datasets.reading_files import COLUMNS, BadRow, Entry, Row, read_entries
from spothive.operations.sessions import Sessions
from spothive.settings import get_settings

AT_ONCE: Final = 500
"""Rows that are written at once, and whose instances are looked up by one statement."""

BAD_ROWS_SHOWN: Final = 20
"""Bad rows that are listed; all are counted."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import.

    Attributes:
        name: what it is called, without its folder; at most 200 characters.
        file: open for reading bytes, and able to go back to its beginning.
        size: in bytes.
    """

    name: str
    file: BinaryIO
    size: int


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What is to become of a file.

    Attributes:
        name: of the dataset.
        kind: what the file is expected to hold; whatever it holds when None.
        keep_good: leave bad rows out instead of refusing the file.
        replace: whether it may take the place of a dataset of this name.
    """

    name: str
    kind: DatasetKind | None = None
    keep_good: bool = False
    replace: bool = False


def import_dataset(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    store: DatasetStore,
    source: Source,
    wish: ImportWish,
    progress: Progress | None = None,
) -> MadeDataset:
    """Read a file into a dataset of normalised CSV; all of it, or nothing unless bad rows are to be left out.

    It takes advisor ratings and spot prices (kind market), and what EventBridge announces of spot instances (kind
    interruptions), as JSON or CSV; see the guide. Of an event the zone and the type come from the tenant's inventory,
    and the instance itself is left out.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who imports.
        tenant_id: whose dataset it becomes.
        store: where its file goes.
        source: the file.
        wish: what is to become of it.
        progress: is told bytes read and in all.

    Raises:
        Denied: the role does not allow it.
        Conflict: a dataset has this name.
        RowsRefused: rows are bad; the first 20 are named.
        InvalidInput: the file cannot be read, is too large, holds nothing, or another kind.
        JobCancelled: somebody cancelled it meanwhile.
        AlreadyRunning: it stood still for so long that its lease ran out.
        ConfigurationError: the store cannot be written.
    """
    refuse_in_block("import_dataset")
    store = own_part(store)
    config = {"file": source.name, "kind": wish.kind, "keep_good": wish.keep_good, "replace": wish.replace}
    with sessions(tenant=tenant_id) as session:
        job = DatasetImport(name=wish.name, config=config)
        ask(session, actor, job, event="dataset.import_asked")
        held = HeldJob(sessions, actor, tenant_id, job, claim(session, job))
    with writing(held, store, tenant_id) as draft:
        _refuse_large(source)
        taken = _Taken(draft, tenant_id, wish, source.name)

        def keep() -> int:
            done = min(source.file.tell(), source.size)
            held.keep(taken.rows, done * 100 // max(source.size, 1))
            return done

        for number, entry in enumerate(read_entries(source.file, keep), 1):
            taken.take(entry)
            if number % AT_ONCE == 0:
                done = keep()
                if progress:
                    progress(done, source.size)
        written = taken.finish()
        made = held.complete(written, refused=taken.first_bad, refused_count=taken.bad)
    tidy_replaced(store, tenant_id, made)
    return made


@contextmanager
def writing(held: HeldJob, store: DatasetStore, tenant_id: UUID) -> Iterator[DatasetDraft]:
    """Write the file of a job in the block; whatever ends it early leaves no file, and ends the job as FAILED."""
    draft = None
    try:
        draft = store.draft(tenant_id, held.id)
        yield draft
    except BaseException as error:
        if draft is not None:
            with suppress(ConfigurationError):
                draft.drop()
                # Of a commit whose answer was lost nobody knows; the sweep does, later.
                if isinstance(error, SpothiveError) and not isinstance(error, DatabaseUnavailable):
                    store.remove(tenant_id, draft.path)
        if not isinstance(error, (JobCancelled, AlreadyRunning)):
            with suppress(SpothiveError):
                held.fail(error)
        raise


def tidy_replaced(store: DatasetStore, tenant_id: UUID, made: MadeDataset) -> None:
    """Delete the file that a dataset had before; the sweep does it where that fails."""
    if made.replaced is not None:
        with suppress(ConfigurationError):
            store.remove(tenant_id, made.replaced)


def csv_bytes(rows: list[Row]) -> bytes:
    """Return rows as CSV: commas, quotes where needed, and a line feed after each."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


class _Taken:
    """What was read of a file so far, and where it goes."""

    def __init__(self, draft: DatasetDraft, tenant_id: UUID, wish: ImportWish, name: str) -> None:
        self.kind, self.rows, self.bad = wish.kind, 0, 0
        self.first_bad: list[BadRow] = []
        self._draft, self._tenant_id, self._keep_good, self._name = draft, tenant_id, wish.keep_good, name
        self._waiting: list[Entry] = []
        self._most = get_settings().dataset_max_rows

    def take(self, entry: Entry) -> None:
        """Write a row, or count it as bad.

        Raises:
            InvalidInput: these are more rows than a dataset may have.
        """
        if reason := self._reason(entry):
            self.bad += 1
            if len(self.first_bad) < BAD_ROWS_SHOWN:
                self.first_bad.append(BadRow(entry.line, reason))
        elif entry.row:
            if not self.rows:
                self._draft.write(csv_bytes([COLUMNS[entry.kind]]))
            self.kind = entry.kind
            self.rows += 1
            if not self.bad or self._keep_good:  # else nothing is kept, and only counting goes on
                self._waiting.append(entry)
        if self.rows > self._most:
            msg = f"{self._name} has more than {self._most:,} rows: split it, or set SPOTHIVE_DATASET_MAX_ROWS"
            raise InvalidInput(msg)
        if len(self._waiting) >= AT_ONCE:
            self._write()

    def finish(self) -> Written:
        """Bring everything to disk.

        Raises:
            RowsRefused: rows are bad, or there is none at all.
        """
        if self.bad and not self._keep_good:
            first = "; ".join(f"line {each.line}: {each.reason[:120]}" for each in self.first_bad[:3])
            msg = (
                f"{self.bad} of {self.rows + self.bad} rows are bad, and nothing was imported: {first}; mend them, or "
                "leave them out with --keep-good"
            )
            raise RowsRefused(msg, refused=self.first_bad, count=self.bad)
        if not self.rows or self.kind is None:
            msg = f"{self._name} holds no row that can be imported"
            raise RowsRefused(msg, refused=self.first_bad, count=self.bad)
        self._write()
        return Written(self.kind, self._draft.path, self._draft.keep(), self.rows, COLUMNS[self.kind])

    def _write(self) -> None:
        self._draft.write(csv_bytes(_completed(self._tenant_id, self._waiting)))
        self._waiting.clear()

    def _reason(self, entry: Entry) -> str | None:
        """Return why an entry is left out, if it is."""
        if entry.reason is None and entry.row and self.kind not in {None, entry.kind}:
            return f"it is about {entry.kind}, and the dataset about {self.kind}"
        return entry.reason


def _completed(tenant_id: UUID, entries: list[Entry]) -> list[Row]:
    """Return the rows of ``entries``, with zone and type of the instances that the tenant knows; one statement."""
    wanted = {entry.instance_id for entry in entries if entry.instance_id is not None}
    if not wanted:
        return [entry.row for entry in entries]
    with read_session(tenant=tenant_id) as session:
        known = _pools(session, wanted)
    rows = []
    for entry in entries:
        row = entry.row
        if entry.instance_id is not None:
            event_type, region, _, _, reported_at = row
            zone, instance_type = known.get((entry.instance_id, region), ("", ""))
            row = (event_type, region, zone, instance_type, reported_at)
        rows.append(row)
    return rows


def _pools(session: TenantSession, instance_ids: set[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (instance, region) to zone and type."""
    columns: Any = (Instance.instance_id, Instance.region, Instance.availability_zone, Instance.instance_type)
    query = select(*columns).where(is_any_of(session, Instance.instance_id, sorted(instance_ids)))
    return {(name, region): (zone, kind) for name, region, zone, kind in session.execute(query)}


def _refuse_large(source: Source) -> None:
    most = get_settings().dataset_max_bytes
    if source.size > most:
        msg = f"{source.name} is larger than {most / 2**20:,.0f} MB: split it, or set SPOTHIVE_DATASET_MAX_BYTES"
        raise InvalidInput(msg)
