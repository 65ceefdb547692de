"""AWS beside the two companies: one stand-in for each module, and a desk from which accounts are looked after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest

from spothive.blocks import refuse_in_block
from spothive.database import (
    Account,
    AccountStatus,
    OnboardingRequest,
    Role,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    get_db_session,
)
from spothive.errors import SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_calls import CallerIdentity
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AccessDenied
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.fleet_stand_in import Answer
from spothive.keyring import Keyring
from spothive.operations.actor import Actor
from spothive.operations.fleet import (
    ScanResult,
    begin_onboarding,
    connect_with_keys,
    discover_account,
    recheck_account,
    verify_onboarding,
)
from spothive.operations.identity import create_user, find_actor
from tests.factories.sealing import make_keyring
from tests.operations.conftest import World
from tests.watching import rows_of

HOME, AWAY, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@pytest.fixture(scope="module")
def cloud() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def aws(cloud: AwsStandIn) -> Iterator[AwsStandIn]:
    """Lend the stand-in of the module; the faults a test orders end with it."""
    yield cloud
    cloud.heal()


@pytest.fixture(scope="module")
def gateway(cloud: AwsStandIn) -> Iterator[AwsGateway]:
    """Lend one gateway that tries once: making the clients of a new one takes longer than most tests."""
    shared = AwsGateway(ConnectionOptions(endpoint_url=cloud.url, attempts=1), platform=cloud.platform)
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def holding(cloud: AwsStandIn) -> StandInAccount:
    """Open one account for the whole module: the clients for its keys are made once."""
    return cloud.make_account()


@pytest.fixture
def customer(holding: StandInAccount, aws: AwsStandIn) -> StandInAccount:
    """Lend that account, empty. Who takes its keys or permissions away makes one of their own."""
    holding.set_fleet(fleet_of())
    return holding


@dataclass(frozen=True)
class Desk:
    """Does with accounts what its methods say: as anna, at her home acme, unless told otherwise."""

    anna: Actor
    gateway: AwsGateway
    ring: Keyring

    def keys(self) -> Keyring:
        return self.ring

    def begin(
        self, name: str = "prod", who: Actor | None = None, tenant_id: UUID | None = None, **facts: Any
    ) -> OnboardingRequest:
        actor = who or self.anna
        with get_db_session(tenant=tenant_id or actor.home_tenant_id) as session:
            return begin_onboarding(session, actor, name=name, **facts)

    def verify(self, role_arn: str, name: str = "prod", who: Actor | None = None, **other: Any) -> Account:
        return verify_onboarding(get_db_session, **self._given(name, who, other), role_arn=role_arn)

    def connect(self, credentials: Credentials, name: str = "prod", who: Actor | None = None, **other: Any) -> Account:
        given = self._given(name, who, {"keys": self.keys, **other})
        return connect_with_keys(get_db_session, **given, credentials=credentials)

    def recheck(self, name: str = "prod", who: Actor | None = None, **other: Any) -> Account:
        return recheck_account(get_db_session, **self._given(name, who, {"keys": self.keys, **other}))

    def discover(self, name: str = "prod", who: Actor | None = None, **other: Any) -> ScanResult:
        return discover_account(get_db_session, **self._given(name, who, {"keys": self.keys, **other}))

    def _given(self, name: str, who: Actor | None, other: dict[str, Any]) -> dict[str, Any]:
        actor = who or self.anna
        return {"actor": actor, "tenant_id": actor.home_tenant_id, "name": name, "gateway": self.gateway, **other}


@pytest.fixture
def desk(world: World, gateway: AwsGateway) -> Desk:
    return Desk(world.anna, gateway, make_keyring())


@pytest.fixture
def bert(world: World) -> Actor:
    """Return another client of acme."""
    with get_db_session(tenant=world.acme) as session:
        create_user(session, world.anna, username="bert", email="b@acme.io", role=Role.CLIENT, password_hash="h")
    return find_actor("bert", "acme")[0]


@pytest.fixture
def shop(desk: Desk, customer: StandInAccount) -> StandInAccount:
    """Connect an account with an instance in each region, and discover it."""
    customer.set_fleet(fleet_of(machine(1), machine(2, f"{AWAY}a"), machine(3, f"{FAR}a")))
    desk.connect(customer.credentials)
    assert desk.discover().status is ScanStatus.COMPLETE
    return customer


def role_for(aws: AwsStandIn, account: StandInAccount, request: OnboardingRequest) -> str:
    """Make the role that the request asks for; return its ARN."""
    return account.make_role(trusts=aws.platform_arn, external_id=request.external_id)


class Doors(AwsGateway):
    """An AWS where a role is opened by the external id its name ends with, whatever the account it is in.

    For tests of what happens between AWS's answer and the database: ``meanwhile`` is called when all is proved.
    """

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
        refuse_in_block("sts:AssumeRole")
        if role_arn.rpartition("/")[2] != external_id:
            raise AccessDenied("no", action="sts:AssumeRole", region="us-east-1", code="AccessDenied")
        return Credentials(role_arn, "secret", "token")

    def caller_identity(self, credentials: Credentials) -> CallerIdentity:
        refuse_in_block("sts:GetCallerIdentity")
        self._meanwhile()
        key_id = credentials.access_key_id  # the ARN of a role that was assumed, or of key_of()
        return CallerIdentity(key_id.removeprefix("AKIA") if key_id.startswith("AKIA") else key_id.split(":")[4], "arn")


def door(request: OnboardingRequest, account_id: str = "345678901234") -> str:
    """Return the ARN of the role of :class:`Doors` that the request asks for."""
    return f"arn:aws:iam::{account_id}:role/{request.external_id}"


def key_of(account_id: str = "345678901234") -> Credentials:
    """Return the keys of an account of :class:`Doors`."""
    return Credentials(f"AKIA{account_id}", "a/secret/access+key/of/Doors")


def machine(
    number: int, zone: str = "us-east-1a", *, state: str = "running", tags: Mapping[str, str] | None = None
) -> Answer:
    """Return an m5.large as describe-instances prints it."""
    return {
        "InstanceId": f"i-{number:017x}",
        "InstanceType": "m5.large",
        "ImageId": "ami-00000000000000001",
        "LaunchTime": "2026-01-02T03:04:05+00:00",
        "Placement": {"AvailabilityZone": zone},
        "State": {"Code": _STATES[state], "Name": state},
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
    }


def name_of(number: int) -> str:
    """Return the EC2 id of :func:`machine` ``number``."""
    return str(machine(number)["InstanceId"])


def fleet_of(*instances: Answer) -> Answer:
    """Return the fleet that holds exactly these instances."""
    return {"Reservations": [{"Instances": [each]} for each in instances]}


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Start every work at the same moment; return what each returned, or the refusal it met."""
    barrier = Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        barrier.wait(60)
        try:
            results[place] = work()
        except SpothiveError as error:
            results[place] = error

    threads = [Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def kinds(results: Iterable[Any]) -> list[str]:
    """Return the type of each result, sorted."""
    return sorted(type(result).__name__ for result in results)


def account_of(rows: Iterable[dict[str, Any]], name: str = "prod") -> dict[str, Any]:
    """Return the one row of accounts that is called so."""
    (row,) = [row for row in rows if row["account_name"] == name]
    return row


def as_owner(db: Any, statement: str, *values: UUID | str) -> None:
    """Change the database behind spothive's back: mostly to let time pass."""
    with db.raw(owner=True) as connection:
        connection.execute(statement, values)


def last_run() -> dict[str, Any]:
    return rows_of(ScanRun, kind="discovery")[-1]


def units_of(run: dict[str, Any]) -> dict[str, tuple[UnitStatus, str | None]]:
    return {unit["region"]: (unit["status"], unit["error"]) for unit in rows_of(ScanUnit, scan_run_id=run["id"])}


def status() -> AccountStatus:
    return AccountStatus(account_of(rows_of(Account))["status"])
