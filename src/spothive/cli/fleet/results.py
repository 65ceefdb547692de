"""What commands of the fleet say of an account, and of a look at AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spothive.cli.call import Call
    from spothive.database import Account
    from spothive.gateways.ec2_answer import RefusedInstance
    from spothive.operations.fleet import ScanResult

REFUSED_SHOWN = 20


def tell_scan(call: Call, result: ScanResult) -> None:
    """Say in words what a look at AWS, or at what it printed, found."""
    read = [region for region in result.regions if region not in result.failed]
    judged = f", {len(result.flagged)} flagged, {len(result.unauthorized)} unauthorized"
    call.out.line(
        f"{result.account_name}: {result.seen} instances seen in {', '.join(read) or 'no region'}; "
        f"{len(result.added)} added, {len(result.changed)} changed, {len(result.vanished)} gone, "
        f"{len(result.refused)} refused{judged if result.flagged or result.unauthorized else ''}"
    )
    for region, reason in sorted(result.failed.items()):
        call.out.line(f"could not read {region}, whose instances were left as they are: {reason}")
    if result.clusters_added:
        call.out.line(f"new clusters: {', '.join(result.clusters_added)}")
    for standing, ids in (("flagged", result.flagged), ("unauthorized", result.unauthorized)):
        if ids:
            call.out.line(
                f"nobody answers for {len(ids)} newly {standing}: spothive instance list --auth-status {standing}"
            )
    tell_refused(call, result.refused)
    if result.account_failed:
        call.out.line(f"account {result.account_name} has failed: {result.account_failed}")
    if result.status.value != "COMPLETE" and not result.failed:
        call.out.line("the answer was incomplete: what it does not list was left as it is")


def tell_refused(call: Call, refused: Sequence[RefusedInstance]) -> None:
    """Name what was left out, and why."""
    for entry in refused[:REFUSED_SHOWN]:
        call.out.line(f"refused {entry.instance_id or 'one'} in {entry.source}: {entry.reason}")
    if len(refused) > REFUSED_SHOWN:
        call.out.line(f"and {len(refused) - REFUSED_SHOWN} more refused, all of them with --json")


def refused_facts(refused: Sequence[RefusedInstance]) -> list[dict[str, Any]]:
    """Return the same for machines."""
    return [{"instance_id": entry.instance_id, "source": entry.source, "reason": entry.reason} for entry in refused]


def scan_facts(result: ScanResult) -> dict[str, Any]:
    """Return the same for machines."""
    return {
        "name": result.account_name,
        "status": result.status,
        "regions": result.regions,
        "seen": result.seen,
        "added": result.added,
        "changed": result.changed,
        "vanished": result.vanished,
        "changes": [
            {"instance_id": c.instance_id, "field": c.name, "before": c.before, "after": c.after}
            for c in result.changes
        ],
        "refused": refused_facts(result.refused),
        "flagged": result.flagged,
        "unauthorized": result.unauthorized,
        "clusters_added": result.clusters_added,
        "failed": result.failed,
        "account_failed": result.account_failed,
    }


def account_facts(account: Account) -> dict[str, Any]:
    """Return what there is to show of an account; never its keys."""
    proven = not account.account_id.startswith("pending-")
    return {
        "id": account.id,
        "name": account.account_name,
        "aws_account_id": account.account_id if proven else account.account_metadata.get("claimed_account_id"),
        "proven": proven,
        "environment": account.environment_type,
        "connection_method": account.connection_method,
        "status": account.status,
        "status_reason": account.status_reason,
        "last_discovered_at": account.last_discovered_at,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    }
