"""``spothive replica`` on both databases, and what ``spothive event ingest`` tells of replicas and of AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import EnvironmentType, Instance, SpotPoolRisk, Tenant, User, get_db_session, system_scope
from spothive.gateways.aws_stand_in import AwsStandIn
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories import make_instance
from tests.factories.fleets import connected_account
from tests.factories.spot_events import REBALANCE, spot_event
from tests.watching import everything, rows_of

PROD, INSTANCE, STARTED = "111111111111", "i-00000000000000001", "i-000000000000000aa"
AT_HOME = ["--tenant", "acme", "--as", "acme-client"]


@pytest.fixture
def fleet(people: Database) -> None:
    """Give acme a PROD account with one instance, in a region of which another zone is known."""
    (acme,), (client,) = rows_of(Tenant, slug="acme"), rows_of(User, username="acme-client")
    with get_db_session(tenant=acme["id"]) as session:
        account = connected_account(session, client["id"], name="shop", account_id=PROD)
        account.environment_type = EnvironmentType.PROD
    make_instance(acme["id"], account.id, INSTANCE, region="us-east-1", availability_zone="us-east-1a")
    place = {"region": "us-east-1", "availability_zone": "us-east-1b", "instance_type": "m5.large"}
    with get_db_session() as session, system_scope(session, "test"):
        session.add(SpotPoolRisk(pool_id=":".join(place.values()), **place, pool_metadata={}))


@pytest.fixture
def ingested(done: Spothive) -> Callable[..., Any]:
    """Return a function that ingests an event at home and returns what is told of it."""

    def run(**facts: Any) -> Any:
        event = spot_event(**({"account": PROD, "instance_id": INSTANCE} | facts))
        (line,) = done("event", "ingest", "-", "--json", *AT_HOME, given=json.dumps(event)).json["lines"]
        return line

    return run


@pytest.mark.usefixtures("fleet")
def test_from_the_notice_to_the_takeover(done: Spothive, ingested: Callable[..., Any]) -> None:
    line = ingested(kind=REBALANCE)
    assert (line["promoted"], line["down_since"]) == (None, None)
    assert line["reason"] == "recorded; blocks nothing; replica planned in us-east-1b"
    shown = done("replica", "list", *AT_HOME).words
    assert [word for word in (line["planned"], "planned", INSTANCE, "us-east-1b") if word not in shown] == []
    words = ["replica", "outcome", line["planned"], "launched", "--instance", STARTED, *AT_HOME]
    assert done(*words).out == f"{STARTED} stands by for {INSTANCE}\n"
    assert done(*words).out == f"{STARTED} was told before\n"
    (listed,) = done("replica", "list", "--json", *AT_HOME).json
    assert (listed["replica"], listed["state"], listed["primary"]) == (STARTED, "running", INSTANCE)
    assert ingested()["promoted"] == STARTED
    assert done("replica", "list", *AT_HOME).out == "no replica is planned or stands by\n"
    assert done("sla", "outages", *AT_HOME).out == "nothing was down\n"


@pytest.mark.usefixtures("fleet")
def test_an_outage_is_told_and_ends_with_the_replacement(done: Spothive, ingested: Callable[..., Any]) -> None:
    line = ingested()
    assert line["down_since"] is not None
    assert line["down_until"] is None
    assert done("sla", "outages", "--open", "--json", *AT_HOME).json[0]["start_time"] == line["down_since"]
    told = done("replica", "outcome", line["planned"], "launched", "--instance", STARTED, "--json", *AT_HOME).json
    assert (told["promoted"], told["outages_ended"]) == (True, 1)
    assert done("sla", "outages", "--open", *AT_HOME).out == "no outage lasts\n"


@pytest.mark.usefixtures("fleet")
def test_what_expires_is_told(done: Spothive, ingested: Callable[..., Any]) -> None:
    assert done("replica", "expire", *AT_HOME).out == "no replica's time is over\n"
    name = ingested(kind=REBALANCE)["planned"]
    (row,) = rows_of(Instance, is_replica=True)
    with get_db_session(tenant=row["tenant_id"]) as session:
        session.get_one(Instance, row["id"]).replica_expiry = utc_now()
    assert done("replica", "expire", *AT_HOME).out == f"{name} given up: terminate it, if AWS runs it\n"
    (listed,) = done("replica", "list", "--all", "--json", *AT_HOME).json
    assert (listed["replica"], listed["state"]) == (name, "terminated")
    assert done("replica", "expire", "--json", *AT_HOME).json == {"promoted": [], "retired": [], "outages_ended": 0}


@pytest.mark.usefixtures("fleet")
def test_rogue_input_changes_nothing(
    spothive: Spothive, refused: Callable[..., str], ingested: Callable[..., Any]
) -> None:
    name = ingested(kind=REBALANCE)["planned"]
    before = everything()
    for other in ("", "planned-", f"planned-{'0' * 32}", "i-1", "x" * 5000, name.upper(), f" {name}", "\x1b[2J"):
        assert refused("replica", "outcome", other, "failed", *AT_HOME).startswith("no replica is called ")
    for wrong in (["launched"], ["launched", "--instance", "i-1"], ["launched", "--instance", "\ud800"]):
        assert refused("replica", "outcome", name, *wrong, *AT_HOME).startswith("a replica that was started has an id")
    for at in ("tomorrow", "", "9999-12-31", "2026-02-30"):
        assert refused("replica", "outcome", name, "failed", "--at", at, *AT_HOME)
    assert refused("replica", "outcome", name, "failed", "--tenant", "globex").startswith("no replica is called ")
    assert refused("replica", "list", "--limit", "0", *AT_HOME) == "a list has 1 to 10000 replicas"
    assert everything() == before
    assert spothive("replica", "outcome", name, "exploded", *AT_HOME).code == 2
    for words in (["outcome", name, "failed"], ["expire"]):
        assert "may not" in refused("replica", *words, "--tenant", "acme", "--as", "acme-user")


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as stand_in:
        yield stand_in


@pytest.mark.usefixtures("fleet")
def test_an_event_that_aws_must_be_asked_about(aws: AwsStandIn, spothive: Spothive, done: Spothive) -> None:
    asked = aws.calls()
    known, other = (json.dumps(spot_event(account=PROD, instance_id=each)) for each in (INSTANCE, STARTED))
    with settings(
        SPOTHIVE_AWS_ENDPOINT_URL=aws.url,
        SPOTHIVE_AWS_ATTEMPTS="1",
        AWS_ACCESS_KEY_ID=aws.platform.access_key_id,
        AWS_SECRET_ACCESS_KEY=aws.platform.secret_access_key,
    ):
        done("event", "ingest", "-", *AT_HOME, given=known)
        assert aws.calls() == asked, "the inventory knows it"
        ran = spothive("event", "ingest", "-", "--json", *AT_HOME, given=other)  # this AWS has no such role
    assert ran.code == 1
    assert ran.err.startswith("error: 1 line is unknown, and AWS gave no answer")
    assert (ran.json["unanswered"], ran.json["lines"][0]["outcome"]) == (1, "unanswered")
    assert aws.calls() > asked
