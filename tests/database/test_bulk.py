"""Bulk writes: as careful as single ones, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, select, true

from spothive.clock import utc_now
from spothive.database import (
    AuthStatus,
    Instance,
    InstanceState,
    OnDemandPrice,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.database.bulk import insert_rows, is_any_of, listed_rows, update_rows
from spothive.errors import (
    DatabaseUnavailable,
    DuplicateValue,
    IllegalMove,
    InvalidInput,
    NotAllowed,
    ParentMissing,
    TenantMismatch,
    ValueRefused,
)
from spothive.models import Base
from spothive.schema.types import new_id
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance, make_tenant
from tests.factories.samples import TABLES, sample
from tests.schema.waiting import until_blocked
from tests.watching import rows_of

LAUNCHED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
STRANGER = UUID(int=7)


@pytest.fixture
def acme(db: Database) -> UUID:
    return make_tenant("acme")


@pytest.fixture
def account(acme: UUID) -> UUID:
    return make_account(acme).id


def row(acme: UUID, account: UUID, number: int = 0, **values: Any) -> dict[str, Any]:
    facts = {
        "tenant_id": acme,
        "id": new_id(),
        "account_id": account,
        "instance_id": f"i-{number}",
        "instance_type": "m5.large",
        "region": "eu-west-1",
        "availability_zone": "eu-west-1a",
        "state": InstanceState.RUNNING,
        "lifecycle": "spot",
        "content_hash": -(2**63) + number,
        "launched_at": LAUNCHED,
        "cpu": 2,
        "cpu_util": 12.5,
        "price": Decimal("0.123456"),
        "cluster_membership": None,
        "instance_metadata": {"tags": {"é%'\\": 'a "quoted" word: :name %s {x}\t'}},
        "is_shadow_mode": True,
    }
    return facts | values


def insert(acme: UUID, *rows: dict[str, Any]) -> None:
    with get_db_session(tenant=acme) as session:
        insert_rows(session, Instance, rows)


def test_values_arrive_as_they_were_sent(acme: UUID, account: UUID) -> None:
    sent = row(acme, account)
    insert(acme, sent)
    (stored,) = rows_of(Instance)
    assert {name: stored[name] for name in sent} == sent


def test_every_column_of_every_table_can_be_written_in_bulk(db: Database) -> None:
    models = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    parents = {"tenants": new_id()}
    with get_db_session() as session, system_scope(session, "test"):
        for name, table in TABLES.items():
            sent = sample(name, parents)
            if name == "tenants":
                sent["id"] = parents[name]
            insert_rows(session, models[name], [sent])
            parents[name] = sent["id"]
            stored = session.execute(select(*(table.c[column] for column in sent)).where(table.c.id == sent["id"]))
            assert dict(stored.mappings().one()) | off_the_clock(table) == sent | off_the_clock(table), name


def off_the_clock(table: Table) -> dict[str, Any]:
    """Return the columns that the database fills in whatever was sent."""
    return {"timestamp": None, "txid": None} if table.name == "audit_logs" else {}


def test_what_many_rows_share_arrives_in_each_and_is_never_taken_for_what_is_equal_to_it(
    acme: UUID, account: UUID
) -> None:
    shared: dict[str, Any] = {"tags": {"é": "same"}}
    rows = [row(acme, account, n, cpu=1 + n % 2, instance_metadata=shared if n % 3 else {"n": n}) for n in range(2500)]
    insert(acme, *rows)
    stored = {each["id"]: (each["cpu"], each["instance_metadata"]) for each in rows_of(Instance)}
    assert stored == {each["id"]: (each["cpu"], each["instance_metadata"]) for each in rows}
    for name, legal, equal in (("cpu", 1, True), ("is_shadow_mode", True, 1)):
        with pytest.raises(InvalidInput):
            insert(acme, row(acme, account, 3001, **{name: legal}), row(acme, account, 3002, **{name: equal}))


def test_a_row_with_other_columns_is_refused_wherever_it_stands(acme: UUID, account: UUID) -> None:
    rows = [row(acme, account, number) for number in range(1500)]
    del rows[1400]["cpu"]
    with pytest.raises(InvalidInput, match="same columns"):
        insert(acme, *rows)
    assert rows_of(Instance) == []


def test_what_is_not_given_gets_the_databases_default(acme: UUID, account: UUID) -> None:
    insert(acme, row(acme, account))
    (stored,) = rows_of(Instance)
    assert stored["auth_status"] is AuthStatus.AUTHORIZED
    assert stored["is_replica"] is False
    assert abs(utc_now() - stored["created_at"]).total_seconds() < 60


def test_an_update_touches_the_rows_and_columns_it_names(acme: UUID, account: UUID) -> None:
    rows = [row(acme, account, number) for number in range(3)]
    insert(acme, *rows)
    before = {each["id"]: each for each in rows_of(Instance)}
    now = utc_now()
    changes = [
        {"tenant_id": acme, "id": each["id"], "state": InstanceState.STOPPED, "cpu": number, "updated_at": now}
        for number, each in enumerate(rows[1:], 1)
    ]
    with get_db_session(tenant=acme) as session:
        update_rows(session, Instance, changes)
    after = {each["id"]: each for each in rows_of(Instance)}
    assert after == before | {change["id"]: before[change["id"]] | change for change in changes}


def test_nothing_is_nothing(acme: UUID) -> None:
    with get_db_session(tenant=acme) as session:
        insert_rows(session, Instance, [])
        update_rows(session, Instance, [])
        assert session.scalars(select(Instance).where(is_any_of(session, Instance.instance_id, []))).all() == []
    assert rows_of(Instance) == []


@pytest.mark.parametrize(
    ("refusal", "rule", "values"),
    [
        (DuplicateValue, "uq_instances_tenant_id_instance_id", {"instance_id": "i-1"}),
        (ParentMissing, "fk_instances_tenant_id_account_id", {"account_id": STRANGER}),
        (ParentMissing, "fk_instances_tenant_id_cluster_id", {"cluster_id": STRANGER}),
        (ValueRefused, "ck_instances_terminated", {"state": InstanceState.TERMINATED}),
        (ValueRefused, "ck_instances_instance_type_length", {"instance_type": "x" * 33}),
        (IllegalMove, "lc_instances_auth_status_first", {"auth_status": AuthStatus.TERMINATED}),
        (InvalidInput, None, {"instance_type": "a\0b"}),
        (InvalidInput, None, {"instance_metadata": {"half": "\ud800"}}),
        (InvalidInput, None, {"launched_at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - naive on purpose
    ],
)
def test_a_rule_that_refuses_one_row_refuses_all(
    acme: UUID, account: UUID, refusal: type[Exception], rule: str | None, values: dict[str, Any]
) -> None:
    insert(acme, row(acme, account, 1))
    before = rows_of(Instance)
    legal = {"auth_status": AuthStatus.AUTHORIZED, "cluster_id": None}
    with pytest.raises(refusal) as error:
        insert(acme, row(acme, account, 2, **legal), row(acme, account, 3, **legal) | values)
    assert getattr(error.value, "rule", None) == rule
    assert rows_of(Instance) == before


def test_rows_of_another_tenant_are_refused(acme: UUID, account: UUID) -> None:
    globex = make_tenant("globex")
    theirs = make_instance(globex, make_account(globex).id)
    with pytest.raises(TenantMismatch):
        insert(acme, row(acme, account), row(globex, account, 1))
    changes = [{"tenant_id": globex, "id": theirs.id, "cpu": 64, "updated_at": utc_now()}]
    with pytest.raises(TenantMismatch), get_db_session(tenant=acme) as session:
        update_rows(session, Instance, changes)
    changes[0]["tenant_id"] = acme  # claimed, but there is no such row of this tenant
    with get_db_session(tenant=acme) as session:
        update_rows(session, Instance, changes)
    (stored,) = rows_of(Instance)
    assert (stored["tenant_id"], stored["cpu"]) == (globex, None)


def test_what_all_tenants_share_is_written_in_system_scope(acme: UUID) -> None:
    price = {"id": new_id(), "region": "eu-west-1", "instance_type": "m5.large", "os": "Linux", "source": "a test"}
    price |= {"price": Decimal("0.1"), "observed_at": utc_now()}
    with pytest.raises(NotAllowed, match="shared by every tenant"), get_db_session(tenant=acme) as session:
        insert_rows(session, OnDemandPrice, [price])
    with get_db_session(tenant=acme) as session, system_scope(session, "test"):
        insert_rows(session, OnDemandPrice, [price])
    assert rows_of(OnDemandPrice)[0]["price"] == Decimal("0.1")


def test_a_text_is_looked_for_among_any_number(acme: UUID, account: UUID) -> None:
    odd = ["i-'", 'i-"', "i-{a,b}", "i-\\", "i-é", "i-NULL", "i-,"]
    cluster = make_cluster(acme, account).id
    insert(acme, *(row(acme, account, instance_id=name, cluster_id=cluster) for name in (*odd, "i-another")))
    with get_db_session(tenant=acme) as session:
        wanted = [*odd, *(f"i-{number}" for number in range(100_000))]
        query = select(Instance.instance_id).where(is_any_of(session, Instance.instance_id, wanted))
        assert sorted(session.scalars(query)) == sorted(odd)


def many(acme: UUID, account: UUID, happens: Callable[[], None] = lambda: None) -> Iterator[dict[str, Any]]:
    """Yield rows for three parts; when the second is being made, and the first inserted, something happens."""
    for number in range(12_500):
        if number == 7_500:
            happens()
        yield row(acme, account, number)


def test_a_generator_can_give_many_rows(acme: UUID, account: UUID) -> None:
    with get_db_session(tenant=acme) as session:
        insert_rows(session, Instance, many(acme, account))
    with read_session(tenant=acme) as session:
        names = set(session.scalars(select(Instance.instance_id)))
    assert names == {f"i-{number}" for number in range(12_500)}


@pytest.mark.parametrize(
    ("at", "odd", "error"),
    [
        (5, {"cpu": 0}, ValueRefused),
        (6_000, {"instance_id": "i-5500"}, DuplicateValue),
        (6_000, {"instance_id": "i-5"}, DuplicateValue),
        (6_000, {"tenant_id": STRANGER}, TenantMismatch),
        (6_000, {"surplus": 1}, InvalidInput),
        (12_499, {"cpu": 0}, ValueRefused),
    ],
)
def test_of_many_rows_none_is_kept_if_one_is_refused(
    acme: UUID, account: UUID, at: int, odd: dict[str, Any], error: type[Exception]
) -> None:
    rows = (each | odd if number == at else each for number, each in enumerate(many(acme, account)))
    with get_db_session(tenant=acme) as session, pytest.raises(error):  # and somebody goes on
        insert_rows(session, Instance, rows)
    assert rows_of(Instance) == []


def test_what_a_generator_raises_is_told_and_nothing_is_kept(acme: UUID, account: UUID) -> None:
    def fail() -> None:
        raise LookupError("no more")

    with get_db_session(tenant=acme) as session, pytest.raises(LookupError, match="no more"):
        insert_rows(session, Instance, many(acme, account, fail))
    assert rows_of(Instance) == []


@pytest.mark.engines("postgresql")
def test_a_connection_lost_in_the_middle_is_told_in_one_line(db: Database, acme: UUID, account: UUID) -> None:
    def cut() -> None:
        with db.raw(owner=True) as connection:
            others = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity {others}")

    with (
        pytest.raises(DatabaseUnavailable, match=r"went away in the middle of a bulk write|cannot be reached") as error,
        get_db_session(tenant=acme) as session,
    ):
        insert_rows(session, Instance, many(acme, account, cut))
    assert "\n" not in str(error.value)
    insert(acme, *(row(acme, account, number) for number in range(10)))
    assert len(rows_of(Instance)) == 10


@pytest.mark.engines("postgresql")
def test_an_interrupt_does_not_wait_for_what_is_being_inserted(db: Database, acme: UUID, account: UUID) -> None:
    def interrupt() -> None:
        until_blocked(db)  # the first part, as one of its instances is about to be the other's
        raise KeyboardInterrupt

    with get_db_session(tenant=acme) as other:
        other.add(Instance(**row(acme, account, 4_000)))
        other.flush()
        with pytest.raises(KeyboardInterrupt), get_db_session(tenant=acme) as session:
            insert_rows(session, Instance, many(acme, account, interrupt))
    assert [each["instance_id"] for each in rows_of(Instance)] == ["i-4000"]


def test_texts_can_be_joined_like_a_table(acme: UUID, account: UUID) -> None:
    make_instance(acme, account, "i-here", availability_zone="eu-west-1b")
    zones, types = ["eu-west-1a", "eu-west-1b"], ["m5.large", "it's; ?%s"]
    with read_session(tenant=acme) as session:
        zone = listed_rows(session, "zones", ["value"], [[each] for each in zones])
        kind = listed_rows(session, "types", ["value"], [[each] for each in types])
        here = select(Instance.instance_id).where(
            Instance.availability_zone == zone.c.value, Instance.instance_type == kind.c.value
        )
        query = select(zone.c.value, kind.c.value, here.scalar_subquery()).select_from(zone.join(kind, true()))
        found = {(row[0], row[1]): row[2] for row in session.execute(query)}
        nothing = session.execute(select(listed_rows(session, "none", ["value"], []).c.value)).all()
    assert found == {(z, k): "i-here" if (z, k) == ("eu-west-1b", "m5.large") else None for z in zones for k in types}
    assert nothing == []
