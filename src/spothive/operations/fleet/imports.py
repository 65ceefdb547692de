"""Import what ``aws ec2 describe-instances`` printed: one transaction, and only what changed is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.database.bulk import insert_rows, is_any_of, update_rows
from spothive.errors import Conflict, DuplicateValue, InvalidInput, NotFound, NothingToImport
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
from spothive.operations.fleet.listing import check_region
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
    status: ScanStatus
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
    terminated_at: datetime | None
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
        What changed.

    Raises:
        Denied: the role does not allow it.
        NothingToImport: nothing can be taken from the answer and no region is named.
        InvalidInput: the answer belongs to several AWS accounts, or to another than the last one did; or a region is
            none of AWS.
        Conflict: the account is connected to AWS and is discovered, not imported; or it is being disconnected.
        NotFound: no such owner.
    """
    require(actor, Action.MANAGE, attempt="account.imported", resource=name, resource_type=ResourceType.ACCOUNT)
    regions = set(regions)
    for region in regions:
        check_region(region)
    started_at = utc_now()
    owner_id = _one_owner(answer)
    account = _account(session, actor, name, owner_id, owner)
    covered = sorted({i.region for i in answer.instances} | regions)
    status = ScanStatus.COMPLETE if _is_whole(answer) else ScanStatus.PARTIAL
    result = ImportResult(name, status, covered, len(answer.instances), refused=list(answer.refused))
    known = _known_instances(session, account)
    foreign = _refuse_foreign(session, answer, known)
    result.refused += foreign
    held = {entry.instance_id for entry in foreign}
    taken = [seen for seen in answer.instances if seen.instance_id not in held]
    if not taken and not regions:
        raise NothingToImport(_why_nothing(result.refused), refused=result.refused)
    _write(session, account, taken, known, result)
    if status is ScanStatus.COMPLETE:
        _end_unlisted(session, answer, known, result)
    _record_run(session, account, answer, result, started_at)
    counts = {"added": len(result.added), "changed": len(result.changed), "vanished": len(result.vanished)}
    after = {"seen": result.seen, **counts, "refused": len(result.refused), "regions": covered}
    record(session, actor, "account.imported", name, ResourceType.ACCOUNT, after=after)
    log_account(session, actor, account, "imported", after)
    return result


def _why_nothing(refused: list[RefusedInstance]) -> str:
    if not refused:
        return "the answer lists no instance: say with --region which regions it covers, so that their fleet can end"
    first = refused[0]
    return (
        f"nothing was imported: every instance is refused ({len(refused)}), "
        f"the first, {first.instance_id or 'without id'} in {first.source}: {first.reason}"
    )


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
        account = _new_account(session, name, _responsible(session, actor, owner))
    if account.connection_method is not ConnectionMethod.IMPORT:
        msg = f"account {account.account_name} is connected to AWS: discover it instead of importing"
        raise Conflict(msg)
    claimed = account.account_metadata.setdefault("claimed_account_id", owner_id) if owner_id else None
    if owner_id and claimed != owner_id:
        msg = f"{name} holds instances of AWS account {claimed}, the answer those of {owner_id}: use another name"
        raise InvalidInput(msg)
    return account


def _new_account(session: TenantSession, name: str, user_id: UUID) -> Account:
    account = Account(
        account_name=name,
        account_id=f"pending-{uuid4().hex}",
        connection_method=ConnectionMethod.IMPORT,
        user_id=user_id,
    )
    try:
        with session.begin_nested():  # a taken name must not end the transaction
            session.add(account)
    except DuplicateValue:
        try:
            return find_account(session, name, for_update=True)  # another import made it since we looked
        except NotFound:
            msg = f"account {name} is being disconnected: let `spothive account disconnect {name}` finish first"
            raise Conflict(msg) from None
    return account


def _responsible(session: TenantSession, actor: Actor, owner: str | None) -> UUID:
    if owner is None and actor.home_tenant_id == session.tenant_id:
        return actor.user_id
    query = select(User.id).where(User.is_active).order_by(User.role != "client", User.created_at).limit(1)
    user_id = session.scalar(query if owner is None else query.where(User.username == owner.lower()))
    if user_id is None:
        who = f"no active user of this tenant is called {owner!r}" if owner else "this tenant has no user yet"
        msg = f"{who}: make one with `spothive user create`, somebody must answer for the account"
        raise NotFound(msg)
    return user_id


def _known_instances(session: TenantSession, account: Account) -> dict[str, _Known]:
    query: Select[*tuple[Any, ...]] = (
        select(
            Instance.id,
            Instance.instance_id,
            Instance.content_hash,
            Instance.region,
            Instance.instance_type,
            Instance.availability_zone,
            Instance.state,
            Instance.lifecycle,
            Instance.terminated_at,
            Cluster.name,
        )
        .outerjoin(Cluster, Cluster.id == Instance.cluster_id)
        .where(Instance.account_id == account.id)
    )
    return {row.instance_id: _Known(*row) for row in session.execute(query)}


def _refuse_foreign(session: TenantSession, answer: FleetAnswer, known: Container[str]) -> list[RefusedInstance]:
    """Return what another account of the tenant holds already; what is known here cannot be there too."""
    new = [seen.instance_id for seen in answer.instances if seen.instance_id not in known]
    query = select(Instance.instance_id, Account.account_name).join(Account, Account.id == Instance.account_id)
    holders = session.execute(query.where(is_any_of(session, Instance.instance_id, new)))
    return [
        RefusedInstance(instance_id, "the database", f"account {holder} holds it already")
        for instance_id, holder in holders
    ]


def _write(
    session: TenantSession,
    account: Account,
    taken: list[ObservedInstance],
    known: dict[str, _Known],
    result: ImportResult,
) -> None:
    """Write what is new or changed, and note it in ``result``."""
    now = utc_now()
    clusters = _clusters(session, account, taken, result)
    base = {"tenant_id": session.tenant_id, "updated_at": now}
    new, changed = [], []
    for seen in taken:
        digest, before = content_hash(seen), known.get(seen.instance_id)
        cluster_id = clusters.get((seen.region, seen.cluster_name or ""))
        if before is None:
            result.added.append(seen.instance_id)
            row = {"id": new_id(), "account_id": account.id, "instance_id": seen.instance_id, "created_at": now}
            new.append(base | row | _columns(seen, digest, cluster_id, ended=now))
        elif before.content_hash != digest:
            result.changed.append(seen.instance_id)
            result.changes += _field_changes(before, seen)
            ended = before.terminated_at or now  # AWS goes on listing what has ended for an hour
            changed.append(base | {"id": before.id} | _columns(seen, digest, cluster_id, ended=ended))
    insert_rows(session, Instance, new)
    update_rows(session, Instance, changed)


def _end_unlisted(session: TenantSession, answer: FleetAnswer, known: dict[str, _Known], result: ImportResult) -> None:
    """Terminate what the answer covers and does not list, and note it in ``result``."""
    now = utc_now()
    listed = {seen.instance_id for seen in answer.instances} | {entry.instance_id for entry in answer.refused}
    gone = [
        before
        for before in known.values()
        if before.instance_id not in listed
        and before.region in result.regions
        and before.state is not InstanceState.TERMINATED
    ]
    ended = {"state": InstanceState.TERMINATED, "terminated_at": now, "content_hash": GONE, "updated_at": now}
    update_rows(session, Instance, [{"tenant_id": session.tenant_id, "id": before.id} | ended for before in gone])
    result.vanished = [before.instance_id for before in gone]


def _is_whole(answer: FleetAnswer) -> bool:
    """Tell whether an instance that is not in the answer is gone, not just unread."""
    return answer.complete and all(entry.instance_id is not None for entry in answer.refused)


def _columns(seen: ObservedInstance, digest: int, cluster_id: UUID | None, *, ended: datetime) -> dict[str, Any]:
    """Return the columns that AWS decides, as they are to be stored; ``ended`` is when it was terminated, if it was."""
    member = seen.cluster_name is not None
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
        "cluster_id": cluster_id,
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


def _record_run(
    session: TenantSession, account: Account, answer: FleetAnswer, result: ImportResult, started_at: datetime
) -> None:
    """Write the run and its units: what was looked at, and how much of it can be trusted."""
    run = ScanRun(
        account_id=account.id,
        kind=ScanKind.IMPORT,
        units_expected=len(result.regions),
        lease_token=uuid4(),
        leased_until=started_at,
        started_at=started_at,
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
    whole = result.status is ScanStatus.COMPLETE
    unread = None if whole else "the answer was incomplete: what it does not list may still exist"
    for unit in units:
        move(session, unit, ScanUnit.status, UnitStatus.DONE if whole else UnitStatus.FAILED, error=unread)
    refused = f"instances refused: {len(result.refused)}" if result.refused else None
    error = "; ".join(filter(None, (unread, refused))) or None
    move(session, run, ScanRun.status, result.status, finished_at=utc_now(), error=error)
