"""Bring the database to what AWS was seen to hold: only what differs is written, and by a few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Select, or_, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import insert_rows, is_any_of, update_rows
from spothive.gateways.aws import ObservedCluster
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, RefusedInstance, content_hash
from spothive.models import (
    Account,
    AuthStatus,
    Cluster,
    ClusterStatus,
    Instance,
    InstanceState,
    Lifecycle,
    OrchestratorType,
    PipelineMode,
    ScanStatus,
)
from spothive.models.fleet.instances import NO_REPLICA, PLANNED
from spothive.schema.types import new_id

GONE: Final = 0
"""Content hash of an instance AWS no longer lists: whatever it says if it comes back is a change."""

FLAGGED_FOR: Final = timedelta(hours=24)
"""How long an instance nobody answers for stays flagged before it counts as unauthorized."""

MANAGED_BY: Final = ("managedby", "spothive")
"""Tag and value, in any case, by which an owner answers for an instance."""

_COMPARED = ("instance_type", "availability_zone", "state", "lifecycle", "cluster")
_OVER = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one instance, before and after."""

    instance_id: str
    name: str
    before: str | None
    after: str | None


@dataclass(slots=True, kw_only=True)
class ScanResult:
    """What a look at AWS found and changed. Lists of instances hold EC2 instance ids.

    Attributes:
        account_name: the account that was looked at.
        status: COMPLETE, PARTIAL or FAILED.
        regions: regions that were looked at.
        failed: region to the reason why it could not be read; its instances were left as they are.
        account_failed: why AWS refuses the account, if it does.
        seen: instances AWS listed.
        vanished: those AWS no longer lists.
        flagged: those nobody answers for, since this look.
        unauthorized: those nobody answered for within 24 hours of being flagged.
        refused: what was left out, and why.
        clusters_added: new clusters as ``region/name``.
    """

    account_name: str
    status: ScanStatus
    regions: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    account_failed: str | None = None
    seen: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    changes: list[FieldChange] = field(default_factory=list)
    flagged: list[str] = field(default_factory=list)
    unauthorized: list[str] = field(default_factory=list)
    refused: list[RefusedInstance] = field(default_factory=list)
    clusters_added: list[str] = field(default_factory=list)

    def absorb(self, part: ScanResult) -> None:
        """Add what ``part`` of the same look found."""
        self.seen += part.seen
        for name in ("added", "changed", "vanished", "changes", "flagged", "unauthorized", "refused", "clusters_added"):
            getattr(self, name).extend(getattr(part, name))

    def counts(self) -> dict[str, Any]:
        """Return what the audit trail and the account's history keep of it."""
        names = ("added", "changed", "vanished", "flagged", "unauthorized", "refused")
        return {"seen": self.seen, **{name: len(getattr(self, name)) for name in names}, "regions": self.regions}


class _Known(NamedTuple):
    """What the database holds of an instance, as far as it is compared."""

    id: UUID
    instance_id: str
    content_hash: int
    region: str
    instance_type: str
    availability_zone: str
    state: InstanceState
    lifecycle: Lifecycle
    terminated_at: datetime | None
    auth_status: AuthStatus
    flagged_at: datetime | None
    is_replica: bool
    cluster: str | None

    @property
    def is_planned(self) -> bool:
        """Whether it is a replica that EC2 has not started yet: what AWS lists says nothing about it."""
        return self.instance_id.startswith(PLANNED)


class _Auth(NamedTuple):
    """Whether somebody answers for an instance, and since when nobody does."""

    status: AuthStatus
    since: datetime | None


def reconcile(
    session: TenantSession,
    account: Account,
    answer: FleetAnswer,
    regions: Collection[str],
    result: ScanResult,
    *,
    clusters: Iterable[ObservedCluster] = (),
    judge: bool,
) -> None:
    """Write what differs between ``answer`` and the database, and note it in ``result``.

    Instances of ``regions`` that the answer does not list become terminated, unless the answer is incomplete.
    Statements: a fixed number, whatever the number of instances, and a few for each five thousand new ones.

    Args:
        session: bound to the account's tenant.
        account: whose instances they are; its row or its region must be locked by the caller.
        answer: what was read.
        regions: regions the answer covers.
        result: collects what changed.
        clusters: clusters that AWS itself listed.
        judge: whether instances nobody answers for are flagged, as an account that proved itself has it.
    """
    covered = regions if is_whole(answer) else ()
    hashes = _hashes(session, account, regions) if covered else {}
    settled = {seen.instance_id for seen in answer.instances if _is_settled(seen, hashes, judge=judge)}
    open_ones = [seen for seen in answer.instances if seen.instance_id not in settled]
    asked = dict.fromkeys(seen.instance_id for seen in open_ones)
    asked |= dict.fromkeys(instance_id for instance_id in hashes if instance_id not in settled)
    known, foreign = _known_instances(session, account, covered, asked)
    held = {entry.instance_id for entry in foreign}
    result.seen += len(answer.instances)
    result.refused += [*answer.refused, *foreign]
    taken = [seen for seen in answer.instances if seen.instance_id not in held]
    cluster_ids = _clusters(session, account, regions, taken, clusters, result=result)
    open_ones = [seen for seen in open_ones if seen.instance_id not in held]
    _write(session, account, open_ones, known, cluster_ids, result=result, judge=judge)
    if covered:
        _end_unlisted(session, answer, known, regions, result)


def is_whole(answer: FleetAnswer) -> bool:
    """Tell whether an instance that is not in the answer is gone, not just unread."""
    return answer.complete and all(entry.instance_id is not None for entry in answer.refused)


def _hashes(session: TenantSession, account: Account, regions: Collection[str]) -> dict[str, int]:
    """Return the content hash of each instance in ``regions`` about which only AWS has something to say.

    That is most of a fleet, and most of it is as it was: of these nothing else is read.
    """
    query = select(Instance.instance_id, Instance.content_hash).where(
        Instance.account_id == account.id,
        Instance.region.in_(sorted(regions)),
        Instance.auth_status == AuthStatus.AUTHORIZED,
        Instance.terminated_at.is_(None),
        ~Instance.is_replica,
    )
    return dict(session.execute(query).all())


def _is_settled(seen: ObservedInstance, hashes: Mapping[str, int], *, judge: bool) -> bool:
    """Tell whether an instance is known as it was seen, and nobody has to answer for it."""
    known = hashes.get(seen.instance_id)
    if known is None or known != content_hash(seen):
        return False
    return not judge or seen.state in _OVER or is_answered_for(seen)


def _known_instances(
    session: TenantSession, account: Account, regions: Collection[str], asked: Collection[str]
) -> tuple[dict[str, _Known], list[RefusedInstance]]:
    """Return the account's instances of which more than a fingerprint counts, and a refusal of what others hold.

    These are those ``asked`` for, and those in ``regions`` that live and are not authorized or stand in for another.
    """
    query: Select[*tuple[Any, ...]] = select(
        Instance.id,
        Instance.instance_id,
        Instance.content_hash,
        Instance.region,
        Instance.instance_type,
        Instance.availability_zone,
        Instance.state,
        Instance.lifecycle,
        Instance.terminated_at,
        Instance.auth_status,
        Instance.flagged_at,
        Instance.is_replica,
        Cluster.name,
    ).outerjoin(Cluster, Cluster.id == Instance.cluster_id)
    known: dict[str, _Known] = {}
    if regions:
        judged = query.where(
            Instance.account_id == account.id,
            Instance.region.in_(sorted(regions)),
            Instance.terminated_at.is_(None),
            or_(Instance.auth_status != AuthStatus.AUTHORIZED, Instance.is_replica),
        )
        known = {row.instance_id: _Known._make(row) for row in session.execute(judged)}
    foreign = []
    rest = [instance_id for instance_id in asked if instance_id not in known]
    if rest:
        elsewhere = query.join(Account, Account.id == Instance.account_id).add_columns(Account.id, Account.account_name)
        for *columns, holder, name in session.execute(elsewhere.where(is_any_of(session, Instance.instance_id, rest))):
            found = _Known._make(columns)
            if holder == account.id:
                known[found.instance_id] = found
            else:
                reason = f"account {name} holds it already"
                foreign.append(RefusedInstance(found.instance_id, "the database", reason))
    return known, foreign


def _write(
    session: TenantSession,
    account: Account,
    taken: list[ObservedInstance],
    known: dict[str, _Known],
    cluster_ids: dict[tuple[str, str], UUID],
    *,
    result: ScanResult,
    judge: bool,
) -> None:
    """Write what is new or changed, and note it in ``result``."""
    now = utc_now()
    base = {"tenant_id": session.tenant_id, "updated_at": now}
    maker = _RowMaker(cluster_ids)
    new, changed = [], []
    _release(session, taken, known)
    for seen in taken:
        before = known.get(seen.instance_id)
        auth = _judged(seen, before, now, judge=judge)
        _note_auth(seen.instance_id, before, auth.status, result)
        if before is None:
            new.append(seen)
            continue
        digest = content_hash(seen)
        if before.content_hash != digest or before.auth_status is not auth.status:
            if before.content_hash != digest:
                result.changed.append(seen.instance_id)
                result.changes += _field_changes(before, seen)
            ended = before.terminated_at or now  # AWS goes on listing what has ended for an hour
            changed.append({**base, "id": before.id, **maker.columns(seen, digest, auth, ended=ended)})
    result.added += [seen.instance_id for seen in new]
    own = {**base, "account_id": account.id, "created_at": now}
    insert_rows(
        session,
        Instance,
        (
            {
                **own,
                "id": new_id(),
                "instance_id": seen.instance_id,
                **maker.columns(seen, content_hash(seen), _judged(seen, None, now, judge=judge), ended=now),
            }
            for seen in new
        ),
    )
    update_rows(session, Instance, changed)


def _release(session: TenantSession, taken: Iterable[ObservedInstance], known: dict[str, _Known]) -> None:
    """Let replicas that ended here and still run at AWS be instances like any other: another may stand in by now."""
    back = [
        before.id
        for seen in taken
        if (before := known.get(seen.instance_id)) is not None
        and before.is_replica
        and before.terminated_at is not None
        and seen.state != InstanceState.TERMINATED
    ]
    if back:
        alone = NO_REPLICA | {"updated_at": utc_now()}
        update_rows(session, Instance, [{"tenant_id": session.tenant_id, "id": each} | alone for each in back])


def _judged(seen: ObservedInstance, before: _Known | None, now: datetime, *, judge: bool) -> _Auth:
    """Return whether somebody answers for an instance: a group, a cluster, its owner by a tag, or we for a replica."""
    status, since = (before.auth_status, before.flagged_at) if before else (AuthStatus.AUTHORIZED, None)
    if not judge or seen.state in _OVER or status is AuthStatus.TERMINATED:
        return _Auth(status, since)
    replica = before is not None and before.is_replica
    if replica or is_answered_for(seen):
        return _Auth(AuthStatus.AUTHORIZED, None)
    if status is AuthStatus.AUTHORIZED:
        status, since = AuthStatus.FLAGGED, now
    elif status is AuthStatus.FLAGGED and since is not None and now - since >= FLAGGED_FOR:
        status = AuthStatus.UNAUTHORIZED
    return _Auth(status, since)


def is_answered_for(seen: ObservedInstance) -> bool:
    """Tell whether a group, a cluster or an owner by a tag answers for what AWS described."""
    managed = any((key.lower(), value.lower()) == MANAGED_BY for key, value in seen.tags.items())
    return bool(seen.in_asg or seen.cluster_name or managed)


def _note_auth(instance_id: str, before: _Known | None, after: AuthStatus, result: ScanResult) -> None:
    if after is AuthStatus.FLAGGED and (before is None or before.auth_status is not after):
        result.flagged.append(instance_id)
    elif after is AuthStatus.UNAUTHORIZED and before is not None and before.auth_status is not after:
        result.unauthorized.append(instance_id)


def _end_unlisted(
    session: TenantSession,
    answer: FleetAnswer,
    known: dict[str, _Known],
    regions: Collection[str],
    result: ScanResult,
) -> None:
    """Terminate what the answer covers and does not list, and note it in ``result``."""
    now = utc_now()
    listed = {seen.instance_id for seen in answer.instances} | {entry.instance_id for entry in answer.refused}
    gone = [
        before
        for before in known.values()
        if before.instance_id not in listed
        and before.region in regions
        and before.state is not InstanceState.TERMINATED
        and not before.is_planned
    ]
    ended = {"state": InstanceState.TERMINATED, "terminated_at": now, "content_hash": GONE, "updated_at": now}
    update_rows(session, Instance, [{"tenant_id": session.tenant_id, "id": before.id} | ended for before in gone])
    result.vanished += sorted(before.instance_id for before in gone)


class _RowMaker:
    """Makes of what AWS says the columns that it decides."""

    def __init__(self, cluster_ids: Mapping[tuple[str, str], UUID]) -> None:
        self._cluster_ids = cluster_ids
        self._memberships: dict[tuple[str, str | None], dict[str, Any]] = {}

    def columns(self, seen: ObservedInstance, digest: int, auth: _Auth, *, ended: datetime) -> dict[str, Any]:
        """Return the columns as they are to be stored; ``ended`` is when it was terminated, if it was."""
        cluster = seen.cluster_name
        state = InstanceState(seen.state)
        return {
            "instance_type": seen.instance_type,
            "region": seen.region,
            "availability_zone": seen.availability_zone,
            "state": state,
            "terminated_at": ended if state is InstanceState.TERMINATED else None,
            "lifecycle": Lifecycle(seen.lifecycle),
            "cpu": seen.vcpus,
            "memory": seen.memory_mib,
            "launched_at": seen.launched_at,
            "cluster_id": None if cluster is None else self._cluster_ids.get((seen.region, cluster)),
            "cluster_membership": None if cluster is None else self._membership(cluster, seen.node_group),
            "orchestrator_type": OrchestratorType.STANDALONE if cluster is None else OrchestratorType.KUBERNETES,
            "pipeline_mode": PipelineMode.LINEAR if cluster is None else PipelineMode.CLUSTER,
            "instance_metadata": {"tags": seen.tags, "vpc_id": seen.vpc_id, "subnet_id": seen.subnet_id},
            "content_hash": digest,
            "auth_status": auth.status,
            "flagged_at": auth.since,
        }

    def _membership(self, cluster: str, node_group: str | None) -> dict[str, Any]:
        """Return the same object for all nodes of a group: it is written as JSON once."""
        found = self._memberships.get((cluster, node_group))
        if found is None:
            found = {"cluster_name": cluster, "node_group": node_group, "role": "node"}
            self._memberships[cluster, node_group] = found
        return found


def _clusters(
    session: TenantSession,
    account: Account,
    regions: Collection[str],
    instances: Iterable[ObservedInstance],
    listed: Iterable[ObservedCluster],
    *,
    result: ScanResult,
) -> dict[tuple[str, str], UUID]:
    """Return (region, cluster name) to cluster id, making the clusters that are new: AWS lists them, or a tag does."""
    query = select(Cluster).where(Cluster.account_id == account.id, Cluster.region.in_(sorted(regions)))
    found = {(cluster.region, cluster.name): cluster for cluster in session.scalars(query)}

    def named(region: str, name: str) -> Cluster:
        if (region, name) not in found:
            cluster = Cluster(id=new_id(), account_id=account.id, region=region, name=name)
            cluster.status = ClusterStatus.DISCOVERED
            session.add(cluster)
            found[region, name] = cluster
            result.clusters_added.append(f"{region}/{name}")
        return found[region, name]

    for seen in listed:
        cluster = named(seen.region, seen.name)
        cluster.vpc_id, cluster.api_endpoint, cluster.k8s_version = seen.vpc_id, seen.endpoint, seen.version
    networks: dict[tuple[str, str], str | None] = {}
    for member in instances:
        if member.cluster_name:
            place = member.region, member.cluster_name
            networks[place] = networks.get(place) or member.vpc_id
    for place, network in networks.items():
        cluster = named(*place)
        cluster.vpc_id = cluster.vpc_id or network
    session.flush()  # instances point to them
    return {key: cluster.id for key, cluster in found.items()}


def _field_changes(before: _Known, after: ObservedInstance) -> list[FieldChange]:
    new = {name: getattr(after, name, None) for name in _COMPARED} | {"cluster": after.cluster_name}
    old = {name: getattr(before, name) for name in _COMPARED}
    pairs = ((name, old[name], new[name]) for name in _COMPARED)
    return [FieldChange(before.instance_id, name, was, now) for name, was, now in pairs if was != now]
