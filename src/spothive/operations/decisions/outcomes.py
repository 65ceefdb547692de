"""What became of decisions: switches that were made or taken back, and instances for which nothing is done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput
from spothive.models import (
    Account,
    Decision,
    DecisionStatus,
    DowntimeCause,
    EnvironmentType,
    ExperimentLog,
    Instance,
    ResourceType,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.decisions.instances import require_to_decide
from spothive.operations.decisions.reading import find_decision
from spothive.operations.fleet import find_instance
from spothive.operations.risk.notices import INSTANCE_ID, shortly
from spothive.operations.sla import open_downtime
from spothive.operations.sla.told import tell_of_outage
from spothive.schema.states import move

_OUTCOME: Final = "decision.outcome"
_SHADOW: Final = "instance.shadow"


def record_switch_outcome(
    session: TenantSession,
    actor: Actor,
    *,
    decision_id: UUID,
    status: DecisionStatus,
    source_lost_at: datetime | None = None,
    target_ready_at: datetime | None = None,
    instance_id: str | None = None,
) -> ExperimentLog:
    """Write down that a switch was made, or taken back afterwards.

    A switch that lost its source before its target was ready kept the instance down by spothive's doing: that time is
    charged as an outage ``emergency_switch`` of this decision, in the same transaction and told by the same audit row.

    Args:
        session: session of the tenant.
        actor: who says so.
        decision_id: which decision.
        status: ACTED or REVERTED.
        source_lost_at: when the instance it is about stopped working (UTC), if that is known.
        target_ready_at: when the one that took over began to (UTC); both or neither.
        instance_id: EC2's id of the one that took over, for the audit trail; it may not be discovered yet.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such decision.
        Conflict: it is no SWITCH, or was recorded only.
        IllegalMove: it is not RECORDED, or not ACTED for a switch that is taken back.
        InvalidInput: one time lacks the other, is in the future, or was before the decision; or the id is none of
            EC2's.
    """
    require_to_decide(actor, EnvironmentType.LAB, attempt=_OUTCOME, resource=str(decision_id))
    decision = find_decision(session, decision_id)
    _require(session, actor, decision.instance, _OUTCOME, str(decision_id))
    if decision.decision is not Decision.SWITCH or decision.is_shadow_run:
        what = "a shadow run, recorded only" if decision.is_shadow_run else f"a {decision.decision}"
        msg = f"decision {decision_id} is {what}: nothing was to be done about it"
        raise Conflict(msg)
    if instance_id is not None and not INSTANCE_ID.fullmatch(instance_id):
        msg = f"what took over has an id of EC2's, such as i-0123456789abcdef0; got {shortly(instance_id)}"
        raise InvalidInput(msg)
    down = _down(decision, source_lost_at, target_ready_at)
    before = {"status": decision.status}
    move(session, decision, ExperimentLog.status, status)
    after: dict[str, Any] = {"status": status, "instance": decision.instance.instance_id}
    if instance_id is not None:
        after["taken_over_by"] = instance_id
    if down is not None:
        after["downtime_seconds"] = _charge(session, decision, *down)
    record(session, actor, _OUTCOME, str(decision_id), ResourceType.INSTANCE, before=before, after=after)
    return decision


def set_shadow_mode(session: TenantSession, actor: Actor, *, instance_id: str, on: bool) -> Instance:
    """Let decisions about an instance be recorded only, or acted upon again; those that were made stay what they are.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such instance.
    """
    require_to_decide(actor, EnvironmentType.LAB, attempt=_SHADOW, resource=instance_id)
    instance = find_instance(session, instance_id).instance
    _require(session, actor, instance, _SHADOW, instance_id)
    if instance.is_shadow_mode != on:
        instance.is_shadow_mode = on
        before, after = {"is_shadow_mode": not on}, {"is_shadow_mode": on}
        record(session, actor, _SHADOW, instance_id, ResourceType.INSTANCE, before=before, after=after)
    return instance


def _require(session: TenantSession, actor: Actor, instance: Instance, attempt: str, resource: str) -> None:
    """Ask again, now that it is known whose instance it is: the first time was for the least that it takes."""
    account = session.get_one(Account, instance.account_id)
    require_to_decide(actor, account.environment_type, attempt=attempt, resource=resource)


def _down(
    decision: ExperimentLog, source_lost_at: datetime | None, target_ready_at: datetime | None
) -> tuple[datetime, datetime] | None:
    """Return from when to when nobody did the work; None if somebody always did."""
    if source_lost_at is None and target_ready_at is None:
        return None
    if source_lost_at is None or target_ready_at is None:
        msg = "say both when the source was lost and when the target was ready, or neither"
        raise InvalidInput(msg)
    if max(source_lost_at, target_ready_at) > utc_now() + CLOCKS_DIFFER:
        msg = "a source that is lost, or a target that is ready, in the future: correct the time, or the clock"
        raise InvalidInput(msg)
    if min(source_lost_at, target_ready_at) < decision.execution_time - CLOCKS_DIFFER:
        msg = (
            f"that was before the decision, which is of {decision.execution_time:%Y-%m-%d %H:%M:%S} UTC: "
            "the switch it led to did not cause it"
        )
        raise InvalidInput(msg)
    return (source_lost_at, target_ready_at) if source_lost_at < target_ready_at else None


def _charge(session: TenantSession, decision: ExperimentLog, lost: datetime, ready: datetime) -> int:
    """Write down the outage; return its seconds."""
    went = f"{decision.selected_availability_zone} {decision.selected_instance_type}"
    outage = open_downtime(
        session,
        decision.instance,
        DowntimeCause.EMERGENCY_SWITCH,
        lost,
        end=ready,
        details=f"the switch to {went} lost its source before its target was ready",
        decision_id=decision.id,
    )
    tell_of_outage(session, outage)
    return outage.duration_seconds or 0
