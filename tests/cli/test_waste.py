"""``spothive waste`` on both databases, with an AWS in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from spothive import runtime
from spothive.database import Tenant, User, WasteResource
from spothive.settings import get_settings
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories.approvals import approved
from tests.factories.waste import AWAY, HOME, WasteWorld, address, as_of, connect, image, snapshot, volume
from tests.watching import rows_of

AT_HOME = ["--tenant", "acme", "--as", "acme-client"]
VOLUME = volume(1).volume_id


@pytest.fixture
def acme(people: Database) -> UUID:
    del people  # they only have to be there
    (tenant,) = rows_of(Tenant, slug="acme")
    (client,) = rows_of(User, username="acme-client")
    connect(tenant["id"], client["id"])
    found: UUID = tenant["id"]
    return found


@pytest.fixture
def aws(acme: UUID, monkeypatch: pytest.MonkeyPatch) -> WasteWorld:
    del acme
    aws = WasteWorld(address(1), volume(1), volume(2), snapshot(1), image(1), regions=(HOME, AWAY))
    monkeypatch.setattr(runtime, "aws_gateway", lambda: aws)
    return aws


@pytest.fixture
def flagged(aws: WasteWorld, done: Spothive) -> WasteWorld:
    with as_of(timedelta(hours=25)):
        done("waste", "scan", "shop", *AT_HOME)
    assert "5 flagged" in done("waste", "scan", "shop", *AT_HOME).out
    return aws


def test_a_scan_tells_what_is_waste_and_what_it_costs(aws: WasteWorld, done: Spothive) -> None:
    assert done("waste", "list", *AT_HOME).out.startswith("nothing is known to be waste")
    told = done("waste", "scan", "--all", *AT_HOME).out.splitlines()
    assert told == [
        "shop: 5 things are waste in eu-west-1, us-east-1; 5 new, 0 changed, 0 in use again or gone, 0 flagged",
        "next: spothive waste list --account shop",
    ]
    shown = done(*told[1].removeprefix("next: spothive ").split(), *AT_HOME)
    assert "together 22.60 USD/month" in shown.out
    listed = done("waste", "list", "--kind", "ebs_volume", "--json", *AT_HOME).json
    assert [row["monthly_cost"] for row in listed["waste"]] == ["8.000000", "8.000000"]
    assert [(each["kind"], each["resources"]) for each in listed["sums"]] == [("ebs_volume", 2)]
    assert done("waste", "list", "--status", "FLAGGED", *AT_HOME).out.startswith("nothing")
    (told,) = done("waste", "scan", "shop", "--json", *AT_HOME).json
    assert (told["status"], told["seen"], told["added"]) == ("COMPLETE", 5, [])
    assert aws.removed == []


def test_a_scan_of_one_region_says_what_it_is_worth(
    aws: WasteWorld, spothive: Spothive, refused: Callable[..., str]
) -> None:
    ran = spothive("waste", "scan", "shop", "--region", HOME, *AT_HOME)
    assert (ran.code, ran.err) == (1, "error: not all could be read: shop\n")
    assert "unknown, and left as it was: eu-west-1 ami: not asked for" in ran.out
    assert "nothing of shop can be scheduled for deletion until a scan is COMPLETE" in ran.out
    assert "name the accounts" in refused("waste", "scan", *AT_HOME)
    assert "no account is called" in refused("waste", "scan", "nosuch", *AT_HOME)
    assert aws.removed == []


@pytest.mark.usefixtures("flagged")
def test_what_is_flagged_goes_all_the_way(flagged: WasteWorld, done: Spothive, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = done("waste", "show", VOLUME, *AT_HOME).out
    assert "a final snapshot, made before the volume is deleted" in shown
    assert "looked for, and not found: attachment" in shown
    command = shown.splitlines()[-1].removeprefix("next: spothive ").split()
    request = done(*command, "--json", *AT_HOME).json
    assert (request["action"], request["target"], request["risk"]) == ("DELETE_WASTE", VOLUME, "HIGH")
    told = done(*command, *AT_HOME).out
    assert "somebody else approves it until" in told
    (row,) = rows_of(WasteResource, resource_id=VOLUME)
    from spothive.database import ApprovalRequest

    (made,) = rows_of(ApprovalRequest, waste_resource_id=row["id"])
    approved(ApprovalRequest(**{key: made[key] for key in ("id", "tenant_id")}))
    shown = done("waste", "show", VOLUME, *AT_HOME).out
    assert shown.splitlines()[-1] == f"next: spothive waste schedule {made['id']}"
    monkeypatch.setenv("SPOTHIVE_WASTE_GRACE", "0")
    get_settings.cache_clear()
    told = done("waste", "schedule", str(made["id"]), *AT_HOME).out
    assert told.splitlines()[-1] == f"to take it back until then: spothive waste keep {VOLUME}"
    told = done("waste", "delete-due", *AT_HOME).out
    assert [
        word for word in (VOLUME, "DELETED", "AWS removed it", "1 deleted, which saves 8.00") if word not in told
    ] == []
    assert flagged.removed == [VOLUME]
    shown = done("waste", "show", VOLUME, *AT_HOME).out
    assert "undo command: aws ec2 create-volume" in shown
    assert done("waste", "delete-due", *AT_HOME).out == "nothing is due\n"
    assert done("waste", "delete-due", "--json", *AT_HOME).json == []
    monkeypatch.undo()
    get_settings.cache_clear()


def test_what_is_wrong_is_said_in_one_line(flagged: WasteWorld, refused: Callable[..., str]) -> None:
    assert "no waste is called 'vol-x'" in refused("waste", "show", "vol-x", *AT_HOME)
    assert "is no id of a request" in refused("waste", "schedule", "x", *AT_HOME)
    assert "no deletion of it is scheduled" in refused("waste", "keep", VOLUME, *AT_HOME)
    assert "waste describes itself" in refused("approval", "request", "delete", VOLUME, "--description", "x", *AT_HOME)
    assert "acme-user (user) may not" in refused("waste", "delete-due", "--tenant", "acme", "--as", "acme-user")
    assert flagged.removed == []


def test_keeping_says_what_is_next(flagged: WasteWorld, done: Spothive) -> None:
    from spothive.database import ApprovalRequest

    request = done("approval", "request", "delete", VOLUME, "--json", *AT_HOME).json["id"]
    (made,) = rows_of(ApprovalRequest, id=UUID(request))
    approved(ApprovalRequest(**{key: made[key] for key in ("id", "tenant_id")}))
    done("waste", "schedule", request, *AT_HOME)
    assert (
        done("waste", "list", "--status", "SCHEDULED_DELETE", "--json", *AT_HOME).json["waste"][0]["resource_id"]
        == VOLUME
    )
    told = done("waste", "keep", VOLUME, *AT_HOME).out.splitlines()
    assert told[0] == f"{VOLUME} is kept: it is FLAGGED, and deleted by another approval only"
    assert flagged.removed == []
