"""``spothive approval``: risky actions that wait for somebody who answers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from spothive.cli.call import Call, command
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import ApprovalRequest

commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("request", "id", whole=True),
    Column("status", "stands"),
    Column("action", "action"),
    Column("risk", "risk"),
    Column("target", "target", fold=True),
    Column("asked by", "requester", fold=True, optional=True),
    Column("stands until", "expires_at", to_the_second, optional=True),
)
LISTED = 100

# Spelled out like the roles in identity.py, and for the same reason.
Status = Literal["PENDING", "APPROVED", "REJECTED", "EXPIRED"]
RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request, see approval list.")]


@command(commands, "list")
def list_requests(
    call: Call,
    status: Annotated[Status | None, typer.Option(help="In this status only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 2h, 7d .. ago, or from 2026-03-04T10:30.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most requests to list.")] = LISTED,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """List the requests, newest first."""
    from spothive.models import ApprovalStatus
    from spothive.operations.approvals import ApprovalFilter, list_approvals

    wanted = ApprovalFilter([ApprovalStatus(status)] if status else (), moment(since, "--since"))
    with call.reading() as session:
        page = list_approvals(session, wanted, limit=limit, before=before)
        rows = [_facts(request) for request in page.rows]
    call.out.json({"approvals": rows, "next": page.next})
    call.out.table(rows, COLUMNS, empty="nobody asked for anything")
    if page.next:
        call.out.line(f"more: --before {page.next}")


@command(commands, "show")
def show_request(call: Call, request: RequestId) -> None:
    """Show a request and what exactly it is for."""
    from spothive.operations.approvals import find_approval

    with call.reading() as session:
        facts = _facts(find_approval(session, _id(request)))
    call.out.json(facts)
    call.out.facts(facts, skip=["payload"])
    for key, value in sorted(facts["payload"].items()):
        call.out.line(f"{key} = {value}")


@command(commands, "request")
def make_request(
    call: Call,
    action: Annotated[
        Literal["terminate", "switch", "delete"],
        typer.Argument(metavar="ACTION", help="terminate, switch or delete."),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="AWS's id to terminate or delete; the id of a decision to switch."),
    ],
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What a termination is good for, for those who decide.")
    ] = None,
) -> None:
    """Ask that something be done to an instance or to waste.

    Who asks again for the same gets the request that stands.
    """
    from spothive.models import ApprovalAction
    from spothive.operations.approvals import find_approval, request_approval, request_switch
    from spothive.operations.fleet import find_instance
    from spothive.operations.waste import request_deletion

    if action != "terminate" and description is not None:
        described = "a switch is described by its decision" if action == "switch" else "waste describes itself"
        msg = f"--description is for terminate: {described}"
        raise InvalidInput(msg)
    with call.writing() as session:
        if action == "switch":
            made = request_switch(session, call.actor, decision_id=_id(target))
        elif action == "delete":
            made = request_deletion(session, call.actor, resource=target)
        else:
            made = request_approval(
                session,
                call.actor,
                action=ApprovalAction.TERMINATE_ROGUE,
                target_id=find_instance(session, target).instance.id,
                description=f"Terminate {target}: nobody answers for it" if description is None else description,
            )
        facts = _facts(find_approval(session, made.id))
    call.out.json(facts)
    call.out.line(f"request {facts['id']}: {facts['action']} of {facts['target']} is {facts['stands']}")
    until = to_the_second(facts["expires_at"])
    if facts["stands"] == "PENDING":
        call.out.line(f"somebody else approves it until {until}: spothive approval approve {facts['id']}")
    else:
        call.out.line(f"execute it until {until}: {_executes(facts)}")


@command(commands, "approve")
def approve_request(call: Call, request: RequestId) -> None:
    """Approve what somebody else asked for."""
    from spothive.operations.approvals import approve

    with call.writing() as session:
        facts = _facts(approve(session, call.actor, _id(request)))
    call.out.json(facts)
    call.out.line(f"{facts['action']} of {facts['target']} is approved until {to_the_second(facts['expires_at'])}")
    if facts["action"] != "HIBERNATE_CLUSTER":  # with which the next run of hibernation goes on by itself
        call.out.line(f"next: {_executes(facts)}")


@command(commands, "reject")
def reject_request(
    call: Call,
    request: RequestId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever asked.")],
) -> None:
    """Reject what somebody else asked for."""
    from spothive.operations.approvals import reject

    with call.writing() as session:
        facts = _facts(reject(session, call.actor, _id(request), reason=reason))
    call.out.json(facts)
    call.out.line(f"{facts['action']} of {facts['target']} is rejected")


@command(commands, "execute")
def execute_request(call: Call, request: RequestId) -> None:
    """Do what was approved, once.

    An instance is terminated at AWS if it still is what was approved. A switch
    is handed out: whoever runs the fleet makes it and tells its outcome.
    """
    from contextlib import closing
    from dataclasses import asdict

    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.approvals import execute_approved

    with closing(runtime.aws_gateway()) as gateway:
        done = execute_approved(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            request_id=_id(request),
            gateway=gateway,
            keys=runtime.keyring,
        )
    call.out.json(asdict(done))
    if done.hand_out is None:
        call.out.line(f"{done.target} is {done.state}" + (", by an earlier run" if done.resumed else ""))
        return
    to = f"{done.hand_out.get('type')} in {done.hand_out.get('zone')}"
    call.out.line(f"move {done.target} to {to}, then: spothive decision outcome {done.hand_out.get('decision')} acted")


@command(commands, "expire")
def expire_requests(call: Call) -> None:
    """End the requests whose time is over."""
    from spothive.operations.approvals import expire_approvals

    with call.writing() as session:
        ended = expire_approvals(session, call.actor)
    call.out.json({"expired": ended})
    call.out.line(f"{ended} expired" if ended else "no request's time is over")


@command(commands, "policy")
def set_policy(
    call: Call,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve/--ask", help="Approve LOW and LAB accounts at once, or ask people.")
    ],
) -> None:
    """Let a policy approve what is harmless, or ask people.

    Harmless is what has the risk LOW, and anything on a LAB account.
    """
    from spothive.operations.approvals import set_auto_approval

    with call.writing() as session:
        changed = set_auto_approval(session, call.actor, on=auto_approve)
    call.out.json({"auto_approve_low": auto_approve, "changed": changed})
    how = "are approved at once" if auto_approve else "wait for somebody who approves them"
    call.out.line(f"requests that are LOW or about a LAB account {how}")


def _executes(facts: dict[str, Any]) -> str:
    """Return the command that does what was approved."""
    how = "waste schedule" if facts["action"] == "DELETE_WASTE" else "approval execute"
    return f"spothive {how} {facts['id']}"


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        msg = f"{text[:60]!r} is no id: copy it from spothive approval list, or decision list for a switch"
        raise InvalidInput(msg) from None


def _facts(request: ApprovalRequest) -> dict[str, Any]:
    from spothive.clock import utc_now
    from spothive.operations.approvals import has_outcome, target_name

    is_open = request.status in {"PENDING", "APPROVED"} and request.executed_at is None
    stands: str = "EXPIRED" if is_open and request.expires_at < utc_now() else request.status
    if request.executed_at is not None:
        stands = "EXECUTED" if has_outcome(request) else "BEGUN"  # nobody knows what AWS did: executed again, it tells
    return {
        "id": request.id,
        "stands": stands,
        "status": request.status,
        "action": request.action_type,
        "risk": request.risk_level,
        "target": target_name(request),
        "description": request.action_description,
        "payload": request.action_payload,
        "requester": request.requester_name,
        "decided_by": request.decided_by,
        "approver": request.approver_name,
        "rejection_reason": request.rejection_reason,
        "requested_at": request.requested_at,
        "expires_at": request.expires_at,
        "decided_at": request.decided_at,
        "executed_at": request.executed_at,
        "plan_hash": request.plan_hash,
    }
