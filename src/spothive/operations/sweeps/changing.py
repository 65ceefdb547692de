"""The duties that change something at AWS: hibernation, and the deletion of waste that was approved."""

from __future__ import annotations

from spothive.errors import AlreadyRunning
from spothive.models import ScanKind, ScanStatus
from spothive.operations.clusters import AppliedHibernation, Outcome, apply_hibernation
from spothive.operations.sweeps.discovering import due_accounts
from spothive.operations.sweeps.having import has_accounts, has_schedules
from spothive.operations.sweeps.several import several_at_once
from spothive.operations.sweeps.work import ForTenant, Work
from spothive.operations.waste import Ending, delete_due, scan_waste
from spothive.settings import get_settings


def apply_schedules(work: Work) -> None:
    """Put clusters to sleep and wake them, those of suspended tenants too: nobody stays asleep for an unpaid bill."""

    def apply(tenant: ForTenant) -> list[AppliedHibernation]:
        return apply_hibernation(
            work.sessions, work.actor, tenant_id=tenant.id, gateway=work.tools.gateway, keys=work.tools.keys
        )

    def tell(tenant: ForTenant, applied: list[AppliedHibernation]) -> None:
        for each in applied:
            work.counts[each.outcome.name.lower()] += 1
            if each.outcome is Outcome.FAILED:
                work.fail(f"{tenant.slug}/{each.cluster}", each.message or "")

    several_at_once(work, work.tenants(has_schedules()), apply, tell)


def look_after_waste(work: Work) -> None:
    """Scan accounts whose last waste scan is old, then delete what was approved and whose grace is over."""
    for tenant in work.tenants(has_accounts(), suspended=False):
        due: list[str] = []
        with work.part(tenant.slug), work.sessions(tenant=tenant.id) as session:
            due = due_accounts(session, ScanKind.WASTE, get_settings().waste_scan_age)
        for name in due:
            with work.part(f"{tenant.slug}/{name}"):
                _scan(work, tenant, name)
        with work.part(tenant.slug):
            _delete(work, tenant)


def _scan(work: Work, tenant: ForTenant, name: str) -> None:
    try:
        found = scan_waste(
            work.sessions, work.actor, tenant_id=tenant.id, name=name, gateway=work.tools.gateway, keys=work.tools.keys
        )
    except AlreadyRunning:
        work.counts["under_way"] += 1
        return
    work.counts.update(accounts=1, flagged=found.flagged)
    if found.status is not ScanStatus.COMPLETE:
        reasons = "; ".join(f"{unit}: {reason}" for unit, reason in sorted(found.failed.items()))
        work.fail(f"{tenant.slug}/{name}", f"{found.status}: {reasons}")


def _delete(work: Work, tenant: ForTenant) -> None:
    done = delete_due(
        work.sessions,
        work.actor,
        tenant_id=tenant.id,
        gateway=work.tools.gateway,
        keys=work.tools.keys,
        go_on=work.go_on,
    )
    for each in done:
        work.counts[each.ending.name.lower()] += 1
        if each.ending is Ending.FAILED:
            work.fail(f"{tenant.slug}/{each.resource_id}", each.detail)
