"""Asking AWS in the sweep: whom, how often, and that one that refuses stops no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    AccountStatus,
    AuditLog,
    Instance,
    ScanKind,
    ScanRun,
    ScanStatus,
    SpotPrice,
    get_db_session,
)
from spothive.errors import ConfigurationError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount, made_up_fleet
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.operations.identity import set_tenant_active
from spothive.operations.risk import refresh_market
from spothive.operations.sweeps import Outcome, Tools, duties
from spothive.operations.sweeps.discovering import due_accounts
from spothive.schema.states import move
from tests.conftest import Database
from tests.factories import make_account
from tests.factories.fleets import connected_account
from tests.operations.conftest import World
from tests.operations.sweeps.conftest import did, no_keys
from tests.watching import rows_of, statements

HOME = "us-east-1"
OURS = "spothive (sweep)"


@pytest.fixture(scope="module")
def cloud() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def tools(cloud: AwsStandIn) -> Iterator[Tools]:
    gateway = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform)
    yield Tools(gateway, *6 * (no_keys,))
    gateway.close()
    cloud.heal()


def connect(aws: AwsStandIn, tenant_id: UUID, user_id: UUID, name: str) -> StandInAccount:
    """Connect an account with two instances in one region by a role."""
    account = aws.make_account(regions=[HOME])
    account.set_fleet(made_up_fleet(account.account_id, regions=[HOME], instances=2))
    with get_db_session(tenant=tenant_id) as session:
        row = connected_account(session, user_id, name=name, account_id=account.account_id)
        row.role_arn = account.make_role(trusts=aws.platform_arn, external_id=row.external_id)
    return account


def a_run(tenant_id: UUID, name: str, minutes_ago: float, kind: ScanKind = ScanKind.DISCOVERY) -> None:
    """Note that the account was looked at, in vain."""
    started = utc_now() - timedelta(minutes=minutes_ago)
    (account,) = rows_of(Account, account_name=name)
    facts = {"account_id": account["id"], "kind": kind, "units_expected": 1, "lease_token": uuid4()}
    with get_db_session(tenant=tenant_id) as session:
        run = ScanRun(**facts, leased_until=utc_now() + timedelta(hours=1), started_at=started)
        session.add(run)
        session.flush()
        move(session, run, ScanRun.status, ScanStatus.FAILED, finished_at=utc_now())


def due(tenant_id: UUID, age: int = 3600, kind: ScanKind = ScanKind.DISCOVERY) -> list[str]:
    with get_db_session(tenant=tenant_id) as session:
        return due_accounts(session, kind, age)


def test_accounts_are_discovered_in_every_tenant_and_one_that_refuses_stops_no_other(
    db: Database, world: World, cloud: AwsStandIn, tools: Tools
) -> None:
    refusing = connect(cloud, world.acme, world.anna.user_id, "first")
    refusing.withdraw_permissions()
    connect(cloud, world.acme, world.anna.user_id, "second")
    connect(cloud, world.globex, world.gina.user_id, "third")
    run = did(world, tools, "discovery")
    assert (run.outcome, run.counts) == (Outcome.PARTIAL, {"accounts": 2, "instances": 4})
    assert list(run.failures) == ["acme/first"]
    stands = {row["account_name"]: row["status"] for row in rows_of(Account)}
    assert (stands["second"], stands["third"]) == (AccountStatus.ACTIVE, AccountStatus.ACTIVE)
    assert len(rows_of(Instance, tenant_id=world.globex)) == 2
    rows = [row for row in rows_of(AuditLog, event="account.discovered") if row["resource"] != "first"]
    assert {(row["tenant_id"], row["actor_id"], row["actor_name"]) for row in rows} == {
        (world.acme, None, OURS),
        (world.globex, None, OURS),
    }
    assert did(world, tools, "discovery").counts == {}, "none is due again"


def test_who_is_due(db: Database, world: World) -> None:
    for number, name in enumerate(("never", "long-ago", "lately", "waste", "failed", "leaving")):
        with get_db_session(tenant=world.acme) as session:
            account = connected_account(session, world.anna.user_id, name=name, account_id=f"{number:012d}")
            if name == "failed":
                move(session, account, Account.status, AccountStatus.FAILED)
            if name == "leaving":
                account.disconnecting_at = utc_now()
    make_account(world.acme, "imported")
    a_run(world.acme, "long-ago", 61)
    a_run(world.acme, "lately", 59)
    a_run(world.acme, "waste", 5, ScanKind.WASTE)
    assert due(world.acme) == ["long-ago", "never", "waste"]
    assert due(world.acme, 58 * 60) == ["lately", "long-ago", "never", "waste"]
    assert "waste" not in due(world.acme, kind=ScanKind.WASTE)
    assert due(world.globex) == []
    with get_db_session(tenant=world.acme) as session:
        session.connection()
        with statements() as sent:
            due_accounts(session, ScanKind.DISCOVERY, 3600)
    assert sent.total() == 2


def test_a_suspended_tenant_is_not_asked_for_and_a_run_under_way_is_left(
    db: Database, world: World, cloud: AwsStandIn, tools: Tools
) -> None:
    connect(cloud, world.acme, world.anna.user_id, "first")
    connect(cloud, world.globex, world.gina.user_id, "second")
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=False)
    (account,) = rows_of(Account, account_name="second")
    facts: dict[str, Any] = {"account_id": account["id"], "kind": ScanKind.DISCOVERY, "units_expected": 1}
    long = {"leased_until": utc_now() + timedelta(hours=1), "started_at": utc_now() - timedelta(hours=2)}
    with get_db_session(tenant=world.globex) as session:
        session.add(ScanRun(**facts, **long, lease_token=uuid4()))
    run = did(world, tools, "discovery")
    assert (run.outcome, run.counts) == (Outcome.DONE, {"under_way": 1})
    assert not rows_of(Instance)


def test_a_region_that_fails_is_named(db: Database, world: World, cloud: AwsStandIn, tools: Tools) -> None:
    connect(cloud, world.acme, world.anna.user_id, "first")
    cloud.inject(Fault(Trouble.SERVER_ERROR, "ec2", "DescribeInstances", region=HOME))
    run = did(world, tools, "discovery")
    assert run.outcome is Outcome.PARTIAL
    assert run.failures["acme/first"].startswith(f"FAILED: {HOME}: ")


# --- market -------------------------------------------------------------------------------------------------------


def test_prices_of_the_regions_in_use_are_asked_for(
    db: Database, world: World, cloud: AwsStandIn, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_one_type = partial(refresh_market, types=["m5.large"])  # the stand-in takes minutes to make up all of them
    monkeypatch.setattr(duties, "refresh_market", of_one_type)
    assert did(world, tools, "market").counts == {}, "no tenant has an instance"
    connect(cloud, world.acme, world.anna.user_id, "first")
    did(world, tools, "discovery")
    run = did(world, tools, "market")
    assert (run.outcome, run.counts["regions"]) == (Outcome.DONE, 1)
    assert len(rows_of(SpotPrice)) == run.counts["added"] > 0
    (row,) = rows_of(AuditLog, event="market.refreshed")
    assert (row["tenant_id"], row["actor_name"]) == (PLATFORM_TENANT_ID, OURS)


def test_without_credentials_of_its_own_the_market_is_left_and_named(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConfigurationError("spothive has no AWS credentials of its own")

    monkeypatch.setattr(duties, "refresh_market", refuse)
    run = did(world, tools, "market")
    assert (run.outcome, run.failures) == (Outcome.PARTIAL, {"AWS": "spothive has no AWS credentials of its own"})
