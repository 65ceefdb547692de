"""Putting clusters to sleep at AWS and waking them, as their schedules say.

A cluster is claimed, its sizes are stored, its groups are scaled outside of any transaction, and what was applied is
written last. Whoever dies in between leaves sizes to go back to, and the next run goes on from there: in the direction
that is right by then. See decision 0044.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import null

from spothive.clock import utc_now
from spothive.errors import Conflict, InvalidInput, NetworkInTransaction, NotFound, Overloaded, SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.aws_scaling import GroupKind, NodeGroup, Scaled, Sizes
from spothive.keyring import Keys
from spothive.models import ApprovalAction, ResourceType, SleepState
from spothive.operations.actor import Actor
from spothive.operations.approvals import consume
from spothive.operations.audit import record
from spothive.operations.clusters.claiming import APPLIED, Claim, LeaseLost, change, claim, give_back, held, keep
from spothive.operations.clusters.due import DueHibernation, Step, due_and_tidied
from spothive.operations.fleet.access import Access
from spothive.operations.fleet.accounts import Progress
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.types import clock_timestamp

_log = logging.getLogger(__name__)

_ALL: Final = "all clusters"
_EXECUTED: Final = "approval.executed"
_OF_ONE_CLUSTER: Final = (Conflict, InvalidInput, NotFound, Overloaded)
"""Refusals of a claim that say nothing about other clusters."""

_STEPS: Final = frozenset({Step.SLEEP, Step.WAKE, Step.ASK})


class Outcome(enum.StrEnum):
    """What came of applying the hibernation of a cluster."""

    DONE = "done"
    WAITING = "waiting"
    """It is to sleep, and waits for an approval."""
    STAYS = "stays awake"
    """It is to sleep, and that was not approved."""
    NOT_YET = "not yet"
    """AWS is still changing one of its groups, or another run is at it: the next run goes on."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AppliedHibernation:
    """What a run did about a cluster.

    Attributes:
        cluster_id: row of the cluster.
        cluster: its name.
        to: what it was to become.
        outcome: what came of it.
        groups: the node groups whose sizes were set, by key.
        gone: the node groups that AWS does not have any more, by key.
        message: why it is not done, for people.
    """

    cluster_id: UUID
    cluster: str
    to: SleepState
    outcome: Outcome
    groups: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    message: str | None = None


def apply_hibernation(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    gateway: AwsGateway,
    keys: Keys,
    cluster: str | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> list[AppliedHibernation]:
    """Put to sleep and wake the clusters of a tenant that are not what they are to be (a procedure).

    Where nothing is to be done that is two statements, and no question to AWS. What goes wrong with one cluster is
    told, and written down, and the others go on; the next run tries again.

    Args:
        sessions: opens transactions of a tenant.
        actor: who runs it.
        tenant_id: tenant of the clusters.
        gateway: the way to AWS.
        keys: loads the keyring.
        cluster: name or id of the only one to look at; all when None.
        now: the moment (UTC) whose state is wanted; for each cluster the present by the database's clock when None.
        progress: told (clusters done, clusters in all).

    Returns:
        What came of it, for each cluster about which there was something to do; those to be woken come first.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: there is no such ``cluster``, or it has no schedule.
        Conflict: several clusters have this name.
    """
    with sessions(tenant=tenant_id) as session:
        of = cluster or _ALL
        require(actor, Action.MANAGE, attempt=APPLIED, resource=of, resource_type=ResourceType.HIBERNATION)
        due = due_and_tidied(session, cluster, now)
    run = _Run(sessions, actor, tenant_id, gateway, keys, now)
    done: list[AppliedHibernation] = []
    for number, each in enumerate(due, 1):
        told = run.apply(each) if each.step in _STEPS else _told(each, each.step, each.note)
        done += [told] if told else []
        if progress:
            progress(number, len(due))
    return done


@dataclass(frozen=True, slots=True)
class _Run:
    """One run over the clusters of a tenant; the arguments are those of :func:`apply_hibernation`."""

    sessions: Sessions
    actor: Actor
    tenant_id: UUID
    gateway: AwsGateway
    keys: Keys
    now: datetime | None
    credentials: dict[UUID, Credentials] = field(default_factory=dict)

    def apply(self, due: DueHibernation) -> AppliedHibernation | None:
        """Do what is to be done about one cluster by now; None if it is nothing any more.

        A defect at one cluster is no reason to let the others sleep on.
        """
        try:
            with self.sessions(tenant=self.tenant_id) as session:
                mine = claim(session, self.actor, due.cluster_id, self.now, self.keys)
        except _OF_ONE_CLUSTER as error:
            return _told(due, due.step, str(error))
        except SpothiveError:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged
            return _told(due, due.step, str(_defect(due.cluster, error)))
        if not isinstance(mine, Claim):
            return _told(due, mine.step, mine.note, taken=mine.taken)
        return self._do(mine)

    def _do(self, mine: Claim) -> AppliedHibernation:
        try:
            return self._sleep(mine) if mine.to is SleepState.ASLEEP else self._wake(mine)
        except LeaseLost as error:
            return _result(mine, Outcome.NOT_YET, message=str(error))
        except NetworkInTransaction:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, or told
            told = error if isinstance(error, SpothiveError) else _defect(mine.cluster, error)
            self._give_back(mine, told)
            return _result(mine, Outcome.FAILED, message=str(told))
        except BaseException:
            with suppress(SpothiveError):  # so that nobody has to wait for the lease
                self._give_back(mine, None)
            raise

    # --- to sleep ----------------------------------------------------------------------------------

    def _sleep(self, mine: Claim) -> AppliedHibernation:
        groups = self._groups(mine)
        if not groups:
            msg = f"{mine.cluster} has no node group in {mine.region} that spothive can scale: it cannot sleep"
            raise Conflict(msg)
        self._store(mine, groups)
        done = self._scale(mine, [(group, group.asleep) for group in groups])
        return self._finish(mine, done, before=mine.applied)

    def _store(self, mine: Claim, groups: Iterable[NodeGroup]) -> None:
        """Store the sizes to go back to, and use up the approval. What is stored already stays: it is from before."""
        with self.sessions(tenant=self.tenant_id) as session:
            schedule = held(session, mine)
            if mine.request_id is not None:
                request, target = consume(session, mine.request_id, action=ApprovalAction.HIBERNATE_CLUSTER)
                after = {"action": request.action_type, "target": target.name}
                record(session, self.actor, _EXECUTED, str(request.id), ResourceType.APPROVAL, after=after)
            sizes = {group.key: _written(group.sizes) for group in groups}
            stored = dict(schedule.restore_state or {})
            added = {key: value for key, value in sizes.items() if key not in stored}
            if added or not stored:
                schedule.restore_state = stored | added

    # --- awake ---------------------------------------------------------------------------------------

    def _wake(self, mine: Claim) -> AppliedHibernation:
        stored = {key: _read(mine, key) for key in mine.restore}
        present = {group.key: group for group in self._groups(mine) if group.key in stored}
        # What somebody has set by hand meanwhile is never made smaller.
        wanted = [(group, group.sizes.at_least(stored[key])) for key, group in present.items()]
        with self.sessions(tenant=self.tenant_id) as session:
            # From here on it is on the way: should it be to sleep again before it is awake, it is put to sleep anew.
            held(session, mine).applied_state = SleepState.AWAKE
        done = self._scale(replace(mine, applied=SleepState.AWAKE), wanted)
        done.gone += sorted(stored.keys() - present.keys())
        return self._finish(replace(mine, applied=SleepState.AWAKE), done, before=mine.applied)

    # --- both ------------------------------------------------------------------------------------------

    def _groups(self, mine: Claim) -> list[NodeGroup]:
        prefix = f"{GroupKind.AUTO_SCALING}:"
        also = [key.removeprefix(prefix) for key in mine.restore if key.startswith(prefix)]
        return self.gateway.node_groups(self._reach(mine.access), mine.region, mine.cluster, also=also)

    def _scale(self, mine: Claim, wanted: Iterable[tuple[NodeGroup, Sizes]]) -> _Done:
        """Set the sizes of groups that have others; one that AWS refuses keeps none of the rest from it."""
        done = _Done()
        for group, sizes in wanted:
            if group.sizes == sizes:
                continue
            try:
                reach = self._reach(mine.access)  # may take as long as the change itself, which has the lease for it
                with self.sessions(tenant=self.tenant_id) as session:
                    keep(session, mine)
                scaled = self.gateway.scale(reach, mine.region, mine.cluster, group, sizes)
            except AwsError as error:
                done.failed[group.key] = str(error)
            else:
                {Scaled.SET: done.set, Scaled.GONE: done.gone, Scaled.BUSY: done.busy}[scaled].append(group.key)
        return done

    def _finish(self, mine: Claim, done: _Done, *, before: SleepState) -> AppliedHibernation:
        """Write what was applied, or what is left to be done."""
        if error := done.left():
            self._give_back(mine, error if done.failed else None)
            outcome = Outcome.FAILED if done.failed else Outcome.NOT_YET
            return _result(mine, outcome, groups=done.set, gone=done.gone, message=str(error))
        values: dict[str, Any] = {"applied_state": mine.to, "applied_at": clock_timestamp(), "obstacle": null()}
        if mine.to is SleepState.AWAKE:
            values["restore_state"] = null()
        was, now = {"state": before}, {"state": mine.to, "groups": done.set, "gone": done.gone}
        with self.sessions(tenant=self.tenant_id) as session:
            change(session, mine, **values, lease_token=null(), leased_until=null())
            record(session, self.actor, APPLIED, mine.cluster, ResourceType.HIBERNATION, before=was, after=now)
        notes = [mine.note] if mine.note else []
        notes += [f"AWS has no {', '.join(done.gone)} any more"] if done.gone else []
        return _result(mine, Outcome.DONE, groups=done.set, gone=done.gone, message="; ".join(notes) or None)

    def _reach(self, access: Access) -> Credentials:
        """Return credentials of an account, the same for all its clusters as long as they last."""
        found = self.credentials.get(access.account_row_id)
        if found is None or (found.expires_at is not None and found.expires_at <= utc_now()):
            found = self.credentials[access.account_row_id] = access.credentials(self.gateway)
        return found

    def _give_back(self, mine: Claim, error: SpothiveError | None) -> None:
        with self.sessions(tenant=self.tenant_id) as session:
            give_back(session, self.actor, mine, error)


class _Done:
    """What AWS answered, by the keys of groups."""

    def __init__(self) -> None:
        self.set: list[str] = []
        self.gone: list[str] = []
        self.busy: list[str] = []
        self.failed: dict[str, str] = {}

    def left(self) -> Conflict | None:
        """Return what is left to be done, if anything is."""
        parts = [f"{key}: {reason}" for key, reason in self.failed.items()]
        parts += [f"{key} is still being changed at AWS" for key in self.busy]
        return Conflict(f"{'; '.join(parts)}; the next run goes on") if parts else None


def _told(due: DueHibernation, step: Step, note: str | None, *, taken: bool = False) -> AppliedHibernation | None:
    """Return what is to be told of a cluster that was not scaled; nothing where nothing was to be done after all."""
    if step is Step.NONE and not taken:
        return None
    outcome = {Step.WAIT: Outcome.WAITING, Step.STAY: Outcome.STAYS, Step.NONE: Outcome.NOT_YET}.get(
        step, Outcome.FAILED
    )
    was = due.step if step is Step.NONE else step
    to = SleepState.AWAKE if was in {Step.WAKE, Step.UNKNOWN} else SleepState.ASLEEP
    return AppliedHibernation(due.cluster_id, due.cluster, to, outcome, message=note)


def _result(mine: Claim, outcome: Outcome, **facts: Any) -> AppliedHibernation:
    return AppliedHibernation(mine.cluster_id, mine.cluster, mine.to, outcome, **facts)


def _defect(cluster: str, error: Exception) -> Conflict:
    """Log what nobody expected, and return what may be told of it: its words may hold anything."""
    _log.error("hibernation of a cluster broke: %s", cluster, exc_info=error)
    return Conflict(f"a defect of spothive: {type(error).__name__}")


def _written(sizes: Sizes) -> dict[str, int]:
    return {"min": sizes.minimum, "max": sizes.maximum, "desired": sizes.desired}


def _read(mine: Claim, key: str) -> Sizes:
    found = mine.restore[key]
    try:
        return Sizes(int(found["min"]), int(found["max"]), int(found["desired"]))
    except (TypeError, KeyError, ValueError):
        msg = f"the stored sizes of {key} of {mine.cluster} cannot be read: scale it by hand"
        raise Conflict(msg) from None
