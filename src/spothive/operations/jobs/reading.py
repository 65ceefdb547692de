"""Reading jobs and actions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, or_, select
from sqlalchemy.orm import joinedload

from spothive.database import TenantSession
from spothive.database.pages import MAX_PAGE, Page
from spothive.errors import InvalidInput, NotFound
from spothive.models import ActionStatus, AgentAction, JobStatus, OptimizationJob
from spothive.schema.types import clock_timestamp

Row = TypeVar("Row", AgentAction, OptimizationJob)

_PLACE_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """Which actions to list; empty or None does not matter.

    Attributes:
        cluster_id: of this cluster.
        job_id: of this job.
        statuses: in one of these.
    """

    cluster_id: UUID | None = None
    job_id: UUID | None = None
    statuses: Collection[ActionStatus] = ()


def list_actions(
    session: TenantSession, wanted: ActionFilter, *, limit: int = 100, before: str | None = None
) -> Page[AgentAction]:
    """Return one page of the tenant's actions with their clusters, newest first; one statement.

    Args:
        session: of the tenant.
        wanted: which.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(AgentAction).options(joinedload(AgentAction.cluster))
    if wanted.cluster_id is not None:
        query = query.where(AgentAction.cluster_id == wanted.cluster_id)
    if wanted.job_id is not None:
        query = query.where(AgentAction.optimization_job_id == wanted.job_id)
    if wanted.statuses:
        query = query.where(AgentAction.status.in_(sorted(wanted.statuses)))
    return _page(session, AgentAction, query, limit, before)


def list_jobs(
    session: TenantSession,
    *,
    cluster_id: UUID | None = None,
    statuses: Collection[JobStatus] = (),
    limit: int = 100,
    before: str | None = None,
) -> Page[OptimizationJob]:
    """Return one page of the tenant's jobs with their clusters, newest first; one statement, raises likewise."""
    query = select(OptimizationJob).options(joinedload(OptimizationJob.cluster))
    if cluster_id is not None:
        query = query.where(OptimizationJob.cluster_id == cluster_id)
    if statuses:
        query = query.where(OptimizationJob.status.in_(sorted(statuses)))
    return _page(session, OptimizationJob, query, limit, before)


def find_action(session: TenantSession, action_id: UUID) -> AgentAction:
    """Return one action with its cluster.

    Raises:
        NotFound: the tenant has no such action.
    """
    query = select(AgentAction).where(AgentAction.id == action_id).options(joinedload(AgentAction.cluster))
    found = session.scalar(query)
    if found is None:
        msg = f"no action has the id {action_id}: see `spothive action list`"
        raise NotFound(msg)
    return found


def find_by_key(session: TenantSession, cluster_id: UUID, key: str) -> AgentAction | None:
    """Return the action of a cluster that was asked for by this idempotency key, if there is one. One statement."""
    mine = (AgentAction.cluster_id == cluster_id, AgentAction.idempotency_key == key)
    return session.scalar(select(AgentAction).where(*mine))


def find_job(session: TenantSession, job_id: UUID) -> OptimizationJob:
    """Return one job with its cluster.

    Raises:
        NotFound: the tenant has no such job.
    """
    query = select(OptimizationJob).where(OptimizationJob.id == job_id).options(joinedload(OptimizationJob.cluster))
    found = session.scalar(query)
    if found is None:
        raise no_such_job(job_id)
    return found


def no_such_job(job_id: UUID) -> NotFound:
    """Return the refusal of a job that the tenant does not have."""
    return NotFound(f"no job has the id {job_id}: see `spothive job list`")


def has_open_actions(session: TenantSession, cluster_id: UUID) -> bool:
    """Tell whether agents of a cluster have, or will have, something to do: what waits, and what is leased."""
    return session.scalar(select(or_(*(exists().where(*which) for which in _open(cluster_id))))) is True


def count_open_actions(session: TenantSession, cluster_id: UUID) -> int:
    """Return how many of those there are. One statement, which reads them all."""
    waits, leased = (select(func.count()).where(*which).scalar_subquery() for which in _open(cluster_id))
    return int(session.scalars(select(waits + leased)).one())


def _open(cluster_id: UUID) -> tuple[tuple[ColumnElement[bool], ...], tuple[ColumnElement[bool], ...]]:
    """Return the conditions of what waits, and of what is leased; their words are literally those of indexes."""
    pending: ColumnElement[str] = literal_column(f"'{ActionStatus.PENDING}'")
    picked_up: ColumnElement[str] = literal_column(f"'{ActionStatus.PICKED_UP}'")
    mine, now = AgentAction.cluster_id == cluster_id, clock_timestamp()
    return (
        (mine, AgentAction.status == pending, AgentAction.expires_at > now),
        (mine, AgentAction.status == picked_up, AgentAction.leased_until > now),
    )


def _page(session: TenantSession, model: Any, query: Select[Row], limit: int, before: str | None) -> Page[Row]:
    """Return one page by id: ids are made in the order of time, and every table has an index on them."""
    if not 1 <= limit <= MAX_PAGE:
        msg = f"a page has 1 to {MAX_PAGE} rows"
        raise InvalidInput(msg)
    if before is not None:
        try:
            query = query.where(model.id < UUID(before))
        except ValueError:
            msg = f"{before[:_PLACE_MAX]!r} is no place to go on from: give what the page before named"
            raise InvalidInput(msg) from None
    rows = list(session.scalars(query.order_by(model.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], rows[limit - 1].id.hex if len(rows) > limit else None)
