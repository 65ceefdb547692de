"""Facts of the market: what a file may hold, and that only what differs is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    OnDemandPrice,
    SpotAdvisorRating,
    SpotPrice,
    get_db_session,
    read_session,
)
from spothive.errors import InvalidInput, NotAllowed, ValueRefused
from spothive.operations.risk import MarketFact, MarketImported, MarketRead, import_market, read_market
from tests.operations.conftest import World
from tests.watching import rows_of, statements

ADVISOR = Path(__file__).parents[4] / "shared" / "data" / "spot-advisor-data.json"
MOMENT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def as_file(regions: Any, **more: Any) -> bytes:
    return json.dumps({"regions": regions} | more).encode()


def advisor(ratings: Any, *, region: str = "us-east-1", system: str = "Linux") -> bytes:
    return json.dumps({"ranges": [], "spot_advisor": {region: {system: ratings}}}).encode()


def entry(price: Any = "0.0123", **other: Any) -> dict[str, Any]:
    return {
        "AvailabilityZone": "us-east-1a",
        "InstanceType": "m5.large",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": price,
        "Timestamp": MOMENT.isoformat(),
    } | other


def history(*entries: Any) -> bytes:
    return json.dumps({"SpotPriceHistory": entries}).encode()


def taken(world: World, data: bytes, name: str = "prices.json") -> MarketImported:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return import_market(session, world.admin, read_market(name, data))


# --- reading ---


def test_a_table_of_prices_is_read_exactly() -> None:
    read = read_market("prices.json", as_file({"us-east-1": {"t3.micro": "0.0104", "m5.large": "0.096"}}))
    assert (read.fact, read.source, read.refused) == (MarketFact.ON_DEMAND, "prices.json", [])
    assert read.facts == {
        ("us-east-1", "t3.micro", "Linux"): (Decimal("0.0104"),),
        ("us-east-1", "m5.large", "Linux"): (Decimal("0.096"),),
    }


def test_a_number_is_as_exact_as_a_text() -> None:
    read = read_market("prices.json", b'{"regions": {"us-east-1": {"a.one": 0.1, "b.two": 3, "c.three": 0.000001}}}')
    assert list(read.facts.values()) == [(Decimal("0.1"),), (Decimal(3),), (Decimal("0.000001"),)]


def test_a_file_may_say_where_it_comes_from() -> None:
    assert read_market("prices.json", as_file({}, source="AWS, 2026-07-20")).source == "AWS, 2026-07-20"
    assert read_market("prices.json", as_file({}, source="two\nlines")).source == "prices.json"
    assert read_market("/data/anna/prices.json", as_file({})).source == "prices.json"  # every tenant reads it


def test_ratings_are_read_for_every_system() -> None:
    ratings = {"m5.large": {"r": 0, "s": 70}, "c5.large": {"s": -62, "r": 4}}
    read = read_market("advisor.json", advisor(ratings, system="Windows"))
    assert (read.fact, read.source, read.refused) == (MarketFact.ADVISOR, "advisor.json", [])
    assert read.facts == {
        ("us-east-1", "m5.large", "Windows"): (0, 70),
        ("us-east-1", "c5.large", "Windows"): (4, 0),  # dearer than on demand: nothing is saved
    }


def test_pages_of_a_price_history_are_read_together() -> None:
    local = entry("0.02", AvailabilityZone="us-west-2-lax-1a", Timestamp="2026-01-15T10:30:00+01:00")
    pages = history(entry(), entry()) + b"\n" + history(local)
    read = read_market("history.json", pages)
    assert (read.fact, read.refused) == (MarketFact.SPOT, [])
    assert read.facts == {
        ("us-east-1a", "m5.large", "Linux/UNIX", MOMENT): ("us-east-1", Decimal("0.0123")),
        ("us-west-2-lax-1a", "m5.large", "Linux/UNIX", MOMENT): ("us-west-2", Decimal("0.02")),
    }
    assert read_market("history.json", b"[%b, %b]" % (history(entry()), history(local))).facts == read.facts


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
        b'{"spot_advisor": []}',
        b'{"spot_advisor": {"us-east-1": []}}',
        b'{"spot_advisor": {"us-east-1": {"Linux": 1}}}',
        b'{"SpotPriceHistory": {}}',
        b'{"SpotPriceHistory": []} {"regions": {}}',
        b'{"regions": {}, "spot_advisor": {}}',
        b'{"regions": {}} {"regions": {}}',
        b'{"regions": {"us-east-1": {"m5.large": "1", "m5.large": "2"}}}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"regions": {"us-east-1": {"m5.large": 1e9999999999999999999999}}}',
        b'{"regions": {"us-east-1": {"m5.large": NaN}}}',
    ],
)
def test_what_is_no_file_of_market_facts_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^prices.json [^\n]+$"):
        read_market("prices.json", data)


PRICES = ["free", "", "-1", "0", "NaN", "Infinity", "0.0000001", "10000.01", "1e30", 1e30, True, None, [], {}]
PRICES += ["0_1.5", "\u0660.\u0662", " 0.2 ", "+3e-1", "3e-1", "+0.3", ".5", "1.", "0x1", "1" * 5000]


def test_a_bad_price_is_refused_by_name() -> None:
    for price in PRICES:
        read = read_market("prices.json", as_file({"us-east-1": {"t3.micro": price, "m5.large": "0.096"}}))
        assert list(read.facts) == [("us-east-1", "m5.large", "Linux")], price
        (refused,) = read.refused
        assert refused.startswith("'us-east-1' 't3.micro': "), price


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 33,
        "m5.lärge",
        "m5\n",
        "a\0b",
        "\ud800",
        "x",
        "zzz",
        "M5.large",
        "m5.",
        ".large",
        "m5.x.y",
        "m5 .large",
    ],
)
def test_a_bad_name_is_refused(name: str) -> None:
    assert read_market("prices.json", as_file({"us-east-1": {name: "1"}})).facts == {}
    assert read_market("advisor.json", advisor({name: {"r": 1, "s": 1}})).facts == {}
    read = read_market("prices.json", as_file({name: {"m5.large": "1"}}))
    assert (read.facts, len(read.refused)) == ({}, 1)
    assert "\n" not in read.refused[0]


def test_a_bad_rating_is_refused_by_name() -> None:
    bad: list[Any] = [None, 1, [], {}, *({"r": r, "s": 1} for r in (-1, 5, True, "1", 1.0, None))]
    savings: tuple[Any, ...] = (-101, 101, 1e3, False, "7", [])
    bad += [{"r": 1, "s": s} for s in savings]
    for rating in bad:
        read = read_market("advisor.json", advisor({"t3.micro": rating, "m5.large": {"r": 1, "s": 2}}))
        assert list(read.facts.values()) == [(1, 2)], rating
        assert read.refused[0].startswith("'us-east-1' 't3.micro' 'Linux': "), rating
    assert read_market("advisor.json", advisor({"m5.large": {"r": 1, "s": 2}}, system="Solaris")).facts == {}
    assert read_market("advisor.json", advisor({"m5.large": {"r": 1, "s": 2}}, region="us-esat-1")).facts == {}


def test_a_bad_entry_of_a_history_is_refused_by_name() -> None:
    late = (utc_now() + timedelta(hours=1)).isoformat()
    bad: list[Any] = [None, 1, "x", [], *map(entry, PRICES)]
    wrong: dict[str, tuple[Any, ...]] = {
        "AvailabilityZone": (None, "", "us-east-1", "us-esat-1a", 1, []),
        "InstanceType": (None, "", "m5.lärge", 5),
        "ProductDescription": (None, "", "x" * 65, {}),
        "Timestamp": (None, "", "2026-01-15", "2026-01-15T09:30:00", late, "0001-01-01T00:00:00Z", 1),
    }
    bad += [entry(**{name: value}) for name, values in wrong.items() for value in values]
    bad += [entry("0.5")]  # another price for the pool and time of the good one
    read = read_market("history.json", history(entry(), *bad))
    assert list(read.facts.values()) == [("us-east-1", Decimal("0.0123"))]
    assert len(read.refused) == len(bad)
    assert read.refused[-1].endswith(": said twice, differently; the first counts")
    for moment, reason in ((late, "lies in the future"), ("1970-01-01T00:00:00Z", "is of before 2009, when AWS sold")):
        (refused,) = read_market("history.json", history(entry(Timestamp=moment))).refused
        assert f": Timestamp {reason}" in refused


# --- writing ---


def test_only_what_differs_is_written(world: World) -> None:
    first = taken(world, as_file({"us-east-1": {"t3.micro": "0.0104", "m5.large": "0.096"}}))
    assert first == MarketImported(added=2, changed=0, unchanged=0)
    before = {row["instance_type"]: row for row in rows_of(OnDemandPrice)}
    again = taken(world, as_file({"us-east-1": {"t3.micro": "0.01040", "m5.large": "0.096"}}, source="another file"))
    assert again == MarketImported(added=0, changed=0, unchanged=2)
    assert {row["instance_type"]: row for row in rows_of(OnDemandPrice)} == before
    third = taken(
        world, as_file({"us-east-1": {"m5.large": "0.1"}, "eu-west-1": {"m5.large": "0.111"}}, source="a later file")
    )
    assert third == MarketImported(added=1, changed=1, unchanged=0)
    after = {(row["region"], row["instance_type"]): row for row in rows_of(OnDemandPrice)}
    assert after["us-east-1", "t3.micro"] == before["t3.micro"]
    changed = after["us-east-1", "m5.large"]
    assert (changed["price"], changed["source"]) == (Decimal("0.1"), "a later file")
    assert changed["id"] == before["m5.large"]["id"]
    assert changed["updated_at"] > before["m5.large"]["updated_at"]
    assert changed["created_at"] == before["m5.large"]["created_at"]
    assert after["eu-west-1", "m5.large"]["price"] == Decimal("0.111")


def test_every_tenant_reads_prices_and_none_writes_them(world: World) -> None:
    taken(world, as_file({"us-east-1": {"t3.micro": "0.0104"}}))
    with read_session(tenant=world.acme) as session:
        assert session.scalars(select(OnDemandPrice.price)).all() == [Decimal("0.0104")]
    with pytest.raises(NotAllowed), get_db_session(tenant=world.acme) as session:
        session.scalars(select(OnDemandPrice)).one().price = Decimal(0)


def test_a_refused_price_leaves_none_of_the_file(world: World) -> None:
    facts = {("us-east-1", name, "Linux"): (Decimal(price),) for name, price in (("a.one", 1), ("b.two", -1))}
    read = MarketRead(MarketFact.ON_DEMAND, "a file", facts)
    with pytest.raises(ValueRefused), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        import_market(session, world.admin, read)
    assert rows_of(OnDemandPrice) == []


def test_ratings_and_spot_prices_are_written_once(world: World) -> None:
    ratings = {"m5.large": {"r": 0, "s": 70}, "c5.large": {"r": 4, "s": 10}}
    assert taken(world, advisor(ratings)) == MarketImported(added=2, changed=0, unchanged=0)
    ratings["c5.large"]["r"] = 3
    assert taken(world, advisor(ratings), "later.json") == MarketImported(added=0, changed=1, unchanged=1)
    rated = {row["instance_type"]: row for row in rows_of(SpotAdvisorRating)}
    assert {name: row["source"] for name, row in rated.items()} == {"m5.large": "prices.json", "c5.large": "later.json"}
    assert rated["c5.large"]["interruption_band"] == 3

    later = entry("0.013", Timestamp=(MOMENT + timedelta(hours=1)).isoformat())
    assert taken(world, history(entry(), later)) == MarketImported(added=2, changed=0, unchanged=0)
    corrected = entry("0.014", Timestamp=later["Timestamp"])
    assert taken(world, history(entry(), corrected)) == MarketImported(added=0, changed=1, unchanged=1)
    prices = {row["observed_at"]: (row["region"], row["price"]) for row in rows_of(SpotPrice)}
    assert prices == {
        MOMENT: ("us-east-1", Decimal("0.0123")),
        MOMENT + timedelta(hours=1): ("us-east-1", Decimal("0.014")),
    }


def test_made_up_facts_never_take_the_place_of_true_ones(world: World) -> None:
    made_up = as_file({"us-east-1": {"m5.large": "9", "c5.large": "9"}}, source="synthetic")
    taken(world, as_file({"us-east-1": {"m5.large": "0.096"}}))
    assert taken(world, made_up) == MarketImported(added=1, changed=0, unchanged=0, kept=1)
    true = as_file({"us-east-1": {"c5.large": "9"}})
    assert taken(world, true) == MarketImported(added=0, changed=1, unchanged=0)  # now somebody answers for it
    assert {row["source"] for row in rows_of(OnDemandPrice)} == {"prices.json"}


def made_up_history(*entries: Any) -> MarketRead:
    read = read_market("synthetic", history(*entries))
    assert read.source == "synthetic"
    return read


def stored(world: World, read: MarketRead) -> MarketImported:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return import_market(session, world.admin, read)


def test_a_spot_pool_has_true_prices_or_made_up_ones_and_never_both(world: World) -> None:
    later, latest = ((MOMENT + timedelta(hours=n)).isoformat() for n in (1, 2))
    windows = {"ProductDescription": "Windows"}
    taken(world, history(entry("0.02")))
    before = rows_of(SpotPrice)
    made_up = made_up_history(
        entry("9", Timestamp=later),
        entry("9", Timestamp=later, **windows),
        entry("9", Timestamp=later, AvailabilityZone="us-east-1b"),
        entry("8", Timestamp=latest, AvailabilityZone="us-east-1b"),
        entry("9", Timestamp=later, InstanceType="c5.large"),
    )
    assert stored(world, made_up) == MarketImported(added=4, changed=0, unchanged=0, kept=1)
    assert [row for row in rows_of(SpotPrice) if row["source"] == "prices.json"] == before
    assert stored(world, made_up) == MarketImported(added=0, changed=0, unchanged=4, kept=1)

    true = history(entry("0.03", AvailabilityZone="us-east-1b"), entry("0.03", Timestamp=later, **windows))
    assert taken(world, true) == MarketImported(added=2, changed=0, unchanged=0, removed=3)
    prices = {
        (row["availability_zone"], row["instance_type"], row["product"]): (str(row["price"]), row["source"])
        for row in rows_of(SpotPrice)
    }
    assert prices == {
        ("us-east-1a", "m5.large", "Linux/UNIX"): ("0.020000", "prices.json"),
        ("us-east-1a", "m5.large", "Windows"): ("0.030000", "prices.json"),
        ("us-east-1b", "m5.large", "Linux/UNIX"): ("0.030000", "prices.json"),
        ("us-east-1a", "c5.large", "Linux/UNIX"): ("9.000000", "synthetic"),
    }
    assert taken(world, true) == MarketImported(added=0, changed=0, unchanged=2)


def test_true_and_made_up_prices_are_parted_in_a_constant_number_of_statements(world: World) -> None:
    def entries(price: str, count: int) -> list[dict[str, Any]]:
        return [entry(price, InstanceType=f"m{number}.large") for number in range(1, count + 1)]

    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, statements() as made_up:
        import_market(session, world.admin, made_up_history(*entries("9", 300)))
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, statements() as true:
        done = import_market(session, world.admin, read_market("true.json", history(*entries("0.1", 300))))
    assert done == MarketImported(added=300, changed=0, unchanged=0, removed=300)
    assert max(made_up.total(), true.total()) < 20


@pytest.mark.skipif(not ADVISOR.is_file(), reason="the real file of the advisor is not part of the project")
def test_the_real_file_of_the_advisor(world: World) -> None:
    assert taken(world, ADVISOR.read_bytes()) == MarketImported(added=25_323, changed=0, unchanged=0)
    assert taken(world, ADVISOR.read_bytes()) == MarketImported(added=0, changed=0, unchanged=25_323)
