"""Ending what nobody will end: actions whose time is over, and those of agents that were not heard of again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.models import ActionStatus
from spothive.queue.engines import words_of
from spothive.queue.later import after_backoff
from spothive.queue.statements import ACTIONS, PENDING, PICKED_UP
from spothive.schema.types import clock_timestamp

ENDED_AT_ONCE: Final = 500
"""Most actions that one statement ends."""

UNHEARD: Final = "the agent was not heard of again before its lease was over"
_UNCLAIMED: Final = "no agent took it before it expired"


@dataclass(frozen=True, slots=True)
class Ended:
    """What was done about actions.

    Attributes:
        expired: not done in time.
        failed: given up: the agent died at it each time.
        given_back: to be handed out again, unless it is one of those that expired.
        jobs: of which an action has ended.
        more: whether there may be more to be done.
    """

    expired: int
    failed: int
    given_back: int
    jobs: frozenset[UUID]
    more: bool

    @property
    def total(self) -> int:
        """How many actions."""
        return self.expired + self.failed + self.given_back


def end_overdue(session: TenantSession) -> Ended:
    """End the tenant's actions that are overdue, at most 500 of a kind; two statements.

    What was leased and not heard of goes back, after a backoff; or is FAILED if that was the last try. Then what waits
    and has expired is EXPIRED. What somebody else is about to change is left for the next time.
    """
    again = ACTIONS.c.attempts < ACTIONS.c.max_attempts
    now = sa.select(clock_timestamp()).scalar_subquery()  # once a statement, so that an index can be asked for it
    dead = _end(
        session,
        (ACTIONS.c.status == PICKED_UP, ACTIONS.c.leased_until < now),
        status=sa.case((again, ActionStatus.PENDING), else_=ActionStatus.FAILED),
        leased_until=None,
        available_at=sa.case((again, after_backoff()), else_=ACTIONS.c.available_at),
        completed_at=sa.case((again, sa.null()), else_=clock_timestamp()),
        error_message=UNHEARD,
    )
    is_open = ACTIONS.c.status.in_([PENDING, PICKED_UP])  # as the index says it
    late = _end(
        session,
        (is_open, ACTIONS.c.status == PENDING, ACTIONS.c.expires_at < now),
        status=ActionStatus.EXPIRED,
        completed_at=clock_timestamp(),
        error_message=sa.func.coalesce(ACTIONS.c.error_message, _UNCLAIMED),
    )
    became = [row.status for row in dead]
    ended = [row for row in (*dead, *late) if row.status is not ActionStatus.PENDING]
    return Ended(
        len(late),
        became.count(ActionStatus.FAILED),
        became.count(ActionStatus.PENDING),
        frozenset(row.optimization_job_id for row in ended if row.optimization_job_id is not None),
        max(len(dead), len(late)) == ENDED_AT_ONCE,
    )


def _end(session: TenantSession, which: Sequence[sa.ColumnElement[bool]], **values: Any) -> Sequence[Any]:
    """Write ``values`` to at most 500 actions; return the status and the job of each. One statement."""
    mine = ACTIONS.c.tenant_id == session.tenant_id
    found = sa.select(ACTIONS.c.id).where(mine, *which).limit(sa.literal_column(str(ENDED_AT_ONCE)))
    end = sa.update(ACTIONS).where(mine, ACTIONS.c.id.in_(words_of(session).locked(found)))
    changed = end.values(updated_at=clock_timestamp(), **values)
    return session.execute(changed.returning(ACTIONS.c.status, ACTIONS.c.optimization_job_id)).all()
