"""What the checks of the parts see in the tables, and what becomes of their answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    AgentAction,
    AuditLog,
    AuditSeal,
    Base,
    ComponentHealth,
    SpotPrice,
    SystemLog,
    get_db_session,
    system_scope,
)
from spothive.errors import Denied, InvalidInput
from spothive.operations.health import PROBES, Component, Finding, check_component, check_health
from spothive.operations.health.checking import SLOW_MS
from spothive.settings import get_settings
from tests.conftest import Database, settings
from tests.factories import make_account, make_cluster, make_price, make_tenant
from tests.factories.active_model import make_enabled_models, put_in_place
from tests.factories.samples import sample
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of


def _run(statement: Any) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(statement)


def _add(model: type[Base], parents: dict[str, Any] | None = None, number: int = 1, **values: Any) -> None:
    _run(sa.insert(model).values(sample(model.__tablename__, parents or {}, number, **values)))


def _seen(component: Component, now: datetime | None = None) -> tuple[str, str]:
    finding = PROBES[component](now or utc_now())
    return finding.status.value, finding.message


def test_the_queue_is_as_good_as_its_oldest_action(db: Database) -> None:
    assert _seen(Component.QUEUE) == ("healthy", "0 actions wait")
    now = utc_now()
    for number, slug in enumerate(("acme", "globex")):  # all tenants are looked at
        tenant = make_tenant(slug)
        cluster = make_cluster(tenant, make_account(tenant).id)
        parents = {"tenants": tenant, "clusters": cluster.id, "optimization_jobs": None}
        times = {"available_at": now + timedelta(minutes=number), "expires_at": now + timedelta(hours=3)}
        _add(AgentAction, parents, number, **times)
    assert _seen(Component.QUEUE, now + timedelta(minutes=2)) == ("healthy", "2 actions wait")
    late = ("degraded", "an action has waited 6 min for its agent")
    assert _seen(Component.QUEUE, now + timedelta(minutes=6)) == late
    assert _seen(Component.QUEUE, now + timedelta(minutes=31))[0] == "down"
    assert _seen(Component.QUEUE, now + timedelta(hours=4))[0] == "healthy"  # expired: nobody fetches it any more
    leased = {"leased_until": now + timedelta(minutes=1), "picked_up_at": now, "lease_token": 1}
    handed_out = {"status": "PICKED_UP", "attempts": 1, "available_at": now, **leased}
    _run(sa.update(AgentAction).values(**handed_out))
    assert _seen(Component.QUEUE, now + timedelta(minutes=5))[0] == "healthy"
    lost = ("degraded", "2 leases ran out more than 5 min ago")
    assert _seen(Component.QUEUE, now + timedelta(minutes=7)) == lost


def test_market_data_are_as_good_as_their_newest_price(db: Database) -> None:
    now = utc_now()
    assert _seen(Component.MARKET_DATA) == ("unknown", "no spot price is known yet")
    _add(SpotPrice, number=1, observed_at=now - timedelta(days=9), price="0.1")
    _add(SpotPrice, number=2, observed_at=now + timedelta(days=9), price="0.1")  # an error hides no age
    assert _seen(Component.MARKET_DATA, now)[0] == "down"
    _add(SpotPrice, number=3, observed_at=now, price="0.1")
    assert _seen(Component.MARKET_DATA, now)[0] == "degraded"  # without any on-demand price
    make_price("m5.large", "0.1")
    healthy = ("healthy", "the newest spot price is 60 min old")
    assert _seen(Component.MARKET_DATA, now + timedelta(hours=1)) == healthy
    old = ("degraded", "the newest spot price is 13 h old")
    assert _seen(Component.MARKET_DATA, now + timedelta(hours=13)) == old
    assert _seen(Component.MARKET_DATA, now + timedelta(hours=25))[0] == "down"
    _add(SpotPrice, number=4, observed_at=now + timedelta(days=100), price="0.1")
    assert _seen(Component.MARKET_DATA, now + timedelta(days=100))[0] == "degraded"  # what is on demand costs has aged


def test_the_model_is_as_good_as_its_file(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _seen(Component.MODEL) == ("unknown", "no model is active in production")
    file = tmp_path / "model.onnx"
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setenv("SPOTHIVE_MODEL_STORE", str(tmp_path))
    get_settings.cache_clear()
    (model_id,) = make_enabled_models(1, file_path=file.name, file_hash=digest, name="crash", version="2")
    with get_db_session() as session, system_scope(session, "test"):
        put_in_place(session, model_id)
    assert _seen(Component.MODEL) == ("down", "the file of crash 2 is not there")
    os.mkfifo(file)  # nobody writes to it: reading would never end
    assert _seen(Component.MODEL)[0] == "down"
    file.unlink()
    file.write_bytes(b"weights")
    assert _seen(Component.MODEL) == ("healthy", "crash 2 is as it was registered")
    file.write_bytes(b"other weights")
    assert _seen(Component.MODEL) == ("down", "the file of crash 2 is not the one that was registered")


def test_the_sealer_is_as_good_as_the_oldest_row_without_a_seal(db: Database) -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    assert _seen(Component.SEALER) == ("unknown", "nothing has ever been sealed")
    for tenant in (acme, globex):
        _add(AuditLog, {"tenants": tenant})
    assert _seen(Component.SEALER)[0] == "unknown"
    now = utc_now()
    for tenant in (acme, globex):
        _seal(tenant, 1, now)
    assert _seen(Component.SEALER, now + timedelta(days=9)) == ("healthy", "every audit row is sealed")
    _add(AuditLog, {"tenants": globex}, 2)
    assert _seen(Component.SEALER, now + timedelta(hours=24))[0] == "healthy"
    late = ("degraded", "the oldest unsealed audit row is 26 h old")
    assert _seen(Component.SEALER, now + timedelta(hours=26)) == late
    assert _seen(Component.SEALER, now + timedelta(days=4))[0] == "down"
    _seal(acme, 2, utc_now())  # another tenant's seal does not help
    assert _seen(Component.SEALER, now + timedelta(days=4))[0] == "down"
    _seal(globex, 2, utc_now())
    assert _seen(Component.SEALER, now + timedelta(days=4))[0] == "healthy"


def _seal(tenant_id: Any, number: int, sealed_at: datetime) -> None:
    """Write a seal that covers every row that is there, as far as anybody can tell from the tables."""
    horizon = max((row["txid"] for row in rows_of(AuditLog)), default=0)
    chain = f"{number - 1:x}".rjust(64, "0")
    values = {"horizon": horizon + 1 if horizon else 0, "sealed_at": sealed_at, "previous_seal_hash": chain}
    _add(AuditSeal, {"tenants": tenant_id}, number, **values)


def test_a_slow_check_makes_a_healthy_part_degraded_and_a_broken_one_hides_nothing(db: Database) -> None:
    def well(_: datetime) -> Finding:
        return Finding(PROBES[Component.DATABASE](utc_now()).status, "answers")

    def lasting(seconds: float) -> Any:
        moments: Iterator[float] = iter((100.0, 100.0 + seconds))
        return lambda: next(moments)

    limit = SLOW_MS[Component.DATABASE] / 1000
    quick = check_component(get_db_session, Component.DATABASE, well, timer=lasting(limit))
    assert (quick.status, quick.avg_execution_time_ms) == ("healthy", 1000)
    slow = check_component(get_db_session, Component.DATABASE, well, timer=lasting(limit + 0.5))
    assert (slow.status, slow.success_count_24h) == ("degraded", 2)
    assert slow.message == "slow: the check took 1500 ms, 1000 are expected; answers"

    def broken(_: datetime) -> Finding:
        raise ValueError("postgresql://admin:s3cret@host")

    def refusing(_: datetime) -> Finding:
        raise InvalidInput("no such thing")

    down = check_component(get_db_session, Component.MODEL, broken)
    assert (down.status, down.message) == ("down", "the check itself failed: ValueError")
    unknown = check_component(get_db_session, Component.MODEL, refusing)
    assert (unknown.status, unknown.message) == ("unknown", "cannot be asked: no such thing")
    assert "s3cret" not in str(everything())


def test_without_a_database_it_is_down_and_nothing_else_is_known(db: Database, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none/x.db" if db.engine == "sqlite" else "postgresql://u:s3cret@127.0.0.1:1/x"
    if db.engine == "sqlite":
        (tmp_path / "none").write_text("no folder")
    with settings(DATABASE_URL=url, SPOTHIVE_CONNECT_TIMEOUT="1"):
        found = {component: check_component(get_db_session, component) for component in Component}
    assert {c: h.status.value for c, h in found.items()} == {
        Component.DATABASE: "down",
        **dict.fromkeys((Component.QUEUE, Component.MARKET_DATA, Component.MODEL, Component.SEALER), "unknown"),
    }
    assert not any(health.recorded for health in found.values())
    assert "s3cret" not in str(found)
    assert rows_of(ComponentHealth) == []


def test_staff_checks_everything_and_others_are_refused(world: World) -> None:
    found = check_health(get_db_session, world.admin, tenant_id=PLATFORM_TENANT_ID)
    assert [health.component for health in found] == list(Component)
    assert sorted(row["component"] for row in rows_of(ComponentHealth)) == sorted(Component)
    assert all(row["tenant_id"] == PLATFORM_TENANT_ID for row in rows_of(SystemLog))
    with pytest.raises(Denied):
        check_health(get_db_session, world.anna, tenant_id=world.acme)
    assert audited(event="health.checked") == [("health.checked", "components", "DENIED", world.anna.label, None, None)]
    assert len(rows_of(SystemLog)) == len(Component)
