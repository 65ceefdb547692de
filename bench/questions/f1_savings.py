"""F1: a year of one account's decisions among millions, and what counting them ahead costs those who decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from bench.decisions import DAYS, make_decisions
from bench.measuring import Contender, Timings, in_turns, must_be_equal, nothing, ratio, repeated
from bench.place import Beginning, Database, in_use, settle
from bench.plain import make_plain_table, plain_class
from bench.question import Answer, Goal, Question, Run, held
from bench.world import World, id_of_account, make_fleet, make_world
from spothive.clock import utc_now
from spothive.database import get_db_session, read_session
from spothive.database.bulk import Row, insert_rows
from spothive.models import Decision, ExperimentLog, PipelineMode
from spothive.operations.actor import spothive_itself
from spothive.operations.decisions import fold_decisions, savings_report
from spothive.schema.types import new_id

REPORT: Final = Goal("the decisions themselves, by index / savings_report", ">=", 15)
SHADOW: Final = Goal("the same where one in ten is a shadow run", ">=", 15)
INSERT: Final = Goal("rows/s of new decisions, spothive / plain table", ">=", 0.75)

DECISIONS: Final = 5_000_000
TENANTS: Final = 10
INSTANCES: Final = 100
"""Instances of each tenant's one account."""
WRITTEN: Final = 10_000
REPORTS: Final = 20

_PLAIN: Final = "plain_decisions"
_PlainDecision: Final = plain_class(ExperimentLog, _PLAIN)
_BY_INDEX: Final = """
SELECT count(*), count(*) FILTER (WHERE decision = 'SWITCH'), count(*) FILTER (WHERE decision = 'HOLD'),
    count(*) FILTER (WHERE decision = 'FAILED'), count(*) FILTER (WHERE is_shadow_run),
    coalesce(sum(projected_hourly_savings) FILTER (WHERE decision = 'SWITCH' AND NOT is_shadow_run), 0)
FROM experiment_logs
WHERE tenant_id = %s AND account_id = %s AND execution_time >= %s AND execution_time < %s
"""


def measure(run: Run) -> Answer:
    """Ask for twelve months of an account: of the roll-ups, and of all its decisions on an open connection."""
    each = max(30, run.rows(DECISIONS) // (TENANTS * INSTANCES))
    with run.place.beginning("postgresql", _make_tenants) as beginning:
        inserted = _inserts(run, beginning)
        total = make_decisions(beginning.database, each)
        settle(beginning.database)
        with in_use(beginning.database):
            folded = fold_decisions(get_db_session, spothive_itself("bench"))
        must_be_equal("decisions that are counted", folded.decisions, total)
        settle(beginning.database)
        reports = _reports(run, beginning)
    written = _written(run)
    timings = {name: timing.facts() for name, timing in reports.items()}
    timings |= {f"insert, {name}": timing.facts(written) for name, timing in inserted.items()}
    return Answer(
        (
            held(REPORT, ratio(reports["by index"], reports["savings_report"])),
            held(SHADOW, ratio(reports["by index, shadow runs"], reports["savings_report, shadow runs"])),
            held(INSERT, ratio(inserted["plain table"], inserted["spothive"])),
        ),
        {"decisions": total, "of the account": total // TENANTS, "rollups": folded.rollups, "timings": timings},
    )


def _written(run: Run) -> int:
    return run.rows(WRITTEN, 200)


def _inserts(run: Run, beginning: Beginning[list[tuple[World, UUID]]]) -> Timings:
    """Insert decisions into the table and into a plain one, which hold as many before: none."""
    with run.place.copy(beginning.database) as database:
        make_plain_table(database, ExperimentLog, _PLAIN)
        settle(database)
        given = partial(_rows, Beginning(database, beginning.made), _written(run))
        tables: dict[str, tuple[Any, str]] = {
            "spothive": (ExperimentLog, "experiment_logs"),
            "plain table": (_PlainDecision, _PLAIN),
        }
        contenders = [
            Contender(name, given, partial(_insert, model), partial(_check, table, _written(run)))
            for name, (model, table) in tables.items()
        ]
        return in_turns(contenders, run.repeat)


def _make_tenants(database: Database) -> list[tuple[World, UUID]]:
    """Make tenants with an account each; the instances of the second one decide in shadow mode."""
    worlds = [make_world(f"tenant-{number}") for number in range(TENANTS)]
    for world in worlds:
        make_fleet(world, INSTANCES)
    with database.raw() as connection:
        connection.execute("UPDATE instances SET is_shadow_mode = true WHERE tenant_id = %s", [worlds[1].tenant_id])
    return [(world, id_of_account(world)) for world in worlds]


def _reports(run: Run, beginning: Beginning[list[tuple[World, UUID]]]) -> Any:
    until = utc_now().date()
    since = until - timedelta(days=DAYS)
    count = run.rows(REPORTS, 2)
    contenders = []
    with in_use(beginning.database), beginning.database.raw() as bare:
        for (world, account_id), kind in zip(beginning.made, ("", ", shadow runs"), strict=False):
            ways: dict[str, Callable[[], Any]] = {
                "savings_report": partial(_by_spothive, world, since, until),
                "by index": partial(_by_index, bare, world, account_id, since, until),
            }
            must_be_equal("savings", ways["savings_report"](), ways["by index"]())
            contenders += [Contender(name + kind, nothing, repeated(ask, count)) for name, ask in ways.items()]
        return in_turns(contenders, run.repeat)


def _by_spothive(world: World, since: date, until: date) -> tuple[Any, ...]:
    with read_session(tenant=world.tenant_id) as session:
        total = savings_report(session, since=since, until=until).total
    return (total.decisions, total.switches, total.holds, total.failures, total.shadow, total.projected_savings)


def _by_index(bare: Any, world: World, account_id: UUID, since: date, until: date) -> tuple[Any, ...]:
    row: tuple[Any, ...] = bare.execute(_BY_INDEX, [world.tenant_id, account_id, since, until]).fetchone()
    return row


Given = tuple[Database, World, list[Row], dict[str, int]]


@contextmanager
def _rows(beginning: Beginning[list[tuple[World, UUID]]], count: int) -> Iterator[Given]:
    """Yield a database and the rows of new decisions."""
    world, account_id = beginning.made[0]
    with in_use(beginning.database):
        with get_db_session(tenant=world.tenant_id) as session:
            instances = list(session.scalars(_instances(account_id)))
        now = utc_now()
        rows = [_decision(world, account_id, instances[number % len(instances)], now) for number in range(count)]
        before = {table: _count(beginning.database, table) for table in ("experiment_logs", _PLAIN)}
        yield beginning.database, world, rows, before


def _instances(account_id: UUID) -> Any:
    from sqlalchemy import select

    from spothive.models import Instance

    return select(Instance.id).where(Instance.account_id == account_id)


def _decision(world: World, account_id: UUID, instance_id: UUID, now: Any) -> Row:
    return {
        "tenant_id": world.tenant_id,
        "id": new_id(),
        "created_at": now,
        "updated_at": now,
        "account_id": account_id,
        "instance_id": instance_id,
        "pipeline_mode": PipelineMode.LINEAR,
        "is_shadow_run": False,
        "decision": Decision.HOLD,
        "decision_reason": "made up to be measured",
        "execution_time": now,
        "execution_duration_ms": 12,
        "features_used": {"band": 1, "interruptions_30d": 2, "price_trend": 0.1, "vcpus": 4},
    }


def _insert(model: Any, given: Given) -> None:
    _, world, rows, _ = given
    with get_db_session(tenant=world.tenant_id) as session:
        insert_rows(session, model, rows)


def _check(table: str, count: int, given: Given) -> None:
    database, _, _, before = given
    must_be_equal(f"new rows of {table}", _count(database, table) - before[table], count)


def _count(database: Database, table: str) -> int:
    return int(database.value(f"SELECT count(*) FROM {table}"))


QUESTION = Question("F1", "What do a year's savings of an account cost to read, and to keep ready?", measure)
