"""The lab: experiments with models on instances of LAB accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotAllowed, NotFound
from spothive.models import (
    Account,
    EnvironmentType,
    ExperimentStatus,
    Instance,
    InstanceState,
    LabExperiment,
    MlModel,
    ModelStatus,
    ResourceType,
    TestType,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.decisions.registry import find_model
from spothive.operations.fleet import find_instance
from spothive.operations.identity import Action, require
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp

IN_THE_LAB = (ModelStatus.TESTING, ModelStatus.GRADUATED, ModelStatus.ENABLED)


@dataclass(frozen=True, slots=True)
class ListedExperiment:
    """An experiment with the name and version of its model."""

    experiment: LabExperiment
    model_name: str
    model_version: str


def list_experiments(session: TenantSession, *, status: ExperimentStatus | None = None) -> list[ListedExperiment]:
    """Return the tenant's experiments, the newest first."""
    query = _listed().order_by(LabExperiment.created_at.desc(), LabExperiment.id.desc())
    if status is not None:
        query = query.where(LabExperiment.status == status)
    return [ListedExperiment(*row) for row in session.execute(query)]


def find_experiment(session: TenantSession, name: str) -> ListedExperiment:
    """Return the tenant's experiment with this id, or with this name.

    Raises:
        NotFound: the tenant has none.
        InvalidInput: several have this name.
    """
    rows = session.execute(_listed().where(_called(name)).limit(2)).all()
    if not rows:
        msg = f"no experiment is called {name[:80]!r}: see `spothive experiment list`"
        raise NotFound(msg)
    if len(rows) > 1:
        msg = f"several experiments are called {name[:80]!r}: give the id, see `spothive experiment list --json`"
        raise InvalidInput(msg)
    return ListedExperiment(*rows[0])


def _called(name: str) -> Any:
    try:
        return LabExperiment.id == UUID(name)
    except ValueError:
        return LabExperiment.name == name


def _listed() -> Select[LabExperiment, str, str]:
    query = select(LabExperiment, MlModel.name, MlModel.version)
    return query.join(MlModel, MlModel.id == LabExperiment.model_id)


def create_experiment(
    session: TenantSession,
    actor: Actor,
    *,
    name: str,
    instance_id: str,
    model: tuple[str, str],
    test_type: TestType,
    notes: str | None = None,
) -> LabExperiment:
    """Draft an experiment with a model on an instance of a LAB account.

    Args:
        session: of the tenant.
        actor: who experiments.
        name: for people.
        instance_id: EC2's id.
        model: name and version; TESTING, GRADUATED or ENABLED.
        test_type: what is tried out.
        notes: for people.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such instance or model.
        NotAllowed: the instance is one of a PROD account.
        Conflict: the instance is terminated, or the model is not in the lab.
    """
    _require(actor, "experiment.created", name)
    instance = _lab_instance(session, instance_id)
    found = _in_the_lab(session, model)
    experiment = LabExperiment(
        name=name,
        instance_id=instance.instance_id,
        cluster_id=instance.cluster_id,
        model_id=found.id,
        test_type=test_type,
        notes=notes,
    )
    session.add(experiment)
    session.flush()  # so that what its rules refuse is refused here
    after = {"model": " ".join(model), "instance_id": instance.instance_id, "test_type": test_type}
    record(session, actor, "experiment.created", name, ResourceType.EXPERIMENT, after=after)
    return experiment


def start_experiment(session: TenantSession, actor: Actor, *, name: str) -> LabExperiment:
    """Start a DRAFT experiment, given by its id or name; its instance must still be one of the lab.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such experiment, or its instance is gone.
        InvalidInput: several have this name.
        NotAllowed: the instance is one of a PROD account by now.
        Conflict: the instance is terminated.
        IllegalMove: it is no DRAFT.
    """
    _require(actor, "experiment.started", name)
    experiment = find_experiment(session, name).experiment
    if experiment.status is ExperimentStatus.DRAFT:
        _lab_instance(session, experiment.instance_id)
    _advance(session, actor, "experiment.started", experiment, ExperimentStatus.RUNNING, started_at=utc_now())
    return experiment


def finish_experiment(
    session: TenantSession, actor: Actor, *, name: str, outcome: ExperimentStatus, telemetry: dict[str, Any]
) -> LabExperiment:
    """End a RUNNING experiment, given by its id or name, as COMPLETED or FAILED, with what was measured.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such experiment.
        InvalidInput: several have this name, or ``outcome`` is no end.
        IllegalMove: it is not RUNNING.
        ValueRefused: the telemetry is no JSON object of at most 256 kB.
    """
    _require(actor, "experiment.finished", name)
    if outcome not in {ExperimentStatus.COMPLETED, ExperimentStatus.FAILED}:
        msg = f"an experiment ends as COMPLETED or FAILED, not as {outcome}"
        raise InvalidInput(msg)
    experiment = find_experiment(session, name).experiment
    facts = {"completed_at": utc_now(), "telemetry": telemetry, "lease_token": None, "leased_until": None}
    _advance(session, actor, "experiment.finished", experiment, outcome, **facts)
    return experiment


def end_dead_experiments(session: TenantSession, actor: Actor) -> int:
    """End the RUNNING experiments whose workers have let their leases run out, as FAILED; return how many.

    One that a person started, and will finish, has no lease and goes on. Two statements.

    Raises:
        Denied: the role does not allow it.
    """
    event, called = "experiments.ended", "experiments"
    _require(actor, event, called)
    now = session.scalars(select(clock_timestamp())).one()
    dead = select(LabExperiment.id).where(
        LabExperiment.status == ExperimentStatus.RUNNING, LabExperiment.leased_until <= now
    )
    end = update(LabExperiment).where(LabExperiment.id.in_(dead.with_for_update(skip_locked=True)))
    end = end.values(status=ExperimentStatus.FAILED, completed_at=now, lease_token=None, leased_until=None)
    ended = session.execute(end.returning(LabExperiment.id), execution_options={"synchronize_session": False}).all()
    if ended:
        record(session, actor, event, called, ResourceType.EXPERIMENT, after={"failed": len(ended)})
    return len(ended)


def _advance(
    session: TenantSession,
    actor: Actor,
    event: str,
    experiment: LabExperiment,
    to: ExperimentStatus,
    **changes: Any,
) -> None:
    before, resource = {"status": experiment.status}, experiment.name
    move(session, experiment, LabExperiment.status, to, **changes)
    record(session, actor, event, resource, ResourceType.EXPERIMENT, before=before, after={"status": to})


def assign_model(session: TenantSession, actor: Actor, *, instance_id: str, model: tuple[str, str] | None) -> Instance:
    """Let a model decide about an instance of a LAB account; None takes it away.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such instance or model.
        NotAllowed: the instance is one of a PROD account.
        Conflict: the instance is terminated, or the model is not in the lab.
    """
    event = "model.assigned"
    require(actor, Action.EXPERIMENT, attempt=event, resource=instance_id, resource_type=ResourceType.INSTANCE)
    instance = _lab_instance(session, instance_id)
    chosen = None if model is None else _in_the_lab(session, model).id
    if instance.assigned_model_id != chosen:
        former = session.get(MlModel, instance.assigned_model_id) if instance.assigned_model_id else None
        instance.assigned_model_id = chosen
        before = {"model": f"{former.name} {former.version}" if former else None}
        after = {"model": " ".join(model) if model else None}
        record(session, actor, event, instance_id, ResourceType.INSTANCE, before=before, after=after)
    return instance


def _require(actor: Actor, event: str, name: str) -> None:
    require(actor, Action.EXPERIMENT, attempt=event, resource=name, resource_type=ResourceType.EXPERIMENT)


def _lab_instance(session: TenantSession, instance_id: str) -> Instance:
    """Return an instance of a LAB account, whose mark stays what it is until the transaction ends."""
    instance = find_instance(session, instance_id).instance
    query = select(Account).where(Account.id == instance.account_id).with_for_update(read=True)
    account = session.scalar(query, execution_options={"populate_existing": True})
    if account is None or account.environment_type is not EnvironmentType.LAB:
        msg = f"{instance_id} belongs to an account that is PROD: experiments are for LAB accounts"
        raise NotAllowed(msg)
    if instance.state is InstanceState.TERMINATED:
        msg = f"{instance_id} is terminated: choose another instance, see `spothive instance list`"
        raise Conflict(msg)
    return instance


def _in_the_lab(session: TenantSession, model: tuple[str, str]) -> MlModel:
    found = find_model(session, *model)
    if found.status not in IN_THE_LAB:
        cure = "staff accept it first" if found.status is ModelStatus.CANDIDATE else "choose another one"
        msg = f"model {found.name} {found.version} is {found.status}: {cure}"
        raise Conflict(msg)
    return found
