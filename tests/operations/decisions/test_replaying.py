"""Replaying what was stored gives what was stored."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.database import get_db_session, read_session
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import AuditLog, ExperimentLog, Instance, ModelStatus
from spothive.operations.decisions import (
    DecisionFilter,
    find_decision,
    list_decisions,
    make_decisions,
    replay_decisions,
)
from spothive.scoring import BASELINE_FILE
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from tests.conftest import Database
from tests.factories.active_model import activate
from tests.operations.conftest import World, audited
from tests.operations.decisions import market
from tests.operations.decisions.conftest import make_model
from tests.operations.decisions.market import REGION, notice, on_demand, price, rating
from tests.watching import rows_of

TYPES = [f"{family}.{size}" for family in ("m5", "m6i", "c5", "r6i") for size in ("large", "xlarge", "2xlarge")]


def varied_market(dice: Random) -> None:
    """Fill the market with prices that move, ratings and notices."""
    for instance_type in TYPES:
        market.store(on_demand(instance_type, "0.5"), rating(instance_type, dice.randrange(5), dice.randrange(40, 90)))
        for zone in "abc":
            hours = sorted(dice.sample(range(1, 300), 8))
            prices = {hour: f"0.{dice.randrange(50, 400):03}" for hour in hours}
            market.store(
                *(price(zone, instance_type, usd, ago=timedelta(hours=hour)) for hour, usd in prices.items()),
                *(
                    notice(zone, instance_type, timedelta(hours=dice.randrange(1, 300)), rebalance=dice.random() < 0.5)
                    for _ in range(dice.randrange(4))
                ),
            )


def many_instances(world: World, dice: Random, count: int) -> None:
    (prod,) = rows_of(Instance, instance_id="i-prod")
    with get_db_session(tenant=world.acme) as session:
        for number in range(count):
            row = {"instance_id": f"i-{number:03}", "account_id": prod["account_id"], "content_hash": 0}
            place = {"region": REGION, "availability_zone": REGION + dice.choice("abc")}
            session.add(Instance(**row, **place, instance_type=dice.choice(TYPES), state="running", lifecycle="spot"))


def replayed(world: World, store: ModelStore, *ids: UUID) -> list[str | None]:
    found = replay_decisions(get_db_session, world.udo, tenant_id=world.acme, decision_ids=ids, store=store)
    assert [each.decision_id for each in found] == list(ids)
    return [each.trouble for each in found]


def test_hundreds_of_decisions_come_out_as_they_were_stored(
    db: Database, world: World, lab: str, store: ModelStore
) -> None:
    dice = Random(7)
    activate(make_model(store, "1", status=ModelStatus.ENABLED, data=BASELINE_FILE.read_bytes()))
    varied_market(dice)
    many_instances(world, dice, 300)
    made = make_decisions(get_db_session, world.anna, tenant_id=world.acme, server=ModelServer(store))
    counts = made.counts()
    assert counts["FAILED"] == 0
    assert min(counts["SWITCH"], counts["HOLD"]) > 20
    ids = [each.decision_id for each in made.decided]
    assert replayed(world, store, *ids) == [None] * 301
    assert len({row["prediction_score"] for row in rows_of(ExperimentLog)}) > 20

    seen: list[UUID] = []
    place = None
    with read_session(tenant=world.acme) as session:
        while True:
            page = list_decisions(session, DecisionFilter(account="shop"), limit=100, before=place)
            seen += [row.id for row in page.rows]
            assert all(row.instance.account_id == row.account.id for row in page.rows)
            place = page.next
            if place is None:
                break
    assert sorted(seen) == sorted(ids)

    before = len(rows_of(AuditLog))
    (kept,) = store.folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (trouble,) = replayed(world, store, ids[0])
    assert trouble is not None
    assert "is not what was registered" in trouble
    assert [row[:3] for row in audited(event="model.refused")] == [("model.refused", "risk 1", "FAILURE")]
    assert len(rows_of(AuditLog)) == before + 1


def test_what_cannot_be_replayed(db: Database, world: World, lab: str, store: ModelStore) -> None:
    facts: Any = {"tenant_id": world.acme, "server": ModelServer(store)}
    (failed,) = make_decisions(get_db_session, world.anna, instances=["i-prod"], **facts).decided
    with pytest.raises(Conflict, match=r"has no score of a model \(FAILED\)"):
        replayed(world, store, failed.decision_id)
    with pytest.raises(NotFound, match="no decision has the id"):
        replayed(world, store, uuid4())
    with pytest.raises(InvalidInput, match="at most 1000"):
        replayed(world, store, *[uuid4()] * 1001)
    with read_session(tenant=world.globex) as session, pytest.raises(NotFound, match="no decision has the id"):
        find_decision(session, failed.decision_id)


def test_decisions_are_listed_by_what_they_came_to(db: Database, world: World, lab: str, store: ModelStore) -> None:
    facts: Any = {"tenant_id": world.acme, "server": ModelServer(store)}
    (failed,) = make_decisions(get_db_session, world.anna, instances=["i-prod"], **facts).decided
    with read_session(tenant=world.acme) as session:

        def listed(**wanted: object) -> list[UUID]:
            return [row.id for row in list_decisions(session, DecisionFilter(**wanted)).rows]  # type: ignore[arg-type]  # filters

        for wanted in ({}, {"instance": "i-prod"}, {"decision": "FAILED"}, {"status": "RECORDED"}, {"account": "shop"}):
            assert listed(**wanted) == [failed.decision_id], wanted
        for wanted in ({"instance": lab}, {"decision": "HOLD"}, {"status": "ACTED"}, {"account": "lab"}):
            assert listed(**wanted) == [], wanted
        (row,) = rows_of(ExperimentLog)
        assert listed(since=row["execution_time"]) == [failed.decision_id]
        assert listed(since=row["execution_time"] + timedelta(microseconds=1)) == []
        with pytest.raises(NotFound):
            listed(instance="i-nobody")
