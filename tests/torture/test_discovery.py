"""Discoveries that are killed, that meet, and a fleet of 5,000."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountStatus,
    Instance,
    Role,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    dispose_engine,
    get_db_session,
)
from spothive.database.seed_data import seed_initial_data
from spothive.errors import AlreadyRunning
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount, made_up_fleet
from spothive.gateways.fleet_stand_in import STAND_IN_REGIONS, Answer
from spothive.operations.fleet import ScanResult, begin_onboarding, discover_account, verify_onboarding
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database
from tests.torture.aws_works import discover, no_keys
from tests.torture.conftest import copy_of, moments, wait_until_alone
from tests.torture.processes import DONE, STEP, all_at_once, at_work
from tests.watching import everything, rows_of, statements

pytestmark = pytest.mark.torture

ROUNDS = 15
SIZE = 400
Facts = dict[str, tuple[str, str]]
"""Instance to its state and type."""


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def gateway(aws: AwsStandIn) -> Iterator[AwsGateway]:
    gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url), platform=aws.platform)
    yield gateway
    gateway.close()


def connect(aws: AwsStandIn, gateway: AwsGateway, name: str) -> StandInAccount:
    """Connect an empty account of acme by a role."""
    anna, acme = find_actor("anna", "acme")
    account = aws.make_account()
    with get_db_session(tenant=acme) as session:
        external_id = begin_onboarding(session, anna, name=name).external_id
    role_arn = account.make_role(trusts=aws.platform_arn, external_id=external_id)
    verify_onboarding(get_db_session, anna, tenant_id=acme, name=name, role_arn=role_arn, gateway=gateway)
    return account


def look(gateway: AwsGateway, name: str = "prod", **facts: Any) -> ScanResult:
    anna, acme = find_actor("anna", "acme")
    given = {"tenant_id": acme, "name": name, "gateway": gateway, "keys": no_keys, **facts}
    return discover_account(get_db_session, anna, **given)


@pytest.fixture
def acme(db: Database) -> Database:
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        tenant_id = create_tenant(session, admin, slug="acme", name="Acme").id
    with get_db_session(tenant=tenant_id) as session:
        create_user(session, admin, username="anna", email="anna@acme.io", role=Role.CLIENT, password_hash="h")
    return db


@pytest.fixture
def prod(acme: Database, aws: AwsStandIn, gateway: AwsGateway) -> StandInAccount:
    """Return an account that was discovered, and of which every instance has changed since; nobody is connected."""
    account = connect(aws, gateway, "prod")
    account.set_fleet(fleet(account, seed=1))
    assert look(gateway).status is ScanStatus.COMPLETE
    account.set_fleet(fleet(account, seed=2))
    dispose_engine()
    return account


def fleet(account: StandInAccount, seed: int) -> Answer:
    return made_up_fleet(account.account_id, regions=STAND_IN_REGIONS, instances=SIZE, seed=seed)


def there(account: StandInAccount) -> dict[str, Facts]:
    """Return by region what AWS holds."""
    facts: dict[str, Facts] = {region: {} for region in STAND_IN_REGIONS}
    for reservation in account.fleet["Reservations"]:
        for each in reservation["Instances"]:
            region = each["Placement"]["AvailabilityZone"][:-1]
            facts[region][each["InstanceId"]] = each["State"]["Name"], each["InstanceType"]
    return facts


def written(region: str) -> Facts:
    """Return what the database holds of a region and is not over since the look before."""
    rows = rows_of(Instance, region=region)
    return {row["instance_id"]: (str(row["state"]), row["instance_type"]) for row in rows}


def is_new(account: StandInAccount, region: str, old: dict[str, Any]) -> bool:
    """Tell whether a region holds what AWS holds now; it holds what it held before otherwise, and nothing between."""
    before = [row for row in old["instances"] if row["region"] == region]
    if rows_of(Instance, region=region) == before:
        return False
    expected = there(account)[region]
    gone = {row["instance_id"]: ("terminated", row["instance_type"]) for row in before}
    assert written(region) == gone | expected
    return True


def test_a_discovery_killed_at_any_moment_leaves_whole_regions(
    acme: Database, prod: StandInAccount, aws: AwsStandIn, gateway: AwsGateway, tmp_path: Path
) -> None:
    old = everything()
    dispose_engine()
    firsts, others = [], []
    for number in range(3):
        with copy_of(acme, tmp_path / f"length {number}"), at_work(discover, aws.url, aws.platform) as child:
            start = time.monotonic()
            child.take(1)
            firsts.append(time.monotonic() - start)
            child.wait_for(DONE)
            others.append(time.monotonic() - start - firsts[-1])
    left: Counter[str] = Counter()
    for number, part in enumerate(moments(5, 1, ROUNDS)):
        regions = number % len(STAND_IN_REGIONS)
        with copy_of(acme, tmp_path / f"round {number}") as database:
            with at_work(discover, aws.url, aws.platform) as child:
                child.take(regions)
                time.sleep(part * (median(others) / 3 if regions else median(firsts)))
                child.kill()
            wait_until_alone(database)
            left[check_and_take_over(database, prod, gateway, old)] += 1
            dispose_engine()
    length = median(firsts) + median(others)
    print(f"{acme.engine}: {left.total()} kills within {length:.2f} s left {dict(sorted(left.items()))}")
    assert left.total() == ROUNDS
    assert len([what for what in left if what.startswith("running")]) >= 2


def check_and_take_over(database: Database, account: StandInAccount, gateway: AwsGateway, old: dict[str, Any]) -> str:
    """Check what a killed discovery left and that another one ends the work; tell what it was."""
    new = {region for region in STAND_IN_REGIONS if is_new(account, region, old)}
    runs = rows_of(ScanRun)[1:]
    left = "nothing"
    if runs:
        (run,) = runs
        units = {row["region"]: row["status"] for row in rows_of(ScanUnit, scan_run_id=run["id"])}
        assert {region for region, status in units.items() if status == UnitStatus.DONE} == new
        left = f"{run['status'].lower()}, {len(new)} regions new"
        if run["status"] == ScanStatus.RUNNING:
            before = everything()
            with pytest.raises(AlreadyRunning, match=r"^a discovery of prod is under way since"):
                look(gateway)
            assert everything() == before
            with database.raw(owner=True) as connection:  # a quarter of an hour passes
                connection.execute("UPDATE scan_runs SET leased_until = started_at WHERE status = 'RUNNING'")
        else:
            assert (run["status"], len(new)) == (ScanStatus.COMPLETE, len(STAND_IN_REGIONS))
    result = look(gateway)
    assert result.status is ScanStatus.COMPLETE
    assert all(is_new(account, region, old) for region in STAND_IN_REGIONS)
    assert rows_of(ScanRun, status=ScanStatus.RUNNING) == []
    if left.startswith("running"):
        (dead,) = rows_of(ScanRun, status=ScanStatus.FAILED)
        assert dead["error"] == "its process stopped without a word; another run took over"
    assert rows_of(Account)[0]["status"] == AccountStatus.ACTIVE
    return left


def test_processes_that_discover_at_once_do_not_overlap(acme: Database, prod: StandInAccount, aws: AwsStandIn) -> None:
    old = everything()
    said = all_at_once(6, discover, aws.url, aws.platform)
    done = [words for words in said if DONE in words]
    refused = [words[0] for words in said if DONE not in words]
    assert done
    assert {kind for kind, _ in refused} <= {"AlreadyRunning"}
    assert [words.count(STEP) for words in done] == [3] * len(done)
    assert [run["status"] for run in rows_of(ScanRun)[1:]] == [ScanStatus.COMPLETE] * len(done)
    assert all(is_new(prod, region, old) for region in STAND_IN_REGIONS)
    print(f"{acme.engine}: {len(done)} discovered one after the other, {len(refused)} were told that one is under way")


def test_five_thousand_instances_take_as_many_statements_as_fifty(
    acme: Database, aws: AwsStandIn, gateway: AwsGateway
) -> None:
    counts: dict[int, list[int]] = {}
    for size in (50, 5_000):
        name = f"with {size}"
        account = connect(aws, gateway, name)
        account.set_fleet(made_up_fleet(account.account_id, regions=STAND_IN_REGIONS, instances=size))
        for _ in range(2):
            start = time.monotonic()
            with statements() as sent:
                assert look(gateway, name).seen > size * 0.9
            counts.setdefault(size, []).append(sent.total())
            print(f"{acme.engine}: {size} instances, {sent.total()} statements, {time.monotonic() - start:.1f} s")
            account.change_fleet()
    assert all(many <= few + 10 for few, many in zip(*counts.values(), strict=True))
    assert len(rows_of(Instance)) > 5_050
