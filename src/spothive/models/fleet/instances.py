"""EC2 instances as AWS last described them."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, check, index_where, json_object, unique_where
from spothive.models.clusters import Cluster
from spothive.models.fleet.accounts import Account
from spothive.schema.refusal import HasColumns, Refusal, older_than
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Bits64, Fraction, Id, Money, Text, TextEnum, Whole

if TYPE_CHECKING:
    from spothive.models.decisions import ExperimentLog


class InstanceState(enum.StrEnum):
    """State as EC2 reports it: an observation."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


class Lifecycle(enum.StrEnum):
    """How an instance is paid for."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class AuthStatus(enum.StrEnum):
    """Whether somebody answers for an instance."""

    AUTHORIZED = "authorized"
    FLAGGED = "flagged"
    UNAUTHORIZED = "unauthorized"
    TERMINATED = "terminated"


class OrchestratorType(enum.StrEnum):
    """What runs an instance."""

    KUBERNETES = "KUBERNETES"
    STANDALONE = "STANDALONE"


class PipelineMode(enum.StrEnum):
    """Which decision pipeline an instance goes through."""

    CLUSTER = "CLUSTER"
    LINEAR = "LINEAR"


AUTH_LIFE = StateMachine(
    AuthStatus,
    first={AuthStatus.AUTHORIZED, AuthStatus.FLAGGED},
    moves={
        AuthStatus.AUTHORIZED: {AuthStatus.FLAGGED},
        AuthStatus.FLAGGED: {AuthStatus.AUTHORIZED, AuthStatus.UNAUTHORIZED},
        AuthStatus.UNAUTHORIZED: {AuthStatus.AUTHORIZED, AuthStatus.TERMINATED},
    },
)


PLANNED = "planned-"
"""Begins the instance_id of a replica that EC2 has not started yet; the row's own id in hexadecimal follows."""

NO_REPLICA: Final[dict[str, Any]] = {"is_replica": False, "replica_of_id": None, "replica_expiry": None}
"""What the columns say of an instance that stands in for none."""


def _primary_elsewhere(replica: HasColumns) -> sa.Exists:
    primary = Instance.__table__.alias("stood_for")
    return sa.exists(
        sa.select(primary.c.id).where(
            primary.c.tenant_id == replica.c.tenant_id,
            primary.c.id == replica.c.replica_of_id,
            primary.c.account_id != replica.c.account_id,
        )
    )


class Instance(TenantOwned, Timestamped, Base):
    """One EC2 instance as AWS last described it, and what spothive makes of it."""

    __tablename__ = "instances"

    account_id: Mapped[UUID] = owned("accounts", comment="account it runs in")
    cluster_id: Mapped[UUID | None] = owned(
        "clusters", nullable=True, sibling=True, detach=True, comment="cluster it is a node of"
    )
    instance_id: Mapped[str] = mapped_column(Text(50, 1), comment="EC2's id")
    instance_type: Mapped[str] = mapped_column(Text(32, 1), comment="for example m5.large")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    availability_zone: Mapped[str] = mapped_column(Text(32, 1), comment="for example us-east-1a")
    state: Mapped[InstanceState] = mapped_column(TextEnum(InstanceState), comment="what EC2 last said")
    lifecycle: Mapped[Lifecycle] = mapped_column(TextEnum(Lifecycle), comment="how it is paid for")
    cpu: Mapped[int | None] = mapped_column(Whole(1, 100_000), comment="vCPUs")
    memory: Mapped[int | None] = mapped_column(Whole(1, 2**40), comment="MiB")
    cpu_util: Mapped[float | None] = mapped_column(Fraction(0, 100), comment="percent")
    memory_util: Mapped[float | None] = mapped_column(Fraction(0, 100), comment="percent")
    price: Mapped[Decimal | None] = mapped_column(Money(), comment="USD per hour")
    auth_status: Mapped[AuthStatus] = AUTH_LIFE.column(
        default=AuthStatus.AUTHORIZED,
        server_default=AuthStatus.AUTHORIZED.value,
        comment="whether somebody answers for it",
    )
    flagged_at: Mapped[datetime | None] = mapped_column(comment="since when nobody answers for it (UTC)")
    orchestrator_type: Mapped[OrchestratorType] = mapped_column(
        TextEnum(OrchestratorType),
        default=OrchestratorType.STANDALONE,
        server_default="STANDALONE",
        comment="what runs it",
    )
    cluster_membership: Mapped[dict[str, Any] | None] = json_object(
        nullable=True, comment="cluster_name, node_group, role"
    )
    pipeline_mode: Mapped[PipelineMode] = mapped_column(
        TextEnum(PipelineMode),
        default=PipelineMode.LINEAR,
        server_default="LINEAR",
        comment="which decisions it goes through",
    )
    is_shadow_mode: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="whether decisions are recorded only"
    )
    # Id is named, as the type would be taken from a table that is declared later, too late for its CHECK.
    assigned_model_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("ml_models.id"), index=True, comment="model that decides in the lab"
    )
    is_replica: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="whether it stands in for another"
    )
    replica_of_id: Mapped[UUID | None] = owned(
        "instances", nullable=True, sibling=True, comment="the primary it stands in for"
    )
    replica_expiry: Mapped[datetime | None] = mapped_column(comment="when a replica is no longer needed (UTC)")
    launched_at: Mapped[datetime | None] = mapped_column(comment="when EC2 started it (UTC)")
    content_hash: Mapped[int] = mapped_column(Bits64, comment="of what AWS said; a re-scan writes only what differs")
    terminated_at: Mapped[datetime | None] = mapped_column(comment="when it was found gone (UTC)")
    last_evaluation: Mapped[datetime | None] = mapped_column(comment="last decision about it (UTC)")
    instance_metadata: Mapped[dict[str, Any]] = json_object(comment="tags, vpc_id, subnet_id")

    @hybrid_property
    def is_planned(self) -> bool:
        """Whether it is a replica that is wanted, and no instance at EC2."""
        return self.instance_id.startswith(PLANNED)

    @is_planned.inplace.expression
    @classmethod
    def _is_planned(cls) -> sa.ColumnElement[bool]:
        return sa.func.substr(cls.instance_id, 1, len(PLANNED)) == PLANNED

    account: Mapped[Account] = belongs_to("Instance.account_id", back_populates="instances")
    cluster: Mapped[Cluster | None] = belongs_to("Instance.cluster_id", back_populates="instances")
    replica_of: Mapped["Instance | None"] = belongs_to(
        "Instance.replica_of_id", remote_side="Instance.id", back_populates="replicas"
    )
    experiment_logs: Mapped[list["ExperimentLog"]] = has_many("ExperimentLog.instance_id", back_populates="instance")
    replicas: Mapped[list["Instance"]] = has_many("Instance.replica_of_id", back_populates="replica_of")

    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id"),
        Index(None, "tenant_id", "account_id", "state"),
        Index(None, "tenant_id", "availability_zone", "instance_type"),
        # Begins with no tenant: whom a blocked pool concerns is one question for all of them.
        index_where(
            "ix_instances_live_spot",
            "availability_zone",
            "instance_type",
            "tenant_id",
            where="lifecycle = 'spot' AND terminated_at IS NULL",
        ),
        # Few are, among many: without it whoever looks for them reads the whole fleet.
        index_where("ix_instances_flagged", "tenant_id", "auth_status", where="flagged_at IS NOT NULL"),
        unique_where(
            "uq_instances_live_replica", "tenant_id", "replica_of_id", where="is_replica AND terminated_at IS NULL"
        ),
        check(
            "replica",
            "CASE WHEN is_replica THEN replica_of_id IS NOT NULL AND replica_expiry IS NOT NULL "
            "ELSE replica_of_id IS NULL AND replica_expiry IS NULL END",
            "a replica names its primary and its expiry, and nothing else does",
        ),
        check(
            "terminated",
            "(state = 'terminated') = (terminated_at IS NOT NULL)",
            "terminated_at is set exactly when the instance is terminated",
        ),
        check("own_replica", "replica_of_id <> id", "an instance is no replica of itself"),
        check(
            "flagged",
            "(auth_status IN ('flagged', 'unauthorized')) = (flagged_at IS NOT NULL)",
            "flagged_at is set exactly while nobody answers for the instance",
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_instances_account",
                        events=("update",),
                        columns=("account_id",),
                        when=lambda old, new: old.c.account_id != new.c.account_id,
                        message="an instance never changes its account: what was decided about it stays with that",
                    ),
                    Refusal(
                        rule="lc_instances_replica_account",
                        events=("insert", "update"),
                        columns=("replica_of_id",),
                        only=lambda _, new: new.c.replica_of_id.is_not(None),
                        when=lambda _, new: _primary_elsewhere(new),
                        message="a replica is in the account of the instance it stands by for",
                    ),
                    Refusal(
                        rule="lc_instances_unauthorized",
                        events=("update",),
                        columns=("auth_status",),
                        # Discovery waits for 24 by its own clock, and clocks differ.
                        when=lambda _, new: sa.and_(
                            new.c.auth_status == AuthStatus.UNAUTHORIZED, sa.not_(older_than(new.c.flagged_at, 23))
                        ),
                        message="an instance is unauthorized only after nobody has answered for it for a day",
                    ),
                ]
            }
        },
    )
