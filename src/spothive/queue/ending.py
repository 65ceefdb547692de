"""Ending what nobody will end: actions whose time is over, and those of agents that were not heard of again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.models import ActionStatus
from spothive.queue.engines import words_of
from spothive.queue.later import after_backoff
from spothive.queue.statements import ACTIONS, PENDING, PICKED_UP
from spothive.schema.types import clock_timestamp

ENDED_AT_ONCE: Final = 500
"""Actions that are ended in one transaction."""

UNHEARD: Final = "the agent was not heard of again before its lease was over"
_UNCLAIMED: Final = "no agent took it before it expired"


@dataclass(frozen=True, slots=True)
class Ended:
    """What was done about actions.

    Attributes:
        expired: not done in time.
        failed: given up: the agent died at it each time.
        given_back: to be handed out again.
        jobs: of which an action has ended.
    """

    expired: int
    failed: int
    given_back: int
    jobs: frozenset[UUID]

    @property
    def total(self) -> int:
        """How many actions."""
        return self.expired + self.failed + self.given_back


def end_overdue(session: TenantSession) -> Ended:
    """End at most 500 of the tenant's actions that are overdue; one statement.

    What has expired and waits is EXPIRED. What was leased and not heard of waits again, after a backoff, even if it
    expires by the next call; or is FAILED if that was the last try. What somebody else is about to change is left for
    the next time.
    """
    tenant_id = session.tenant_id
    words, now = words_of(session), clock_timestamp()
    waits, leased = ACTIONS.c.status == PENDING, ACTIONS.c.status == PICKED_UP
    overdue = (
        sa.select(ACTIONS.c.id)
        .where(
            ACTIONS.c.tenant_id == tenant_id,
            ACTIONS.c.status.in_([PENDING, PICKED_UP]),
            sa.or_(
                sa.and_(waits, ACTIONS.c.expires_at < now),
                sa.and_(leased, ACTIONS.c.leased_until < now),
            ),
        )
        .limit(ENDED_AT_ONCE)
    )
    spent = sa.and_(leased, ACTIONS.c.attempts >= ACTIONS.c.max_attempts)
    again = sa.and_(leased, ACTIONS.c.attempts < ACTIONS.c.max_attempts)
    unclaimed = sa.func.coalesce(ACTIONS.c.error_message, _UNCLAIMED)
    end = (
        sa.update(ACTIONS)
        .where(ACTIONS.c.tenant_id == tenant_id, ACTIONS.c.id.in_(words.locked(overdue)))
        .values(
            status=sa.case((spent, ActionStatus.FAILED), (again, ActionStatus.PENDING), else_=ActionStatus.EXPIRED),
            leased_until=None,
            available_at=sa.case((again, after_backoff()), else_=ACTIONS.c.available_at),
            completed_at=sa.case((again, sa.null()), else_=now),
            error_message=sa.case((leased, UNHEARD), else_=unclaimed),
            updated_at=now,
        )
    )
    rows = session.execute(end.returning(ACTIONS.c.status, ACTIONS.c.optimization_job_id)).all()
    became = [row.status for row in rows]
    return Ended(
        became.count(ActionStatus.EXPIRED),
        became.count(ActionStatus.FAILED),
        became.count(ActionStatus.PENDING),
        frozenset(row[1] for row in rows if row[1] is not None and row[0] is not ActionStatus.PENDING),
    )
