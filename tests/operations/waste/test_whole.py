"""The whole way at the stand-in, behind the real protocol: from two years of waste to what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from spothive.database import EnvironmentType, ScanStatus, get_db_session
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.onboarding_template import READING, granted
from spothive.operations.waste import Ending
from tests.factories.fleets import connected_account
from tests.factories.waste import AWAY, HOME, delete, flagged, scan, schedule
from tests.operations.conftest import World
from tests.operations.waste.conftest import statuses, waste


@pytest.fixture
def cloud() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


def connected(world: World, aws: AwsStandIn, actions: tuple[str, ...]) -> Any:
    account = aws.make_account(regions=[HOME, AWAY], instances=20)
    with get_db_session(tenant=world.acme) as session:
        row = connected_account(session, world.anna.user_id, name="shop", account_id=account.account_id)
        row.environment_type = EnvironmentType.PROD
        trust: dict[str, Any] = {"trusts": aws.platform_arn, "external_id": row.external_id}
        row.role_arn = account.make_role(**trust, actions=actions)
    return account


@pytest.mark.usefixtures("no_grace")
def test_two_years_of_waste_are_found_and_deleted(world: World, cloud: AwsStandIn) -> None:
    account = connected(world, cloud, granted("full"))
    held = [account.hold_waste(region) for region in (HOME, AWAY)]
    gateway = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform)
    flagged(world.anna, gateway)
    wanted = {name for each in held for name in (*each.addresses, *each.volumes, *each.snapshots, *each.images)}
    spared = {name: why for each in held for name, why in each.spared.items()}
    old = set(wanted)
    # Nothing stands on these all the same.
    wanted |= {name for name, why in spared.items() if why == "its volume is there"}
    found = set(statuses())
    assert found == wanted, {name: spared.get(name, "waste") for name in found ^ wanted}
    assert {statuses()[name] for name in old} == {"FLAGGED"}
    chosen = [part[0] for part in (held[0].addresses, held[1].volumes, held[0].snapshots, held[1].images)]
    schedule(world.anna, *chosen)
    done = delete(world.anna, gateway)
    assert {each.resource_id: each.ending for each in done} == dict.fromkeys(chosen, Ending.DELETED), done
    assert scan(world.anna, gateway).status is ScanStatus.COMPLETE
    assert {name for name, status in statuses().items() if status == "DELETED"} == set(chosen)
    assert {statuses()[name] for name in old.difference(chosen)} == {"FLAGGED"}
    recipe = waste()[chosen[3]]["undo_recipe"]
    assert recipe["snapshots"]
    gateway.close()


@pytest.mark.usefixtures("no_grace")
def test_a_role_that_may_only_look_deletes_nothing_and_says_why(world: World, cloud: AwsStandIn) -> None:
    account = connected(world, cloud, READING)
    name = account.make_address(HOME)
    gateway = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform)
    flagged(world.anna, gateway)
    schedule(world.anna, name)
    (done,) = delete(world.anna, gateway)
    assert (done.ending, "lets spothive look, but not act" in done.detail) == (Ending.FAILED, True), done
    gateway.close()
