"""Whoever tells of blocked pools is killed anywhere, beside others who tell: each tenant hears of each block once."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from spothive.database import EnvironmentType, Role, dispose_engine, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.models import EmailDigestEntry, Notice, NoticeEvent, SpotPoolRisk, Telling
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database
from tests.factories import make_account, make_instance
from tests.factories.fleets import connected_account
from tests.torture.conftest import copy_of, wait_until_alone
from tests.torture.processes import DONE, OVER, Child
from tests.torture.telling_works import SOURCE_ACCOUNT, block_pools, tell_until_killed
from tests.watching import rows_of

pytestmark = pytest.mark.torture

OTHERS, POOLS = 8, 6
ROUNDS, AT_ONCE = 6, 3
STEPS = 60
"""Statements within which a process is killed: it sends more than that where it tells everybody."""
ZONES = tuple(f"us-east-1{zone}" for zone in "abcdef"[:POOLS])
MINE = [f"i-{number:017x}" for number in range(1, POOLS + 1)]


@pytest.fixture
def house(db: Database) -> Database:
    """Give acme an instance in each pool, and each of the others one in all but one of them."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    for number in range(OTHERS + 1):
        slug, name = ("acme", "anna") if not number else (f"other{number}", f"user{number}")
        with get_db_session(tenant=platform) as session:
            tenant = create_tenant(session, admin, slug=slug, name=slug.title()).id
        with get_db_session(tenant=tenant) as session:
            email = f"{name}@{slug}.io"
            user = create_user(session, admin, username=name, email=email, role=Role.CLIENT, password_hash="h")
        fill(tenant, user.id, number)
    dispose_engine()
    return db


def fill(tenant: UUID, user_id: UUID, number: int) -> None:
    if number:
        account_id = make_account(tenant).id
    else:
        with get_db_session(tenant=tenant) as session:
            account = connected_account(session, user_id, name="shop", account_id=SOURCE_ACCOUNT)
            account.environment_type = EnvironmentType.PROD
        account_id = account.id
    for place, zone in enumerate(ZONES):
        if not number or place != number % POOLS:
            name = f"i-{(number * 100 + place + 1):017x}"
            make_instance(tenant, account_id, name, region="us-east-1", availability_zone=zone)


def test_each_tenant_hears_of_each_block_once_whoever_is_killed(house: Database, tmp_path: Path) -> None:
    dice, killed = Random(11), 0
    for number in range(ROUNDS):
        with copy_of(house, tmp_path / f"round {number}") as database:
            killed += one_round(dice)
            wait_until_alone(database)
            assert run((0, 3), (0, 5000)) == [[DONE, OVER]] * 2
            check()
            dispose_engine()
    print(f"{house.engine}: {killed} killed in {ROUNDS} rounds")
    assert killed >= ROUNDS


def one_round(dice: Random) -> int:
    """Let some tell while pools are being blocked, each killed at some statement; return how many were."""
    killed = 0
    with Child(block_pools, MINE) as blocker:
        blocker.go()
        for _ in range(4):
            said = run(*((dice.randrange(1, STEPS), dice.choice((2, 7, 5000))) for _ in range(AT_ONCE)))
            killed += said.count([])
        blocker.wait_for(DONE)
    said = run(*((dice.randrange(1, STEPS), 5000) for _ in range(AT_ONCE)))
    return killed + said.count([])


def run(*works: tuple[Any, ...]) -> list[list[Any]]:
    """Let a process tell for each of the arguments given, all at once; return what each said before it ended."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(tell_until_killed, *each)) for each in works]
        for child in children:
            child.go()
        return [list(iter(child.hear, None)) for child in children]


def check() -> None:
    """Check that each of the others was told of each of its pools once, by both ways, and acme of none."""
    blocked = {row["pool_id"] for row in rows_of(SpotPoolRisk) if row["poison_expires_at"]}
    assert len(blocked) == POOLS
    _, acme = find_actor("anna", "acme")
    told: Counter[tuple[UUID, str]] = Counter()
    entries = rows_of(EmailDigestEntry, event_type=NoticeEvent.SPOT_POOL_BLOCKED)
    for row in entries:
        told.update((row["tenant_id"], each["pool"]) for each in row["event_data"]["facts"]["pools"])
    assert set(told.values()) == {1}
    assert len(told) == OTHERS * (POOLS - 1)
    assert acme not in {tenant for tenant, _ in told}
    assert len(rows_of(Notice, event_type=NoticeEvent.SPOT_POOL_BLOCKED)) == len(entries)
    noted = {(row["tenant_id"], row["subject"]) for row in rows_of(Telling)}
    assert noted == set(told) | {(acme, pool) for pool in blocked}
