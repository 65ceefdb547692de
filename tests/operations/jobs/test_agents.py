"""What an agent does with its key: its cluster alone, heard of now and then, unaudited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spothive.clock import utc_now
from spothive.database import Account, AgentAction, ApiScope, AuditLog, Cluster, Notice, get_db_session
from spothive.errors import InvalidInput, NotAllowed, TenantMismatch
from spothive.operations.identity import check_api_key, create_api_key
from spothive.operations.jobs import claim_actions, enqueue_action, extend_leases, mark_silent_agents, report_actions
from spothive.queue import Lease, Report, Reported
from spothive.settings import get_settings
from tests.conftest import Database, settings
from tests.operations.conftest import audited
from tests.operations.jobs.conftest import Shop, rewrite
from tests.watching import rows_of, statements

MINUTE = timedelta(minutes=1)


def test_an_agent_takes_keeps_and_reports(shop: Shop) -> None:
    for key in ("a", "b"):
        shop.ask(key)
    before = len(rows_of(AuditLog))
    first, second = shop.claim()
    default = timedelta(seconds=get_settings().action_lease)
    assert abs(first.leased_until - utc_now() - default) < timedelta(seconds=10)
    with get_db_session(tenant=shop.world.acme) as session:
        until = extend_leases(session, shop.holder, [first.lease, Lease(second.lease.action_id, 9)], by=10 * MINUTE)
    assert until[second.lease.action_id] is None
    kept = until[first.lease.action_id]
    assert kept is not None
    assert kept > utc_now() + 9 * MINUTE
    assert shop.report(Report(first.lease), Report(second.lease, "no")) == [Reported.COMPLETED, Reported.RETRY]
    assert shop.report(Report(first.lease)) == [Reported.STALE]
    assert len(rows_of(AuditLog)) == before


def test_a_key_is_for_its_own_cluster_alone(shop: Shop) -> None:
    shop.ask()
    with get_db_session(tenant=shop.world.globex) as session:
        for act in (
            lambda: claim_actions(session, shop.holder),
            lambda: report_actions(session, shop.holder, []),
            lambda: extend_leases(session, shop.holder, []),
        ):
            with pytest.raises(TenantMismatch, match="another tenant"):
                act()
    with get_db_session(tenant=shop.world.acme) as session:
        _, users = create_api_key(session, shop.world.anna, name="u", scopes=[ApiScope.WRITE])
    user = check_api_key(get_db_session, users, scope=None)
    forged = replace(user, scopes=frozenset({ApiScope.AGENT}))
    for holder in (user, forged):
        with pytest.raises(NotAllowed), get_db_session(tenant=shop.world.acme) as session:
            claim_actions(session, holder)
    assert rows_of(AgentAction)[0]["status"] == "PENDING"


def test_an_agent_is_heard_of_every_30_seconds_and_an_empty_poll_writes_nothing(db: Database, shop: Shop) -> None:
    assert shop.claim(agent_version="1.2") == []
    heard = shop.row()
    assert (heard["status"], heard["agent_installed"], heard["agent_version"]) == ("ACTIVE", True, "1.2")
    assert abs(heard["last_heartbeat"] - utc_now()) < MINUTE
    with get_db_session(tenant=shop.world.acme) as session:
        session.connection()
        with statements() as sent:
            assert claim_actions(session, shop.holder, agent_version="1.3") == []
        assert sent.total() == 2
        if db.engine == "postgresql":
            written = "SELECT pg_current_xact_id_if_assigned()"
            assert session.connection().exec_driver_sql(written).scalar() is None
    assert shop.row() == heard
    rewrite(Cluster, shop.cluster, last_heartbeat=utc_now() - timedelta(seconds=31))
    shop.report()
    later = shop.row()
    assert later["last_heartbeat"] > heard["last_heartbeat"]
    assert later["agent_version"] == "1.2", "this call did not say"
    shop.claim(agent_version="v" * 99)
    rewrite(Cluster, shop.cluster, last_heartbeat=utc_now() - timedelta(seconds=31))
    shop.claim(agent_version="v" * 99)
    assert shop.row()["agent_version"] == "v" * 32


def test_a_silent_agent_is_told_of_once_until_it_is_heard_again(shop: Shop) -> None:
    def marked() -> int:
        with get_db_session(tenant=shop.world.acme) as session:
            return mark_silent_agents(session, shop.world.anna)

    assert marked() == 0, "nothing was ever heard of it"
    shop.claim()
    assert marked() == 0
    rewrite(Cluster, shop.cluster, last_heartbeat=utc_now() - 6 * MINUTE)
    with settings(SPOTHIVE_AGENT_SILENCE="600"):
        assert marked() == 0
    assert marked() == 1
    assert shop.row()["status"] == "INACTIVE"
    assert marked() == 0
    notices = [row for row in rows_of(Notice) if row["event_type"] == "agent.offline"]
    assert len(notices) == 3
    assert {row["title"] for row in notices} == {"The agent of shop is silent"}
    [(_, _, _, _, _, after)] = audited(event="agents.silent")
    assert (after["silent"], after["clusters"][0]["name"]) == (1, "shop")
    shop.claim()
    assert shop.row()["status"] == "ACTIVE", "at once, however lately it was heard of"


def test_leases_and_numbers_are_refused_by_name(shop: Shop) -> None:
    odd: list[dict[str, Any]] = [{"limit": 101}, {"lease": timedelta(0)}, {"lease": timedelta(hours=2)}]
    for how in odd:
        with pytest.raises(InvalidInput):
            shop.claim(**how)


@pytest.mark.engines("postgresql")
def test_an_agent_waits_for_nobody_who_holds_its_cluster(shop: Shop) -> None:
    """One worker has noted the heartbeat, or asks for an action, and is not done yet: the next one does not wait."""
    for key in ("a", "b"):
        shop.ask(key)
    with get_db_session(tenant=shop.world.acme) as one:
        assert len(claim_actions(one, shop.holder, limit=1)) == 1
        with get_db_session(tenant=shop.world.acme) as another:
            another.execute(text("SET LOCAL lock_timeout = '2s'"))
            assert [each.idempotency_key for each in claim_actions(another, shop.holder)] == ["b"]
    rewrite(Cluster, shop.cluster, last_heartbeat=utc_now() - MINUTE)
    with get_db_session(tenant=shop.world.acme) as planner:
        enqueue_action(planner, shop.world.anna, shop.order("c"))
        shop.claim()
    assert shop.row()["last_heartbeat"] > utc_now() - MINUTE, "what points at a cluster keeps no heartbeat away"


def test_a_heartbeat_of_the_future_is_written_again(shop: Shop) -> None:
    shop.claim()
    rewrite(Cluster, shop.cluster, last_heartbeat=utc_now() + timedelta(hours=1))
    shop.claim()
    assert abs(shop.row()["last_heartbeat"] - utc_now()) < MINUTE


def test_the_agent_of_an_account_that_is_being_disconnected_gets_nothing_more(shop: Shop) -> None:
    for key in ("a", "b"):
        shop.ask(key)
    [handed] = shop.claim(1)
    account, before = shop.row()["account_id"], rows_of(AgentAction)
    rewrite(Account, account, disconnecting_at=utc_now())
    rewrite(Cluster, shop.cluster, status="INACTIVE")
    assert shop.claim() == []
    assert shop.report(Report(handed.lease)) == [Reported.STALE]
    with get_db_session(tenant=shop.world.acme) as session:
        assert extend_leases(session, shop.holder, [handed.lease]) == {handed.lease.action_id: None}
    assert rows_of(AgentAction) == before
    assert shop.row()["status"] == "INACTIVE"
    rewrite(Account, account, disconnecting_at=None)
    assert [each.idempotency_key for each in shop.claim()] == ["b"]
