"""Prices: what a file may hold, and that only what differs is written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from spothive.database import PLATFORM_TENANT_ID, OnDemandPrice, get_db_session, read_session
from spothive.errors import InvalidInput, NotAllowed, ValueRefused
from spothive.operations.risk import PricesImported, PricesRead, import_prices, read_prices
from tests.operations.conftest import World
from tests.watching import rows_of


def as_file(regions: Any, **more: Any) -> bytes:
    return json.dumps({"regions": regions} | more).encode()


def taken(world: World, regions: Any, **more: Any) -> PricesImported:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return import_prices(session, world.admin, read_prices("prices.json", as_file(regions, **more)))


def test_a_table_of_prices_is_read_exactly() -> None:
    read = read_prices("prices.json", as_file({"us-east-1": {"t3.micro": "0.0104", "m5.large": "0.096"}}))
    assert read.source == "prices.json"
    assert read.prices == {("us-east-1", "t3.micro"): Decimal("0.0104"), ("us-east-1", "m5.large"): Decimal("0.096")}
    assert read.refused == []


def test_a_number_is_as_exact_as_a_text() -> None:
    read = read_prices("prices.json", b'{"regions": {"us-east-1": {"a.one": 0.1, "b.two": 3, "c.three": 0.000001}}}')
    assert list(read.prices.values()) == [Decimal("0.1"), Decimal(3), Decimal("0.000001")]


def test_a_file_may_say_where_it_comes_from() -> None:
    assert read_prices("prices.json", as_file({}, source="AWS, 2026-07-20")).source == "AWS, 2026-07-20"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"regions": []}',
        b'{"regions": {"us-east-1": 1}}',
        b'{"regions": {"us-east-1": null}}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"regions": {"us-east-1": {"m5.large": 1e9999999999999999999}}}',
    ],
)
def test_what_is_no_table_of_prices_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^prices.json is no price table: expected"):
        read_prices("prices.json", data)


@pytest.mark.parametrize("price", ["free", "", "-1", "NaN", "Infinity", "0.0000001", "1e30", 1e30, True, None, [], {}])
def test_a_bad_price_is_refused_by_name(price: Any) -> None:
    read = read_prices("prices.json", as_file({"us-east-1": {"t3.micro": price, "m5.large": "0.096"}}))
    assert list(read.prices) == [("us-east-1", "m5.large")]
    (refused,) = read.refused
    assert refused.startswith("'us-east-1' 't3.micro': ")


@pytest.mark.parametrize("name", ["", "x" * 33, "m5.lärge", "m5\n", "a\0b", "\ud800"])
def test_a_bad_name_is_refused(name: str) -> None:
    assert read_prices("prices.json", as_file({"us-east-1": {name: "1"}})).prices == {}
    read = read_prices("prices.json", as_file({name: {"m5.large": "1"}}))
    assert (read.prices, len(read.refused)) == ({}, 1)
    assert "\n" not in read.refused[0]


def test_only_what_differs_is_written(world: World) -> None:
    first = taken(world, {"us-east-1": {"t3.micro": "0.0104", "m5.large": "0.096"}})
    assert first == PricesImported(added=2, changed=0, unchanged=0)
    before = {row["instance_type"]: row for row in rows_of(OnDemandPrice)}
    again = taken(world, {"us-east-1": {"t3.micro": "0.01040", "m5.large": "0.096"}}, source="another file")
    assert again == PricesImported(added=0, changed=0, unchanged=2)
    assert {row["instance_type"]: row for row in rows_of(OnDemandPrice)} == before
    third = taken(world, {"us-east-1": {"m5.large": "0.1"}, "eu-west-1": {"m5.large": "0.111"}}, source="a later file")
    assert third == PricesImported(added=1, changed=1, unchanged=0)
    after = {(row["region"], row["instance_type"]): row for row in rows_of(OnDemandPrice)}
    assert after["us-east-1", "t3.micro"] == before["t3.micro"]
    changed = after["us-east-1", "m5.large"]
    assert (changed["price"], changed["source"]) == (Decimal("0.1"), "a later file")
    assert changed["id"] == before["m5.large"]["id"]
    assert changed["updated_at"] > before["m5.large"]["updated_at"]
    assert changed["created_at"] == before["m5.large"]["created_at"]
    assert after["eu-west-1", "m5.large"]["price"] == Decimal("0.111")


def test_every_tenant_reads_prices_and_none_writes_them(world: World) -> None:
    taken(world, {"us-east-1": {"t3.micro": "0.0104"}})
    with read_session(tenant=world.acme) as session:
        assert session.scalars(select(OnDemandPrice.price)).all() == [Decimal("0.0104")]
    with pytest.raises(NotAllowed), get_db_session(tenant=world.acme) as session:
        session.scalars(select(OnDemandPrice)).one().price = Decimal(0)


def test_a_refused_price_leaves_none_of_the_file(world: World) -> None:
    read = PricesRead("a file", {("us-east-1", "a.one"): Decimal(1), ("us-east-1", "b.two"): Decimal(-1)})
    with pytest.raises(ValueRefused), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        import_prices(session, world.admin, read)
    assert rows_of(OnDemandPrice) == []
