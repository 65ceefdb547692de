"""API keys: how programs and agents prove who they are."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, names
from spothive.models.identity.people import User
from spothive.schema.refusal import Refusal, set_once
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import AsciiText, Text, UtcDateTime, Whole, utc_timestamp

if TYPE_CHECKING:
    from spothive.models.clusters import Cluster


class ApiScope(enum.StrEnum):
    """What a key may be used for."""

    READ = "read"
    WRITE = "write"
    AGENT = "agent"
    ADMIN = "admin"


_LASTING = ("prefix", "key_hash", "cluster_id", "user_id")


class ApiKey(TenantOwned, Timestamped, Base):
    """A key of one user, or of the agent of one cluster. The key itself is shown once and never stored."""

    __tablename__ = "api_keys"

    cluster_id: Mapped[UUID | None] = owned("clusters", nullable=True, comment="cluster whose agent holds it")
    user_id: Mapped[UUID | None] = owned("users", nullable=True, comment="user who holds it")
    name: Mapped[str] = mapped_column(Text(100, 1), comment="what it is for, for people")
    prefix: Mapped[str] = mapped_column(
        AsciiText(16, 8, "a-zA-Z0-9_"), unique=True, comment="beginning of the key, by which it is found; no secret"
    )
    key_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), unique=True, comment="SHA-256 of the key, which holds 256 random bits"
    )
    scopes: Mapped[list[str]] = names(ApiScope, min_items=1, comment="what it may be used for")
    rate_limit: Mapped[int] = mapped_column(
        Whole(1, 100_000), default=1000, server_default="1000", comment="requests an hour; the HTTP door counts them"
    )
    last_used_at: Mapped[datetime | None] = mapped_column(comment="UTC, noted at most once a minute")
    expires_at: Mapped[datetime | None] = mapped_column(comment="UTC; none: it does not expire")
    revoked_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    revoked_reason: Mapped[str | None] = mapped_column(Text(255), comment="why it was revoked")

    user: Mapped[User | None] = belongs_to("ApiKey.user_id", back_populates="api_keys")
    cluster: Mapped["Cluster | None"] = belongs_to("ApiKey.cluster_id")
    usage: Mapped[list["ApiUsage"]] = has_many("ApiUsage.api_key_id", back_populates="api_key")

    __table_args__ = (
        check("owner", "(cluster_id IS NULL) <> (user_id IS NULL)", "a key belongs to one user or to one cluster"),
        check("revoked", "revoked_reason IS NULL OR revoked_at IS NOT NULL", "only a revoked key says why it was"),
        {
            "info": {
                "refusals": [
                    set_once("api_keys", "revoked_at", message="a key that was revoked stays so: make another"),
                    Refusal(
                        rule="lc_api_keys_agent",
                        events=("insert", "update"),
                        columns=("scopes", "cluster_id"),
                        when=lambda _, new: sa.case(
                            (new.c.cluster_id.is_not(None), sa.cast(new.c.scopes, sa.Text) != '["agent"]'),
                            else_=sa.cast(new.c.scopes, sa.Text).like('%"agent"%'),
                        ),
                        message="the key of a cluster's agent, and no other, has exactly the scope agent",
                    ),
                    Refusal(
                        rule="lc_api_keys_given",
                        events=("update",),
                        columns=_LASTING,
                        when=lambda old, new: sa.or_(*(old.c[name].is_distinct_from(new.c[name]) for name in _LASTING)),
                        message="a key is neither replaced nor given to another: make a new one",
                    ),
                ]
            }
        },
    )


class ApiUsage(TenantOwned, Base):
    """One request made with a key; kept for 90 days."""

    __tablename__ = "api_usage"

    api_key_id: Mapped[UUID] = owned("api_keys", comment="key the request was made with")
    endpoint: Mapped[str] = mapped_column(Text(255, 1), comment="path of the request, without its parameters")
    method: Mapped[str] = mapped_column(AsciiText(10, 1, "A-Z"), comment="HTTP method")
    status_code: Mapped[int] = mapped_column(Whole(100, 599), comment="HTTP status of the answer")
    response_time_ms: Mapped[int | None] = mapped_column(Whole(), comment="milliseconds")
    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )

    api_key: Mapped[ApiKey] = belongs_to("ApiUsage.api_key_id", back_populates="usage")

    __table_args__ = (
        Index(None, "tenant_id", "api_key_id", "timestamp"),
        Index(None, "tenant_id", "timestamp"),
    )
