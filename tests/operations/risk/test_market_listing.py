"""The list of the market: what counting through everything would find, found by a few looks into keys."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    OnDemandPrice,
    SpotAdvisorRating,
    SpotPrice,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.operations.risk import MarketEntry, SpotOffer, list_market
from tests.conftest import Database
from tests.watching import explained_all, rows_of, statements

ZONES = {
    "us-east-1a": "us-east-1",
    "us-east-1-atl-1a": "us-east-1",
    "us-east-2a": "us-east-2",
    "us-gov-east-1a": "us-gov-east-1",
    "eu-west-1a": "eu-west-1",
    "eu-west-1b": "eu-west-1",
}
TYPES = ["c5.large", "m5.large", "m5a.large", "m5.24xlarge", "t3.micro"]
WAYS: list[dict[str, Any]] = [
    {},
    {"region": "us-east-1"},
    {"region": "ap-south-1"},
    {"instance_type": "m5.large"},
    {"instance_type": "x9.none"},
    {"region": "eu-west-1", "instance_type": "m5a.large"},
    *({"limit": limit} for limit in range(1, 20)),
]


def store(model: Any, rows: list[dict[str, Any]]) -> None:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "test"):
        session.add_all(model(**row) for row in rows)


def make_market(chance: random.Random) -> None:
    """Store a market in which every kind of fact is known of some types in some places, and of some nothing."""
    places = [(region, name) for region in sorted(set(ZONES.values())) for name in TYPES]
    now = utc_now().replace(microsecond=0)

    def listed(**told: Any) -> list[dict[str, Any]]:
        return [
            {"region": region, "instance_type": name, "os": system, "source": "a file", "observed_at": now} | told
            for region, name in places
            for system in ("Linux", "Windows")
            if chance.random() < 0.4
        ]

    store(OnDemandPrice, listed(price=Decimal("0.1")))
    store(SpotAdvisorRating, listed(interruption_band=1, savings_percent=70))
    spot = [
        {"region": region, "availability_zone": zone, "instance_type": name, "product": product, "source": f"file {n}"}
        | {"observed_at": now - timedelta(hours=chance.randrange(24 * n, 24 * n + 24)), "price": Decimal(n + 1) / 100}
        for zone, region in ZONES.items()
        for name in TYPES
        for product in ("Linux/UNIX", "Windows")
        if chance.random() < 0.5
        for n in range(chance.randrange(1, 4))
    ]
    chance.shuffle(spot)
    store(SpotPrice, spot)


def counted_through(region: str | None = None, instance_type: str | None = None, limit: int = 100) -> list[MarketEntry]:
    """Return what the list should be, from every row."""
    prices = {(row["region"], row["instance_type"]): row for row in rows_of(OnDemandPrice, os="Linux")}
    ratings = {(row["region"], row["instance_type"]): row for row in rows_of(SpotAdvisorRating, os="Linux")}
    offers: dict[tuple[str, str], dict[str, SpotOffer]] = {}
    for row in sorted(rows_of(SpotPrice, product="Linux/UNIX"), key=lambda row: row["observed_at"]):
        offer = SpotOffer(row["availability_zone"], row["price"], row["observed_at"], row["source"])
        offers.setdefault((row["region"], row["instance_type"]), {})[offer.zone] = offer
    entries = []
    for place in sorted(prices.keys() | ratings.keys() | offers.keys()):
        if region in (None, place[0]) and instance_type in (None, place[1]):
            price, rating = prices.get(place, {}), ratings.get(place, {})
            entry = MarketEntry(
                region=place[0],
                instance_type=place[1],
                on_demand=price.get("price"),
                band=rating.get("interruption_band"),
                savings_percent=rating.get("savings_percent"),
                on_demand_source=price.get("source"),
                advisor_source=rating.get("source"),
                offers=tuple(offer for _, offer in sorted(offers.get(place, {}).items())),
            )
            entries.append(entry)
    return entries[:limit]


@pytest.mark.parametrize("seed", range(3))
def test_the_list_is_what_every_row_together_says(db: Database, seed: int) -> None:
    make_market(random.Random(seed))
    with read_session(tenant=PLATFORM_TENANT_ID) as session:
        for way in WAYS:
            assert list_market(session, **way) == counted_through(**way), way
    assert any(entry.on_demand is None and entry.band is None and entry.offers for entry in counted_through())


def test_six_statements_and_none_reads_the_history(db: Database) -> None:
    make_market(random.Random(1))
    with read_session(tenant=PLATFORM_TENANT_ID) as session:
        session.connection()  # begins
        with statements() as sent:
            list_market(session)
        plans = "\n".join(explained_all(session, "spot_prices", lambda: list_market(session)))
    assert sum(sent.values()) == 6
    if db.engine == "sqlite":
        # Without a condition in brackets an index is read from end to end, but for the end that min() wants.
        looks, key = re.findall(r"(?:SCAN|SEARCH) spot_prices.*", plans), "sqlite_autoindex_spot_prices_2"
        first, *others = looks
        assert first.endswith(key)
        assert all(look.endswith(")") and f"{key} (availability_zone" in look for look in others), plans
    else:
        looks = re.findall(r"Scan.* on spot_prices.*\n *(.*)", plans)
        assert all(re.match(r"Index Cond: \(+availability_zone", look) for look in looks[1:]), plans
    assert len(looks) == (8 if db.engine == "sqlite" else 6), "PostgreSQL does not show those of a recursive step"
