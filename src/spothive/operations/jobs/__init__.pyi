from .agents import claim_actions, extend_leases, report_actions
from .asking import enqueue_action
from .overdue import end_dead_jobs, end_overdue_actions, mark_silent_agents
from .reading import (
    ActionFilter,
    count_open_actions,
    find_action,
    find_by_key,
    find_job,
    has_open_actions,
    list_actions,
    list_jobs,
)
from .simulating import RealAgent, Simulation, WorkerDid, find_real_agent, simulate_agent
from .working import (
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
