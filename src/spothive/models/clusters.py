"""Clusters: Kubernetes clusters, what may be done with them, and when they sleep."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, check, json_object, names, unique_where, week_matrix
from spothive.schema.refusal import HasColumns, Refusal, has_all_of, other_keys, rewritten
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, has_one, owned
from spothive.schema.types import Text, TextEnum, Whole, clock_timestamp

if TYPE_CHECKING:
    from spothive.models.fleet import Account, Instance
    from spothive.models.identity import User


class ClusterStatus(enum.StrEnum):
    """What discovery and the cluster's agent report: an observation, not a lifecycle of ours."""

    PENDING = "PENDING"
    DISCOVERED = "DISCOVERED"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    ERROR = "ERROR"


class Cluster(TenantOwned, Timestamped, Base):
    """One Kubernetes cluster of an account, known from the tags of its instances."""

    __tablename__ = "clusters"

    account_id: Mapped[UUID] = owned("accounts", comment="account it runs in")
    name: Mapped[str] = mapped_column(Text(255, 1), comment="name in EKS or in the tag")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    status: Mapped[ClusterStatus] = mapped_column(
        TextEnum(ClusterStatus),
        default=ClusterStatus.PENDING,
        server_default=ClusterStatus.PENDING.value,
        comment="what discovery or the agent last said",
    )
    vpc_id: Mapped[str | None] = mapped_column(Text(64), comment="EC2's id of its network")
    api_endpoint: Mapped[str | None] = mapped_column(Text(512), comment="URL of its API server")
    k8s_version: Mapped[str | None] = mapped_column(Text(32), comment="version of Kubernetes")
    agent_installed: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="whether an agent has reported"
    )
    agent_version: Mapped[str | None] = mapped_column(Text(32), comment="version of the agent")
    last_heartbeat: Mapped[datetime | None] = mapped_column(comment="last report of the agent (UTC)")
    cluster_metadata: Mapped[dict[str, Any]] = json_object(comment="what else discovery saw")

    account: Mapped["Account"] = belongs_to("Cluster.account_id", back_populates="clusters")
    instances: Mapped[list["Instance"]] = has_many("Instance.cluster_id", back_populates="cluster")
    policy: Mapped["ClusterPolicy | None"] = has_one("ClusterPolicy.cluster_id", back_populates="cluster")
    hibernation_schedule: Mapped["HibernationSchedule | None"] = has_one(
        "HibernationSchedule.cluster_id", back_populates="cluster"
    )

    __table_args__ = (
        UniqueConstraint("tenant_id", "account_id", "region", "name"),
        Index(None, "tenant_id", "status"),
    )


class Architecture(enum.StrEnum):
    """Processor that a node's programs are built for."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class NodeStrategy(enum.StrEnum):
    """What to prefer among the pools that fit."""

    CHEAPEST = "CHEAPEST"
    BALANCED = "BALANCED"
    PERFORMANCE = "PERFORMANCE"


class DiskType(enum.StrEnum):
    """EBS volume types a node's disk may have."""

    GP3 = "GP3"
    GP2 = "GP2"
    IO1 = "IO1"
    IO2 = "IO2"


class NodeTemplate(TenantOwned, Timestamped, Base):
    """What nodes of a user's clusters may look like."""

    __tablename__ = "node_templates"

    user_id: Mapped[UUID] = owned("users", comment="whose template it is")
    name: Mapped[str] = mapped_column(Text(100, 1), comment="what the user calls it")
    families: Mapped[list[str]] = names(min_items=1, comment="instance families that may be used, for example m6i")
    architecture: Mapped[Architecture] = mapped_column(
        TextEnum(Architecture), default=Architecture.X86_64, server_default="x86_64", comment="processor"
    )
    strategy: Mapped[NodeStrategy] = mapped_column(
        TextEnum(NodeStrategy), default=NodeStrategy.BALANCED, server_default="BALANCED", comment="what to prefer"
    )
    disk_type: Mapped[DiskType] = mapped_column(
        TextEnum(DiskType), default=DiskType.GP3, server_default="GP3", comment="EBS volume type"
    )
    disk_size: Mapped[int] = mapped_column(Whole(10, 16_000), default=100, server_default="100", comment="GB")
    is_default: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="taken when nobody names one; one for each user"
    )

    user: Mapped["User"] = belongs_to("NodeTemplate.user_id", back_populates="node_templates")

    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id", "name"),
        unique_where("uq_node_templates_default", "tenant_id", "user_id", where="is_default"),
    )


KNOWN_POLICY_KEYS = (
    "strategy",
    "spot_percentage",
    "binpack_enabled",
    "binpack_threshold",
    "fallback_on_demand",
    "excluded_namespaces",
    "max_risk_threshold",
    "require_approval",
    "min_nodes",
    "max_nodes",
    "downtime_budget_seconds",
)
"""Every key that a policy may have: one that was misspelt would be a rule that nobody keeps."""


class ClusterPolicy(TenantOwned, Timestamped, Base):
    """What spothive may do with a cluster."""

    __tablename__ = "cluster_policies"

    cluster_id: Mapped[UUID] = owned("clusters", comment="cluster it is about")
    config: Mapped[dict[str, Any]] = json_object(comment="the policy; keys that spothive does not know are refused")
    version: Mapped[int] = mapped_column(
        Whole(1), default=1, server_default="1", comment="counts changes; whoever changes names the one he has read"
    )

    cluster: Mapped[Cluster] = belongs_to("ClusterPolicy.cluster_id", back_populates="policy")

    __table_args__ = (
        UniqueConstraint("tenant_id", "cluster_id"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_cluster_policies_keys",
                        events=("insert", "update"),
                        columns=("config",),
                        when=lambda _, new: other_keys(new.c.config, KNOWN_POLICY_KEYS),
                        message="a policy has no such key: `spothive cluster policy show` names those it may have",
                    ),
                    Refusal(
                        rule="lc_cluster_policies_version",
                        events=("update",),
                        columns=("version",),
                        when=lambda old, new: new.c.version < old.c.version,
                        message="the version of a policy never falls: whoever has read a newer one would be overruled",
                    ),
                ]
            }
        },
    )


class SleepState(enum.StrEnum):
    """Whether a cluster runs."""

    AWAKE = "awake"
    ASLEEP = "asleep"


_APPLIED = ("applied_state", "applied_at", "restore_state")


def _is_leased(row: HasColumns) -> sa.ColumnElement[bool]:
    return sa.and_(row.c.lease_token.is_not(None), row.c.leased_until > clock_timestamp())


class HibernationSchedule(TenantOwned, Timestamped, Base):
    """The hours of the week in which a cluster is awake, and whether it is now."""

    __tablename__ = "hibernation_schedules"

    cluster_id: Mapped[UUID] = owned("clusters", comment="cluster it is about")
    schedule_matrix: Mapped[list[int]] = week_matrix(comment="168 hours, Monday 00:00 first; 1 = awake, 0 = asleep")
    timezone: Mapped[str] = mapped_column(Text(64, 1), default="UTC", server_default="UTC", comment="IANA name")
    prewarm_enabled: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="wake up a little early"
    )
    prewarm_minutes: Mapped[int] = mapped_column(
        Whole(0, 120), default=30, server_default="30", comment="how early, in minutes"
    )
    enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true(), comment="off: nothing is switched")
    applied_state: Mapped[SleepState] = mapped_column(
        TextEnum(SleepState), default=SleepState.AWAKE, server_default="awake", comment="what spothive made of it last"
    )
    applied_at: Mapped[datetime | None] = mapped_column(comment="when that was, UTC")
    restore_state: Mapped[dict[str, Any] | None] = json_object(
        nullable=True, comment="sizes of the node groups to go back to"
    )
    lease_token: Mapped[UUID | None] = mapped_column(comment="run that puts the cluster to sleep or wakes it")
    leased_until: Mapped[datetime | None] = mapped_column(comment="after this another run may do it, UTC")
    request_id: Mapped[UUID | None] = mapped_column(
        comment="request for approval of the sleep that was due last, where the policy asks for one; no key"
    )
    obstacle: Mapped[str | None] = mapped_column(
        Text(2000, 1), comment="why the last run could not make it what it is to be, for people"
    )

    cluster: Mapped[Cluster] = belongs_to("HibernationSchedule.cluster_id", back_populates="hibernation_schedule")
    overrides: Mapped[list["HibernationOverride"]] = has_many(
        "HibernationOverride.schedule_id", back_populates="schedule"
    )

    __table_args__ = (
        UniqueConstraint("tenant_id", "cluster_id"),
        Index(None, "tenant_id", "enabled"),
        check(
            "restorable",
            "applied_state = 'awake' OR restore_state IS NOT NULL",
            "a cluster sleeps only if it is known how to wake it",
        ),
        check(
            "lease",
            "(lease_token IS NULL) = (leased_until IS NULL)",
            "lease_token and leased_until are set exactly while a run works on the cluster",
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_hibernation_schedules_leased",
                        events=("update",),
                        columns=_APPLIED,
                        when=lambda old, new: sa.and_(
                            rewritten(*_APPLIED)(old, new),
                            sa.or_(
                                sa.not_(_is_leased(old)),
                                # Given back in the same breath it still was his who changes.
                                sa.and_(new.c.lease_token.is_not(None), new.c.lease_token != old.c.lease_token),
                            ),
                        ),
                        message="what was applied changes only by the run that holds the lease",
                    ),
                    Refusal(
                        rule="lc_hibernation_schedules_cluster",
                        events=("update",),
                        columns=("cluster_id",),
                        when=lambda old, new: old.c.cluster_id != new.c.cluster_id,
                        message="a schedule never changes its cluster: the sizes it keeps are those of this one",
                    ),
                    Refusal(
                        rule="lc_hibernation_schedules_claimed",
                        events=("update",),
                        columns=("lease_token",),
                        when=lambda old, new: sa.and_(
                            _is_leased(old), new.c.lease_token.is_not(None), new.c.lease_token != old.c.lease_token
                        ),
                        message="another run works on this cluster: its lease has not run out",
                    ),
                    Refusal(
                        rule="lc_hibernation_schedules_kept",
                        events=("update",),
                        columns=("restore_state",),
                        when=lambda old, new: sa.and_(
                            old.c.restore_state.is_not(None),
                            sa.or_(
                                sa.and_(new.c.restore_state.is_(None), new.c.applied_state != SleepState.AWAKE),
                                sa.and_(
                                    new.c.restore_state.is_not(None),
                                    sa.not_(has_all_of(new.c.restore_state, old.c.restore_state)),
                                ),
                            ),
                        ),
                        message="sizes to go back to are never overwritten: groups are added, or a wake clears all",
                    ),
                ]
            }
        },
    )


class HibernationOverride(TenantOwned, Timestamped, Base):
    """A time in which a cluster is awake or asleep whatever its schedule says; it ends by itself."""

    __tablename__ = "hibernation_overrides"

    schedule_id: Mapped[UUID] = owned("hibernation_schedules", comment="schedule that does not count meanwhile")
    starts_at: Mapped[datetime] = mapped_column(comment="UTC")
    ends_at: Mapped[datetime] = mapped_column(comment="UTC")
    state: Mapped[SleepState] = mapped_column(TextEnum(SleepState), comment="what holds instead")
    reason: Mapped[str] = mapped_column(Text(255, 1), comment="why, for people")
    created_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")
    person_name: Mapped[str] = mapped_column(Text(255, 1), comment="who that was, as of then")

    schedule: Mapped[HibernationSchedule] = belongs_to("HibernationOverride.schedule_id", back_populates="overrides")

    __table_args__ = (
        Index(None, "tenant_id", "schedule_id", "ends_at"),
        check("order", "ends_at > starts_at", "an override ends after it has begun"),
    )
