"""What is known of pools means what it meant in the history that the model was trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from sqlalchemy import text

from spothive.clock import utc_now
from spothive.database import read_session
from spothive.errors import InvalidInput
from spothive.models import PLATFORM_TENANT_ID
from spothive.operations.decisions.pool_facts import (
    KnownPool,
    Pool,
    change_since,
    read_pool,
    read_pools,
    read_region,
    volatility,
)
from spothive.scoring.features import PoolFacts
from tests.conftest import Database
from tests.operations.decisions import market
from tests.operations.decisions.market import REGION, notice, on_demand, price, rating
from tests.watching import explained_all, statements

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def known(
    zones: str = "a", types: tuple[str, ...] = ("m5.large",), now: datetime | None = None
) -> dict[Pool, KnownPool]:
    with read_session(tenant=PLATFORM_TENANT_ID) as session:
        region = read_region(session, REGION)
        return read_pools(session, region, [REGION + zone for zone in zones], types, now or utc_now())


def pool(zone: str = "a", instance_type: str = "m5.large") -> Pool:
    return Pool(REGION, REGION + zone, instance_type)


def test_prices_mean_what_they_meant_in_training() -> None:
    dice = Random(1)
    hourly = [Decimal(dice.randrange(20_000, 90_000)).scaleb(-6) for _ in range(9 * 24)]
    for each in range(30, 60):
        hourly[each] = hourly[30]  # AWS tells changes only
    told = [
        (NOW - (len(hourly) - hour) * HOUR, amount)
        for hour, amount in enumerate(hourly)
        if not hour or amount != hourly[hour - 1]
    ]
    values = np.array([float(amount) for amount in hourly])
    week = values[-168:]
    # training/history.py: the price of the last whole hour against that of the hour 24 and 168 before
    assert change_since(told, hourly[-1], NOW - HOUR - 24 * HOUR) == pytest.approx(values[-1] / values[-25] - 1)
    assert change_since(told, hourly[-1], NOW - HOUR - 168 * HOUR) == pytest.approx(values[-1] / values[-169] - 1)
    assert volatility(told, NOW) == pytest.approx(np.sqrt(np.mean(week**2) - np.mean(week) ** 2) / np.mean(week))


def test_what_is_known_of_a_part_only() -> None:
    two_days = [(NOW - 48 * HOUR, Decimal("0.03")), (NOW - 24 * HOUR, Decimal("0.05"))]
    assert volatility(two_days, NOW) == pytest.approx(0.25)
    assert volatility(two_days[1:], NOW) == pytest.approx(0)
    assert volatility([(NOW - 23 * HOUR, Decimal("0.03"))], NOW) is None
    assert volatility([], NOW) is None
    assert volatility([(NOW - 48 * HOUR, Decimal(0))], NOW) is None
    assert change_since(two_days, Decimal("0.06"), NOW - 24 * HOUR) == pytest.approx(0.2)
    assert change_since(two_days, Decimal("0.06"), NOW - 49 * HOUR) is None
    assert change_since(two_days, None, NOW) is None


def test_all_that_is_known_of_a_pool(db: Database) -> None:
    day = timedelta(days=1)
    market.store(
        price("a", "m5.large", "0.04", ago=30 * day),
        price("a", "m5.large", "0.02", ago=8 * day),
        price("a", "m5.large", "0.05", ago=2 * day),
        price("a", "m5.large", "0.03", ago=HOUR),
        price("a", "m5.large", "9", ago=-HOUR),  # of the future
        price("a", "m5.large", "9", product="Windows"),
        price("b", "m5.large", "0.07", ago=9 * day),
        on_demand("m5.large", "0.1"),
        rating("m5.large", 3, 62),
        notice("a", "m5.large", timedelta(minutes=30)),
        notice("a", "m5.large", 100 * HOUR),
        notice("a", "m5.large", 361 * HOUR),
        notice("a", "m5.large", HOUR, counted=False),  # of a LAB account
        notice("a", "m5.large", 2 * HOUR, rebalance=True),
        notice("a", "m5.large", 2 * HOUR, rebalance=True, counted=False),  # of a LAB account
        notice("a", "m5.large", 25 * HOUR, rebalance=True),
        notice("b", "m5.large", -HOUR),  # of a clock that is ahead
    )
    now = utc_now()
    market.store(market.blocked("a", "m5.large", now + day), market.blocked("b", "m5.large", now - HOUR))
    found = known("abc", now=now)
    here = found[pool()]
    assert (here.price, here.on_demand, here.band, here.blocked_until) == (
        Decimal("0.03"), Decimal("0.1"), 3, now + day,
    )  # fmt: skip
    hours = np.array([0.02] * 120 + [0.05] * 47 + [0.03])
    spread = here.facts.price_volatility_7d
    assert spread == pytest.approx(hours.std() / hours.mean(), rel=1e-3)  # the test itself takes a moment
    assert here.facts == PoolFacts(
        advisor_band=3,
        savings_percent=62,
        price_ratio=Decimal("0.3"),
        price_change_1d=pytest.approx(-0.4),  # type: ignore[arg-type]  # compares like a number
        price_change_7d=pytest.approx(0.5),  # type: ignore[arg-type]  # as above
        price_volatility_7d=spread,
        interruptions_15d=2,
        interruptions_24h=1,
        hours_since_interruption=1,
        rebalances_24h=1,
        size_class=4,
        generation=5,
    )
    stale, nothing = found[pool("b")], found[pool("c")]
    assert (stale.price, stale.blocked_until) == (None, None)
    assert stale.priced_at is not None
    assert stale.facts.interruptions_15d == 0
    assert (nothing.price, nothing.priced_at, nothing.facts.price_ratio) == (None, None, None)


def test_a_price_of_24_hours_is_fresh_and_an_older_one_is_not(db: Database) -> None:
    row = price("a", "m5.large", "0.04")
    market.store(row)
    at = row.observed_at
    assert known(now=at + timedelta(hours=24))[pool()].price == Decimal("0.04")
    assert known(now=at + timedelta(hours=24, microseconds=1))[pool()].price is None
    assert known(now=at - timedelta(microseconds=1))[pool()].priced_at is None


def test_many_pools_take_as_many_statements_as_one_and_find_prices_by_their_key(db: Database) -> None:
    types = tuple(f"m5.{number}xlarge" for number in range(1, 60))
    market.store(*(price(zone, each, "0.03") for zone in "abc" for each in types))
    with statements() as one:
        known()
    with statements() as many:
        assert sum(each.price is not None for each in known("abc", types).values()) == 3 * len(types)
    assert sum(one.values()) == sum(many.values())


def test_prices_are_found_by_their_key(db: Database) -> None:
    types = ("m5.large", "m6i.large")
    with read_session(tenant=PLATFORM_TENANT_ID) as session:
        if db.engine == "postgresql":
            session.execute(text("SET LOCAL enable_seqscan = off"))  # the table is small
        region = read_region(session, REGION)
        plans = explained_all(session, "spot_prices", lambda: read_pools(session, region, [f"{REGION}a"], types, NOW))
    assert len(plans) == 2
    key = {
        "sqlite": "sqlite_autoindex_spot_prices_2 (availability_zone=? AND instance_type=? AND product=? AND observed"
    }
    assert all(key.get(db.engine, "uq_spot_prices_pool_observed_at") in plan for plan in plans), plans


@pytest.mark.parametrize(
    "name",
    ["", "m5.large", "eu-west-1:us-east-1a:m5.large", "eu-west-1:eu-west-1a:large", "eu-west-1:eu-west-1a", "a:b:c:d"],
)
def test_what_is_no_pool(name: str) -> None:
    with pytest.raises(InvalidInput, match="a pool is region:availability_zone:instance_type"):
        read_pool(name)
    assert read_pool("eu-west-1:eu-west-1a:m5.large") == pool()
