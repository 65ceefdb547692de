"""The people and fleets that questions are asked about, made by spothive's own verbs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from json import dumps
from random import Random
from typing import Final
from uuid import UUID

from sqlalchemy import select

from spothive.database import get_db_session, read_session, seed_initial_data
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, read_answer
from spothive.gateways.fleet_stand_in import generated_answer
from spothive.models import Account, Instance, Role
from spothive.operations.actor import Actor
from spothive.operations.fleet import import_fleet
from spothive.operations.identity import create_tenant, create_user, find_actor

SLUG: Final = "bench"
ACCOUNT: Final = "shop"
OWNER_ID: Final = "111122223333"


@dataclass(frozen=True, slots=True)
class World:
    """A tenant and who acts.

    Attributes:
        tenant_id: of the tenant.
        client: a user who runs the tenant.
        admin: staff of platform.
    """

    tenant_id: UUID
    client: Actor
    admin: Actor


def make_world(slug: str = SLUG) -> World:
    """Make the first admin, a tenant called ``slug``, and a client of it."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        tenant_id = create_tenant(session, admin, slug=slug, name=slug.title()).id
    with get_db_session(tenant=tenant_id) as session:
        mail, no_password = f"ann@{slug}.example", "none"
        create_user(session, admin, username=f"ann-{slug}", email=mail, role=Role.CLIENT, password_hash=no_password)
    client, _ = find_actor(f"ann-{slug}", slug)
    return World(tenant_id, client, admin)


@cache
def _patterns() -> tuple[ObservedInstance, ...]:
    """Return 450 instances as spothive's stand-in of AWS describes them, none of which has ended."""
    text = dumps(generated_answer(owner_id=OWNER_ID, now=datetime(2026, 3, 1, tzinfo=UTC)))
    seen = read_answer("stand-in", text.encode()).instances
    return tuple(one for one in seen if one.state in {"running", "stopped"})


def fleet(count: int, first: int = 0) -> list[ObservedInstance]:
    """Return ``count`` instances of believable kinds, numbered from ``first``, none of which has ended."""
    patterns = _patterns()
    return [
        replace(one, instance_id=f"i-{first + number:017x}", tags=one.tags | {"Number": str(number)})
        for number in range(count)
        for one in (patterns[number % len(patterns)],)
    ]


def a_day_later(before: list[ObservedInstance], *, changed: float, gone: float) -> list[ObservedInstance]:
    """Return ``before`` with some of it changed and some gone: parts of 1, the same ones each time."""
    order = Random(7).sample(range(len(before)), len(before))
    ended = set(order[: round(gone * len(before))])
    different = set(order[len(ended) : len(ended) + round(changed * len(before))])
    return [
        replace(seen, state="stopped" if seen.state == "running" else "running") if number in different else seen
        for number, seen in enumerate(before)
        if number not in ended
    ]


def answer_of(instances: Iterable[ObservedInstance]) -> FleetAnswer:
    """Return the answer that lists ``instances``."""
    return FleetAnswer({OWNER_ID}, list(instances))


def sync(world: World, answer: FleetAnswer, name: str = ACCOUNT) -> None:
    """Bring the account to ``answer``, as `spothive import` does."""
    regions = {seen.region for seen in _patterns()}
    with get_db_session(tenant=world.tenant_id) as session:
        import_fleet(session, world.client, name=name, answer=answer, regions=regions)


def make_fleet(world: World, count: int, name: str = ACCOUNT) -> None:
    """Fill an account with ``count`` instances."""
    sync(world, answer_of(fleet(count)), name)


def ids_of_instances(world: World, limit: int) -> list[UUID]:
    """Return ids of the tenant's instances, at most so many, in an order of chance that is always the same."""
    with read_session(tenant=world.tenant_id) as session:
        ids = list(session.scalars(select(Instance.id).order_by(Instance.instance_id)))
    return Random(7).sample(ids, min(limit, len(ids)))


def id_of_account(world: World, name: str = ACCOUNT) -> UUID:
    """Return the id of an account of the tenant."""
    with read_session(tenant=world.tenant_id) as session:
        return session.scalars(select(Account.id).where(Account.account_name == name)).one()
