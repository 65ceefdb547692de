"""The duty that tells of blocked pools and of budgets that are used up by what lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import Account, SpotPoolRisk, get_db_session, read_session, system_scope
from spothive.models import DowntimeCause, NoticeEvent, RiskSource, Telling
from spothive.operations.identity import set_tenant_active
from spothive.operations.notifications import tell_all
from spothive.operations.risk import warning
from spothive.operations.risk.warning import tell_of_blocks, untold_blocks
from spothive.operations.sla import record_downtime, told as told_of_outages
from spothive.operations.sweeps import Outcome, Tools
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance
from tests.factories.spot_events import spot_event
from tests.operations.conftest import World
from tests.operations.risk.conftest import (
    IN_THEIRS,
    POOL,
    THEIRS,
    at_the_same_time,
    block,
    fleet as fleet,  # noqa: PLC0414 - a fixture of another street
    hit,
    told,
)
from tests.operations.sweeps.conftest import did
from tests.told import heard, titles
from tests.watching import explained, rows_of, statements

BLOCKED = NoticeEvent.SPOT_POOL_BLOCKED
EXCEEDED = NoticeEvent.DOWNTIME_BUDGET_EXCEEDED
ZONE = "us-east-1a"


def later(**moments: timedelta) -> None:
    """Let the block of every pool begin and end so much later."""
    with get_db_session() as session, system_scope(session, "test"):
        for pool in session.query(SpotPoolRisk):
            for name, by in moments.items():
                setattr(pool, name, getattr(pool, name) + by)


def test_the_others_in_a_pool_are_told_once_and_not_by_whom(fleet: World, tools: Tools) -> None:
    told(fleet, hit())
    assert did(fleet, tools, "telling").counts == {"pools": 1}
    assert heard(fleet.anna, BLOCKED) == []
    (content,) = heard(fleet.gina)
    until = rows_of(SpotPoolRisk)[0]["poison_expires_at"]
    assert content["title"] == f"Spot pool {POOL} is blocked"
    assert content["facts"] == {"pools": [{"pool": POOL, "until": f"{until:%Y-%m-%dT%H:%MZ}"}]}
    assert f"{POOL} until {until:%Y-%m-%d %H:%M} UTC" in content["body"]
    assert content["link"] == f"spothive risk why {POOL}"
    (source,) = rows_of(RiskSource)
    for secret in ("acme", "anna", str(fleet.acme), fleet.acme.hex, source["instance_id"], "111111111111"):
        assert secret not in str(content).lower()
    assert did(fleet, tools, "telling").counts == {}
    assert len(heard(fleet.gina)) == 1
    assert {(row["tenant_id"], row["subject"]) for row in rows_of(Telling)} == {
        (fleet.acme, POOL),
        (fleet.globex, POOL),
    }


def test_a_block_that_is_extended_is_not_told_again_and_the_next_one_is(fleet: World, tools: Tools) -> None:
    told(fleet, hit(at=utc_now() - timedelta(days=2)))
    did(fleet, tools, "telling")
    told(fleet, hit())
    told(fleet, spot_event(account=THEIRS, instance_id=IN_THEIRS))
    assert did(fleet, tools, "telling").counts == {}
    assert len(heard(fleet.gina, BLOCKED)) == 1
    assert {row["told_until"] for row in rows_of(Telling)} == {rows_of(SpotPoolRisk)[0]["poison_expires_at"]}
    later(poison_expires_at=timedelta(days=20), poisoned_at=timedelta(days=20))  # as if an interruption began another
    assert did(fleet, tools, "telling").counts == {"pools": 2}
    assert len(heard(fleet.gina, BLOCKED)) == 2


def test_who_has_no_live_spot_instance_in_it_is_not_told(world: World, tools: Tools) -> None:
    account = make_account(world.globex)
    otherwise: list[dict[str, Any]] = [
        {"lifecycle": "on-demand"},
        {"state": "stopped"},
        {"state": "terminated", "terminated_at": utc_now()},
        {"instance_type": "m5.xlarge"},
        {"availability_zone": "us-east-1b"},
    ]
    for number, facts in enumerate(otherwise):
        place = {"region": "us-east-1", "availability_zone": ZONE, **facts}
        make_instance(world.globex, account.id, f"i-{number}", **place)
    make_instance(world.globex, account.id, "planned-1", region="us-east-1", availability_zone=ZONE)
    block(ZONE)
    assert did(world, tools, "telling").counts == {}
    assert heard(world.gina) == []


def test_neither_suspended_tenants_nor_accounts_that_go_are_told_but_who_comes_later_is(
    world: World, tools: Tools
) -> None:
    place = {"region": "us-east-1", "availability_zone": ZONE}
    accounts = {tenant: make_account(tenant) for tenant in (world.acme, world.globex)}
    block(ZONE)
    for tenant, account in accounts.items():
        make_instance(tenant, account.id, "i-1", **place)
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=False)
    with get_db_session(tenant=world.globex) as session:
        session.execute(update(Account).values(disconnecting_at=utc_now()))
    assert did(world, tools, "telling").counts == {}
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=True)
    assert did(world, tools, "telling").counts == {"pools": 1}
    assert titles(world.udo) == [f"Spot pool {POOL} is blocked"]


def test_platform_is_told_like_any_tenant(world: World, tools: Tools) -> None:
    home = world.admin.home_tenant_id
    make_instance(home, make_account(home).id, "i-1", region="us-east-1", availability_zone=ZONE)
    block(ZONE)
    assert did(world, tools, "telling").counts == {"pools": 1}
    assert len(heard(world.admin)) == len(heard(world.root)) == 1


def test_many_pools_are_one_telling_page_by_page(world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    account = make_account(world.globex)
    for zone in "abc":
        block(f"us-east-1{zone}")
        for number in range(3):
            place = {"region": "us-east-1", "availability_zone": f"us-east-1{zone}"}
            make_instance(world.globex, account.id, f"i-{zone}{number}", **place)
    assert did(world, tools, "telling").counts == {"pools": 3}
    (content,) = heard(world.gina)
    assert content["title"] == "3 spot pools that you use are blocked"
    assert [each["pool"] for each in content["facts"]["pools"]] == [
        f"us-east-1:us-east-1{zone}:m5.large" for zone in "abc"
    ]
    with read_session() as session, system_scope(session, "test"):
        assert untold_blocks(session) == []
    monkeypatch.setattr(warning, "AT_ONCE", 1)
    make_instance(world.acme, make_account(world.acme).id, "i-1", region="us-east-1", availability_zone=ZONE)
    later(poison_expires_at=timedelta(days=20), poisoned_at=timedelta(days=20))
    with read_session() as session, system_scope(session, "test"):
        first = untold_blocks(session, limit=1)
        rest = untold_blocks(session, after=(first[0].tenant_id, first[0].pool_id))
        assert [*first, *rest] == untold_blocks(session)
    assert len(first + rest) == 4


def test_whom_it_concerns_is_one_statement_by_an_index(fleet: World, db: Database) -> None:
    told(fleet, hit())
    with get_db_session() as session, system_scope(session, "test"):
        if db.engine == "postgresql":
            session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        with statements() as sent:
            assert len(untold_blocks(session)) == 2
        assert sum("SELECT" in each for each in sent) == 1
        plan = explained(session, "spot_pool_risks", lambda: untold_blocks(session))
    assert "ix_instances_live_spot" in plan


def test_of_two_who_tell_at_once_one_does(fleet: World) -> None:
    told(fleet, hit())
    with read_session() as session, system_scope(session, "test"):
        mine = [each for each in untold_blocks(session) if each.tenant_id == fleet.globex]

    def tell(_: int) -> int:
        with get_db_session(tenant=fleet.globex) as session:
            return tell_of_blocks(session, mine)

    assert sorted(at_the_same_time(tell, range(6))) == [0, 0, 0, 0, 0, 1]
    assert len(heard(fleet.gina, BLOCKED)) == 1


def test_what_goes_wrong_with_one_tenant_is_told_by_the_next_run(
    fleet: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_instance(
        fleet.admin.home_tenant_id,
        make_account(fleet.admin.home_tenant_id).id,
        "i-1",
        region="us-east-1",
        availability_zone=ZONE,
    )
    told(fleet, hit())

    def fails(session: Any, news: Any) -> Any:
        done = tell_all(session, news)
        if session.tenant_id == fleet.globex:
            raise ZeroDivisionError
        return done

    monkeypatch.setattr(warning, "tell_all", fails)
    run = did(fleet, tools, "telling")
    assert (run.outcome, run.counts, list(run.failures)) == (Outcome.PARTIAL, {"pools": 1}, ["globex"])
    assert heard(fleet.gina) == []
    monkeypatch.undo()
    assert did(fleet, tools, "telling").counts == {"pools": 1}
    assert (len(heard(fleet.gina)), len(heard(fleet.root, BLOCKED))) == (1, 1)


def test_a_budget_that_lasting_outages_use_up_is_told_of_once_a_month(
    world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(world.acme)
    cluster = make_cluster(world.acme, account.id, name="web")
    for number in (1, 2):
        make_instance(world.acme, account.id, f"i-{number}", cluster_id=cluster.id)
    made = utc_now()
    for name in ("i-1", "i-2"):
        with get_db_session(tenant=world.acme) as session:
            record_downtime(session, world.anna, instance_id=name, cause=DowntimeCause.NO_REPLICA, start=made)
    assert did(world, tools, "telling").counts == {}
    assert heard(world.anna, EXCEEDED) == []
    monkeypatch.setattr(told_of_outages, "utc_now", lambda: made + timedelta(minutes=2))
    assert did(world, tools, "telling").counts["budgets"] >= 1  # more where a month has just begun
    first = titles(world.udo, EXCEEDED)
    assert first[0].startswith("Cluster web has used up its downtime budget of 20")
    assert did(world, tools, "telling").counts == {}
    assert titles(world.udo, EXCEEDED) == first
    assert heard(world.gina) == []
