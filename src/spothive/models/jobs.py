"""Jobs: what the optimiser works on, and what agents in the clusters are asked to do."""

import enum
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, check_each, index_where, json_object
from spothive.models.clusters import Cluster
from spothive.models.identity import Tenant
from spothive.schema.refusal import HasColumns, Refusal, ahead_by_more_than, older_than, rewritten, set_once
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Id, Text, TextEnum, UtcDateTime, Whole, clock_timestamp, utc_timestamp

THE_QUEUE = UUID(int=0)
"""Lease token of a job that no worker has any more: all its actions are asked for, and it ends with the last one."""

TOKEN_MAX = 2**53
"""Highest number of a hand-out: the highest that JSON carries exactly."""

LEASE_HOURS = 1
"""Hours for which an action can be withheld by an agent that has died, at most."""

ACTION_HOURS = 1
"""Hours after which an action that nobody has finished is not worth doing any more, unless it says otherwise."""


class JobStatus(enum.StrEnum):
    """How far an optimisation is."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class ActionType(enum.StrEnum):
    """What an agent can do in its cluster."""

    EVICT_POD = "EVICT_POD"
    CORDON_NODE = "CORDON_NODE"
    UNCORDON_NODE = "UNCORDON_NODE"
    DRAIN_NODE = "DRAIN_NODE"
    LABEL_NODE = "LABEL_NODE"
    UPDATE_DEPLOYMENT = "UPDATE_DEPLOYMENT"


class ActionStatus(enum.StrEnum):
    """How far an action is."""

    PENDING = "PENDING"
    PICKED_UP = "PICKED_UP"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


JOB_LIFE = StateMachine(
    JobStatus,
    first={JobStatus.QUEUED},
    moves={JobStatus.QUEUED: {JobStatus.RUNNING}, JobStatus.RUNNING: {JobStatus.COMPLETED, JobStatus.FAILED}},
)
ACTION_LIFE = StateMachine(
    ActionStatus,
    first={ActionStatus.PENDING},
    moves={
        ActionStatus.PENDING: {ActionStatus.PICKED_UP, ActionStatus.EXPIRED},
        ActionStatus.PICKED_UP: {
            ActionStatus.COMPLETED,
            ActionStatus.FAILED,
            ActionStatus.PENDING,
            ActionStatus.EXPIRED,
        },
    },
)

PAYLOAD_KEYS: dict[ActionType, dict[str, str]] = {
    ActionType.EVICT_POD: {"namespace": "string", "pod": "string"},
    ActionType.CORDON_NODE: {"node": "string"},
    ActionType.UNCORDON_NODE: {"node": "string"},
    ActionType.DRAIN_NODE: {"node": "string"},
    ActionType.LABEL_NODE: {"node": "string", "labels": "object"},
    ActionType.UPDATE_DEPLOYMENT: {"namespace": "string", "deployment": "string"},
}
"""Keys without which an agent could not act, with their JSON types; there may be others."""


def _payload(has: str, names: dict[str, str]) -> str:
    """Return the condition that a payload has its keys; ``has`` asks for one key and its type."""
    kinds = (
        f"WHEN '{action}' THEN "
        + " AND ".join(has.format(key=key, type=names.get(kind, kind)) for key, kind in keys.items())
        for action, keys in PAYLOAD_KEYS.items()
    )
    return f"CASE action_type {' '.join(kinds)} END"


ENDED_ACTIONS = (ActionStatus.COMPLETED, ActionStatus.FAILED, ActionStatus.EXPIRED)
"""How an action ends; nobody moves it on from there."""

ENDED_JOBS = (JobStatus.COMPLETED, JobStatus.FAILED)
"""How a job ends."""

_ORDER = ("cluster_id", "action_type", "payload", "idempotency_key")
"""What an agent is asked for."""

_HISTORY = (
    *("optimization_job_id", "priority", "attempts", "max_attempts", "lease_token", "leased_until", "available_at"),
    *("expires_at", "picked_up_at", "completed_at", "result", "error_message", "created_at"),
)
"""What is known of an action besides, once it has ended."""


def _uncompleted_actions(job: HasColumns) -> sa.Select[Any]:
    actions = AgentAction.__table__
    return sa.select(actions.c.id).where(
        actions.c.tenant_id == job.c.tenant_id,
        actions.c.optimization_job_id == job.c.id,
        actions.c.status != ActionStatus.COMPLETED,
    )


def _is_handed_out(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    return sa.and_(new.c.status == ActionStatus.PICKED_UP, old.c.status == ActionStatus.PENDING)


def _misnumbered(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a hand-out has not the next number, or something else changes the number."""
    one = sa.literal_column("1", sa.Integer)
    following = sa.func.coalesce(old.c.lease_token + one, one)
    return sa.case(
        (_is_handed_out(old, new), new.c.lease_token.is_distinct_from(following)),
        else_=new.c.lease_token.is_distinct_from(old.c.lease_token),
    )


def _is_kept(action: HasColumns, _: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that an action is not one that goes with its cluster or tenant."""
    clusters, tenants = Cluster.__table__, Tenant.__table__
    mine = (clusters.c.tenant_id == action.c.tenant_id, clusters.c.id == action.c.cluster_id)
    has_tenant = sa.exists(sa.select(tenants.c.id).where(tenants.c.id == action.c.tenant_id))
    return sa.and_(sa.exists(sa.select(clusters.c.id).where(*mine)), has_tenant)


def _handed_out_wrongly(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that an action is handed out and not counted, not leased, too early or too late."""
    rightly = sa.and_(
        new.c.attempts == old.c.attempts + 1,
        new.c.leased_until > clock_timestamp(),
        new.c.available_at <= clock_timestamp(),
        new.c.expires_at > clock_timestamp(),
    )
    return sa.and_(
        _is_handed_out(old, new), rightly.is_not(sa.true())
    )  # NULL is no right either: SQLite's REPLACE makes it one


def _job_of(action: HasColumns) -> sa.Select[Any]:
    jobs = OptimizationJob.__table__
    return sa.select(jobs.c.id).where(jobs.c.tenant_id == action.c.tenant_id, jobs.c.id == action.c.optimization_job_id)


class OptimizationJob(TenantOwned, Timestamped, Base):
    """One run of the optimiser over a cluster; done when all its actions are."""

    __tablename__ = "optimization_jobs"

    cluster_id: Mapped[UUID] = owned("clusters", comment="cluster that is optimised")
    status: Mapped[JobStatus] = JOB_LIFE.column(comment="how far the job is")
    lease_token: Mapped[UUID | None] = mapped_column(comment="worker that has the job")
    leased_until: Mapped[datetime | None] = mapped_column(comment="after this another worker may take it, UTC")
    results: Mapped[dict[str, Any]] = json_object(comment="what came of it")
    error_message: Mapped[str | None] = mapped_column(Text(), comment="why it failed")
    started_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    completed_at: Mapped[datetime | None] = mapped_column(comment="when it ended, well or badly, UTC")

    cluster: Mapped[Cluster] = belongs_to("OptimizationJob.cluster_id")
    actions: Mapped[list["AgentAction"]] = has_many(
        "AgentAction.optimization_job_id", back_populates="optimization_job"
    )

    __table_args__ = (
        Index(None, "tenant_id", "status"),
        check(
            "started", "(status = 'QUEUED') = (started_at IS NULL)", "started_at is set exactly when the job has begun"
        ),
        check(
            "completed",
            "(status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)",
            "completed_at is set exactly when the job has ended",
        ),
        check(
            "failed",
            "(status = 'FAILED') = (error_message IS NOT NULL)",
            "a job that failed, and no other, says why",
        ),
        check(
            "lease",
            "(status = 'RUNNING') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)",
            "a job is leased exactly while it is RUNNING",
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_optimization_jobs_completed",
                        events=("update",),
                        columns=("status",),
                        when=lambda _, new: sa.and_(
                            new.c.status == JobStatus.COMPLETED, _uncompleted_actions(new).exists()
                        ),
                        message="a job is COMPLETED when all of its actions are",
                    ),
                    Refusal(
                        rule="lc_optimization_jobs_handed_over",
                        events=("update",),
                        columns=("status",),
                        when=lambda old, new: sa.and_(
                            new.c.status == JobStatus.COMPLETED,
                            old.c.status == JobStatus.RUNNING,
                            old.c.lease_token != sa.literal(THE_QUEUE, Id),
                        ),
                        message="a job is COMPLETED after its worker has left it to the queue",
                    ),
                    Refusal(
                        rule="lc_optimization_jobs_claimed",
                        events=("update",),
                        columns=("lease_token",),
                        when=lambda old, new: sa.and_(
                            new.c.status == JobStatus.RUNNING,
                            old.c.lease_token.is_not(None),
                            new.c.lease_token.is_distinct_from(old.c.lease_token),
                            old.c.leased_until > clock_timestamp(),
                            new.c.lease_token != sa.literal(THE_QUEUE, Id),
                        ),
                        message="a worker has this job: nobody else takes it before its lease is over",
                    ),
                    Refusal(
                        rule="lc_optimization_jobs_ended",
                        events=("update",),
                        columns=("results", "error_message", "started_at", "completed_at"),
                        when=lambda old, new: sa.and_(
                            old.c.status.in_(ENDED_JOBS),
                            rewritten("results", "error_message", "started_at", "completed_at")(old, new),
                        ),
                        message="what came of a job that has ended never changes",
                    ),
                ]
            }
        },
    )


class AgentAction(TenantOwned, Timestamped, Base):
    """One thing for a cluster's agent to do, handed out at least once; only the latest hand-out may report on it."""

    __tablename__ = "agent_actions"

    cluster_id: Mapped[UUID] = owned("clusters", comment="cluster whose agent is to act")
    optimization_job_id: Mapped[UUID | None] = owned(
        "optimization_jobs", nullable=True, sibling=True, comment="job it is a part of"
    )
    action_type: Mapped[ActionType] = mapped_column(TextEnum(ActionType), comment="what is to be done")
    payload: Mapped[dict[str, Any]] = json_object(comment="to what: the keys depend on the type")
    status: Mapped[ActionStatus] = ACTION_LIFE.column(comment="how far the action is")
    priority: Mapped[int] = mapped_column(Whole(0, 9), default=5, server_default="5", comment="0 is handed out first")
    idempotency_key: Mapped[str] = mapped_column(Text(64, 1), comment="asked for twice by this key, it is done once")
    attempts: Mapped[int] = mapped_column(Whole(0, 100), default=0, server_default="0", comment="times handed out")
    max_attempts: Mapped[int] = mapped_column(
        Whole(1, 100), default=3, server_default="3", comment="times it may be handed out before it has FAILED"
    )
    lease_token: Mapped[int | None] = mapped_column(
        Whole(1, TOKEN_MAX), comment="number of the hand-out, rising; a report with an older one is void"
    )
    leased_until: Mapped[datetime | None] = mapped_column(comment="until when the agent has it, UTC")
    available_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="not handed out before, UTC"
    )
    expires_at: Mapped[datetime] = mapped_column(
        UtcDateTime,
        default=lambda: utc_now() + timedelta(hours=ACTION_HOURS),
        server_default=utc_timestamp(plus_hours=ACTION_HOURS),
        comment="not handed out after, UTC",
    )
    picked_up_at: Mapped[datetime | None] = mapped_column(comment="last hand-out, UTC")
    completed_at: Mapped[datetime | None] = mapped_column(comment="when it ended, well or badly, UTC")
    result: Mapped[dict[str, Any] | None] = json_object(nullable=True, comment="what the agent reported")
    error_message: Mapped[str | None] = mapped_column(Text(1024), comment="what the agent reported last went wrong")

    cluster: Mapped[Cluster] = belongs_to("AgentAction.cluster_id")
    optimization_job: Mapped[OptimizationJob | None] = belongs_to(
        "AgentAction.optimization_job_id", back_populates="actions"
    )

    __table_args__ = (
        UniqueConstraint("tenant_id", "cluster_id", "idempotency_key"),
        index_where(
            "ix_agent_actions_claim",
            "tenant_id",
            "cluster_id",
            "priority",
            "created_at",
            where="status = 'PENDING'",
        ),
        index_where("ix_agent_actions_leases", "tenant_id", "leased_until", where="status = 'PICKED_UP'"),
        index_where("ix_agent_actions_expiry", "tenant_id", "expires_at", where="status IN ('PENDING', 'PICKED_UP')"),
        check("expiry", "expires_at > created_at", "an action expires after it was asked for"),
        check(
            "leased",
            "(status = 'PICKED_UP') = (leased_until IS NOT NULL) "
            "AND (status <> 'PICKED_UP' OR (lease_token IS NOT NULL AND picked_up_at IS NOT NULL))",
            "an action is leased exactly while it is PICKED_UP",
        ),
        check(
            "ended",
            "(status IN ('COMPLETED', 'FAILED', 'EXPIRED')) = (completed_at IS NOT NULL)",
            "completed_at is set exactly when the action has ended",
        ),
        check("tries", "attempts <= max_attempts", "an action is handed out max_attempts times at most"),
        *check_each(
            "payload_keys",
            "the payload lacks a key that this type of action needs",
            postgresql=_payload("coalesce(jsonb_typeof(payload -> '{key}') = '{type}', false)", {}),
            sqlite=_payload(
                "coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.{key}') = '{type}', 0)",
                {"string": "text"},
            ),
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_agent_actions_lease",
                        events=("update",),
                        columns=("status",),
                        when=lambda old, new: sa.and_(
                            old.c.status == ActionStatus.PICKED_UP,
                            new.c.status == ActionStatus.EXPIRED,
                            sa.not_(older_than(old.c.leased_until, 0)),
                        ),
                        message="an action that an agent has expires after its lease, not before",
                    ),
                    Refusal(
                        rule="lc_agent_actions_late",
                        events=("update",),
                        columns=("status",),
                        when=lambda old, new: sa.and_(
                            new.c.status == ActionStatus.EXPIRED,
                            old.c.status != ActionStatus.EXPIRED,
                            sa.not_(older_than(new.c.expires_at, 0)),
                        ),
                        message="an action is EXPIRED when its time is over, not before",
                    ),
                    Refusal(
                        rule="lc_agent_actions_handed_out",
                        events=("update",),
                        columns=("status",),
                        when=_handed_out_wrongly,
                        message=(
                            "an action is handed out while it is available and has not expired, with a lease in force, "
                            "and each time is counted"
                        ),
                    ),
                    Refusal(
                        rule="lc_agent_actions_order",
                        events=("update",),
                        columns=_ORDER,
                        when=rewritten(*_ORDER),
                        message="what an agent is asked for never changes: ask for something else by another key",
                    ),
                    set_once(
                        "agent_actions",
                        "optimization_job_id",
                        message="an action stays a part of the job for which it was asked for",
                    ),
                    Refusal(
                        rule="lc_agent_actions_ended",
                        events=("update",),
                        when=lambda old, new: sa.and_(old.c.status.in_(ENDED_ACTIONS), rewritten(*_HISTORY)(old, new)),
                        message="what is known of an action that has ended never changes",
                    ),
                    Refusal(
                        rule="lc_agent_actions_kept",
                        events=("delete",),
                        when=_is_kept,
                        message="an action is kept, so that nothing is done twice by its key: it goes with its cluster",
                    ),
                    Refusal(
                        rule="lc_agent_actions_job",
                        events=("insert", "update"),
                        columns=("optimization_job_id",),
                        when=lambda _, new: (
                            _job_of(new).where(OptimizationJob.__table__.c.status.in_(ENDED_JOBS)).exists()
                        ),
                        # A job being ended at this moment must see this action, or this action its end.
                        lock=lambda _, new: _job_of(new).with_for_update(read=True),
                        message="a job that has ended gets no more actions",
                    ),
                    Refusal(
                        rule="lc_agent_actions_untouched",
                        events=("insert",),
                        when=lambda _, new: sa.and_(
                            new.c.status == ActionStatus.PENDING, sa.or_(new.c.attempts > 0, new.c.lease_token > 0)
                        ),
                        message="an action that is asked for was never handed out",
                    ),
                    Refusal(
                        rule="lc_agent_actions_token",
                        events=("update",),
                        columns=("status", "lease_token"),
                        when=_misnumbered,
                        message="the lease token of an action rises by one with every hand-out, and else stays",
                    ),
                    Refusal(
                        rule="lc_agent_actions_attempts",
                        events=("update",),
                        columns=("attempts",),
                        when=lambda old, new: sa.and_(
                            new.c.attempts.is_distinct_from(old.c.attempts), sa.not_(_is_handed_out(old, new))
                        ),
                        message="hand-outs are counted, and nothing else is",
                    ),
                    Refusal(
                        rule="lc_agent_actions_longest",
                        events=("update",),
                        columns=("leased_until",),
                        when=lambda _, new: ahead_by_more_than(new.c.leased_until, LEASE_HOURS),
                        message="a lease of an action lasts an hour at most, and is extended before it is over",
                    ),
                ]
            }
        },
    )
