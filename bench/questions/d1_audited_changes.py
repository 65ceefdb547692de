"""D1: what the audit trail costs those who write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

from bench.measuring import Contender, Wrong, in_turns, must_be_equal, ratio, side_by_side
from bench.place import Beginning, Database
from bench.plain import make_plain_table, plain_class
from bench.question import Answer, Goal, Question, Run, held, told
from bench.world import World, ids_of_instances, make_fleet, make_world
from spothive.database import get_db_session
from spothive.models import AuditLog, Instance, Outcome, ResourceType
from spothive.operations.audit import record

INSERT: Final = Goal("rows/s of 8 writers, audit trail / plain table", ">=", 0.9)

WRITERS: Final = 8
EACH: Final = 500
_PLAIN: Final = "plain_logs"
_PlainLog: Final = plain_class(AuditLog, _PLAIN)
_NOTED: Final = {"environment_type": "LAB", "note": "x" * 100}
Begun = Beginning[tuple[World, list[UUID]]]


def measure(run: Run) -> Answer:
    """Let 8 threads write to one tenant's trail, a transaction a row; and change rows with and without an audit row.

    The plain table has the same columns, CHECKs and indexes, and refuses updates and deletions by a trigger, too.
    """
    each = run.rows(EACH, 10)

    def make(database: Database) -> tuple[World, list[UUID]]:
        world = make_world()
        make_fleet(world, 500)
        _make_append_only(database)
        return world, ids_of_instances(world, 100)

    with run.place.beginning("postgresql", make) as beginning:
        world, keys = beginning.made
        given = partial(_opened, run, beginning)
        count = WRITERS * each
        ways = {"audit trail": ("audit_logs", _note), "plain table": (_PLAIN, _note_plainly)}
        contenders = [
            Contender(
                name,
                given,
                partial(_write_side_by_side, note, world, each),
                partial(_check, table, count),
            )
            for name, (table, note) in ways.items()
        ]
        found = in_turns(contenders, run.repeat)
        changes = [
            Contender(name, given, partial(_change, world, keys[:each], audited))
            for name, audited in {"audited change": True, "unaudited change": False}.items()
        ]
        changed = in_turns(changes, run.repeat)
    timings = {name: timing.facts(count) for name, timing in found.items()}
    timings |= {name: timing.facts(min(each, len(keys))) for name, timing in changed.items()}
    return Answer(
        (
            held(INSERT, ratio(found["plain table"], found["audit trail"])),
            told("audited change / unaudited change", ratio(changed["audited change"], changed["unaudited change"])),
        ),
        {"writers": WRITERS, "timings": timings},
    )


def _make_append_only(database: Database) -> None:
    make_plain_table(database, AuditLog, _PLAIN)
    with database.raw() as connection:
        connection.execute(
            "CREATE FUNCTION refuse_plainly() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'append-only'; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {_PLAIN} FOR EACH ROW "
            "EXECUTE FUNCTION refuse_plainly()"
        )


@contextmanager
def _opened(run: Run, beginning: Begun) -> Iterator[tuple[Database, dict[str, int]]]:
    """Open a copy with a connection for each writer; yield what its tables hold."""
    world, _ = beginning.made
    with run.place.used_copy(beginning.database) as database:
        side_by_side(partial(_write, _note, world, 2), WRITERS)
        side_by_side(partial(_write, _note_plainly, world, 2), WRITERS)
        yield database, {table: _count(database, table) for table in ("audit_logs", _PLAIN)}


def _count(database: Database, table: str) -> int:
    return int(database.value(f"SELECT count(*) FROM {table}"))


def _check(table: str, count: int, given: tuple[Database, dict[str, int]]) -> None:
    database, before = given
    must_be_equal(f"new rows of {table}", _count(database, table) - before[table], count)


def _write_side_by_side(note: Any, world: World, times: int, _: object) -> None:
    side_by_side(partial(_write, note, world, times), WRITERS)


def _write(note: Any, world: World, times: int, number: int) -> None:
    for turn in range(times):
        with get_db_session(tenant=world.tenant_id) as session:
            note(session, world, f"thing {number}-{turn}")


def _note(session: Any, world: World, resource: str) -> None:
    record(session, world.client, "account.marked", resource, ResourceType.ACCOUNT, after=_NOTED)


def _note_plainly(session: Any, world: World, resource: str) -> None:
    session.add(
        _PlainLog(
            tenant_id=world.tenant_id,
            actor_id=world.client.actor_id,
            actor_name=world.client.label,
            event="account.marked",
            resource=resource,
            resource_type=ResourceType.ACCOUNT,
            outcome=Outcome.SUCCESS,
            diff_after=str(_NOTED),
        )
    )


def _change(world: World, keys: list[UUID], audited: bool, _: object) -> None:  # noqa: FBT001 - a partial's
    for key in keys:
        with get_db_session(tenant=world.tenant_id) as session:
            instance = session.get(Instance, key)
            if instance is None or instance.memory is None:
                raise Wrong("the row is gone")
            instance.memory += 1
            if audited:
                _note(session, world, instance.instance_id)


QUESTION = Question("D1", "What does the audit trail cost those who write?", measure)
