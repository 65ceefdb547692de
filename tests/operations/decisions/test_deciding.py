"""Deciding about instances, on both databases: what is written, by which model, and what is left out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.errors import Conflict, Denied, InvalidInput, NotFound
from spothive.models import (
    AuditLog,
    EnvironmentType,
    ExperimentLog,
    Explanation,
    Instance,
    MlModel,
    ModelStatus,
)
from spothive.operations.actor import Actor
from spothive.operations.decisions import DecisionsMade, assign_model, deciding, make_decisions, set_shadow_mode
from spothive.operations.fleet import set_environment
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from spothive.settings import get_settings
from tests.conftest import Database
from tests.factories import make_instance
from tests.factories.active_model import activate, deactivate
from tests.factories.fleets import connected_account
from tests.operations.conftest import World, audited
from tests.operations.decisions import market
from tests.operations.decisions.conftest import make_model
from tests.operations.decisions.market import REGION, on_demand, price, rating
from tests.watching import rows_of, statements

STEEP = -2.0
"""Weight of a model that gives a pool of band 2, which an unknown one counts as, a risk of 0.018."""


@pytest.fixture
def server(store: ModelStore) -> ModelServer:
    return ModelServer(store)


@pytest.fixture
def busy(world: World, lab: str, store: ModelStore) -> str:
    """Put a model into production and prices into the market; return EC2's id of a spot instance of a PROD account."""
    activate(make_model(store, "1", status=ModelStatus.ENABLED, weight=STEEP))
    market.store(
        price("a", "m5.large", "0.1"),
        price("b", "m5.large", "0.05"),
        price("b", "m6i.large", "0.04"),
        price("c", "m6i.large", "0.01", ago=timedelta(days=3)),
        price("c", "m6g.large", "0.01"),
        on_demand("m5.large", "0.2"),
    )
    return "i-prod"


def decided(
    world: World, server: ModelServer, *instances: str, actor: Actor | None = None, **more: Any
) -> DecisionsMade:
    wanted = list(instances) or None
    facts: Any = {"tenant_id": world.acme, "server": server, "instances": wanted} | more
    return make_decisions(get_db_session, actor or world.anna, **facts)


def test_a_decision_is_written_with_all_it_was_taken_from(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    made = decided(world, server, busy)
    (row,), (model,) = rows_of(ExperimentLog), rows_of(MlModel)
    (explanation,) = rows_of(Explanation, experiment_log_id=row["id"])
    assert made.counts() == {"SWITCH": 1, "HOLD": 0, "FAILED": 0}
    assert made.decided[0].decision_id == row["id"]
    assert row["decision_reason"] == "eu-west-1b m6i.large is 60 % cheaper at a risk of 0.02; staying risks 0.02"
    where = row["selected_availability_zone"], row["selected_instance_type"]
    assert where == ("eu-west-1b", "m6i.large")
    money = row["old_spot_price"], row["new_spot_price"], row["projected_hourly_savings"]
    assert money == (Decimal("0.1"), Decimal("0.04"), Decimal("0.06"))
    assert row["prediction_score"] == pytest.approx(0.018, abs=1e-3)
    assert row["features_used"] == {"advisor_band": 2, "savings_percent": 65, "price_ratio": 0.35}
    assert (row["model_id"], row["candidates_evaluated"], row["error_message"]) == (model["id"], 2, None)
    assert (row["is_shadow_run"], row["experiment_name"], row["status"]) == (False, None, "RECORDED")
    assert row["execution_duration_ms"] >= 0
    metrics = row["metrics"]
    assert metrics["own"]["pool"] == "eu-west-1:eu-west-1a:m5.large"
    assert metrics["own"]["price"] == "0.100000"
    assert metrics["model"] == {"name": "risk", "version": "1", "sha256": model["file_hash"]}
    assert metrics["thresholds"] == {"least_saving": "0.05", "most_risk": 0.85}
    told = {each["pool"]: each.get("dropped") for each in metrics["candidates"]}
    assert list(told) == [f"{REGION}:{REGION}{at}" for at in ("b:m6i.large", "b:m5.large", "c:m6i.large")]
    assert told["eu-west-1:eu-west-1c:m6i.large"].startswith("no spot price of the last 24 hours: the newest is of")
    total = explanation["base_value"] + sum(part["attribution"] for part in explanation["explanation_data"])
    assert total == pytest.approx(row["prediction_score"], abs=1e-6)
    (instance,) = rows_of(Instance, instance_id=busy)
    assert instance["last_evaluation"] == row["execution_time"]
    after = {"SWITCH": 1, "HOLD": 0, "FAILED": 0, "left_out": 0, "shadow": 0}
    assert audited(event="decision.made") == [("decision.made", busy, "SUCCESS", "anna", None, after)]


def test_who_decides_by_which_model_about_what(
    db: Database, world: World, busy: str, lab: str, server: ModelServer, store: ModelStore
) -> None:
    refused = {
        "i-gone": "i-gone is terminated: decisions are about running instances",
        "i-lab": "i-lab belongs to a LAB account and has no model",
        "i-stand-in": "i-stand-in is a replica",
    }
    (primary,) = rows_of(Instance, instance_id=busy)
    soon = utc_now() + timedelta(hours=6)
    stands_in = {"is_replica": True, "replica_of_id": primary["id"], "replica_expiry": soon}
    make_instance(world.acme, primary["account_id"], "i-stand-in", **stands_in)
    for instance, words in refused.items():
        with pytest.raises(Conflict, match=words):
            decided(world, server, busy, instance)
    with pytest.raises(NotFound, match="no instance has the id 'i-nobody'"):
        decided(world, server, busy, "i-nobody")
    with pytest.raises(InvalidInput, match="name an instance"):
        decided(world, server, instances=[])
    with pytest.raises(Denied, match=r"^lena "):
        decided(world, server, busy, actor=world.lena)
    with pytest.raises(Denied, match=r"^udo "):
        decided(world, server, actor=world.udo)
    assert rows_of(ExperimentLog) == []
    assert [row[:3] for row in audited(event="decision.made")] == [
        ("decision.made", busy, "DENIED"),
        ("decision.made", "all instances", "DENIED"),
    ]

    assert decided(world, server).left_out == {"without a model": 1}
    trial = make_model(store, "2", status=ModelStatus.TESTING, weight=-1.0)
    with get_db_session(tenant=world.acme) as session:
        assign_model(session, world.lena, instance_id=lab, model=("risk", "2"))
    everything = decided(world, server)
    assert ([each.instance_id for each in everything.decided], everything.left_out) == ([lab, busy], {})
    own = decided(world, server, actor=world.lena)  # what she may: LAB
    assert ([each.instance_id for each in own.decided], own.left_out) == ([lab], {"not allowed": 1})
    judged = {row["prediction_score"]: row["model_id"] for row in rows_of(ExperimentLog)}
    assert judged[next(score for score in judged if score > 0.1)] == trial
    assert len(set(judged.values())) == 2


def test_an_instance_on_demand_may_move_to_the_spot_pool_of_its_own_place(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    (prod,) = rows_of(Instance, instance_id=busy)
    make_instance(world.acme, prod["account_id"], "i-dear", lifecycle="on-demand")
    own = "eu-west-1:eu-west-1a:m5.large"
    (made,) = decided(world, server, "i-dear", candidates=[own]).decided
    assert (made.zone, made.instance_type, made.saving) == ("eu-west-1a", "m5.large", Decimal("0.5"))
    (row,) = rows_of(ExperimentLog)
    assert (row["old_spot_price"], row["metrics"]["own"]["risk"]) == (Decimal("0.2"), 0)

    market.store(rating("m5.large", 0))  # its risk is 0.5 by this model: as much as it saves
    (made,) = decided(world, server, "i-dear", candidates=[own]).decided
    assert (made.decision, made.risk) == ("HOLD", None)
    (row,) = rows_of(ExperimentLog, decision="HOLD")
    assert (row["prediction_score"], row["features_used"], row["projected_hourly_savings"]) == (None, {}, None)
    assert rows_of(Explanation, experiment_log_id=row["id"]) == []


def test_candidates_that_are_named(db: Database, world: World, busy: str, server: ModelServer) -> None:
    named = [f"{REGION}:{REGION}{at}" for at in ("a:m5.large", "b:m5.large", "c:m6g.large")]
    (made,) = decided(world, server, busy, candidates=named).decided
    assert (made.zone, made.instance_type) == ("eu-west-1b", "m5.large")
    (row,) = rows_of(ExperimentLog)
    assert [each["pool"] for each in row["metrics"]["candidates"]] == named[1:]
    assert row["metrics"]["candidates"][1]["dropped"] == "its processors are arm64, those of m5.large are not"
    assert audited(event="decision.made")[0][5]["candidates"] == named
    with pytest.raises(InvalidInput, match=r"us-east-1a:m5\.large is in another region than i-prod"):
        decided(world, server, busy, candidates=["us-east-1:us-east-1a:m5.large"])
    with pytest.raises(InvalidInput, match="a pool is region"):
        decided(world, server, busy, candidates=["m5.large"])


def test_a_shadow_run_is_recorded_as_one(db: Database, world: World, busy: str, server: ModelServer) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_shadow_mode(session, world.anna, instance_id=busy, on=True)
    decided(world, server, busy)
    (row,) = rows_of(ExperimentLog)
    assert (row["decision"], row["is_shadow_run"]) == ("SWITCH", True)
    assert audited(event="decision.made")[0][5]["shadow"] == 1


def test_without_a_model_that_can_be_asked_the_decision_has_failed(
    db: Database, world: World, busy: str, lab: str, server: ModelServer, store: ModelStore
) -> None:
    first = decided(world, server, busy)
    second = make_model(store, "2", status=ModelStatus.ENABLED, weight=-3.0)
    make_model(store, "3", status=ModelStatus.TESTING, weight=-4.0)
    with get_db_session(tenant=world.acme) as session:
        assign_model(session, world.lena, instance_id=lab, model=("risk", "3"))
    activate(second)
    for row in rows_of(MlModel):
        if row["version"] != "1":
            damaged = store.folder / row["file_path"]
            damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")

    kept = decided(world, server)  # this process serves version 1 already, and no other to the lab
    failed, served = kept.decided
    assert (served.decision, served.risk) == (first.decided[0].decision, first.decided[0].risk)
    assert (failed.instance_id, failed.decision, failed.risk) == (lab, "FAILED", None)
    assert "the file of model risk 3 is not what was registered" in failed.reason
    new = decided(world, ModelServer(store), busy).decided[0]
    assert "the file of model risk 2 is not what was registered" in new.reason
    (row,) = rows_of(ExperimentLog, id=new.decision_id)
    assert (row["model_id"], row["prediction_score"], row["features_used"], row["metrics"]) == (None, None, {}, None)
    assert row["decision_reason"] == f"no decision: {row['error_message']}"
    assert "/" not in row["error_message"]  # tenants read it, and folders of the server are nobody's business
    assert [row[1] for row in audited(event="model.refused")] == ["risk 2", "risk 3", "risk 2"]
    assert audited(event="decision.made")[-1][5]["FAILED"] == 1

    with get_db_session() as session, system_scope(session, "test"):
        deactivate(session)
    (none,) = decided(world, server, busy).decided
    assert none.reason.startswith("no decision: no model is active")


def test_200_instances_take_as_many_statements_as_5(db: Database, world: World, busy: str, server: ModelServer) -> None:
    (prod,) = rows_of(Instance, instance_id=busy)
    with get_db_session(tenant=world.acme) as session:
        for number in range(200):
            facts = {"instance_type": f"m5.{(number % 4 + 1) * 2}xlarge", "region": REGION}
            zone = REGION + "abc"[number % 3]
            state = {"state": "running", "lifecycle": "spot", "content_hash": 0}
            row = {"instance_id": f"i-{number:03}", "availability_zone": zone, "account_id": prod["account_id"]}
            session.add(Instance(**facts, **state, **row))
    market.store(*(price(zone, f"m6i.{size}xlarge", "0.3") for zone in "abc" for size in (2, 4, 6, 8)))
    counts = []
    for ids in ([f"i-{number:03}" for number in range(5)], [f"i-{number:03}" for number in range(200)]):
        with statements() as sent:
            assert len(decided(world, server, *ids).decided) == len(ids)
        counts.append(sum(sent.values()))
    assert counts[0] == counts[1]
    assert counts[0] <= 30


def test_tenants_decide_about_their_own_and_see_only_that(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    with get_db_session(tenant=world.globex) as session:
        account = connected_account(session, world.gina.user_id, name="theirs", account_id="999999999999")
        set_environment(session, world.gina, name="theirs", environment=EnvironmentType.PROD)
    make_instance(world.globex, account.id, "i-theirs")
    with pytest.raises(NotFound, match="no instance has the id 'i-theirs'"):
        decided(world, server, "i-theirs")
    theirs = decided(world, server, actor=world.gina, tenant_id=world.globex)
    assert [each.instance_id for each in theirs.decided] == ["i-theirs"]
    assert [each.instance_id for each in decided(world, server).decided] == [busy]
    assert {row["tenant_id"] for row in rows_of(ExperimentLog)} == {world.acme, world.globex}
    assert {row["tenant_id"] for row in rows_of(Explanation)} == {world.acme, world.globex}


def before_block(number: int, act: Any) -> Any:
    """Return a way to open transactions that does something before it opens the one of this number."""
    opened = 0

    def sessions(**bound: Any) -> Any:
        nonlocal opened
        opened += 1
        if opened == number:
            act()
        return get_db_session(**bound)

    return sessions


def test_an_instance_that_went_away_meanwhile_is_left_out(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    (prod,) = rows_of(Instance, instance_id=busy)
    make_instance(world.acme, prod["account_id"], "i-leaving")

    def go() -> None:
        with get_db_session(tenant=world.acme) as session:
            session.execute(delete(Instance).where(Instance.instance_id == "i-leaving"))

    facts: Any = {"tenant_id": world.acme, "server": server}
    for block in (2, 3):  # before it is read, and between that and the writing
        made = make_decisions(before_block(block, go), world.anna, **facts)
        assert ([each.instance_id for each in made.decided], made.gone) == ([busy], 1)
        make_instance(world.acme, prod["account_id"], "i-leaving")


def test_an_account_that_became_prod_meanwhile_is_none_of_the_labs(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    def mark(environment: EnvironmentType) -> None:
        with get_db_session(tenant=world.acme) as session:
            set_environment(session, world.anna, name="shop", environment=environment)

    mark(EnvironmentType.LAB)
    with get_db_session(tenant=world.acme) as session:
        assign_model(session, world.lena, instance_id=busy, model=("risk", "1"))
    sessions = before_block(2, lambda: mark(EnvironmentType.PROD))
    made = make_decisions(sessions, world.lena, tenant_id=world.acme, server=server, instances=[busy])
    assert (made.decided, made.gone) == ([], 1)


def test_many_chunks_are_one_call_and_one_that_ends_early_says_how_far_it_came(
    db: Database, world: World, busy: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "CHUNK", 2)
    (prod,) = rows_of(Instance, instance_id=busy)
    for number in range(4):
        make_instance(world.acme, prod["account_id"], f"i-{number}")
    told: list[tuple[int, int]] = []
    made = decided(world, server, progress=lambda *done: told.append(done))
    assert (len(made.decided), told) == (5, [(2, 5), (4, 5), (5, 5)])
    (row,) = audited(event="decision.made")
    assert row[5]["SWITCH"] == 5

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_decisions(before_block(4, fail), world.anna, tenant_id=world.acme, server=server)
    assert len(rows_of(ExperimentLog)) == 7
    (_, row) = audited(event="decision.made")
    assert (row[5]["SWITCH"], row[5]["ended_early"]) == (2, True)

    def fail_at_the_end(done: int, count: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decided(world, server, progress=fail_at_the_end)
    assert len(audited(event="decision.made")) == 3  # it was told by then


def test_many_decide_about_the_same_instances_at_once(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    (prod,) = rows_of(Instance, instance_id=busy)
    for number in range(5):
        make_instance(world.acme, prod["account_id"], f"i-{number}")
    start = Barrier(8)

    def work(_: int) -> int:
        start.wait()
        return len(decided(world, server).decided)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [6] * 8
    rows = rows_of(ExperimentLog)
    assert len(rows) == len(rows_of(Explanation)) == 48
    latest = max(row["execution_time"] for row in rows)
    assert {row["last_evaluation"] for row in rows_of(Instance) if row["account_id"] == prod["account_id"]} == {latest}
    assert len(rows_of(AuditLog, event="decision.made")) == 8


def test_thresholds_are_settings(
    db: Database, world: World, busy: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTHIVE_DECISION_LEAST_SAVING", "0.61")
    get_settings.cache_clear()
    (made,) = decided(world, server, busy).decided
    assert made.reason.endswith("a switch must save 61 %")
    assert rows_of(ExperimentLog)[0]["metrics"]["thresholds"]["least_saving"] == "0.61"


def test_only_the_200_best_candidates_are_kept_one_by_one(
    db: Database, world: World, busy: str, server: ModelServer
) -> None:
    types = [f"m{number}i.large" for number in range(100, 300)]
    market.store(*(price("b", each, "0.05") for each in types), *(on_demand(each, "0.1") for each in types))
    market.store(*(price("c", each, "0.05", ago=timedelta(days=2)) for each in types[:20]))
    decided(world, server, busy)
    (row,) = rows_of(ExperimentLog)
    metrics = row["metrics"]
    assert (len(metrics["candidates"]), metrics["more"]) == (200, {"compared": 2, "dropped": 21})
    assert row["candidates_evaluated"] == 202
    assert metrics["candidates"][0]["pool"] == "eu-west-1:eu-west-1b:m6i.large"
