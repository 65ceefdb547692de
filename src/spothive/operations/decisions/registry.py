"""The registry of models: from a file somebody uploads to the one that decides in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.errors import Conflict, DuplicateValue, IllegalMove, ModelRefused, NotFound
from spothive.models import (
    PLATFORM_TENANT_ID,
    ExperimentStatus,
    LabExperiment,
    MlModel,
    ModelStatus,
    ResourceType,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.decisions.told import tell_of_active
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.states import move
from spothive.scoring.model_file import sha256_of
from spothive.scoring.probing import probe, require_runtime
from spothive.scoring.serving import LoadedModel, ModelFile, ModelServer, check_file
from spothive.scoring.store import ModelStore, read_model_file


def list_models(session: TenantSession) -> list[MlModel]:
    """Return every model by name, the newest version of each first."""
    return list(session.scalars(select(MlModel).order_by(MlModel.name, MlModel.uploaded_at.desc(), MlModel.id)))


def find_model(session: TenantSession, name: str, version: str) -> MlModel:
    """Return one version of a model.

    Raises:
        NotFound: there is none.
    """
    model = session.scalar(select(MlModel).where(MlModel.name == name, MlModel.version == version))
    if model is None:
        msg = f"no model is called {name[:80]!r} {version[:50]!r}: see `spothive model list`"
        raise NotFound(msg)
    return model


def active_model(session: TenantSession) -> MlModel | None:
    """Return the model that decides in production, if there is one."""
    return session.scalar(select(MlModel).where(MlModel.is_active_prod))


def file_of(model: MlModel) -> ModelFile:
    """Return which file a model is, to be used outside of any transaction."""
    return ModelFile(model.id, model.name, model.version, model.file_path, model.file_hash)


# --- verbs --------------------------------------------------------------------------------------------


def accept_model(session: TenantSession, actor: Actor, *, name: str, version: str) -> MlModel:
    """Let a CANDIDATE into the lab: it is TESTING from now on.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such model.
        IllegalMove: it is no CANDIDATE.
    """
    return _advance(session, actor, "model.accepted", (name, version), ModelStatus.TESTING)


def graduate_model(session: TenantSession, actor: Actor, *, name: str, version: str) -> MlModel:
    """Let a TESTING model leave the lab, after at least one experiment of it, in any tenant, was COMPLETED.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such model.
        IllegalMove: it is not TESTING, or no experiment of it was COMPLETED.
    """
    return _advance(session, actor, "model.graduated", (name, version), ModelStatus.GRADUATED, graduated_at=utc_now())


def enable_model(session: TenantSession, actor: Actor, *, name: str, version: str) -> MlModel:
    """Let a GRADUATED model be activated.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such model.
        IllegalMove: it has not GRADUATED.
    """
    return _advance(session, actor, "model.enabled", (name, version), ModelStatus.ENABLED)


def archive_model(session: TenantSession, actor: Actor, *, name: str, version: str) -> MlModel:
    """Retire a model for good; its row and its file stay, since decisions refer to them.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such model.
        IllegalMove: it is ARCHIVED.
        Conflict: it decides in production.
    """
    return _advance(session, actor, "model.archived", (name, version), ModelStatus.ARCHIVED, archived_at=utc_now())


def _advance(
    session: TenantSession, actor: Actor, event: str, called: tuple[str, str], to: ModelStatus, **changes: Any
) -> MlModel:
    resource = _require(actor, event, *called)
    with system_scope(session, f"{actor.label}: {event} {resource}"):
        model = find_model(session, *called)
        if to is ModelStatus.GRADUATED and model.status is ModelStatus.TESTING:
            _require_trial(session, model)
        if to is ModelStatus.ARCHIVED and model.is_active_prod:
            msg = f"model {resource} decides in production: activate another one first"
            raise Conflict(msg)
        before = {"status": model.status}
        move(session, model, MlModel.status, to, **changes)
        after = {"status": to}
        record(
            session,
            actor,
            event,
            resource,
            ResourceType.MODEL,
            before=before,
            after=after,
            tenant_id=PLATFORM_TENANT_ID,
        )
    return model


def _require_trial(session: TenantSession, model: MlModel) -> None:
    """Say kindly what the rule ``lc_ml_models_graduated`` would refuse."""
    completed = (LabExperiment.model_id == model.id, LabExperiment.status == ExperimentStatus.COMPLETED)
    if session.scalar(select(LabExperiment.id).where(*completed).limit(1)) is None:
        msg = f"no lab experiment of {model.name} {model.version} was completed yet: see `spothive experiment create`"
        raise IllegalMove(msg, rule="lc_ml_models_graduated", table=MlModel.__tablename__)


def _require(actor: Actor, event: str, name: str, version: str) -> str:
    """Let staff pass, or refuse; return what the audit trail calls the model."""
    resource = f"{name} {version}"
    require(actor, Action.MANAGE_PLATFORM, attempt=event, resource=resource, resource_type=ResourceType.MODEL)
    return resource


# --- procedures ---------------------------------------------------------------------------------------


def register_model(
    sessions: Sessions,
    actor: Actor,
    *,
    name: str,
    version: str,
    file: Path,
    store: ModelStore,
    description: str | None = None,
    metrics: dict[str, Any] | None = None,
) -> MlModel:
    """Take a model file in as a CANDIDATE (a procedure).

    It is read once, judged by its bytes, tried in a process of its own, and only then copied into the store and
    written down. What is refused leaves nothing but an audit row.

    Args:
        sessions: opens transactions.
        actor: who uploads it.
        name: of the model, up to 255 characters.
        version: of this name, up to 50 characters.
        file: what to copy.
        store: where to keep it.
        description: for people.
        metrics: what was measured, beside what the file says of its training.

    Raises:
        Denied: ``actor`` is no staff of platform.
        DuplicateValue: this version exists.
        ModelRefused: the file is no model that may be loaded.
        ConfigurationError: onnxruntime is not installed, or the store cannot be written.
    """
    event = "model.registered"
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        resource = _require(actor, event, name, version)
        _refuse_known(session, name, version)
    require_runtime()
    try:
        data = read_model_file(file)
        contract = probe(data)
    except ModelRefused as refusal:
        told = ModelRefused(f"{file.name} is refused: {refusal}")
        with sessions(tenant=PLATFORM_TENANT_ID) as session:
            record_failure(session, actor, event, resource, ResourceType.MODEL, reason=told)
        raise told from None
    path = store.put(data)
    with (
        sessions(tenant=PLATFORM_TENANT_ID) as session,
        system_scope(session, f"{actor.label} registers model {resource}"),
    ):
        model = MlModel(
            name=name,
            version=version,
            file_path=path,
            file_hash=sha256_of(data),
            description=description,
            uploaded_by=actor.user_id,
            person_name=actor.username,
            performance_metrics={"training": contract.training, "measured": metrics or {}},
        )
        session.add(model)
        session.flush()  # so that a version that was taken meanwhile is refused here
        after = {"sha256": model.file_hash, "bytes": len(data), "features": list(contract.features)}
        record(session, actor, event, resource, ResourceType.MODEL, after=after)
    return model


def _refuse_known(session: TenantSession, name: str, version: str) -> None:
    if session.scalar(select(MlModel.id).where(MlModel.name == name, MlModel.version == version)) is not None:
        msg = f"model {name} {version} is registered: a model stays the file it is, so give another version"
        raise DuplicateValue(msg, rule="uq_ml_models_name_version", table=MlModel.__tablename__)


def activate_model(sessions: Sessions, actor: Actor, *, name: str, version: str, store: ModelStore) -> MlModel:
    """Let an ENABLED model decide in production, instead of the one before, which stays ENABLED (a procedure).

    Its file is compared with what was registered first. The exchange is one transaction: whoever reads finds one
    active model, the old or the new; the users of platform are told. Of several who activate at once, the last one
    prevails.

    Raises:
        Denied: ``actor`` is no staff of platform.
        NotFound: no such model.
        IllegalMove: it is not ENABLED.
        ModelRefused: its file is missing or was changed; that is audited.
    """
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        resource = _require(actor, "model.activated", name, version)
        file = file_of(find_model(session, name, version))
    try:
        check_file(store, file)
    except ModelRefused as refusal:
        remember_refused(sessions, actor, file, refusal)
        raise
    with (
        sessions(tenant=PLATFORM_TENANT_ID) as session,
        system_scope(session, f"{actor.label} activates model {resource}"),
    ):
        # Every ENABLED row is locked, in one order: whoever else activates waits here, and then sees what became.
        enabled = select(MlModel).where(MlModel.status == ModelStatus.ENABLED).order_by(MlModel.id).with_for_update()
        models = {model.id: model for model in session.scalars(enabled)}
        model = models.get(file.model_id)
        if model is None:
            status = find_model(session, name, version).status
            msg = f"model {resource} is {status}: only an ENABLED one can be activated"
            raise IllegalMove(msg, rule="ck_ml_models_active", table=MlModel.__tablename__)
        former = next((other for other in models.values() if other.is_active_prod), None)
        if former is not model:
            _exchange(session, model)
            before = {"active": f"{former.name} {former.version}" if former else None}
            after = {"active": resource, "sha256": model.file_hash}
            record(session, actor, "model.activated", resource, ResourceType.MODEL, before=before, after=after)
            tell_of_active(session, model, former)
    return model


def _exchange(session: TenantSession, model: MlModel) -> None:
    """Take whatever is active out of production and put ``model`` there: two statements, in this order."""
    now = utc_now()
    off = {"is_active_prod": False, "updated_at": now}
    on = {"is_active_prod": True, "deployed_at": now, "updated_at": now}
    session.execute(update(MlModel).where(MlModel.is_active_prod).values(off))
    session.execute(update(MlModel).where(MlModel.id == model.id).values(on))


def serve_model(sessions: Sessions, actor: Actor, *, server: ModelServer, model: ModelFile) -> LoadedModel:
    """Have ``server`` serve a model (a procedure): a file that is refused is audited, and the one before serves on.

    Args:
        sessions: opens transactions.
        actor: on whose behalf.
        server: keeps the model loaded; one a process.
        model: which; :func:`file_of` the :func:`active_model` in production.

    Raises:
        ModelRefused: the file is missing, was changed, or cannot be loaded; ``server.present`` is what it was.
        ConfigurationError: onnxruntime is not installed.
    """
    try:
        return server.refresh(model)
    except ModelRefused as refusal:
        remember_refused(sessions, actor, model, refusal)
        raise


def remember_refused(sessions: Sessions, actor: Actor, model: ModelFile, refusal: ModelRefused) -> None:
    """Write down that a model's file was refused, in a block of its own in the trail of platform."""
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        record_failure(session, actor, "model.refused", model.label, ResourceType.MODEL, reason=refusal)
