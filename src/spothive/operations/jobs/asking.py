"""Asking a cluster's agent to do something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, ActionType, AgentAction, Cluster, OptimizationJob, ResourceType
from spothive.models.jobs import ENDED_JOBS, PAYLOAD_KEYS
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import database_clock
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.queue import Order, asked_for, enqueue

_EVENT: Final = "action.enqueued"
_KEY_MAX: Final = 64
_PRIORITIES: Final = range(10)
_TRIES: Final = range(1, 101)
_TYPES: Final[dict[str, type]] = {"string": str, "object": dict}
_FARTHEST: Final = timedelta(days=30)
_WORTH_IT: Final = timedelta(seconds=1)
"""What has less left is not handed out any more."""


def enqueue_action(session: TenantSession, actor: Actor, order: Order) -> AgentAction:
    """Ask the agent of a cluster to do something; who asks again by the same key gets the action that is there.

    That holds whatever has become of it: ended, expired, or with a job that has.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such cluster, its account is being disconnected, or it has no such job.
        Conflict: something else was asked for by this key, or the job has ended.
        InvalidInput: the payload lacks a key that the type needs, or a number or moment is out of range; the message
            names it.
    """
    resource = str(order.cluster_id)
    require(actor, Action.MANAGE, attempt=_EVENT, resource=resource, resource_type=ResourceType.ACTION)
    refuse_payload(order.action_type, order.payload)
    _refuse_odd(order)
    _refuse_unknown_cluster(session, order)
    before = asked_for(session, order)
    if before is not None:  # its moments may be past, and its job may have ended
        return before
    _refuse_moments(session, order)
    _refuse_unknown_job(session, order)
    action, is_new = enqueue(session, order)
    if is_new:
        after: dict[str, Any] = {
            "action": action.action_type,
            "cluster": resource,
            "idempotency": action.idempotency_key,
        }
        after |= {"payload": dict(action.payload), "priority": action.priority}
        after |= {"job": str(order.job_id)} if order.job_id else {}
        record(session, actor, _EVENT, str(action.id), ResourceType.ACTION, after=after)
    return action


def refuse_payload(action_type: ActionType, payload: Mapping[str, Any]) -> None:
    """Refuse a payload that no agent could act upon.

    Raises:
        InvalidInput: a key is missing, or its value is of the wrong kind or empty; the message names it.
    """
    needs = PAYLOAD_KEYS[action_type]
    for key, kind in needs.items():
        if key not in payload:
            msg = f"{action_type} needs {' and '.join(needs)} in its payload: {key} is missing"
            raise InvalidInput(msg)
        value, expected = payload[key], _TYPES[kind]
        is_right = isinstance(value, expected)
        if not is_right or not value:
            given = "nothing" if is_right else type(value).__name__
            what = "a text" if kind == "string" else "an object"
            msg = f"{action_type}: {key} of the payload is {what} that says something, it is {given}"
            raise InvalidInput(msg)


def _refuse_odd(order: Order) -> None:
    problem = None
    if not 1 <= len(order.idempotency_key) <= _KEY_MAX or not order.idempotency_key.strip():
        problem = f"an idempotency key has 1 to {_KEY_MAX} characters"
    elif order.priority not in _PRIORITIES:
        problem = "a priority is 0, which is handed out first, to 9"
    elif order.max_attempts not in _TRIES:
        problem = "an action is handed out 1 to 100 times"
    if problem is not None:
        raise InvalidInput(problem)


def _refuse_moments(session: TenantSession, order: Order) -> None:
    if order.available_at is None and order.expires_at is None:
        return
    for moment in (order.available_at, order.expires_at):
        if moment is not None and moment.tzinfo is None:
            msg = "a moment names its time zone"
            raise InvalidInput(msg)
    now = database_clock(session)
    begins = max(order.available_at or now, now)
    if order.expires_at is None and begins > now:
        msg = "an action that is not available at once says when it expires: an hour from now might be before"
        raise InvalidInput(msg)
    if order.expires_at is not None and not begins + _WORTH_IT <= order.expires_at <= now + _FARTHEST:
        msg = (
            "an action expires after it is available, a second from now at the earliest and "
            f"{_FARTHEST.days} days from now at the latest"
        )
        raise InvalidInput(msg)


def _refuse_unknown_cluster(session: TenantSession, order: Order) -> None:
    """Refuse a cluster that the tenant does not have. One statement."""
    there = (Cluster.id == order.cluster_id, Account.disconnecting_at.is_(None))
    cluster = select(Cluster.id).join(Account, Account.id == Cluster.account_id).where(*there)
    if session.scalar(cluster) is None:
        msg = f"no cluster has the id {order.cluster_id}: see `spothive cluster list --json`"
        raise NotFound(msg)


def _refuse_unknown_job(session: TenantSession, order: Order) -> None:
    """Refuse a job that the cluster does not have, or that has ended. One statement at most."""
    if order.job_id is None:
        return
    mine = (OptimizationJob.id == order.job_id, OptimizationJob.cluster_id == order.cluster_id)
    status = session.scalar(select(OptimizationJob.status).where(*mine))
    if status is None:
        msg = f"this cluster has no job with the id {order.job_id}: see `spothive job list`"
        raise NotFound(msg)
    if status in ENDED_JOBS:
        msg = f"job {order.job_id} is {status}: it gets no more actions, open another one"
        raise Conflict(msg)
