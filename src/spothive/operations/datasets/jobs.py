"""The jobs that make datasets: asked for, held under a lease by one worker, and ended once.

A worker that is killed lets its lease run out; the sweep ends its job and tidies its file away. Whoever cancels a job
only moves its row: the worker finds out when it next writes, a second later at most, and leaves no file behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, select, update

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first, place
from spothive.errors import AlreadyRunning, Conflict, DuplicateValue, InvalidInput, NotFound, SpothiveError
from spothive.models import Dataset, DatasetGeneration, DatasetImport, DatasetJobStatus, DatasetKind, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp

LEASE: Final = timedelta(minutes=2)
"""How long a job may go without a word before it counts as dead; it is extended every second while rows come."""

WRITE_EVERY: Final = 1.0
"""Seconds between two writes of progress."""

Job: TypeAlias = DatasetGeneration | DatasetImport
_KINDS: Final[tuple[type[Job], ...]] = (DatasetImport, DatasetGeneration)
_ENDED: Final = {DatasetImport: "dataset.imported", DatasetGeneration: "dataset.generated"}
_REASON_MAX: Final = 4000


class JobCancelled(Conflict):
    """Somebody cancelled the job that was under way; nothing of it is left."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written for a dataset.

    Attributes:
        kind: what its rows describe.
        path: where the store keeps it.
        file_hash: its SHA-256.
        rows: how many it holds, without the line of names.
        columns: their names, in order.
    """

    kind: DatasetKind
    path: str
    file_hash: str
    rows: int
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class MadeDataset:
    """What a job came to.

    Attributes:
        id: of the dataset.
        name: of the dataset.
        written: its file.
        replaced: path of the file that it took the place of.
        refused: the rows that were left out, the first of them.
        refused_count: how many there are.
    """

    id: UUID
    name: str
    written: Written
    replaced: str | None = None
    refused: Sequence[Any] = ()
    refused_count: int = 0


def ask(session: TenantSession, actor: Actor, job: Job, *, event: str) -> None:
    """Write a PENDING job down, with its audit row.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: the name is blank or too long.
        Conflict: a dataset has this name, and is not to be replaced.
    """
    require(actor, Action.MANAGE, attempt=event, resource=job.name, resource_type=ResourceType.DATASET)
    refuse_taken(session, job)
    session.add(job)
    session.flush()  # so that what its rules refuse is refused here
    record(session, actor, event, job.name, ResourceType.DATASET, after=dict(job.config))


def refuse_taken(session: TenantSession, job: Job) -> None:
    """Refuse a name that another dataset has, unless it is to be replaced.

    Raises:
        InvalidInput: the name is blank.
        Conflict: it is taken.
    """
    if not job.name.strip():
        msg = "the name of a dataset is blank: give it one"
        raise InvalidInput(msg)
    if not job.config.get("replace") and session.scalar(select(Dataset.id).where(Dataset.name == job.name)):
        msg = f"a dataset is called {job.name[:80]!r} already: choose another name, or replace it (--replace)"
        raise Conflict(msg)


class HeldJob:
    """A job that this process has."""

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, job: Job, token: UUID) -> None:
        """Hold ``job``, which :func:`claim` took with ``token``."""
        self.id, self.name, self.config = job.id, job.name, dict(job.config)
        self._model, self._token = type(job), token
        self._sessions, self._actor, self._tenant_id = sessions, actor, tenant_id
        self._percent, self._next = job.progress, monotonic() + WRITE_EVERY

    def keep(self, rows: int, percent: int) -> None:
        """Write down how far the job is, at most once a second, which extends its lease.

        Raises:
            JobCancelled: somebody cancelled it.
            AlreadyRunning: its lease ran out, and it was ended.
        """
        if monotonic() < self._next:
            return
        self._percent = max(self._percent, min(percent, 99))
        with self._sessions(tenant=self._tenant_id) as session:
            now = session.scalars(select(clock_timestamp())).one()
            far = {"progress": self._percent, "rows": rows, "leased_until": now + LEASE, "updated_at": now}
            held = update(self._model).where(*self._mine()).values(**far)
            done: Any = session.execute(held, execution_options={"synchronize_session": False})
            if not done.rowcount:
                raise self._lost(session)
        self._next = monotonic() + WRITE_EVERY

    def complete(self, written: Written, *, refused: Sequence[Any] = (), refused_count: int = 0) -> MadeDataset:
        """End the job by the dataset it made, in one transaction.

        Raises:
            JobCancelled: somebody cancelled it.
            AlreadyRunning: its lease ran out.
            Conflict: another dataset has the name by now.
        """
        with self._sessions(tenant=self._tenant_id) as session:
            job: Job | None = session.scalar(self._found(*self._mine()).with_for_update())
            if job is None:
                raise self._lost(session)
            refuse_taken(session, job)
            dataset, replaced = self._dataset(session, job, written)
            over = {"completed_at": clock_timestamp(), "lease_token": None, "leased_until": None, "progress": 100}
            result: dict[str, Any] = {"dataset_id": dataset.id, "rows": written.rows, "output_path": written.path}
            if refused_count:
                shown = [{"line": each.line, "reason": each.reason[:200]} for each in refused]
                result["config"] = {**job.config, "refused": refused_count, "first_refused": shown}
            move(session, job, self._model.status, DatasetJobStatus.COMPLETED, **over, **result)
            after = {"kind": written.kind, "rows": written.rows, "sha256": written.file_hash}
            if refused_count:
                after["refused"] = refused_count
            record(session, self._actor, _ENDED[self._model], self.name, ResourceType.DATASET, after=after)
            return MadeDataset(dataset.id, self.name, written, replaced, refused, refused_count)

    def fail(self, error: BaseException) -> None:
        """End the job as FAILED, unless it is this process's no more."""
        reason = str(error) if isinstance(error, SpothiveError) else f"broke off: {type(error).__name__}"
        with self._sessions(tenant=self._tenant_id) as session:
            job: Job | None = session.scalar(self._found(*self._mine(alive=False)).with_for_update())
            if job is None:
                return
            over = {"completed_at": clock_timestamp(), "lease_token": None, "leased_until": None}
            move(session, job, self._model.status, DatasetJobStatus.FAILED, **over, error_message=reason[:_REASON_MAX])
            told = error if isinstance(error, SpothiveError) else SpothiveError(reason)
            record_failure(session, self._actor, _ENDED[self._model], self.name, ResourceType.DATASET, reason=told)

    def _dataset(self, session: TenantSession, job: Job, written: Written) -> tuple[Dataset, str | None]:
        """Return the dataset, new or with another file, and the path of the file it had."""
        facts = {
            "kind": written.kind,
            "row_count": written.rows,
            "file_path": written.path,
            "file_hash": written.file_hash,
            "columns": list(written.columns),
            "created_by": self._actor.actor_id,
        }
        query = select(Dataset).where(Dataset.name == self.name).with_for_update()
        dataset = session.scalar(query)
        if dataset is None:
            made = Dataset(name=self.name, **facts)
            try:
                with session.begin_nested():  # another job may bring the same name at this moment
                    session.add(made)
            except DuplicateValue:
                refuse_taken(session, job)
                dataset = session.scalars(query).one()
            else:
                return made, None
        former = dataset.file_path
        for name, value in facts.items():
            setattr(dataset, name, value)
        session.flush()  # so that what its rules refuse is refused here
        return dataset, former

    def _found(self, *which: Any) -> Any:
        return select(self._model).where(*which)

    def _mine(self, *, alive: bool = True) -> list[Any]:
        model = self._model
        mine = [model.id == self.id, model.status == DatasetJobStatus.RUNNING, model.lease_token == self._token]
        return [*mine, model.leased_until > clock_timestamp()] if alive else mine

    def _lost(self, session: TenantSession) -> Conflict:
        status = session.scalar(select(self._model.status).where(self._model.id == self.id))
        if status is DatasetJobStatus.CANCELLED:
            return JobCancelled(f"the making of {self.name[:80]!r} was cancelled: nothing of it is left")
        return AlreadyRunning(f"the lease on the making of {self.name[:80]!r} ran out: make it again")


def claim(session: TenantSession, job: Job) -> UUID:
    """Take a PENDING job, for as long as :data:`LEASE`; return the token that says so.

    Raises:
        Conflict: it is no longer PENDING.
    """
    token, now = uuid4(), session.scalars(select(clock_timestamp())).one()
    lease = {"lease_token": token, "leased_until": now + LEASE, "started_at": now}
    move(session, job, type(job).status, DatasetJobStatus.RUNNING, **lease)
    return token


def find_job(session: TenantSession, job_id: str) -> Job:
    """Return the tenant's job of either kind with this id.

    Raises:
        NotFound: there is none.
    """
    try:
        wanted = UUID(job_id)
    except ValueError:
        wanted = UUID(int=0)
    for model in _KINDS:
        query: Any = select(model).where(model.id == wanted)
        found: Job | None = session.scalar(query)
        if found is not None:
            return found
    msg = f"no job has the id {job_id[:60]!r}: see `spothive dataset jobs`"
    raise NotFound(msg)


def list_jobs(
    session: TenantSession, *, status: DatasetJobStatus | None = None, limit: int = 100, before: str | None = None
) -> Page[Job]:
    """Return one page of the tenant's jobs of both kinds, newest first; two statements.

    Args:
        session: of the tenant.
        status: only those that are so far.
        limit: most jobs, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    rows: list[Job] = []
    more = False
    for model in _KINDS:
        query: Any = select(model)
        if status is not None:
            query = query.where(model.status == status)
        page: Page[Any] = newest_first(session, model, query, limit=limit, before=before, by="created_at")
        rows += page.rows
        more = more or page.next is not None
    rows.sort(key=lambda job: (job.created_at, job.id), reverse=True)
    more, rows = more or len(rows) > limit, rows[:limit]
    return Page(rows, place(rows[-1].created_at, rows[-1].id) if more else None)


def cancel_job(session: TenantSession, actor: Actor, *, job_id: str) -> Job:
    """Cancel a job that is PENDING or RUNNING.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such job.
        IllegalMove: it has ended.
        Conflict: it ended at this moment.
    """
    event = "dataset.cancelled"
    require(actor, Action.MANAGE, attempt=event, resource=job_id, resource_type=ResourceType.DATASET)
    job = find_job(session, job_id)
    before = {"status": job.status}
    over = {"completed_at": clock_timestamp(), "lease_token": None, "leased_until": None}
    move(session, job, type(job).status, DatasetJobStatus.CANCELLED, **over)
    after = {"status": job.status, "dataset": job.name}
    record(session, actor, event, job_id, ResourceType.DATASET, before=before, after=after)
    return job


def end_dead_jobs(session: TenantSession, actor: Actor) -> int:
    """End the RUNNING jobs whose workers have let their leases run out, as FAILED; return how many.

    Three statements. What they wrote is tidied away by :func:`~spothive.operations.datasets.tidy_files`.

    Raises:
        Denied: the role does not allow it.
    """
    event, called, ended = "datasets.ended", "datasets", 0
    require(actor, Action.MANAGE, attempt=event, resource=called, resource_type=ResourceType.DATASET)
    now = session.scalars(select(clock_timestamp())).one()
    for model in _KINDS:
        dead = select(model.id).where(model.status == DatasetJobStatus.RUNNING, model.leased_until <= now)
        over = {"completed_at": now, "lease_token": None, "leased_until": None, "updated_at": now}
        why = "its process stopped without a word, and its lease was over: make the dataset again"
        end = update(model).where(model.id.in_(dead.with_for_update(skip_locked=True)))
        end = end.values(status=DatasetJobStatus.FAILED, error_message=why, **over)
        done: CursorResult[Any] = session.execute(end, execution_options={"synchronize_session": False})  # type: ignore[assignment]  # of an UPDATE
        ended += done.rowcount
    if ended:
        record(session, actor, event, called, ResourceType.DATASET, after={"failed": ended})
    return ended
