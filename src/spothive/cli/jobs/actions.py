"""``spothive action list|show|enqueue``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

import typer

from spothive.cli.call import Call, command
from spothive.cli.jobs.asked import LISTED, Before, InCluster, Limit, OfCluster, cluster_id_of, id_of
from spothive.cli.moments import duration, to_the_second
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import ActionType, AgentAction

action_commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("id", "id", whole=True),
    Column("status", "status"),
    Column("type", "type", optional=True),
    Column("cluster", "cluster", fold=True, optional=True),
    Column("tries", "tries", right=True, optional=True),
    Column("asked for", "created_at", to_the_second, optional=True),
    Column("what went wrong", "error", fold=True, optional=True, why=True),
)

# Spelled out, so that the help needs no models; a test compares them.
Status = Literal["PENDING", "PICKED_UP", "COMPLETED", "FAILED", "EXPIRED"]


@command(action_commands, "list")
def list_actions(
    call: Call,
    cluster: OfCluster = None,
    status: Annotated[Status | None, typer.Option(help="In this status only.")] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of this job only.")] = None,
    limit: Limit = LISTED,
    before: Before = None,
) -> None:
    """List what agents were asked for, newest first."""
    from spothive.models import ActionStatus
    from spothive.operations import jobs

    job_id = None if job is None else id_of(job, "job list")
    with call.reading() as session:
        statuses = [ActionStatus(status)] if status else ()
        if job_id is not None:
            jobs.find_job(session, job_id)  # one that does not exist is told of
        wanted = jobs.ActionFilter(cluster_id_of(session, cluster), job_id, statuses)
        page = jobs.list_actions(session, wanted, limit=limit, before=before)
        rows = [_facts(action) for action in page.rows]
    call.out.json({"actions": rows, "next": page.next})
    shown = [row | {"tries": f"{row['attempts']}/{row['max_attempts']}"} for row in rows]
    call.out.table(
        shown, COLUMNS, empty="no action fits" if cluster or status or job else "no agent was asked for anything"
    )
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(action_commands, "show")
def show_action(
    call: Call, action: Annotated[str, typer.Argument(metavar="ACTION", help="Id, see action list.")]
) -> None:
    """Show an action: to what, how often it was tried, what came of it."""
    from spothive.operations import jobs

    with call.reading() as session:
        facts = _facts(jobs.find_action(session, id_of(action, "action list")))
    call.out.json(facts)
    texts = {key: json.dumps(facts[key], sort_keys=True) for key in ("payload", "result") if facts[key] is not None}
    call.out.facts(facts | texts)


@command(action_commands, "enqueue")
def enqueue_action(
    call: Call,
    action: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="EVICT_POD, CORDON_NODE, UNCORDON_NODE, DRAIN_NODE, LABEL_NODE or UPDATE_DEPLOYMENT.",
        ),
    ],
    cluster: InCluster,
    payload: Annotated[str, typer.Option(metavar="JSON", help='To what, for example {"node": "ip-10-0-0-1"}.')],
    key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Idempotency key: by one it is done once. [default: a new one]"),
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Job it is a part of.")] = None,
    priority: Annotated[int, typer.Option(metavar="0-9", help="0 is handed out first.")] = 5,
    tries: Annotated[int, typer.Option(metavar="N", help="Times it is handed out at most.")] = 3,
    expires_in: Annotated[str, typer.Option(metavar="1h", help="For how long it is worth doing: 10m, 2h.")] = "1h",
) -> None:
    """Ask the agent of a cluster to do something.

    Asked for again by the same key, it is the same action.
    """
    from spothive.clock import utc_now
    from spothive.models.jobs import ENDED_ACTIONS

    # Loaded here, before the transaction begins.
    from spothive.operations.jobs import enqueue_action as enqueue, find_action, find_by_key
    from spothive.queue import Order

    kind = _type(action)
    lasts = duration(expires_in, "--expires-in")
    job_id = None if job is None else id_of(job, "job list")
    with call.writing() as session:
        cluster_id = cluster_id_of(session, cluster)
        assert cluster_id is not None  # noqa: S101 - one was named
        order = Order(
            cluster_id,
            kind,
            _object(payload),
            uuid4().hex if key is None else key,
            job_id=job_id,
            priority=priority,
            max_attempts=tries,
            expires_at=utc_now() + lasts,
        )
        is_new = find_by_key(session, cluster_id, order.idempotency_key) is None
        made = enqueue(session, call.actor, order)
        facts = _facts(find_action(session, made.id)) | {"new": is_new}
        has_ended = made.status in ENDED_ACTIONS
    call.out.json(facts)
    stands = f"{facts['type']} in {facts['cluster']} is {facts['status']}"
    if is_new:
        call.out.line(f"action {facts['id']}: {stands}")
        call.out.line(f"asked for again by the key {facts['key']}, it is the same action")
        return
    call.out.line(f"nothing new: by the key {facts['key']} there is action {facts['id']} already: {stands}")
    if has_ended:
        call.out.line("it is not done again: for that, ask by another key")


def _type(text: str) -> ActionType:
    from spothive.models import ActionType

    try:
        return ActionType(text.upper())
    except ValueError:
        msg = f"no action is called {text[:40]!r}: there are {', '.join(ActionType)}"
        raise InvalidInput(msg) from None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f'--payload: {text[:40]!r} is no JSON object: write for example {{"node": "ip-10-0-0-1"}}'
        raise InvalidInput(msg)
    return value


def _facts(action: AgentAction) -> dict[str, Any]:
    return {
        "id": action.id,
        "status": action.status,
        "type": action.action_type,
        "cluster": action.cluster.name,
        "job": action.optimization_job_id,
        "key": action.idempotency_key,
        "payload": dict(action.payload),
        "priority": action.priority,
        "attempts": action.attempts,
        "max_attempts": action.max_attempts,
        "token": action.lease_token,
        "leased_until": action.leased_until,
        "created_at": action.created_at,
        "available_at": action.available_at,
        "expires_at": action.expires_at,
        "picked_up_at": action.picked_up_at,
        "completed_at": action.completed_at,
        "result": None if action.result is None else dict(action.result),
        "error": action.error_message,
    }
