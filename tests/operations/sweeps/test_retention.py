"""What was kept long enough goes, to the second; what must stay stays, and a run that broke off is gone on with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    ApiUsage,
    AuditLog,
    AuditSeal,
    GlobalRiskEvent,
    LoginHistory,
    SessionLog,
    SystemLog,
    get_db_session,
    system_scope,
)
from spothive.database.seed_data import seed_initial_data
from spothive.errors import AppendOnly, ConfigurationError
from spothive.operations.identity import find_actor
from spothive.operations.sweeps import Outcome, Tools, retention
from spothive.settings import get_settings
from tests.conftest import Database, settings
from tests.factories.graph import Graph
from tests.factories.lives import entering
from tests.factories.samples import Row
from tests.factories.ways import Core
from tests.operations.conftest import World, audited
from tests.operations.sweeps.conftest import did
from tests.watching import everything, explained, rows_of, statements

NOW = utc_now()
SECOND = timedelta(seconds=1)
DAYS = {
    "api_usage": 90,
    "email_logs": 90,
    "email_digest_queue": 90,
    "notices": 365,
    "webhook_logs": 90,
    "system_logs": 30,
    "session_logs": 30,
    "scan_units": 90,
    "spot_prices": 400,
    "login_history": 365,
    "account_logs": 365,
}
DONE_WITH: dict[str, Row] = {"email_digest_queue": {"included_in_digest": True}, "notices": {"read_at": NOW}}
LEFT: dict[str, Any] = {"email_digest_queue": False, "notices": None}
"""What says that a row was told of, so that it goes one day, and what says that it was not."""


@pytest.fixture(autouse=True)
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all runs happen at NOW, to the microsecond."""
    monkeypatch.setattr(retention, "_clock", lambda: NOW)


@pytest.fixture
def world(db: Database, sample_rows: dict[str, Row]) -> World:
    """Return the people of a database with one row in every table; only ``admin`` and ``acme`` are there."""
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    acme = sample_rows["tenants"]["id"]
    return World(acme=acme, globex=acme, admin=admin, root=admin, anna=admin, lena=admin, udo=admin, gina=admin)


def test_what_was_kept_long_enough_goes_to_the_second_and_nothing_else(
    db: Database, world: World, sample_rows: dict[str, Row], tools: Tools
) -> None:
    expected: dict[str, int] = {}
    with get_db_session() as session, system_scope(session, "test"):
        for number, (table, days) in enumerate(DAYS.items(), 1):
            limit = NOW - timedelta(days=days)
            for place, moment in enumerate((limit - SECOND, limit + SECOND, limit)):
                shelve(session, sample_rows, table, moment, number * 100 + place * 10)
            expected[table] = 2 if table in {"email_logs", "webhook_logs", "session_logs"} else 1
    before = everything()
    run = did(world, tools, "retention")
    assert (run.outcome, run.failures) == (Outcome.DONE, {})
    assert run.counts == expected
    after = everything()
    gone = {}
    for name in before.keys() - {"sweep_leases"}:
        left = {row["id"] for row in after[name]}
        assert [row for row in before[name] if row["id"] in left] == [row for row in after[name] if row in before[name]]
        gone[name] = len([row for row in before[name] if row["id"] not in left])
    assert {name: count for name, count in gone.items() if count} == expected
    assert did(world, tools, "retention").counts == {}


def shelve(session: Any, rows: dict[str, Row], table: str, moment: datetime, number: int) -> None:
    """Put rows of this age on a shelf: a delivery that waits, too, and sessions that ended in either way."""
    graph = Graph(Core(session), rows)
    if table in {"email_logs", "webhook_logs"}:
        ends = ("pending", "sent", "failed")
        for place, end in enumerate(ends):
            row = graph.add(table, number + place, created_at=moment, **entering(table, "pending"))
            if end != "pending":
                graph.change(table, row["id"], **entering(table, end))
    elif table in DONE_WITH:
        graph.add(table, number, created_at=moment, **DONE_WITH[table])
        graph.add(table, number + 1, created_at=moment, **dict.fromkeys(DONE_WITH[table], LEFT[table]))
    elif table == "session_logs":
        graph.add(table, number, expires_at=moment)
        graph.add(table, number + 1, expires_at=NOW, logged_out_at=moment)
    elif table == "scan_units":
        graph.add(table, number, updated_at=moment, region=f"eu-{number}")
    elif table == "spot_prices":
        graph.add(table, number, observed_at=moment)
    else:
        graph.add(table, number, timestamp=moment)


def test_audit_rows_seals_and_events_are_on_no_shelf() -> None:
    tables = {shelf.model.__tablename__ for shelf in retention.SHELVES}
    assert tables == DAYS.keys()
    assert not tables & {AuditLog.__tablename__, AuditSeal.__tablename__, GlobalRiskEvent.__tablename__, "risk_sources"}
    for shelf in retention.SHELVES:
        assert getattr(get_settings(), shelf.days) == DAYS[shelf.model.__tablename__]


def test_numbers_are_settings_and_none_goes_below_what_the_database_keeps() -> None:
    for name in ("LOGIN_HISTORY", "ACCOUNT_LOGS", "SCAN_UNITS"):
        days = DAYS[name.lower()] - 1
        with settings(**{f"SPOTHIVE_KEEP_{name}": str(days)}), pytest.raises(ConfigurationError, match=f"KEEP_{name}"):
            get_settings()


def attempts(tenant_id: Any, count: int, moment: datetime) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        facts = {"login_name": "ann", "login_method": "password", "success": True, "timestamp": moment}
        rows = [{"id": uuid4(), "tenant_id": tenant_id, **facts} for _ in range(count)]
        session.execute(insert(LoginHistory), rows)


def test_history_outlives_its_tenant_and_goes_in_time_all_the_same(db: Database, world: World, tools: Tools) -> None:
    gone, old = uuid4(), NOW - timedelta(days=365) - SECOND
    attempts(gone, 2, old)
    attempts(gone, 1, NOW)
    run = did(world, tools, "retention")
    assert run.counts == {"login_history": 2}
    (row,) = rows_of(AuditLog, event="history.deleted")
    assert (row["tenant_id"], row["actor_id"], row["actor_name"]) == (gone, None, "spothive (sweep)")
    after = {"before": (NOW - timedelta(days=365)).isoformat(), "deleted": 2}
    assert [each[-1] for each in audited(event="history.deleted")] == [after]


def test_batches_are_bounded_and_the_oldest_go_first(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    for day in (370, 372, 371):
        attempts(PLATFORM_TENANT_ID, 8, NOW - timedelta(days=day))
    left: list[list[int]] = []
    delete_batch = retention._delete_batch  # noqa: SLF001 - to look between the batches

    def watched(*given: Any) -> int:
        rows = rows_of(LoginHistory, tenant_id=PLATFORM_TENANT_ID)
        left.append(sorted((NOW - row["timestamp"]).days for row in rows if row["login_name"] == "ann"))
        return delete_batch(*given)

    monkeypatch.setattr(retention, "_delete_batch", watched)
    assert did(world, tools, "retention").counts == {"login_history": 24}
    sizes = [len(days) for days in dict.fromkeys(map(tuple, left))]
    assert sizes == [24, 14, 4, 0]
    assert (370,) * 4 in map(tuple, left)


def test_what_breaks_off_is_gone_on_with(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    attempts(world.acme, 25, NOW - timedelta(days=370))
    calls = 0
    delete_oldest = retention._delete_oldest  # noqa: SLF001 - to break off in the midst of it

    def breaking(session: Any, shelf: Any, before: datetime) -> int:
        nonlocal calls
        gone = delete_oldest(session, shelf, before)
        calls += shelf.model is LoginHistory and gone > 0
        if calls == 2 and shelf.model is LoginHistory:
            raise AppendOnly("broken", rule="ao_test", table="login_history")
        return gone

    monkeypatch.setattr(retention, "_delete_oldest", breaking)
    run = did(world, tools, "retention")
    assert (run.outcome, run.counts) == (Outcome.PARTIAL, {"login_history": 10})
    assert [name.partition("/")[2] for name in run.failures] == ["login_history"]
    calls = 3
    assert did(world, tools, "retention").counts == {"login_history": 15}


def test_statements_do_not_grow_with_what_stays(db: Database, world: World, tools: Tools) -> None:
    def sent() -> int:
        with statements() as counted:
            did(world, tools, "retention")
        return counted.total()

    first = sent()
    attempts(world.acme, 500, NOW)
    assert sent() <= first + 1  # the lease was made by the first


@pytest.mark.parametrize("shelf", retention.SHELVES, ids=lambda shelf: f"{shelf.model.__tablename__}-{shelf.since.key}")
def test_the_oldest_are_found_by_an_index(
    db: Database, world: World, sample_rows: dict[str, Row], shelf: retention.Shelf
) -> None:
    table = shelf.model.__tablename__
    with get_db_session(tenant=world.acme) as session:
        if db.engine == "postgresql":
            session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")

        def find() -> None:
            mine = [] if shelf.is_shared else [shelf.model.tenant_id == world.acme]
            where = [] if shelf.where is None else [shelf.where]
            oldest = select(shelf.model.id).where(*mine, *where, shelf.since < NOW).order_by(shelf.since).limit(10)
            session.execute(oldest).all()

        plan = explained(session, table, find)
    assert "Sort" not in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "INDEX" in plan.upper(), plan


def test_the_log_is_not_deleted_by_what_it_tells(db: Database, world: World, tools: Tools) -> None:
    did(world, tools, "retention")
    assert rows_of(SystemLog, component="sweep", action="retention")
    assert rows_of(ApiUsage)
    assert rows_of(SessionLog)
