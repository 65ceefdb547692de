"""AWS for the tests of the gateways: one stand-in for each module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.gateways.aws_stand_in import AwsStandIn


@pytest.fixture(scope="module")
def world() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def aws(world: AwsStandIn) -> Iterator[AwsStandIn]:
    yield world
    world.heal()


@pytest.fixture
def connect(aws: AwsStandIn) -> Iterator[Callable[..., AwsGateway]]:
    """Make gateways to the stand-in that try once, unless told otherwise."""
    made: list[AwsGateway] = []

    def make(*, platform: Credentials | None = aws.platform, page_size: int = 1000, **options: Any) -> AwsGateway:
        given = {"endpoint_url": aws.url, "attempts": 1, **options}
        made.append(AwsGateway(ConnectionOptions(**given), platform=platform, page_size=page_size))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture(scope="module")
def gateway(world: AwsStandIn) -> Iterator[AwsGateway]:
    """Lend one gateway that tries once: making the clients of a new one takes longer than most tests."""
    shared = AwsGateway(ConnectionOptions(endpoint_url=world.url, attempts=1), platform=world.platform)
    yield shared
    shared.close()
