"""Two companies with instances that AWS may take, and what it announces about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import EnvironmentType, Instance, SpotPoolRisk, SpotPrice, get_db_session, system_scope
from spothive.operations.risk import EventOutcome, EventResult, record_spot_event
from spothive.operations.risk.pools import BLOCKED_FOR
from tests.factories import make_instance
from tests.factories.fleets import connected_account
from tests.factories.spot_events import spot_event
from tests.operations.conftest import World
from tests.watching import rows_of

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


def pool() -> dict[str, Any]:
    """Return what the one pool says, apart from its id and when it was written."""
    (row,) = rows_of(SpotPoolRisk)
    return {name: row[name] for name in ("is_poisoned", "interruption_count", "last_interruption", "poison_expires_at")}


Given = TypeVar("Given")
Got = TypeVar("Got")


def at_the_same_time(work: Callable[[Given], Got], given: Iterable[Given]) -> list[Got]:
    """Do ``work`` with each of what is given, a thread each that begins when all are ready; return what came of it."""
    each = list(given)
    barrier = Barrier(len(each))

    def begin(one: Given) -> Got:
        barrier.wait(60)
        return work(one)

    with ThreadPoolExecutor(len(each)) as threads:
        return list(threads.map(begin, each))


def at_once(world: World, events: list[dict[str, Any]]) -> list[EventOutcome]:
    """Hand all events in at the same moment, a thread each; return what became of them."""
    return at_the_same_time(lambda event: told(world, event, world.acme).outcome, events)


def price(zone: str, usd: str, *, hours_old: float = 1, **facts: Any) -> None:
    """Make a spot price of m5.large under Linux in a zone."""
    row = {"region": zone[:-1], "availability_zone": zone, "instance_type": "m5.large", "source": "test"} | facts
    row |= {"price": usd, "observed_at": utc_now() - timedelta(hours=hours_old)}
    with get_db_session() as session, system_scope(session, "test"):
        session.add(SpotPrice(**row))


def block(zone: str, *, hours: float = 1) -> None:
    """Block the pool of m5.large in a zone, or with negative hours say that it was blocked once."""
    until = utc_now() + timedelta(hours=hours)
    place = {"region": zone[:-1], "availability_zone": zone, "instance_type": "m5.large"}
    times = {"poisoned_at": until - BLOCKED_FOR, "poison_expires_at": until, "is_poisoned": True}
    with get_db_session() as session, system_scope(session, "test"):
        session.add(SpotPoolRisk(pool_id=":".join(place.values()), **place, **times, pool_metadata={}))


def replicas(**equal: Any) -> list[dict[str, Any]]:
    """Return the rows of replicas that have not taken over."""
    return rows_of(Instance, is_replica=True, **equal)
