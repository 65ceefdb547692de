"""Accounts: finding, listing, marking and disconnecting them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountLog,
    Cluster,
    EnvironmentType,
    ExperimentLog,
    Instance,
    ScanRun,
    ScanUnit,
    get_db_session,
    read_session,
)
from spothive.errors import Conflict, Denied, NotFound, ValueRefused
from spothive.gateways.ec2_answer import ObservedInstance
from spothive.operations.fleet import (
    InstanceFilter,
    accounts,
    disconnect_account,
    find_account,
    import_fleet,
    list_accounts,
    list_instances,
    set_environment,
    summarise_fleet,
)
from tests.factories.decisions import decide, decision
from tests.factories.fleets import answer_of, connected_account, observed
from tests.operations.conftest import World, audited
from tests.watching import rows_of


class Interruption(Exception):
    """Somebody pulled the plug."""


def imported(world: World, *fleet: ObservedInstance, name: str = "shop") -> None:
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name=name, answer=answer_of(fleet), regions=["us-east-1"])


def connected(world: World, name: str = "prod", account_id: str = "210987654321") -> None:
    with get_db_session(tenant=world.acme) as session:
        connected_account(session, world.anna.user_id, name=name, account_id=account_id)


def disconnect(world: World, name: str = "shop", **options: Any) -> dict[str, int]:
    return disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name=name, **options)


def interrupt(_: int, __: int) -> None:
    raise Interruption


# --- find, list, mark ---


def test_an_account_is_found_by_name_and_by_aws_id(world: World) -> None:
    connected(world)
    with read_session(tenant=world.acme) as session:
        assert find_account(session, "prod").id == find_account(session, "210987654321").id
        with pytest.raises(NotFound, match=r"^no account is called 'Prod'"):
            find_account(session, "Prod")


def test_a_name_that_looks_like_the_id_of_another_account_means_the_name(world: World) -> None:
    connected(world)
    connected(world, name="210987654321", account_id="345678901234")
    with read_session(tenant=world.acme) as session:
        assert find_account(session, "210987654321").account_id == "345678901234"


def test_accounts_of_other_tenants_do_not_exist(world: World) -> None:
    connected(world)
    with read_session(tenant=world.globex) as session:
        assert list_accounts(session) == []
        for name in ("prod", "210987654321"):
            with pytest.raises(NotFound):
                find_account(session, name)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        set_environment(session, world.gina, name="prod", environment=EnvironmentType.PROD)
    with pytest.raises(NotFound):
        disconnect_account(get_db_session, world.gina, tenant_id=world.globex, name="prod")


def test_a_list_counts_what_still_exists(world: World) -> None:
    imported(world, observed(1, cluster_name="web"), observed(2, state="terminated"), observed(3, state="stopped"))
    imported(world, observed(4), name="another")
    with read_session(tenant=world.acme) as session:
        listed = [(each.account.account_name, each.instances, each.clusters) for each in list_accounts(session)]
    assert listed == [("another", 1, 0), ("shop", 2, 1)]


def test_only_a_proven_account_is_prod(world: World) -> None:
    imported(world)
    connected(world)
    with pytest.raises(ValueRefused) as refusal, get_db_session(tenant=world.acme) as session:
        set_environment(session, world.anna, name="shop", environment=EnvironmentType.PROD)
    assert refusal.value.rule in {"ck_accounts_import_unproven", "ck_accounts_prod_proven"}
    for environment in (EnvironmentType.PROD, EnvironmentType.PROD, EnvironmentType.LAB):
        with get_db_session(tenant=world.acme) as session:
            account = set_environment(session, world.anna, name="prod", environment=environment)
            assert account.environment_type is environment
    marks = [after for *_, after in audited(event="account.marked")]
    assert marks == [{"environment_type": "PROD"}, {"environment_type": "LAB"}]
    (account_row,) = rows_of(Account, account_name="prod")
    logged = rows_of(AccountLog, account_id=account_row["id"], action="marked")
    assert [row["details"] for row in logged] == [{"environment_type": "PROD"}, {"environment_type": "LAB"}]


# --- disconnect ---


def test_everything_of_the_account_goes_and_nothing_else(world: World) -> None:
    imported(world, observed(1, cluster_name="web"), observed(2))
    imported(world, observed(2), observed(1, cluster_name="web", state="stopped"))
    imported(world, observed(3, cluster_name="web"), name="another")
    told: list[tuple[int, int]] = []
    gone = disconnect(world, progress=lambda done, total: told.append((done, total)))
    assert gone == {"instances": 2, "clusters": 1, "scan_runs": 2}
    assert told == [(2, 2)]
    assert [row["account_name"] for row in rows_of(Account)] == ["another"]
    assert [row["instance_id"] for row in rows_of(Instance)] == [observed(3).instance_id]
    assert [len(rows_of(model)) for model in (Cluster, ScanRun, ScanUnit)] == [1, 1, 1]
    assert len(rows_of(AccountLog, action="disconnecting")) == 1  # history outlives the account
    assert audited(event="account.disconnected")[0][4] == gone


def test_a_large_account_goes_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "BATCH", 3)
    imported(world, *(observed(number) for number in range(8)))
    told: list[tuple[int, int]] = []
    assert disconnect(world, progress=lambda done, total: told.append((done, total)))["instances"] == 8
    assert told == [(3, 8), (6, 8), (8, 8)]


def test_decisions_go_first_and_in_batches_however_many_an_instance_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "BATCH", 3)
    imported(world, observed(1))
    imported(world, observed(2), name="another")
    one, other = (Instance(**row) for row in rows_of(Instance))
    at = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [at + timedelta(hours=hour) for hour in (5, 1, 1, 2, 2, 3, 4)]
    decide(*(decision(one, moment) for moment in moments), decision(other, at))
    left: list[int] = []
    disconnect(world, progress=lambda _, __: left.append(len(rows_of(ExperimentLog, account_id=one.account_id))))
    assert left == [7 - 4, 0, 0], "by time, and those of one moment together"
    assert [row["instance_id"] for row in rows_of(ExperimentLog)] == [other.id]


def test_an_account_is_invisible_from_the_first_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "BATCH", 1)
    imported(world, observed(1, cluster_name="web"), observed(2))

    def look(done: int, _: int) -> None:
        with read_session(tenant=world.acme) as session:
            assert list_accounts(session) == []
            assert list_instances(session, InstanceFilter()) == []
            assert summarise_fleet(session, "region") == []
            with pytest.raises(NotFound):
                find_account(session, "shop")
        if done == 1:
            assert len(rows_of(Instance)) == 1  # it is the tombstone that hides it, not its end

    disconnect(world, progress=look)


@pytest.mark.parametrize("name", ["prod", "210987654321"])
def test_an_interrupted_disconnection_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(accounts, "BATCH", 2)
    connected(world)
    (account,) = rows_of(Account)
    with get_db_session(tenant=world.acme) as session:
        for number in range(5):
            session.add(an_instance(account["id"], number))
    with pytest.raises(Interruption):
        disconnect(world, name, progress=interrupt)
    assert len(rows_of(Instance)) == 3
    held = {"instances": 5, "clusters": 0, "scan_runs": 0}
    assert disconnect(world, name) == held, "what hung on it from the beginning"
    assert rows_of(Account) == rows_of(Instance) == []
    events = [(event, resource, before) for event, resource, _, _, before, _ in audited()]
    assert events[-2:] == [("account.disconnecting", "prod", held), ("account.disconnected", "prod", held)]
    with pytest.raises(NotFound):
        disconnect(world, name)


def test_who_comes_second_to_the_end_of_a_disconnection_is_told(world: World) -> None:
    imported(world, observed(1))

    def overtake(_: int, __: int) -> None:
        assert disconnect(world)["instances"] == 1

    with pytest.raises(Conflict, match=r"^another call disconnected shop meanwhile"):
        disconnect(world, progress=overtake)
    assert [row[0] for row in audited()].count("account.disconnected") == 1


def test_replicas_in_other_batches_live_on_until_theirs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "BATCH", 1)
    imported(world)
    (shop,) = rows_of(Account, account_name="shop")
    with get_db_session(tenant=world.acme) as session:
        chain = [an_instance(shop["id"], number) for number in range(3)]
        for primary, replica in pairwise(chain):
            session.add(primary)
            session.flush()
            replica.is_replica, replica.replica_of_id = True, primary.id
            replica.replica_expiry = datetime(2027, 1, 1, tzinfo=UTC)
        session.add(chain[-1])
    assert disconnect(world)["instances"] == 3
    assert rows_of(Instance) == []


def test_who_may_not_disconnect_changes_nothing(world: World) -> None:
    imported(world, observed(1))
    with pytest.raises(Denied):
        disconnect_account(get_db_session, world.udo, tenant_id=world.acme, name="shop")
    assert rows_of(Account)[0]["disconnecting_at"] is None


def an_instance(account_id: Any, number: int) -> Instance:
    seen = observed(number)
    return Instance(
        account_id=account_id,
        instance_id=seen.instance_id,
        instance_type=seen.instance_type,
        region=seen.region,
        availability_zone=seen.availability_zone,
        state=seen.state,
        lifecycle=seen.lifecycle,
        content_hash=number,
    )
