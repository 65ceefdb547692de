"""Which instances are decided about, by whose leave, and by which model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import Account, EnvironmentType, Instance, InstanceState, Lifecycle, PipelineMode, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.decisions.pool_facts import Pool
from spothive.operations.identity import Action, may, require

MADE: Final = "decision.made"
"""How the audit trail calls a call that decides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance that is decided about, as it was read: names of the columns of :class:`Instance`."""

    id: UUID
    instance_id: str
    account_id: UUID
    here: Pool
    spot: bool
    pipeline_mode: PipelineMode
    is_shadow_mode: bool
    lab_model: UUID | None
    """The assigned model of an instance of a LAB account; None in PROD, where the active model decides."""


@dataclass(slots=True)
class Chosen:
    """What a call decides about: EC2 ids by region, and how many instances were left out and why."""

    by_region: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def count(self) -> int:
        """How many instances are decided about."""
        return sum(map(len, self.by_region.values()))


def require_to_decide(actor: Actor, environment: EnvironmentType, *, attempt: str, resource: str) -> None:
    """Let ``actor`` decide about an instance of such an account: managing is for PROD, experimenting for LAB.

    Raises:
        Denied: the role does not allow it.
    """
    action = Action.EXPERIMENT if environment is EnvironmentType.LAB else Action.MANAGE
    require(actor, action, attempt=attempt, resource=resource, resource_type=ResourceType.INSTANCE)


def choose(
    session: TenantSession, actor: Actor, instances: Collection[str] | None, candidates: Sequence[Pool]
) -> Chosen:
    """Return which instances to decide about; one statement.

    Args:
        session: of the tenant.
        actor: who decides.
        instances: EC2 ids; all that can be decided about when None. Of those, what ``actor`` may not decide about and
            what has no model is left out and counted.
        candidates: pools to compare with, of the regions of all instances.

    Raises:
        Denied: the role does not allow it.
        NotFound: an instance is none of the tenant's.
        Conflict: an instance that was named cannot be decided about.
        InvalidInput: nothing was named, or a pool is in another region than an instance.
    """
    resource = called(instances)
    require_to_decide(actor, EnvironmentType.LAB, attempt=MADE, resource=resource)
    query = select(
        Instance.instance_id,
        Instance.region,
        Instance.state,
        Instance.is_replica,
        Instance.assigned_model_id,
        Account.environment_type,
    )
    # Alike ones together: what is read and asked once serves more of them.
    alike = Instance.instance_type, Instance.availability_zone, Instance.instance_id
    rows = session.execute(_held(query, _named(session, instances)).order_by(*alike)).all()
    if instances is not None:
        _all_there(instances, {row.instance_id for row in rows})
    chosen = Chosen()
    for row in rows:
        why = _unfit(row)
        if instances is not None:
            require_to_decide(actor, row.environment_type, attempt=MADE, resource=resource)
            if why:
                msg = f"{row.instance_id} {why[1]}"
                raise Conflict(msg)
        elif not why and row.environment_type is EnvironmentType.PROD and not may(actor, Action.MANAGE):
            why = ("not allowed", "")
        if why:
            chosen.left_out[why[0]] += 1
        else:
            chosen.by_region[row.region].append(row.instance_id)
    _one_region(chosen, candidates)
    return chosen


def called(instances: Collection[str] | None) -> str:
    """Return what the audit trail calls these instances: the id of one, else how many.

    Raises:
        InvalidInput: there are none.
    """
    if instances is None:
        return "all instances"
    if not instances:
        msg = "name an instance, or say that all are meant"
        raise InvalidInput(msg)
    return next(iter(instances)) if len(set(instances)) == 1 else f"{len(set(instances))} instances"


def read_subjects(session: TenantSession, actor: Actor, instance_ids: Collection[str]) -> list[Subject]:
    """Return those of the instances that ``actor`` can still decide about, by EC2 id; one statement."""
    query = select(
        Instance.id,
        Instance.instance_id,
        Instance.account_id,
        Instance.region,
        Instance.availability_zone,
        Instance.instance_type,
        Instance.lifecycle,
        Instance.pipeline_mode,
        Instance.is_shadow_mode,
        Instance.assigned_model_id,
        Account.environment_type,
    ).where(_fit())
    if not may(actor, Action.MANAGE):  # an account may have become PROD since it was asked
        query = query.where(Account.environment_type == EnvironmentType.LAB)
    rows = session.execute(_held(query, _named(session, instance_ids)).order_by(Instance.instance_id))
    return [
        Subject(
            id=row.id,
            instance_id=row.instance_id,
            account_id=row.account_id,
            here=Pool(row.region, row.availability_zone, row.instance_type),
            spot=row.lifecycle is Lifecycle.SPOT,
            pipeline_mode=row.pipeline_mode,
            is_shadow_mode=row.is_shadow_mode,
            lab_model=row.assigned_model_id if row.environment_type is EnvironmentType.LAB else None,
        )
        for row in rows
    ]


def _held(query: Select[*tuple[Any, ...]], condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Narrow ``query`` to instances of accounts that are not being disconnected."""
    joined = query.join(Account, Account.id == Instance.account_id)
    return joined.where(Account.disconnecting_at.is_(None), condition)


def _named(session: TenantSession, instances: Collection[str] | None) -> ColumnElement[bool]:
    if instances is None:
        return and_(Instance.state == InstanceState.RUNNING, ~Instance.is_replica)
    return is_any_of(session, Instance.instance_id, sorted(set(instances)))


def _fit() -> ColumnElement[bool]:
    """Return in SQL what :func:`_unfit` tells in words."""
    has_model = or_(Account.environment_type == EnvironmentType.PROD, Instance.assigned_model_id.is_not(None))
    return and_(Instance.state == InstanceState.RUNNING, ~Instance.is_replica, has_model)


def _unfit(row: Any) -> tuple[str, str] | None:
    """Return why nothing can be decided about an instance, in short and in words."""
    if row.state is not InstanceState.RUNNING:
        return "not running", f"is {row.state}: decisions are about running instances"
    if row.is_replica:
        return "replica", "is a replica, which stands in for another instance: decide about it once it is promoted"
    if row.environment_type is EnvironmentType.LAB and row.assigned_model_id is None:
        return "without a model", (
            "belongs to a LAB account and has no model: give it one, see `spothive experiment assign`"
        )
    return None


def _all_there(instances: Collection[str], found: set[str]) -> None:
    missing = sorted(set(instances) - found)
    if missing:
        msg = f"no instance has the id {missing[0][:60]!r}: see `spothive instance list`"
        raise NotFound(msg)


def _one_region(chosen: Chosen, candidates: Sequence[Pool]) -> None:
    for pool in candidates:
        for region, instance_ids in chosen.by_region.items():
            if pool.region != region:
                msg = (
                    f"{pool.name} is in another region than {instance_ids[0]}, which is in {region}: it cannot go there"
                )
                raise InvalidInput(msg)
