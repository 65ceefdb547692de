"""Asking for an action, in the transaction of whatever it is asked for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.errors import Conflict
from spothive.models import AgentAction
from spothive.models.jobs import ACTION_HOURS
from spothive.queue.engines import words_of
from spothive.queue.later import clock_after
from spothive.queue.terms import Order
from spothive.schema.types import clock_timestamp, new_id, strict_json


def asked_for(session: TenantSession, order: Order) -> AgentAction | None:
    """Return the action that was asked for by the key of ``order``, whatever has become of it; one statement.

    Raises:
        Conflict: by this key something else was asked for.
        InvalidInput: the payload is no strict JSON.
    """
    wanted = strict_json(dict(order.payload))
    mine = (
        AgentAction.cluster_id == order.cluster_id,
        AgentAction.idempotency_key == order.idempotency_key,
    )
    query = sa.select(AgentAction).where(*mine)
    found = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        return None
    same = (found.action_type, found.optimization_job_id) == (order.action_type, order.job_id)
    if not same or _exactly(strict_json(dict(found.payload))) != _exactly(wanted):
        msg = (
            f"by the key {order.idempotency_key} the cluster was asked for another {found.action_type}: "
            "ask for something else by another key"
        )
        raise Conflict(msg)
    return found


def enqueue(session: TenantSession, order: Order) -> tuple[AgentAction, bool]:
    """Ask for an action, unless it was asked for by this key already; three statements, or one if it was.

    Whoever asks at once by the same key waits for the other's transaction, and then finds its action. Of two
    transactions that ask by the same keys in different order one may be refused by PostgreSQL as a deadlock, a
    :class:`~spothive.errors.Conflict`: it does it again, or both ask in the order of their keys.

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
    before = asked_for(session, order)  # guards judge what is inserted before the key is found to be taken
    if before is not None:
        return before, False
    values = {
        "tenant_id": session.tenant_id,
        "id": new_id(),
        "cluster_id": order.cluster_id,
        "optimization_job_id": order.job_id,
        "action_type": order.action_type,
        "payload": json.loads(strict_json(dict(order.payload))),
        "priority": order.priority,
        "idempotency_key": order.idempotency_key,
        "max_attempts": order.max_attempts,
        "available_at": order.available_at or clock_timestamp(),
        "expires_at": order.expires_at or clock_after(sa.literal(ACTION_HOURS * 3600.0)),
        "created_at": clock_timestamp(),
        "updated_at": clock_timestamp(),
    }
    inserted = session.execute(words_of(session).insert_once(values)).scalar()
    found = asked_for(session, order)
    assert found is not None  # noqa: S101 - actions are not deleted
    return found, inserted is not None


def _exactly(text: str) -> Any:
    """Return what JSON says, with numbers that are equal if they are: PostgreSQL keeps 1e23 as a one and 23 zeros."""
    return json.loads(text, parse_float=_number, parse_int=_number)


def _number(digits: str) -> tuple[str, Decimal]:
    return ("number", Decimal(digits))  # True would equal 1
