"""Processes that take the same shuffled events and are killed at any moment; whoever comes after them ends it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import (
    DowntimeLog,
    EnvironmentType,
    GlobalRiskEvent,
    Instance,
    RiskSource,
    Role,
    SpotPoolRisk,
    dispose_engine,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.database.seed_data import seed_initial_data
from spothive.operations.identity import create_tenant, create_user, find_actor
from spothive.operations.risk import list_replicas
from tests.conftest import Database
from tests.factories import make_instance
from tests.factories.fleets import connected_account
from tests.operations.conftest import audited
from tests.torture.conftest import copy_of, wait_until_alone
from tests.torture.event_works import ACCOUNT, INSTANCES, distinct_events, ingest, start, started_as
from tests.torture.processes import DONE, OVER, Child
from tests.watching import rows_of

pytestmark = pytest.mark.torture

AT_ONCE = 3
DEATHS = 4
STEPS = 300
"""Statements within which a process is killed: it sends more than twice as many."""


@pytest.fixture
def fleet(db: Database) -> Database:
    """Give acme a PROD account with its instances, in a region of which another zone is known."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        acme = create_tenant(session, admin, slug="acme", name="Acme").id
    with get_db_session(tenant=acme) as session:
        anna = create_user(session, admin, username="anna", email="a@acme.io", role=Role.CLIENT, password_hash="h")
        account = connected_account(session, anna.id, name="shop", account_id=ACCOUNT)
        account.environment_type = EnvironmentType.PROD
    for name in INSTANCES:
        make_instance(acme, account.id, name, region="us-east-1", availability_zone="us-east-1a")
    place = {"region": "us-east-1", "availability_zone": "us-east-1b", "instance_type": "m5.large"}
    with get_db_session() as session, system_scope(session, "test"):
        session.add(SpotPoolRisk(pool_id=":".join(place.values()), **place, pool_metadata={}))
    dispose_engine()
    return db


def test_killed_and_repeated_they_end_in_the_same_state(fleet: Database, tmp_path: Path) -> None:
    rng = Random(5)
    killed = 0
    for number in range(DEATHS):
        with copy_of(fleet, tmp_path / f"round {number}") as database:
            begun = (utc_now().timestamp() // 1) - 3600
            said = run(*((seed, begun, rng.randrange(1, STEPS // (1 + number % 3))) for seed in range(AT_ONCE)))
            killed += said.count([])
            wait_until_alone(database)
            assert run((10 + number, begun), (20 + number, begun)) == [[DONE, OVER]] * 2
            check(begun)
            dispose_engine()
    print(f"{fleet.engine}: {killed} killed in {DEATHS} rounds")
    assert killed == DEATHS * AT_ONCE


def run(*works: tuple[Any, ...]) -> list[list[Any]]:
    """Let a process ingest for each of the arguments given, all at once; return what each said before it ended."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(ingest, *each)) for each in works]
        for child in children:
            child.go()
        return [list(iter(child.hear, None)) for child in children]


def check(begun: float) -> None:
    """Check that everything happened once; then start what a killed process had planned, and check who took over."""
    expected = len(distinct_events(utc_now()))
    assert (len(rows_of(GlobalRiskEvent)), len(rows_of(RiskSource))) == (expected, expected)
    (pool,) = [row for row in rows_of(SpotPoolRisk) if row["interruption_count"]]
    assert pool["interruption_count"] == expected // 2
    assert pool["last_interruption"].timestamp() == begun + 60
    told = [after for *_, after in audited(event="event.recorded")]
    assert len(told) == expected
    made = [row for row in rows_of(Instance) if row["instance_id"] not in INSTANCES]
    assert len(made) == len(INSTANCES) == len([after for after in told if "planned" in after])
    _, acme = find_actor("anna", "acme")
    with read_session(tenant=acme) as session:
        waiting = [(each.replica.instance_id, each.primary.instance_id) for each in list_replicas(session)]
    for planned, primary in waiting:
        start(planned, primary)
    heirs = [row for row in rows_of(Instance) if row["instance_id"] not in INSTANCES]
    assert {row["instance_id"] for row in heirs} == {started_as(name) for name in INSTANCES}
    assert not any(row["is_replica"] or row["terminated_at"] for row in heirs)
    outages = rows_of(DowntimeLog)
    assert {row["instance_id"] for row in outages} == set(INSTANCES), "all were started an hour too late"
    assert len(outages) == len(INSTANCES)
    assert all(row["end_time"] for row in outages)
    assert len(audited(event="replica.launched")) == len(INSTANCES)
