"""What approvals are about, and what is observed of it: the one place that says what makes a plan another plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import Conflict, NotFound
from spothive.models import (
    Account,
    ApprovalAction,
    ApprovalRequest,
    AuthStatus,
    Cluster,
    EnvironmentType,
    Instance,
    InstanceState,
    WasteResource,
    WasteStatus,
)

COLUMN_OF: Final = {
    ApprovalAction.SWITCH_INSTANCE: "instance_id",
    ApprovalAction.TERMINATE_ROGUE: "instance_id",
    ApprovalAction.DELETE_WASTE: "waste_resource_id",
    ApprovalAction.HIBERNATE_CLUSTER: "cluster_id",
}
"""Which column of a request names the target of an action."""

_MODEL_OF: Final[dict[str, type[Instance | WasteResource | Cluster]]] = {
    "instance_id": Instance,
    "waste_resource_id": WasteResource,
    "cluster_id": Cluster,
}
_OVER: Final = frozenset({InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED})


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is to be done to, as it was read.

    Attributes:
        id: of the row.
        name: AWS's id, or the name of a cluster.
        account_name: account it belongs to.
        environment: whether that is PROD or LAB.
        observed: what the plan depends on, ready for JSON: see :func:`_observed`.
    """

    id: UUID
    name: str
    account_name: str
    environment: EnvironmentType
    observed: dict[str, Any]


def target_id_of(request: ApprovalRequest) -> UUID:
    """Return the id of the row a request is about."""
    found: UUID = getattr(request, COLUMN_OF[request.action_type])
    return found


def find_target(session: TenantSession, action: ApprovalAction, target_id: UUID, *, lock: bool = False) -> Target:
    """Return the target of an action as it is now; one statement.

    Args:
        session: of the tenant.
        action: what is to be done.
        target_id: id of the row.
        lock: whether the target's row stays as it is until the transaction ends.

    Raises:
        NotFound: the tenant has no such thing, or its account is being disconnected.
    """
    model = _MODEL_OF[COLUMN_OF[action]]
    held = (model.id == target_id, Account.disconnecting_at.is_(None))
    query = select(model, Account).join(Account, Account.id == model.account_id).where(*held)
    if lock:
        query = query.with_for_update(of=model)
    found: Any = session.execute(query, execution_options={"populate_existing": lock}).first()
    if found is None:
        msg = f"there is no such target of {action}: it is gone, or its account is being disconnected"
        raise NotFound(msg)
    row, account = found
    observed = _observed(row) | {"account": account.account_id}
    name = row.name if isinstance(row, Cluster) else _aws_id(row)
    return Target(row.id, name, account.account_name, account.environment_type, observed)


def require_fit(action: ApprovalAction, target: Target) -> None:
    """Refuse to ask for what could not be done as things stand.

    Raises:
        Conflict: the target is in no state for it; the message says in which it is.
    """
    seen = target.observed
    why = ""
    if "instance_id" in seen:
        over = seen["state"] in _OVER
        if over:
            why = f"is {seen['state']}: there is nothing left to be done"
        elif action is ApprovalAction.TERMINATE_ROGUE and seen["auth_status"] != AuthStatus.UNAUTHORIZED:
            why = (
                f"is {seen['auth_status']}: only what nobody has answered for in 24 hours (unauthorized) is terminated"
            )
    elif seen.get("status") in {WasteStatus.DELETED, WasteStatus.RESOLVED}:
        why = f"is {seen['status']}: there is nothing to be deleted"
    if why:
        msg = f"{target.name} {why}"
        raise Conflict(msg)


def plan_hash(action: ApprovalAction, payload: Mapping[str, Any], observed: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, of what is to be done and of the target as it was seen.

    Canonical JSON: keys sorted, no blanks, ASCII only; so equal plans have equal hashes on every machine.
    """
    plan = {"action": action, "payload": payload, "observed": observed}
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _observed(row: Instance | WasteResource | Cluster) -> dict[str, Any]:
    """Return what a plan depends on; what changes by itself, such as costs, sightings or tags, is left out."""
    if isinstance(row, Instance):
        return {
            "instance_id": row.instance_id,
            "type": row.instance_type,
            "zone": row.availability_zone,
            "state": row.state,
            "lifecycle": row.lifecycle,
            "auth_status": row.auth_status,
            # Flagged anew it is another case: somebody had answered for it in between.
            "flagged_at": row.flagged_at and row.flagged_at.isoformat(),
        }
    if isinstance(row, WasteResource):
        settled = row.status in {WasteStatus.DELETED, WasteStatus.RESOLVED}
        return {
            "resource_type": row.resource_type,
            "resource_id": row.resource_id,
            "region": row.region,
            "evidence": row.evidence,
            **({"status": row.status} if settled else {}),  # DETECTED or FLAGGED is all the same to it
        }
    return {"cluster": row.name, "region": row.region, "status": row.status}


def _aws_id(row: Instance | WasteResource) -> str:
    return row.instance_id if isinstance(row, Instance) else row.resource_id
