"""The duty that looks after the queues of agents' actions."""

from __future__ import annotations

from spothive.operations.jobs import end_dead_jobs, end_overdue_actions, mark_silent_agents
from spothive.operations.sweeps.having import has_dead_jobs, has_overdue_actions, has_silent_agents
from spothive.operations.sweeps.work import ForTenant, Work


def look_after_queues(work: Work) -> None:
    """Give back what dead agents had, end what is overdue, and jobs with it; tell of agents that are silent."""
    for tenant in work.tenants(has_overdue_actions()):
        with work.part(tenant.slug):
            _end_actions(work, tenant)
    work.for_each_tenant(has_dead_jobs(), "jobs", end_dead_jobs)
    work.for_each_tenant(has_silent_agents(), "silent", mark_silent_agents)


def _end_actions(work: Work, tenant: ForTenant) -> None:
    more = True
    while more:
        work.go_on()
        with work.sessions(tenant=tenant.id) as session:
            done = end_overdue_actions(session, work.actor)
        work.counts.update(expired=done.expired, failed=done.failed, given_back=done.given_back)
        more = done.more
