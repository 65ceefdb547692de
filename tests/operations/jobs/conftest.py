"""Acme's cluster, with the key of its agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import (
    ActionType,
    AgentAction,
    ApiScope,
    Base,
    Cluster,
    OptimizationJob,
    get_db_session,
    system_scope,
)
from spothive.operations.identity import KeyHolder, check_api_key, create_api_key
from spothive.operations.jobs import JobLease, claim_actions, enqueue_action, open_job, report_actions, start_job
from spothive.queue import HandedOut, Order, Report, Reported
from tests.factories import make_account, make_cluster
from tests.operations.conftest import World
from tests.watching import rows_of

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Shop:
    """The cluster ``shop`` of acme, its agent, and those who ask it for something."""

    world: World
    cluster: UUID
    key: str
    holder: KeyHolder

    def order(self, key: str = "a", **values: Any) -> Order:
        given = {"action_type": ActionType.CORDON_NODE, "payload": {"node": "n"}, **values}
        return Order(self.cluster, idempotency_key=key, **given)

    def ask(self, key: str = "a", **values: Any) -> AgentAction:
        with get_db_session(tenant=self.world.acme) as session:
            return enqueue_action(session, self.world.anna, self.order(key, **values))

    def claim(self, limit: int = 10, **how: Any) -> list[HandedOut]:
        with get_db_session(tenant=self.world.acme) as session:
            return claim_actions(session, self.holder, limit=limit, **how)

    def report(self, *reports: Report) -> list[Reported]:
        with get_db_session(tenant=self.world.acme) as session:
            return list(report_actions(session, self.holder, reports).reported.values())

    def job(self) -> UUID:
        with get_db_session(tenant=self.world.acme) as session:
            return open_job(session, self.world.anna, cluster="shop").id

    def started(self) -> JobLease:
        job = self.job()
        with get_db_session(tenant=self.world.acme) as session:
            return start_job(session, self.world.anna, job)

    def job_row(self, job_id: UUID) -> dict[str, Any]:
        [row] = rows_of(OptimizationJob, id=job_id)
        return row

    def row(self) -> dict[str, Any]:
        [row] = rows_of(Cluster, id=self.cluster)
        return row


@pytest.fixture
def shop(world: World) -> Shop:
    return make_shop(world)


def make_shop(world: World) -> Shop:
    """Make the cluster and the key of its agent."""
    cluster = make_cluster(world.acme, make_account(world.acme, "main").id, "shop").id
    with get_db_session(tenant=world.acme) as session:
        _, key = create_api_key(session, world.anna, name="agent", scopes=[ApiScope.AGENT], cluster="main/shop")
    return Shop(world, cluster, key, check_api_key(get_db_session, key, scope=ApiScope.AGENT))


def rewrite(model: type[Base], row_id: UUID, **values: Any) -> None:
    """Write past the verbs, as if time had passed."""
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(update(model).where(model.id == row_id).values(**values))  # type: ignore[attr-defined]  # all have


def let_lease_end(action: UUID) -> None:
    rewrite(AgentAction, action, leased_until=utc_now() - MINUTE)


def let_expire(action: UUID) -> None:
    rewrite(AgentAction, action, created_at=utc_now() - 2 * MINUTE, expires_at=utc_now() - MINUTE)
