"""``spothive model``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, CheckFailed, command, named
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from spothive.models import MlModel

model_commands = typer.Typer(rich_markup_mode=None)

MODEL_COLUMNS = (
    Column("model", "name", fold=True),
    Column("version", "version"),
    Column("status", "status"),
    Column("active", "is_active_prod"),
    Column("predictions", "total_predictions", right=True, optional=True),
    Column("uploaded by", "person_name", optional=True),
    Column("uploaded", "uploaded_at", optional=True),
)

BASELINE = "interruption-risk"
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Version of this name.")]


@command(model_commands, "register")
def register_model(
    call: Call,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="ONNX file; nothing with --baseline.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the model.")] = None,
    version: Annotated[str | None, typer.Option(metavar="VERSION", help="Version of this name.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What people should know.")] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="Take the model that ships with spothive.")] = False,
) -> None:
    """Take a model file into the store, as a candidate.

    It is tried in a process of its own first; nothing in it is ever run as a program.
    """
    from pathlib import Path

    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import decisions

    if baseline == (file is not None):
        msg = "name one ONNX file, or say --baseline"
        raise InvalidInput(msg)
    if baseline:
        name, version = BASELINE if name is None else name, _release() if version is None else version
    if name is None or version is None:
        msg = "say which model this is with --name and --version"
        raise InvalidInput(msg)
    model = decisions.register_model(
        get_db_session,
        call.actor,
        name=named(name, "--name"),
        version=named(version, "--version"),
        file=_shipped() if file is None else Path(file),
        store=runtime.model_store(),
        description=description,
    )
    call.out.json(_facts(model))
    call.out.line(f"registered model {model.name} {model.version}, {model.status}, SHA-256 {model.file_hash}")
    call.out.line(f"next: spothive model accept {model.name} {model.version}")


@command(model_commands, "list")
def list_models(call: Call) -> None:
    """List the models, newest version first."""
    from spothive.operations import decisions

    with call.reading() as session:
        rows = [_facts(model) for model in decisions.list_models(session)]
    call.out.json(rows)
    call.out.table(rows, MODEL_COLUMNS, empty="no models yet: spothive model register --baseline")


@command(model_commands, "show")
def show_model(call: Call, name: Name, version: Version) -> None:
    """Show a model, and whether its file is whole.

    Exit 1 if it is not what was registered.
    """
    from spothive import runtime
    from spothive.errors import ModelRefused
    from spothive.operations import decisions
    from spothive.scoring.model_file import read_contract
    from spothive.scoring.serving import check_file

    with call.reading() as session:
        model = decisions.find_model(session, name, version)
    try:
        contract, wrong = read_contract(check_file(runtime.model_store(), decisions.file_of(model))), None
    except ModelRefused as refusal:
        contract, wrong = None, str(refusal)
    facts = _facts(model) | {
        "file_is_whole": wrong is None,
        "features": list(contract.features) if contract else None,
        "baseline": list(contract.baseline) if contract else None,
        "performance_metrics": model.performance_metrics,
    }
    call.out.json(facts)
    call.out.facts(facts)
    if wrong:
        raise CheckFailed(wrong)


@command(model_commands, "accept")
def accept_model(call: Call, name: Name, version: Version) -> None:
    """Let a candidate into the lab."""
    from spothive.operations.decisions import accept_model as verb

    _advance(call, verb, name, version)


@command(model_commands, "graduate")
def graduate_model(call: Call, name: Name, version: Version) -> None:
    """Let a model leave the lab.

    An experiment of it must have been completed.
    """
    from spothive.operations.decisions import graduate_model as verb

    _advance(call, verb, name, version)


@command(model_commands, "enable")
def enable_model(call: Call, name: Name, version: Version) -> None:
    """Let a graduated model be activated."""
    from spothive.operations.decisions import enable_model as verb

    _advance(call, verb, name, version)


@command(model_commands, "archive")
def archive_model(call: Call, name: Name, version: Version) -> None:
    """Retire a model for good; its file and its decisions stay."""
    from spothive.operations.decisions import archive_model as verb

    _advance(call, verb, name, version)


@command(model_commands, "activate")
def activate_model(call: Call, name: Name, version: Version) -> None:
    """Let an enabled model decide in production.

    The one before stays enabled.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import decisions

    model = decisions.activate_model(
        get_db_session, call.actor, name=name, version=version, store=runtime.model_store()
    )
    call.out.json(_facts(model))
    call.out.line(f"model {model.name} {model.version} decides in production")


def _advance(call: Call, verb: Callable[..., MlModel], name: str, version: str) -> None:
    with call.writing() as session:
        model = verb(session, call.actor, name=name, version=version)
    call.out.json(_facts(model))
    call.out.line(f"model {model.name} {model.version} is {model.status}")


def _shipped() -> Any:
    from spothive.scoring import BASELINE_FILE

    return BASELINE_FILE


def _release() -> str:
    from importlib.metadata import version

    return version("spothive")


def _facts(model: MlModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "status": model.status,
        "is_active_prod": model.is_active_prod,
        "file_path": model.file_path,
        "file_hash": model.file_hash,
        "description": model.description,
        "person_name": model.person_name,
        "uploaded_at": model.uploaded_at,
        "graduated_at": model.graduated_at,
        "deployed_at": model.deployed_at,
        "archived_at": model.archived_at,
        "total_predictions": model.total_predictions,
        "success_count": model.success_count,
        "failure_count": model.failure_count,
        "avg_prediction_score": model.avg_prediction_score,
    }
