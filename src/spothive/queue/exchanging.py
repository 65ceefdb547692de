"""Handing actions out and taking reports: what a worker does, again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.errors import InvalidInput
from spothive.models import ActionStatus
from spothive.models.jobs import TOKEN_MAX
from spothive.queue.engines import words_of
from spothive.queue.later import clock_after
from spothive.queue.statements import DONE, HOPELESS, WRONG
from spothive.queue.terms import (
    CLAIMED_AT_ONCE,
    LONGEST_LEASE,
    SHORTEST_LEASE,
    Exchanged,
    HandedOut,
    Lease,
    Report,
    Reported,
)
from spothive.schema.types import clock_timestamp, strict_json

_ERROR_MAX = 1024
_BECAME = {
    ActionStatus.COMPLETED: Reported.COMPLETED,
    ActionStatus.PENDING: Reported.RETRY,
    ActionStatus.FAILED: Reported.FAILED,
}


def exchange(
    session: TenantSession, cluster_id: UUID, reports: Sequence[Report] = (), *, limit: int, lease: timedelta
) -> Exchanged:
    """Report what is finished, and take what is next: one statement on PostgreSQL, on SQLite one for each half.

    A report with a token that is not the latest changes nothing and is STALE; the others of the batch are taken. A
    lease that is over still counts, as long as nobody else has the action. Without anything to report or to hand out
    nothing is written.

    Args:
        session: of the tenant; what is handed out is the caller's from the commit on.
        cluster_id: cluster of the agent.
        reports: at most 100, of different actions.
        limit: most actions to take, 0 to 100: first by priority, then the oldest.
        lease: for how long they are withheld from others.

    Raises:
        InvalidInput: a number or a lease is out of range, two reports are of one action, a result is no object of
            strict JSON of at most 256 kB, or a token is no whole number. Nothing of the call is written then: report
            the others without it.
    """
    _refuse_odd(len(reports), limit, lease)
    rows = sorted(map(_as_row, reports))
    if len({row[0] for row in rows}) < len(rows):
        msg = "two reports are of the same action: report on each once"
        raise InvalidInput(msg)
    found = words_of(session).exchange(session, cluster_id, rows, limit=limit, lease=lease)
    done = {row.id: row for row in found if row.status != ActionStatus.PICKED_UP}
    out = [row for row in found if row.status == ActionStatus.PICKED_UP]
    out.sort(key=lambda row: (row.priority, row.created_at, row.id))
    ids = (each.lease.action_id for each in reports)
    reported = {each: _BECAME[row.status] if (row := done.get(each)) else Reported.STALE for each in ids}
    ended = (row for row in done.values() if row.status != ActionStatus.PENDING)
    jobs = frozenset(row.optimization_job_id for row in ended if row.optimization_job_id is not None)
    return Exchanged(reported, [_handed_out(row) for row in out], jobs)


def claim(session: TenantSession, cluster_id: UUID, *, limit: int, lease: timedelta) -> list[HandedOut]:
    """Take what is to be done next, as :func:`exchange` does."""
    return exchange(session, cluster_id, limit=limit, lease=lease).handed_out


def report(session: TenantSession, cluster_id: UUID, reports: Sequence[Report]) -> Exchanged:
    """Report what is finished, as :func:`exchange` does."""
    return exchange(session, cluster_id, reports, limit=0, lease=LONGEST_LEASE)


def complete(
    session: TenantSession, cluster_id: UUID, lease: Lease, result: Mapping[str, Any] | None = None
) -> Reported:
    """Report that an action was done, as :func:`exchange` does."""
    return report(session, cluster_id, [Report(lease, result=result)]).reported[lease.action_id]


def fail(session: TenantSession, cluster_id: UUID, lease: Lease, error: str, *, retry: bool = True) -> Reported:
    """Report that an action went wrong, as :func:`exchange` does."""
    return report(session, cluster_id, [Report(lease, error, retry=retry)]).reported[lease.action_id]


def extend(
    session: TenantSession, cluster_id: UUID, leases: Iterable[Lease], *, by: timedelta
) -> dict[UUID, datetime | None]:
    """Let actions be withheld from others until ``by`` from now; one statement.

    Returns:
        For each action until when (UTC); None if the lease is lost: stop working on that one.

    Raises:
        InvalidInput: more than 100 leases, one that is out of range, or a token that is no whole number.
    """
    wanted = list(leases)
    _refuse_odd(len(wanted), 0, by)
    rows = sorted(map(_named, wanted))
    until: dict[UUID, datetime | None] = {each.action_id: None for each in wanted}
    if wanted:
        later = clock_after(sa.literal(by.total_seconds(), sa.Float))
        values = {"leased_until": later, "updated_at": clock_timestamp()}
        until |= {row.id: row.leased_until for row in words_of(session).extend(session, cluster_id, rows, values)}
    return until


def _refuse_odd(number: int, limit: int, lease: timedelta) -> None:
    if number > CLAIMED_AT_ONCE or not 0 <= limit <= CLAIMED_AT_ONCE:
        msg = f"one call is about {CLAIMED_AT_ONCE} actions at most"
        raise InvalidInput(msg)
    if not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        shortest, longest = SHORTEST_LEASE.total_seconds(), LONGEST_LEASE.total_seconds()
        msg = f"a lease lasts {shortest:.0f} to {longest:.0f} seconds, and is extended before it is over"
        raise InvalidInput(msg)


def _as_row(each: Report) -> list[Any]:
    """Return a report as the texts of :data:`~spothive.queue.statements.REPORT_COLUMNS`."""
    verdict = DONE if each.error is None else WRONG if each.retry else HOPELESS
    result = None if each.result is None else strict_json(_as_object(each.result))
    error = None if each.error is None else _legible(each.error)[:_ERROR_MAX]
    return [*_named(each.lease), verdict, result, error]


def _as_object(result: Any) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        msg = "a result is a JSON object"
        raise InvalidInput(msg)
    return dict(result)


def _legible(error: str) -> str:
    """Return what went wrong, with escapes for what no database stores: what an agent tells of is never refused."""
    return str(error).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _named(lease: Lease) -> list[str]:
    """Return the id and the token of a lease as texts; a number that no hand-out can have becomes one that none has."""
    action_id, token = cast("tuple[object, object]", (lease.action_id, lease.token))  # an agent's words
    if not isinstance(action_id, UUID) or not isinstance(token, int) or isinstance(token, bool):
        msg = "a lease is named by the id of its action and a whole number, as they were handed out"
        raise InvalidInput(msg)
    return [action_id.hex, str(token if 0 < token <= TOKEN_MAX else 0)]


def _handed_out(row: Any) -> HandedOut:
    return HandedOut(
        Lease(row.id, row.lease_token),
        row.action_type,
        row.payload,
        row.idempotency_key,
        row.attempts,
        row.max_attempts,
        row.leased_until.astimezone(UTC),
        row.expires_at.astimezone(UTC),
    )
