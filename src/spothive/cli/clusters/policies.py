"""``spothive cluster policy``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command
from spothive.cli.clusters.reading import ClusterName
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import ClusterPolicy

policy_commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def _value(value: Any) -> str:
    import json

    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)


COLUMNS = (
    Column("key", "key"),
    Column("value", "value", _value, fold=True),
    Column("meaning", "meaning", fold=True, optional=True),
    Column("may be", "values", optional=True),
)


@command(policy_commands, "set")
def set_policy(
    call: Call,
    cluster: ClusterName,
    changes: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="Such as spot_percentage=80; KEY= takes it away.")
    ],
    version: Annotated[
        int | None, typer.Option(metavar="N", help="Only if the policy still has this version; 0: if it has none.")
    ] = None,
) -> None:
    """Change keys of a cluster's policy.

    The others stay. Lists are separated by commas.
    """
    from spothive.operations import clusters

    with call.writing() as session:
        policy = clusters.set_policy(session, call.actor, cluster=cluster, changes=_read(changes), version=version)
        facts = _facts(policy)
    call.out.json(facts)
    call.out.line(f"the policy of {cluster} has version {facts['version']}")


@command(policy_commands, "show")
def show_policy(call: Call, cluster: ClusterName) -> None:
    """Show a cluster's policy, with every key it may have."""
    from spothive.operations import clusters

    with call.reading() as session:
        found = clusters.find_cluster(session, cluster)
        policy = clusters.find_policy(session, found)
        name, facts = found.name, _facts(policy)
    rows = [
        {"key": key, "value": facts["config"].get(key), "meaning": known.meaning, "values": known.values}
        for key, known in clusters.POLICY_KEYS.items()
    ]
    call.out.json(facts)
    call.out.line(f"{name}: version {facts['version']}" if policy else f"{name} has no policy")
    call.out.table(rows, COLUMNS, empty="")


def _read(changes: Sequence[str]) -> dict[str, Any]:
    """Return key to value, None where nothing stands behind the ``=``."""
    read: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or key in read:
            msg = f"{change[:60]!r}: write each key once, as KEY=VALUE"
            raise InvalidInput(msg)
        read[key] = _typed(key, text)
    return read


def _typed(key: str, text: str) -> Any:
    import json

    if not text:
        return None
    if key == "excluded_namespaces" and not text.startswith("["):
        return text.split(",")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _facts(policy: ClusterPolicy | None) -> dict[str, Any]:
    return {"version": policy.version, "config": dict(policy.config)} if policy else {"version": 0, "config": {}}
