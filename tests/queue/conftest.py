"""A tenant with a cluster whose agent has things to do, and ways to look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import ActionType, AgentAction, get_db_session, system_scope
from spothive.queue import Lease, Order, claim, enqueue
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_tenant
from tests.watching import rows_of

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Queue:
    """The queue of one cluster."""

    tenant: UUID
    cluster: UUID

    def ask(self, key: str = "a", **values: Any) -> UUID:
        with get_db_session(tenant=self.tenant) as session:
            given = {"action_type": ActionType.CORDON_NODE, "payload": {"node": key}, **values}
            return enqueue(session, Order(self.cluster, idempotency_key=key, **given))[0].id

    def claim(self, limit: int = 10, lease: timedelta = MINUTE) -> list[Any]:
        with get_db_session(tenant=self.tenant) as session:
            return claim(session, self.cluster, limit=limit, lease=lease)

    def take(self, key: str = "a", **values: Any) -> Lease:
        """Ask for one action and hand it out."""
        self.ask(key, **values)
        [handed] = self.claim()
        assert isinstance(handed.lease, Lease)
        return handed.lease

    def row(self, key: str = "a") -> dict[str, Any]:
        [row] = rows_of(AgentAction, cluster_id=self.cluster, idempotency_key=key)
        return row

    def states(self) -> dict[str, str]:
        return {row["idempotency_key"]: row["status"].value for row in rows_of(AgentAction, cluster_id=self.cluster)}

    def change(self, key: str = "a", **values: Any) -> None:
        """Write past the verbs, as if time had passed."""
        with get_db_session() as session, system_scope(session, "test"):
            mine = (AgentAction.tenant_id == self.tenant, AgentAction.idempotency_key == key)
            session.execute(update(AgentAction).where(*mine).values(**values))

    def let_lease_end(self, key: str = "a") -> None:
        self.change(key, leased_until=utc_now() - MINUTE)

    def let_expire(self, key: str = "a") -> None:
        self.change(key, created_at=utc_now() - 2 * MINUTE, expires_at=utc_now() - MINUTE)

    def let_be_available(self, key: str = "a") -> None:
        self.change(key, available_at=utc_now() - MINUTE)


@pytest.fixture
def queue(db: Database) -> Queue:
    """Return the queue of a cluster of a fresh tenant."""
    return a_queue()


def a_queue() -> Queue:
    """Make a tenant with a cluster; return its queue."""
    tenant = make_tenant()
    return Queue(tenant, make_cluster(tenant, make_account(tenant).id).id)
