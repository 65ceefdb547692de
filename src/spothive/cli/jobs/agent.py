"""``spothive agent simulate``: an agent that authenticates, claims and reports as a real one does, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from spothive.cli import asking
from spothive.cli.call import Call, command
from spothive.cli.jobs.asked import InCluster
from spothive.cli.moments import to_the_second
from spothive.cli.output import Column
from spothive.cli.progress import show_progress
from spothive.cli.until_told import until_told
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from uuid import UUID

    from spothive.operations.jobs import RealAgent

agent_commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("worker", "worker", right=True),
    Column("claimed", "claimed", right=True),
    Column("completed", "completed", right=True),
    Column("to be retried", "retried", right=True),
    Column("failed", "failed", right=True),
    Column("stale", "stale", right=True),
    Column("leases lost", "lost", right=True, optional=True),
    Column("extended", "extended", right=True, optional=True),
)


@command(agent_commands, "simulate")
def simulate(
    call: Call,
    cluster: InCluster,
    workers: Annotated[int, typer.Option(metavar="N", help="How many work at once.")] = 1,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="How long each action takes.")] = 1.0,
    fail_rate: Annotated[float, typer.Option(metavar="PART", help="Part that goes wrong, 0 to 1.")] = 0.0,
    lease: Annotated[int | None, typer.Option(metavar="SECONDS", help="Lease. [default: action_lease]")] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Actions a worker takes at once, 1 to 100.")] = 1,
    forever: Annotated[bool, typer.Option("--forever", help="Wait for more when nothing is left.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Be a cluster's agent that only pretends to work.

    What waits is reported as done and is not done: where a real agent may live
    it asks. It ends when nothing is left; Ctrl-C gives back what it has, and
    exits 0. The key is that of SPOTHIVE_AGENT_KEY, else one is made for the
    time and revoked, and no trace is left of an agent having called.
    """
    from dataclasses import asdict

    from spothive.database import get_db_session
    from spothive.operations import jobs
    from spothive.operations.clusters import find_cluster
    from spothive.settings import get_settings

    usual = get_settings().action_lease
    how = jobs.Simulation(
        workers, seconds, fail_rate, timedelta(seconds=usual if lease is None else lease), batch, forever
    )
    with call.reading() as session:
        total = jobs.count_open_actions(session, find_cluster(session, cluster).id)
    with _key(call, cluster, yes=yes) as key, until_told() as stop, show_progress("actions finished") as bar:
        did = jobs.simulate_agent(
            get_db_session,
            how,
            key=key,
            stop=stop,
            tell=lambda done: bar(done, max(done, total)),
            unheard=get_settings().agent_key is None,
        )
        told = stop.is_set()
    rows = [asdict(each) for each in did]
    call.out.json({"stopped": told, "workers": rows})
    call.out.table(rows, COLUMNS, empty="")
    finished = sum(each.completed + each.failed for each in did)
    early = ", stopped before the queue was empty" if told else ""
    call.out.line(f"{finished} {'action' if finished == 1 else 'actions'} finished{early}")


def _has(real: RealAgent) -> str:
    heard = f"was heard of at {to_the_second(real.heard_at)}" if real.heard_at else "was not heard of yet"
    key = f"whose key is {real.prefix} and " if real.prefix else ""
    return f"has an agent, {key}which {heard}"


@contextmanager
def _key(call: Call, cluster: str, *, yes: bool) -> Iterator[str]:
    """Yield the key of the cluster's agent: the given one, or one that lives as long as the block.

    Where a real agent may live it asks first.
    """
    from spothive.database import get_db_session
    from spothive.models import ApiScope
    from spothive.operations import identity, jobs
    from spothive.operations.clusters import describe_cluster
    from spothive.settings import get_settings

    with call.reading() as session:
        found = describe_cluster(session, cluster)
        cluster_id, path = found.cluster.id, f"{found.account_name}/{found.cluster.region}/{found.cluster.name}"
    given, prefix = get_settings().agent_key, None
    if given is not None:
        holder = identity.check_api_key(get_db_session, given.get_secret_value(), scope=ApiScope.AGENT)
        _refuse_other(holder.cluster_id, cluster_id, cluster)
        prefix = holder.prefix
    with call.reading() as session:
        real = jobs.find_real_agent(session, cluster_id, besides=prefix)
    if real is not None:
        asking.confirm(f"{path} {_has(real)}: what waits for it would be reported as done, and never done", yes=yes)
    if given is not None:
        yield given.get_secret_value()
        return
    with call.writing() as session:
        row, key = identity.create_api_key(
            session, call.actor, name="agent simulate", scopes=[ApiScope.AGENT], cluster=path
        )
        prefix = row.prefix
    try:
        yield key
    finally:
        with call.writing() as session:
            identity.revoke_api_key(session, call.actor, prefix=prefix, reason="the simulation has ended")


def _refuse_other(of_key: UUID | None, of_cluster: UUID, name: str) -> None:
    if of_key != of_cluster:
        msg = f"SPOTHIVE_AGENT_KEY is not the key of the agent of {name}: unset it, and one is made"
        raise InvalidInput(msg)
