"""A pass of the sweep: what is due, by one at a time, and what is told of it."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import Any

import pytest
from prometheus_client import REGISTRY

from spothive.database import AuditLog, LogLevel, Tenant, get_db_session
from spothive.errors import AlreadyRunning, Conflict, DatabaseUnavailable, Denied, InvalidInput
from spothive.operations.identity import set_tenant_active
from spothive.operations.sweeps import Outcome, Run, Tools, list_duties, running, work
from spothive.operations.sweeps.work import ForTenant, Work
from tests.conftest import Database, settings
from tests.operations.conftest import World
from tests.operations.sweeps.conftest import a_lease, duty, lease_of, logged, set_back, swept
from tests.watching import rows_of

SLUGS = ["platform", "acme", "globex"]


def every_tenant(seen: list[str], wrong: dict[str, Exception] | None = None) -> Any:
    def do(work: Work) -> None:
        for tenant in work.tenants():
            with work.part(tenant.slug):
                seen.append(tenant.slug)
                if error := (wrong or {}).get(tenant.slug):
                    raise error
                work.counts["visited"] += 1

    return do


def test_what_goes_wrong_with_one_tenant_stops_no_other(
    db: Database, world: World, tools: Tools, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    wrong: dict[str, Exception] = {"platform": Conflict("it is shut"), "acme": ZeroDivisionError("a secret")}
    with caplog.at_level(logging.CRITICAL):
        (run,) = swept(world, tools, duty(every_tenant(seen, wrong)))
    assert seen == SLUGS
    assert (run.outcome, run.counts) == (Outcome.PARTIAL, {"visited": 1})
    assert run.failures == {"platform": "it is shut", "acme": "a defect of spothive: ZeroDivisionError"}
    assert lease_of()["last_result"].endswith("visited 1; 2 could not be done"), "every tenant may read it"
    (row,) = logged()
    assert (row["level"], row["action"], row["execution_time_ms"]) == (
        LogLevel.WARNING,
        "risk",
        round(run.seconds * 1000),
    )
    assert "platform: it is shut" in row["message"]
    assert row["details"]["counts"] == {"visited": 1}
    assert row["details"]["failures"][0] == {"what": "platform", "reason": "it is shut"}
    assert row["details"]["by"] == world.admin.label
    assert "secret" not in str(row)


@pytest.mark.parametrize(
    ("error", "told"),
    [(Conflict("no way"), "no way"), (ZeroDivisionError("a secret"), "a defect of spothive: ZeroDivisionError")],
)
def test_a_duty_that_fails_stops_no_other_and_is_not_tried_at_once(
    db: Database, world: World, tools: Tools, error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Work) -> None:
        raise error

    duties = duty(fail, "risk"), duty(lambda _: None, "health")
    with caplog.at_level(logging.CRITICAL):
        first, second = swept(world, tools, *duties)
    assert (first.outcome, first.error, second.outcome) == (Outcome.FAILED, told, Outcome.DONE)
    assert swept(world, tools, *duties) == []
    assert [row["level"] for row in logged()] == [LogLevel.ERROR, LogLevel.INFO]
    assert told in logged()[0]["message"]
    assert "secret" not in str(logged())


def test_what_is_not_due_is_left_and_what_is_off_is_never_due(db: Database, world: World, tools: Tools) -> None:
    runs: list[str] = []
    duties = [duty(lambda _, name=name: runs.append(name), name) for name in ("risk", "health")]  # type: ignore[misc]
    swept(world, tools, *duties)
    swept(world, tools, *duties)
    assert runs == ["risk", "health"]
    set_back(db, "last_run_at", minutes=6)
    told: list[Run] = []
    swept(world, tools, *duties, tell=told.append)
    assert runs == ["risk", "health", "health"], "health is due each minute, risk each hour"
    assert [run.duty for run in told] == ["health"]
    set_back(db, "last_run_at", minutes=120)
    with settings(SPOTHIVE_SWEEP_RISK="0"):
        assert [run.duty for run in swept(world, tools, *duties)] == ["health"]
        assert swept(world, tools, only="risk")[0].outcome is Outcome.DONE


def test_a_quiet_duty_is_told_of_when_it_did_something(db: Database, world: World, tools: Tools) -> None:
    found = ["nothing", "something"]

    def look(work: Work) -> None:
        work.counts["found"] = found.pop() == "something"

    quiet = duty(look, is_quiet=True)
    assert [run.is_idle for run in swept(world, tools, quiet)] == [False]
    assert len(logged()) == 1
    set_back(db, "last_run_at", minutes=120)
    assert [run.is_idle for run in swept(world, tools, quiet)] == [True]
    assert len(logged()) == 1
    assert lease_of()["last_result"].endswith("nothing to do")


def test_two_at_once_and_one_does_it(db: Database, world: World, tools: Tools) -> None:
    under_way, go_on = Event(), Event()
    did: list[str] = []

    def slowly(_: Work) -> None:
        under_way.set()
        assert go_on.wait(30)
        did.append("it")

    first = Thread(target=swept, args=(world, tools, duty(slowly)))
    first.start()
    assert under_way.wait(30)
    try:
        assert swept(world, tools, duty(slowly)) == []
        with pytest.raises(AlreadyRunning, match=r"^the duty risk is being done by .+:\d+:\w+; should that process"):
            swept(world, tools, only="risk")
    finally:
        go_on.set()
        first.join()
    assert did == ["it"]
    assert len(logged()) == 1


def test_a_lost_lease_stops_the_duty_before_the_next_tenant(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def do(work: Work) -> None:
        for tenant in work.tenants():
            with work.part(tenant.slug):
                seen.append(tenant.slug)
                if len(seen) == 1:
                    set_back(db, "leased_until")
                    assert a_lease().claim(None)
                    assert not work.lease.extend(), "as the heartbeat says"

    (run,) = swept(world, tools, duty(do))
    assert seen == SLUGS[:1]
    assert run.outcome is Outcome.LOST
    row = lease_of()
    assert (row["last_run_at"], row["last_result"]) == (None, None), "they are the other one's"
    assert logged()[0]["level"] == LogLevel.WARNING


def test_whoever_is_asked_to_end_finishes_the_tenant_at_hand(db: Database, world: World, tools: Tools) -> None:
    seen: list[str] = []
    slow = duty(every_tenant(seen))
    how: Any = {"by": world.admin, "period": None}
    run = running.run_duty(get_db_session, slow, tools, **how, is_to_stop=lambda: len(seen) == 2)
    assert run is not None
    assert (run.outcome, run.counts, run.is_sound) == (Outcome.STOPPED, {"visited": 2}, True)
    assert lease_of()["last_run_at"] is None, "it is due again at once"
    assert swept(world, tools, slow)[0].outcome is Outcome.DONE


def test_whoever_is_interrupted_lets_the_duty_go(db: Database, world: World, tools: Tools) -> None:
    def interrupt(_: Work) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(world, tools, duty(interrupt))
    assert (lease_of()["last_result"], lease_of()["last_run_at"]) == ("interrupted", None)
    assert len(swept(world, tools, duty(lambda _: None))) == 1


def test_a_database_that_goes_away_is_no_failure_of_a_tenant(db: Database, world: World, tools: Tools) -> None:
    seen: list[str] = []
    away = duty(every_tenant(seen, {"platform": DatabaseUnavailable("gone")}))
    with pytest.raises(DatabaseUnavailable):
        swept(world, tools, away)
    assert seen == SLUGS[:1]


def test_tenants_come_page_by_page_with_those_that_are_suspended_unless_told_otherwise(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "TENANTS_AT_ONCE", 2)
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="acme", active=False)
    every: list[ForTenant] = []
    active: list[ForTenant] = []

    def do(work: Work) -> None:
        every.extend(work.tenants())
        active.extend(work.tenants(suspended=False))

    swept(world, tools, duty(do))
    assert [tenant.id for tenant in every] == sorted(row["id"] for row in rows_of(Tenant))
    assert [tenant.slug for tenant in active] == ["platform", "globex"]


def test_it_is_for_staff_of_platform(db: Database, world: World, tools: Tools) -> None:
    for who in (world.anna, world.udo):
        with pytest.raises(Denied, match=f"^{who.username} "):
            running.sweep(get_db_session, who, tools, duties=[duty(lambda _: None)])
        with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
            list_duties(session, who)
    denied = rows_of(AuditLog, event="sweep.run")
    assert [(row["outcome"], row["actor_id"]) for row in denied[::2]] == [
        ("DENIED", world.anna.user_id),
        ("DENIED", world.udo.user_id),
    ]
    assert not logged()


def test_an_unknown_duty_is_answered_by_the_names(db: Database, world: World, tools: Tools) -> None:
    with pytest.raises(
        InvalidInput, match=r"^no duty is called 'nope': there are leases, actions, expiries, hibernation, risk, "
    ):
        swept(world, tools, only="nope")


def test_metrics_count_runs_seconds_and_things(db: Database, world: World, tools: Tools) -> None:
    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"spothive_sweep_{name}", {"duty": "risk", **labels}) or 0.0

    before = sample("runs_total", outcome="partial"), sample("seconds_count"), sample("items_total", item="visited")
    left_out = sample("failures_total")
    swept(world, tools, duty(every_tenant([], {"acme": Conflict("no")})))
    after = sample("runs_total", outcome="partial"), sample("seconds_count"), sample("items_total", item="visited")
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2]
    assert sample("failures_total") - left_out == 1


def test_every_duty_of_the_house_is_listed_with_how_it_stands(db: Database, world: World, tools: Tools) -> None:
    swept(world, tools, only="risk")
    with settings(SPOTHIVE_SWEEP_MARKET="0"), get_db_session(tenant=world.acme) as session:
        found = {each.duty.name: each for each in list_duties(session, world.admin)}
    assert list(found) == [
        *("leases", "actions", "expiries", "hibernation", "risk", "telling", "digests", "mails", "discovery"),
        *("waste", "rollups", "sealing", "retention", "health", "webhooks", "datasets", "market"),
    ]
    assert found["market"].next_due is None
    assert found["risk"].standing.last_run_at is not None
    assert found["risk"].next_due == found["risk"].standing.last_run_at + found["risk"].duty.period
    assert found["health"].next_due == found["health"].standing.now
