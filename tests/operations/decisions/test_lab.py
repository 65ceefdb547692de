"""Experiments are for the lab, and for those who may."""

from __future__ import annotations

from typing import Any

import pytest

from spothive.database import Instance, LabExperiment, get_db_session
from spothive.errors import Conflict, IllegalMove, InvalidInput, NotAllowed, NotFound
from spothive.models import EnvironmentType, ExperimentStatus, ModelStatus, TestType
from spothive.operations import decisions
from spothive.operations.fleet import set_environment
from spothive.scoring.store import ModelStore
from tests.factories import make_account, make_instance
from tests.operations.conftest import World
from tests.operations.decisions.conftest import make_model
from tests.watching import rows_of


def in_acme(world: World, verb: Any, **facts: Any) -> Any:
    with get_db_session(tenant=world.acme) as session:
        return verb(session, world.lena, **facts)


def draft(world: World, name: str, *, instance: str = "i-lab", version: str = "1") -> LabExperiment:
    found: LabExperiment = in_acme(
        world,
        decisions.create_experiment,
        name=name,
        instance_id=instance,
        model=("risk", version),
        test_type=TestType.AB,
    )
    return found


def test_only_live_instances_of_lab_accounts_and_models_in_the_lab(world: World, lab: str, store: ModelStore) -> None:
    make_model(store, "1", status=ModelStatus.TESTING)
    make_model(store, "2", status=ModelStatus.CANDIDATE)
    make_instance(world.globex, make_account(world.globex, "theirs").id, "i-theirs")
    refused = (
        ({"instance": "i-prod"}, NotAllowed, "i-prod belongs to an account that is PROD"),
        ({"instance": "i-gone"}, Conflict, "i-gone is terminated"),
        ({"instance": "i-nowhere"}, NotFound, "no instance has the id 'i-nowhere'"),
        ({"instance": "i-theirs"}, NotFound, "no instance has the id 'i-theirs'"),
        ({"version": "2"}, Conflict, "risk 2 is CANDIDATE: staff accept it first"),
        ({"version": "9"}, NotFound, "no model is called 'risk' '9'"),
    )
    for wrong, kind, why in refused:
        with pytest.raises(kind, match=why):
            draft(world, "x", **wrong)
        model = ("risk", wrong.get("version", "1"))
        with pytest.raises(kind, match=why):
            in_acme(world, decisions.assign_model, instance_id=wrong.get("instance", "i-lab"), model=model)
    assert rows_of(LabExperiment, tenant_id=world.acme) == []
    assert {row["assigned_model_id"] for row in rows_of(Instance)} == {None}


def test_an_experiment_is_drafted_started_and_finished_once(world: World, lab: str, store: ModelStore) -> None:
    make_model(store, "1", status=ModelStatus.TESTING)
    draft(world, "night run")
    ending = {"outcome": ExperimentStatus.FAILED, "telemetry": {"error": "node did not drain"}}
    with pytest.raises(IllegalMove, match="DRAFT and cannot become FAILED"):
        in_acme(world, decisions.finish_experiment, name="night run", **ending)
    in_acme(world, decisions.start_experiment, name="night run")
    with pytest.raises(IllegalMove, match="RUNNING"):
        in_acme(world, decisions.start_experiment, name="night run")
    with pytest.raises(InvalidInput, match="COMPLETED or FAILED"):
        in_acme(world, decisions.finish_experiment, name="night run", outcome=ExperimentStatus.DRAFT, telemetry={})
    in_acme(world, decisions.finish_experiment, name="night run", **ending)
    (row,) = rows_of(LabExperiment, tenant_id=world.acme)
    assert (row["status"], row["telemetry"]) == (ExperimentStatus.FAILED, {"error": "node did not drain"})
    assert row["started_at"] <= row["completed_at"]


def test_experiments_are_found_by_id_or_by_a_name_that_is_theirs_alone(
    world: World, lab: str, store: ModelStore
) -> None:
    make_model(store, "1", status=ModelStatus.TESTING)
    first, second = draft(world, "same"), draft(world, "same")
    with pytest.raises(InvalidInput, match="several experiments are called 'same'"):
        in_acme(world, decisions.start_experiment, name="same")
    in_acme(world, decisions.start_experiment, name=str(second.id))
    with get_db_session(tenant=world.acme) as session:
        listed = decisions.list_experiments(session)
        assert [found.experiment.id for found in listed] == [second.id, first.id]
        assert (listed[0].model_name, listed[0].model_version) == ("risk", "1")
        running = decisions.list_experiments(session, status=ExperimentStatus.RUNNING)
        assert [found.experiment.id for found in running] == [second.id]
    with get_db_session(tenant=world.globex) as session:
        assert decisions.list_experiments(session) == []
        with pytest.raises(NotFound):
            decisions.find_experiment(session, str(first.id))


def test_an_account_that_became_prod_starts_no_experiment(world: World, lab: str, store: ModelStore) -> None:
    make_model(store, "1", status=ModelStatus.TESTING)
    with get_db_session(tenant=world.acme) as session:
        set_environment(session, world.anna, name="shop", environment=EnvironmentType.LAB)
    draft(world, "late", instance="i-prod")
    with get_db_session(tenant=world.acme) as session:
        set_environment(session, world.anna, name="shop", environment=EnvironmentType.PROD)
    with pytest.raises(NotAllowed, match="PROD"):
        in_acme(world, decisions.start_experiment, name="late")


def test_an_assigned_model_is_taken_away_again(world: World, lab: str, store: ModelStore) -> None:
    model = make_model(store, "1", status=ModelStatus.GRADUATED)
    in_acme(world, decisions.assign_model, instance_id="i-lab", model=("risk", "1"))
    (row,) = rows_of(Instance, instance_id="i-lab")
    assert row["assigned_model_id"] == model
    in_acme(world, decisions.assign_model, instance_id="i-lab", model=None)
    (row,) = rows_of(Instance, instance_id="i-lab")
    assert row["assigned_model_id"] is None
