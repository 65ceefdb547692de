"""Two companies with instances that AWS may take, and what it announces about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from spothive.database import EnvironmentType, get_db_session
from spothive.operations.risk import EventResult, record_spot_event
from tests.factories import make_instance
from tests.factories.fleets import connected_account
from tests.factories.spot_events import spot_event
from tests.operations.conftest import World

POOL = "us-east-1:us-east-1a:m5.large"
PROD, LAB, THEIRS = "111111111111", "222222222222", "333333333333"
IN_PROD, IN_LAB, IN_THEIRS = (f"i-{number:017x}" for number in (1, 2, 3))


@pytest.fixture
def fleet(world: World) -> World:
    """Give acme a PROD and a LAB account, and globex a PROD account, with an instance each in the same pool."""
    _hold(world.acme, world.anna.user_id, PROD, IN_PROD, EnvironmentType.PROD)
    _hold(world.acme, world.anna.user_id, LAB, IN_LAB, EnvironmentType.LAB)
    _hold(world.globex, world.gina.user_id, THEIRS, IN_THEIRS, EnvironmentType.PROD)
    return world


def _hold(tenant_id: UUID, user_id: UUID, account_id: str, instance_id: str, environment: EnvironmentType) -> None:
    with get_db_session(tenant=tenant_id) as session:
        account = connected_account(session, user_id, name=f"name-of-{account_id}", account_id=account_id)
        account.environment_type = environment
    place = {"region": "us-east-1", "availability_zone": "us-east-1a"}
    make_instance(tenant_id, account.id, instance_id, **place)


def hit(**facts: Any) -> dict[str, Any]:
    """Return the event that takes acme's PROD instance."""
    return spot_event(**({"account": PROD, "instance_id": IN_PROD} | facts))


def told(world: World, event: Mapping[str, Any], tenant_id: UUID | None = None) -> EventResult:
    """Hand an event in as staff, or as anna at home if ``tenant_id`` is given."""
    return record_spot_event(get_db_session, world.anna if tenant_id else world.admin, event, tenant_id=tenant_id)
