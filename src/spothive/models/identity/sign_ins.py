"""Signing in: open sessions, attempts that were made, and codes for when the second factor is lost."""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, index_where
from spothive.models.identity.people import User
from spothive.schema.append_only import AppendOnly
from spothive.schema.refusal import set_once
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import AsciiText, Text, TextEnum, UtcDateTime, utc_timestamp

LOGINS_KEPT_HOURS = 365 * 24


class DeviceType(enum.StrEnum):
    """What somebody signed in with."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    TABLET = "tablet"
    API = "api"


class LoginMethod(enum.StrEnum):
    """What was shown to prove an identity."""

    PASSWORD = "password"  # noqa: S105 - a method, no password
    TOTP = "totp"
    BACKUP_CODE = "backup_code"
    API_KEY = "api_key"


class SessionLog(TenantOwned, Timestamped, Base):
    """A session of a signed-in user, open until it expires, is left or is revoked."""

    __tablename__ = "session_logs"

    user_id: Mapped[UUID] = owned("users", comment="who signed in")
    token_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), unique=True, comment="SHA-256 of the token; the token is never stored"
    )
    ip_address: Mapped[str | None] = mapped_column(Text(45), comment="from where")
    user_agent: Mapped[str | None] = mapped_column(Text(500), comment="what the browser calls itself")
    device_type: Mapped[DeviceType | None] = mapped_column(TextEnum(DeviceType), comment="with what")
    browser: Mapped[str | None] = mapped_column(Text(100), comment="browser, as far as it can be told")
    location: Mapped[str | None] = mapped_column(Text(255), comment="place, as far as it can be told")
    last_active_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    expires_at: Mapped[datetime] = mapped_column(comment="UTC")
    logged_out_at: Mapped[datetime | None] = mapped_column(comment="when it was left or revoked, UTC")
    revoked_reason: Mapped[str | None] = mapped_column(Text(255), comment="why it was revoked, if it was not left")

    user: Mapped[User] = belongs_to("SessionLog.user_id", back_populates="session_logs")

    __table_args__ = (
        Index(None, "tenant_id", "user_id", "last_active_at"),
        Index(None, "tenant_id", "expires_at"),
        index_where("ix_session_logs_ended", "tenant_id", "logged_out_at", where="logged_out_at IS NOT NULL"),
        check("revoked", "revoked_reason IS NULL OR logged_out_at IS NOT NULL", "only an ended session was revoked"),
        {
            "info": {
                "refusals": [
                    set_once(
                        "session_logs", "logged_out_at", message="a session that has ended stays so: sign in again"
                    )
                ]
            }
        },
    )


class LoginHistory(TenantOwned, Base, outlives_tenant=True):
    """One attempt to sign in, whether it succeeded or not; kept for 365 days. Unknown names belong to ``platform``."""

    __tablename__ = "login_history"

    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    user_id: Mapped[UUID | None] = mapped_column(comment="who it was, if the name was known; no key")
    login_name: Mapped[str] = mapped_column(Text(255), comment="name as it was typed")
    ip_address: Mapped[str | None] = mapped_column(Text(45), comment="from where")
    user_agent: Mapped[str | None] = mapped_column(Text(500), comment="what the browser called itself")
    login_method: Mapped[LoginMethod] = mapped_column(TextEnum(LoginMethod), comment="what was shown as proof")
    success: Mapped[bool] = mapped_column(comment="whether it was enough")
    failure_reason: Mapped[str | None] = mapped_column(Text(255, 1), comment="why it was not, for the own staff")

    __table_args__ = (
        Index(None, "tenant_id", "timestamp"),
        Index(None, "tenant_id", "user_id", "timestamp"),
        check(
            "reason",
            "CASE WHEN success THEN failure_reason IS NULL ELSE failure_reason IS NOT NULL END",
            "a failed attempt, and no other, says why",
        ),
        {"info": {"append_only": AppendOnly(prune_after_hours=LOGINS_KEPT_HOURS)}},
    )


class BackupCode(TenantOwned, Timestamped, Base):
    """One of the codes that stand in for a lost second factor; each works once."""

    __tablename__ = "backup_codes"

    user_id: Mapped[UUID] = owned("users", comment="whose code it is")
    code_hash: Mapped[str] = mapped_column(Text(255, 1), unique=True, comment="hash of the code; a secret")
    used_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    ip_address: Mapped[str | None] = mapped_column(Text(45), comment="from where it was used")

    user: Mapped[User] = belongs_to("BackupCode.user_id")

    __table_args__ = (
        check("used", "ip_address IS NULL OR used_at IS NOT NULL", "only a used code has an address"),
        {"info": {"refusals": [set_once("backup_codes", "used_at", message="a backup code works once")]}},
    )
