"""Policies and node templates: what they may say, versions, defaults, and whose they are."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from spothive.clock import utc_now
from spothive.database import get_db_session, read_session
from spothive.errors import Conflict, DuplicateValue, InvalidInput, NotFound, ValueRefused
from spothive.models import Account, ClusterPolicy, NodeTemplate
from spothive.models.clusters import KNOWN_POLICY_KEYS
from spothive.operations.clusters import (
    POLICY_KEYS,
    NodeShape,
    create_template,
    delete_template,
    find_cluster,
    list_clusters,
    list_templates,
    set_default_template,
    set_policy,
    set_schedule,
)
from spothive.operations.sla import downtime_report
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance
from tests.operations.conftest import World, audited
from tests.watching import rows_of, statements

ERRORS = (sqlite3.Error, psycopg.Error)
EVERYTHING = {
    "strategy": "CHEAPEST",
    "spot_percentage": 80,
    "binpack_enabled": True,
    "binpack_threshold": 65,
    "fallback_on_demand": False,
    "excluded_namespaces": ["kube-system"],
    "max_risk_threshold": 0.2,
    "require_approval": True,
    "min_nodes": 2,
    "max_nodes": 2,
    "downtime_budget_seconds": 90,
}
WRONG: tuple[dict[str, Any], ...] = (
    {"spot": 80},
    {"strategy": "cheapest"},
    {"strategy": ["CHEAPEST"]},
    {"spot_percentage": 101},
    {"spot_percentage": -1},
    {"spot_percentage": True},
    {"spot_percentage": 50.0},
    {"binpack_enabled": 1},
    {"binpack_threshold": "65"},
    {"excluded_namespaces": "kube-system"},
    {"excluded_namespaces": ["a", "a"]},
    {"excluded_namespaces": ["Upper"]},
    {"excluded_namespaces": [["a"]]},
    {"excluded_namespaces": [f"n{number}" for number in range(101)]},
    {"max_risk_threshold": 1.01},
    {"max_risk_threshold": float("nan")},
    {"max_risk_threshold": True},
    {"min_nodes": 3},
    {"max_nodes": 1},
    {"downtime_budget_seconds": 31 * 24 * 3600 + 1},
)


def set_(world: World, changes: dict[str, Any], version: int | None = None, cluster: str = "shop") -> int:
    with get_db_session(tenant=world.acme) as session:
        return set_policy(session, world.anna, cluster=cluster, changes=changes, version=version).version


@pytest.fixture
def shop(world: World) -> Any:
    return make_cluster(world.acme, make_account(world.acme, "main").id, "shop")


def test_a_policy_says_what_it_may_and_counts_its_changes(world: World, shop: Any) -> None:
    assert EVERYTHING.keys() == POLICY_KEYS.keys() == set(KNOWN_POLICY_KEYS)
    assert set_(world, EVERYTHING) == 1
    for wrong in WRONG:
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            set_(world, wrong)
    assert set_(world, {"spot_percentage": 80}) == 1
    assert set_(world, {"spot_percentage": 0, "min_nodes": None}, version=1) == 2
    with pytest.raises(Conflict, match="has version 2 by now, not 1"):
        set_(world, {"spot_percentage": 5}, version=1)
    (policy,) = rows_of(ClusterPolicy)
    expected = EVERYTHING | {"spot_percentage": 0}
    del expected["min_nodes"]
    assert (policy["config"], policy["version"]) == (expected, 2)
    assert [row[4:] for row in audited(event="policy.changed")][1:] == [
        (
            {"min_nodes": 2, "spot_percentage": 80, "version": 1},
            {"min_nodes": None, "spot_percentage": 0, "version": 2},
        )
    ]
    with read_session(tenant=world.acme) as session:
        assert [budget.budget for budget in downtime_report(session, month=utc_now().date())] == [90]


def test_of_those_who_read_the_same_version_one_changes_it(world: World, shop: Any) -> None:
    barrier = Barrier(4)

    def change(number: int) -> bool:
        barrier.wait()
        try:
            set_(world, {"spot_percentage": number}, version=0)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(change, range(4))) == [False, False, False, True]
    assert [row["version"] for row in rows_of(ClusterPolicy)] == [1]


def test_a_cluster_is_found_by_name_or_id_at_home(world: World, shop: Any) -> None:
    other = make_cluster(world.acme, make_account(world.acme, "other").id, "shop")
    make_cluster(world.globex, make_account(world.globex, "theirs").id, "secret")
    with read_session(tenant=world.acme) as session:
        for cluster in (shop, other):
            assert find_cluster(session, str(cluster.id)).account_id == cluster.account_id
        for path in ("other/shop", f"other/{other.region}/shop"):
            assert find_cluster(session, path).id == other.id
        with pytest.raises(Conflict, match="several clusters are called 'shop': name one as account/region/name"):
            find_cluster(session, "shop")
        with pytest.raises(NotFound) as theirs:
            find_cluster(session, "secret")
        with pytest.raises(NotFound) as nobodys:
            find_cluster(session, str(uuid4()))
    assert str(theirs.value).startswith("no cluster is called 'secret'")
    assert str(nobodys.value).startswith("no cluster is called ")
    with get_db_session(tenant=world.acme) as session:
        session.get_one(Account, other.account_id).disconnecting_at = utc_now()
    with read_session(tenant=world.acme) as session:
        assert find_cluster(session, "shop").id == shop.id
        assert [found.cluster.id for found in list_clusters(session)] == [shop.id]
        with pytest.raises(NotFound):
            find_cluster(session, str(other.id))


def test_clusters_are_listed_in_two_statements(world: World, shop: Any) -> None:
    for number in range(3):
        cluster = make_cluster(world.acme, shop.account_id, f"c{number}")
        make_instance(world.acme, shop.account_id, f"i-{number}", cluster_id=cluster.id)
    make_instance(world.acme, shop.account_id, "i-9", cluster_id=shop.id, state="stopped")
    set_(world, {"min_nodes": 1})
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, cluster="c0", week=[1] * 168)
    with read_session(tenant=world.acme) as session, statements() as sent:
        found = [
            (each.cluster.name, each.instances, each.policy_version, each.hibernation)
            for each in list_clusters(session)
        ]
    assert found == [("c0", 1, None, True), ("c1", 1, None, None), ("c2", 1, None, None), ("shop", 0, 1, None)]
    assert len([each for each in sent if "FROM" in each]) == 2


# --- templates --------------------------------------------------------------------------------------------------------


def create(
    world: World, name: str, *families: str, default: bool = False, owner: str | None = None, size: int = 100
) -> None:
    with get_db_session(tenant=world.acme) as session:
        shape = NodeShape(families or ["m6i"], disk_size=size)
        create_template(session, world.anna, name=name, shape=shape, default=default, owner=owner)


def listed(world: World) -> list[tuple[str, str, bool]]:
    with read_session(tenant=world.acme) as session:
        return [(each.owner, each.template.name, each.template.is_default) for each in list_templates(session)]


def test_a_user_has_one_default_at_most(world: World) -> None:
    create(world, "batch", default=True)
    create(world, "web", default=True)
    create(world, "web", owner="lena", default=True)
    assert listed(world) == [("anna", "batch", False), ("anna", "web", True), ("lena", "web", True)]
    with get_db_session(tenant=world.acme) as session:
        set_default_template(session, world.anna, name="batch")
        set_default_template(session, world.anna, name="batch")
    assert listed(world) == [("anna", "batch", True), ("anna", "web", False), ("lena", "web", True)]
    assert len(audited(event="template.default")) == 1
    with get_db_session(tenant=world.acme) as session:
        delete_template(session, world.anna, name="batch")
        delete_template(session, world.anna, name="web", owner="lena")
    assert listed(world) == [("anna", "web", False)]
    for name, owner in (("batch", None), ("web", "lena"), ("web", "gina")):
        with get_db_session(tenant=world.acme) as session, pytest.raises(NotFound):
            set_default_template(session, world.anna, name=name, owner=owner)


def test_what_is_no_template_is_refused(world: World) -> None:
    create(world, "batch")
    with pytest.raises(DuplicateValue):
        create(world, "batch")
    for families in (["m6i", "m6i"], ["m6i.large"], ["M6I"], [""]):
        with pytest.raises(InvalidInput, match="one instance family or more"):
            create(world, "other", *families)
    for name, size in (("", 100), ("x" * 101, 100), ("other", 9), ("other", 16_001)):
        with pytest.raises(ValueRefused):
            create(world, name, size=size)
    assert len(rows_of(NodeTemplate)) == 1


def test_of_several_defaults_at_once_one_is_left(world: World) -> None:
    for name in "abcd":
        create(world, name)
    barrier = Barrier(4)

    def choose(name: str) -> str | None:
        barrier.wait()
        try:
            with get_db_session(tenant=world.acme) as session:
                set_default_template(session, world.anna, name=name)
        except Conflict:
            return None
        return name

    with ThreadPoolExecutor(4) as pool:
        chosen = [name for name in pool.map(choose, "abcd") if name]
    defaults = [name for _, name, is_default in listed(world) if is_default]
    assert len(defaults) == 1
    assert defaults[0] in chosen


@pytest.mark.parametrize("config", ['"x"', "1", "true", "null", "[]", '["min_nodes"]'])
def test_what_is_no_object_is_no_policy_on_either_database(db: Database, world: World, config: str) -> None:
    make_cluster(world.acme, make_account(world.acme).id, "shop")
    with get_db_session(tenant=world.acme) as session:
        set_policy(session, world.anna, cluster="shop", changes={"min_nodes": 1})
    with db.raw(owner=True) as connection, pytest.raises(ERRORS, match="ck_cluster_policies_config"):
        connection.execute(f"UPDATE cluster_policies SET config = '{config}'")
