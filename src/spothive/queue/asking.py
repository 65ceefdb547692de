"""Asking for an action, in the transaction of whatever it is asked for."""

from __future__ import annotations

import json

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.models import AgentAction
from spothive.models.jobs import ACTION_HOURS
from spothive.queue.engines import words_of
from spothive.queue.later import clock_after
from spothive.queue.terms import Order
from spothive.schema.types import clock_timestamp, new_id, strict_json


def enqueue(session: TenantSession, order: Order) -> tuple[AgentAction, bool]:
    """Ask for an action, unless it was asked for by this key already; two statements.

    Whoever asks at once by the same key waits for the other's transaction, and then finds its action.

    Args:
        session: of the tenant.
        order: what is to be done.

    Returns:
        The action, and whether it is new.

    Raises:
        Conflict: by this key something else was asked for.
        ParentMissing: the tenant has no such cluster or job.
        IllegalMove: the job has ended.
        ValueRefused: a value is out of bounds, or the payload lacks a key.
        InvalidInput: the payload is no strict JSON.
    """
    wanted = json.loads(strict_json(dict(order.payload)))
    values = {
        "tenant_id": session.tenant_id,
        "id": new_id(),
        "cluster_id": order.cluster_id,
        "optimization_job_id": order.job_id,
        "action_type": order.action_type,
        "payload": wanted,
        "priority": order.priority,
        "idempotency_key": order.idempotency_key,
        "max_attempts": order.max_attempts,
        "available_at": order.available_at or clock_timestamp(),
        "expires_at": order.expires_at or clock_after(sa.literal(ACTION_HOURS * 3600.0)),
        "created_at": clock_timestamp(),
        "updated_at": clock_timestamp(),
    }
    inserted = session.execute(words_of(session).insert_once(values)).scalar()
    mine = (
        AgentAction.cluster_id == order.cluster_id,
        AgentAction.idempotency_key == order.idempotency_key,
    )
    found = session.scalars(sa.select(AgentAction).where(*mine), execution_options={"populate_existing": True}).one()
    same = (found.action_type, found.payload, found.optimization_job_id) == (order.action_type, wanted, order.job_id)
    if inserted is None and not same:
        msg = (
            f"by the key {order.idempotency_key} the cluster was asked for another {found.action_type}: "
            "ask for something else by another key"
        )
        raise Conflict(msg)
    return found, inserted is not None
