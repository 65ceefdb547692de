"""The parts of statements that both databases share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from spothive.models import ActionStatus, AgentAction
from spothive.queue.later import after_backoff, clock_after
from spothive.schema.types import clock_timestamp

ACTIONS: Final[Any] = AgentAction.__table__

PENDING: Final[sa.ColumnElement[Any]] = sa.literal_column(f"'{ActionStatus.PENDING}'")
PICKED_UP: Final[sa.ColumnElement[Any]] = sa.literal_column(f"'{ActionStatus.PICKED_UP}'")
"""Spelled out, because a partial index serves a statement that says its condition, not one that is told it later."""

REPORT_COLUMNS: Final = ("id", "token", "verdict", "result", "error")
"""What a report is as a row of texts."""

_STILL_WORTH: Final = sa.literal_column("1.0", sa.Float)
"""Seconds that must be left: the database judges a hand-out a moment after it was chosen."""

DONE, WRONG, HOPELESS = "done", "wrong", "hopeless"
"""Verdicts of reports: it was done, it went wrong, it went wrong and another try does not help."""

RETURNED: Final[tuple[Any, ...]] = (
    ACTIONS.c.id,
    ACTIONS.c.status,
    ACTIONS.c.optimization_job_id,
    ACTIONS.c.lease_token,
    ACTIONS.c.action_type,
    ACTIONS.c.payload,
    ACTIONS.c.idempotency_key,
    ACTIONS.c.attempts,
    ACTIONS.c.max_attempts,
    ACTIONS.c.leased_until,
    ACTIONS.c.expires_at,
    ACTIONS.c.priority,
    ACTIONS.c.created_at,
)
"""What is told of an action that was handed out; of one that was reported, the first three."""


def available(tenant_id: UUID, cluster_id: UUID, limit: int) -> sa.Select[Any]:
    """Return the query for the ids of what is handed out next: by priority, then by age.

    The number is part of the text: told it later, PostgreSQL would plan for a tenth of all rows.
    """
    return (
        sa.select(ACTIONS.c.id)
        .where(
            ACTIONS.c.tenant_id == tenant_id,
            ACTIONS.c.cluster_id == cluster_id,
            ACTIONS.c.status == PENDING,
            ACTIONS.c.available_at <= clock_timestamp(),
            ACTIONS.c.expires_at > clock_after(_STILL_WORTH),
            ACTIONS.c.attempts < ACTIONS.c.max_attempts,
        )
        .order_by(ACTIONS.c.priority, ACTIONS.c.created_at, ACTIONS.c.id)
        .limit(sa.literal_column(str(int(limit))))
    )


def handed_out(lease: timedelta) -> dict[str, Any]:
    """Return what changes in an action as it is handed out."""
    return {
        "status": ActionStatus.PICKED_UP,
        "attempts": ACTIONS.c.attempts + 1,
        "lease_token": sa.func.coalesce(ACTIONS.c.lease_token, 0) + 1,
        "leased_until": clock_after(sa.literal(lease.total_seconds(), sa.Float)),
        "picked_up_at": clock_timestamp(),
        "updated_at": clock_timestamp(),
    }


def held(
    tenant_id: UUID, cluster_id: UUID, action_id: Any, token: Any, *, as_asked: Callable[[Any], Any] = lambda it: it
) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that an action is in the hands of whoever names this token.

    Args:
        tenant_id: tenant of the session.
        cluster_id: cluster of the agent.
        action_id: column or value.
        token: column or value.
        as_asked: how the columns are named that are not to choose the index.
    """
    return (
        ACTIONS.c.tenant_id == tenant_id,
        as_asked(ACTIONS.c.cluster_id) == cluster_id,
        ACTIONS.c.id == action_id,
        as_asked(ACTIONS.c.status) == PICKED_UP,
        ACTIONS.c.lease_token == token,
    )


def reported(verdict: Any, result: Any, error: Any) -> dict[str, Any]:
    """Return what a report changes in an action, whose columns ``verdict``, ``result`` and ``error`` are."""
    again = sa.and_(verdict == WRONG, ACTIONS.c.attempts < ACTIONS.c.max_attempts)
    return {
        "status": sa.case(
            (verdict == DONE, ActionStatus.COMPLETED), (again, ActionStatus.PENDING), else_=ActionStatus.FAILED
        ),
        "leased_until": None,
        "available_at": sa.case((again, after_backoff()), else_=ACTIONS.c.available_at),
        "completed_at": sa.case((again, sa.null()), else_=clock_timestamp()),
        "result": sa.case((again, sa.null()), else_=result),
        "error_message": error,
        "updated_at": clock_timestamp(),
    }
