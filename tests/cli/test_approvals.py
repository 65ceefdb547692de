"""``spothive approval`` on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, Decision, Instance, Role, Tenant, User
from spothive.gateways.aws_stand_in import AwsStandIn
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories import make_user
from tests.factories.approvals import ROGUE, hold_rogues, make_rogue
from tests.factories.decisions import decide, decision
from tests.watching import everything, rows_of

AT_HOME = ["--tenant", "acme", "--as", "acme-client"]
ROOT = ["--tenant", "acme", "--as", "root"]


@pytest.fixture
def acme(people: Database) -> UUID:
    """Return acme; platform has a super_admin, ``root``."""
    make_user(PLATFORM_TENANT_ID, "root", role=Role.SUPER_ADMIN)
    (tenant,) = rows_of(Tenant, slug="acme")
    found: UUID = tenant["id"]
    return found


@pytest.fixture
def rogue(acme: UUID) -> Instance:
    (client,) = rows_of(User, username="acme-client")
    return make_rogue(acme, client["id"])


def asked(done: Spothive, *words: str) -> str:
    """Ask for something as a user of acme; return the id of the request."""
    made = done("approval", "request", *words, "--json", "--tenant", "acme", "--as", "acme-user").json
    return str(made["id"])


@pytest.mark.usefixtures("rogue")
def test_a_request_is_listed_shown_and_decided_by_who_may(done: Spothive, refused: Callable[..., str]) -> None:
    assert done("approval", "list", *AT_HOME).out == "nobody asked for anything\n"
    request = asked(done, "terminate", ROGUE, "--description", "costs money")
    told = done("approval", "request", "terminate", ROGUE, *AT_HOME).out
    assert told.startswith(f"request {request}: TERMINATE_ROGUE of {ROGUE} is PENDING\nsomebody else approves it until")
    shown = done("approval", "list", *AT_HOME).words
    assert [word for word in (request, "PENDING", "CRITICAL", ROGUE) if word not in shown] == []
    assert "costs money" in done("approval", "show", request, *AT_HOME).words
    assert "ask super_admin" in refused("approval", "approve", request, *AT_HOME)
    assert "waits for a decision until" in refused("approval", "execute", request, *AT_HOME)
    approved = done("approval", "approve", request, *ROOT).out
    assert approved.startswith(f"TERMINATE_ROGUE of {ROGUE} is approved until ")
    assert "was approved by root at" in refused("approval", "reject", request, "--reason", "no", *ROOT)
    (listed,) = done("approval", "list", "--status", "APPROVED", "--json", *AT_HOME).json["approvals"]
    assert (listed["approver"], listed["stands"], listed["description"]) == ("root", "APPROVED", "costs money")


def test_a_switch_is_rejected_or_handed_out(acme: UUID, rogue: Instance, done: Spothive) -> None:
    first, second = (decision(rogue, utc_now(), Decision.SWITCH) for _ in range(2))
    decide(first, second)
    request = asked(done, "switch", str(first["id"]))
    rejected = done("approval", "reject", request, "--reason", "not today", *AT_HOME).out
    assert rejected == f"SWITCH_INSTANCE of {ROGUE} is rejected\n"
    assert "not today" in done("approval", "show", request, *AT_HOME).words
    told = done("approval", "policy", "--auto-approve", *AT_HOME).out
    assert told == "requests that are LOW or about a LAB account are approved at once\n"
    request = asked(done, "switch", str(second["id"]))
    assert done("approval", "execute", request, *AT_HOME).out == (
        f"move {ROGUE} to m5.large in eu-west-1a, then: spothive decision outcome {second['id']} acted\n"
    )
    assert "wait for somebody" in done("approval", "policy", "--ask", *AT_HOME).out
    assert done("approval", "expire", *AT_HOME).out == "no request's time is over\n"


@pytest.mark.usefixtures("rogue")
def test_rogue_input_changes_nothing(spothive: Spothive, refused: Callable[..., str], done: Spothive) -> None:
    request = asked(done, "terminate", ROGUE)
    before = everything()
    for words in (["show"], ["execute"], ["reject", "--reason", "x"]):
        assert refused("approval", *words, "nonsense\x1b", *ROOT).startswith("'nonsense")
        foreign = refused("approval", *words, request, "--tenant", "globex", "--as", "root")
        none = refused("approval", *words, str(uuid4()), "--tenant", "globex", "--as", "root")
        assert foreign[:36] == none[:36] == "no request for approval has the id '"
    assert refused("approval", "reject", request, "--reason", " ", *ROOT).startswith("say why")
    assert refused("approval", "request", "terminate", "i-1", *AT_HOME).startswith("no instance has the id")
    assert refused("approval", "request", "switch", str(uuid4()), *AT_HOME).startswith("no decision has the id")
    assert refused("approval", "request", "switch", ROGUE, "--description", "x", *AT_HOME).startswith("--description")
    assert refused("approval", "list", "--limit", "0", *AT_HOME) == "a page has 1 to 10000 rows"
    assert everything() == before
    assert spothive("approval", "request", "explode", ROGUE, *AT_HOME).code == 2
    assert "may not" in refused("approval", "approve", request, "--tenant", "acme", "--as", "acme-user")


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as stand_in:
        yield stand_in


def test_an_approved_termination_reaches_aws(
    aws: AwsStandIn, acme: UUID, done: Spothive, refused: Callable[..., str]
) -> None:
    (client,) = rows_of(User, username="acme-client")
    account, _ = hold_rogues(aws, acme, client["id"])
    (row,) = rows_of(Instance)
    name = row["instance_id"]
    request = asked(done, "terminate", name)
    done("approval", "approve", request, *ROOT)
    with settings(
        SPOTHIVE_AWS_ENDPOINT_URL=aws.url,
        SPOTHIVE_AWS_ATTEMPTS="1",
        AWS_ACCESS_KEY_ID=aws.platform.access_key_id,
        AWS_SECRET_ACCESS_KEY=aws.platform.secret_access_key,
    ):
        ended = done("approval", "execute", request, *AT_HOME).out
        assert ended in {f"{name} is {state}\n" for state in ("shutting-down", "terminated")}
        assert "was executed at" in refused("approval", "execute", request, *AT_HOME)
    assert aws.calls("ec2", "TerminateInstances", account_id=account.account_id) == 1
    (row,) = rows_of(Instance, instance_id=name)
    assert row["auth_status"] == "terminated"
    assert done("approval", "list", "--json", *AT_HOME).json["approvals"][0]["stands"] == "EXECUTED"
