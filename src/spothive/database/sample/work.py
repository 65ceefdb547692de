"""Work: optimisation jobs and what agents did for them, and what spothive did by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from spothive.clock import utc_now
from spothive.database.sample.chance import Dice
from spothive.database.sample.interruptions import outage
from spothive.database.sample.market import missing
from spothive.database.sample.world import ACTOR, Company, Group, Machine, Period, Row, shared_row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import (
    PLATFORM_TENANT_ID,
    ActionStatus,
    ActionType,
    AgentAction,
    ComponentHealth,
    ComponentStatus,
    DowntimeCause,
    DowntimeLog,
    JobStatus,
    LogLevel,
    OptimizationJob,
    SweepLease,
    SystemLog,
)
from spothive.models.jobs import THE_QUEUE

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_MOST_JOBS = 20
_FAILED_JOBS = 0.1
_RETRIED = 0.15
_LEASE = 5 * _MINUTE
_NOT_OVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When what is long over expires as it is written: the database hands out nothing else."""
_IN_FORCE = timedelta(minutes=30)
"""For how long from now it is leased as it is written, likewise."""
_LOGS_KEPT_DAYS = 30
_COMPONENTS: Final = {"database": 2, "queue": 3, "market data": 180, "model": 14, "sealer": 9}
_DUTIES: Final = ("expire_approvals", "apply_hibernation", "delete_due", "expire_replicas", "retention")


@dataclass(slots=True)
class _Job:
    company: Company
    cluster: Group
    life: Life
    ending: JobStatus


def write_work(writer: Writer, period: Period, companies: list[Company]) -> None:
    """Write the jobs of every cluster with an agent, their actions, and what went wrong on the way."""
    jobs: list[_Job] = []
    actions: list[Life] = []
    outages: list[Row] = []
    for company in companies:
        dice = period.dice("work", company.number)
        for cluster in company.clusters:
            if cluster.agent:
                mine = [_job(dice, company, cluster, *when) for when in _plan(dice, period, cluster)]
                for job in mine:
                    actions += _actions(dice, job)
                jobs += mine
        outages += _outages(dice, company, [job for job in jobs if job.company is company])
    lives = [job.life for job in jobs]
    writer.insert(OptimizationJob, (life.born for life in lives))
    writer.insert_lives(AgentAction, actions)
    writer.move(OptimizationJob, lives)  # a job ends after its actions
    writer.insert(DowntimeLog, outages)
    _write_operations(writer, period, companies)


def _plan(dice: Dice, period: Period, cluster: Group) -> list[tuple[datetime, JobStatus]]:
    """Return when jobs of a cluster were asked for and how far they came; the last two are under way."""
    jobs = max(4, min(_MOST_JOBS, period.days))
    last = period.until - timedelta(hours=2)
    done = sorted(dice.between(max(period.start, period.until - jobs * _DAY), last) for _ in range(jobs))
    endings = [JobStatus.FAILED if dice.likely(_FAILED_JOBS) else JobStatus.COMPLETED for _ in done]
    if cluster.name == "shop":
        endings[0] = JobStatus.FAILED
    now = [(period.until - 6 * _MINUTE, JobStatus.RUNNING), (period.until - _MINUTE, JobStatus.QUEUED)]
    return [*zip(done, endings, strict=True), *now]


def _job(dice: Dice, company: Company, cluster: Group, at: datetime, ending: JobStatus) -> _Job:
    life = Life(company.row(dice, at, cluster_id=cluster.id))
    if ending != JobStatus.QUEUED:
        started = at + 2 * _MINUTE
        lease = {"lease_token": dice.id_at(started), "leased_until": started + 30 * _MINUTE}
        life.then(step(started, status=JobStatus.RUNNING, started_at=started, **lease))
    if ending in {JobStatus.COMPLETED, JobStatus.FAILED}:
        ended = at + 40 * _MINUTE
        good = ending == JobStatus.COMPLETED
        results = {"nodes_drained": 1, "nodes_saved": dice.randrange(3)} if good else {}
        why = None if good else "an action of the job failed: the node did not drain"
        facts: Row = {"completed_at": ended, "results": results, "error_message": why}
        if good:
            life.then(step(ended, lease_token=THE_QUEUE))
        life.then(step(ended, status=ending, lease_token=None, leased_until=None, **facts))
    return _Job(company, cluster, life, ending)


def _actions(dice: Dice, job: _Job) -> list[Life]:
    """Return the actions of a job: cordon, label, evict, drain. The drain is what fails."""
    if job.ending == JobStatus.QUEUED:
        return []
    node = f"ip-10-0-{dice.randrange(256)}-{dice.randrange(4, 255)}.ec2.internal"
    pod = {"namespace": "default", "pod": f"web-{dice.hex(10)}"}
    plan: tuple[tuple[ActionType, Row], ...] = (
        (ActionType.CORDON_NODE, {"node": node}),
        (ActionType.LABEL_NODE, {"node": node, "labels": {"spothive.io/leaving": "true"}}),
        (ActionType.EVICT_POD, pod),
        (ActionType.DRAIN_NODE, {"node": node, "timeout_seconds": 300}),
    )
    asked = job.life.born["created_at"] + 2 * _MINUTE
    lives = []
    for number, (kind, payload) in enumerate(plan):
        facts: Row = {"action_type": kind, "payload": payload, "priority": 3 if kind == ActionType.CORDON_NODE else 5}
        facts |= {"idempotency_key": f"{job.life.born['id'].hex}-{number}"}
        ending, expiry = _ending(dice, job.ending, number, len(plan)), asked + timedelta(hours=1)
        expires_at = expiry if ending == ActionStatus.PENDING else _NOT_OVER
        facts |= {"available_at": asked, "expires_at": expires_at, "attempts": 0}
        row = job.company.row(dice, asked, cluster_id=job.cluster.id, optimization_job_id=job.life.born["id"], **facts)
        life = Life(row)
        _act(dice, life, asked + (2 + 7 * number) * _MINUTE, ending, expiry)
        lives.append(life)
    return lives


def _ending(dice: Dice, job: JobStatus, number: int, actions: int) -> ActionStatus:
    """Return how an action of a job ended: all well, all but the last well, or the first under way."""
    if job == JobStatus.RUNNING:
        return ActionStatus.PICKED_UP if number == 0 else ActionStatus.PENDING
    if job == JobStatus.FAILED and number == actions - 1:
        return dice.choice((ActionStatus.FAILED, ActionStatus.EXPIRED))
    return ActionStatus.COMPLETED


def _act(dice: Dice, life: Life, at: datetime, ending: ActionStatus, expiry: datetime) -> None:
    """Hand an action out, sometimes twice, and take the report on it; then its times are told as they were."""
    if ending == ActionStatus.PENDING:
        return
    attempts = 2 if ending != ActionStatus.PICKED_UP and dice.likely(_RETRIED) else 1
    for attempt in range(1, attempts + 1):
        picked = at + (attempt - 1) * 2 * _MINUTE
        lease = {"lease_token": attempt, "leased_until": utc_now() + _IN_FORCE, "picked_up_at": picked}
        life.then(step(picked, status=ActionStatus.PICKED_UP, attempts=attempt, **lease))
        if attempt < attempts:
            given_back = picked + _MINUTE
            facts: Row = {"leased_until": None, "error_message": "the agent was restarted"}
            life.then(step(given_back, status=ActionStatus.PENDING, available_at=given_back, **facts))
    last = life.steps[-1]["updated_at"]
    if ending == ActionStatus.PICKED_UP:
        life.then(step(last, leased_until=last + _LEASE, expires_at=expiry))
        return
    good = ending == ActionStatus.COMPLETED
    ended = last + (_MINUTE if good else 6 * _MINUTE)
    if ending == ActionStatus.EXPIRED:
        expiry = ended - _MINUTE
        life.then(step(last, leased_until=last + _LEASE, expires_at=expiry))
    report: Row = {"result": {"seconds": dice.randrange(1, 55)} if good else None, "error_message": None}
    if not good:
        gone = ending == ActionStatus.EXPIRED
        report["error_message"] = "the agent was not heard of again" if gone else "a pod disruption budget forbids it"
    life.then(step(ended, status=ending, leased_until=None, expires_at=expiry, completed_at=ended, **report))


def _outages(dice: Dice, company: Company, jobs: list[_Job]) -> list[Row]:
    """Return what the own work kept down: the first failed job of the company, and a switch that was too hasty."""
    rows = []
    failed = next(job for job in jobs if job.ending == JobStatus.FAILED)
    node = next(machine for machine in company.machines if machine.cluster and machine.cluster.agent)
    machines = (machine for machine in company.machines if machine.cluster is failed.cluster)
    start = failed.life.steps[-1]["completed_at"]
    rows.append(_outage(dice, company, next(machines, node), start, DowntimeCause.OPTIMIZER_FAILURE))
    for switch in company.switches:
        if switch.acted:
            start = switch.at + 5 * _MINUTE
            row = _outage(dice, company, switch.machine, start, DowntimeCause.EMERGENCY_SWITCH)
            rows.append(row | {"decision_id": switch.decision_id})
            break
    return rows


def _outage(dice: Dice, company: Company, machine: Machine, start: datetime, cause: DowntimeCause) -> Row:
    seconds = dice.randrange(4, 50)
    details = {
        DowntimeCause.OPTIMIZER_FAILURE: "the job failed while the node was cordoned",
        DowntimeCause.EMERGENCY_SWITCH: "the old instance was gone before the new one was ready",
    }
    facts = {"end_time": start + timedelta(seconds=seconds), "duration_seconds": seconds, "cause": cause}
    return outage(company, dice, machine, start, **facts, cause_details=details[cause])


# --- what spothive does by itself ----------------------------------------------------------------


def _write_operations(writer: Writer, period: Period, companies: list[Company]) -> None:
    dice = period.dice("operations")
    health = [_health(dice, period, component, mean) for component, mean in _COMPONENTS.items()]
    leases = [_lease(dice, period, duty) for duty in _DUTIES]
    writer.insert(ComponentHealth, missing(writer, ComponentHealth, ("component",), health))
    writer.insert(SweepLease, missing(writer, SweepLease, ("name",), leases))
    platform = Company(0, PLATFORM_TENANT_ID, "platform", "platform")
    logs = [_swept(dice, platform, at) for at in _nights(period)]
    logs += [_discovered(dice, company, at) for company in companies for at in _nights(period)]
    writer.insert(SystemLog, sorted(logs, key=lambda row: row["timestamp"]))


def _nights(period: Period) -> list[datetime]:
    """Return a moment of each day for which the system's log is still kept."""
    days = min(period.days, _LOGS_KEPT_DAYS - 1)
    return [period.until - number * _DAY - timedelta(minutes=17) for number in reversed(range(days))]


def _health(dice: Dice, period: Period, component: str, mean: int) -> Row:
    last = period.until - timedelta(seconds=dice.randrange(60))
    poor = component == "market data"
    facts: Row = {
        "component": component,
        "status": ComponentStatus.DEGRADED if poor else ComponentStatus.HEALTHY,
        "last_success": last,
        "last_failure": period.until - timedelta(hours=3) if poor else None,
        "last_check": last,
        "success_count_24h": 1437 if poor else 1440,
        "failure_count_24h": 3 if poor else 0,
        "avg_execution_time_ms": mean,
        "error_message": "the price history answered after more than 10 s" if poor else None,
        "component_metadata": {"made_by": ACTOR},
    }
    return shared_row(dice, period.founded, **facts) | {"updated_at": last}


def _lease(dice: Dice, period: Period, duty: str) -> Row:
    last = period.until - timedelta(seconds=dice.randrange(60))
    facts = {"holder": ACTOR, "leased_until": last + _MINUTE, "last_run_at": last, "last_result": "0 rows"}
    return shared_row(dice, period.founded, name=duty, **facts) | {"updated_at": last}


def _swept(dice: Dice, platform: Company, at: datetime) -> Row:
    facts = {"component": "sweep", "action": "retention", "message": "removed what is kept for 90 days"}
    return _log(dice, platform, at) | facts | {"details": {"rows": dice.randrange(5000)}}


def _discovered(dice: Dice, company: Company, at: datetime) -> Row:
    slow = dice.likely(0.1)
    facts = {"component": "discovery", "action": "discover_account", "details": {"account": "production"}}
    facts |= {"message": "AWS throttled and was asked again" if slow else "production was looked at"}
    return _log(dice, company, at) | facts | {"level": LogLevel.WARNING if slow else LogLevel.INFO}


def _log(dice: Dice, company: Company, at: datetime) -> Row:
    empty: Row = {"user_id": None, "person_name": None, "component": "", "action": "", "message": "", "details": {}}
    return company.entry(dice, at, level=LogLevel.INFO, execution_time_ms=dice.randrange(20, 4000), **empty)
