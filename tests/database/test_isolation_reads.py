"""Whatever way a session reads, it sees the rows of its tenant: the same answer on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Row,
    String,
    and_,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    join,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import (
    Bundle,
    aliased,
    contains_eager,
    join as orm_join,
    joinedload,
    lazyload,
    selectinload,
    subqueryload,
    with_parent,
)

from spothive.database import SessionLocal, TenantSession, read_session, system_scope
from spothive.errors import TenantNotBound
from spothive.models import Account, Base, Cluster, Instance, OnDemandPrice, Tenant, User
from tests.conftest import ENGINES, migrated_copy
from tests.factories.samples import TABLES
from tests.factories.two_tenants import World, make_world

USERS, ACCOUNTS, INSTANCES = (TABLES[name] for name in ("users", "accounts", "instances"))
MINE = ["i-alpha-1", "i-alpha-2"]


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("world")):
        yield make_world(request.param)


def plain(value: Any) -> Any:
    """Return names instead of objects, and lists in order."""
    match value:
        case Base():
            names = ("username", "account_name", "instance_id", "slug", "source", "name")
            return next(getattr(value, name) for name in names if name in value.__mapper__.attrs)
        case Row() if len(value) == 1:
            return plain(value[0])
        case Row() | list() | tuple():
            return (
                sorted((plain(part) for part in value), key=str)
                if isinstance(value, list)
                else tuple(map(plain, value))
            )
        case _:
            return value


def instance_ids(accounts: Any) -> list[str]:
    return [instance.instance_id for account in accounts for instance in account.instances]


def of_recursion(s: TenantSession) -> Any:
    tree = select(Instance.id, Instance.instance_id).cte("tree", recursive=True)
    child = aliased(Instance)
    tree = tree.union_all(select(child.id, child.instance_id).where(child.replica_of_id == tree.c.id))
    return s.scalars(select(tree.c.instance_id)).all()


def of_from_self(s: TenantSession) -> Any:
    named = select(User).where(User.username.like("%a")).subquery()
    return s.scalars(select(aliased(User, named))).all()


def of_beta_by_core(s: TenantSession) -> Any:
    other = aliased(User)
    return s.execute(select(other.username).where(USERS.c.username == "beta")).all()


def of_streaming(s: TenantSession) -> Any:
    query = select(Instance).order_by(Instance.instance_id).execution_options(yield_per=1)
    return [instance.instance_id for part in s.scalars(query).partitions() for instance in part]


def of_lazy_load(s: TenantSession) -> Any:
    (account,) = s.scalars(select(Account).options(lazyload(Account.instances), lazyload(Account.user)))
    return [*instance_ids([account]), account.user.username]


def of_expired(s: TenantSession) -> Any:
    (account,) = s.scalars(select(Account))
    s.expire(account)
    before = account.account_name
    s.refresh(account)
    return [before, account.account_name]


def of_merge(s: TenantSession, w: World) -> Any:
    merged = s.merge(Account(id=w.alpha.account.id, tenant_id=w.alpha.tenant_id))
    return [merged.account_name, *s.new]


Read = Callable[[TenantSession, World], Any]
ANY_USER_IS_BETA = exists().where(User.username == "beta")

READS: dict[str, tuple[Read, Any]] = {
    # what is selected
    "model": (lambda s, _: s.scalars(select(User)).all(), ["alpha"]),
    "column": (lambda s, _: s.scalars(select(User.username)).all(), ["alpha"]),
    "columns of two models": (lambda s, _: s.execute(select(User.username, Cluster.name)).all(), [("alpha", "alpha")]),
    "two columns in one expression": (
        lambda s, _: s.scalars(select(User.username + Cluster.name)).all(),
        ["alphaalpha"],
    ),
    "two aggregates in one expression": (
        lambda s, _: s.scalars(select(func.max(Account.account_name) + func.max(User.username))).all(),
        ["alphaalpha"],
    ),
    "case": (
        lambda s, _: s.scalars(select(case((User.username != "", User.username), else_=Cluster.name))).all(),
        ["alpha"],
    ),
    "bundle": (lambda s, _: s.execute(select(Bundle("b", User.username, Cluster.name))).all(), [("alpha", "alpha")]),
    "cast and label": (lambda s, _: s.scalars(select(cast(User.username, String).label("x"))).all(), ["alpha"]),
    "distinct": (lambda s, _: s.scalars(select(Instance.state).distinct()).all(), ["running"]),
    "count of a column": (lambda s, _: s.scalar(select(func.count(Instance.id))), 2),
    "count from": (lambda s, _: s.scalar(select(func.count()).select_from(Instance)), 2),
    "count by criteria alone": (lambda s, _: s.scalar(select(func.count()).where(Instance.state == "running")), 2),
    "count of a subquery": (lambda s, _: s.scalar(select(func.count()).select_from(select(Instance).subquery())), 2),
    "function as a statement": (lambda s, _: s.scalar(func.max(User.username)), "alpha"),
    "window": (
        lambda s, _: s.execute(select(Instance.instance_id, func.count().over())).all(),
        [(name, 2) for name in MINE],
    ),
    "window without columns": (
        lambda s, _: s.scalars(select(func.row_number().over(order_by=Instance.id))).all(),
        [1, 2],
    ),
    "group by and having": (
        lambda s, _: s.execute(
            select(Instance.state, func.count()).group_by(Instance.state).having(func.max(Instance.instance_id) < "j")
        ).all(),
        [("running", 2)],
    ),
    "scalar subquery": (
        lambda s, _: s.scalars(
            select(OnDemandPrice.instance_type + select(func.max(User.username)).scalar_subquery())
        ).all(),
        ["m5.largealpha", "m5.xlargealpha"],
    ),
    "literal column": (lambda s, _: s.scalars(select(literal_column("1")).select_from(Instance)).all(), [1, 1]),
    "own tenant": (lambda s, _: s.scalars(select(Tenant.slug)).all(), ["alpha"]),
    # criteria
    "where names a row of beta": (lambda s, _: s.scalars(select(User).where(User.username == "beta")).all(), []),
    "where alone names the model": (
        lambda s, _: s.scalars(select(literal(1)).where(User.username == "beta")).all(),
        [],
    ),
    "where through a function": (
        lambda s, _: s.scalars(select(literal(1)).where(func.upper(User.username) == "BETA")).all(),
        [],
    ),
    "where with or": (
        lambda s, _: s.scalars(select(literal(1)).where(or_(User.username == "beta", Cluster.name == "beta"))).all(),
        [],
    ),
    "where on another model": (
        lambda s, _: s.scalars(select(OnDemandPrice.region).where(and_(User.username == "beta", true()))).all(),
        [],
    ),
    "exists": (lambda s, _: s.scalar(select(ANY_USER_IS_BETA)), False),
    "exists by itself": (lambda s, _: s.scalar(ANY_USER_IS_BETA.select()), False),
    "exists in where": (lambda s, _: s.scalars(select(OnDemandPrice.region).where(ANY_USER_IS_BETA)).all(), []),
    "not exists": (lambda s, _: s.scalars(select(User).where(~ANY_USER_IS_BETA)).all(), ["alpha"]),
    "in a subquery": (
        lambda s, _: s.scalars(select(Account).where(Account.id.in_(select(Instance.account_id)))).all(),
        ["alpha"],
    ),
    "text in where": (
        lambda s, _: s.scalars(select(Instance).where(text("instance_id LIKE '%1'"))).all(),
        ["i-alpha-1"],
    ),
    "text in order": (lambda s, _: s.scalars(select(Instance).order_by(text("instance_id DESC"))).all(), MINE),
    "order and limit": (
        lambda s, _: s.scalars(select(Instance).order_by(Instance.instance_id.desc()).limit(9)).all(),
        MINE,
    ),
    "has": (lambda s, _: s.scalars(select(Account).where(Account.user.has(User.username == "alpha"))).all(), ["alpha"]),
    "has of beta": (lambda s, _: s.scalars(select(Account).where(Account.user.has(User.username == "beta"))).all(), []),
    "any": (lambda s, _: s.scalars(select(Account).where(Account.instances.any())).all(), ["alpha"]),
    "not any of beta": (
        lambda s, _: s.scalars(select(Account).where(~Account.instances.any(Instance.instance_id == "i-beta-1"))).all(),
        ["alpha"],
    ),
    "with parent": (
        lambda s, w: s.scalars(select(Instance).where(with_parent(w.alpha.account, Account.instances))).all(),
        MINE,
    ),
    "with beta's parent": (
        lambda s, w: s.scalars(select(Instance).where(with_parent(w.beta.account, Account.instances))).all(),
        [],
    ),
    # joins
    "join over a relationship": (lambda s, _: s.scalars(select(Instance).join(Instance.account)).all(), MINE),
    "join over a condition": (lambda s, _: s.scalars(select(Instance).join(Account, true())).all(), MINE),
    "outer join": (
        lambda s, _: s.execute(select(OnDemandPrice.instance_type, User.username).outerjoin(User, true())).all(),
        [("m5.large", "alpha"), ("m5.xlarge", "alpha")],
    ),
    "outer join over a relationship": (
        lambda s, _: s.execute(select(Cluster.name, Instance.instance_id).outerjoin(Cluster.instances)).all(),
        [("alpha", "i-alpha-1")],
    ),
    "full join": (
        lambda s, _: s.execute(
            select(OnDemandPrice.instance_type, Instance.instance_id).join(
                Instance, Instance.instance_type == OnDemandPrice.instance_type, full=True
            )
        ).all(),
        [("m5.large", "i-alpha-1"), ("m5.large", "i-alpha-2"), ("m5.xlarge", None)],
    ),
    "join as an object": (
        lambda s, _: s.scalars(select(Instance.instance_id).select_from(join(Account, Instance, true()))).all(),
        MINE,
    ),
    "join of the ORM": (
        lambda s, _: s.scalars(
            select(Instance.instance_id).select_from(orm_join(Account, Instance, Account.instances))
        ).all(),
        MINE,
    ),
    "self join": (lambda s, _: s.execute(select(User.username, aliased(User).username)).all(), [("alpha", "alpha")]),
    "cartesian product": (lambda s, _: s.scalar(select(func.count()).select_from(Instance, User, Cluster)), 2),
    # derived tables
    "alias": (lambda s, _: s.scalars(select(aliased(User))).all(), ["alpha"]),
    "subquery": (lambda s, _: s.scalars(select(select(User.username).subquery().c.username)).all(), ["alpha"]),
    "model from a subquery": (lambda s, _: of_from_self(s), ["alpha"]),
    "model from a table": (lambda s, _: s.scalars(select(aliased(User, USERS.alias()))).all(), ["alpha"]),
    "CTE": (lambda s, _: s.scalars(select(select(User.username).cte())).all(), ["alpha"]),
    "CTE called like a table": (lambda s, _: s.scalars(select(select(User.username).cte("accounts"))).all(), ["alpha"]),
    "CTE called like its table": (lambda s, _: s.scalars(select(select(User.username).cte("users"))).all(), ["alpha"]),
    "recursive CTE": (lambda s, _: of_recursion(s), MINE),
    "union": (lambda s, _: s.scalars(union(select(User.username), select(Account.account_name))).all(), ["alpha"]),
    "subquery of a union": (
        lambda s, _: s.scalars(select(union_all(select(User.username), select(Cluster.name)).subquery())).all(),
        ["alpha", "alpha"],
    ),
    "model from a statement": (lambda s, _: s.scalars(select(User).from_statement(select(User))).all(), ["alpha"]),
    "model from a union": (
        lambda s, _: s.scalars(select(User).from_statement(union_all(select(User), select(User)))).all(),
        ["alpha", "alpha"],
    ),
    "model from a table's statement": (
        lambda s, _: s.scalars(select(User).from_statement(select(USERS))).all(),
        ["alpha"],
    ),
    # tables instead of models
    "table": (lambda s, _: [row.username for row in s.execute(select(USERS))], ["alpha"]),
    "column of a table": (lambda s, _: s.scalars(select(USERS.c.username)).all(), ["alpha"]),
    "alias of a table": (lambda s, _: s.scalars(select(USERS.alias().c.username)).all(), ["alpha"]),
    "join of tables": (lambda s, _: s.scalars(select(INSTANCES.c.instance_id).join(ACCOUNTS, true())).all(), MINE),
    "table by name": (lambda s, _: s.scalars(select(table("users", column("username")))).all(), ["alpha"]),
    "exists over a table": (
        lambda s, _: s.scalar(select(exists(select(USERS).where(USERS.c.username == "beta")))),
        False,
    ),
    "model by a table's column": (
        lambda s, _: s.scalars(select(User).where(USERS.c.username == "alpha")).all(),
        ["alpha"],
    ),
    "alias beside its table": (lambda s, _: of_beta_by_core(s), []),
    "global table": (lambda s, _: s.scalar(select(func.count()).select_from(OnDemandPrice.__table__)), 2),
    "global table by text": (lambda s, _: s.scalar(text("SELECT count(*) FROM on_demand_prices")), 2),
    # one row
    "get": (lambda s, w: s.get(Account, w.alpha.account.id), "alpha"),
    "get of beta": (lambda s, w: s.get(Account, w.beta.account.id), None),
    "get of beta's tenant": (lambda s, w: s.get(Tenant, w.beta.tenant_id), None),
    "merge": (of_merge, ["alpha"]),
    "expire and refresh": (lambda s, _: of_expired(s), ["alpha", "alpha"]),
    # loading what belongs to it
    "selectinload": (
        lambda s, _: instance_ids(s.scalars(select(Account).options(selectinload(Account.instances)))),
        MINE,
    ),
    "joinedload": (
        lambda s, _: instance_ids(s.scalars(select(Account).options(joinedload(Account.instances))).unique()),
        MINE,
    ),
    "subqueryload": (
        lambda s, _: instance_ids(s.scalars(select(Account).options(subqueryload(Account.instances)))),
        MINE,
    ),
    "contains_eager": (
        lambda s, _: instance_ids(
            s.scalars(select(Account).join(Account.instances).options(contains_eager(Account.instances))).unique()
        ),
        MINE,
    ),
    "lazy loads": (lambda s, _: of_lazy_load(s), ["alpha", *MINE]),
    "streaming": (lambda s, _: of_streaming(s), MINE),
    # the legacy Query
    "query": (lambda s, _: s.query(User).all(), ["alpha"]),
    "query of columns": (lambda s, _: s.query(User.username).all(), ["alpha"]),
    "query count": (lambda s, _: s.query(Instance).count(), 2),
    "query of a table": (lambda s, _: s.query(USERS.c.username).all(), ["alpha"]),
    "query exists": (lambda s, _: s.query(s.query(User).filter_by(username="beta").exists()).scalar(), False),
    "query from a statement": (lambda s, _: s.query(User).from_statement(select(USERS)).all(), ["alpha"]),
    "query from a subquery": (lambda s, _: s.query(s.query(User.username).subquery()).all(), ["alpha"]),
    # past the session
    "connection": (lambda s, _: s.connection().execute(select(User.username)).scalars().all(), ["alpha"]),
}


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")  # some reads are about just that
@pytest.mark.parametrize("name", READS)
def test_a_session_reads_the_rows_of_its_tenant(world: World, name: str) -> None:
    read, expected = READS[name]
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        assert plain(read(session, world)) == expected
    with read_session(tenant=world.alpha.tenant_id) as session:
        assert plain(read(session, world)) == expected


def test_two_sessions_at_once_read_their_own(world: World) -> None:
    alpha, beta = world.alpha.tenant_id, world.beta.tenant_id
    query = select(Instance.instance_id).order_by(Instance.instance_id)
    with read_session(tenant=alpha) as outer:
        before = outer.scalars(query).all()
        with read_session(tenant=beta) as inner, read_session() as unbound:
            assert inner.scalars(query).all() == ["i-beta-1", "i-beta-2"]
            with system_scope(unbound, "test"):
                assert len(unbound.scalars(query).all()) == 4
            assert outer.scalars(query).all() == before == MINE
            with pytest.raises(TenantNotBound):
                unbound.scalars(query).all()
            assert inner.scalars(query).all() == ["i-beta-1", "i-beta-2"]


TEXTS: dict[str, Callable[[TenantSession], Any]] = {
    "text": lambda s: s.execute(text("SELECT username FROM users")).all(),
    "text, in capitals and quotes": lambda s: s.execute(text('SELECT username FROM "USERS"'.lower())).all(),
    "model from text": lambda s: s.scalars(select(User).from_statement(text("SELECT * FROM users"))).all(),
    "query from text": lambda s: s.query(User).from_statement(text("SELECT * FROM users")).all(),
    "text columns": lambda s: s.execute(select(text("(SELECT max(username) FROM users)"))).all(),
    "literal column": lambda s: s.execute(select(literal_column("(SELECT max(username) FROM users)"))).all(),
    "where": lambda s: s.scalars(select(Cluster).where(text("'beta' IN (SELECT username FROM users)"))).all(),
    "order": lambda s: s.scalars(select(Cluster).order_by(text("(SELECT max(username) FROM users)"))).all(),
    "prefix": lambda s: s.execute(select(Cluster.name).prefix_with("(SELECT max(username) FROM users),")).all(),
    "suffix": lambda s: s.execute(select(Cluster.name).suffix_with("UNION SELECT username FROM users")).all(),
    "hint": lambda s: s.execute(select(Cluster.name).with_statement_hint("UNION SELECT username FROM users")).all(),
    "operator": lambda s: s.scalars(
        select(Cluster).where(Cluster.name.op("IN (SELECT username FROM users) OR ''=")("x"))
    ).all(),
    "subquery of text": lambda s: s.execute(
        select(text("SELECT username FROM users").columns(User.username).subquery())
    ).all(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_under_the_row_policies_or_refused_where_there_are_none(world: World, name: str) -> None:
    with SessionLocal(tenant=world.alpha.tenant_id) as session:
        if world.engine == "sqlite":
            with pytest.raises(TenantNotBound, match=r"users belongs to tenants: on SQLite .* not by text"):
                TEXTS[name](session)
        else:
            assert "beta" not in str(plain(TEXTS[name](session)))


def test_text_reads_everything_in_system_scope(world: World) -> None:
    with read_session() as session, system_scope(session, "test"):
        assert session.scalars(text("SELECT username FROM users ORDER BY 1")).all() == ["alpha", "beta"]


UNBOUND: dict[str, Callable[[TenantSession, World], Any]] = {
    "model": lambda s, _: s.scalars(select(User)).all(),
    "count": lambda s, _: s.scalar(select(func.count()).select_from(User)),
    "get": lambda s, w: s.get(User, w.alpha.user.id),
    "join": lambda s, _: s.execute(select(OnDemandPrice.region).join(User, true())).all(),
    "exists": lambda s, _: s.execute(select(literal(1)).where(ANY_USER_IS_BETA)).all(),
    "subquery": lambda s, _: s.execute(select(select(User.id).subquery())).all(),
    "column": lambda s, _: s.scalars(select(User.username)).all(),
    "alias": lambda s, _: s.scalars(select(aliased(User).username)).all(),
    "column of a subquery": lambda s, _: s.scalars(select(select(User.id).subquery().c.id)).all(),
    "count by criteria alone": lambda s, _: s.scalar(select(func.count()).where(User.username == "beta")),
    "relationship": lambda s, _: s.execute(select(OnDemandPrice.region).join(Account, true()).join(Account.user)).all(),
    "table": lambda s, _: s.execute(select(USERS)).all(),
    "update": lambda s, _: s.execute(update(User).values(full_name="x")),
    "delete": lambda s, _: s.execute(delete(USERS)),
    "insert": lambda s, w: s.execute(insert(User), [{"tenant_id": w.alpha.tenant_id}]),
    "query": lambda s, _: s.query(User).all(),
    "tenants": lambda s, _: s.scalars(select(Tenant)).all(),
}


@pytest.mark.parametrize("name", UNBOUND)
def test_an_unbound_session_is_told_what_to_do(world: World, name: str) -> None:
    with (
        read_session() as session,
        pytest.raises(TenantNotBound, match=r"get_db_session\(tenant=\.\.\.\), or call bind_tenant"),
    ):
        UNBOUND[name](session, world)


def test_an_unbound_session_reads_global_tables_and_no_row_of_the_others(world: World) -> None:
    with read_session() as session:
        assert len(session.scalars(select(OnDemandPrice)).all()) == 2
        assert session.connection().execute(select(USERS)).all() == []
        assert session.connection().execute(select(User)).all() == []
