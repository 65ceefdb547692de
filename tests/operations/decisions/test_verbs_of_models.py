"""Every verb of the registry and the lab: denied and remembered, nothing without its audit row, audited when done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive.database import Instance, LabExperiment, MlModel, get_db_session
from spothive.errors import Denied, SpothiveError
from spothive.models import PLATFORM_TENANT_ID, AuditLog, ExperimentStatus, TestType
from spothive.operations import decisions
from spothive.operations.actor import Actor
from spothive.scoring.store import ModelStore
from tests.conftest import Database
from tests.factories.models import good_file
from tests.operations.conftest import World, audit_impossible
from tests.watching import Rows, rows_of

RISK = {"name": "risk", "version": "1"}


@dataclass(frozen=True)
class Step:
    """One change: its event and resource, who may do it and who may not, whose trail it is in."""

    event: str
    resource: str
    run: Callable[[Actor], Any]
    staff: bool = True


def _steps(acme: UUID, store: ModelStore, file: Path) -> list[Step]:
    def verb(change: Callable[..., Any], **facts: Any) -> Callable[[Actor], Any]:
        def run(actor: Actor) -> Any:
            with get_db_session(tenant=acme) as session:
                return change(session, actor, **facts)

        return run

    def register(actor: Actor) -> Any:
        return decisions.register_model(get_db_session, actor, **RISK, file=file, store=store, metrics={"auc": 0.8})

    trial = {"instance_id": "i-lab", "model": ("risk", "1")}
    created = verb(decisions.create_experiment, name="first", test_type=TestType.AB, **trial)
    ended = verb(decisions.finish_experiment, name="first", outcome=ExperimentStatus.COMPLETED, telemetry={"rounds": 3})
    return [
        Step("model.registered", "risk 1", register),
        Step("model.accepted", "risk 1", verb(decisions.accept_model, **RISK)),
        Step("model.assigned", "i-lab", verb(decisions.assign_model, **trial), staff=False),
        Step("experiment.created", "first", created, staff=False),
        Step("experiment.started", "first", verb(decisions.start_experiment, name="first"), staff=False),
        Step("experiment.finished", "first", ended, staff=False),
        Step("model.graduated", "risk 1", verb(decisions.graduate_model, **RISK)),
        Step("model.enabled", "risk 1", verb(decisions.enable_model, **RISK)),
        Step(
            "model.activated",
            "risk 1",
            lambda actor: decisions.activate_model(get_db_session, actor, **RISK, store=store),
        ),
    ]


def _state() -> list[Rows]:
    return [rows_of(model) for model in (MlModel, LabExperiment, Instance)]


def test_every_verb_is_denied_audited_and_nothing_without_its_audit_row(
    db: Database, world: World, lab: str, store: ModelStore, tmp_path: Path
) -> None:
    file = tmp_path / "risk.onnx"
    file.write_bytes(good_file())
    for step in _steps(world.acme, store, file):
        able, unable = (world.admin, world.anna) if step.staff else (world.lena, world.udo)
        before, known = _state(), {row["id"] for row in rows_of(AuditLog)}
        with pytest.raises(Denied):
            step.run(unable)
        with audit_impossible(db), pytest.raises(SpothiveError):
            step.run(able)
        assert _state() == before, step.event
        step.run(able)
        assert _state() != before, step.event
        new = [row for row in rows_of(AuditLog, event=step.event) if row["id"] not in known]
        told = [(row["resource"], row["outcome"], row["actor_id"]) for row in new]
        assert told == [
            (step.resource, "DENIED", unable.user_id),
            (step.resource, "SUCCESS", able.user_id),
        ]
        assert new[1]["tenant_id"] == (PLATFORM_TENANT_ID if step.staff else world.acme)
    (model,), (experiment,), instances = _state()
    assert model["is_active_prod"]
    assert model["performance_metrics"] == {"training": {"data": "a test"}, "measured": {"auc": 0.8}}
    assert (model["uploaded_by"], model["person_name"]) == (world.admin.user_id, "admin")
    assert experiment["telemetry"] == {"rounds": 3}
    assert [row["assigned_model_id"] for row in instances if row["instance_id"] == "i-lab"] == [model["id"]]
    again = len(rows_of(AuditLog))
    decisions.activate_model(get_db_session, world.admin, **RISK, store=store)  # it is active: nothing to tell
    assert len(rows_of(AuditLog)) == again
