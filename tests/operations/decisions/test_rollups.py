"""Counting finished days: equal to counting one by one, each decision once, whoever commits late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    SessionLocal,
    TenantSession,
    bulk,
    get_db_session,
    get_engine,
    read_session,
    run_migration,
    system_scope,
)
from spothive.database.revisions import downgrade
from spothive.database.seed_data import seed_initial_data
from spothive.errors import InvalidInput, RuleBroken
from spothive.models import (
    Account,
    Decision,
    ExperimentLog,
    RollupWatermark,
    SpotEventType,
)
from spothive.operations.actor import Actor
from spothive.operations.decisions import By, Folding, fold_decisions, rollups, savings_report
from spothive.operations.identity import find_actor
from tests.conftest import Database
from tests.factories import make_account, make_instance, make_tenant
from tests.factories.decisions import (
    DAY,
    TYPES,
    ZONES,
    Market,
    counts,
    decide,
    decision,
    midnight,
    model,
    notice,
    stored_counters,
    stored_rollups,
)
from tests.operations.conftest import audited
from tests.schema.waiting import until_blocked
from tests.watching import everything, rows_of, statements

pytestmark = pytest.mark.own_server  # a day is counted when every transaction is over that was open before


@dataclass(frozen=True)
class World:
    """Staff, and two tenants."""

    admin: Actor
    acme: UUID
    globex: UUID


@pytest.fixture
def world(db: Database) -> World:
    seed_initial_data()
    return World(find_actor("admin", "platform")[0], make_tenant("acme"), make_tenant("globex"))


TODAY = 0
CLOSED = 3  # days ago: closed, whenever the test runs


def fold(world: World, days_ago: int = TODAY) -> Folding:
    """Count, as if it were noon so many days ago."""
    return fold_decisions(get_db_session, world.admin, now=midnight(days_ago) + DAY / 2 if days_ago else None)


def assert_reports_are_exact(market: Market, tenant_id: UUID, since: date, until: date) -> None:
    mine = [row for row in market.decisions if row["tenant_id"] == tenant_id]
    mine = [row for row in mine if since <= row["execution_time"].date() < until]
    keys: dict[By, Callable[[Any], Any]] = {
        By.ACCOUNT: lambda row: row["account_id"],
        By.MODEL: lambda row: row["model_id"],
        By.DAY: lambda row: row["execution_time"].date(),
    }
    for by, key in keys.items():
        expected: dict[Any, list[Any]] = defaultdict(list)
        for row in mine:
            expected[key(row)].append(row)
        with read_session(tenant=tenant_id) as session:
            report = savings_report(session, since=since, until=until, by=by)
        found = {row.key: _numbers(row) for row in report.rows}
        assert found == {one: counts(rows)[:-1] for one, rows in expected.items()}
        assert _numbers(report.total) == counts(mine)[:-1]


def _numbers(row: Any) -> tuple[Any, ...]:
    return row.decisions, row.switches, row.holds, row.failures, row.shadow, row.real_switches, row.projected_savings


@pytest.mark.parametrize("seed", [1, 2])
def test_roll_ups_and_reports_equal_counting_one_by_one(db: Database, world: World, seed: int) -> None:
    dice = Random(seed)
    market = Market.of([world.acme, world.globex])
    spans = [(30, 4), (16, 8), (5, 3)]  # with days between them on which nothing was decided
    for ago, days in spans:
        market.decide(dice, 60, midnight(ago), days)
    market.announce(dice, 25, midnight(31), 31)
    market.decide(dice, 20, midnight(TODAY) - 2 * DAY, 2)
    pieces = sorted(dice.sample(range(3, 34), 6), reverse=True)
    counted, counters, end = 0, stored_counters(), date.min
    for ago in [*pieces, TODAY]:
        done = fold(world, ago)
        counted += done.decisions
        if ago:
            end = midnight(ago).date() - timedelta(days=1)
            assert (done.waiting, done.counted_until) == (0, end)
            market.decide(dice, 5, midnight(ago) - DAY, 1)  # the first day that is open yet
        end = done.counted_until
        assert stored_rollups() == market.rollups(end)
        for tenant_id in (world.acme, world.globex):
            assert_reports_are_exact(market, tenant_id, midnight(33).date(), midnight(-1).date())
            assert_reports_are_exact(market, tenant_id, midnight(15).date(), midnight(dice.randrange(1, 15)).date())
        counters = stored_counters()
        for one, (total, good, bad, mean) in market.model_counters(end).items():
            assert counters[one][:3] == (total, good, bad)
            assert counters[one][3] == (None if mean is None else pytest.approx(mean))
    assert counted == sum(row["execution_time"].date() < end for row in market.decisions)
    assert sum(bad for _, _, bad, _ in counters.values()) > 3, "some failed"
    decided = {row["execution_time"].date() for row in market.decisions if row["execution_time"].date() < end}
    told = [row[5]["day"] for row in audited(event="decisions.counted")]
    assert told == sorted(day.isoformat() for day in decided), "one audit row a day"
    before = everything()
    assert fold(world) == Folding(counted_until=end)
    assert everything() == before, "counting again changes nothing"


def test_a_database_from_before_learns_how_many_switches_were_real(db: Database, world: World) -> None:
    market = Market.of([world.acme, world.globex])
    market.decide(Random(8), 200, midnight(9), 2)
    fold(world)
    before = everything()["decision_rollups"]
    mixed = [row for row in before if row["shadow"] and 0 < row["real_switches"] < row["switches"] < row["decisions"]]
    assert mixed, "some do not tell it by their other numbers"
    downgrade("020_add_tellings")
    run_migration("022_add_real_switches")
    assert everything()["decision_rollups"] == before


def test_two_count_at_once(db: Database, world: World) -> None:
    market = Market.of([world.acme, world.globex])
    market.decide(Random(3), 80, midnight(12), 8)
    start = Barrier(2)

    def one(_: int) -> Folding:
        start.wait(30)
        return fold(world)

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(one, range(2)))
    assert sum(each.decisions for each in done) == 80
    assert stored_rollups() == market.rollups(date.max)
    assert len(audited(event="decisions.counted")) == len({row["execution_time"].date() for row in market.decisions})


@pytest.mark.engines("postgresql")  # SQLite has one writer: while a transaction is open, counting waits
def test_a_decision_committed_late_is_counted_once(db: Database, world: World) -> None:
    market = Market.of([world.acme], accounts=1)
    market.decide(Random(4), 6, midnight(CLOSED), 1)
    late = decision(market.instances[0], midnight(CLOSED) + DAY / 3)
    with SessionLocal(tenant=world.acme) as session:
        session.execute(insert(ExperimentLog).values(late))
        done = fold(world)
        assert (done.days, done.waiting) == (0, market_days_waiting())
        assert fold(world).days == 0, "again and again"
        assert_reports_are_exact(market, world.acme, midnight(9).date(), midnight(0).date())
        session.commit()
    market.decisions.append(late)
    assert_reports_are_exact(market, world.acme, midnight(9).date(), midnight(0).date())
    assert fold(world).decisions == 7
    assert stored_rollups() == market.rollups(date.max)
    assert_reports_are_exact(market, world.acme, midnight(9).date(), midnight(0).date())


def market_days_waiting() -> int:
    """Return how many days from the closed one on are closed by now."""
    return ((utc_now() - DAY).date() - midnight(CLOSED).date()).days


@pytest.mark.engines("postgresql")
def test_who_looked_before_the_closing_and_writes_after_it_is_waited_for(db: Database, world: World) -> None:
    """A transaction gets its number when it writes a row: here it has looked whether the day is open, and not more."""
    market = Market.of([world.acme], accounts=1)
    late = decision(market.instances[0], midnight(CLOSED))
    with db.raw(owner=True) as owner, ThreadPoolExecutor(1) as thread:
        owner.execute(
            "CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END$$"
        )
        hold_up = "BEFORE INSERT ON experiment_logs FOR EACH ROW EXECUTE FUNCTION hold_up()"
        owner.execute(f"CREATE TRIGGER zz_hold_up {hold_up}")
        owner.execute("SELECT pg_advisory_lock(77)")
        writes = thread.submit(decide_plainly, late)
        until_blocked(db)
        done = fold(world)
        owner.execute("SELECT pg_advisory_unlock(77)")
        writes.result(30)
    assert done.counted_until == date.min, "it waits"
    assert fold(world).decisions == 1


def decide_plainly(row: dict[str, Any]) -> None:
    """Write a decision with nothing before it in its transaction that would give that a number."""
    with get_db_session(tenant=row["tenant_id"]) as session:
        session.execute(insert(ExperimentLog).values(row))


@pytest.mark.engines("postgresql")
def test_who_cannot_see_the_closing_is_refused(db: Database, world: World) -> None:
    late = decision(Market.of([world.acme], accounts=1).instances[0], midnight(CLOSED))
    with SessionLocal(tenant=world.acme) as session:
        assert session.scalar(select(ExperimentLog.id)) is None
        fold(world)
        with pytest.raises(RuleBroken, match="counted"):
            session.execute(insert(ExperimentLog).values(late))
    fixed = get_engine().execution_options(isolation_level="REPEATABLE READ")
    with SessionLocal(tenant=world.acme, bind=fixed) as session:
        session.execute(insert(ExperimentLog).values(late | {"execution_time": utc_now()}))
        with pytest.raises(RuleBroken) as refused:
            session.execute(insert(ExperimentLog).values(late | {"execution_time": utc_now() - DAY}))
        assert refused.value.rule == "lc_experiment_logs_day"


def test_a_closed_day_takes_no_decision_and_an_open_one_does(db: Database, world: World) -> None:
    machine = Market.of([world.acme], accounts=1).instances[0]
    before_any = decision(machine, midnight(40))
    decide(before_any)
    done = fold(world, 10)  # at noon, ten days ago: the day before yesterday was the last to be closed
    assert done.counted_until == midnight(11).date()
    with pytest.raises(RuleBroken) as refused:
        decide(decision(machine, midnight(11) - timedelta(microseconds=1)))
    assert refused.value.rule == "lc_experiment_logs_day"
    assert "are counted" in str(refused.value)
    decide(decision(machine, midnight(11)), decision(machine, utc_now()), decision(machine, utc_now() + 400 * DAY))
    assert fold(world).decisions == 1
    with pytest.raises(RuleBroken), get_db_session(tenant=world.acme) as session:
        session.add(ExperimentLog(**decision(machine, midnight(5))))
        session.flush()


def test_success_is_counted_to_the_microsecond(db: Database, world: World) -> None:
    tick = timedelta(microseconds=1)
    machine, other = Market.of([world.acme], accounts=1).instances[:2]
    risk = model("edge")
    foreign = make_instance(world.globex, make_account(world.globex).id, machine.instance_id)
    at = midnight(9) + DAY / 2
    facts: dict[str, Any] = {"model_id": risk, "prediction_score": 0.5}
    where = {"selected_availability_zone": ZONES[1], "selected_instance_type": TYPES[1]}
    chosen = {"zone": ZONES[1], "instance_type": TYPES[1]}
    kinds = (Decision.HOLD, Decision.SWITCH)
    cases: list[tuple[Decision, list[Any], bool]] = []
    for kind in kinds:
        said = chosen if kind is Decision.SWITCH else {}
        for after, hit in ((-tick, False), (0 * tick, True), (DAY - tick, True), (DAY, False)):
            cases.append((kind, [(machine, after, said)], hit))
    rebalance = {"kind": SpotEventType.REBALANCE_NOTICE}
    cases += [
        (Decision.HOLD, [(machine, tick, {"counted": False})], True),  # of a LAB account, but this very instance
        (Decision.HOLD, [(other, tick, {}), (foreign, tick, {}), (machine, tick, rebalance)], False),
        (Decision.SWITCH, [(other, tick, chosen | {"counted": None}), (other, tick, chosen)], True),
        (Decision.SWITCH, [(other, tick, chosen | {"counted": False}), (other, tick, chosen | rebalance)], False),
        (Decision.SWITCH, [(machine, tick, {})], False),  # of the pool that was left
    ]
    expected = [0, 0]
    for number, (kind, notices, hit) in enumerate(cases):
        moment = at + number * 3 * DAY - 60 * DAY
        decide(decision(machine, moment, kind, **facts | (where if kind is Decision.SWITCH else {})))
        for whose, after, said in notices:
            notice(whose, moment + after, **said)
        expected[hit] += 1
        fold(world)
        wrong = f"{kind} {notices}"
        assert stored_counters()[risk][:3] == (sum(expected), *expected), wrong
        with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test begins anew"):
            session.execute(delete(RollupWatermark))
            session.execute(delete(ExperimentLog).where(ExperimentLog.tenant_id == world.acme))
    assert stored_counters()[risk][3] == 0.5


def test_what_no_model_foretold_or_nobody_decided_is_no_prediction(db: Database, world: World) -> None:
    machine = Market.of([world.acme], accounts=1).instances[0]
    risk, at = model("none"), midnight(5)
    decide(
        decision(machine, at, model_id=risk),
        decision(machine, at, prediction_score=1.0),
        decision(machine, at, Decision.FAILED, model_id=risk, prediction_score=1.0),
    )
    fold(world)
    assert stored_counters()[risk] == (0, 0, 0, None)
    decide(decision(machine, midnight(1), model_id=risk, prediction_score=1.0))
    assert fold_decisions(get_db_session, world.admin, now=utc_now() + 9 * DAY).days == 0, "the future is not counted"


def test_the_roll_ups_of_an_account_go_with_it(db: Database, world: World) -> None:
    market = Market.of([world.acme, world.globex])
    market.decide(Random(5), 40, midnight(8), 3)
    fold(world)
    gone = market.instances[0].account_id
    with get_db_session(tenant=world.acme) as session:
        session.execute(delete(Account).where(Account.id == gone))
    market.decisions = [row for row in market.decisions if row["account_id"] != gone]
    assert stored_rollups() == market.rollups(date.max)


@pytest.mark.parametrize("position", ["{open} 0001-01-01 0", "{open} 0001-01-01 9000000000", "{open} 0001-01-01 1"])
def test_counting_goes_on_where_it_was_left_or_moved_to(db: Database, world: World, position: str) -> None:
    """As a kill leaves it, or as it comes from another server, whose numbers say nothing here."""
    market = Market.of([world.acme])
    market.decide(Random(6), 20, midnight(8), 3)
    with get_db_session() as session, system_scope(session, "test"):
        session.add(RollupWatermark(name="decisions", position=position.format(open=midnight(7).date())))
    assert fold(world, 6).counted_until == midnight(7).date()
    assert stored_rollups() == market.rollups(midnight(7).date())
    fold(world)
    assert stored_rollups() == market.rollups(date.max)


@pytest.mark.engines("postgresql")  # on SQLite nobody deletes while another transaction writes
def test_an_account_deleted_meanwhile_is_left_out(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market.of([world.acme])
    market.decide(Random(7), 20, midnight(8), 1)
    gone = market.instances[0].account_id

    def deleted_first(*facts: Any) -> None:
        monkeypatch.undo()
        with get_db_session(tenant=world.acme) as session:
            session.execute(delete(Account).where(Account.id == gone))
        bulk.insert_rows(*facts)

    with monkeypatch.context() as patch:
        patch.setattr("spothive.operations.decisions.rollups.insert_rows", deleted_first)
        fold(world)
    market.decisions = [row for row in market.decisions if row["account_id"] != gone]
    assert stored_rollups() == market.rollups(date.max)


def test_a_report_is_two_statements_and_names_what_it_counts(db: Database, world: World) -> None:
    market = Market.of([world.acme])
    market.decide(Random(8), 40, midnight(6), 6)
    with get_db_session(tenant=world.acme) as session:
        names = {row.id: row.account_name for row in session.scalars(select(Account))}
    span: dict[str, Any] = {"since": midnight(9).date(), "until": midnight(-1).date()}
    with read_session(tenant=world.acme) as session:
        session.connection()
        with statements() as sent:
            by_account = savings_report(session, **span)
        assert sent.total() == 2, "how far counting has come, and the report"
        by_model = savings_report(session, **span, by=By.MODEL)
    assert [row.name for row in by_account.rows] == sorted(names[row["account_id"]] for row in _one_each(market))
    assert [row.name for row in by_model.rows] == ["risk 1", "risk 2", None]
    with read_session(tenant=world.globex) as session:
        assert savings_report(session, **span).rows == []
        with pytest.raises(InvalidInput, match="is not after"):
            savings_report(session, since=span["since"], until=span["since"])


def test_a_report_is_exact_while_its_days_are_counted(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market.of([world.acme], accounts=1)
    market.decide(Random(9), 30, midnight(9), 6)
    fold(world, 6)

    def counted_until_then(session: TenantSession) -> date:
        end = rollups.counted_until(session)
        fold(world)
        return end

    monkeypatch.setattr("spothive.operations.decisions.savings.counted_until", counted_until_then)
    assert_reports_are_exact(market, world.acme, midnight(12).date(), midnight(0).date())
    assert stored_rollups() == market.rollups(date.max)


def _one_each(market: Market) -> list[Any]:
    return list({row["account_id"]: row for row in market.decisions}.values())


def test_the_watermark_says_how_far_it_is(db: Database, world: World) -> None:
    fold(world, 5)
    (mark,) = rows_of(RollupWatermark)
    assert rollups.Position.read(mark["position"]).open_from == midnight(6).date()
    assert datetime.fromisoformat(mark["position"][:10]).date() == midnight(6).date()
