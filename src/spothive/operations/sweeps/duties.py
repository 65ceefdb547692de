"""What the sweep does, duty by duty. Each is a function of a :class:`Work`, and does nothing that its verbs do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from spothive.database import PLATFORM_TENANT_ID, TenantSession
from spothive.errors import InvalidInput
from spothive.models import ComponentStatus
from spothive.operations.actor import Actor
from spothive.operations.approvals import expire_approvals
from spothive.operations.audit.sealing import seal_trails
from spothive.operations.decisions import end_dead_experiments, fold_decisions
from spothive.operations.fleet import end_dead_scans
from spothive.operations.health import check_health
from spothive.operations.risk import expire_replicas, refresh_market, tidy_pools
from spothive.operations.risk.pools import TIDIED_AT_ONCE
from spothive.operations.sweeps.changing import apply_schedules, look_after_waste
from spothive.operations.sweeps.datasets import look_after_datasets
from spothive.operations.sweeps.discovering import discover_accounts
from spothive.operations.sweeps.having import (
    has_dead_experiments,
    has_dead_scans,
    has_late_approvals,
    has_late_replicas,
)
from spothive.operations.sweeps.retention import delete_old_rows
from spothive.operations.sweeps.work import Work
from spothive.settings import get_settings


@dataclass(frozen=True, slots=True)
class Duty:
    """Something that has to be done again and again.

    Attributes:
        name: what it is called; the setting ``sweep_<name>`` says how often it is due.
        purpose: what it does, in one line.
        do: does it once.
        each_tenant: whether tenant by tenant, or once for all.
    """

    name: str
    purpose: str
    do: Callable[[Work], None]
    each_tenant: bool

    @property
    def period(self) -> timedelta:
        """How often it is due; zero: never by itself."""
        return timedelta(seconds=getattr(get_settings(), f"sweep_{self.name}"))


def end_what_is_over(work: Work) -> None:
    """End requests for approval and replicas that are past their time.

    Tokens, invitations, onboarding requests and sessions end by the clock alone, and need nobody.
    """

    def replicas(session: TenantSession, actor: Actor) -> int:
        expired = expire_replicas(session, actor)
        return len(expired.promoted) + len(expired.retired)

    work.for_each_tenant(has_late_approvals(), "approvals", expire_approvals)
    work.for_each_tenant(has_late_replicas(), "replicas", replicas)


def end_what_is_dead(work: Work) -> None:
    """End what processes had under way that let their leases run out."""
    work.for_each_tenant(has_dead_scans(), "scans", end_dead_scans)
    work.for_each_tenant(has_dead_experiments(), "experiments", end_dead_experiments)


def tidy_all_pools(work: Work) -> None:
    """Take the flag from every pool whose block is over."""
    tidied = TIDIED_AT_ONCE
    while tidied == TIDIED_AT_ONCE:
        work.go_on()
        with work.sessions(tenant=PLATFORM_TENANT_ID) as session:
            tidied = tidy_pools(session, work.actor)
        work.counts["pools"] += tidied


def ask_for_prices(work: Work) -> None:
    """Ask AWS for the spot prices of every region in use."""
    with work.part("AWS"):
        try:
            done = refresh_market(work.sessions, work.actor, gateway=work.tools.gateway)
        except InvalidInput:  # no tenant has an instance: there is no region to ask about
            return
        work.counts.update(regions=len(done.regions), added=done.added, changed=done.changed)
        for region, reason in done.failed.items():
            work.fail(region, reason)


def count_decisions(work: Work) -> None:
    """Count the decisions of finished days."""
    done = fold_decisions(work.sessions, work.actor)
    work.counts.update(days=done.days, decisions=done.decisions, days_waiting=done.waiting)


def seal_all_trails(work: Work) -> None:
    """Seal what is final of every audit trail; without a key nothing is sealed, and the run says how to make one."""
    with work.part("audit trail"):
        keys, anchor = work.tools.signing_keys(), work.tools.anchor()
        done = seal_trails(work.sessions, work.actor, keys=keys, anchor=anchor)
        work.counts.update(seals=done.seals, rows=done.rows)
        problems = {tenant.tenant_id: tenant.problem for tenant in done.tenants if tenant.problem}
        slugs = work.slugs() if problems else {}
        for tenant_id, problem in problems.items():
            work.fail(slugs.get(tenant_id, str(tenant_id)), problem)


def check_all_parts(work: Work) -> None:
    """Check the parts of spothive, and keep what was found."""
    for part in check_health(work.sessions, work.actor, tenant_id=PLATFORM_TENANT_ID):
        work.counts[str(part.status)] += 1
        if part.status is ComponentStatus.DOWN:
            work.fail(part.component, part.message)


DUTIES: Final = (
    Duty("leases", "end what dead processes left under way", end_what_is_dead, each_tenant=True),
    Duty("expiries", "end approvals and replicas past their time", end_what_is_over, each_tenant=True),
    Duty("hibernation", "put clusters to sleep and wake them", apply_schedules, each_tenant=True),
    Duty("risk", "tidy pools whose block is over", tidy_all_pools, each_tenant=False),
    Duty("discovery", "discover accounts again", discover_accounts, each_tenant=True),
    Duty("waste", "scan for waste, delete what is due", look_after_waste, each_tenant=True),
    Duty("rollups", "count the decisions of finished days", count_decisions, each_tenant=False),
    Duty("sealing", "seal the audit trails", seal_all_trails, each_tenant=True),
    Duty("retention", "delete what was kept long enough", delete_old_rows, each_tenant=True),
    Duty("health", "check the parts of spothive", check_all_parts, each_tenant=False),
    Duty("datasets", "make datasets, tidy their files", look_after_datasets, each_tenant=True),
    Duty("market", "ask AWS for spot prices", ask_for_prices, each_tenant=False),
)
"""In the order in which one pass does them: what is quick and what others wait for comes first, what lasts last."""


def find_duty(name: str) -> Duty:
    """Return the duty called ``name``.

    Raises:
        InvalidInput: there is none; the message names them all.
    """
    for duty in DUTIES:
        if duty.name == name:
            return duty
    msg = f"no duty is called {name[:60]!r}: there are {', '.join(duty.name for duty in DUTIES)}"
    raise InvalidInput(msg)
