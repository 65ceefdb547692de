"""What the sweep does, duty by duty. Each is a function of a :class:`Work`, and does nothing that its verbs do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from spothive.database import PLATFORM_TENANT_ID, TenantSession, read_session, system_scope
from spothive.errors import InvalidInput
from spothive.models import ComponentStatus
from spothive.operations.actor import Actor
from spothive.operations.approvals import expire_approvals
from spothive.operations.audit.sealing import seal_trails
from spothive.operations.decisions import end_dead_experiments, fold_decisions
from spothive.operations.fleet import end_dead_scans
from spothive.operations.health import check_health
from spothive.operations.notifications import WebhooksSent, send_webhooks
from spothive.operations.risk import expire_replicas, refresh_market, tidy_pools
from spothive.operations.risk.pools import TIDIED_AT_ONCE
from spothive.operations.risk.warning import AT_ONCE, UntoldBlock, tell_of_blocks, untold_blocks
from spothive.operations.sla.told import tell_of_lasting
from spothive.operations.sweeps.changing import apply_schedules, look_after_waste
from spothive.operations.sweeps.datasets import look_after_datasets
from spothive.operations.sweeps.discovering import discover_accounts
from spothive.operations.sweeps.having import (
    has_dead_experiments,
    has_dead_scans,
    has_lasting_outages,
    has_late_approvals,
    has_late_replicas,
)
from spothive.operations.sweeps.mailing import send_waiting_mails, write_digests
from spothive.operations.sweeps.queues import look_after_queues
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
        is_quiet: whether a run that found nothing to do is told to nobody: it is done too often for that.
    """

    name: str
    purpose: str
    do: Callable[[Work], None]
    each_tenant: bool
    is_quiet: bool = False

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


def tell_of_what_lasts(work: Work) -> None:
    """Tell tenants of blocked pools in which they have instances, and of budgets that outages use up which last."""
    after: tuple[UUID, str] | None = None
    blocks: list[UntoldBlock] | None = None
    while blocks is None or len(blocks) == AT_ONCE:
        with read_session() as session, system_scope(session, "the sweep looks for whom a blocked pool concerns"):
            blocks = untold_blocks(session, after=after, limit=AT_ONCE)
        for (tenant_id, slug), mine in groupby(blocks, key=lambda block: (block.tenant_id, block.slug)):
            with work.part(slug), work.sessions(tenant=tenant_id) as session:
                work.counts["pools"] += tell_of_blocks(session, list(mine))
        after = (blocks[-1].tenant_id, blocks[-1].pool_id) if blocks else None
    work.for_each_tenant(has_lasting_outages(), "budgets", lambda session, _: tell_of_lasting(session))


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


def send_due_webhooks(work: Work) -> None:
    """Send the webhooks that are due; a receiver that refuses one is no failure of this duty."""
    with work.part("webhooks"):
        sender, keys, done = work.tools.webhook_sender(), work.tools.keys, WebhooksSent()
        try:
            send_webhooks(work.sessions, sender=sender, keys=keys, go_on=work.go_on, turns=work.turns, came_to=done)
        finally:
            work.counts.update(done.counts)
            for webhook, reason in done.failures.items():
                work.fail(webhook, reason)


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
    Duty("actions", "give back what dead agents had, end actions and jobs", look_after_queues, each_tenant=True),
    Duty("expiries", "end approvals and replicas past their time", end_what_is_over, each_tenant=True),
    Duty("hibernation", "put clusters to sleep and wake them", apply_schedules, each_tenant=True),
    Duty("risk", "tidy pools whose block is over", tidy_all_pools, each_tenant=False),
    Duty("telling", "tell of blocked pools and used-up budgets", tell_of_what_lasts, each_tenant=True),
    Duty("digests", "write the digests whose time has come", write_digests, each_tenant=True),
    Duty("mails", "send the mails that wait", send_waiting_mails, each_tenant=True),
    Duty("discovery", "discover accounts again", discover_accounts, each_tenant=True),
    Duty("waste", "scan for waste, delete what is due", look_after_waste, each_tenant=True),
    Duty("rollups", "count the decisions of finished days", count_decisions, each_tenant=False),
    Duty("sealing", "seal the audit trails", seal_all_trails, each_tenant=True),
    Duty("retention", "delete what was kept long enough", delete_old_rows, each_tenant=True),
    Duty("health", "check the parts of spothive", check_all_parts, each_tenant=False),
    Duty("webhooks", "send webhooks that are due", send_due_webhooks, each_tenant=False, is_quiet=True),
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
