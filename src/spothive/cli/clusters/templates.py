"""``spothive cluster template``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.operations.clusters import ListedTemplate

template_commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def _list(value: list[str]) -> str:
    return ", ".join(value)


COLUMNS = (
    Column("template", "name", fold=True),
    Column("owner", "owner"),
    Column("default", "default"),
    Column("families", "families", _list, fold=True),
    Column("processor", "architecture"),
    Column("strategy", "strategy"),
    Column("disk", "disk_type", optional=True),
    Column("GB", "disk_size", right=True, optional=True),
)

# Spelled out like the roles in identity.py, and for the same reason.
ArchitectureName = Literal["x86_64", "arm64"]
StrategyName = Literal["CHEAPEST", "BALANCED", "PERFORMANCE"]
DiskName = Literal["GP3", "GP2", "IO1", "IO2"]
TemplateName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the template.")]
Owner = Annotated[str | None, typer.Option(metavar="USERNAME", help="Whose template it is; yours if not given.")]


@command(template_commands, "create")
def create_template(
    call: Call,
    name: TemplateName,
    family: Annotated[list[str], typer.Option(metavar="FAMILY", help="Instance family such as m6i. Repeatable.")],
    owner: Owner = None,
    architecture: Annotated[ArchitectureName, typer.Option(help="Processor.")] = "x86_64",
    strategy: Annotated[StrategyName, typer.Option(help="What to prefer.")] = "BALANCED",
    disk_type: Annotated[DiskName, typer.Option(help="EBS volume type.")] = "GP3",
    disk_size: Annotated[int, typer.Option(metavar="GB", help="Size of the disk, 10 to 16000.")] = 100,
    default: Annotated[bool, typer.Option("--default", help="Take it when nobody names one.")] = False,
) -> None:
    """Make a node template."""
    from spothive.models import Architecture, DiskType, NodeStrategy
    from spothive.operations import clusters

    shape = clusters.NodeShape(
        families=family,
        architecture=Architecture(architecture),
        strategy=NodeStrategy(strategy),
        disk_type=DiskType(disk_type),
        disk_size=disk_size,
    )
    with call.writing() as session:
        clusters.create_template(session, call.actor, name=name, shape=shape, owner=owner, default=default)
    call.out.json({"name": name, "default": default})
    call.out.line(f"created template {name}")


@command(template_commands, "list")
def list_templates(call: Call) -> None:
    """List the tenant's node templates."""
    from spothive.operations import clusters

    with call.reading() as session:
        rows = [_facts(found) for found in clusters.list_templates(session)]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="no templates: spothive cluster template create --help")


@command(template_commands, "default")
def set_default_template(call: Call, name: TemplateName, owner: Owner = None) -> None:
    """Take a template when nobody names one."""
    from spothive.operations import clusters

    with call.writing() as session:
        clusters.set_default_template(session, call.actor, name=name, owner=owner)
    call.out.json({"name": name, "default": True})
    call.out.line(f"{name} is the default")


@command(template_commands, "delete")
def delete_template(call: Call, name: TemplateName, owner: Owner = None) -> None:
    """Delete a node template."""
    from spothive.operations import clusters

    with call.writing() as session:
        clusters.delete_template(session, call.actor, name=name, owner=owner)
    call.out.json({"name": name, "deleted": True})
    call.out.line(f"deleted template {name}")


def _facts(found: ListedTemplate) -> dict[str, Any]:
    template = found.template
    return {
        "id": template.id,
        "name": template.name,
        "owner": found.owner,
        "default": template.is_default,
        "families": list(template.families),
        "architecture": template.architecture,
        "strategy": template.strategy,
        "disk_type": template.disk_type,
        "disk_size": template.disk_size,
    }
