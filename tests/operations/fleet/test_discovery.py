"""Discovery when AWS answers: the database holds what is there, and only what differs is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountLog,
    AccountStatus,
    AuthStatus,
    Cluster,
    Instance,
    InstanceState,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
    get_db_session,
)
from spothive.errors import Conflict, Denied, InvalidInput, KeyMissing, NotFound
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount, made_up_fleet
from spothive.gateways.fleet_stand_in import STAND_IN_REGIONS, Answer
from spothive.operations.fleet import import_fleet
from tests.conftest import Database
from tests.factories.fleets import answer_of, observed
from tests.factories.sealing import make_keyring
from tests.operations.conftest import World, audited, versions
from tests.operations.fleet.conftest import Desk, account_of, as_owner, fleet_of, machine, name_of, role_for
from tests.watching import everything, rows_of, statements

DISCOVERED = "account.discovered"
EKS = {"kubernetes.io/cluster/shop": "owned", "eks:cluster-name": "shop", "eks:nodegroup-name": "web"}
MANAGED = {"ManagedBy": "spothive"}


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["instance_id"]: row for row in rows}


def at_aws(account: StandInAccount) -> dict[str, Answer]:
    return {each["InstanceId"]: each for whole in account.fleet["Reservations"] for each in whole["Instances"]}


def agrees_with(account: StandInAccount) -> bool:
    """Tell whether the database holds what the account holds, and all else as terminated."""
    known, there = by_id(rows_of(Instance)), at_aws(account)
    assert known.keys() >= there.keys()
    gone = [known[key]["state"] for key in known.keys() - there.keys()]
    facts = ("state", "instance_type", "availability_zone", "lifecycle")
    stored = {key: tuple(str(known[key][fact]) for fact in facts) for key in there}
    wanted = {
        key: (
            raw["State"]["Name"],
            raw["InstanceType"],
            raw["Placement"]["AvailabilityZone"],
            raw.get("InstanceLifecycle", "on-demand"),
        )
        for key, raw in there.items()
    }
    return stored == wanted and set(gone) <= {InstanceState.TERMINATED}


# --- looks ---


def test_a_first_look_takes_everything(desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(made_up_fleet(customer.account_id, regions=STAND_IN_REGIONS, instances=120))
    desk.connect(customer.credentials)
    told: list[tuple[int, int]] = []
    result = desk.discover(progress=lambda done, total: told.append((done, total)))
    assert agrees_with(customer)
    assert (result.status, result.account_name, result.failed) == (ScanStatus.COMPLETE, "prod", {})
    assert result.regions == sorted(STAND_IN_REGIONS)
    assert sorted(result.added) == sorted(at_aws(customer))
    assert (result.seen, result.changed, result.vanished) == (120, [], [])
    assert told == [(1, 3), (2, 3), (3, 3)]
    row = account_of(rows_of(Account))
    assert row["status"] == AccountStatus.ACTIVE
    assert row["last_discovered_at"] is not None
    (run,) = rows_of(ScanRun)
    assert (run["kind"], run["status"], run["error"]) == (ScanKind.DISCOVERY, ScanStatus.COMPLETE, None)
    assert (run["seen"], run["added"], run["units_expected"]) == (120, 120, 3)
    units = rows_of(ScanUnit)
    regions = Counter(row["region"] for row in rows_of(Instance))
    assert {unit["region"]: unit["items"] for unit in units} == regions
    assert {(unit["status"], unit["pages"], unit["resource_kind"]) for unit in units} == {
        (UnitStatus.DONE, 1, "instances")
    }


def test_one_discovery_writes_one_audit_row_with_counts(desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(made_up_fleet(customer.account_id, regions=STAND_IN_REGIONS, instances=20))
    desk.connect(customer.credentials)
    before = len(audited())
    result = desk.discover()
    (told,) = audited()[before:]
    counts = result.counts() | {"status": "COMPLETE", "failed": {}}
    assert told == (DISCOVERED, "prod", "SUCCESS", "anna", None, counts)
    assert (counts["seen"], counts["added"], counts["regions"]) == (20, 20, sorted(STAND_IN_REGIONS))
    logged = [(row["action"], row["from_status"], row["to_status"]) for row in rows_of(AccountLog)][1:]
    assert logged == [("activated", "connected", "active"), ("discovered", None, None)]
    assert rows_of(AccountLog)[-1]["details"] == counts


def test_a_second_look_writes_nothing_where_nothing_changed(db: Database, desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(made_up_fleet(customer.account_id, regions=STAND_IN_REGIONS, instances=60))
    desk.connect(customer.credentials)
    desk.discover()
    before, clusters = versions(db), rows_of(Cluster)
    result = desk.discover()
    assert (result.seen, result.added, result.changed, result.vanished) == (60, [], [], [])
    assert (result.flagged, result.unauthorized, result.clusters_added) == ([], [], [])
    assert versions(db) == before
    assert rows_of(Cluster) == clusters


def test_a_later_look_finds_exactly_what_has_changed(db: Database, desk: Desk, aws: AwsStandIn) -> None:
    # Of a hundred, whichever account of the module it is, too few are stopped for a day in which all happens.
    customer = aws.make_account(instances=200)
    desk.connect(customer.credentials)
    desk.discover()
    for _ in range(2):
        before, old = versions(db), by_id(rows_of(Instance))
        change = customer.change_fleet()
        assert all((change.launched, change.terminated, change.stopped, change.started, change.retyped))
        result = desk.discover()
        assert agrees_with(customer)
        assert set(result.added) == change.launched
        living = {key for key in change.vanished if old[key]["state"] != InstanceState.TERMINATED}
        assert set(result.vanished) == living
        expected = change.terminated | change.stopped | change.started | change.retyped
        settled = {key for key, row in old.items() if row["state"] in {"pending", "stopping"}} - change.vanished
        assert set(result.changed) == expected | settled
        after = versions(db)
        assert {key for key in before if after[key] != before[key]} == set(result.changed) | living
        states = {each.instance_id: each.after for each in result.changes if each.name == "state"}
        assert {key for key, state in states.items() if state == "terminated"} == change.terminated
        assert {key for key, state in states.items() if state == "stopped"} >= change.stopped
        assert {each.instance_id for each in result.changes if each.name == "instance_type"} == change.retyped


def test_what_has_vanished_ended_when_it_was_missed_first(desk: Desk, customer: StandInAccount) -> None:
    desk.connect(customer.credentials)
    customer.set_fleet(fleet_of(machine(1), machine(2)))
    desk.discover()
    customer.set_fleet(fleet_of(machine(1)))
    assert desk.discover().vanished == [name_of(2)]
    ended = by_id(rows_of(Instance))[name_of(2)]
    assert ended["state"] == InstanceState.TERMINATED
    before = everything()["instances"]
    assert desk.discover().vanished == []
    assert everything()["instances"] == before


def test_only_the_given_regions_are_read(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(machine(1), machine(2, "eu-west-1a"), machine(3, "ap-southeast-2a")))
    desk.connect(customer.credentials)
    before = aws.calls("ec2", account_id=customer.account_id)
    result = desk.discover(regions=["us-east-1", "eu-west-1", "eu-west-1"])
    assert (result.regions, result.status) == (["eu-west-1", "us-east-1"], ScanStatus.COMPLETE)
    assert sorted(result.added) == [name_of(1), name_of(2)]
    assert aws.calls("ec2", account_id=customer.account_id) == before + 2
    customer.set_fleet(fleet_of())
    assert desk.discover(regions=["us-east-1"]).vanished == [name_of(1)]
    assert by_id(rows_of(Instance))[name_of(2)]["state"] == InstanceState.RUNNING


def test_a_misspelt_region_is_refused_before_anything_is_done(desk: Desk, customer: StandInAccount) -> None:
    desk.connect(customer.credentials)
    before = everything()
    with pytest.raises(InvalidInput, match="'mars-north-9' is no AWS region"):
        desk.discover(regions=["us-east-1", "mars-north-9"])
    assert everything() == before


def test_an_account_is_discovered_by_its_role(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(machine(1)))
    desk.verify(role_for(aws, customer, desk.begin()))
    asked = aws.calls("sts", "AssumeRole")
    assert desk.discover().added == [name_of(1)]
    assert aws.calls("sts", "AssumeRole") == asked + 1


def test_who_may_not_discover_and_what_cannot_be_discovered(
    world: World, desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    desk.connect(customer.credentials)
    desk.begin(name="begun")
    before, asked = everything(), aws.calls()
    for who in (world.udo, world.lena):
        with pytest.raises(Denied):
            desk.discover(who=who)
    assert [row[:4] for row in audited(outcome="DENIED")] == [
        (DISCOVERED, "prod", "DENIED", name) for name in ("udo", "lena")
    ]
    with pytest.raises(NotFound):
        desk.discover(who=world.gina)
    with pytest.raises(Conflict, match=r"^account begun is not connected to AWS: see `spothive account begin`"):
        desk.discover(name="begun")
    with pytest.raises(KeyMissing):
        desk.discover(keys=lambda: make_keyring("00000001"))
    after = everything()
    assert [after.pop("audit_logs"), before.pop("audit_logs")]
    assert (after, aws.calls()) == (before, asked)


# --- clusters ---


def test_clusters_come_from_eks_and_from_tags(desk: Desk, aws: AwsStandIn) -> None:
    customer = aws.make_account()
    by_hand = {"kubernetes.io/cluster/self-made": "owned"}
    customer.set_fleet(fleet_of(machine(1, tags=EKS), machine(2, tags=by_hand), machine(3, "eu-west-1a", tags=EKS)))
    desk.connect(customer.credentials)
    result = desk.discover()
    assert sorted(result.clusters_added) == ["eu-west-1/shop", "us-east-1/self-made", "us-east-1/shop"]
    clusters = {(row["region"], row["name"]): row for row in rows_of(Cluster)}
    eks, own = clusters["us-east-1", "shop"], clusters["us-east-1", "self-made"]
    assert eks["k8s_version"] == "1.33"
    assert eks["api_endpoint"].startswith("https://")
    assert eks["vpc_id"].startswith("vpc-")
    assert own["k8s_version"] is own["api_endpoint"] is None
    instances = by_id(rows_of(Instance))
    first = instances[name_of(1)]
    assert first["cluster_id"] == eks["id"]
    assert first["cluster_membership"] == {"cluster_name": "shop", "node_group": "web", "role": "node"}
    assert instances[name_of(2)]["cluster_id"] == own["id"]
    assert instances[name_of(3)]["cluster_id"] == clusters["eu-west-1", "shop"]["id"]


def test_a_cluster_without_nodes_stays(desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(machine(1, tags=EKS)))
    desk.connect(customer.credentials)
    desk.discover()
    customer.set_fleet(fleet_of())
    desk.discover()
    assert "shop" in {row["name"] for row in rows_of(Cluster, region="us-east-1")}


# --- who answers for an instance ---


def test_an_instance_nobody_answers_for_is_flagged(desk: Desk, customer: StandInAccount) -> None:
    answered: list[dict[str, str]] = [
        MANAGED,
        {"managedby": "SpotHive"},
        {"aws:autoscaling:groupName": "checkout"},
        EKS,
        {"kubernetes.io/cluster/own": "owned"},
    ]
    loose: list[dict[str, str]] = [
        {},
        {"ManagedBy": "terraform"},
        {"Name": "spothive", "Managed-By": "spothive"},
        {"ManagedBy": "spothive too"},
    ]
    customer.set_fleet(fleet_of(*(machine(number, tags=tags) for number, tags in enumerate(answered + loose))))
    desk.connect(customer.credentials)
    result = desk.discover()
    rows = by_id(rows_of(Instance))
    flagged = [name_of(number) for number in range(len(answered), len(rows))]
    assert sorted(result.flagged) == flagged
    assert {key for key, row in rows.items() if row["auth_status"] == AuthStatus.FLAGGED} == set(flagged)
    assert {key for key, row in rows.items() if row["flagged_at"] is not None} == set(flagged)
    assert {row["auth_status"] for row in rows.values()} == {AuthStatus.AUTHORIZED, AuthStatus.FLAGGED}
    assert desk.discover().flagged == []  # told once


def test_a_group_that_no_tag_names_answers_too(
    desk: Desk, customer: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.set_fleet(fleet_of(machine(1), machine(2)))
    desk.connect(customer.credentials)
    members = {name_of(1)}
    monkeypatch.setattr(desk.gateway, "auto_scaling_instances", lambda *_: members)
    assert desk.discover().flagged == [name_of(2)]


def test_flagged_for_a_day_is_unauthorized_until_somebody_answers(
    db: Database, desk: Desk, customer: StandInAccount
) -> None:
    """A day passes in the database: ``flagged_at`` is moved back."""
    customer.set_fleet(fleet_of(machine(1), machine(2)))
    first, second = name_of(1), name_of(2)
    desk.connect(customer.credentials)
    desk.discover()
    moved = {
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f', flagged_at, '-1 day') || '000'",
        "postgresql": "flagged_at - interval '1 day'",
    }[db.engine]
    placeholder = "?" if db.engine == "sqlite" else "%s"
    as_owner(db, f"UPDATE instances SET flagged_at = {moved} WHERE instance_id = {placeholder}", first)
    since = by_id(rows_of(Instance))[first]["flagged_at"]
    result = desk.discover()
    assert (result.unauthorized, result.flagged, result.changed) == ([first], [], [])
    rows = by_id(rows_of(Instance))
    assert (rows[first]["auth_status"], rows[first]["flagged_at"]) == (AuthStatus.UNAUTHORIZED, since)
    assert rows[second]["auth_status"] == AuthStatus.FLAGGED
    assert desk.discover().unauthorized == []  # told once
    customer.set_fleet(fleet_of(machine(1, tags=MANAGED), machine(2, tags=MANAGED)))
    desk.discover()
    rows = by_id(rows_of(Instance))
    assert {row["auth_status"] for row in rows.values()} == {AuthStatus.AUTHORIZED}
    assert {row["flagged_at"] for row in rows.values()} == {None}


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_what_is_over_is_not_judged(desk: Desk, customer: StandInAccount, state: str) -> None:
    customer.set_fleet(fleet_of(machine(1, state=state), machine(2), machine(3)))
    desk.connect(customer.credentials)
    assert sorted(desk.discover().flagged) == [name_of(2), name_of(3)]
    customer.set_fleet(fleet_of(machine(1, state=state), machine(2, state=state, tags=MANAGED)))
    desk.discover()
    status = {key: row["auth_status"] for key, row in by_id(rows_of(Instance)).items()}
    assert status == {
        name_of(1): AuthStatus.AUTHORIZED,
        name_of(2): AuthStatus.FLAGGED,
        name_of(3): AuthStatus.FLAGGED,
    }


# --- imports and discoveries ---


def test_a_connected_import_goes_on_with_its_instances(world: World, desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(machine(1), machine(2)))
    with get_db_session(tenant=world.acme) as session:
        answer = answer_of([observed(1), observed(3)], owner_ids=[customer.account_id])
        import_fleet(session, world.anna, name="prod", answer=answer)
    (known,) = [row for row in rows_of(Instance) if row["instance_id"] == name_of(1)]
    assert known["auth_status"] == AuthStatus.AUTHORIZED
    desk.connect(customer.credentials)
    result = desk.discover()
    assert (result.added, result.vanished) == ([name_of(2)], [observed(3).instance_id])
    row = by_id(rows_of(Instance))[name_of(1)]
    assert (row["id"], row["auth_status"]) == (known["id"], AuthStatus.FLAGGED)


def test_instances_that_an_import_holds_are_refused_by_name(world: World, desk: Desk, customer: StandInAccount) -> None:
    customer.set_fleet(fleet_of(machine(1), machine(2)))
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name="file", answer=answer_of([observed(1)]))
    theirs = rows_of(Instance)
    desk.connect(customer.credentials)
    result = desk.discover()
    assert (result.status, result.added) == (ScanStatus.COMPLETE, [name_of(2)])
    assert [(each.instance_id, each.reason) for each in result.refused] == [
        (name_of(1), "account file holds it already")
    ]
    assert by_id(rows_of(Instance))[name_of(1)] == theirs[0]
    with get_db_session(tenant=world.acme) as session:  # and the other way round
        back = import_fleet(session, world.anna, name="file", answer=answer_of([observed(1), observed(2)]))
    assert [each.reason for each in back.refused] == ["account prod holds it already"]


# --- size ---


def test_the_number_of_statements_does_not_grow_with_the_fleet(desk: Desk, aws: AwsStandIn) -> None:
    counts: dict[int, list[int]] = {}
    for size in (50, 1000):
        customer = aws.make_account(instances=size)
        desk.connect(customer.credentials, name=f"with {size}")
        for regions in (STAND_IN_REGIONS, ("us-east-1",)):
            with statements() as sent:
                result = desk.discover(name=f"with {size}", regions=regions)
            assert result.status is ScanStatus.COMPLETE
            counts.setdefault(size, []).append(sent.total())
            customer.change_fleet()
    assert len(rows_of(Instance)) > 1050
    # The first look makes the clusters one by one; the few of the small fleet are not all there.
    assert counts[1000][0] <= counts[50][0] + 10
    assert counts[1000][1] <= counts[50][1] + 10
    assert max(counts[1000]) < 120
