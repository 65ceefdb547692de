"""What the commands about jobs and actions have in common: ids, and a page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.database import TenantSession

LISTED = 100
_NAMED = "name, id, account/name or account/region/name."

Limit = Annotated[int, typer.Option(metavar="N", help="Most to list.")]
Before = Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")]
OfCluster = Annotated[str | None, typer.Option(metavar="NAME", help=f"Of this cluster only: {_NAMED}")]
InCluster = Annotated[str, typer.Option(metavar="NAME", help=f"Cluster: {_NAMED}")]


def id_of(text: str, listed_by: str) -> UUID:
    """Return the id that somebody typed.

    Raises:
        InvalidInput: it is none; the message names the command that lists them.
    """
    try:
        return UUID(text)
    except ValueError:
        msg = f"{text[:60]!r} is no id: copy it from spothive {listed_by}"
        raise InvalidInput(msg) from None


def cluster_id_of(session: TenantSession, named: str | None) -> UUID | None:
    """Return the id of the cluster that was named, if one was."""
    from spothive.operations.clusters import find_cluster

    return None if named is None else find_cluster(session, named).id
