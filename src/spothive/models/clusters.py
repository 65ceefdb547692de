"""Clusters: the Kubernetes clusters that instances are members of."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, json_object
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Text, TextEnum

if TYPE_CHECKING:
    from spothive.models.fleet import Account, Instance


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

    account_id: Mapped[UUID] = owned("accounts")
    name: Mapped[str] = mapped_column(Text(255, 1))
    region: Mapped[str] = mapped_column(Text(32, 1))
    status: Mapped[ClusterStatus] = mapped_column(
        TextEnum(ClusterStatus), default=ClusterStatus.PENDING, server_default=ClusterStatus.PENDING.value
    )
    vpc_id: Mapped[str | None] = mapped_column(Text(64))
    api_endpoint: Mapped[str | None] = mapped_column(Text(512))
    k8s_version: Mapped[str | None] = mapped_column(Text(32))
    agent_installed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    agent_version: Mapped[str | None] = mapped_column(Text(32))
    last_heartbeat: Mapped[datetime | None]
    cluster_metadata: Mapped[dict[str, Any]] = json_object()

    account: Mapped[Account] = belongs_to("Cluster.account_id", back_populates="clusters")
    instances: Mapped[list[Instance]] = has_many("Instance.cluster_id", back_populates="cluster")

    __table_args__ = (
        UniqueConstraint("tenant_id", "account_id", "region", "name"),
        Index(None, "tenant_id", "status"),
    )
