"""Many rows at once are held to the same rules as one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from spothive import errors
from spothive.database import get_db_session, system_scope
from spothive.database.bulk import Row, insert_rows, is_any_of, update_rows
from spothive.models import Base, Instance, OnDemandPrice, ScanUnit, SystemLog
from tests.conftest import Database
from tests.factories.samples import sample, sample_graph

MODELS = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest.fixture
def rows(db: Database) -> dict[str, Row]:
    with get_db_session() as session, system_scope(session, "test"):
        return sample_graph(session, uuid4())


def tenant_of(rows: dict[str, Row]) -> UUID:
    tenant_id = rows["tenants"]["id"]
    assert isinstance(tenant_id, UUID)
    return tenant_id


def instances(rows: dict[str, Row], *numbers: int, **values: Any) -> list[Row]:
    parents = {table: row["id"] for table, row in rows.items()}
    return [sample("instances", parents, number, **values) for number in numbers]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__tablename__)
def test_rows_of_every_table_come_back_as_they_went(db: Database, rows: dict[str, Row], model: type[Base]) -> None:
    parents = {table: row["id"] for table, row in rows.items()}
    fresh = {"scan_runs": {"kind": "waste"}}.get(model.__tablename__, {})
    wanted = sample(model.__tablename__, parents, 2, **fresh)
    with get_db_session() as session, system_scope(session, "test"):
        insert_rows(session, model, [wanted])
    with get_db_session() as session, system_scope(session, "test"):
        found = session.scalars(sa.select(model).where(model.id == wanted["id"])).one()  # type: ignore[attr-defined]  # every model has an id
        assert {name: getattr(found, name) for name in wanted} == wanted


def test_every_kind_of_value_survives(db: Database, rows: dict[str, Row]) -> None:
    values = {
        "price": Decimal("0.000001"),
        "cpu_util": 99.5,
        "cpu": 100_000,
        "launched_at": NOW,
        "is_shadow_mode": True,
        "content_hash": -(2**63),
        "instance_metadata": {"tags": {"é\t\\": 'a"b', "n": [1, None, 1.5]}},
        "cluster_membership": None,
        "instance_type": "x\ty\\N\n",
    }
    wanted = instances(rows, 10, 11, **values)
    with get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, wanted)
    with get_db_session(tenant=tenant_of(rows)) as session:
        found = session.scalars(sa.select(Instance).where(Instance.instance_type == values["instance_type"])).all()
        assert len(found) == 2
        assert all({name: getattr(row, name) for name in values} == values for row in found)


def test_an_update_changes_its_rows_and_no_others(db: Database, rows: dict[str, Row]) -> None:
    many = instances(rows, *range(10, 210))
    with get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, many)
        changes = [
            {"tenant_id": row["tenant_id"], "id": row["id"], "price": Decimal(n), "region": f"r{n}"}
            for n, row in enumerate(many[:100])
        ]
        update_rows(session, Instance, changes)
    with get_db_session(tenant=tenant_of(rows)) as session:
        found = {row.id: row.price for row in session.execute(sa.select(Instance.id, Instance.price))}
    assert [found[row["id"]] for row in many] == [*map(Decimal, range(100)), *[None] * 100]


def test_nothing_is_nothing(db: Database, rows: dict[str, Row]) -> None:
    with get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, [])
        update_rows(session, Instance, [])
        assert not session.in_transaction()


BROKEN: dict[str, tuple[Row, type[errors.SpothiveError], str]] = {
    "check": ({"state": "terminated"}, errors.ValueRefused, "ck_instances_terminated"),
    "type": ({"price": 0.5}, errors.InvalidInput, ""),
    "nul": ({"region": "a\x00"}, errors.InvalidInput, ""),
    "enum": ({"state": "gone"}, errors.InvalidInput, ""),
    "null": ({"region": None}, errors.ValueRefused, "nn_instances_region"),
    "unique": ({"instance_id": "10"}, errors.DuplicateValue, "uq_instances_tenant_id_instance_id"),
    "parent": ({"account_id": uuid4()}, errors.ParentMissing, "fk_instances_tenant_id_account_id"),
    "sibling": ({"cluster_id": uuid4()}, errors.ParentMissing, "fk_instances_tenant_id_cluster_id"),
    "state": ({"auth_status": "terminated"}, errors.IllegalMove, "lc_instances_auth_status_first"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_bad_row_refuses_all_by_its_rule(db: Database, rows: dict[str, Row], case: str) -> None:
    bad, error, rule = BROKEN[case]
    many = instances(rows, *range(10, 20), auth_status="authorized", price=None)
    many[7] |= bad
    with pytest.raises(error) as caught, get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, many)
        session.commit()
    assert getattr(caught.value, "rule", "") == rule
    with get_db_session(tenant=tenant_of(rows)) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Instance)) == 1


@pytest.mark.parametrize("odd", [{"price": Decimal(1)}, {"region": None}], ids=["more", "fewer"])
def test_rows_with_other_columns_are_refused_rather_than_cut(db: Database, rows: dict[str, Row], odd: Row) -> None:
    many = instances(rows, *range(10, 13))
    many[1] = {k: v for k, v in (many[1] | odd).items() if (k, v) != ("region", None)}
    with pytest.raises(errors.InvalidInput, match="same columns"), get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, many)


def test_a_bad_update_is_refused_by_its_rule(db: Database, rows: dict[str, Row]) -> None:
    unit = {"tenant_id": tenant_of(rows), "id": rows["scan_units"]["id"]}
    with get_db_session(tenant=tenant_of(rows)) as session:
        update_rows(session, ScanUnit, [unit | {"status": "DONE"}])
    for change, rule in (
        ({"status": "FAILED"}, "lc_scan_units_status_move"),
        ({"pages": -1}, "ck_scan_units_pages_range"),
    ):
        with pytest.raises(errors.RuleBroken) as caught, get_db_session(tenant=tenant_of(rows)) as session:
            update_rows(session, ScanUnit, [unit | change])
        assert caught.value.rule == rule


def test_the_session_goes_on_after_a_rollback(db: Database, rows: dict[str, Row]) -> None:
    with get_db_session(tenant=tenant_of(rows)) as session:
        with pytest.raises(errors.InvalidInput):
            insert_rows(session, Instance, instances(rows, 10, price=0.5))
        session.rollback()
        insert_rows(session, Instance, instances(rows, 11))
    with get_db_session(tenant=tenant_of(rows)) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Instance)) == 2


def test_rows_of_another_tenant_and_shared_tables_are_refused(db: Database, rows: dict[str, Row]) -> None:
    foreign = sample("system_logs", {"tenants": uuid4()})
    with get_db_session(tenant=tenant_of(rows)) as session:
        for call in (insert_rows, update_rows):
            with pytest.raises(errors.TenantMismatch):
                call(session, SystemLog, [sample("system_logs", {"tenants": tenant_of(rows)}, 2), foreign])
            with pytest.raises(errors.NotAllowed, match="system_scope"):
                call(session, OnDemandPrice, [sample("on_demand_prices", {}, 2)])


def test_a_hundred_thousand_values_are_one_parameter(db: Database, rows: dict[str, Row]) -> None:
    with get_db_session(tenant=tenant_of(rows)) as session:
        insert_rows(session, Instance, instances(rows, *range(10, 60)))
        named = [str(number) for number in range(50, 100_050)]
        query = sa.select(sa.func.count()).select_from(Instance)
        assert session.scalar(query.where(is_any_of(session, Instance.instance_id, named))) == 10
        assert session.scalar(query.where(is_any_of(session, Instance.instance_id, []))) == 0
        awkward = ["50", "a'b", 'a"b', "a\\b", "{}", "NULL", "é,"]
        assert session.scalar(query.where(is_any_of(session, Instance.instance_id, awkward))) == 1
