"""``spothive experiment``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command, named
from spothive.cli.files import read_files
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.operations.decisions import ListedExperiment

experiment_commands = typer.Typer(rich_markup_mode=None)

EXPERIMENT_COLUMNS = (
    Column("experiment", "name", fold=True),
    Column("status", "status"),
    Column("model", "model", fold=True),
    Column("instance", "instance_id"),
    Column("kind", "test_type", optional=True),
    Column("started", "started_at", optional=True),
    Column("ended", "completed_at", optional=True),
)

# Spelled out like the roles in people.py, and for the same reason.
TestTypeName = Literal["interruption_prediction", "bin_packing", "live_switch", "parallel", "ab"]
StatusName = Literal["DRAFT", "RUNNING", "COMPLETED", "FAILED"]
Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name, or its id.")]
InstanceId = Annotated[str, typer.Option("--instance", metavar="ID", help="EC2's id; of a LAB account.")]
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="Name of the model.")]
ModelVersion = Annotated[str, typer.Option("--version", metavar="VERSION", help="Version of the model.")]


@command(experiment_commands, "create")
def create_experiment(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    instance: InstanceId,
    model: ModelName,
    version: ModelVersion,
    test_type: Annotated[TestTypeName, typer.Option("--type", help="What is tried out.")] = "interruption_prediction",
    notes: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
) -> None:
    """Draft an experiment with a model on an instance of a LAB account."""
    from spothive.models import TestType
    from spothive.operations import decisions

    with call.writing() as session:
        made = decisions.create_experiment(
            session,
            call.actor,
            name=named(name, "NAME"),
            instance_id=instance,
            model=(model, version),
            test_type=TestType(test_type),
            notes=notes,
        )
        facts = _facts(decisions.find_experiment(session, str(made.id)))
    call.out.json(facts)
    call.out.line(f"drafted experiment {made.name}")


@command(experiment_commands, "start")
def start_experiment(call: Call, experiment: Experiment) -> None:
    """Start a drafted experiment."""
    from spothive.operations import decisions

    with call.writing() as session:
        started = decisions.start_experiment(session, call.actor, name=experiment)
        facts = _facts(decisions.find_experiment(session, str(started.id)))
    call.out.json(facts)
    call.out.line(f"experiment {started.name} is {started.status}")


@command(experiment_commands, "finish")
def finish_experiment(
    call: Call,
    experiment: Experiment,
    outcome: Annotated[Literal["COMPLETED", "FAILED"], typer.Option(help="How it ended.")],
    telemetry: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON object of what was measured; - is standard input.")
    ] = None,
) -> None:
    """End a running experiment, with what was measured."""
    from spothive.models import ExperimentStatus
    from spothive.operations import decisions

    measured = _json_object(telemetry) if telemetry else {}
    with call.writing() as session:
        ended = decisions.finish_experiment(
            session, call.actor, name=experiment, outcome=ExperimentStatus(outcome), telemetry=measured
        )
        facts = _facts(decisions.find_experiment(session, str(ended.id)))
    call.out.json(facts)
    call.out.line(f"experiment {ended.name} is {ended.status}")


@command(experiment_commands, "list")
def list_experiments(
    call: Call, status: Annotated[StatusName | None, typer.Option(help="Only those that are so far.")] = None
) -> None:
    """List the tenant's experiments, newest first."""
    from spothive.models import ExperimentStatus
    from spothive.operations import decisions

    with call.reading() as session:
        wanted = ExperimentStatus(status) if status else None
        rows = [_facts(found) for found in decisions.list_experiments(session, status=wanted)]
    call.out.json(rows)
    call.out.table(rows, EXPERIMENT_COLUMNS, empty="no experiments: spothive experiment create --help")


@command(experiment_commands, "assign")
def assign_model(
    call: Call,
    instance: InstanceId,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Name; none takes it away.")] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="VERSION", help="Version of it.")] = None,
) -> None:
    """Let a model decide about an instance of a LAB account."""
    from spothive.operations import decisions

    if (model is None) != (version is None):
        msg = "--model and --version go together"
        raise InvalidInput(msg)
    chosen = (model, version) if model is not None and version is not None else None
    with call.writing() as session:
        found = decisions.assign_model(session, call.actor, instance_id=instance, model=chosen)
    call.out.json({"instance_id": found.instance_id, "assigned_model_id": found.assigned_model_id})
    call.out.line(f"{found.instance_id}: {' '.join(chosen) if chosen else 'no model'} decides")


def _json_object(file: str) -> dict[str, Any]:
    import json

    ((name, content),) = read_files([file])
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        msg = f"{name} is no JSON object"
        raise InvalidInput(msg)
    return found


def _facts(found: ListedExperiment) -> dict[str, Any]:
    experiment = found.experiment
    return {
        "id": experiment.id,
        "name": experiment.name,
        "status": experiment.status,
        "model": f"{found.model_name} {found.model_version}",
        "instance_id": experiment.instance_id,
        "test_type": experiment.test_type,
        "notes": experiment.notes,
        "telemetry": experiment.telemetry,
        "started_at": experiment.started_at,
        "completed_at": experiment.completed_at,
        "created_at": experiment.created_at,
    }
