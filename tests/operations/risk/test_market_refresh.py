"""Asking AWS for spot prices: what a stand-in answers is stored, and what fails is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from spothive.clock import utc_now
from spothive.database import SpotPrice, get_db_session
from spothive.errors import ConfigurationError, Denied, InvalidInput, NetworkInTransaction
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.operations.fleet import import_fleet
from spothive.operations.risk import MarketRefreshed, refresh_market
from tests.factories.fleets import answer_of, observed
from tests.operations.conftest import World, audited
from tests.watching import rows_of

HOME, AWAY = "us-east-1", "eu-west-1"
TYPES = ("m5.large", "c5.xlarge")
HISTORY = "DescribeSpotPriceHistory"


@pytest.fixture(scope="module")
def cloud() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def aws(cloud: AwsStandIn) -> Iterator[AwsStandIn]:
    yield cloud
    cloud.heal()


@pytest.fixture(scope="module")
def gateway(cloud: AwsStandIn) -> Iterator[AwsGateway]:
    """Lend a gateway to which AWS gives at most 100 prices at a time."""
    shared = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform, page_size=100)
    yield shared
    shared.close()


def refreshed(world: World, gateway: AwsGateway, *regions: str, types: tuple[str, ...] = TYPES) -> MarketRefreshed:
    return refresh_market(get_db_session, world.admin, regions=regions, types=types, gateway=gateway)


def test_every_page_of_every_region_is_stored_once(world: World, gateway: AwsGateway, aws: AwsStandIn) -> None:
    asked = aws.calls("ec2", HISTORY)
    first = refreshed(world, gateway, HOME, AWAY)
    assert aws.calls("ec2", HISTORY) - asked > 4
    stored = rows_of(SpotPrice)
    assert (first.regions, first.added, first.changed, first.refused, first.failed) == (
        sorted([AWAY, HOME]),
        len(stored),
        0,
        [],
        {},
    )
    assert {(row["region"], row["instance_type"]) for row in stored} == {(r, t) for r in (HOME, AWAY) for t in TYPES}
    assert {row["availability_zone"] for row in stored if row["region"] == AWAY} == {f"{AWAY}{z}" for z in "abc"}
    assert {(row["product"], row["source"]) for row in stored} == {("Linux/UNIX", "ec2:DescribeSpotPriceHistory")}
    assert min(row["observed_at"] for row in stored) > utc_now() - timedelta(hours=24, minutes=1)
    trail = [row for row in audited() if row[0] == "market.refreshed"]
    assert [(row[1], row[2], row[5]["added"]) for row in trail] == [
        (AWAY, "SUCCESS", 3 * (first.added // 9)),
        (HOME, "SUCCESS", 6 * (first.added // 9)),
    ]
    again = refreshed(world, gateway, HOME, types=TYPES[:1])
    assert again.unchanged > again.added  # an hour may have begun in between


def test_a_region_that_gives_no_answer_is_remembered_and_the_others_go_on(
    world: World, gateway: AwsGateway, aws: AwsStandIn
) -> None:
    aws.inject(Fault(Trouble.THROTTLED, operation=HISTORY, region=AWAY, after=1))
    result = refreshed(world, gateway, HOME, AWAY, "eu-central-1")  # the last is not enabled
    assert result.failed.keys() == {AWAY, "eu-central-1"}
    assert {row["region"] for row in rows_of(SpotPrice)} == {HOME}
    outcomes = {row[1]: row[2] for row in audited() if row[0] == "market.refreshed"}
    assert outcomes == {AWAY: "FAILURE", "eu-central-1": "FAILURE", HOME: "SUCCESS"}


def test_without_regions_those_in_use_are_asked_for(world: World, gateway: AwsGateway) -> None:
    with pytest.raises(InvalidInput, match="name a region"):
        refreshed(world, gateway)
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name="shop", answer=answer_of([observed(1)]))
    assert len(refreshed(world, gateway).regions) == 1


def test_who_may_not_asks_nothing(world: World, gateway: AwsGateway, aws: AwsStandIn) -> None:
    asked = aws.calls()
    with pytest.raises(Denied):
        refresh_market(get_db_session, world.anna, regions=[HOME], types=TYPES, gateway=gateway)
    with pytest.raises(InvalidInput, match="is no AWS region"):
        refreshed(world, gateway, "us-esat-1")
    with get_db_session(tenant=world.acme), pytest.raises(NetworkInTransaction):
        next(gateway.spot_price_pages(HOME, since=utc_now()))
    assert aws.calls() == asked
    assert [(row[0], row[2]) for row in audited()][-1] == ("market.refreshed", "DENIED")


def test_wrong_credentials_of_spothive_itself_end_it(world: World, aws: AwsStandIn) -> None:
    wrong = AwsGateway(ConnectionOptions(endpoint_url=aws.url, attempts=1), platform=Credentials("AKIAWRONG", "wrong"))
    with pytest.raises(ConfigurationError):
        refreshed(world, wrong, AWAY)
    wrong.close()
    assert [(row[0], row[1], row[2]) for row in audited()][-1] == ("market.refreshed", AWAY, "FAILURE")
