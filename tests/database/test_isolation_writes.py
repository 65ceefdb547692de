"""Whatever way a session writes, another tenant's rows stay as they are: the same answer on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import DDL, bindparam, delete, exists, func, insert, literal, select, table, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased
from sqlalchemy.orm.exc import StaleDataError

from spothive.clock import utc_now
from spothive.database import SessionLocal, TenantSession
from spothive.errors import DuplicateValue, IllegalMove, NotAllowed, ParentMissing, TenantMismatch
from spothive.models import Account, Base, Cluster, Instance, MlModel, OnDemandPrice, Tenant, User
from tests.conftest import ENGINES, migrated_copy
from tests.factories.samples import TABLES
from tests.factories.two_tenants import World, make_world, rows_of

USERS: Any = TABLES["users"]
INSTANCES: Any = TABLES["instances"]
PRICES: Any = TABLES["on_demand_prices"]

USERS_TOO = USERS.alias()
LAST = {"full_name": "x"}

Write = Callable[[TenantSession, World], Any]


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("world")):
        yield make_world(request.param)


def user_row(world: World, **values: Any) -> dict[str, Any]:
    given = {"tenant_id": world.alpha.tenant_id, "email": "new@example.com", "username": "new", "password_hash": "none"}
    return {**given, **values}


def new_user(world: World, **values: Any) -> User:
    return User(**user_row(world, **values))


def two_user_rows(world: World) -> list[dict[str, Any]]:
    return [user_row(world), user_row(world, username="new2", email="new2@example.com")]


def beta_row(world: World) -> dict[str, Any]:
    return user_row(world, tenant_id=world.beta.tenant_id, username="new3", email="new3@example.com")


def nobodys_row(world: World) -> dict[str, Any]:
    row = user_row(world)
    del row["tenant_id"]
    return row


def insert_by_parameter(s: TenantSession, w: World) -> None:
    whose: Any = bindparam("whose", w.alpha.tenant_id)
    s.execute(insert(User).values(**user_row(w, tenant_id=whose)), {"whose": w.beta.tenant_id})


def upsert(s: TenantSession, model: type[Base]) -> Any:
    """Return an INSERT with ON CONFLICT, which each dialect has of its own."""
    dialect = postgresql if s.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)


def upsert_over_beta(s: TenantSession, w: World) -> Any:
    values = user_row(w, email=w.beta.user.email)
    s.execute(upsert(s, User).values(**values).on_conflict_do_update(index_elements=["email"], set_={"full_name": "x"}))


def upsert_own(s: TenantSession, w: World) -> Any:
    values = user_row(w, email=w.alpha.user.email)
    s.execute(upsert(s, User).values(**values).on_conflict_do_update(index_elements=["email"], set_={"full_name": "x"}))


def upsert_away(s: TenantSession, w: World) -> Any:
    values = user_row(w, email=w.alpha.user.email)
    changes = {"tenant_id": w.beta.tenant_id}
    s.execute(upsert(s, User).values(**values).on_conflict_do_update(index_elements=["email"], set_=changes))


def ignore_conflict_with_beta(s: TenantSession, w: World) -> Any:
    values = user_row(w, tenant_id=w.beta.tenant_id, email=w.beta.user.email)
    s.execute(upsert(s, User).values(**values).on_conflict_do_nothing())


def update_to_the_last(s: TenantSession, _: World) -> None:
    """Set each name the session may change to the last user name that it sees."""
    last = select(func.max(aliased(User).username)).scalar_subquery()
    s.execute(update(aliased(User)).values(full_name=last))


def add(s: TenantSession, *rows: Base) -> None:
    s.add_all(rows)
    s.flush()


def add_and_give_away(s: TenantSession, w: World) -> None:
    user = new_user(w)
    s.add(user)
    user.tenant_id = w.beta.tenant_id
    s.flush()


def change(s: TenantSession, row: Any, **values: Any) -> None:
    own = s.get_one(type(row), row.id)
    for name, value in values.items():
        setattr(own, name, value)
    s.flush()


def update_beside_itself(s: TenantSession, _: World) -> None:
    one, other = aliased(User), aliased(User)
    s.execute(update(one).where(one.id == other.id).values(full_name=other.username))


def insert_from_select(s: TenantSession, w: World, tenant_id: UUID) -> None:
    """Copy the users the session sees, under the id of beta's tenant, which is nobody's."""
    owner, key = (literal(value, USERS.c.id.type) for value in (tenant_id, w.beta.tenant_id))
    copies = select(owner, key, User.username + "@x.io", User.username + "2", literal("none"))
    s.execute(insert(User).from_select(["tenant_id", "id", "email", "username", "password_hash"], copies))


# Writes that must go through, and how many of alpha's rows they make, change or delete.
LEGITIMATE: dict[str, tuple[Write, int]] = {
    "add": (lambda s, w: add(s, new_user(w)), 1),
    "add without saying whose": (lambda s, w: add(s, new_user(w, tenant_id=None)), 1),
    "change": (lambda s, w: change(s, w.alpha.user, full_name="x"), 1),
    "delete": (lambda s, w: s.delete(s.get_one(Instance, w.alpha.instances[0].id)), 1),
    "bulk insert": (lambda s, w: s.execute(insert(User), two_user_rows(w)), 2),
    "bulk insert returning": (lambda s, w: s.scalars(insert(User).returning(User), two_user_rows(w)).all(), 2),
    "insert of values": (lambda s, w: s.execute(insert(User).values(**user_row(w))), 1),
    "insert of many values": (lambda s, w: s.execute(insert(User).values(two_user_rows(w))), 2),
    "insert into a table": (lambda s, w: s.execute(insert(USERS), user_row(w)), 1),
    "insert from select": (lambda s, w: insert_from_select(s, w, w.alpha.tenant_id), 1),
    "legacy bulk insert": (lambda s, w: s.bulk_insert_mappings(User.__mapper__, [user_row(w)]), 1),
    "legacy bulk save": (lambda s, w: s.bulk_save_objects([new_user(w)]), 1),
    "upsert": (upsert_own, 1),
    "update by criteria": (lambda s, _: s.execute(update(Instance).values(cpu=2)), 2),
    "update returning": (lambda s, _: s.scalars(update(User).values(full_name="x").returning(User)).all(), 1),
    "update with a parameter": (
        lambda s, _: s.execute(
            update(User).where(User.username == bindparam("who")).values(full_name="x"), {"who": "alpha"}
        ),
        1,
    ),
    "update by primary key": (
        lambda s, w: s.execute(
            update(User), [{"tenant_id": w.alpha.tenant_id, "id": w.alpha.user.id, "full_name": "x"}]
        ),
        1,
    ),
    "update beside another model": (
        lambda s, _: s.execute(update(Instance).where(Instance.account_id == Account.id).values(cpu=2)),
        2,
    ),
    "update of a table": (lambda s, _: s.execute(update(INSTANCES).values(cpu=2)), 2),
    "update of a query": (lambda s, _: s.query(Instance).update({"cpu": 2}), 2),
    "delete by criteria": (lambda s, _: s.execute(delete(Instance)), 2),
    "delete with a subquery": (
        lambda s, _: s.execute(delete(Instance).where(Instance.account_id.in_(select(Account.id)))),
        2,
    ),
    "delete of a query": (lambda s, _: s.query(Instance).delete(), 2),
    "delete of a table": (lambda s, _: s.execute(delete(INSTANCES)), 2),
    "update of an alias": (lambda s, _: s.execute(update(aliased(Instance)).values(cpu=2)), 2),
    "update of a table's alias": (lambda s, _: s.execute(update(INSTANCES.alias()).values(cpu=2)), 2),
    "update of an alias called like a table": (lambda s, _: s.execute(update(USERS.alias("accounts")).values(LAST)), 1),
    "update of an alias of an alias": (lambda s, _: s.execute(update(USERS.alias().alias()).values(LAST)), 1),
    "update of a query of an alias": (lambda s, _: s.query(aliased(Instance)).update({"cpu": 2}), 2),
    "update of an alias beside its model": (update_beside_itself, 1),
    "delete of an alias": (lambda s, _: s.execute(delete(aliased(Instance))), 2),
    "delete of a table's alias": (lambda s, _: s.execute(delete(INSTANCES.alias())), 2),
    "delete with all that hangs on it": (lambda s, _: s.execute(delete(User)), 5),
}

# Writes that reach for beta's rows or for what all share, and how they end: in an error, or as above.
SMUGGLED: dict[str, tuple[Write, type[Exception] | int]] = {
    # inserting for beta
    "add": (lambda s, w: add(s, new_user(w, tenant_id=w.beta.tenant_id)), TenantMismatch),
    "add, then give away": (add_and_give_away, TenantMismatch),
    "bulk insert": (lambda s, w: s.execute(insert(User), [beta_row(w)]), TenantMismatch),
    "bulk insert, one of two": (lambda s, w: s.execute(insert(User), [user_row(w), beta_row(w)]), TenantMismatch),
    "bulk insert without saying whose": (lambda s, w: s.execute(insert(User), [nobodys_row(w)]), TenantMismatch),
    "insert of values": (lambda s, w: s.execute(insert(User).values(**beta_row(w))), TenantMismatch),
    "insert of many values": (lambda s, w: s.execute(insert(User).values([user_row(w), beta_row(w)])), TenantMismatch),
    "insert by a parameter": (insert_by_parameter, TenantMismatch),
    "insert into a table": (lambda s, w: s.execute(insert(USERS), [beta_row(w)]), TenantMismatch),
    "insert from select": (lambda s, w: insert_from_select(s, w, w.beta.tenant_id), TenantMismatch),
    "insert as a load": (
        lambda s, w: s.scalars(select(User).from_statement(insert(User).returning(User)), [beta_row(w)]),
        TenantMismatch,
    ),
    "insert past the session": (lambda s, w: s.connection().execute(insert(User), [beta_row(w)]), TenantMismatch),
    "legacy bulk insert": (lambda s, w: s.bulk_insert_mappings(User.__mapper__, [beta_row(w)]), TenantMismatch),
    "legacy bulk save": (lambda s, w: s.bulk_save_objects([User(**beta_row(w))]), TenantMismatch),
    "the same id": (lambda s, w: add(s, new_user(w, id=w.beta.user.id)), DuplicateValue),
    "the same id by criteria": (lambda s, w: s.execute(update(User).values(id=w.beta.user.id)), IllegalMove),
    # overwriting what beta has
    "upsert": (upsert_over_beta, TenantMismatch),
    "upsert away": (upsert_away, TenantMismatch),
    "conflict ignored": (ignore_conflict_with_beta, TenantMismatch),
    "update by criteria": (
        lambda s, _: s.execute(update(User).where(User.username == "beta").values(full_name="x")),
        0,
    ),
    "update of a table": (
        lambda s, w: s.execute(update(USERS).where(USERS.c.id == w.beta.user.id).values(full_name="x")),
        0,
    ),
    "update of a query": (lambda s, w: s.query(User).filter_by(id=w.beta.user.id).update({"full_name": "x"}), 0),
    "update of an alias": (
        lambda s, _: s.execute(update(aliased(User, name="x")).where(text("x.username = 'beta'")).values(LAST)),
        0,
    ),
    "update of an alias to what beta has": (update_to_the_last, 1),
    "update past the session": (
        lambda s, _: s.connection().execute(update(USERS).where(USERS.c.username == "beta").values(full_name="x")),
        0,
    ),
    "update by primary key": (
        lambda s, w: s.execute(update(User), [{"tenant_id": w.beta.tenant_id, "id": w.beta.user.id, "full_name": "x"}]),
        StaleDataError,
    ),
    "legacy bulk update": (
        lambda s, w: s.bulk_update_mappings(
            User.__mapper__, [{"tenant_id": w.beta.tenant_id, "id": w.beta.user.id, "full_name": "x"}]
        ),
        StaleDataError,
    ),
    "update if beta has a row": (
        lambda s, _: s.execute(update(Instance).where(Cluster.name == "beta").values(cpu=2)),
        0,
    ),
    "update if such a row exists": (
        lambda s, _: s.execute(update(User).where(exists().where(Cluster.name == "beta")).values(full_name="x")),
        0,
    ),
    "update to what beta has": (
        lambda s, _: s.execute(update(User).values(full_name=select(func.max(Cluster.name)).scalar_subquery())),
        1,
    ),
    "delete by criteria": (lambda s, w: s.execute(delete(User).where(User.id == w.beta.user.id)), 0),
    "delete of an alias": (lambda s, w: s.execute(delete(USERS_TOO).where(USERS_TOO.c.id == w.beta.user.id)), 0),
    "delete of a table": (lambda s, _: s.execute(delete(USERS).where(USERS.c.username == "beta")), 0),
    "delete of a tenant": (lambda s, w: s.execute(delete(Tenant).where(Tenant.id == w.beta.tenant_id)), NotAllowed),
    # giving beta something, or holding on to what it has
    "give away": (lambda s, w: change(s, w.alpha.user, tenant_id=w.beta.tenant_id), TenantMismatch),
    "give away by criteria": (lambda s, w: s.execute(update(User).values(tenant_id=w.beta.tenant_id)), TenantMismatch),
    "give away in order": (
        lambda s, w: s.execute(update(User).ordered_values((User.tenant_id, w.beta.tenant_id), (User.full_name, "x"))),
        TenantMismatch,
    ),
    "point at beta": (lambda s, w: change(s, w.alpha.account, user_id=w.beta.user.id), ParentMissing),
    "point at beta by criteria": (
        lambda s, w: s.execute(update(Account).values(user_id=w.beta.user.id)),
        ParentMissing,
    ),
    "a child of beta's": (
        lambda s, w: add(s, Cluster(account_id=w.beta.account.id, name="x", region="x")),
        ParentMissing,
    ),
    # what all tenants share
    "a price": (
        lambda s, _: add(s, OnDemandPrice(region="x", instance_type="x", price=1, source="x", observed_at=utc_now())),
        NotAllowed,
    ),
    "a price changed": (lambda s, _: change(s, s.scalars(select(OnDemandPrice)).first(), source="x"), NotAllowed),
    "prices by criteria": (lambda s, _: s.execute(update(OnDemandPrice).values(source="x")), NotAllowed),
    "prices of the table": (lambda s, _: s.execute(delete(PRICES)), NotAllowed),
    "prices by text": (lambda s, _: s.execute(text("DELETE FROM on_demand_prices")), NotAllowed),
    "models, of which there are none": (lambda s, _: s.execute(update(MlModel).values(description="x")), NotAllowed),
    "the own tenant": (lambda s, w: change(s, Tenant(id=w.alpha.tenant_id), name="x"), NotAllowed),
    "a new tenant": (lambda s, _: add(s, Tenant(slug="gamma", name="Gamma")), NotAllowed),
    "prices by an alias": (lambda s, _: s.execute(delete(PRICES.alias())), NotAllowed),
    "the revision": (lambda s, _: s.execute(text("UPDATE alembic_version SET version_num = 'x'")), NotAllowed),
    "the ledger of guards": (lambda s, _: s.execute(delete(table("spothive_guards"))), NotAllowed),
    "the schema": (lambda s, _: s.execute(DDL("DROP TABLE users")), NotAllowed),  # type: ignore[no-untyped-call]  # untyped
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_a_session_changes_the_rows_of_its_tenant(world: World, name: str) -> None:
    write, expected = LEGITIMATE[name]
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        check(session, world, lambda: write(session, world), expected)


@pytest.mark.filterwarnings("ignore:Column 'users.tenant_id' is marked as a member of the primary key")
@pytest.mark.filterwarnings("ignore:UPDATE statement has a cartesian product")
@pytest.mark.parametrize("name", SMUGGLED)
def test_a_session_cannot_change_what_is_not_its_own(world: World, name: str) -> None:
    write, expected = SMUGGLED[name]
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        check(session, world, lambda: write(session, world), expected)


def check(session: TenantSession, world: World, write: Callable[[], Any], expected: type[Exception] | int) -> None:
    alpha, beta = rows_of(session, world.alpha.tenant_id), rows_of(session, world.beta.tenant_id)
    if isinstance(expected, int):
        write()
        session.flush()
        after = rows_of(session, world.alpha.tenant_id)
        assert sum(after.get(key) != alpha.get(key) for key in after | alpha) == expected
        assert "beta" not in str(after)
    else:
        with pytest.raises(expected) as refused:
            write()
        assert "beta" not in str(refused.value)
        session.rollback()
    assert rows_of(session, world.beta.tenant_id) == beta
