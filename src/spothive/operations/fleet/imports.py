"""Import what ``aws ec2 describe-instances`` printed: one transaction, and only what changed is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import insert_rows, update_rows
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, RefusedInstance, content_hash
from spothive.models import (
    Account,
    Cluster,
    ClusterStatus,
    ConnectionMethod,
    Instance,
    InstanceState,
    Lifecycle,
    OrchestratorType,
    PipelineMode,
    ResourceType,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    User,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.accounts import find_account, log_account
from spothive.operations.identity import Action, require
from spothive.schema.states import move
from spothive.schema.types import new_id

GONE = 0
"""Content hash of an instance AWS no longer lists: whatever it says if it comes back is a change."""

_COMPARED = ("instance_type", "availability_zone", "state", "lifecycle", "cluster")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one instance, before and after."""

    instance_id: str
    name: str
    before: str | None
    after: str | None


@dataclass(slots=True)
class ImportResult:
    """What an import did. ``added``, ``changed`` and ``vanished`` hold EC2 instance ids."""

    account_name: str
    status: ScanStatus | None
    regions: list[str]
    seen: int
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    changes: list[FieldChange] = field(default_factory=list)
    refused: list[RefusedInstance] = field(default_factory=list)
    clusters_added: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database holds of an instance, as far as an import compares it."""

    id: UUID
    instance_id: str
    content_hash: int
    region: str
    instance_type: str
    availability_zone: str
    state: InstanceState
    lifecycle: Lifecycle
    cluster: str | None


def import_fleet(
    session: TenantSession,
    actor: Actor,
    *,
    name: str,
    answer: FleetAnswer,
    regions: Iterable[str] = (),
    owner: str | None = None,
) -> ImportResult:
    """Bring account ``name`` to what ``answer`` says; the account is made at its first import.

    Such an account proves nothing: it claims no AWS account, is never PROD and feeds no hive. Instances of the
    answer's regions that the answer does not list become terminated, unless the answer is incomplete.
    Statements: a fixed number, whatever the number of instances.

    Args:
        session: bound to the tenant.
        actor: who imports.
        name: name of the account in spothive.
        answer: what was read, from one or several files.
        regions: regions the answer covers although it may list no instance there.
        owner: user name of who answers for a new account; the actor, or the tenant's first client, when None.

    Returns:
        What changed. ``status`` is None if nothing could be concluded: no instance and no region.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: the answer belongs to several AWS accounts, or to another than the last one did.
        Conflict: the account is connected to AWS and is discovered, not imported.
        NotFound: no such owner.
    """
    require(actor, Action.MANAGE, attempt="account.imported", resource=name, resource_type=ResourceType.ACCOUNT)
    owner_id = _one_owner(answer)
    account = _account(session, actor, name, owner_id, owner)
    covered = sorted({i.region for i in answer.instances} | set(regions))
    result = ImportResult(name, None, covered, len(answer.instances), refused=list(answer.refused))
    if covered:
        known = _known_instances(session, account)
        _refuse_foreign(session, account, answer, result)
        _write(session, account, answer, known, result)
        _record_run(session, account, answer, result)
    counts = {"added": len(result.added), "changed": len(result.changed), "vanished": len(result.vanished)}
    after = {"seen": result.seen, **counts, "refused": len(result.refused), "regions": covered}
    record(session, actor, "account.imported", name, ResourceType.ACCOUNT, after=after)
    log_account(session, actor, account, "imported", after)
    return result


def _one_owner(answer: FleetAnswer) -> str | None:
    if len(answer.owner_ids) > 1:
        msg = f"the answer mixes AWS accounts {', '.join(sorted(answer.owner_ids))}: import each under its own name"
        raise InvalidInput(msg)
    return next(iter(answer.owner_ids), None)


def _account(session: TenantSession, actor: Actor, name: str, owner_id: str | None, owner: str | None) -> Account:
    """Return the locked account to import into, making it if there is none."""
    try:
        account = find_account(session, name, for_update=True)
    except NotFound:
        account = Account(
            account_name=name,
            account_id=f"pending-{uuid4().hex}",
            connection_method=ConnectionMethod.IMPORT,
            user_id=_responsible(session, actor, owner),
            account_metadata={"claimed_account_id": owner_id} if owner_id else {},
        )
        session.add(account)
        session.flush()  # instances point to it, and a taken name is refused here
        return account
    if account.connection_method is not ConnectionMethod.IMPORT:
        msg = f"account {account.account_name} is connected to AWS: discover it instead of importing"
        raise Conflict(msg)
    claimed = account.account_metadata.setdefault("claimed_account_id", owner_id) if owner_id else None
    if owner_id and claimed != owner_id:
        msg = f"{name} holds instances of AWS account {claimed}, the answer those of {owner_id}: use another name"
        raise InvalidInput(msg)
    return account


def _responsible(session: TenantSession, actor: Actor, owner: str | None) -> UUID:
    if owner is None and actor.home_tenant_id == session.tenant_id:
        return actor.user_id
    query = select(User.id).where(User.is_active.is_(True)).order_by(User.role != "client", User.created_at).limit(1)
    user_id = session.scalar(query if owner is None else query.where(User.username == owner.lower()))
    if user_id is None:
        who = f"no active user of this tenant is called {owner!r}" if owner else "this tenant has no user yet"
        msg = f"{who}: make one with `spothive user create`, somebody must answer for the account"
        raise NotFound(msg)
    return user_id


def _known_instances(session: TenantSession, account: Account) -> dict[str, _Known]:
    query = (
        select(
            Instance.id,
            Instance.instance_id,
            Instance.content_hash,
            Instance.region,
            Instance.instance_type,
            Instance.availability_zone,
            Instance.state,
            Instance.lifecycle,
            Cluster.name,
        )
        .outerjoin(Cluster, Cluster.id == Instance.cluster_id)
        .where(Instance.account_id == account.id)
    )
    return {row.instance_id: _Known(*row) for row in session.execute(query)}


def _refuse_foreign(session: TenantSession, account: Account, answer: FleetAnswer, result: ImportResult) -> None:
    """Refuse by name what another account of the tenant holds already."""
    query = (
        select(Instance.instance_id, Account.account_name)
        .join(Account, Account.id == Instance.account_id)
        .where(Instance.account_id != account.id)
    )
    holders: dict[str, str] = {}
    ids = [instance.instance_id for instance in answer.instances]
    for start in range(0, len(ids), _CHUNK):
        chunk = query.where(Instance.instance_id.in_(ids[start : start + _CHUNK]))
        holders.update({instance_id: holder for instance_id, holder in session.execute(chunk)})
    for instance_id, holder in holders.items():
        result.refused.append(RefusedInstance(instance_id, "the database", f"account {holder} holds it already"))


_CHUNK = 20_000
"""Ids asked for in one statement; both databases take 32,000 parameters."""


def _write(
    session: TenantSession,
    account: Account,
    answer: FleetAnswer,
    known: dict[str, _Known],
    result: ImportResult,
) -> None:
    """Write what is new, changed or gone, and note it in ``result``."""
    now = utc_now()
    refused = {entry.instance_id for entry in result.refused}
    taken = [i for i in answer.instances if i.instance_id not in refused]
    clusters = _clusters(session, account, taken, result)
    hashes = {i.instance_id: content_hash(i) for i in taken}
    new = [i for i in taken if i.instance_id not in known]
    changed = [
        i for i in taken if i.instance_id in known and known[i.instance_id].content_hash != hashes[i.instance_id]
    ]
    base = {"tenant_id": session.tenant_id, "updated_at": now}
    insert_rows(
        session,
        Instance,
        [
            base
            | {"id": new_id(), "account_id": account.id, "instance_id": i.instance_id, "created_at": now}
            | _columns(i, hashes[i.instance_id], clusters, now)
            for i in new
        ],
    )
    update_rows(
        session,
        Instance,
        [base | {"id": known[i.instance_id].id} | _columns(i, hashes[i.instance_id], clusters, now) for i in changed],
    )
    result.added = [i.instance_id for i in new]
    result.changed = [i.instance_id for i in changed]
    result.changes = [change for i in changed for change in _field_changes(known[i.instance_id], i)]
    if _is_whole(answer):
        seen = {i.instance_id for i in taken} | refused
        gone = [k for k in known.values() if k.region in result.regions and k.instance_id not in seen]
        gone = [k for k in gone if k.state is not InstanceState.TERMINATED]
        ended = {"state": InstanceState.TERMINATED, "terminated_at": now, "content_hash": GONE}
        update_rows(session, Instance, [base | {"id": k.id} | ended for k in gone])
        result.vanished = [k.instance_id for k in gone]


def _is_whole(answer: FleetAnswer) -> bool:
    """Tell whether an instance that is not in the answer is gone, not just unread."""
    return answer.complete and all(entry.instance_id is not None for entry in answer.refused)


def _columns(
    seen: ObservedInstance, digest: int, clusters: dict[tuple[str, str], UUID], now: datetime
) -> dict[str, Any]:
    """Return the columns that AWS decides, as they are to be stored."""
    member = seen.cluster_name is not None
    state = InstanceState(seen.state)
    return {
        "instance_type": seen.instance_type,
        "region": seen.region,
        "availability_zone": seen.availability_zone,
        "state": state,
        "terminated_at": now if state is InstanceState.TERMINATED else None,
        "lifecycle": Lifecycle(seen.lifecycle),
        "cpu": seen.vcpus,
        "memory": seen.memory_mib,
        "launched_at": seen.launched_at,
        "cluster_id": clusters.get((seen.region, seen.cluster_name or "")),
        "cluster_membership": {
            "cluster_name": seen.cluster_name,
            "node_group": seen.node_group,
            "role": "node",
        }
        if member
        else None,
        "orchestrator_type": OrchestratorType.KUBERNETES if member else OrchestratorType.STANDALONE,
        "pipeline_mode": PipelineMode.CLUSTER if member else PipelineMode.LINEAR,
        "instance_metadata": {"tags": seen.tags, "vpc_id": seen.vpc_id, "subnet_id": seen.subnet_id},
        "content_hash": digest,
    }


def _clusters(
    session: TenantSession, account: Account, instances: list[ObservedInstance], result: ImportResult
) -> dict[tuple[str, str], UUID]:
    """Return (region, cluster name) to cluster id, making the clusters that are new."""
    query = select(Cluster.region, Cluster.name, Cluster.id).where(Cluster.account_id == account.id)
    found = {(region, name): cluster_id for region, name, cluster_id in session.execute(query)}
    for seen in instances:
        key = (seen.region, seen.cluster_name or "")
        if seen.cluster_name and key not in found:
            cluster = Cluster(
                id=new_id(),
                account_id=account.id,
                region=seen.region,
                name=seen.cluster_name,
                vpc_id=seen.vpc_id,
                status=ClusterStatus.DISCOVERED,
            )
            session.add(cluster)
            found[key] = cluster.id
            result.clusters_added.append(f"{seen.region}/{seen.cluster_name}")
    session.flush()  # instances point to them
    return found


def _field_changes(before: _Known, after: ObservedInstance) -> list[FieldChange]:
    new = {name: getattr(after, name, None) for name in _COMPARED} | {"cluster": after.cluster_name}
    old = {name: getattr(before, name) for name in _COMPARED}
    pairs = ((name, old[name], new[name]) for name in _COMPARED)
    return [FieldChange(before.instance_id, name, was, now) for name, was, now in pairs if was != now]


def _record_run(session: TenantSession, account: Account, answer: FleetAnswer, result: ImportResult) -> None:
    """Write the run and its units: what was looked at, and how much of it can be trusted."""
    now = utc_now()
    whole = _is_whole(answer)
    run = ScanRun(
        account_id=account.id,
        kind=ScanKind.IMPORT,
        units_expected=len(result.regions),
        lease_token=uuid4(),
        leased_until=now,
        seen=result.seen,
        added=len(result.added),
        changed=len(result.changed),
        vanished=len(result.vanished),
    )
    session.add(run)
    session.flush()  # the units point to it
    items = Counter(instance.region for instance in answer.instances)
    units = [
        ScanUnit(scan_run_id=run.id, region=region, resource_kind="instances", pages=1, items=items[region])
        for region in result.regions
    ]
    session.add_all(units)
    session.flush()  # a unit is born PENDING and then moved
    reason = None if whole else "the answer was incomplete: what it does not list may still exist"
    for unit in units:
        move(session, unit, ScanUnit.status, UnitStatus.DONE if whole else UnitStatus.FAILED, error=reason)
    result.status = ScanStatus.COMPLETE if whole else ScanStatus.PARTIAL
    error = f"{len(result.refused)} instances refused" if result.refused else reason
    move(session, run, ScanRun.status, result.status, finished_at=now, error=error)
