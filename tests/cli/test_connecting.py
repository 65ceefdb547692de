"""``spothive account begin ... discover`` and ``spothive secrets``, against a stand-in for AWS."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spothive.cli.fleet import account_commands
from spothive.database import Account, OnboardingRequest
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.settings import get_settings
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database
from tests.watching import everything

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def world() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def aws(world: AwsStandIn, people: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsStandIn]:
    """Let the commands find the stand-in where AWS would be, and act as a client of acme."""
    given = {
        "SPOTHIVE_AWS_ENDPOINT_URL": world.url,
        "SPOTHIVE_AWS_ATTEMPTS": "1",
        "SPOTHIVE_SEALING_KEY_FILE": str(tmp_path / "keys"),
        "AWS_ACCESS_KEY_ID": world.platform.access_key_id,
        "AWS_SECRET_ACCESS_KEY": world.platform.secret_access_key,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield world
    world.heal()
    get_settings.cache_clear()


@pytest.fixture
def acme(aws: AwsStandIn, spothive: Spothive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work as a client of acme from here on. ``spothive`` has cleared the environment before."""
    monkeypatch.setenv("SPOTHIVE_TENANT", "acme")
    monkeypatch.setenv("SPOTHIVE_USER", "acme-client")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Credentials], None]:
    """Return a function that puts an account's keys where `account connect` looks for them."""

    def put(credentials: Credentials) -> None:
        monkeypatch.setenv("SPOTHIVE_ACCOUNT_ACCESS_KEY_ID", credentials.access_key_id)
        monkeypatch.setenv("SPOTHIVE_ACCOUNT_SECRET_ACCESS_KEY", credentials.secret_access_key)
        get_settings.cache_clear()

    return put


def connected_by_role(aws: AwsStandIn, done: Spothive, name: str, instances: int = 10) -> StandInAccount:
    account = aws.make_account(instances=instances)
    done("account", "begin", name)
    role = account.launch_template(done("account", "template", name).out)
    done("account", "verify", name, "--role", role)
    return account


@pytest.mark.usefixtures("acme")
def test_an_account_is_connected_by_a_role_and_discovered(aws: AwsStandIn, done: Spothive) -> None:
    account = aws.make_account(instances=30)
    begun = done("account", "begin", "prod", "--json").json
    assert done("account", "begin", "prod", "--json").json == begun
    assert "next: spothive account template prod" in done("account", "begin", "prod").out
    template = done("account", "template", "prod").out
    assert begun["external_id"] in template
    verified = done("account", "verify", "prod", "--role", account.launch_template(template), "--json").json
    assert (verified["aws_account_id"], verified["status"], verified["proven"]) == (
        account.account_id,
        "connected",
        True,
    )
    [found] = done("account", "discover", "prod", "--json").json
    assert (found["status"], found["seen"], len(found["added"]), found["failed"]) == ("COMPLETE", 30, 30, {})
    assert "prod: 30 instances seen in ap-southeast-2, eu-west-1, us-east-1" in done("account", "discover", "prod").out
    [listed] = done("account", "list", "--json").json
    assert (listed["status"], listed["environment"]) == ("active", "LAB")


@pytest.mark.usefixtures("acme")
def test_full_access_grants_more_than_reading(aws: AwsStandIn, done: Spothive) -> None:
    del aws
    done("account", "begin", "prod")
    actions = {
        access: set(
            json.loads(done("account", "template", "prod", "--access", access).out)["Resources"]["SpothiveRole"][
                "Properties"
            ]["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"]
        )
        for access in ("read-only", "full")
    }
    assert actions["read-only"] < actions["full"]


@pytest.mark.usefixtures("acme")
def test_an_unsafe_role_is_refused_with_the_reason(aws: AwsStandIn, done: Spothive, refused: Refused) -> None:
    account = aws.make_account(external_id=None)
    done("account", "begin", "prod")
    refusal = refused("account", "verify", "prod", "--role", account.role_arn)
    assert refusal.startswith("the role can be assumed without an external id")
    assert "looks like arn:aws:iam" in refused("account", "verify", "prod", "--role", "spothive")
    [row] = audited("account.connected")
    assert (row["outcome"], row["actor_name"].partition(" ")[0]) == ("DENIED", "acme-client")


@pytest.mark.usefixtures("acme")
def test_an_account_is_connected_by_keys_that_are_nowhere_to_be_seen(
    aws: AwsStandIn, done: Spothive, spothive: Spothive, refused: Refused, offer: Callable[[Credentials], None]
) -> None:
    account = aws.make_account(instances=5)
    assert "set SPOTHIVE_ACCOUNT_ACCESS_KEY_ID: nobody can be asked" in refused("account", "connect", "prod")
    offer(account.credentials)
    assert "there is no sealing key" in refused("account", "connect", "prod")
    done("secrets", "init")
    said = [
        done("account", "connect", "prod", "--json"),
        done("account", "discover", "prod", "--json"),
        spothive("account", "recheck", "prod", "-v"),
        done("account", "show", "prod", "--json"),
        done("account", "list", "--json"),
    ]
    assert [ran.code for ran in said] == [0] * 5
    everywhere = repr(said) + repr(everything())
    assert account.account_id in everywhere
    assert account.credentials.access_key_id not in everywhere
    assert account.credentials.secret_access_key not in everywhere


@pytest.mark.usefixtures("acme")
def test_a_refused_account_fails_and_comes_back_by_recheck(
    aws: AwsStandIn, done: Spothive, refused: Refused, offer: Callable[[Credentials], None]
) -> None:
    account = aws.make_account()
    done("secrets", "init")
    offer(account.credentials)
    done("account", "connect", "prod")
    aws.inject(Fault(Trouble.INVALID_CREDENTIALS, account_id=account.account_id))
    assert "AWS does not accept the credentials" in refused("account", "recheck", "prod")
    assert done("account", "list", "--json").json[0]["status"] == "failed"
    assert "has failed" in refused("account", "discover", "prod")
    aws.heal()
    assert done("account", "recheck", "prod").out == "account prod is connected\n"


@pytest.mark.usefixtures("acme")
def test_all_accounts_are_discovered_though_one_cannot_be(
    aws: AwsStandIn, done: Spothive, spothive: Spothive, refused: Refused
) -> None:
    assert "name the accounts, or say --all" in refused("account", "discover")
    one, _ = connected_by_role(aws, done, "one"), connected_by_role(aws, done, "two")
    aws.inject(Fault(Trouble.SERVER_ERROR, account_id=one.account_id))
    ran = spothive("account", "discover", "--all", "--json")
    assert ran.code == 1
    failed, good = ran.json
    assert "AWS gave no answer" in failed["error"]
    assert (failed["name"], good["name"], good["status"]) == ("one", "two", "COMPLETE")
    assert ran.err.splitlines()[-1] == "error: not all could be read: one"


@pytest.mark.usefixtures("acme")
def test_a_region_that_cannot_be_read_is_told(aws: AwsStandIn, done: Spothive, spothive: Spothive) -> None:
    account = connected_by_role(aws, done, "prod")
    aws.inject(Fault(Trouble.SERVER_ERROR, account_id=account.account_id, region="eu-west-1"))
    ran = spothive("account", "discover", "prod")
    assert ran.code == 1
    assert "could not read eu-west-1, whose instances were left as they are: AWS gave no answer" in ran.out
    done("account", "discover", "prod", "--region", "us-east-1")


def test_the_market_is_refreshed_by_staff(aws: AwsStandIn, done: Spothive, spothive: Spothive) -> None:
    words = ["market", "refresh", "--type", "m5.large", "--region", "us-east-1"]
    assert done(*words).out.startswith("spot prices of us-east-1: ")
    aws.inject(Fault(Trouble.THROTTLED, operation="DescribeSpotPriceHistory", region="eu-west-1"))
    ran = spothive(*words, "--region", "eu-west-1", "--json")
    assert (ran.code, ran.json["regions"], list(ran.json["failed"])) == (1, ["eu-west-1", "us-east-1"], ["eu-west-1"])
    assert ran.err == "error: not all could be read: eu-west-1\n"
    assert len(done("market", "list", "--json").json[0]["offers"]) == 6


def test_sealed_values_are_counted_by_key(
    aws: AwsStandIn,
    done: Spothive,
    spothive: Spothive,
    refused: Refused,
    offer: Callable[[Credentials], None],
) -> None:
    assert done("secrets", "status").out == "keys: none\nno secrets are stored\n"
    key_id = done("secrets", "init", "--json").json["key_id"]
    assert "exists and is left alone" in refused("secrets", "init")
    offer(aws.make_account().credentials)
    done("account", "connect", "prod")
    status = done("secrets", "status", "--json").json
    assert status["keys"] == [key_id]
    assert {(row["column"], row["key_id"], row["rows"], row["key_present"]) for row in status["sealed"]} == {
        ("aws_access_key_id", key_id, 1, True),
        ("aws_secret_access_key", key_id, 1, True),
    }
    get_settings().sealing_key_file.unlink()
    ran = spothive("secrets", "status")
    assert (ran.code, f"sealing keys are missing: {key_id}" in ran.err) == (1, True)


def test_no_key_file_is_made_where_none_would_be_read(
    aws: AwsStandIn, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    del aws
    monkeypatch.setenv("SPOTHIVE_SEALING_KEYS", f"a1b2c3d4:{base64.b64encode(bytes(32)).decode()}")
    get_settings.cache_clear()
    assert refused("secrets", "init").startswith("SPOTHIVE_SEALING_KEYS is set")
    assert not get_settings().sealing_key_file.exists()


def test_only_staff_sees_which_keys_are_needed(aws: AwsStandIn, refused: Refused) -> None:
    del aws
    assert "may not" in refused("secrets", "status", "--as", "acme-client", "--tenant", "acme")


def test_a_failed_beginning_leaves_nothing(aws: AwsStandIn, refused: Refused) -> None:
    del aws
    for words in (["begin", " "], ["begin", "prod", "--region", "nowhere"], ["template", "prod"]):
        refused("account", *words)
    rows = everything()
    assert (rows[Account.__tablename__], rows[OnboardingRequest.__tablename__]) == ([], [])


def test_keys_cannot_be_given_where_every_process_reads_them() -> None:
    connect = next(one for one in account_commands.registered_commands if one.name == "connect")
    assert connect.callback is not None
    shared = {"tenant", "acting_as", "as_json", "postgres", "verbose", "context"}
    assert inspect.signature(connect.callback).parameters.keys() - shared == {"name", "region", "owner"}
