"""Reading the fleet: pages, filters, and groups with what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from spothive.database import (
    PLATFORM_TENANT_ID,
    AuthStatus,
    Instance,
    InstanceState,
    Lifecycle,
    get_db_session,
    read_session,
)
from spothive.errors import InvalidInput
from spothive.gateways.ec2_answer import ObservedInstance
from spothive.operations.fleet import FleetGroup, InstanceFilter, import_fleet, list_instances, summarise_fleet
from spothive.operations.risk import MarketFact, MarketRead, import_market
from spothive.schema.states import move
from tests.factories.fleets import answer_of, observed
from tests.operations.conftest import World
from tests.watching import statements


def imported(world: World, *fleet: ObservedInstance, name: str = "shop") -> None:
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name=name, answer=answer_of(fleet))


def priced(world: World, prices: dict[tuple[str, str], str]) -> None:
    facts = {(*key, "Linux"): (Decimal(price),) for key, price in prices.items()}
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        import_market(session, world.admin, MarketRead(MarketFact.ON_DEMAND, "a test", facts))


def listed(world: World, **wanted: object) -> list[int]:
    """Return the numbers of the instances on the page."""
    with read_session(tenant=world.acme) as session:
        page = list_instances(session, InstanceFilter(**wanted))  # type: ignore[arg-type]  # what the test says
    return [int(each.instance.instance_id.removeprefix("i-"), base=16) for each in page]


def groups(world: World, by: str) -> dict[str, FleetGroup]:
    with read_session(tenant=world.acme) as session:
        return {group.key: group for group in summarise_fleet(session, by)}  # type: ignore[arg-type]  # a GroupBy


def test_pages_follow_one_another_without_gap_or_repetition(world: World) -> None:
    imported(world, *(observed(number) for number in range(25)))
    seen: list[int] = []
    after = None
    while page := listed(world, limit=10, after=after):
        seen += page
        after = observed(page[-1]).instance_id
    assert seen == list(range(25))


def test_a_page_is_one_statement_whatever_it_holds(world: World) -> None:
    imported(world, *(observed(number, cluster_name="web") for number in range(30)))
    with read_session(tenant=world.acme) as session:
        session.connection()
        with statements() as sent:
            page = list_instances(session, InstanceFilter())
    assert [(each.account_name, each.cluster_name) for each in page] == [("shop", "web")] * 30
    assert sent.total() == 1


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_has_a_size(world: World, limit: int) -> None:
    with pytest.raises(InvalidInput, match=r"^a page has 1 to 10000 instances$"):
        listed(world, limit=limit)


def test_filters_narrow_together(world: World) -> None:
    imported(
        world,
        observed(1, cluster_name="web", lifecycle="spot"),
        observed(2, instance_type="m5.xlarge", state="stopped"),
        observed(3, instance_type="m5a.large", region="eu-west-1", availability_zone="eu-west-1a"),
        observed(4, instance_type="c5.large", lifecycle="spot"),
    )
    imported(world, observed(5, lifecycle="spot"), name="another")
    assert listed(world) == [1, 2, 3, 4, 5]
    assert listed(world, account="another") == [5]
    assert listed(world, region="eu-west-1") == [3]
    assert listed(world, state=InstanceState.STOPPED) == [2]
    assert listed(world, lifecycle=Lifecycle.SPOT) == [1, 4, 5]
    assert listed(world, family="m5") == [1, 2, 5]
    assert listed(world, cluster="web") == [1]
    assert listed(world, family="m5", lifecycle=Lifecycle.SPOT, account="shop") == [1]
    assert listed(world, account="no such") == listed(world, cluster="no such") == []


def test_those_nobody_answers_for_are_found_by_an_index_of_their_own(world: World) -> None:
    imported(world, *(observed(number) for number in range(3)))
    with get_db_session(tenant=world.acme) as session:
        since = datetime(2026, 3, 10, 12, tzinfo=UTC)
        rogue = session.scalars(select(Instance).order_by(Instance.instance_id)).first()
        assert rogue is not None
        move(session, rogue, Instance.auth_status, AuthStatus.FLAGGED, flagged_at=since)
    assert listed(world, auth_status=AuthStatus.FLAGGED) == [0]
    assert listed(world, auth_status=AuthStatus.UNAUTHORIZED) == []
    assert listed(world, auth_status=AuthStatus.AUTHORIZED) == [1, 2]
    with read_session(tenant=world.acme) as session, statements() as sent:
        list_instances(session, InstanceFilter(auth_status=AuthStatus.FLAGGED))
    assert any("flagged_at IS NOT NULL" in each for each in sent), "what the partial index asks for"


@pytest.mark.parametrize("family", ["%", "_5", "m%", "m5%", "m5.", "", "\\", "M5"])
def test_wildcards_are_literal(world: World, family: str) -> None:
    imported(world, observed(1), observed(2, instance_type="c5.large"))
    assert listed(world, family=family) == []


def test_terminated_instances_are_listed_but_in_no_group(world: World) -> None:
    imported(world, observed(1, state="terminated"), observed(2))
    assert listed(world) == [1, 2]
    assert groups(world, "region")["us-east-1"].instances == 1


def test_a_tenant_reads_its_own_fleet(world: World) -> None:
    imported(world, observed(1))
    with read_session(tenant=world.globex) as session:
        assert list_instances(session, InstanceFilter()) == []
        assert summarise_fleet(session, "region") == []


def test_money_is_exact_and_unknown_prices_are_counted(world: World) -> None:
    priced(world, {("us-east-1", "m5.large"): "0.096001", ("eu-west-1", "m5.large"): "0.107"})
    there = {"region": "eu-west-1", "availability_zone": "eu-west-1a"}
    imported(
        world,
        *(observed(number) for number in range(3)),
        observed(10, state="pending"),
        observed(11, state="stopped"),
        observed(12, instance_type="c5.large"),
        observed(13, **there, lifecycle="spot", cluster_name="web"),
        observed(14, **there, state="shutting-down"),
    )
    by_region = groups(world, "region")
    assert list(by_region) == ["us-east-1", "eu-west-1"]  # the largest first
    here = by_region["us-east-1"]
    assert (here.instances, here.billed, here.unpriced) == (6, 4, 1)
    assert here.monthly_cost == Decimal("0.096001") * 730 * 3
    assert by_region["eu-west-1"] == FleetGroup("eu-west-1", 2, 1, Decimal("0.107") * 730, 0)
    assert {key: group.instances for key, group in groups(world, "family").items()} == {"m5": 7, "c5": 1}
    assert {key: group.billed for key, group in groups(world, "lifecycle").items()} == {"on-demand": 4, "spot": 1}
    assert {key: group.instances for key, group in groups(world, "cluster").items()} == {"(none)": 7, "web": 1}
    for by in ("family", "lifecycle", "cluster"):
        total = sum((group.monthly_cost for group in groups(world, by).values()), Decimal())
        assert total == Decimal("0.096001") * 730 * 3 + Decimal("0.107") * 730


def test_one_account_can_be_summed_alone(world: World) -> None:
    imported(world, observed(1), observed(2))
    imported(world, observed(3), name="another")
    with read_session(tenant=world.acme) as session:
        account_id = list_instances(session, InstanceFilter(account="another"))[0].instance.account_id
        (group,) = summarise_fleet(session, "region", account_id=account_id)
    assert (group.key, group.instances) == ("us-east-1", 1)


def test_a_summary_is_two_statements(world: World) -> None:
    imported(world, *(observed(number, instance_type=f"m{number}.large") for number in range(40)))
    with read_session(tenant=world.acme) as session:
        session.connection()
        with statements() as sent:
            summarise_fleet(session, "family")
    assert sent.total() == 2
