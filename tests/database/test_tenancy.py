"""A session belongs to one tenant from the moment it is bound, and so do the objects in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm.exc import ObjectDeletedError

from spothive.database import SessionLocal, TenantSession, bind_tenant, get_db_session, get_engine, system_scope
from spothive.errors import DuplicateValue, NotAllowed, TenantMismatch, TenantNotBound
from spothive.models import Account, AuditLog, Base, Cluster, Instance, OnDemandPrice, Tenant, User
from tests.conftest import ENGINES, migrated_copy
from tests.factories.two_tenants import Holding, World, make_world


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("world")):
        yield make_world(request.param)


@pytest.fixture
def alpha(world: World) -> Holding:
    return world.alpha


@pytest.fixture
def beta(world: World) -> Holding:
    return world.beta


@pytest.fixture
def session(alpha: Holding) -> Iterator[TenantSession]:
    """A session of alpha; what it wrote is rolled back."""
    with SessionLocal(tenant=alpha.tenant_id) as session:
        yield session


def usernames(session: TenantSession) -> list[str]:
    return list(session.scalars(select(User.username).order_by(User.username)))


# binding


def test_a_session_is_bound_later_and_forgets_it_when_closed(alpha: Holding, beta: Holding) -> None:
    session = SessionLocal()
    assert session.tenant_id is None
    for holding in (alpha, beta):
        bind_tenant(session, holding.tenant_id)
        assert usernames(session) == [holding.user.username]
        session.close()
        assert session.tenant_id is None
        with pytest.raises(TenantNotBound):
            usernames(session)
        session.close()


def test_a_session_is_bound_in_the_middle_of_a_transaction(alpha: Holding) -> None:
    with SessionLocal() as session:
        assert len(session.scalars(select(OnDemandPrice)).all()) == 2
        bind_tenant(session, alpha.tenant_id)
        assert usernames(session) == ["alpha"]
        assert session.connection().info["tenant_id"] == alpha.tenant_id
        session.commit()
        assert usernames(session) == ["alpha"], "the next transaction too"


def test_a_session_made_for_a_tenant_keeps_it(session: TenantSession, alpha: Holding) -> None:
    session.close()
    assert usernames(session) == ["alpha"]
    bind_tenant(session, alpha.tenant_id)
    assert usernames(session) == ["alpha"]


def test_a_bound_session_cannot_be_bound_to_another_tenant(session: TenantSession, beta: Holding) -> None:
    with pytest.raises(TenantMismatch, match="open a new one"):
        bind_tenant(session, beta.tenant_id)
    with pytest.raises(AttributeError):
        session.tenant_id = beta.tenant_id  # type: ignore[misc]  # that it cannot be set is the point
    assert usernames(session) == ["alpha"]


def test_a_session_is_not_bound_inside_a_savepoint(alpha: Holding) -> None:
    with SessionLocal() as session, session.begin_nested():
        with pytest.raises(NotAllowed, match="begin_nested"):
            bind_tenant(session, alpha.tenant_id)
        assert session.tenant_id is None
    with SessionLocal() as session, session.connection().begin_nested(), pytest.raises(NotAllowed, match="savepoint"):
        bind_tenant(session, alpha.tenant_id)


def test_a_session_that_holds_rows_of_another_tenant_is_not_bound(alpha: Holding, beta: Holding) -> None:
    with SessionLocal() as session:
        session.add(User(tenant_id=beta.tenant_id, username="new", email="new@example.com", password_hash="none"))
        with pytest.raises(TenantMismatch, match="this User belongs to another tenant"):
            bind_tenant(session, alpha.tenant_id)
        assert session.tenant_id is None


def test_a_connection_works_for_one_tenant_at_a_time(session: TenantSession, alpha: Holding, beta: Holding) -> None:
    assert usernames(session) == ["alpha"]
    with pytest.raises(TenantMismatch, match="open sessions on the engine"):
        SessionLocal(bind=session.connection(), tenant=beta.tenant_id).connection()
    with pytest.raises(TenantMismatch), system_scope(joined := SessionLocal(bind=session.connection()), "test"):
        joined.connection()
    assert usernames(SessionLocal(bind=session.connection(), tenant=alpha.tenant_id)) == ["alpha"]
    assert usernames(session) == ["alpha"]


def test_a_connection_works_for_another_tenant_afterwards(alpha: Holding, beta: Holding) -> None:
    with get_engine().connect() as connection:
        for holding in (alpha, beta):
            with SessionLocal(bind=connection, tenant=holding.tenant_id) as session:
                assert usernames(session) == [holding.user.username]
            assert connection.execute(select(User.username)).all() == []
            connection.rollback()


# objects


def test_the_tenant_is_filled_in(session: TenantSession, alpha: Holding) -> None:
    user = User(username="new", email="new@example.com", password_hash="none")
    session.add(user)
    session.flush()
    assert user.tenant_id == alpha.tenant_id


@pytest.mark.parametrize("model", [User, Account, Instance])
def test_an_object_of_another_tenant_is_not_attached(session: TenantSession, beta: Holding, model: type[Any]) -> None:
    row = {User: beta.user, Account: beta.account, Instance: beta.instances[0]}[model]
    for attach in (session.add, session.delete, lambda row: session.add_all([row])):
        with pytest.raises(TenantMismatch, match=f"this {model.__name__} belongs to another tenant"):
            attach(row)
        assert row not in session


def test_an_object_of_another_tenant_is_not_merged(session: TenantSession, beta: Holding) -> None:
    session.merge(beta.user)
    with pytest.raises(TenantMismatch):
        session.flush()


def test_an_object_of_another_tenant_that_is_merged_unasked_is_not_written(
    session: TenantSession, beta: Holding
) -> None:
    merged = session.merge(beta.user, load=False)
    merged.full_name = "x"
    with pytest.raises(TenantMismatch):
        session.flush()
    with pytest.raises(InvalidRequestError, match="Could not refresh"):
        session.refresh(merged)


def test_an_object_that_does_not_know_its_tenant_is_not_loaded_from_another(
    session: TenantSession, world: World, alpha: Holding, beta: Holding
) -> None:
    smuggled, own = (_without_values(holding) for holding in (beta, alpha))
    session.add_all([smuggled, own])
    with pytest.raises(ObjectDeletedError):
        _ = smuggled.username
    assert own.username == "alpha"
    smuggled.full_name = "x"
    with pytest.raises((ObjectDeletedError, TenantMismatch)):
        session.flush()


def _without_values(holding: Holding) -> User:
    """Return a user of ``holding``, detached, of which nothing is loaded."""
    with SessionLocal(tenant=holding.tenant_id) as other:
        user = other.get_one(User, holding.user.id)
        other.expire(user)
        other.expunge(user)
    return user


@pytest.mark.parametrize("model", [User, Account, Cluster])
def test_no_two_tenants_have_a_row_of_one_id(session: TenantSession, alpha: Holding, beta: Holding, model: Any) -> None:
    theirs: dict[type, Any] = {User: beta.user, Account: beta.account, Cluster: beta.cluster}
    taken = theirs[model].id
    new = {
        User: User(id=taken, username="new", email="new@example.com", password_hash="none"),
        Account: Account(
            id=taken, user_id=alpha.user.id, account_name="new", account_id="pending-0", connection_method="import"
        ),
        Cluster: Cluster(id=taken, account_id=alpha.account.id, name="new", region="eu-west-1"),
    }[model]
    session.add(new)
    with pytest.raises(DuplicateValue, match="another row already has this id") as refused:
        session.flush()
    assert refused.value.rule == f"pk_{model.__tablename__}", "as if the row with that id were the tenant's own"


@pytest.mark.parametrize("model", [User, Account, Cluster, Instance])
def test_a_row_is_got_by_its_id(session: TenantSession, alpha: Holding, beta: Holding, model: Any) -> None:
    kept: list[dict[type, Any]] = [
        {User: h.user, Account: h.account, Cluster: h.cluster, Instance: h.instances[0]} for h in (alpha, beta)
    ]
    own, foreign = (rows[model] for rows in kept)
    assert session.get_one(model, own.id).tenant_id == alpha.tenant_id
    assert session.get(model, foreign.id) is None
    with system_scope(session, "test"):
        assert session.get_one(model, foreign.id).tenant_id == beta.tenant_id
        assert session.get_one(model, own.id).tenant_id == alpha.tenant_id
    assert session.get(model, foreign.id) is None


def test_rows_all_tenants_share_may_be_held_but_not_changed(session: TenantSession) -> None:
    price = session.scalars(select(OnDemandPrice)).first()
    assert price is not None
    price.source = price.source
    session.flush()  # nothing has changed
    price.source = "elsewhere"
    with pytest.raises(NotAllowed, match=r"on_demand_prices is shared by every tenant: write it in system_scope"):
        session.flush()


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (User(username="new", email="new@example.com", password_hash="none"), TenantNotBound),
        (AuditLog(actor_name="x", event="x", resource="x", resource_type="USER", outcome="SUCCESS"), TenantNotBound),
        (Tenant(slug="gamma", name="Gamma"), NotAllowed),
    ],
)
def test_an_unbound_session_writes_nothing(world: World, row: Base, error: type[Exception]) -> None:
    with pytest.raises(error), get_db_session() as session:
        session.add(row)


def test_the_own_tenant_is_seen_and_no_other(session: TenantSession, alpha: Holding, beta: Holding) -> None:
    assert session.get_one(Tenant, alpha.tenant_id).slug == "alpha"
    assert session.get(Tenant, beta.tenant_id) is None
    with system_scope(session, "test"):
        assert session.get_one(Tenant, beta.tenant_id).slug == "beta"
    assert session.get(Tenant, beta.tenant_id) is None
