"""Laws of the schema. Each failure says how to mend it."""

from __future__ import annotations

from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import configure_mappers

from spothive.database import Base, get_db_session, system_scope
from spothive.schema.tenancy import TenantOwned
from tests.conftest import Database
from tests.factories.samples import TABLES, sample_graph, sql_delete

LONGEST_NAME = 63
"""What PostgreSQL keeps of a name, in bytes."""

HISTORY = ("audit_logs", "account_logs", "system_logs")
OF_ACCOUNT = {"clusters", "instances", "onboarding_requests", "scan_runs", "scan_units"}
GOES_WITH = {
    "tenants": {
        "users",
        "accounts",
        "clusters",
        "instances",
        "onboarding_requests",
        "scan_runs",
        "scan_units",
        "datasets",
    },
    "users": {"accounts", "clusters", "instances", "onboarding_requests", "scan_runs", "scan_units"},
    "accounts": {"clusters", "instances", "onboarding_requests", "scan_runs", "scan_units"},
    "clusters": set(),
}


def owned_models() -> dict[str, type]:
    return {m.local_table.name: m.class_ for m in Base.registry.mappers if issubclass(m.class_, TenantOwned)}  # type: ignore[attr-defined]  # ours map tables


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_constraint_and_index_has_a_name_that_fits(table: sa.Table) -> None:
    names = [constraint.name for constraint in table.constraints] + [index.name for index in table.indexes]
    assert all(isinstance(name, str) and name for name in names), "name it: refusals are recognised by name"
    long = [name for name in names if len(str(name).encode()) > LONGEST_NAME]
    assert not long, f"{long}: PostgreSQL would cut these names off; choose shorter ones"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_foreign_key_is_indexed(table: sa.Table) -> None:
    keys = [[c.name for c in index.columns] for index in table.indexes]
    keys += [
        [c.name for c in k.columns]
        for k in table.constraints
        if isinstance(k, (sa.UniqueConstraint, sa.PrimaryKeyConstraint))
    ]
    for constraint in table.foreign_key_constraints:
        columns = [column.name for column in constraint.columns]
        indexed = any(key[: len(columns)] == columns for key in keys)
        assert indexed, f"{constraint.name}: deleting a parent would scan {table.name}; add Index(None, {columns})"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_belongs_to_tenants_or_says_why_not(table: sa.Table) -> None:
    if "tenant_id" in table.c:
        assert table.name in owned_models(), f"{table.name} has a tenant_id: inherit TenantOwned"
        assert [c.name for c in table.primary_key] == ["tenant_id", "id"]
        uniques = [[c.name for c in k.columns] for k in table.constraints if isinstance(k, sa.UniqueConstraint)]
        assert ["id"] in uniques, "to Python a row is its id: TenantOwned makes it unique"
    else:
        assert table.info.get("global"), f"{table.name} belongs to no tenant: say why in info={{'global': ...}}"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_keys_to_tenant_tables_name_the_tenant(table: sa.Table) -> None:
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table.name in owned_models():
            assert constraint.column_keys[0] == "tenant_id", f"{constraint.name}: use owned(), the key needs tenant_id"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_uniques_of_tenants_begin_with_the_tenant(table: sa.Table) -> None:
    system_wide = {"users.email", "users.username", "accounts.account_id", "accounts.external_id"}
    system_wide |= {"onboarding_requests.request_id", "onboarding_requests.external_id"}
    if table.name not in owned_models():
        return
    uniques = [k for k in table.constraints if isinstance(k, sa.UniqueConstraint)]
    uniques += [index for index in table.indexes if index.unique]  # type: ignore[misc]  # both have columns and a name
    for unique in uniques:
        columns = [c.name for c in unique.columns]
        alone = columns == ["id"] or (len(columns) == 1 and f"{table.name}.{columns[0]}" in system_wide)
        assert alone or columns[0] == "tenant_id", f"{unique.name}: one tenant could refuse another's row"


def test_times_are_utc_everywhere() -> None:
    wrong = [
        str(column) for table in TABLES.values() for column in table.columns if isinstance(column.type, sa.DateTime)
    ]
    assert not wrong, f"{wrong}: map it as Mapped[datetime], the base class chooses UtcDateTime"


def test_nothing_is_loaded_behind_your_back() -> None:
    configure_mappers()
    relationships = [r for m in Base.registry.mappers for r in m.relationships]
    assert relationships
    wrong = [str(r) for r in relationships if r.lazy != "raise"]
    assert not wrong, f"{wrong}: use belongs_to() or has_many(), and load with selectinload() where it is needed"


@pytest.mark.engines("postgresql")
def test_row_security_is_forced_on_every_tenant_table(db: Database) -> None:
    with db.raw(owner=True) as owner:
        found = owner.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relrowsecurity AND relforcerowsecurity"
        ).fetchall()
    assert {name for (name,) in found} == {*owned_models(), "tenants"}, "spothive.database.policies decides which"


@pytest.mark.parametrize("doomed", GOES_WITH)
def test_one_delete_takes_its_own_and_leaves_history(db: Database, doomed: str) -> None:
    """Raw SQL, as the owner of the tables would do it by hand, in a database with a row in every table."""
    tenants = {number: UUID(int=number) for number in (1, 2)}
    with get_db_session() as session, system_scope(session, "sample"):
        rows = {number: sample_graph(session, tenant_id, number) for number, tenant_id in tenants.items()}
    with db.raw(owner=True) as owner:
        if db.engine == "postgresql":
            owner.execute("SET ROLE spothive_system")
        owner.execute(sql_delete(db.engine, doomed, rows[1][doomed]["id"]))
        left = {name: owner.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    gone = {name for name in owned_models() if left[name] == 1}
    optional = {"instances"} if doomed == "clusters" else set()
    assert gone - optional == (GOES_WITH[doomed] | {doomed}) - {"tenants"}
    assert all(left[name] == 2 for name in HISTORY), "history has no foreign keys: declare it outlives_tenant=True"
