"""Deleting what is due: AWS is asked again first, and what is not any more what was approved is left alone.

What AWS is about to be told is remembered first, in a transaction of its own; then AWS acts; then the end is written.
Whoever dies in between leaves a deletion that has begun, and the next run finds out what AWS did: see decision 0043.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

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
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed, AwsError, AwsUnavailable
from spothive.gateways.aws_waste import PENDING
from spothive.gateways.waste_answer import ObservedSnapshot
from spothive.keyring import Keys
from spothive.models import Outcome, ResourceType, WasteResource, WasteStatus, WasteType
from spothive.operations.actor import Actor
from spothive.operations.approvals.reading import database_clock
from spothive.operations.audit import is_recorded, record, record_failure
from spothive.operations.fleet.access import Access, locked, read_access
from spothive.operations.fleet.accounts import Progress
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.operations.waste.due import Deletion, Due, Ending, read_due
from spothive.operations.waste.judging import Claim, Spared, Verdict, current_rules
from spothive.operations.waste.looking import Eye, look_at_one
from spothive.operations.waste.memory import remember
from spothive.operations.waste.planning import DELETING, Plan, is_put_off, read_plan, same_plan
from spothive.operations.waste.told import begin_telling, tell_of_deleted, untold_accounts
from spothive.operations.waste.undoing import image_recipe, volume_recipe
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp

_log = logging.getLogger(__name__)

ANSWER_WITHIN: Final = timedelta(minutes=2)
"""How long whoever began a deletion has for an answer before another run looks after it: AWS deletes once anyway."""

RENEW_BEFORE: Final = timedelta(minutes=5)
"""Credentials that end so soon are not used for another resource."""

SNAPSHOT_AGE: Final = timedelta(hours=24)
"""How old a final snapshot may be when its volume is deleted; of an older one the volume gets another.

A snapshot holds what was on the volume when it was started. Whatever was written later, while somebody had the volume
for a while, is lost. The sweep looks at every account once a day, and resolves a volume that it sees in use: so what no
look has seen is at most as old as this. Shorter would never end for a large volume, whose first snapshot takes hours.
"""

_DELETED: Final = "waste.deleted"
_OURS: Final = (ConfigurationError, NetworkInTransaction, TenantMismatch)
"""Errors that are not of one resource."""


def delete_due(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    gateway: AwsGateway,
    keys: Keys,
    progress: Progress | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> list[Deletion]:
    """Delete what was scheduled and whose grace has ended, one after the other (a procedure).

    Each resource is read at AWS again with all that its claim rests on. In use again it is RESOLVED, changed it is
    FLAGGED; a volume is deleted when a final snapshot of it is complete. In 24 hours at most a tenth of an account's
    resources of a kind is deleted. Interrupted anywhere, the next run goes on; nothing is deleted twice. An error of
    one resource does not keep the others from their end, and is in the audit trail as a FAILURE, once for each reason.
    What AWS refuses to delete is as if it had not begun: it can be kept, and the next run tries again. People are told
    once a run and account of what was deleted, and where its way back is shown; if that fails, deletions are done all
    the same, and the next run tells.

    Args:
        sessions: opens transactions of a tenant.
        actor: who deletes.
        tenant_id: tenant whose waste it is.
        gateway: the way to AWS.
        keys: loads the keyring.
        progress: told (resources done, resources due).
        go_on: called before each resource; what it raises ends the run there.

    Returns:
        What came of each resource that was due.

    Raises:
        Denied: the role of ``actor`` does not allow it.
    """
    with sessions(tenant=tenant_id) as session:
        require(actor, Action.MANAGE, attempt=_DELETED, resource="waste", resource_type=ResourceType.WASTE)
        due = read_due(session)
        untold = untold_accounts(session)
    hand = _Hand(sessions, actor, tenant_id, gateway, keys)
    for account_id in untold:  # whoever deleted it was killed before it was told
        hand.tell(account_id)
    done: list[Deletion] = []
    for account_id, mine in groupby(due, key=lambda each: each.account_id):
        try:
            for each in mine:
                go_on()
                done.append(hand.settle(each))
                if progress:
                    progress(len(done), len(due))
        finally:
            hand.tell(account_id)
    return done


class _Hand:
    """Whoever deletes, with what was opened on the way."""

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, gateway: AwsGateway, keys: Keys) -> None:
        self._sessions = sessions
        self._actor = actor
        self._tenant_id = tenant_id
        self._gateway = gateway
        self._keys = keys
        self._opened: dict[str, Credentials] = {}

    def tell(self, account_id: UUID) -> None:
        """Tell people what was deleted of an account since they were told last; in a transaction of its own.

        What goes wrong with that is logged: it neither keeps the rest from being deleted nor hides another error.
        """
        try:
            with self._sessions(tenant=self._tenant_id) as session:
                tell_of_deleted(session, account_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next run tells
            _log.error("nobody was told of what was deleted of account %s", account_id, exc_info=error)

    def settle(self, due: Due) -> Deletion:
        """Bring one resource to its end; what goes wrong with it is noted."""
        try:
            return self._settle(due)
        except SpothiveError as error:
            if isinstance(error, _OURS) and not isinstance(error, KeyMissing):
                raise
            return self._failed(due, _clearly(error, due.account_name))
        except Exception as error:  # noqa: BLE001 - a defect at one resource is no reason to leave the others undone
            _log.error("deleting %s broke", due.resource_id, exc_info=error)
            return self._failed(due, SpothiveError(f"a defect of spothive: {type(error).__name__}"))

    def _failed(self, due: Due, reason: SpothiveError) -> Deletion:
        """Note why, in the audit trail too: a deletion that is tried each hour tells of each reason once."""
        with self._sessions(tenant=self._tenant_id) as session:
            same: dict[str, Any] = {"event": _DELETED, "outcome": Outcome.FAILURE, "after": {"reason": str(reason)}}
            if not is_recorded(session, resource=due.resource_id, since=due.since, **same):
                record_failure(session, self._actor, _DELETED, due.resource_id, ResourceType.WASTE, reason=reason)
        return due.came_to(Ending.FAILED, str(reason))

    def _settle(self, due: Due) -> Deletion:
        with self._sessions(tenant=self._tenant_id) as session:
            access = read_access(session, due.account_name, self._keys)
            row = _locked_row(session, access, due)
            if stopped := self._stops(session, due, row):
                return stopped
            plan, known = read_plan(session, row), remember(session, row.account_id, row.resource_id)
            not_before = database_clock(session) - SNAPSHOT_AGE
        eye = Eye(self._gateway, self._credentials(access), current_rules(), known)
        verdict = look_at_one(eye, due.region, due.resource_type, due.resource_id)
        if due.resource_type is WasteType.EBS_VOLUME and isinstance(verdict, Claim):
            if ended := self._decide(due, access, plan, verdict):
                return ended
            snapshot = self._gateway.final_snapshot(
                eye.credentials, due.region, due.resource_id, plan.token, not_before
            )
            if waits := self._keep_undo(due, access, plan, verdict, snapshot):
                return waits
            verdict = look_at_one(eye, due.region, due.resource_type, due.resource_id)  # attached meanwhile?
        begun = self._begin(due, access, plan, verdict)
        if isinstance(begun, Deletion):
            return begun
        try:
            was_there = self._act(eye, due)
        except AwsUnavailable:
            raise  # nobody knows what AWS did: the next run finds out
        except AwsError as error:
            if ended := self._give_back(eye, due, access, replace(plan, begun_at=begun), error):
                return ended
            raise
        with self._sessions(tenant=self._tenant_id) as session:
            return self._end(session, due, _locked_row(session, access, due), found_gone=not was_there)

    def _credentials(self, access: Access) -> Credentials:
        held = self._opened.get(access.account_name)
        if held is None or (held.expires_at is not None and held.expires_at - RENEW_BEFORE <= utc_now()):
            held = self._opened[access.account_name] = access.credentials(self._gateway)
        return held

    def _stops(self, session: TenantSession, due: Due, row: WasteResource) -> Deletion | None:
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

    def _decide(self, due: Due, access: Access, plan: Plan, verdict: Verdict | None) -> Deletion | None:
        """End what is not to be deleted, or is for another day; None if the deletion goes on."""
        with self._sessions(tenant=self._tenant_id) as session:
            return self._decided(session, due, _locked_row(session, access, due), plan, verdict)

    def _decided(
        self, session: TenantSession, due: Due, row: WasteResource, plan: Plan, verdict: Verdict | None
    ) -> Deletion | None:
        """Decide, with the row locked.

        How many may go in a day counts last: what is in use again is no deletion, however many there were.
        """
        if not plan.is_that_of(row):
            return due.came_to(Ending.WAITS, "another run is at it, or it was taken back")
        return self._ended(session, due, row, plan, verdict) or self._put_off(session, due, row)

    def _put_off(self, session: TenantSession, due: Due, row: WasteResource) -> Deletion | None:
        """Return that it is for another day, if enough of its kind was deleted; what has begun goes on."""
        most = is_put_off(session, row) if row.deletion_begun_at is None else None
        if most is None:
            return None
        are = "one of its kind is" if most == 1 else f"{most} of its kind are"
        return due.came_to(Ending.PUT_OFF, f"{are} deleted in 24 hours at most: it is for another day")

    def _ended(
        self, session: TenantSession, due: Due, row: WasteResource, plan: Plan, verdict: Verdict | None
    ) -> Deletion | None:
        """End what is not to be deleted any more."""
        if verdict is None:
            if plan.begun_at is not None:
                return self._end(session, due, row, found_gone=True)
            return self._resolve(session, due, row, "somebody else removed it")
        if isinstance(verdict, Spared):
            return self._resolve(session, due, row, verdict.reason)
        return None if same_plan(plan, verdict) else self._step_back(session, due, row, verdict)

    def _begin(self, due: Due, access: Access, plan: Plan, verdict: Verdict | None) -> Deletion | datetime:
        """Remember that AWS is about to be told, in the audit trail too; return when, or what came of it instead."""
        with self._sessions(tenant=self._tenant_id) as session:
            row = _locked_row(session, access, due)
            ended = self._decided(session, due, row, plan, verdict) or self._stops(session, due, row)
            if ended is not None:
                return ended
            if due.resource_type is WasteType.AMI and isinstance(verdict, Claim):
                row.undo_recipe = image_recipe(due.region, verdict.metadata)
            after = {"approved": row.plan_hash, "undo": row.undo_recipe}
            if not is_recorded(session, event=DELETING, resource=due.resource_id, since=due.since, after=after):
                record(session, self._actor, DELETING, due.resource_id, ResourceType.WASTE, after=after)
            begin_telling(session, row.account_id)
            begun = row.deletion_begun_at = database_clock(session)
            return begun

    def _give_back(self, eye: Eye, due: Due, access: Access, plan: Plan, error: AwsError) -> Deletion | None:
        """Let go of what AWS refused to delete, so that it can be kept, and counts in no share; return its end, if any.

        If not the account is to blame, the resource is: it is looked at once more, and may be in use or gone.
        """
        looked = isinstance(error, AwsCallFailed)
        verdict = look_at_one(eye, due.region, due.resource_type, due.resource_id) if looked else None
        with self._sessions(tenant=self._tenant_id) as session:
            row = _locked_row(session, access, due)
            if not plan.is_that_of(row):
                return None  # another run is at it
            if looked and (ended := self._ended(session, due, row, plan, verdict)):
                return ended
            row.deletion_begun_at = None
            return None

    def _keep_undo(
        self, due: Due, access: Access, plan: Plan, claim: Claim, snapshot: ObservedSnapshot
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
        if snapshot.state in PENDING:
            return due.came_to(Ending.WAITS, f"its final snapshot {name} is {snapshot.state}: a later run deletes it")
        msg = f"its final snapshot {name} is {snapshot.state}: without one the volume is not deleted"
        raise Conflict(msg)

    def _act(self, eye: Eye, due: Due) -> bool:
        """Tell AWS; return whether the resource was there."""
        act = {
            WasteType.ELASTIC_IP: self._gateway.release_address,
            WasteType.EBS_VOLUME: self._gateway.delete_volume,
            WasteType.EBS_SNAPSHOT: self._gateway.delete_snapshot,
            WasteType.AMI: self._gateway.deregister_image,
        }[due.resource_type]
        return act(eye.credentials, due.region, due.resource_id)

    def _end(self, session: TenantSession, due: Due, row: WasteResource, *, found_gone: bool) -> Deletion:
        """Write that it is deleted; once, whoever else found out."""
        detail = "AWS had removed it when this run came" if found_gone else "AWS removed it"
        if row.status is WasteStatus.SCHEDULED_DELETE:
            before = {"status": row.status}
            ended: dict[str, Any] = {"scheduled_deletion_date": None, "deleted_at": clock_timestamp()}
            move(session, row, WasteResource.status, WasteStatus.DELETED, **ended)
            after = {"status": row.status, "undo": row.undo_recipe, "found_gone": found_gone}
            record(session, self._actor, _DELETED, row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.DELETED, detail)

    def _resolve(self, session: TenantSession, due: Due, row: WasteResource, reason: str) -> Deletion:
        before = {"status": row.status}
        ended = {"scheduled_deletion_date": None, "deletion_begun_at": None, "reason": reason}
        move(session, row, WasteResource.status, WasteStatus.RESOLVED, **ended)
        after = {"status": row.status, "reason": reason}
        record(session, self._actor, "waste.resolved", row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.RESOLVED, reason)

    def _step_back(self, session: TenantSession, due: Due, row: WasteResource, claim: Claim) -> Deletion:
        """Take back a deletion whose plan is another one now; what is claimed now is what can be approved next."""
        before = {"status": row.status, "evidence": dict(row.evidence)}
        back: dict[str, Any] = {"scheduled_deletion_date": None, "deletion_begun_at": None, "plan_hash": None}
        now: dict[str, Any] = {"evidence": claim.evidence, "resource_metadata": claim.metadata, "reason": claim.reason}
        now |= {"monthly_cost": claim.monthly_cost, "undo_recipe": None}
        move(session, row, WasteResource.status, WasteStatus.FLAGGED, **back, **now)
        after = {"status": row.status, "evidence": claim.evidence}
        record(session, self._actor, "waste.changed", row.resource_id, ResourceType.WASTE, before=before, after=after)
        return due.came_to(Ending.CHANGED, "it is not any more what was approved: ask for another approval")


def _locked_row(session: TenantSession, access: Access, due: Due) -> WasteResource:
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
