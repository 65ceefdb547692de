"""Counting sealed values by key."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from spothive.database import PLATFORM_TENANT_ID, Account, AuditLog, Base, Role, get_db_session
from spothive.errors import Denied
from spothive.operations import secrets
from spothive.operations.actor import Actor
from spothive.operations.secrets import SealedCount
from spothive.schema.sealed import seal, sealed_columns
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.sealing import make_keyring, new_account

STAFF = Actor(UUID(int=1), "admin", Role.ADMIN, PLATFORM_TENANT_ID)
KEY_ID, SECRET = "aws_access_key_id", "aws_secret_access_key"


def count() -> list[SealedCount]:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return secrets.status(session, STAFF)


def test_an_empty_database_counts_nothing(db: Database) -> None:
    assert count() == []


def test_values_are_counted_by_column_and_key_over_all_tenants(db: Database) -> None:
    old, new = make_keyring("00000001"), make_keyring("ffffffff")
    for tenant_id in (make_tenant(), make_tenant()):
        owner = make_user(tenant_id)
        with get_db_session(tenant=owner.tenant_id) as session:
            for name, ring in (("one", old), ("two", new)):
                account = new_account(owner, name)
                seal(ring, account, SECRET, "a secret")
                if name == "two":
                    seal(old, account, KEY_ID, "an id")
                session.add(account)
            session.add(new_account(owner, "without secrets"))
    assert count() == [
        SealedCount("accounts", KEY_ID, "00000001", 2),
        SealedCount("accounts", SECRET, "00000001", 2),
        SealedCount("accounts", SECRET, "ffffffff", 2),
    ]


def test_it_takes_one_statement_for_each_sealed_column(db: Database) -> None:
    asked: list[str] = []
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.connection()

        @sa.event.listens_for(session.get_bind(), "before_cursor_execute")
        def note(*event: object) -> None:
            asked.append(str(event[2]))

        secrets.status(session, STAFF)
    assert len([statement for statement in asked if "count(" in statement]) == len(sealed_columns(Base.metadata))


@pytest.mark.parametrize(
    "actor",
    [
        replace(STAFF, home_tenant_id=UUID(int=2)),
        replace(STAFF, role=Role.CLIENT),
        replace(STAFF, role=Role.SUPER_ADMIN, home_tenant_id=UUID(int=2)),
    ],
)
def test_only_staff_may_and_the_attempt_is_remembered(db: Database, actor: Actor) -> None:
    with pytest.raises(Denied), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        secrets.status(session, actor)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        events = session.execute(sa.select(AuditLog.event, AuditLog.outcome)).all()
        assert [tuple(row) for row in events] == [("secrets.status", "DENIED")]


def test_other_tenants_stay_invisible_afterwards(db: Database) -> None:
    owner = make_user(make_tenant())
    with get_db_session(tenant=owner.tenant_id) as session:
        account = new_account(owner)
        seal(make_keyring(), account, SECRET, "a secret")
        session.add(account)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        assert len(secrets.status(session, STAFF)) == 1
        assert session.scalars(sa.select(Account)).all() == []
