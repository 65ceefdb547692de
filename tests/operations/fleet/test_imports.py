"""Importing what describe-instances printed: what becomes of every instance, and what is written at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountStatus,
    Cluster,
    EnvironmentType,
    Instance,
    InstanceState,
    Lifecycle,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    get_db_session,
)
from spothive.errors import Conflict, InvalidInput, NotFound, NothingToImport, ValueRefused
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, RefusedInstance
from spothive.operations.fleet import FieldChange, ScanResult, import_fleet
from spothive.operations.identity import set_user_active
from tests.conftest import Database
from tests.factories.fleets import a_day_later, answer_of, connected_account, large_fleet, observed
from tests.operations.conftest import World, versions
from tests.watching import everything, rows_of, statements


def taken(
    world: World, *instances: ObservedInstance, answer: FleetAnswer | None = None, name: str = "shop", **options: Any
) -> ScanResult:
    """Import ``instances``, or a whole ``answer``, as anna of acme."""
    with get_db_session(tenant=world.acme) as session:
        return import_fleet(session, world.anna, name=name, answer=answer or answer_of(instances), **options)


def stored() -> dict[str, dict[str, Any]]:
    """Return EC2 instance id to row."""
    return {row["instance_id"]: row for row in rows_of(Instance)}


def i(number: int) -> str:
    return observed(number).instance_id


# --- one import after the other ---


def test_the_first_import_makes_the_account_and_its_instances(world: World) -> None:
    member = observed(
        2,
        instance_type="c5.xlarge",
        region="eu-west-1",
        availability_zone="eu-west-1b",
        lifecycle="spot",
        cluster_name="web",
        node_group="workers",
        vcpus=4,
    )
    result = taken(world, observed(1), member)
    assert (result.status, result.regions, result.seen) == (ScanStatus.COMPLETE, ["eu-west-1", "us-east-1"], 2)
    assert (result.added, result.changed, result.vanished, result.refused) == ([i(1), i(2)], [], [], [])
    assert result.clusters_added == ["eu-west-1/web"]
    (account,) = rows_of(Account)
    assert (account["account_name"], account["user_id"]) == ("shop", world.anna.user_id)
    assert account["account_id"].startswith("pending-")
    assert (account["status"], account["environment_type"]) == (AccountStatus.PENDING, EnvironmentType.LAB)
    assert account["account_metadata"] == {"claimed_account_id": "111122223333"}
    (cluster,) = rows_of(Cluster)
    assert (cluster["name"], cluster["region"], cluster["account_id"]) == ("web", "eu-west-1", account["id"])
    row = stored()[i(2)]
    assert (row["account_id"], row["cluster_id"]) == (account["id"], cluster["id"])
    assert (row["instance_type"], row["region"], row["availability_zone"]) == ("c5.xlarge", "eu-west-1", "eu-west-1b")
    assert (row["state"], row["lifecycle"]) == (InstanceState.RUNNING, Lifecycle.SPOT)
    assert (row["cpu"], row["memory"]) == (4, 8192)
    assert row["launched_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert row["cluster_membership"] == {"cluster_name": "web", "node_group": "workers", "role": "node"}
    assert (row["orchestrator_type"], row["pipeline_mode"]) == ("KUBERNETES", "CLUSTER")
    assert row["instance_metadata"] == {"tags": {"Name": "node-2"}, "vpc_id": "vpc-1", "subnet_id": "subnet-1"}
    alone = stored()[i(1)]
    assert (alone["cluster_id"], alone["cluster_membership"]) == (None, None)
    assert (alone["orchestrator_type"], alone["pipeline_mode"]) == ("STANDALONE", "LINEAR")


def test_the_same_answer_again_writes_no_instance(db: Database, world: World) -> None:
    fleet = large_fleet(50)
    taken(world, *fleet)
    before, written = everything(), versions(db)
    with statements() as sent:
        result = taken(world, *reversed(fleet))
    assert (result.added, result.changed, result.vanished, result.clusters_added) == ([], [], [], [])
    assert (result.status, result.seen) == (ScanStatus.COMPLETE, 50)
    after = everything()
    for table in ("instances", "clusters", "accounts"):
        assert after[table] == before[table]
        assert not [
            s for s in sent if s.startswith((f"UPDATE {table}", f"INSERT INTO {table}", f"DELETE FROM {table}"))
        ]
    assert versions(db) == written


def test_only_what_changed_is_written(db: Database, world: World) -> None:
    fleet = large_fleet(200)
    taken(world, *fleet)
    before, written = stored(), versions(db)
    later = a_day_later(fleet)
    result = taken(world, *later)
    assert (len(result.added), len(result.changed)) == (2, 10)
    after = stored()
    touched = {*result.changed, *result.vanished}
    assert after.keys() - before.keys() == set(result.added)
    assert {name for name in before if after[name] != before[name]} == touched
    assert {name for name in before if versions(db)[name] != written[name]} == touched
    assert all(after[name]["updated_at"] > before[name]["updated_at"] for name in touched)


def test_a_change_is_told_field_by_field(world: World) -> None:
    taken(world, observed(1, cluster_name="web"), observed(2))
    changed = observed(
        1,
        instance_type="m5.xlarge",
        availability_zone="us-east-1b",
        state="stopped",
        lifecycle="spot",
        cluster_name="api",
        vcpus=4,
    )
    result = taken(world, changed, observed(2))
    assert result.changed == [i(1)]
    assert result.changes == [
        FieldChange(i(1), "instance_type", "m5.large", "m5.xlarge"),
        FieldChange(i(1), "availability_zone", "us-east-1a", "us-east-1b"),
        FieldChange(i(1), "state", "running", "stopped"),
        FieldChange(i(1), "lifecycle", "on-demand", "spot"),
        FieldChange(i(1), "cluster", "web", "api"),
    ]
    row = stored()[i(1)]
    assert (row["instance_type"], row["availability_zone"], row["cpu"]) == ("m5.xlarge", "us-east-1b", 4)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {"Name": "another"}},
        {"tags": {}},
        {"launched_at": None},
        {"launched_at": datetime(2026, 2, 1, tzinfo=UTC)},
        {"node_group": "spot"},
        {"in_asg": True},
        {"vpc_id": None},
        {"subnet_id": "subnet-2"},
        {"vcpus": 1},
        {"memory_mib": None},
    ],
)
def test_every_fact_counts_as_a_change(world: World, change: dict[str, Any]) -> None:
    taken(world, observed(1))
    result = taken(world, observed(1, **change))
    assert (result.changed, result.changes) == ([i(1)], [])
    assert taken(world, observed(1, **change)).changed == []


def test_an_instance_may_appear_in_another_region(world: World) -> None:
    taken(world, observed(1), observed(2))
    moved = observed(1, region="eu-west-1", availability_zone="eu-west-1a")
    result = taken(world, moved, observed(2))
    assert (result.changed, result.vanished) == ([i(1)], [])
    assert stored()[i(1)]["region"] == "eu-west-1"


def test_instances_move_between_clusters_and_out_of_them(world: World) -> None:
    taken(world, observed(1, cluster_name="web"), observed(2, cluster_name="web"))
    result = taken(world, observed(1, cluster_name="api"), observed(2))
    assert result.clusters_added == ["us-east-1/api"]
    clusters = {row["id"]: row["name"] for row in rows_of(Cluster)}
    assert sorted(clusters.values()) == ["api", "web"]
    assert clusters[stored()[i(1)]["cluster_id"]] == "api"
    assert stored()[i(2)]["cluster_id"] is None


def test_clusters_of_one_name_in_two_regions_are_two(world: World) -> None:
    there = observed(2, region="eu-west-1", availability_zone="eu-west-1a", cluster_name="web")
    result = taken(world, observed(1, cluster_name="web"), there)
    assert result.clusters_added == ["us-east-1/web", "eu-west-1/web"]
    assert stored()[i(1)]["cluster_id"] != stored()[i(2)]["cluster_id"]


# --- what is gone ---


def test_what_is_listed_no_longer_has_ended(world: World) -> None:
    taken(world, observed(1), observed(2))
    result = taken(world, observed(2))
    assert result.vanished == [i(1)]
    gone = stored()[i(1)]
    assert gone["state"] is InstanceState.TERMINATED
    assert gone["terminated_at"] == gone["updated_at"]
    assert taken(world, observed(2)).vanished == []
    assert stored()[i(1)] == gone


def test_regions_without_a_word_in_the_answer_stay_as_they_were(world: World) -> None:
    there = observed(1, region="eu-west-1", availability_zone="eu-west-1a")
    taken(world, there, observed(2))
    assert taken(world, observed(2)).vanished == []
    assert taken(world, observed(2), regions=["eu-west-1"]).vanished == [i(1)]


def test_an_empty_answer_tells_nothing_without_a_region(world: World) -> None:
    taken(world, observed(1))
    empty = answer_of([], owner_ids=[])
    everywhere = everything()
    with pytest.raises(InvalidInput, match=r"^the answer lists no instance: say with --region"):
        taken(world, answer=empty)
    assert everything() == everywhere
    result = taken(world, answer=empty, regions=["us-east-1", "eu-west-1"])
    assert (result.status, result.regions) == (ScanStatus.COMPLETE, ["eu-west-1", "us-east-1"])
    assert result.vanished == [i(1)]


def test_an_import_that_can_take_nothing_makes_no_account(world: World) -> None:
    taken(world, observed(1), name="first")
    unusable = RefusedInstance(i(2), "file.json", "has no InstanceType")
    before = everything()
    for answer, reason in (
        (answer_of([]), "lists no instance"),
        (answer_of([], refused=[unusable]), rf"refused \(1\), the first, {i(2)} in file.json: has no InstanceType$"),
        (
            answer_of([observed(1)]),
            rf"refused \(1\), the first, {i(1)} in the database: account first holds it already$",
        ),
    ):
        with pytest.raises(NothingToImport, match=reason) as nothing:
            taken(world, answer=answer, name="second")
        assert len(nothing.value.refused) == len(answer.instances) + len(answer.refused)
    assert everything() == before


def test_an_incomplete_answer_ends_nothing(world: World) -> None:
    taken(world, observed(1), observed(2))
    result = taken(world, answer=answer_of([observed(2), observed(3)], complete=False))
    assert (result.status, result.added, result.vanished) == (ScanStatus.PARTIAL, [i(3)], [])
    assert stored()[i(1)]["state"] is InstanceState.RUNNING


def test_a_refusal_without_a_name_ends_nothing(world: World) -> None:
    taken(world, observed(1), observed(2))
    nameless = RefusedInstance(None, "file", "instance 1 of reservation 1 has no valid InstanceId")
    result = taken(world, answer=answer_of([observed(2)], refused=[nameless]))
    assert (result.status, result.vanished, result.refused) == (ScanStatus.PARTIAL, [], [nameless])


def test_what_was_refused_by_name_has_not_vanished(world: World) -> None:
    taken(world, observed(1), observed(2), observed(3))
    refused = RefusedInstance(i(1), "file", "has no State with a Name")
    result = taken(world, answer=answer_of([observed(2)], refused=[refused]))
    assert (result.status, result.vanished) == (ScanStatus.COMPLETE, [i(3)])
    assert stored()[i(1)]["state"] is InstanceState.RUNNING


def test_the_appearance_that_was_kept_is_taken(world: World) -> None:
    second = RefusedInstance(i(1), "file", "appears twice, with lifecycle spot and then on-demand; the first is kept")
    result = taken(world, answer=answer_of([observed(1, lifecycle="spot")], refused=[second]))
    assert result.added == [i(1)]
    assert stored()[i(1)]["lifecycle"] is Lifecycle.SPOT


def test_back_from_the_dead(world: World) -> None:
    taken(world, observed(1), observed(2))
    taken(world, observed(2))
    result = taken(world, observed(1), observed(2))
    assert (result.added, result.changed) == ([], [i(1)])
    assert result.changes == [FieldChange(i(1), "state", "terminated", "running")]
    row = stored()[i(1)]
    assert (row["state"], row["terminated_at"]) == (InstanceState.RUNNING, None)


def test_the_moment_an_instance_ended_is_kept(world: World) -> None:
    ended = observed(1, state="terminated")
    taken(world, ended, observed(2))
    first = stored()[i(1)]["terminated_at"]
    assert first is not None
    assert taken(world, replace(ended, vpc_id=None), observed(2)).changed == [i(1)]
    assert stored()[i(1)]["terminated_at"] == first
    taken(world, observed(2))
    assert stored()[i(1)]["terminated_at"] == first


def test_what_vanished_and_is_then_listed_as_terminated_ended_once(world: World) -> None:
    taken(world, observed(1), observed(2))
    taken(world, observed(2))
    ended = stored()[i(1)]["terminated_at"]
    result = taken(world, observed(1, state="terminated"), observed(2))
    assert (result.changed, result.changes) == ([i(1)], [])
    assert stored()[i(1)]["terminated_at"] == ended


# --- whose ---


def test_an_answer_of_two_aws_accounts_is_refused(world: World) -> None:
    before = everything()
    with pytest.raises(InvalidInput, match=r"^the answer mixes AWS accounts 111111111111, 222222222222: import each"):
        taken(world, answer=answer_of([observed(1)], owner_ids=["222222222222", "111111111111"]))
    assert everything() == before


def test_another_aws_account_than_last_time_is_refused(world: World) -> None:
    taken(world, observed(1))
    before = everything()
    with pytest.raises(InvalidInput, match=r"^shop holds instances of AWS account 111122223333, the answer those of 9"):
        taken(world, answer=answer_of([observed(2)], owner_ids=["999999999999"]))
    assert everything() == before


def test_the_first_answer_that_names_its_aws_account_decides(world: World) -> None:
    taken(world, answer=answer_of([], owner_ids=[]), regions=["us-east-1"])
    taken(world, observed(1))
    with pytest.raises(InvalidInput):
        taken(world, answer=answer_of([observed(1)], owner_ids=["999999999999"]))


def test_what_another_account_holds_is_refused_by_name(world: World) -> None:
    taken(world, observed(1), name="first")
    before = stored()[i(1)]
    result = taken(world, observed(1, state="stopped"), observed(2), name="second")
    assert (result.added, result.seen) == ([i(2)], 2)
    assert result.refused == [RefusedInstance(i(1), "the database", "account first holds it already")]
    assert stored()[i(1)] == before


def test_two_tenants_may_hold_the_same_instance(world: World) -> None:
    taken(world, observed(1))
    with get_db_session(tenant=world.globex) as session:
        result = import_fleet(session, world.gina, name="shop", answer=answer_of([observed(1)]))
    assert (result.added, result.refused) == ([i(1)], [])
    assert {row["tenant_id"] for row in rows_of(Instance, instance_id=i(1))} == {world.acme, world.globex}


@pytest.mark.parametrize("name", ["prod", "210987654321"])
def test_a_connected_account_is_discovered_not_imported(world: World, name: str) -> None:
    with get_db_session(tenant=world.acme) as session:
        connected_account(session, world.anna.user_id, name="prod", account_id="210987654321")
    before = everything()
    with pytest.raises(Conflict, match=r"^account prod is connected to AWS"):
        taken(world, observed(1), name=name)
    assert everything() == before


def test_somebody_of_the_tenant_answers_for_the_account(world: World) -> None:
    def import_as_admin(name: str, owner: str | None) -> None:
        with get_db_session(tenant=world.acme) as session:
            nothing = answer_of([], owner_ids=[])
            import_fleet(session, world.admin, name=name, answer=nothing, regions=["us-east-1"], owner=owner)

    import_as_admin("by-default", None)
    import_as_admin("by-name", "Udo")
    owners = {row["account_name"]: row["user_id"] for row in rows_of(Account)}
    assert owners == {"by-default": world.anna.user_id, "by-name": world.udo.user_id}
    for stranger in ("gina", "nobody"):
        with pytest.raises(NotFound, match=f"^no active user of this tenant is called '{stranger}'"):
            import_as_admin("by-a-stranger", stranger)
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
    with pytest.raises(NotFound):
        import_as_admin("by-the-disabled", "udo")


@pytest.mark.parametrize("region", ["", "nowhere", "us-east-1a", "US-EAST-1", "us-east-1\n", "x" * 500])
def test_an_unknown_region_is_refused(world: World, region: str) -> None:
    before = everything()
    with pytest.raises(InvalidInput, match="is no AWS region"):
        taken(world, observed(1), regions=["us-east-1", region])
    assert everything() == before


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_an_account_has_a_name_of_1_to_100_characters(world: World, name: str) -> None:
    before = everything()
    with pytest.raises(ValueRefused) as refusal:
        taken(world, observed(1), name=name)
    assert refusal.value.table == "accounts"
    assert everything() == before


# --- the record of the run ---


def test_a_run_and_its_units_tell_the_truth(world: World) -> None:
    there = [observed(n, region="eu-west-1", availability_zone="eu-west-1a") for n in (1, 2, 3)]
    taken(world, *there, observed(4))
    taken(world, observed(1, region="eu-west-1", availability_zone="eu-west-1a", state="stopped"), observed(5))
    (account,) = rows_of(Account)
    _, run = rows_of(ScanRun)
    assert (run["account_id"], run["kind"], run["status"]) == (account["id"], "import", ScanStatus.COMPLETE)
    assert (run["seen"], run["added"], run["changed"], run["vanished"]) == (2, 1, 1, 3)
    assert (run["units_expected"], run["error"]) == (2, None)
    assert run["finished_at"] >= run["started_at"]
    units = {row["region"]: row for row in rows_of(ScanUnit, scan_run_id=run["id"])}
    assert {region: (unit["status"], unit["items"]) for region, unit in units.items()} == {
        "eu-west-1": (UnitStatus.DONE, 1),
        "us-east-1": (UnitStatus.DONE, 1),
    }


def test_a_partial_run_says_why(world: World) -> None:
    taken(world, answer=answer_of([observed(1)], complete=False))
    (run,) = rows_of(ScanRun)
    (unit,) = rows_of(ScanUnit)
    assert (run["status"], unit["status"]) == (ScanStatus.PARTIAL, UnitStatus.FAILED)
    assert run["error"] == unit["error"] == "the answer was incomplete: what it does not list may still exist"


def test_a_run_counts_what_was_refused(world: World) -> None:
    taken(world, answer=answer_of([observed(1)], refused=[RefusedInstance(i(2), "file", "has no InstanceType")]))
    (run,) = rows_of(ScanRun)
    assert (run["status"], run["error"]) == (ScanStatus.COMPLETE, "instances refused: 1")


def test_the_number_of_statements_does_not_grow_with_the_fleet(world: World) -> None:
    sent = []
    for count in (50, 4_500):
        fleet = large_fleet(count)
        with statements() as first:
            taken(world, *fleet, name=f"fleet of {count}")
        with statements() as second:
            taken(world, *a_day_later(fleet), name=f"fleet of {count}")
        sent.append((first.total(), second.total()))
        with get_db_session(tenant=world.acme) as session:
            session.query(Instance).delete()
    assert sent[0] == sent[1]
