"""Jobs of the optimiser, and the actions that agents in clusters do for them."""

from spothive.operations.jobs.agents import claim_actions, extend_leases, report_actions
from spothive.operations.jobs.asking import enqueue_action
from spothive.operations.jobs.overdue import end_dead_jobs, end_overdue_actions, mark_silent_agents
from spothive.operations.jobs.reading import (
    ActionFilter,
    count_open_actions,
    find_action,
    find_by_key,
    find_job,
    has_open_actions,
    list_actions,
    list_jobs,
)
from spothive.operations.jobs.simulating import RealAgent, Simulation, WorkerDid, find_real_agent, simulate_agent
from spothive.operations.jobs.working import (
    JobLease,
    extend_job,
    fail_job,
    finish_job,
    note_switch,
    open_job,
    start_job,
)

__all__ = [
    "ActionFilter",
    "JobLease",
    "RealAgent",
    "Simulation",
    "WorkerDid",
    "claim_actions",
    "count_open_actions",
    "end_dead_jobs",
    "end_overdue_actions",
    "enqueue_action",
    "extend_job",
    "extend_leases",
    "fail_job",
    "find_action",
    "find_by_key",
    "find_job",
    "find_real_agent",
    "finish_job",
    "has_open_actions",
    "list_actions",
    "list_jobs",
    "mark_silent_agents",
    "note_switch",
    "open_job",
    "report_actions",
    "simulate_agent",
    "start_job",
]
