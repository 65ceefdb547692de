"""From an instance that nobody answers for to its end, command by command, against a stand-in for AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, Instance, Role, Tenant, get_db_session
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.fleet_stand_in import generated_answer
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories import make_user
from tests.watching import rows_of

AT_HOME = ["--tenant", "acme", "--as", "acme-client"]
ROOT = ["--tenant", "acme", "--as", "root"]


@pytest.fixture(scope="module")
def world() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def aws(world: AwsStandIn, people: Database) -> Iterator[AwsStandIn]:
    make_user(PLATFORM_TENANT_ID, "root", role=Role.SUPER_ADMIN)
    with settings(
        SPOTHIVE_AWS_ENDPOINT_URL=world.url,
        SPOTHIVE_AWS_ATTEMPTS="1",
        AWS_ACCESS_KEY_ID=world.platform.access_key_id,
        AWS_SECRET_ACCESS_KEY=world.platform.secret_access_key,
    ):
        yield world


def connected(aws: AwsStandIn, done: Spothive, access: str) -> tuple[StandInAccount, list[dict[str, Any]]]:
    """Connect an account with two instances that nobody answers for; return it and them."""
    account = aws.make_account(regions=["us-east-1"])
    done("account", "begin", "shop", *AT_HOME)
    template = done("account", "template", "shop", "--access", access, *AT_HOME).out
    done("account", "verify", "shop", "--role", account.launch_template(template), *AT_HOME)
    fleet = generated_answer(owner_id=account.account_id, regions=["us-east-1"], instance_types=2)
    fleet["Reservations"] = fleet["Reservations"][:2]
    machines: list[dict[str, Any]] = [each["Instances"][0] for each in fleet["Reservations"]]
    for machine in machines:
        machine |= {"Tags": [], "State": {"Code": 16, "Name": "running"}}
    account.set_fleet(fleet)
    return account, machines


def a_day_passes() -> None:
    """Move the moment since which nobody answers back by a day."""
    (tenant,) = rows_of(Tenant, slug="acme")
    with get_db_session(tenant=tenant["id"]) as session:
        flagged = update(Instance).where(Instance.flagged_at.is_not(None))
        session.execute(flagged.values(flagged_at=utc_now() - timedelta(hours=24, minutes=1)))


def listed(done: Spothive, standing: str) -> list[str]:
    found = done("instance", "list", "--auth-status", standing, "--json", *AT_HOME).json
    return sorted(each["instance_id"] for each in found)


def test_a_rogue_instance_is_flagged_unauthorized_approved_and_terminated(
    aws: AwsStandIn, done: Spothive, refused: Callable[..., str]
) -> None:
    account, machines = connected(aws, done, "full")
    both = sorted(each["InstanceId"] for each in machines)
    ended, kept = (each["InstanceId"] for each in machines)
    told = done("account", "discover", "shop", *AT_HOME).out
    assert "nobody answers for 2 newly flagged: spothive instance list --auth-status flagged" in told
    assert listed(done, "flagged") == both
    assert "nobody answers since" in done("instance", "list", "--auth-status", "flagged", *AT_HOME).out
    ask = ["approval", "request", "terminate", ended, "--description", "nobody's", *AT_HOME]
    assert "only what nobody has answered for in 24 hours" in refused(*ask)

    a_day_passes()
    told = done("account", "discover", "shop", *AT_HOME).out
    assert "nobody answers for 2 newly unauthorized: spothive instance list --auth-status unauthorized" in told
    assert (listed(done, "unauthorized"), listed(done, "flagged")) == (both, [])

    machines[1]["Tags"] = [{"Key": "ManagedBy", "Value": "spothive"}]
    account.set_fleet(account.fleet)
    done("account", "discover", "shop", *AT_HOME)
    assert (listed(done, "unauthorized"), listed(done, "authorized")) == ([ended], [kept])

    request = str(done(*ask, "--json").json["id"])
    done("approval", "approve", request, *ROOT)
    done("approval", "execute", request, *AT_HOME)
    done("account", "discover", "shop", *AT_HOME)
    assert listed(done, "terminated") == [ended]
    (row,) = rows_of(Instance, instance_id=ended)
    assert row["state"] in {"shutting-down", "terminated"}
    assert aws.calls("ec2", "TerminateInstances", account_id=account.account_id) == 1


def test_an_account_that_grants_reading_alone_loses_nothing(
    aws: AwsStandIn, done: Spothive, refused: Callable[..., str]
) -> None:
    _, machines = connected(aws, done, "read-only")
    done("account", "discover", "shop", *AT_HOME)
    a_day_passes()
    done("account", "discover", "shop", *AT_HOME)
    first = machines[0]["InstanceId"]
    ask = ["approval", "request", "terminate", first, "--description", "nobody's", "--json", *AT_HOME]
    request = str(done(*ask).json["id"])
    done("approval", "approve", request, *ROOT)
    assert "ec2:TerminateInstances" in refused("approval", "execute", request, *AT_HOME)
    (row,) = rows_of(Instance, instance_id=first)
    assert (row["auth_status"], row["state"]) == ("unauthorized", "running")
