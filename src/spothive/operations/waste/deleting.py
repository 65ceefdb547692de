"""Deleting what is due: AWS is asked again first, and what is not any more what was approved is left alone.

What AWS is about to be told is remembered first, in a transaction of its own; then AWS acts; then the end is written.
Whoever dies in between leaves a deletion that has begun, and the next run finds out what AWS did: see decision 0043.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import (
    ConfigurationError,
    Conflict,
    KeyMissing,
    NetworkInTransaction,
    NotAllowed,
    SpothiveError,
    TenantMismatch,
)
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import ACTING_CALLS
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AccessDenied
from spothive.gateways.waste_answer import ObservedSnapshot
from spothive.keyring import Keys
from spothive.models import Account, ResourceType, WasteResource, WasteStatus, WasteType
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import database_clock
from spothive.operations.audit import record, record_failure
from spothive.operations.fleet.access import Access, locked, read_access
from spothive.operations.fleet.accounts import Progress
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.operations.waste.judging import Claim, Spared, Verdict, current_rules
from spothive.operations.waste.looking import Eye, look_at_one
from spothive.operations.waste.memory import remember
from spothive.operations.waste.planning import Plan, is_put_off, read_plan, same_plan
from spothive.operations.waste.undoing import image_recipe, volume_recipe
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp

ANSWER_WITHIN: Final = timedelta(minutes=2)
"""How long whoever began a deletion has for AWS's answer, retries included, before another run looks after it."""

RENEW_BEFORE: Final = timedelta(minutes=5)
"""Credentials that end so soon are not used for another resource."""

_DELETED: Final = "waste.deleted"
_OURS: Final = (ConfigurationError, NetworkInTransaction, TenantMismatch)
"""Errors that are not of one resource."""

_PENDING: Final = frozenset({"pending", "recovering"})


class Ending(enum.StrEnum):
    """What came of a deletion that was due."""

    DELETED = "DELETED"
    """it is gone"""
    RESOLVED = "RESOLVED"
    """it is in use again, or somebody else removed it"""
    CHANGED = "CHANGED"
    """it is not what was approved: FLAGGED again"""
    WAITS = "WAITS"
    """for its final snapshot, or for another run"""
    PUT_OFF = "PUT_OFF"
    """enough of the kind was deleted today"""
    FAILED = "FAILED"
    """AWS refused or gave no answer: the next run tries again"""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One resource whose deletion was due, and what came of it.

    Attributes:
        monthly_cost: USD for a month of 30 days.
        detail: why, for people.
    """

    resource_id: str
    resource_type: WasteType
    region: str
    account_name: str
    monthly_cost: Decimal
    ending: Ending
    detail: str


def delete_due(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    gateway: AwsGateway,
    keys: Keys,
    progress: Progress | None = None,
) -> list[Deletion]:
    """Delete what was scheduled and whose grace has ended, one after the other (a procedure).

    Each resource is read at AWS again with all that its claim rests on. In use again it is RESOLVED, changed it is
    FLAGGED; a volume is deleted when a final snapshot of it is complete. In 24 hours at most a tenth of an account's
    resources of a kind is deleted. Interrupted anywhere, the next run goes on; nothing is deleted twice. An error of
    one resource does not keep the others from their end, and is in the audit trail as a FAILURE.

    Args:
        sessions: opens transactions of a tenant.
        actor: who deletes.
        tenant_id: tenant whose waste it is.
        gateway: the way to AWS.
        keys: loads the keyring.
        progress: told (resources done, resources due).

    Returns:
        What came of each resource that was due.

    Raises:
        Denied: the role of ``actor`` does not allow it.
    """
    with sessions(tenant=tenant_id) as session:
        require(actor, Action.MANAGE, attempt=_DELETED, resource="waste", resource_type=ResourceType.WASTE)
        due = _due(session)
    hand = _Hand(sessions, actor, tenant_id, gateway, keys)
    done = []
    for number, each in enumerate(due, 1):
        done.append(hand.settle(each))
        if progress:
            progress(number, len(due))
    return done


@dataclass(frozen=True, slots=True)
class _Due:
    """A resource whose deletion is due."""

    row_id: UUID
    resource_id: str
    resource_type: WasteType
    region: str
    account_name: str
    monthly_cost: Decimal

    def came_to(self, ending: Ending, detail: str) -> Deletion:
        facts = (self.resource_id, self.resource_type, self.region, self.account_name, self.monthly_cost)
        return Deletion(*facts, ending, detail)


def _due(session: TenantSession) -> list[_Due]:
    waste = WasteResource
    columns = (waste.id, waste.resource_id, waste.resource_type, waste.region, Account.account_name, waste.monthly_cost)
    query = select(*columns).join(Account, Account.id == waste.account_id).where(Account.disconnecting_at.is_(None))
    over = (waste.status == WasteStatus.SCHEDULED_DELETE, waste.scheduled_deletion_date < clock_timestamp())
    rows = session.execute(query.where(*over).order_by(Account.account_name, waste.scheduled_deletion_date, waste.id))
    return [_Due(*row) for row in rows]


class _Hand:
    """Whoever deletes, with what was opened on the way."""

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, gateway: AwsGateway, keys: Keys) -> None:
        self._sessions = sessions
        self._actor = actor
        self._tenant_id = tenant_id
        self._gateway = gateway
        self._keys = keys
        self._opened: dict[str, Credentials] = {}

    def settle(self, due: _Due) -> Deletion:
        """Bring one resource to its end; what goes wrong with it is noted."""
        try:
            return self._settle(due)
        except SpothiveError as error:
            if isinstance(error, _OURS) and not isinstance(error, KeyMissing):
                raise
            reason = _clearly(error, due.account_name)
            with self._sessions(tenant=self._tenant_id) as session:
                record_failure(session, self._actor, _DELETED, due.resource_id, ResourceType.WASTE, reason=reason)
            return due.came_to(Ending.FAILED, str(reason))

    def _settle(self, due: _Due) -> Deletion:
        with self._sessions(tenant=self._tenant_id) as session:
            access = read_access(session, due.account_name, self._keys)
            row = _locked_row(session, access, due)
            if stopped := self._stops(session, due, row):
                return stopped
            plan, known = read_plan(session, row), remember(session, row.account_id, row.resource_id)
        eye = Eye(self._gateway, self._credentials(access), current_rules(), known)
        verdict = look_at_one(eye, due.region, due.resource_type, due.resource_id)
        if due.resource_type is WasteType.EBS_VOLUME and isinstance(verdict, Claim):
            if ended := self._decide(due, access, plan, verdict):
                return ended
            snapshot = self._gateway.final_snapshot(eye.credentials, due.region, due.resource_id, plan.token)
            if waits := self._keep_undo(due, access, plan, verdict, snapshot):
                return waits
            verdict = look_at_one(eye, due.region, due.resource_type, due.resource_id)  # attached meanwhile?
        begun = self._decide(due, access, plan, verdict, begin=True)
        if isinstance(begun, Deletion):
            return begun
        was_there = self._act(eye, due)
        with self._sessions(tenant=self._tenant_id) as session:
            return self._end(session, due, _locked_row(session, access, due), found_gone=not was_there)

    def _credentials(self, access: Access) -> Credentials:
        held = self._opened.get(access.account_name)
        if held is None or (held.expires_at is not None and held.expires_at - RENEW_BEFORE <= utc_now()):
            held = self._opened[access.account_name] = access.credentials(self._gateway)
        return held

    def _stops(self, session: TenantSession, due: _Due, row: WasteResource) -> Deletion | None:
        """Return what came of it if there is nothing to be done now."""
        now = database_clock(session)
        if row.status is not WasteStatus.SCHEDULED_DELETE or row.scheduled_deletion_date is None:
            return due.came_to(Ending.WAITS, f"it is {row.status} meanwhile")
        if row.scheduled_deletion_date >= now:
            return due.came_to(Ending.WAITS, "it was scheduled anew meanwhile")
        if row.deletion_begun_at is not None and now - row.deletion_begun_at < ANSWER_WITHIN:
            minutes = int(ANSWER_WITHIN.total_seconds() // 60)
            return due.came_to(Ending.WAITS, f"another run is deleting it: see again in {minutes} minutes")
        return None

    def _decide(
        self, due: _Due, access: Access, plan: Plan, verdict: Verdict | None, *, begin: bool = False
    ) -> Deletion | None:
        """End what is not to be deleted, and ``begin`` with what is; None if the deletion goes on.

        How many may go in a day counts last: what is in use again is no deletion, however many there were.
        """
        with self._sessions(tenant=self._tenant_id) as session:
            row = _locked_row(session, access, due)
            if not plan.is_that_of(row):
                return due.came_to(Ending.WAITS, "another run is at it, or it was taken back")
            ended = self._ended(session, due, row, plan, verdict) or self._put_off(session, due, row)
            if ended is None and begin and isinstance(verdict, Claim):
                return self._begin(session, due, row, verdict)
            return ended

    def _put_off(self, session: TenantSession, due: _Due, row: WasteResource) -> Deletion | None:
        """Return that it is for another day, if enough of its kind was deleted; what has begun goes on."""
        most = is_put_off(session, row) if row.deletion_begun_at is None else None
        if most is None:
            return None
        are = "one of its kind is" if most == 1 else f"{most} of its kind are"
        return due.came_to(Ending.PUT_OFF, f"{are} deleted in 24 hours at most: it is for another day")

    def _ended(
        self, session: TenantSession, due: _Due, row: WasteResource, plan: Plan, verdict: Verdict | None
    ) -> Deletion | None:
        """End what is not to be deleted any more."""
        if verdict is None:
            if plan.begun_at is not None:
                return self._end(session, due, row, found_gone=True)
            return self._resolve(session, due, row, "somebody else removed it")
        if isinstance(verdict, Spared):
            return self._resolve(session, due, row, verdict.reason)
        return None if same_plan(plan, verdict) else self._step_back(session, due, row, verdict)

    def _begin(self, session: TenantSession, due: _Due, row: WasteResource, claim: Claim) -> Deletion | None:
        """Remember that AWS is about to be told, in the audit trail too; None when that is so."""
        if stopped := self._stops(session, due, row):
            return stopped
        if due.resource_type is WasteType.AMI:
            row.undo_recipe = image_recipe(due.region, claim.metadata)
        after = {"approved": row.plan_hash, "undo": row.undo_recipe}
        record(session, self._actor, "waste.deleting", row.resource_id, ResourceType.WASTE, after=after)
        session.flush()  # before the row is changed by a statement of its own
        begin = update(WasteResource).where(
            WasteResource.id == row.id, WasteResource.deletion_begun_at.is_not_distinct_from(row.deletion_begun_at)
        )
        session.execute(
            begin.values(deletion_begun_at=clock_timestamp()), execution_options={"synchronize_session": False}
        )
        return None

    def _keep_undo(
        self, due: _Due, access: Access, plan: Plan, claim: Claim, snapshot: ObservedSnapshot
    ) -> Deletion | None:
        """Store how the volume is got back; return that the deletion waits, until the snapshot is complete."""
        with self._sessions(tenant=self._tenant_id) as session:
            row = _locked_row(session, access, due)
            if not plan.is_that_of(row):
                return due.came_to(Ending.WAITS, "another run is at it, or it was taken back")
            row.undo_recipe = volume_recipe(due.region, claim.metadata, snapshot)
        if snapshot.state == "completed":
            return None
        name = snapshot.snapshot_id
        if snapshot.state in _PENDING:
            return due.came_to(Ending.WAITS, f"its final snapshot {name} is {snapshot.state}: a later run deletes it")
        msg = f"its final snapshot {name} is {snapshot.state}: without one the volume is not deleted"
        raise Conflict(msg)

    def _act(self, eye: Eye, due: _Due) -> bool:
        """Tell AWS; return whether the resource was there."""
        act = {
            WasteType.ELASTIC_IP: self._gateway.release_address,
            WasteType.EBS_VOLUME: self._gateway.delete_volume,
            WasteType.EBS_SNAPSHOT: self._gateway.delete_snapshot,
            WasteType.AMI: self._gateway.deregister_image,
        }[due.resource_type]
        return act(eye.credentials, due.region, due.resource_id)

    def _end(self, session: TenantSession, due: _Due, row: WasteResource, *, found_gone: bool) -> Deletion:
        """Write that it is deleted; once, whoever else found out."""
        detail = "AWS had removed it when this run came" if found_gone else "AWS removed it"
        if row.status is WasteStatus.SCHEDULED_DELETE:
            before = {"status": row.status}
            ended: dict[str, Any] = {"scheduled_deletion_date": None, "deleted_at": clock_timestamp()}
            move(session, row, WasteResource.status, WasteStatus.DELETED, **ended)
            after = {"status": row.status, "undo": row.undo_recipe, "found_gone": found_gone}
            record(session, self._actor, _DELETED, row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.DELETED, detail)

    def _resolve(self, session: TenantSession, due: _Due, row: WasteResource, reason: str) -> Deletion:
        before = {"status": row.status}
        ended = {"scheduled_deletion_date": None, "deletion_begun_at": None, "reason": reason}
        move(session, row, WasteResource.status, WasteStatus.RESOLVED, **ended)
        after = {"status": row.status, "reason": reason}
        record(session, self._actor, "waste.resolved", row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.RESOLVED, reason)

    def _step_back(self, session: TenantSession, due: _Due, row: WasteResource, claim: Claim) -> Deletion:
        """Take back a deletion whose plan is another one now; what is claimed now is what can be approved next."""
        before = {"status": row.status, "evidence": dict(row.evidence)}
        back: dict[str, Any] = {"scheduled_deletion_date": None, "deletion_begun_at": None, "plan_hash": None}
        now: dict[str, Any] = {"evidence": claim.evidence, "resource_metadata": claim.metadata, "reason": claim.reason}
        now |= {"monthly_cost": claim.monthly_cost, "undo_recipe": None}
        move(session, row, WasteResource.status, WasteStatus.FLAGGED, **back, **now)
        after = {"status": row.status, "evidence": claim.evidence}
        record(session, self._actor, "waste.changed", row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.CHANGED, "it is not any more what was approved: ask for another approval")


def _locked_row(session: TenantSession, access: Access, due: _Due) -> WasteResource:
    """Return the row as it is now, locked after its account, as scans lock them."""
    account = locked(session, access)
    query = select(WasteResource).where(WasteResource.id == due.row_id).with_for_update()
    row = session.scalar(query, execution_options={"populate_existing": True})
    if row is None or row.account_id != account.id:
        msg = f"{due.resource_id} is not known any more"
        raise Conflict(msg)
    return row


def _clearly(error: SpothiveError, account_name: str) -> SpothiveError:
    """Return an error in the words of whoever has to mend it."""
    if isinstance(error, AccessDenied) and error.action in ACTING_CALLS:
        msg = (
            f"account {account_name} lets spothive look, but not act: {error.action} takes the access full, see "
            "`spothive account template --help`"
        )
        return NotAllowed(msg)
    return error
