"""Writers that meet: on SQLite, which has one at a time, and among the last admins of ``platform``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from spothive.database import PLATFORM_TENANT_ID, Role, TenantSession, User, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.errors import Conflict, IllegalMove
from spothive.operations.actor import Actor
from spothive.operations.identity import find_actor, set_user_active
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.torture.processes import all_at_once
from tests.torture.works import count_up, counted
from tests.watching import rows_of

pytestmark = pytest.mark.torture

SECONDS = 3.0


@pytest.mark.engines("sqlite")
def test_eight_threads_lose_no_acknowledged_update(db: Database) -> None:
    acme = make_tenant("acme")
    user = make_user(acme)
    with ThreadPoolExecutor(8) as threads:
        works = [threads.submit(counted, acme, user.id, SECONDS) for _ in range(8)]
        acknowledged = [work.result() for work in works]
    assert rows_of(User, id=user.id)[0]["failed_logins"] == sum(acknowledged)
    print(f"8 threads: {sum(acknowledged)} updates in {SECONDS} s, {min(acknowledged)}..{max(acknowledged)} a thread")


@pytest.mark.engines("sqlite")
def test_four_processes_lose_no_acknowledged_update(db: Database) -> None:
    acme = make_tenant("acme")
    user = make_user(acme)
    acknowledged = [words[0] for words in all_at_once(4, count_up, acme, user.id, SECONDS)]
    assert rows_of(User, id=user.id)[0]["failed_logins"] == sum(acknowledged)
    print(
        f"4 processes: {sum(acknowledged)} updates in {SECONDS} s, {min(acknowledged)}..{max(acknowledged)} a process"
    )


# --- the last admins ---


def disable_by_verb(session: TenantSession, actor: Actor, victim: str) -> None:
    set_user_active(session, actor, username=victim, active=False)


def demote(session: TenantSession, _: Actor, victim: str) -> None:
    session.query(User).filter_by(username=victim).one().role = Role.USER


def disable(session: TenantSession, _: Actor, victim: str) -> None:
    session.query(User).filter_by(username=victim).one().is_active = False


def delete(session: TenantSession, _: Actor, victim: str) -> None:
    session.delete(session.query(User).filter_by(username=victim).one())


WAYS = (disable_by_verb, demote, disable, delete)
Way = Callable[[TenantSession, Actor, str], None]


def test_of_two_last_admins_one_remains(db: Database) -> None:
    rounds = 100
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    outcomes: Counter[str] = Counter()
    for number in range(rounds):
        ada, bea = two_last_admins(admin)
        barrier = Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(strike, barrier, WAYS[number % 4], ada, bea)
            second = threads.submit(strike, barrier, WAYS[number // 4 % 4], bea, ada)
            ended = sorted((first.result(), second.result()))
        assert len(active_admins()) == 1, f"round {number}: {ended}"
        assert ended.count("done") == 1, f"round {number}: {ended}"
        assert "deadlock" not in ended, f"round {number}"
        outcomes[", ".join(ended)] += 1
    if db.engine == "postgresql":
        with db.raw(owner=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert connection.execute(query).fetchone()[0] == 0
    print(f"{db.engine}: {rounds} rounds, {dict(outcomes)}")


def strike(barrier: Barrier, way: Way, actor: Actor, victim: Actor) -> str:
    """Try to be the last admin; return how it ended."""
    barrier.wait(60)
    try:
        with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            way(session, actor, victim.username)
    except (IllegalMove, Conflict) as error:
        return "deadlock" if isinstance(error.__cause__, psycopg.errors.DeadlockDetected) else type(error).__name__
    return "done"


def two_last_admins(admin: Actor) -> tuple[Actor, Actor]:
    """Make ``ada`` and ``bea``, super admins and the only ones active, whatever the last round left."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.get_one(User, admin.user_id).is_active = True
        session.flush()
        for row in session.query(User).where(User.id != admin.user_id):
            session.delete(row)
    for name in ("ada", "bea"):
        make_user(PLATFORM_TENANT_ID, name, role=Role.SUPER_ADMIN)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.get_one(User, admin.user_id).is_active = False
    return find_actor("ada", "platform")[0], find_actor("bea", "platform")[0]


def active_admins() -> list[str]:
    staff = (Role.ADMIN, Role.SUPER_ADMIN)
    rows = rows_of(User, tenant_id=PLATFORM_TENANT_ID, is_active=True)
    return [row["username"] for row in rows if row["role"] in staff]
