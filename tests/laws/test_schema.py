"""Laws of the schema. Each failure says how to mend it."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import configure_mappers

from spothive.database import Base
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import declare_checks
from tests.conftest import Database
from tests.factories.samples import TABLES

LONGEST_NAME = 63
"""What PostgreSQL keeps of a name, in bytes."""

SYSTEM_WIDE = {
    "users.email",
    "users.username",
    "accounts.account_id",
    "api_keys.prefix",
    "onboarding_requests.request_id",
    "*.external_id",
    "*_hash",
}
"""Columns of tenants that are unique by themselves: what is looked up before a tenant is known, and what is random."""


def owned_models() -> dict[str, type]:
    return {m.local_table.name: m.class_ for m in Base.registry.mappers if issubclass(m.class_, TenantOwned)}  # type: ignore[attr-defined]  # ours map tables


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_constraint_and_index_has_a_name_that_fits(table: sa.Table) -> None:
    declare_checks(table)
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
    if table.name not in owned_models():
        return
    uniques = [k for k in table.constraints if isinstance(k, sa.UniqueConstraint)]
    uniques += [index for index in table.indexes if index.unique]  # type: ignore[misc]  # both have columns and a name
    for unique in uniques:
        columns = [c.name for c in unique.columns]
        alone = columns == ["id"] or (len(columns) == 1 and _system_wide(f"{table.name}.{columns[0]}"))
        assert alone or columns[0] == "tenant_id", f"{unique.name}: one tenant could refuse another's row"


def _system_wide(column: str) -> list[str]:
    return [pattern for pattern in SYSTEM_WIDE if fnmatchcase(column, pattern)]


def test_every_column_that_is_unique_in_the_whole_system_is_so() -> None:
    """The list is no mere permission: each pattern on it names columns that are unique by themselves."""
    alone = {
        f"{table.name}.{next(iter(key.columns)).name}"
        for table in TABLES.values()
        if table.name in owned_models()
        for key in table.constraints
        if isinstance(key, sa.UniqueConstraint) and len(key.columns) == 1
    }
    assert {pattern for column in alone for pattern in _system_wide(column)} == SYSTEM_WIDE


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
