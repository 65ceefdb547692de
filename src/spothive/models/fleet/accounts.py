"""AWS accounts, how they are connected, and their own history."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, synonym

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, json_object
from spothive.models.clusters import Cluster
from spothive.models.identity import User
from spothive.schema.append_only import AppendOnly
from spothive.schema.sealed import Sealed
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Text, TextEnum, UtcDateTime, utc_timestamp

if TYPE_CHECKING:
    from spothive.models.fleet.instances import Instance
    from spothive.models.fleet.scans import ScanRun
    from spothive.models.waste import WasteResource

LOGS_KEPT_HOURS = 365 * 24


class EnvironmentType(enum.StrEnum):
    """Whether interruptions of an account count for the hive (PROD) or are experiments (LAB)."""

    PROD = "PROD"
    LAB = "LAB"


class ConnectionMethod(enum.StrEnum):
    """How spothive knows of an account."""

    IAM_ROLE = "iam_role"
    ACCESS_KEYS = "access_keys"
    IMPORT = "import"


class OnboardingStatus(enum.StrEnum):
    """How far a request to connect an account is; a finished one is deleted."""

    CREATED = "created"
    VERIFIED = "verified"


class AccountStatus(enum.StrEnum):
    """How far an account is connected."""

    PENDING = "pending"
    CONNECTED = "connected"
    ACTIVE = "active"
    FAILED = "failed"


ACCOUNT_LIFE = StateMachine(
    AccountStatus,
    first={AccountStatus.PENDING},
    moves={
        AccountStatus.PENDING: {AccountStatus.CONNECTED},
        AccountStatus.CONNECTED: {AccountStatus.ACTIVE, AccountStatus.FAILED},
        AccountStatus.ACTIVE: {AccountStatus.FAILED},
        AccountStatus.FAILED: {AccountStatus.CONNECTED},
    },
)


ONBOARDING_LIFE = StateMachine(
    OnboardingStatus,
    first={OnboardingStatus.CREATED},
    moves={OnboardingStatus.CREATED: {OnboardingStatus.VERIFIED}},
)

_PLACEHOLDER = (
    "substr(account_id, 1, 8) = 'pending-' AND length(account_id) > 8 "
    "AND length(trim(substr(account_id, 9), '0123456789abcdef')) = 0"
)
"""No LIKE: on SQLite it is blind to case."""


class Account(TenantOwned, Timestamped, Base):
    """One AWS account of a tenant, or the placeholder of one that has not proved itself yet."""

    __tablename__ = "accounts"

    user_id: Mapped[UUID] = owned("users", comment="who answers for it")
    account_id: Mapped[str] = mapped_column(
        Text(64, 1), unique=True, comment="12 digits once AWS has proved it, until then pending-<hex>"
    )
    aws_account_id: Mapped[str] = synonym("account_id")
    account_name: Mapped[str] = mapped_column(Text(100, 1), comment="name for people")
    environment_type: Mapped[EnvironmentType] = mapped_column(
        TextEnum(EnvironmentType),
        default=EnvironmentType.LAB,
        server_default=EnvironmentType.LAB.value,
        comment="whether its interruptions count for all (PROD)",
    )
    connection_method: Mapped[ConnectionMethod] = mapped_column(
        TextEnum(ConnectionMethod), comment="how spothive knows of it"
    )
    role_arn: Mapped[str | None] = mapped_column(Text(2048), comment="role that spothive assumes")
    external_id: Mapped[str | None] = mapped_column(Text(64, 1), unique=True, comment="ours, random")
    aws_access_key_id: Mapped[str | None] = mapped_column(Sealed("aws.access_key_id"), comment="sealed")
    aws_secret_access_key: Mapped[str | None] = mapped_column(Sealed("aws.secret_access_key"), comment="sealed")
    region: Mapped[str] = mapped_column(
        Text(32, 1), default="us-east-1", server_default="us-east-1", comment="region that is asked first"
    )
    status: Mapped[AccountStatus] = ACCOUNT_LIFE.column(comment="how far it is connected")
    status_reason: Mapped[str | None] = mapped_column(Text(), comment="why it is failed, for people")
    account_metadata: Mapped[dict[str, Any]] = json_object(comment="what else is known, such as a claimed id")
    last_discovered_at: Mapped[datetime | None] = mapped_column(
        comment="end of the last discovery that saw a region (UTC)"
    )
    disconnecting_at: Mapped[datetime | None] = mapped_column(comment="tombstone: invisible, being deleted in batches")

    user: Mapped[User] = belongs_to("Account.user_id", back_populates="accounts")
    clusters: Mapped[list[Cluster]] = has_many("Cluster.account_id", back_populates="account")
    instances: Mapped[list["Instance"]] = has_many("Instance.account_id", back_populates="account")
    scan_runs: Mapped[list["ScanRun"]] = has_many("ScanRun.account_id", back_populates="account")
    waste_resources: Mapped[list["WasteResource"]] = has_many("WasteResource.account_id", back_populates="account")

    __table_args__ = (
        UniqueConstraint("tenant_id", "account_name"),
        Index(None, "tenant_id", "status"),
        check(
            "role_proof",
            "status = 'pending' OR connection_method <> 'iam_role' "
            "OR (role_arn IS NOT NULL AND external_id IS NOT NULL)",
            "an account connected by role has its role ARN and external id",
        ),
        check(
            "key_proof",
            "status = 'pending' OR connection_method <> 'access_keys' "
            "OR (aws_access_key_id IS NOT NULL AND aws_secret_access_key IS NOT NULL)",
            "an account connected by keys has both keys",
        ),
        check(
            "account_id_form",
            f"{_PLACEHOLDER} AND status = 'pending' "
            "OR length(account_id) = 12 AND length(trim(account_id, '0123456789')) = 0",
            "an AWS account id is 12 digits; a pending account has pending- and hexadecimal",
        ),
        check(
            "import_unproven",
            f"connection_method <> 'import' OR (status = 'pending' AND {_PLACEHOLDER} AND environment_type = 'LAB')",
            "an imported account proves nothing: it stays pending and LAB until it is connected",
        ),
        check(
            "prod_proven",
            "environment_type = 'LAB' OR status <> 'pending'",
            "only a connected account can be PROD",
        ),
    )


class OnboardingRequest(TenantOwned, Timestamped, Base):
    """An open request to connect an AWS account by a role; the transaction that connects the account deletes it."""

    __tablename__ = "onboarding_requests"

    user_id: Mapped[UUID] = owned("users", comment="who asked")
    request_id: Mapped[str] = mapped_column(Text(32, 1), unique=True, comment="random")
    account_id: Mapped[UUID] = owned("accounts", comment="the placeholder it is for")
    connection_method: Mapped[ConnectionMethod] = mapped_column(
        TextEnum(ConnectionMethod), comment="how the account is to be connected"
    )
    external_id: Mapped[str] = mapped_column(Text(64, 1), unique=True, comment="ours, random; becomes the account's")
    status: Mapped[OnboardingStatus] = ONBOARDING_LIFE.column(comment="how far the request is")
    aws_account_id: Mapped[str | None] = mapped_column(Text(12, 12), comment="what AWS proved")
    role_arn: Mapped[str | None] = mapped_column(Text(2048), comment="role that was proved")
    expires_at: Mapped[datetime] = mapped_column(comment="no proof is taken after this (UTC)")

    account: Mapped[Account] = belongs_to("OnboardingRequest.account_id")

    __table_args__ = (
        UniqueConstraint("tenant_id", "account_id"),
        check("method", "connection_method <> 'import'", "an import proves nothing and needs no request"),
        check(
            "verified",
            "(status = 'verified') = (aws_account_id IS NOT NULL) AND (status = 'verified') = (role_arn IS NOT NULL)",
            "a request is verified exactly when it holds the role and what AWS proved of it",
        ),
    )


class AccountLog(TenantOwned, Base, outlives_tenant=True):
    """One thing that happened to an account; kept for 365 days, longer than the account itself if need be."""

    __tablename__ = "account_logs"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when it happened (UTC)"
    )
    account_id: Mapped[UUID] = mapped_column(comment="row in accounts; no key, the log outlives it")
    action: Mapped[str] = mapped_column(Text(64, 1), comment="what happened")
    from_status: Mapped[AccountStatus | None] = mapped_column(
        TextEnum(AccountStatus), comment="status before, if it changed"
    )
    to_status: Mapped[AccountStatus | None] = mapped_column(
        TextEnum(AccountStatus), comment="status after, if it changed"
    )
    details: Mapped[dict[str, Any]] = json_object(comment="what else is known of it")
    actor_id: Mapped[UUID | None] = mapped_column(comment="user; none for spothive itself")
    actor_name: Mapped[str] = mapped_column(Text(255, 1), comment="who acted, by the name of that time")

    __table_args__ = (
        Index(None, "tenant_id", "account_id", "timestamp"),
        Index(None, "tenant_id", "timestamp"),
        {"info": {"append_only": AppendOnly(prune_after_hours=LOGS_KEPT_HOURS)}},
    )
