"""``spothive hibernation apply`` on both databases, against AWS's stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spothive.database import Account, HibernationSchedule, Tenant, User, get_db_session
from spothive.gateways.aws_scaling import Sizes
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.gateways.aws_stand_in_groups import held_groups, hold_auto_scaling_group, hold_managed_group
from spothive.gateways.onboarding_template import granted
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories import make_cluster
from tests.factories.fleets import connected_account
from tests.watching import everything, rows_of

AT_HOME = ("--tenant", "acme", "--as", "acme-client")
REGION, THREE = "us-east-1", Sizes(2, 12, 3)


@pytest.fixture(scope="module")
def world() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        yield aws


@pytest.fixture
def account(world: AwsStandIn, people: Database, tmp_path: Path) -> Iterator[StandInAccount]:
    """Connect an account of acme with the cluster shop: one managed node group, one of its own."""
    account = world.make_account(regions=[REGION])
    hold_managed_group(account.account_id, REGION, "shop", "general", THREE)
    tags = {"kubernetes.io/cluster/shop": "owned"}
    hold_auto_scaling_group(account.account_id, REGION, "shop-own", THREE, tags)
    (tenant,), (client,) = rows_of(Tenant, slug="acme"), rows_of(User, username="acme-client")
    with get_db_session(tenant=tenant["id"]) as session:
        row = connected_account(session, client["id"], name="prod", account_id=account.account_id)
        trust: dict[str, Any] = {"trusts": world.platform_arn, "external_id": row.external_id}
        row.role_arn = account.make_role(**trust, actions=granted("full"))
        row_id = row.id
    make_cluster(tenant["id"], row_id, "shop", region=REGION)
    with settings(
        SPOTHIVE_AWS_ENDPOINT_URL=world.url,
        SPOTHIVE_AWS_ATTEMPTS="1",
        AWS_ACCESS_KEY_ID=world.platform.access_key_id,
        AWS_SECRET_ACCESS_KEY=world.platform.secret_access_key,
    ):
        yield account
    world.heal()


def held(account: StandInAccount) -> dict[str, Sizes]:
    return {group.key: group.sizes for group in held_groups(account.account_id, REGION, "shop")}


def test_a_cluster_sleeps_and_wakes_at_aws(
    world: AwsStandIn, account: StandInAccount, done: Spothive, spothive: Spothive, refused: Callable[..., str]
) -> None:
    words = ["hibernation", "apply", *AT_HOME]
    assert done(*words).out == "every cluster is what it is to be: spothive hibernation list\n"
    assert refused(*words, "--cluster", "shop").startswith("shop has no hibernation: ")
    done("hibernation", "set", "shop", "--awake", "mon-sun", *AT_HOME)
    fair = ["--for", "3h", "--reason", "fair"]
    done("hibernation", "override", "shop", "asleep", *fair, *AT_HOME)
    before = everything()
    (due,) = done(*words, "--dry-run", "--json").json
    assert (due["cluster"], due["applied"], due["step"]) == ("shop", "awake", "sleep")
    shown = done(*words, "--dry-run", "--cluster", "shop").out
    assert shown.endswith("do it: spothive hibernation apply --cluster shop\n")
    assert everything() == before
    (slept,) = done(*words, "--json").json
    assert (slept["to"], slept["outcome"], slept["message"]) == ("asleep", "done", None)
    assert slept["groups"] == ["auto_scaling:shop-own", "eks:general"]
    assert held(account) == {"eks:general": Sizes(0, 12, 0), "auto_scaling:shop-own": Sizes(0, 0, 0)}
    (listed,) = done("hibernation", "list", "--json", *AT_HOME).json
    assert (listed["state"], listed["applied"], listed["obstacle"]) == ("asleep", "asleep", None)
    told = refused("account", "disconnect", "prod", "--yes", *AT_HOME)
    assert "`spothive hibernation disable shop`, then `spothive hibernation apply`" in told
    told = done("hibernation", "disable", "shop", *AT_HOME).out
    assert told.endswith("it is asleep until it is woken: spothive hibernation apply --cluster shop\n")
    world.inject(Fault(Trouble.ACCESS_DENIED, "eks", "UpdateNodegroupConfig"))
    failed = spothive(*words)
    assert failed.code == 1
    assert "eks:UpdateNodegroupConfig in us-east-1" in failed.words
    assert failed.err == "error: not all are what they are to be: shop; the next run tries again\n"
    assert "not act in it" in done("hibernation", "show", "shop", *AT_HOME).words
    world.heal()
    assert "awake" in done(*words).out
    assert held(account) == {"eks:general": THREE, "auto_scaling:shop-own": THREE}
    assert done("account", "disconnect", "prod", "--yes", *AT_HOME).out.startswith("account prod is gone")
    assert rows_of(Account, account_name="prod") == []


def test_a_sleep_that_waits_is_no_failure(account: StandInAccount, done: Spothive, refused: Callable[..., str]) -> None:
    done("hibernation", "set", "shop", "--week", "-", *AT_HOME, given=str([0] * 168))
    done("cluster", "policy", "set", "shop", "require_approval=true", *AT_HOME)
    shown = done("hibernation", "apply", *AT_HOME)
    assert shown.out.endswith("somebody has to approve: spothive approval list --status PENDING\n")
    (request,) = done("approval", "list", "--status", "PENDING", "--json", *AT_HOME).json["approvals"]
    assert (request["action"], request["requester"]) == ("HIBERNATE_CLUSTER", "spothive")
    assert f"spothive approval show {request['id']}" in shown.words
    done("approval", "approve", request["id"], *AT_HOME)
    assert "the cluster's hibernation" in refused("approval", "execute", request["id"], *AT_HOME)
    assert done("hibernation", "apply", "--json", *AT_HOME).json[0]["outcome"] == "done"
    assert {sizes.desired for sizes in held(account).values()} == {0}
    delete = ("user", "delete", "acme-client", "--yes", "--with-accounts", "--tenant", "acme", "--as", "admin")
    assert "shop is asleep, and nobody would know how to wake it" in refused(*delete)
    done("account", "disconnect", "prod", "--yes", "--leave-asleep", *AT_HOME)
    assert "may not" in refused("hibernation", "apply", "--tenant", "acme", "--as", "acme-user")


def test_a_zone_that_this_machine_does_not_know_hides_no_other(
    account: StandInAccount, done: Spothive, spothive: Spothive
) -> None:
    (found,) = rows_of(Account, account_name="prod")
    make_cluster(found["tenant_id"], found["id"], "zoo", region=REGION)
    for name in ("shop", "zoo"):
        done("hibernation", "set", name, "--awake", "mon-sun", *AT_HOME)
    with get_db_session(tenant=found["tenant_id"]) as session:
        session.query(HibernationSchedule).order_by("id").limit(1).one().timezone = "Mars/Olympus"
    listed = {row["cluster"]: row for row in done("hibernation", "list", "--json", *AT_HOME).json}
    assert (listed["shop"]["state"], listed["zoo"]["obstacle"]) == ("awake", None)
    assert listed["shop"]["obstacle"].startswith("'Mars/Olympus' is no time zone")
    assert "no time zone" in done("hibernation", "show", "shop", *AT_HOME).words
    told = spothive("hibernation", "apply", *AT_HOME)
    assert (told.code, "until then the cluster stays awake" in told.words) == (1, True)
    assert {sizes.desired for sizes in held(account).values()} == {3}
