"""Counting beside writers of several processes, killed again and again: every decision once."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from random import Random
from typing import Any
from uuid import UUID

import pytest

from spothive.database import get_db_session, read_session
from spothive.database.seed_data import seed_initial_data
from spothive.operations.decisions import fold_decisions, savings_report
from spothive.operations.identity import find_actor
from tests.conftest import Database
from tests.factories import make_tenant
from tests.factories.decisions import DAY, Market, counts, midnight, stored_counters, stored_rollups
from tests.torture.processes import STEP, Child
from tests.torture.works import count_in_steps, decide_on_and_on

pytestmark = [pytest.mark.torture, pytest.mark.own_server]

WRITERS, EACH, SECONDS = 6, 200, 20.0
DAYS = 12


def test_every_decision_is_counted_once_whoever_is_killed(db: Database) -> None:
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    tenants = [make_tenant("acme"), make_tenant("globex")]
    dice = Random(1)
    market = Market.of(tenants)
    market.decide(dice, 300, midnight(DAYS + 3), DAYS)
    market.announce(dice, 30, midnight(DAYS + 3), DAYS)
    offered = Market(market.instances, market.models)
    works = [offered.draw(dice, EACH, midnight(DAYS + 3), DAYS) for _ in range(WRITERS)]
    killed = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(Child(decide_on_and_on, rows, SECONDS)) for rows in works]
        for writer in writers:
            writer.go()
        for ago in range(DAYS, 2, -1):
            for _ in range(4):
                with Child(count_in_steps, midnight(ago) + DAY / 2) as child:
                    child.go()
                    steps = dice.randrange(30)
                    while steps and child.hear() == STEP:
                        steps -= 1
                    killed += child.kill() and not steps
        taken: set[UUID] = {one for writer in writers for one in writer.hear()}
    rows = [row for rows in works for row in rows]
    market.decisions += [row for row in rows if row["id"] in taken]
    assert_exact(market, tenants)
    done = fold_decisions(get_db_session, admin)
    assert done.waiting == 0
    assert stored_rollups() == market.rollups(done.counted_until)
    assert_exact(market, tenants)
    stored = stored_counters()
    for one, (total, good, bad, mean) in market.model_counters(done.counted_until).items():
        assert stored[one][:3] == (total, good, bad)
        assert stored[one][3] == pytest.approx(mean)
    assert killed > 10
    assert 0 < len(taken) < len(rows), "some came in time, others were refused"
    print(f"{db.engine}: {killed} kills, {len(taken)} of {len(rows)} decisions came before their day was closed")


def assert_exact(market: Market, tenants: list[UUID]) -> None:
    for tenant_id in tenants:
        mine = [row for row in market.decisions if row["tenant_id"] == tenant_id]
        with read_session(tenant=tenant_id) as session:
            total: Any = savings_report(session, since=midnight(DAYS + 9).date(), until=date.max).total
        found = total.decisions, total.switches, total.holds, total.failures, total.shadow, total.projected_savings
        assert found == counts(mine)[:-1]
