"""Models of the sample and the experiments they went through. None is active: their files do not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import ACTOR, Company, Period, Row, shared_row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import (
    PLATFORM_TENANT_ID,
    EnvironmentType,
    ExperimentStatus,
    LabExperiment,
    MlModel,
    ModelStatus,
    ResourceType,
    TestType,
)

_DAY = timedelta(days=1)
_VERSIONS: Final = {
    "1.0.0": (ModelStatus.TESTING, ModelStatus.GRADUATED, ModelStatus.ENABLED),
    "1.1.0": (ModelStatus.TESTING, ModelStatus.GRADUATED),
    "2.0.0": (ModelStatus.TESTING,),
}
"""Versions, oldest first, and how far each came."""


@dataclass(slots=True)
class Model:
    """One version."""

    id: UUID
    version: str
    life: Life


def name_of(seed: int) -> str:
    """Return the name of the models of a sample."""
    return f"sample-{seed}-interruption"


def write_models(writer: Writer, period: Period) -> list[Model]:
    """Write the versions and return them: the first judges, the second judges on the side, the third is tested.

    They stop at TESTING: :func:`write_graduations` takes them further, once they were tried in the lab.
    """
    models, tested = [], []
    for number, (version, path) in enumerate(_VERSIONS.items()):
        dice = period.dice("model", version)
        at = period.founded + number * _DAY
        born = shared_row(dice, at, name=name_of(period.seed), version=version, uploaded_at=at) | {
            "file_path": f"sample/{name_of(period.seed)}-{version}.onnx",
            "file_hash": dice.hash(),
            "description": "made up for a sample: there is no such file",
            "uploaded_by": None,
            "person_name": ACTOR,
        }
        life = Life(born)
        for days, status in enumerate(path, start=1):
            moved = at + days * _DAY
            graduated = {"graduated_at": moved} if status == ModelStatus.GRADUATED else {}
            life.then(step(moved, status=status) | graduated)
        models.append(Model(born["id"], version, Life(born, life.steps[1:])))
        tested.append(Life(born, life.steps[:1]))
        writer.made(PLATFORM_TENANT_ID, ResourceType.MODEL, f"{born['name']} {version}")
    writer.insert_lives(MlModel, tested)
    return models


def write_graduations(writer: Writer, models: Sequence[Model]) -> None:
    """Take the models as far as they came after their experiments."""
    writer.move(MlModel, [model.life for model in models])


def write_experiments(
    writer: Writer, period: Period, companies: Sequence[Company], models: Sequence[Model]
) -> dict[UUID, list[UUID]]:
    """Write lab experiments, some in every state; return their ids by tenant."""
    lives: list[Life] = []
    made: dict[UUID, list[UUID]] = {}
    for company in companies:
        dice = period.dice("lab", company.number)
        machines = [known for known in company.machines if known.account.environment == EnvironmentType.LAB]
        plan = (
            (models[0], TestType.INTERRUPTION_PREDICTION, ExperimentStatus.COMPLETED, period.founded + _DAY),
            (models[1], TestType.AB, ExperimentStatus.COMPLETED, period.founded + 2 * _DAY),
            (models[2], TestType.LIVE_SWITCH, ExperimentStatus.FAILED, period.until - 9 * _DAY / 4),
            (models[2], TestType.PARALLEL, ExperimentStatus.RUNNING, period.until - timedelta(minutes=20)),
            (models[2], TestType.BIN_PACKING, ExperimentStatus.DRAFT, period.until - timedelta(minutes=5)),
        )
        for model, kind, ending, at in plan:
            machine = dice.choice(machines)
            born = company.row(
                dice,
                at,
                model_id=model.id,
                cluster_id=machine.cluster.id if machine.cluster else None,
                instance_id=machine.instance_id,
                name=f"{kind.value.replace('_', ' ')} of {model.version}",
                notes="made up for a sample",
                test_type=kind,
            )
            lives.append(_experiment(dice, born, ending, at))
            made.setdefault(company.tenant_id, []).append(born["id"])
            writer.made(company.tenant_id, ResourceType.EXPERIMENT, born["name"])
    writer.insert_lives(LabExperiment, lives)
    return made


def _experiment(dice: Dice, born: Row, ending: ExperimentStatus, at: datetime) -> Life:
    life = Life(born)
    if ending == ExperimentStatus.DRAFT:
        return life
    started = at + timedelta(minutes=1)
    lease = {"lease_token": dice.id_at(started), "leased_until": started + timedelta(minutes=30)}
    life.then(step(started, status=ExperimentStatus.RUNNING, started_at=started, **lease))
    if ending == ExperimentStatus.RUNNING:
        return life
    ended = started + timedelta(minutes=dice.randrange(10, 28))
    good = ending == ExperimentStatus.COMPLETED
    telemetry = {"rounds": 500, "score": round(dice.uniform(0.81, 0.9), 4)} if good else {"error": "node did not drain"}
    facts = {"completed_at": ended, "telemetry": telemetry, "lease_token": None, "leased_until": None}
    return life.then(step(ended, status=ending, **facts))
