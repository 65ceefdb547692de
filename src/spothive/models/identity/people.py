"""Tenants, the people in them, and how somebody becomes one of them."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym

from spothive.models.base import PLATFORM_TENANT_ID, Base, GlobalTable, Timestamped, check, json_object
from spothive.schema.refusal import HasColumns, Refusal, set_once
from spothive.schema.sealed import Sealed
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import AsciiText, Email, Text, TextEnum, Whole

if TYPE_CHECKING:
    from spothive.models.approvals import ApprovalRequest
    from spothive.models.clusters import NodeTemplate
    from spothive.models.fleet import Account
    from spothive.models.identity.api_keys import ApiKey
    from spothive.models.identity.sign_ins import SessionLog
    from spothive.models.sla import DowntimeLog


class Role(enum.StrEnum):
    """What a user may do; :func:`spothive.operations.identity.require` knows the table."""

    SUPER_ADMIN = "super_admin"
    ADMIN = "admin"
    CLIENT = "client"
    USER = "user"
    LAB = "lab"


STAFF_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)
"""Roles that may act in any tenant, when the user belongs to ``platform``."""


_LASTING = ("id", "slug", "is_active")
"""What of ``platform`` nobody changes. Its display name is free: a single company that lives there has one."""


class Tenant(GlobalTable, Timestamped, Base):
    """One customer. The reserved row ``platform`` is spothive's own staff."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(Text(255, 1), comment="name of the customer")
    slug: Mapped[str] = mapped_column(AsciiText(63, alphabet="a-z0-9-"), unique=True, comment="short name for people")
    is_active: Mapped[bool] = mapped_column(
        default=True, server_default=sa.true(), comment="whether its people may sign in"
    )
    settings: Mapped[dict[str, Any]] = json_object(comment="auto_approve_low, ...")

    __table_args__ = {
        "info": {
            "global": "the root of tenancy; its own policy shows a tenant its own row",
            "refusals": [
                Refusal(
                    rule="lc_tenants_platform",
                    events=("update",),
                    columns=_LASTING,
                    when=lambda old, new: sa.and_(
                        old.c.id == PLATFORM_TENANT_ID,
                        sa.or_(*(old.c[name].is_distinct_from(new.c[name]) for name in _LASTING)),
                    ),
                    message="the reserved tenant 'platform' keeps its id and slug and is never suspended",
                ),
                Refusal(
                    rule="lc_tenants_platform_gone",
                    events=("delete",),
                    when=lambda old, _: old.c.id == PLATFORM_TENANT_ID,
                    message="the reserved tenant 'platform' is never deleted",
                ),
            ],
        }
    }


def _active_staff(row: HasColumns) -> sa.ColumnElement[bool]:
    return sa.and_(row.c.tenant_id == PLATFORM_TENANT_ID, row.c.role.in_(STAFF_ROLES), row.c.is_active.is_(sa.true()))


def _spent_step_forgotten(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    fell = sa.or_(new.c.totp_last_step.is_(None), new.c.totp_last_step < old.c.totp_last_step)
    return sa.and_(old.c.totp_last_step.is_not(None), fell, old.c.totp_secret.is_not_distinct_from(new.c.totp_secret))


def _remaining_staff(old: HasColumns, _: HasColumns) -> sa.Select[Any]:
    users = User.__table__
    return sa.select(users.c.id).where(_active_staff(old), _active_staff(users), users.c.id != old.c.id).limit(1)


class User(TenantOwned, Timestamped, Base):
    """A person who may sign in. E-mail and user name are unique in the whole system and lower-case ASCII."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(Email(), unique=True, comment="address, for signing in and for mail")
    username: Mapped[str] = mapped_column(AsciiText(50, 3), unique=True, comment="name for signing in")
    password_hash: Mapped[str] = mapped_column(Text(255, 1), comment="bcrypt over base64(SHA-256); a secret")
    hashed_password: Mapped[str] = synonym("password_hash")
    full_name: Mapped[str | None] = mapped_column(Text(100), comment="name for people")
    role: Mapped[Role] = mapped_column(
        TextEnum(Role), default=Role.USER, server_default=Role.USER.value, comment="what the user may do"
    )
    is_active: Mapped[bool] = mapped_column(
        default=True, server_default=sa.true(), comment="whether the user may sign in"
    )
    must_change_password: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="whether the next sign-in asks for a new password"
    )
    timezone: Mapped[str] = mapped_column(Text(64, 1), default="UTC", server_default="UTC", comment="IANA name")
    last_login: Mapped[datetime | None] = mapped_column(comment="last successful sign-in (UTC)")
    failed_logins: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="since the last success")
    locked_until: Mapped[datetime | None] = mapped_column(comment="no sign-in before this (UTC)")
    totp_secret: Mapped[str | None] = mapped_column(Sealed("user.totp_secret"), comment="of the second factor; sealed")
    totp_enabled: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="signing in asks for the second factor"
    )
    totp_last_step: Mapped[int | None] = mapped_column(
        Whole(0, 2**53), comment="30-second step of the last code that was accepted: none is taken twice"
    )

    accounts: Mapped[list["Account"]] = has_many("Account.user_id", back_populates="user")
    api_keys: Mapped[list["ApiKey"]] = has_many("ApiKey.user_id", back_populates="user")
    session_logs: Mapped[list["SessionLog"]] = has_many("SessionLog.user_id", back_populates="user")
    node_templates: Mapped[list["NodeTemplate"]] = has_many("NodeTemplate.user_id", back_populates="user")
    approval_requests: Mapped[list["ApprovalRequest"]] = relationship(
        primaryjoin="User.id == foreign(ApprovalRequest.requester_id)", viewonly=True, lazy="raise"
    )
    downtime_logs: Mapped[list["DowntimeLog"]] = relationship(
        primaryjoin="User.tenant_id == foreign(DowntimeLog.tenant_id)", viewonly=True, lazy="raise"
    )

    __table_args__ = (
        check("totp", "NOT totp_enabled OR totp_secret IS NOT NULL", "a second factor has a secret"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_users_username",
                        events=("insert", "update"),
                        columns=("username",),
                        when=lambda _, new: sa.func.replace(new.c.username, "@", "") != new.c.username,
                        message="a user name holds no @: it could be the address by which somebody signs in",
                    ),
                    Refusal(
                        rule="lc_users_last_admin",
                        events=("update",),
                        columns=("tenant_id", "role", "is_active"),
                        when=lambda old, new: sa.and_(
                            _active_staff(old),
                            _active_staff(new).is_not(sa.true()),
                            ~_remaining_staff(old, new).exists(),
                        ),
                        lock=lambda old, new: _remaining_staff(old, new).with_for_update(),
                        serialise="last_admin",
                        message="the last active admin of 'platform' stays: make somebody else admin first",
                    ),
                    Refusal(
                        rule="lc_users_last_admin_gone",
                        events=("delete",),
                        when=lambda old, new: sa.and_(_active_staff(old), ~_remaining_staff(old, new).exists()),
                        lock=lambda old, new: _remaining_staff(old, new).with_for_update(),
                        serialise="last_admin",
                        message="the last active admin of 'platform' stays: make somebody else admin first",
                    ),
                    Refusal(
                        rule="lc_users_totp_step",
                        events=("update",),
                        columns=("totp_last_step",),
                        when=_spent_step_forgotten,
                        message="a code of the second factor works once: its step falls only with the secret",
                    ),
                ]
            }
        },
    )


def _another_open_invitation(_: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    others = Invitation.__table__
    same = sa.and_(others.c.tenant_id == new.c.tenant_id, others.c.email == new.c.email, others.c.id != new.c.id)
    open_ones = sa.select(others.c.id).where(same, others.c.accepted_at.is_(None))
    return sa.and_(new.c.accepted_at.is_(None), open_ones.exists())


class Invitation(TenantOwned, Timestamped, Base):
    """An offer to become a user of the tenant; whoever holds the token and comes in time may accept it once."""

    __tablename__ = "invitations"

    email: Mapped[str] = mapped_column(Email(), comment="who is invited")
    role: Mapped[Role] = mapped_column(TextEnum(Role), comment="what they will be")
    token_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), unique=True, comment="SHA-256 of the token; the token is never stored"
    )
    invited_by_name: Mapped[str] = mapped_column(Text(255, 1), comment="who invites, as of then")
    expires_at: Mapped[datetime] = mapped_column(comment="UTC")
    accepted_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    __table_args__ = (
        Index(None, "tenant_id", "email"),
        check("in_time", "accepted_at <= expires_at", "an invitation is accepted before it expires"),
        {
            "info": {
                "refusals": [
                    set_once("invitations", "accepted_at", message="an invitation is accepted once"),
                    Refusal(
                        rule="lc_invitations_open",
                        events=("insert", "update"),
                        columns=("tenant_id", "email"),
                        when=_another_open_invitation,
                        serialise="invitations",
                        message="somebody invited this address at the same moment: see `spothive invite list`",
                    ),
                ]
            }
        },
    )


class TokenPurpose(enum.StrEnum):
    """What a token mailed to a user is good for."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, no password
    EMAIL_CHECK = "email_check"


class UserToken(TenantOwned, Timestamped, Base):
    """A token mailed to a user, good for one purpose, once, for a while."""

    __tablename__ = "user_tokens"

    user_id: Mapped[UUID] = owned("users", comment="whom it was mailed to")
    purpose: Mapped[TokenPurpose] = mapped_column(TextEnum(TokenPurpose), comment="what it is good for")
    token_hash: Mapped[str] = mapped_column(
        AsciiText(64, 64, "0-9a-f"), unique=True, comment="SHA-256 of the token; the token is never stored"
    )
    expires_at: Mapped[datetime] = mapped_column(comment="UTC")
    used_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    user: Mapped[User] = belongs_to("UserToken.user_id")

    __table_args__ = (
        check("in_time", "used_at <= expires_at", "a token is used before it expires"),
        {"info": {"refusals": [set_once("user_tokens", "used_at", message="a token works once")]}},
    )
