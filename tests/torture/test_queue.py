"""Workers at a queue are killed and stalled: nothing is lost, nothing has its effect twice, everything ends."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from spothive.database import ActionType, AgentAction, dispose_engine, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.queue import Order, enqueue
from tests.conftest import Database, settings
from tests.factories import make_account, make_cluster, make_tenant
from tests.torture.processes import OVER, PATIENCE, Child
from tests.torture.queue_works import LEASE, POISON, sweep_the_queue, work_at_queue
from tests.watching import rows_of

pytestmark = pytest.mark.torture

ACTIONS, WORKERS, KILLS, STALLS = 1500, 8, 30, 10
SECONDS = 0.06
"""How long an action takes, so that there is something to be killed in."""


class Crew:
    """The workers, those that were killed replaced, and what all of them said."""

    def __init__(self, stack: ExitStack, tenant: UUID, cluster: UUID) -> None:
        self.stack, self.tenant, self.cluster = stack, tenant, cluster
        self.claimed, self.completed, self.stale, self.died = 0, 0, 0, 0
        self.children: list[Child] = []
        self.stalled: dict[Child, float] = {}

    def fill_up(self) -> None:
        """Replace those that are dead."""
        for child in [child for child in self.children if not child.process.is_alive()]:
            self.listen(child)
            self.children.remove(child)
            self.stalled.pop(child, None)
            self.died += 1
        while len(self.children) < WORKERS:
            child = self.stack.enter_context(Child(work_at_queue, self.tenant, self.cluster, SECONDS))
            child.go()
            self.children.append(child)

    def listen(self, child: Child) -> bool:
        """Take what a worker has said; tell whether it has ended by itself."""
        while child.pipe.poll():
            said = child.hear()
            if said is None or said == OVER:
                return bool(said == OVER)
            assert isinstance(said, tuple), said  # else it is the traceback of an error
            claimed, completed, stale = said
            self.claimed, self.completed, self.stale = (
                self.claimed + claimed,
                self.completed + completed,
                self.stale + stale,
            )
        return False

    def kill_one(self) -> None:
        child = random.choice(self.children)
        child.process.kill()
        child.process.join(PATIENCE)

    def stall_one(self) -> None:
        child = random.choice([child for child in self.children if child not in self.stalled])
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGSTOP)
            self.stalled[child] = time.monotonic() + 2.5 * LEASE

    def wake(self, *, all_of_them: bool = False) -> None:
        for child, until in list(self.stalled.items()):
            if all_of_them or time.monotonic() > until:
                del self.stalled[child]
                if child.process.is_alive() and child.process.pid is not None:
                    os.kill(child.process.pid, signal.SIGCONT)

    def tend(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.wake()
            for child in self.children:
                self.listen(child)
            self.fill_up()
            time.sleep(0.02)

    def stop(self) -> None:
        self.wake(all_of_them=True)
        left = [child for child in self.children if child.process.is_alive()]
        for child in left:
            child.go()
        deadline = time.monotonic() + PATIENCE
        while left:
            left = [child for child in left if not self.listen(child) and child.process.is_alive()]
            assert time.monotonic() < deadline, "a worker does not stop"
            time.sleep(0.02)
        for child in self.children:
            self.listen(child)  # what the last ones said, an error among it


def ask(tenant: UUID, cluster: UUID, part: int) -> None:
    """Ask for one of as many parts as there are kills."""
    size = ACTIONS // KILLS
    with get_db_session(tenant=tenant) as session:
        for number in range(part * size, (part + 1) * size):
            kind = ActionType.CORDON_NODE
            enqueue(session, Order(cluster, kind, {"node": f"n{number}"}, f"{number}", max_attempts=100))


def ask_poison(tenant: UUID, cluster: UUID) -> None:
    with get_db_session(tenant=tenant) as session:
        enqueue(session, Order(cluster, ActionType.DRAIN_NODE, {"node": POISON}, POISON, priority=0))


def make_ledger(db: Database) -> None:
    with db.raw(owner=True) as owner:
        owner.execute("CREATE TABLE effects (key TEXT PRIMARY KEY)")
        if db.engine == "postgresql":
            owner.execute("GRANT SELECT, INSERT ON effects TO spothive_app")


def effects(db: Database) -> list[str]:
    with db.raw(owner=True) as owner:
        return [row[0] for row in owner.execute("SELECT key FROM effects").fetchall()]


def states() -> Counter[Any]:
    return Counter(row["status"].value for row in rows_of(AgentAction))


def test_whatever_happens_to_workers_everything_is_done_once(db: Database) -> None:
    seed_initial_data()
    tenant = make_tenant("acme")
    cluster = make_cluster(tenant, make_account(tenant).id).id
    make_ledger(db)
    quick = {"SPOTHIVE_ACTION_BACKOFF": "0.1", "SPOTHIVE_ACTION_BACKOFF_MOST": "0.5"}
    began = time.monotonic()
    with settings(**quick), ExitStack() as stack:
        ask_poison(tenant, cluster)
        dispose_engine()
        sweeper = stack.enter_context(Child(sweep_the_queue))
        sweeper.go()
        crew = Crew(stack, tenant, cluster)
        crew.fill_up()
        stalls = under_way = 0
        for kill in range(KILLS):
            crew.tend(0.1)
            crew.fill_up()
            ask(tenant, cluster, kill)  # so that there is work at each kill, however slow the machine is
            time.sleep(random.uniform(0, 0.2))
            crew.kill_one()
            left = states()
            under_way += bool(left["PENDING"] + left["PICKED_UP"])
            if kill % (KILLS // STALLS) == 0:
                crew.stall_one()
                stalls += 1
        assert under_way > KILLS // 2, "all was done before most workers were killed"
        deadline = time.monotonic() + 2 * PATIENCE
        while (left := states())["PENDING"] + left["PICKED_UP"]:
            assert time.monotonic() < deadline, f"not everything ends: {left}"
            crew.tend(0.5)
        crew.stop()
        sweeper.go()
        sweeper.wait_for(OVER)
    rows = {row["idempotency_key"]: row for row in rows_of(AgentAction)}
    assert len(rows) == ACTIONS + 1
    poison = rows.pop(POISON)
    assert (poison["status"], poison["attempts"]) == ("FAILED", 3)
    assert "not heard of again" in poison["error_message"]
    assert {row["status"].value for row in rows.values()} == {"COMPLETED"}
    assert sorted(effects(db)) == sorted(rows), "each has had its effect, and once"
    assert crew.died >= KILLS
    assert crew.stale > 0, "nobody came too late: stalls were too short"
    assert all(row["lease_token"] == row["attempts"] for row in rows.values())
    again = sum(row["attempts"] - 1 for row in rows.values())
    print(
        f"{db.engine}: {ACTIONS} actions; {crew.died} workers died ({KILLS} killed, "
        f"{under_way} with work left), {stalls} stalled; {again} hand-outs were repeated, {crew.stale} stale reports "
        "refused; "
        f"{time.monotonic() - began:.0f} s"
    )
