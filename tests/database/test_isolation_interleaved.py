"""Ten thousand requests of two tenants at once, over three connections: not one sees or changes a foreign row."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import select, union_all, update

from spothive.database import (
    SessionScoped,
    TenantSession,
    bind_tenant,
    get_db,
    get_db_session,
    get_engine,
    read_session,
    system_scope,
)
from spothive.database.monitoring import CHECKED_OUT
from spothive.models import Account, Instance, Tenant, User
from tests.conftest import Database, settings
from tests.factories.two_tenants import World, make_world

OWNERS_OF_WHAT_IS_SEEN = union_all(
    *(select(column) for column in (User.tenant_id, Account.tenant_id, Instance.tenant_id, Tenant.id))
)
REQUESTS, THREADS, CONNECTIONS = 10_000, 8, 3


class Cancelled(Exception):
    """The client has gone, or something else went wrong."""


class Requests:
    """What one thread asks for, and what came of it."""

    def __init__(self, world: World, number: int) -> None:
        self.tenants = (world.alpha.tenant_id, world.beta.tenant_id)
        self.random = random.Random(number)
        # SQLite takes one writer at a time, and the others wait for it in ever longer naps.
        self.writing = 3 if world.engine == "postgresql" else 1
        self.foreign: list[Any] = []
        self.done: Counter[str] = Counter()
        self.acknowledged: Counter[UUID] = Counter()

    def run(self) -> None:
        reads = [self.read, self.read_after_binding, self.read_scoped, self.read_nothing]
        writes = [self.write, self.write_and_fail, self.write_and_cancel, self.write_after_binding, self.see_all]
        weights = [10] * len(reads) + [self.writing] * len(writes)
        for request in self.random.choices([*reads, *writes], weights, k=REQUESTS // THREADS):
            with suppress(Cancelled):
                request(self.random.choice(self.tenants))
            self.done[request.__name__] += 1

    def look(self, session: TenantSession, tenant_id: UUID) -> None:
        seen = session.scalars(OWNERS_OF_WHAT_IS_SEEN).all()
        if len(seen) != 5 or set(seen) != {tenant_id}:
            self.foreign.append((tenant_id, seen))

    def count_up(self, session: TenantSession, tenant_id: UUID) -> None:
        changed: Any = session.execute(update(User).values(failed_logins=User.failed_logins + 1))
        if changed.rowcount != 1:
            self.foreign.append((changed.rowcount, tenant_id))

    # the requests

    def read(self, tenant_id: UUID) -> None:
        with read_session(tenant=tenant_id) as session:
            self.look(session, tenant_id)

    def read_after_binding(self, tenant_id: UUID) -> None:
        with read_session() as session:
            bind_tenant(session, tenant_id)
            self.look(session, tenant_id)

    def read_scoped(self, tenant_id: UUID) -> None:
        session = SessionScoped(tenant=tenant_id, read_only=True)
        try:
            self.look(session, tenant_id)
        finally:
            SessionScoped.remove()

    def read_nothing(self, _: UUID) -> None:
        with get_engine().connect() as connection:
            if seen := connection.execute(select(User.username)).all():
                self.foreign.append(seen)

    def write(self, tenant_id: UUID) -> None:
        with get_db_session(tenant=tenant_id) as session:
            self.count_up(session, tenant_id)
            self.look(session, tenant_id)
        self.acknowledged[tenant_id] += 1

    def write_and_fail(self, tenant_id: UUID) -> None:
        with get_db_session(tenant=tenant_id) as session:
            self.count_up(session, tenant_id)
            raise Cancelled

    def write_and_cancel(self, tenant_id: UUID) -> None:
        request = get_db()
        session = next(request)
        bind_tenant(session, tenant_id)
        self.count_up(session, tenant_id)
        self.look(session, tenant_id)
        if self.random.random() < 0.5:
            request.close()  # type: ignore[attr-defined]  # it is a generator
        else:
            request.throw(Cancelled())  # type: ignore[attr-defined]  # it is a generator

    def write_after_binding(self, tenant_id: UUID) -> None:
        request = get_db()
        session = next(request)
        bind_tenant(session, tenant_id)
        self.count_up(session, tenant_id)
        next(request, None)
        self.acknowledged[tenant_id] += 1

    def see_all(self, tenant_id: UUID) -> None:
        with get_db_session(tenant=tenant_id) as session:
            with system_scope(session, "test"):
                if sorted(session.scalars(select(User.username))) != ["alpha", "beta"]:
                    self.foreign.append("system scope is narrower than it should be")
            self.look(session, tenant_id)


def test_ten_thousand_interleaved_requests_see_their_own_rows(db: Database) -> None:
    world = make_world(db.engine)
    in_use = CHECKED_OUT._value.get()  # noqa: SLF001 - prometheus has no way to ask
    with settings(
        SPOTHIVE_POOL_SIZE=str(CONNECTIONS),
        SPOTHIVE_MAX_OVERFLOW="0",
        SPOTHIVE_POOL_TIMEOUT="60",
        SPOTHIVE_POOL_PRE_PING="false",
    ):
        workers = [Requests(world, number) for number in range(THREADS)]
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [row for worker in workers for row in worker.foreign] == []
        assert sum((worker.done for worker in workers), Counter[str]()).total() == REQUESTS
        acknowledged = sum((worker.acknowledged for worker in workers), Counter[UUID]())
        for holding in (world.alpha, world.beta):
            with read_session(tenant=holding.tenant_id) as session:
                assert session.scalar(select(User.failed_logins)) == acknowledged[holding.tenant_id]
        assert get_engine().pool.checkedout() == 0  # type: ignore[attr-defined]  # a FairPool
    assert CHECKED_OUT._value.get() == in_use  # noqa: SLF001 - as above
