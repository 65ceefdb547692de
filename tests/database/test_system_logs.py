"""The system's log: written with the change it tells of, read by pages, and counted to tell how the parts do."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from spothive.database import (
    PLATFORM_TENANT_ID,
    ComponentStatus,
    LogLevel,
    SystemLog,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.database.system_logs import (
    CHECKED,
    MASK,
    Health,
    get_component_health,
    get_recent_logs,
    log_user_action,
    record_health,
)
from spothive.errors import InvalidInput, NotAllowed, TenantNotBound, ValueRefused
from spothive.schema.types import new_id
from tests.conftest import Database
from tests.factories import make_tenant
from tests.watching import explained, rows_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SAID: dict[str, Any] = {"action": "digest.sent", "message": "sent to 3 people", "component": "notifications"}


def test_a_row_is_written_with_the_change_it_tells_of(db: Database) -> None:
    acme, anna = make_tenant("acme"), new_id()
    with get_db_session(tenant=acme) as session:
        log_user_action(
            session,
            **SAID,
            user_id=anna,
            person_name="anna",
            level=LogLevel.WARNING,
            details={"people": 3},
            execution_time_ms=7,
        )
    with pytest.raises(RuntimeError), get_db_session(tenant=acme) as session:
        log_user_action(session, **SAID)
        session.flush()
        raise RuntimeError
    with get_db_session() as session, system_scope(session, "test"):
        log_user_action(session, **SAID)
    with pytest.raises(TenantNotBound), get_db_session() as session:
        log_user_action(session, **SAID)
    theirs, ours = sorted(rows_of(SystemLog), key=lambda row: row["tenant_id"] == PLATFORM_TENANT_ID)
    assert (ours["tenant_id"], ours["level"], ours["details"]) == (PLATFORM_TENANT_ID, "info", {})
    assert theirs["tenant_id"] == acme
    known = {name: theirs[name] for name in ("user_id", "person_name", "level", "details", "execution_time_ms")}
    assert known == {
        "user_id": anna,
        "person_name": "anna",
        "level": "warning",
        "details": {"people": 3},
        "execution_time_ms": 7,
    }


def test_what_is_named_like_a_secret_is_masked_and_what_is_no_json_refused(db: Database) -> None:
    acme = make_tenant("acme")
    named = ("password", "newPassword", "API-Key", "token", "client_secret", "code_hash", "Authorization", "Set-Cookie")
    deep = {"sent": [{"to": "anna", "headers": {name: f"s3cret {name}" for name in named}}], "keys": ["s3cret", 1]}
    with get_db_session(tenant=acme) as session:
        log_user_action(session, **SAID, details=deep)
    [row] = rows_of(SystemLog)
    assert row["details"] == {"sent": [{"to": "anna", "headers": dict.fromkeys(named, MASK)}], "keys": MASK}
    circle: dict[str, Any] = {}
    circle["a"] = circle["b"] = circle
    no_json: list[Any] = [{"x": math.nan}, {1: 2}, {"x": object()}, {"x": "\0"}, {"x": "y" * 300_000}, circle]
    for bad in no_json:
        with pytest.raises(InvalidInput), get_db_session(tenant=acme) as session:
            log_user_action(session, **SAID, details=bad)
    for bad in ({"message": "x" * 4001}, {"component": ""}, {"execution_time_ms": -1}):
        with pytest.raises(ValueRefused), get_db_session(tenant=acme) as session:
            log_user_action(session, **(SAID | bad))
    assert len(rows_of(SystemLog)) == 1


def _write(tenant_id: UUID, number: int, **facts: Any) -> None:
    """Write ``number`` rows, three at each second before noon."""
    rows = [
        {"id": new_id(), "tenant_id": tenant_id, "timestamp": NOON - timedelta(seconds=n // 3), **SAID, **facts}
        for n in range(number)
    ]
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(insert(SystemLog), rows)


def test_pages_neither_repeat_nor_miss_a_row(db: Database) -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    _write(acme, 25)
    _write(globex, 25)
    seen: list[SystemLog] = []
    place = None
    with get_db_session(tenant=acme) as session:
        while True:
            page = get_recent_logs(session, 7, before=place)
            seen += page.rows
            log_user_action(session, **SAID)  # is newer, so no later page has it
            session.flush()
            place = page.next
            if place is None:
                break
    unusable: list[dict[str, Any]] = [
        *({"limit": limit} for limit in (0, -1, 10_001)),
        *({"before": place} for place in ("", "nonsense", f"20260504T120000.000000Z_{acme}0", f"2026_{acme}")),
        {"since": NOON.replace(tzinfo=None)},
    ]
    for wanted in unusable:
        with pytest.raises(InvalidInput), read_session(tenant=acme) as session:
            get_recent_logs(session, **wanted)
    assert [row.id for row in seen] == [
        row["id"]
        for row in sorted(
            rows_of(SystemLog, tenant_id=acme), key=lambda row: (row["timestamp"], str(row["id"])), reverse=True
        )
        if row["timestamp"] <= NOON
    ]
    assert len(seen) == 25


def test_filters_narrow_together(db: Database) -> None:
    acme, anna = make_tenant("acme"), new_id()
    for number, level in enumerate(LogLevel, start=1):
        _write(acme, number, level=level, component=f"part {level}")
    _write(acme, 3, user_id=anna, person_name="anna", action="user.locked", level=LogLevel.ERROR)

    def found(**wanted: Any) -> int:
        with get_db_session(tenant=acme) as session:
            return len(get_recent_logs(session, **wanted).rows)

    assert found() == 1 + 2 + 3 + 4 + 5 + 3
    assert found(level=LogLevel.WARNING) == 3 + 4 + 5 + 3
    assert found(component="part debug") == 1
    assert found(action="user.locked") == found(user=anna) == found(user="anna") == 3
    assert found(user="anna", level=LogLevel.CRITICAL) == 0
    assert found(since=NOON) == 1 + 2 + 3 + 3 + 3 + 3
    assert found(until=NOON) == 1 + 2
    assert found(since=NOON - timedelta(seconds=1), until=NOON, component="part error") == 1


def test_a_page_is_found_by_the_index_under_the_row_policies(db: Database) -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    _write(acme, 2000)
    _write(globex, 2000)
    with db.raw(owner=True) as connection:
        connection.execute("ANALYZE system_logs")
    with get_db_session(tenant=acme) as session:
        place = get_recent_logs(session, 500).next
        plan = explained(session, "system_logs", lambda: get_recent_logs(session, 20, before=place))
    assert "ix_system_logs_tenant_id_timestamp" in plan, plan
    by_key = r"Index Cond: .*timestamp <= " if db.engine == "postgresql" else r"timestamp<\?"
    assert re.search(by_key, plan), plan


# --- how the parts do ----------------------------------------------------------------------------


def _record(status: ComponentStatus, now: datetime, took: int = 10, **facts: Any) -> Health:
    with get_db_session() as session:
        return record_health(
            session,
            component="queue",
            status=status,
            message=f"it is {status}",
            execution_time_ms=took,
            facts=facts,
            now=now,
        )


def test_the_counts_are_those_of_the_last_24_hours(db: Database) -> None:
    begin = NOON - timedelta(hours=30)
    last: list[Health] = []
    for hour in range(31):  # down in the first 10 hours, then degraded for one, then well
        status = ComponentStatus.DOWN if hour < 10 else ComponentStatus.HEALTHY
        if hour == 10:
            status = ComponentStatus.DEGRADED
        last.append(_record(status, begin + timedelta(hours=hour), took=10 if hour < 10 else 20))
    health = last[9]
    assert (health.failure_count_24h, health.success_count_24h, health.last_success) == (10, 0, None)
    health = last[-1]
    assert health.last_check == NOON
    # hours 7 to 30 are within the last 24, hour 6 is exactly 24 hours ago
    assert (health.failure_count_24h, health.success_count_24h) == (3, 21)
    assert health.avg_execution_time_ms == round((3 * 10 + 21 * 20) / 24)
    assert health.last_failure == begin + timedelta(hours=9)
    assert (health.status, health.error_message) == (ComponentStatus.HEALTHY, "it is down")
    unknown = _record(ComponentStatus.UNKNOWN, NOON + timedelta(minutes=1), api_key="s3cret", waiting=4)
    assert (unknown.failure_count_24h, unknown.success_count_24h) == (3, 21)
    assert unknown.facts == {"api_key": MASK, "waiting": 4}
    with get_db_session() as session:
        assert get_component_health(session, now=NOON + timedelta(hours=1)) == [unknown]
        [late] = get_component_health(session, now=NOON + timedelta(hours=25))
    assert (late.status, late.success_count_24h, late.failure_count_24h) == (ComponentStatus.UNKNOWN, 0, 0)
    assert late.last_success == NOON


def test_checks_at_the_same_moment_are_all_counted_and_an_older_one_changes_no_status(db: Database) -> None:
    at_once = 4
    barrier = Barrier(at_once)

    def check(number: int) -> None:
        barrier.wait()
        _record(ComponentStatus.HEALTHY, NOON + timedelta(seconds=number))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(check, range(at_once)))
    with get_db_session() as session:
        [row] = get_component_health(session, now=NOON)
    assert (row.success_count_24h, row.last_check) == (at_once, NOON + timedelta(seconds=at_once - 1))
    older = _record(ComponentStatus.DOWN, NOON - timedelta(seconds=1))
    assert (older.status, older.failure_count_24h) == (ComponentStatus.HEALTHY, 1)
    assert older.last_failure == NOON - timedelta(seconds=1)
    logged = rows_of(SystemLog, action=CHECKED)
    assert len(logged) == at_once + 1
    assert {row["tenant_id"] for row in logged} == {PLATFORM_TENANT_ID}


def test_health_is_recorded_whatever_the_session_is_bound_to(db: Database) -> None:
    acme = make_tenant("acme")
    with get_db_session(tenant=acme) as session:
        facts: dict[str, Any] = {
            "component": "model",
            "status": ComponentStatus.DOWN,
            "message": "x" * 9000,
            "execution_time_ms": 1,
        }
        record_health(session, **facts)
        assert session.scalar(select(func.count()).select_from(SystemLog)) == 0
        assert len(get_component_health(session)[0].message) == 4000
        with pytest.raises(NotAllowed), session.begin_nested():
            record_health(session, **facts)
