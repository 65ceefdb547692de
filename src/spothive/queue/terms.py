"""What the queue and those who work for it say to each other."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from spothive.models import ActionType
from spothive.models.jobs import LEASE_HOURS

CLAIMED_AT_ONCE: Final = 100
"""Most actions that are handed out, reported or extended in one call."""

SHORTEST_LEASE: Final = timedelta(seconds=1)
"""Shortest lease: a hand-out that takes longer than this is refused by the database."""

LONGEST_LEASE: Final = timedelta(hours=LEASE_HOURS)
"""Longest lease: how long an action can be withheld by an agent that has died."""


class Reported(enum.StrEnum):
    """What became of a report."""

    COMPLETED = "COMPLETED"
    RETRY = "RETRY"
    """It went wrong, and is handed out again after a while."""
    FAILED = "FAILED"
    """It went wrong, and that was the last try."""
    STALE = "STALE"
    """The lease is not the last one, or the action has ended: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action that is asked for.

    Attributes:
        cluster_id: cluster whose agent is to act.
        action_type: what is to be done.
        payload: to what: the keys depend on the type, see ``PAYLOAD_KEYS``.
        idempotency_key: 1 to 64 characters, unique in the cluster: asked for twice by it, it is done once.
        job_id: job it is a part of.
        priority: 0 to 9, 0 is handed out first.
        max_attempts: how often it may be handed out before it has FAILED, 1 to 100.
        available_at: not handed out before (UTC); at once when None.
        expires_at: not handed out after (UTC); an hour from now when None.
    """

    cluster_id: UUID
    action_type: ActionType
    payload: Mapping[str, Any]
    idempotency_key: str
    job_id: UUID | None = None
    priority: int = 5
    max_attempts: int = 3
    available_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """One hand-out of an action.

    Attributes:
        action_id: the action.
        token: number of the hand-out; only the latest may extend it or report on it.
    """

    action_id: UUID
    token: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an action that was handed out.

    Attributes:
        lease: the hand-out.
        error: what went wrong; None if it was done. Longer than 1,024 characters it is cut; what cannot be stored, a
            NUL or half of a surrogate pair, is escaped.
        result: what the agent tells of it, JSON; kept if the action has ended.
        retry: whether another try may help, if it went wrong.
    """

    lease: Lease
    error: str | None = None
    result: Mapping[str, Any] | None = None
    retry: bool = True


@dataclass(frozen=True, slots=True)
class HandedOut:
    """An action in the hands of an agent.

    Attributes:
        lease: what proves it.
        action_type: what is to be done: a value of ``ActionType``.
        payload: to what.
        idempotency_key: under which the effect is to be had once, however often the action is handed out.
        attempts: how often it was handed out, this time included.
        max_attempts: how often it may be.
        leased_until: until when it is withheld from others (UTC).
        expires_at: after which it is not worth doing (UTC).
    """

    lease: Lease
    action_type: str
    payload: dict[str, Any]
    idempotency_key: str
    attempts: int
    max_attempts: int
    leased_until: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came of one call of a worker.

    Attributes:
        reported: what became of each report, by action.
        handed_out: what is to be done next, in this order.
        jobs: of which an action has ended.
    """

    reported: dict[UUID, Reported]
    handed_out: list[HandedOut]
    jobs: frozenset[UUID]
