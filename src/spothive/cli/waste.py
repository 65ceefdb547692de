"""``spothive waste``: what costs money while nothing uses it, and its end."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.fleet.looking import All, Names, Regions, look_at_accounts
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column, monthly
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import WasteResource
    from spothive.operations.waste import WasteScan, WasteSum

commands = typer.Typer(rich_markup_mode=None)

COLUMNS = (
    Column("resource", "resource_id"),
    Column("kind", "kind"),
    Column("status", "status"),
    Column("costs", "monthly_cost", monthly, right=True),
    Column("unused days", "days_unused", right=True),
    Column("account", "account", fold=True, optional=True),
    Column("region", "region", optional=True),
    Column("why", "reason", fold=True, optional=True),
)
SUMS = (
    Column("kind", "kind"),
    Column("status", "status"),
    Column("resources", "resources", right=True),
    Column("costs", "monthly_cost", monthly, right=True),
)
OUTCOMES = (
    Column("resource", "resource_id"),
    Column("kind", "kind"),
    Column("account", "account", fold=True, optional=True),
    Column("came to", "ending"),
    Column("costs", "monthly_cost", monthly, right=True),
    Column("why", "detail", fold=True),
)
LISTED = 100

# Spelled out like the roles in identity.py, and for the same reason.
Status = Literal["DETECTED", "FLAGGED", "SCHEDULED_DELETE", "DELETED", "RESOLVED"]
Kind = Literal["elastic_ip", "ebs_volume", "ebs_snapshot", "ami"]
Resource = Annotated[str, typer.Argument(metavar="RESOURCE", help="AWS's id, such as vol-0123456789abcdef0.")]


@command(commands, "scan")
def scan_accounts(call: Call, names: Names = None, everything: All = False, region: Regions = None) -> None:
    """Look through accounts for what nothing uses.

    Only a scan of every enabled region is COMPLETE, and from no other can a
    deletion be scheduled. Exit 1 unless all could be read. JSON is a list.
    """
    from spothive.operations.waste import scan_waste

    look_at_accounts(
        call,
        names,
        everything=everything,
        regions=region,
        look=scan_waste,
        facts=_scan_facts,
        tell=_tell_scan,
    )


@command(commands, "list")
def show_list(
    call: Call,
    status: Annotated[Status | None, typer.Option(help="In this status only; default: what still is waste.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Of this kind only.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Of this account only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Detected from 2h, 7d .. ago, or from 2026-03-04T10:30.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most resources to list.")] = LISTED,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """List waste and what it costs, newest first."""
    from spothive.models import WasteStatus, WasteType
    from spothive.operations.fleet import find_account
    from spothive.operations.waste import WasteFilter, list_waste, sum_waste

    with call.reading() as session:
        account_id = find_account(session, account).id if account else None
        statuses, types = [WasteStatus(status)] if status else (), [WasteType(kind)] if kind else ()
        wanted = WasteFilter(statuses, types, account_id, moment(since, "--since"))
        page = list_waste(session, wanted, limit=limit, before=before)
        rows = [_facts(row) for row in page.rows]
        sums = [_sum_facts(each) for each in sum_waste(session, wanted)]
    call.out.json({"waste": rows, "sums": sums, "next": page.next})
    call.out.table(rows, COLUMNS, empty="nothing is known to be waste: spothive waste scan --all looks for it")
    if page.next:
        call.out.line(f"more: --before {page.next}")
    if rows:
        call.out.line()
        call.out.table(sums, SUMS, empty="")
        call.out.line(f"together {monthly(sum(each['monthly_cost'] for each in sums))}")


@command(commands, "show")
def show_one(call: Call, resource: Resource) -> None:
    """Show a resource, its evidence and its way back."""
    from spothive.operations.waste import WAYS_BACK, approvals_of, find_waste

    with call.reading() as session:
        row = find_waste(session, resource)
        facts = _facts(row) | {
            "way_back": WAYS_BACK[row.resource_type],
            "evidence": dict(row.evidence),
            "described": dict(row.resource_metadata),
            "undo_recipe": dict(row.undo_recipe) if row.undo_recipe else None,
            "approvals": [
                {"id": each.id, "status": each.status, "asked_by": each.requester_name, "executed_at": each.executed_at}
                for each in approvals_of(session, row)
            ],
        }
    call.out.json(facts)
    call.out.facts(facts, skip=["evidence", "described", "undo_recipe", "approvals"])
    call.out.line(f"looked for, and not found: {', '.join(facts['evidence'].get('looked_for', []))}")
    for key, value in sorted(facts["described"].items()):
        call.out.line(f"{key} = {value}")
    if facts["undo_recipe"]:
        for key, value in sorted(facts["undo_recipe"].items()):
            call.out.line(f"undo {key}: {value}")
    for each in facts["approvals"]:
        call.out.line(
            f"request {each['id']} by {each['asked_by']}: {'EXECUTED' if each['executed_at'] else each['status']}"
        )
    _tell_next(call, facts)


@command(commands, "schedule")
def schedule(
    call: Call, request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the approved request.")]
) -> None:
    """Use an approval to schedule a deletion."""
    from spothive.operations.waste import schedule_deletion

    with call.writing() as session:
        facts = _facts(schedule_deletion(session, call.actor, request_id=_id(request)))
    call.out.json(facts)
    when = to_the_second(facts["scheduled_deletion_date"])
    call.out.line(f"{facts['resource_id']} is deleted by the first spothive waste delete-due after {when}")
    call.out.line(f"to take it back until then: spothive waste keep {facts['resource_id']}")


@command(commands, "keep")
def keep_one(call: Call, resource: Resource) -> None:
    """Take a scheduled deletion back."""
    from spothive.operations.waste import find_waste, keep

    with call.writing() as session:
        recipe = find_waste(session, resource).undo_recipe
        snapshot = recipe.get("snapshot") if recipe else None
        facts = _facts(keep(session, call.actor, resource=resource)) | {"final_snapshot": snapshot}
    call.out.json(facts)
    call.out.line(f"{facts['resource_id']} is kept: it is {facts['status']}, and deleted by another approval only")
    if snapshot:
        call.out.line(f"its final snapshot {snapshot} stays at AWS")
    call.out.line("to be told of it no more, set the tag spothive:keep on it at AWS")


@command(commands, "delete-due")
def delete(call: Call) -> None:
    """Delete what is due, if it still is waste.

    AWS is asked about each resource again. Of a volume a final snapshot is made
    first. Exit 1 if any could not be settled.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.models import WasteType
    from spothive.operations.waste import Ending, delete_due

    with closing(runtime.aws_gateway()) as gateway, show_progress("deleting") as progress:
        done = delete_due(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            gateway=gateway,
            keys=runtime.keyring,
            progress=progress,
        )
    rows = [
        {
            "resource_id": each.resource_id,
            "kind": each.resource_type,
            "region": each.region,
            "account": each.account_name,
            "ending": each.ending,
            "detail": each.detail,
            "monthly_cost": each.monthly_cost,
        }
        for each in done
    ]
    call.out.json(rows)
    call.out.table(rows, OUTCOMES, empty="nothing is due")
    gone = [each for each in done if each.ending is Ending.DELETED]
    if gone:
        # What an image costs are its snapshots, and these stay: they are its way back.
        saved = sum((each.monthly_cost for each in gone if each.resource_type is not WasteType.AMI), Decimal(0))
        images = any(each.resource_type is WasteType.AMI for each in gone)
        stay = "; the snapshots of images stay, and go on being billed" if images else ""
        call.out.line(f"{len(gone)} deleted, which saves {monthly(saved)}{stay}")
    failed = [each.resource_id for each in done if each.ending is Ending.FAILED]
    if failed:
        msg = f"{len(failed)} could not be settled, the next run tries again: {', '.join(failed)}"
        raise CheckFailed(msg)


def _tell_scan(call: Call, result: WasteScan) -> None:
    call.out.line(
        f"{result.account_name}: {result.seen} things are waste in {', '.join(result.regions) or 'no region'}; "
        f"{len(result.added)} new, {len(result.changed)} changed, {len(result.resolved)} in use again or gone, "
        f"{result.flagged} flagged"
    )
    for unit, reason in sorted(result.failed.items()):
        call.out.line(f"unknown, and left as it was: {unit}: {reason}")
    if result.account_failed:
        call.out.line(f"account {result.account_name} has failed: {result.account_failed}")
    if result.failed:
        call.out.line(
            f"nothing of {result.account_name} can be scheduled for deletion until a scan is COMPLETE: spothive waste "
            f"scan {quote(result.account_name)}"
        )
    elif result.seen:
        call.out.line(f"next: spothive waste list --account {quote(result.account_name)}")


def _tell_next(call: Call, facts: dict[str, Any]) -> None:
    approved = [each for each in facts["approvals"] if each["status"] == "APPROVED" and each["executed_at"] is None]
    if facts["status"] == "FLAGGED" and approved:
        call.out.line(f"next: spothive waste schedule {approved[0]['id']}")
    elif facts["status"] == "FLAGGED":
        call.out.line(f"next: spothive approval request delete {facts['resource_id']}")
    elif facts["status"] == "SCHEDULED_DELETE":
        call.out.line(f"to take it back: spothive waste keep {facts['resource_id']}")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        msg = f"{text[:60]!r} is no id of a request: copy it from spothive approval list"
        raise InvalidInput(msg) from None


def _facts(row: WasteResource) -> dict[str, Any]:
    return {
        "id": row.id,
        "resource_id": row.resource_id,
        "kind": row.resource_type,
        "account": row.account.account_name,
        "region": row.region,
        "status": row.status,
        "monthly_cost": row.monthly_cost,
        "currency": row.currency,
        "days_unused": row.days_unused,
        "reason": row.reason,
        "detected_at": row.detected_at,
        "last_seen_at": row.last_seen_at,
        "claimed_since": row.claimed_since,
        "scheduled_deletion_date": row.scheduled_deletion_date,
        "deletion_begun_at": row.deletion_begun_at,
        "deleted_at": row.deleted_at,
    }


def _sum_facts(each: WasteSum) -> dict[str, Any]:
    return {
        "kind": each.resource_type,
        "status": each.status,
        "resources": each.resources,
        "monthly_cost": each.monthly_cost,
    }


def _scan_facts(result: WasteScan) -> dict[str, Any]:
    return {
        "name": result.account_name,
        "status": result.status,
        "regions": result.regions,
        "seen": result.seen,
        "added": result.added,
        "changed": result.changed,
        "resolved": result.resolved,
        "flagged": result.flagged,
        "failed": result.failed,
        "account_failed": result.account_failed,
    }
