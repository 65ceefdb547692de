"""System scope opens every tenant's rows for the length of a block and not one statement longer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import delete, select, update

from spothive.database import SessionLocal, TenantSession, read_session, system_scope
from spothive.errors import DuplicateValue, NotAllowed, TenantNotBound
from spothive.models import Account, OnDemandPrice, Tenant, User
from tests.conftest import ENGINES, migrated_copy
from tests.factories.two_tenants import World, make_world

ALL, OWN = ["alpha", "beta"], ["alpha"]


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("world")):
        yield make_world(request.param)


@pytest.fixture
def session(world: World) -> Iterator[TenantSession]:
    """A session of alpha; what it wrote is rolled back."""
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        yield session


def seen(session: TenantSession) -> list[str]:
    """Return the user names the session and, past its objects, its connection see."""
    query = select(User.username).order_by(User.username)
    names = list(session.scalars(query))
    assert list(session.connection().execute(query).scalars()) == names
    return names


class Boom(Exception):
    """Something went wrong in the block."""


def test_every_tenant_is_seen_in_the_block_alone(session: TenantSession) -> None:
    assert seen(session) == OWN
    with system_scope(session, "test"):
        assert seen(session) == ALL
    assert seen(session) == OWN
    session.commit()
    assert seen(session) == OWN


def test_a_session_that_has_not_begun_begins_in_system_scope(session: TenantSession) -> None:
    with system_scope(session, "test"):
        assert seen(session) == ALL
    assert seen(session) == OWN


def test_an_unbound_session_sees_everything_then_nothing(world: World) -> None:
    with SessionLocal() as session:
        with system_scope(session, "test"):
            assert seen(session) == ALL
        with pytest.raises(TenantNotBound):
            seen(session)
        assert session.connection().execute(select(User)).all() == []


def test_a_reading_session_reads_everything_and_writes_nothing(world: World) -> None:
    with read_session(tenant=world.alpha.tenant_id) as session, system_scope(session, "test"):
        assert seen(session) == ALL
        with pytest.raises(NotAllowed, match="only reads"):
            session.execute(update(User).values(full_name="x"))
        session.rollback()


def test_rows_of_every_tenant_and_of_none_are_written(session: TenantSession, world: World) -> None:
    with system_scope(session, "test"):
        session.get_one(User, world.beta.user.id).full_name = "x"
        session.add(User(tenant_id=world.beta.tenant_id, username="new", email="n@x.io", password_hash="none"))
        session.add(Tenant(slug="gamma", name="Gamma"))
        session.execute(update(OnDemandPrice).values(source="elsewhere"))
        session.delete(session.get_one(Account, world.beta.account.id))
    with system_scope(session, "test"):
        assert seen(session) == ["alpha", "beta", "new"]
        assert session.get_one(User, world.beta.user.id).full_name == "x"
        assert session.get(Account, world.beta.account.id) is None


def test_changes_are_flushed_under_the_rules_they_were_made_under(session: TenantSession, world: World) -> None:
    session.add(User(tenant_id=None, username="own", email="own@x.io", password_hash="none"))
    with system_scope(session, "test"):
        assert seen(session) == ["alpha", "beta", "own"]
        session.add(User(tenant_id=world.beta.tenant_id, username="theirs", email="t@x.io", password_hash="none"))
    assert seen(session) == ["alpha", "own"]
    with system_scope(session, "test"):
        assert seen(session) == ["alpha", "beta", "own", "theirs"]


def test_foreign_changes_made_before_are_not_let_in(session: TenantSession, world: World) -> None:
    session.get_one(User, world.alpha.user.id).tenant_id = world.beta.tenant_id
    with pytest.raises(Exception, match="another tenant"), system_scope(session, "test"):
        pytest.fail("flushing before has let it in")


def test_foreign_objects_leave_with_the_scope(session: TenantSession, world: World) -> None:
    own = session.get_one(User, world.alpha.user.id)
    with system_scope(session, "test"):
        everybody = session.scalars(select(User)).all()
        tenants = session.scalars(select(Tenant)).all()
        prices = session.scalars(select(OnDemandPrice)).all()
        assert len(everybody) == 2
    assert set(session) == {own, *prices, *(t for t in tenants if t.id == world.alpha.tenant_id)}
    assert {user.username for user in everybody} == {"alpha", "beta"}, "they stay readable"
    assert session.get(User, world.beta.user.id) is None


def test_a_scope_in_a_scope_is_one(session: TenantSession) -> None:
    with system_scope(session, "outer"):
        with system_scope(session, "inner"):
            assert seen(session) == ALL
        assert seen(session) == ALL
    assert seen(session) == OWN


def test_a_commit_in_the_block_does_not_end_the_scope(session: TenantSession) -> None:
    for end in (session.commit, session.rollback):
        with system_scope(session, "test"):
            end()
            assert seen(session) == ALL
            end()
        assert seen(session) == OWN


def fail(session: TenantSession) -> None:
    with system_scope(session, "test"):
        assert seen(session) == ALL
        raise Boom


def test_an_error_ends_the_scope(session: TenantSession) -> None:
    with pytest.raises(Boom):
        fail(session)
    assert seen(session) == OWN


def break_a_rule(session: TenantSession, world: World) -> None:
    session.add(User(tenant_id=world.beta.tenant_id, username="alpha", email="n@x.io", password_hash="none"))
    session.flush()


def break_a_rule_by_statement(session: TenantSession, _: World) -> None:
    session.execute(update(User).values(username="same"))


@pytest.mark.parametrize("write", [break_a_rule, break_a_rule_by_statement])
def test_a_refusal_of_the_database_ends_the_scope(
    session: TenantSession, world: World, write: Callable[[TenantSession, World], None]
) -> None:
    assert seen(session) == OWN
    with pytest.raises(DuplicateValue), system_scope(session, "test"):
        write(session, world)
    session.rollback()
    assert seen(session) == OWN


def test_a_refusal_at_the_end_of_the_block_ends_the_scope(session: TenantSession, world: World) -> None:
    with pytest.raises(DuplicateValue), system_scope(session, "test"):
        session.add(User(tenant_id=world.beta.tenant_id, username="alpha", email="n@x.io", password_hash="none"))
    session.rollback()
    assert seen(session) == OWN


def test_a_refusal_that_is_caught_inside_leaves_a_savepoint_behind(session: TenantSession, world: World) -> None:
    with system_scope(session, "test"):
        with suppress(DuplicateValue), session.begin_nested():
            break_a_rule(session, world)
        assert seen(session) == ALL
        with session.begin_nested():
            session.execute(delete(User).where(User.username == "beta"))
        assert seen(session) == OWN
        session.rollback()
        assert seen(session) == ALL
    assert seen(session) == OWN


def test_the_scope_is_not_entered_inside_a_savepoint(session: TenantSession) -> None:
    with session.begin_nested():
        with pytest.raises(NotAllowed, match="begin_nested"), system_scope(session, "test"):
            pytest.fail("the block ran")
        assert seen(session) == OWN


def test_a_savepoint_does_not_carry_the_scope_out(session: TenantSession) -> None:
    session.execute(update(User).values(full_name="x"))
    with pytest.raises(NotAllowed, match="savepoint outlives"), system_scope(session, "test"):
        session.begin_nested()
    assert session.scalars(select(User.full_name)).all() == [None], "all was rolled back"
    assert seen(session) == OWN


def test_a_savepoint_of_the_connection_does_not_carry_the_scope_in_or_out(session: TenantSession) -> None:
    savepoint = session.connection().begin_nested()
    with pytest.raises(NotAllowed, match="begin_nested"), system_scope(session, "test"):
        pytest.fail("the block ran")
    savepoint.rollback()
    with pytest.raises(NotAllowed, match="savepoint outlives"), system_scope(session, "test"):
        session.connection().begin_nested()
    assert seen(session) == OWN


def test_a_connection_that_is_held_on_to_leaves_the_scope(session: TenantSession, world: World) -> None:
    with pytest.raises(DuplicateValue), system_scope(session, "test"):
        connection = session.connection()
        break_a_rule(session, world)
    assert connection.execute(select(User.username)).all() == [], "what it was told ended with its transaction"


def test_an_error_with_an_open_savepoint_does_not_carry_the_scope_out(session: TenantSession) -> None:
    with pytest.raises(Boom):
        fail_in_a_savepoint(session)
    assert not session.in_nested_transaction()
    assert seen(session) == OWN


def fail_in_a_savepoint(session: TenantSession) -> None:
    with system_scope(session, "test"):
        session.begin_nested()
        raise Boom


def test_a_connection_goes_back_to_the_pool_without_the_scope(world: World) -> None:
    for _ in range(3):
        with suppress(Boom), SessionLocal(tenant=world.alpha.tenant_id) as session:
            fail(session)
        with SessionLocal(tenant=world.beta.tenant_id) as session:
            assert seen(session) == ["beta"]


def test_why_is_in_the_log(session: TenantSession, world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "spothive.database.tenancy"), system_scope(session, "staff lists tenants"):
        pass
    (record,) = caplog.records
    assert record.getMessage() == "system scope: staff lists tenants"
    assert record.__dict__["tenant_id"] == str(world.alpha.tenant_id)
