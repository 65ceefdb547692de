"""Identity: tenants and the people in them."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, synonym

from spothive.models.base import PLATFORM_TENANT_ID, Base, GlobalTable, Timestamped, json_object
from spothive.schema.refusal import HasColumns, Refusal
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import AsciiText, Text, TextEnum, Whole


class Role(enum.StrEnum):
    """What a user may do; :func:`spothive.operations.identity.require` knows the table."""

    SUPER_ADMIN = "super_admin"
    ADMIN = "admin"
    CLIENT = "client"
    USER = "user"
    LAB = "lab"


STAFF_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)
"""Roles that may act in any tenant, when the user belongs to ``platform``."""


class Tenant(GlobalTable, Timestamped, Base):
    """One customer. The reserved row ``platform`` is spothive's own staff."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(Text(255, 1))
    slug: Mapped[str] = mapped_column(AsciiText(63, alphabet="a-z0-9-"), unique=True, comment="short name for people")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    settings: Mapped[dict[str, Any]] = json_object(comment="auto_approve_low, ...")

    __table_args__ = {
        "info": {
            "global": "the root of tenancy; its own policy shows a tenant its own row",
            "refusals": [
                Refusal(
                    rule="lc_tenants_platform",
                    events=("update", "delete"),
                    when=lambda old, _: old.c.id == PLATFORM_TENANT_ID,
                    columns=("id", "slug", "is_active"),
                    message="the reserved tenant 'platform' is neither renamed, suspended nor deleted",
                )
            ],
        }
    }


def _active_staff(row: HasColumns) -> sa.ColumnElement[bool]:
    return sa.and_(row.c.tenant_id == PLATFORM_TENANT_ID, row.c.role.in_(STAFF_ROLES), row.c.is_active.is_(sa.true()))


def _remaining_staff(old: HasColumns, _: HasColumns) -> sa.Select[Any]:
    users = User.__table__
    return sa.select(users.c.id).where(_active_staff(old), _active_staff(users), users.c.id != old.c.id).limit(1)


class User(TenantOwned, Timestamped, Base):
    """A person who may sign in. E-mail and user name are unique in the whole system and lower-case ASCII."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(AsciiText(255, 3), unique=True)
    username: Mapped[str] = mapped_column(AsciiText(50, 3), unique=True)
    password_hash: Mapped[str] = mapped_column(Text(255, 1), comment="bcrypt over base64(SHA-256); a secret")
    hashed_password: Mapped[str] = synonym("password_hash")
    full_name: Mapped[str | None] = mapped_column(Text(100))
    role: Mapped[Role] = mapped_column(TextEnum(Role), default=Role.USER, server_default=Role.USER.value)
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    timezone: Mapped[str] = mapped_column(Text(64, 1), default="UTC", server_default="UTC", comment="IANA name")
    last_login: Mapped[datetime | None]
    failed_logins: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="since the last success")
    locked_until: Mapped[datetime | None]

    __table_args__ = {
        "info": {
            "refusals": [
                Refusal(
                    rule="lc_users_last_admin",
                    events=("update",),
                    columns=("tenant_id", "role", "is_active"),
                    when=lambda old, new: sa.and_(
                        _active_staff(old), _active_staff(new).is_not(sa.true()), ~_remaining_staff(old, new).exists()
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
            ]
        }
    }
