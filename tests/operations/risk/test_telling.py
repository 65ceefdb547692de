"""What a tenant is told of interruptions of its own instances: the first of each, and what spothive did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import DowntimeLog, EmailLog, Instance, Notice, get_db_session
from spothive.errors import SpothiveError
from spothive.models import NoticeEvent
from spothive.operations.risk import ReplicaOutcome, record_replica_outcome
from spothive.operations.risk.replicas import TWO_MINUTES
from tests.conftest import Database
from tests.factories import make_cluster
from tests.factories.spot_events import REBALANCE, spot_event
from tests.operations.conftest import World, audit_impossible
from tests.operations.risk.conftest import IN_LAB, IN_PROD, LAB, POOL, block, hit, replicas, told
from tests.told import heard, titles
from tests.watching import rows_of, statements

INTERRUPTION, RECORDED = NoticeEvent.SPOT_INTERRUPTION, NoticeEvent.DOWNTIME_RECORDED
EXCEEDED = NoticeEvent.DOWNTIME_BUDGET_EXCEEDED


def test_an_interruption_is_told_to_the_tenant_alone_with_what_was_done(fleet: World) -> None:
    block("us-east-1b", hours=-1)
    event = hit()
    told(fleet, event)
    told(fleet, event)
    told(fleet, hit())
    (content,) = heard(fleet.udo, INTERRUPTION)
    assert content["title"] == f"AWS takes {IN_PROD} away"
    assert "no replica stands by; replica planned in us-east-1b" in content["body"]
    facts = content["facts"]
    assert (facts["instance"], facts["pool"], facts["zone"]) == (IN_PROD, POOL, "us-east-1b")
    (outage,) = rows_of(DowntimeLog)
    (down,) = heard(fleet.udo, RECORDED)
    assert down["title"] == f"{IN_PROD} is down: no_replica"
    assert down["facts"]["start"] == outage["start_time"].isoformat()
    assert len(heard(fleet.anna)) == len(heard(fleet.lena)) == 2
    assert heard(fleet.gina) == heard(fleet.admin) == []


def test_a_recommendation_is_told_once_a_day_and_nothing_after_the_end_was_announced(fleet: World) -> None:
    now = utc_now()
    for hours in (26, 1, 0):
        told(fleet, spot_event(account=LAB, instance_id=IN_LAB, kind=REBALANCE, at=now - timedelta(hours=hours)))
    assert titles(fleet.anna) == [f"AWS recommends to leave {IN_LAB}"] * 2
    told(fleet, spot_event(account=LAB, instance_id=IN_LAB))
    told(fleet, spot_event(account=LAB, instance_id=IN_LAB, kind=REBALANCE))
    assert titles(fleet.anna, INTERRUPTION)[2:] == [f"AWS takes {IN_LAB} away"]


def test_a_replica_that_takes_over_late_is_told_with_its_outage_and_the_budget(fleet: World, db: Database) -> None:
    block("us-east-1b", hours=-1)
    (primary,) = rows_of(Instance, instance_id=IN_PROD)
    cluster = make_cluster(fleet.acme, primary["account_id"], name="web")
    with db.raw(owner=True) as connection:
        value = cluster.id.hex if db.engine == "sqlite" else str(cluster.id)
        connection.execute(f"UPDATE instances SET cluster_id = '{value}' WHERE instance_id = '{IN_PROD}'")
    told(fleet, hit(kind=REBALANCE, at=utc_now() - timedelta(minutes=30)))
    (replica,) = replicas()
    with get_db_session(tenant=fleet.acme) as session:
        launched: dict[str, Any] = {"outcome": ReplicaOutcome.LAUNCHED, "instance_id": "i-00000000000000009"}
        record_replica_outcome(session, fleet.anna, replica=replica["instance_id"], **launched)
    told(fleet, hit(at=utc_now() - timedelta(minutes=10)))
    (outage,) = rows_of(DowntimeLog)
    (down,) = heard(fleet.anna, RECORDED)
    assert down["facts"]["seconds"] == outage["duration_seconds"] > 60
    assert len(heard(fleet.anna, EXCEEDED)) >= 1  # two where a month has just begun
    assert outage["duration_seconds"] <= (timedelta(minutes=10) - TWO_MINUTES).total_seconds() + 5


def test_an_event_that_is_not_recorded_tells_nobody(fleet: World, db: Database) -> None:
    with audit_impossible(db), pytest.raises(SpothiveError):
        told(fleet, hit())
    assert rows_of(Notice) == rows_of(EmailLog) == []


def test_telling_costs_three_statements(fleet: World) -> None:
    with statements() as sent:
        told(fleet, hit(), fleet.acme)
    mine = [text for text in sent if any(word in text for word in ("notice", "email_logs", "webhook", "users.email"))]
    assert len([text for text in mine if "risk_events" not in text]) == 3
    assert len(heard(fleet.anna)) == 2, "the interruption and the outage"
    assert all(sent[text] == 1 for text in mine)
