"""The ways to bring an account to what AWS was seen to hold, which the questions A1 to A5 compare.

All write into the same table, with its keys, CHECKs, indexes and triggers, and at the end the same rows are there:
that is checked after each round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.measuring import Contender, must_be_equal
from bench.peers.django_fleet import django_on, upsert
from bench.peers.plain_sqlalchemy import plain_engine
from bench.place import Beginning, Database, EngineName, Place, in_use, settle
from bench.world import SLUG, World, answer_of, make_fleet, make_world, sync
from spothive.database import read_session
from spothive.gateways.ec2_answer import ObservedInstance
from spothive.models import Instance

CHANGED: Final = 0.05
GONE: Final = 0.01
"""Parts of an account that are other at its second sync."""

_COLUMNS: Final = [column.name for column in Instance.__table__.columns]
_PASSING: Final = frozenset({"id", "created_at", "updated_at", "terminated_at"})
"""What differs each time the same is done."""


_OURS: Final = f"""
WHERE account_id = (
    SELECT accounts.id FROM accounts JOIN tenants ON tenants.id = accounts.tenant_id WHERE slug = '{SLUG}'
)
"""


def known_clusters(_: Database) -> World:
    """Make a world whose account has its clusters already, and no instance."""
    world = make_world()
    make_fleet(world, 450)
    return world


def without_instances(beginning: Beginning[World]) -> None:
    """Take the instances away again."""
    with beginning.database.raw() as connection:
        connection.execute("DELETE FROM instances")
    settle(beginning.database)


@contextmanager
def empty_account(place: Place, engine: EngineName) -> Iterator[Beginning[World]]:
    """Open a database in which the account has no instance."""
    with place.beginning(engine, known_clusters) as beginning:
        without_instances(beginning)
        yield beginning


@contextmanager
def full_account(place: Place, empty: Beginning[World], seen: list[ObservedInstance]) -> Iterator[Beginning[World]]:
    """Open a copy of ``empty`` in which the account was synced once."""
    with place.copy(empty.database) as database:
        with in_use(database):
            sync(empty.made, answer_of(seen))
        settle(database)
        yield Beginning(database, empty.made)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it should be in the end.

    Attributes:
        rows: each instance with a fingerprint of what does not differ each time.
        values: all rows as the bare driver reads them, in the order of the columns.
        stream: on PostgreSQL the rows as COPY takes them, in binary form.
    """

    rows: Mapping[str, str]
    values: list[tuple[Any, ...]]
    stream: bytes


def outcome_of(place: Place, beginning: Beginning[World], seen: list[ObservedInstance]) -> Outcome:
    """Let spothive sync once, beside all measuring, and read what is there then."""
    with place.used_copy(beginning.database) as database:
        sync(beginning.made, answer_of(seen))
        with database.raw() as connection:
            values = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM instances ORDER BY instance_id").fetchall()
            stream = b""
            if database.engine == "postgresql":
                with connection.cursor() as cursor, cursor.copy(f"COPY {_table()} TO STDOUT (FORMAT BINARY)") as copy:
                    stream = b"".join(bytes(block) for block in copy)
        return Outcome(stored(database), [tuple(row) for row in values], stream)


def listed_in(outcome: Outcome, seen: list[ObservedInstance]) -> list[tuple[Any, ...]]:
    """Return the rows of ``outcome`` that AWS listed, under ids as whoever does not know them would give them.

    The others have ended.
    """
    at, names, first = _COLUMNS.index("instance_id"), {one.instance_id for one in seen}, _COLUMNS.index("id")
    fresh = (lambda: uuid4().hex) if isinstance(outcome.values[0][first], str) else uuid4
    return [(*row[:first], fresh(), *row[first + 1 :]) for row in outcome.values if row[at] in names]


def _table() -> str:
    return f"instances ({', '.join(_COLUMNS)})"


def stored(database: Database) -> dict[str, str]:
    """Return each instance with a fingerprint of what does not differ each time."""
    names = [name for name in _COLUMNS if name not in _PASSING]
    columns = ", ".join([*names, "terminated_at IS NOT NULL"])
    with database.raw() as connection:
        if database.engine == "postgresql":
            asked = connection.execute(f"SELECT instance_id, md5(ROW({columns})::text) FROM instances {_OURS}")
            return dict(asked.fetchall())
        asked = connection.execute(f"SELECT instance_id, {columns} FROM instances {_OURS}")
        return {row[0]: md5(repr(row).encode(), usedforsecurity=False).hexdigest() for row in asked}


# --- the ways ----------------------------------------------------------------------------------------------------


def by_spothive(
    place: Place, beginning: Beginning[World], seen: list[ObservedInstance], expected: Outcome, name: str = "spothive"
) -> Contender[Database]:
    """Import, as the command does: policies, guards, audit trail, run and history of the account."""
    answer = answer_of(seen)

    @contextmanager
    def given() -> Iterator[Database]:
        with place.used_copy(beginning.database) as database:
            with read_session(tenant=beginning.made.tenant_id) as session:
                session.execute(select(Instance.id).limit(1))  # which opens the connection
            yield database

    return Contender(name, given, lambda _: sync(beginning.made, answer), partial(_check, expected.rows))


def by_copy(place: Place, empty: Beginning[World], expected: Outcome) -> Contender[tuple[Database, Any]]:
    """Load the finished rows with COPY, as owner, in one transaction: nothing is found out and nothing compared."""

    def run(given: tuple[Database, Any]) -> None:
        load = f"COPY {_table()} FROM STDIN (FORMAT BINARY)"
        with given[1].transaction(), given[1].cursor() as cursor, cursor.copy(load) as copy:
            copy.write(expected.stream)

    return Contender("raw COPY", partial(_opened, place, empty), run, lambda given: _check(expected.rows, given[0]))


def by_executemany(place: Place, empty: Beginning[World], expected: Outcome) -> Contender[tuple[Database, Any]]:
    """Insert the finished rows by the bare SQLite driver, in one transaction."""
    insert = f"INSERT INTO {_table()} VALUES ({', '.join('?' * len(_COLUMNS))})"

    def run(given: tuple[Database, Any]) -> None:
        given[1].execute("BEGIN IMMEDIATE")
        given[1].executemany(insert, expected.values)
        given[1].execute("COMMIT")

    given = partial(_opened, place, empty)
    return Contender("raw executemany", given, run, lambda given: _check(expected.rows, given[0]))


@contextmanager
def _opened(place: Place, beginning: Beginning[World]) -> Iterator[tuple[Database, Any]]:
    with place.copy(beginning.database) as database, database.raw() as connection:
        yield database, connection


def by_django(
    place: Place, beginning: Beginning[World], rows: Sequence[tuple[Any, ...]], expected: Outcome
) -> Contender[tuple[Database, Any]]:
    """Upsert ``rows`` with Django; see :mod:`bench.peers.django_fleet`."""
    account_id = rows[0][_COLUMNS.index("account_id")]

    @contextmanager
    def given() -> Iterator[tuple[Database, Any]]:
        with place.copy(beginning.database) as database, django_on(database) as model:
            yield database, model

    def run(given: tuple[Database, Any]) -> None:
        upsert(given[1], rows, account_id)

    return Contender("Django", given, run, lambda given: _check(expected.rows, given[0]))


def by_merge(place: Place, empty: Beginning[World], expected: Outcome, count: int) -> Contender[tuple[Database, Any]]:
    """Merge the first ``count`` rows with SQLAlchemy's ORM, as owner: one SELECT each, then INSERTs of many rows."""
    rows = _as_objects_take_them(place, empty, expected, count)
    few = {row["instance_id"]: expected.rows[row["instance_id"]] for row in rows}

    @contextmanager
    def given() -> Iterator[tuple[Database, Any]]:
        with place.copy(empty.database) as database, plain_engine(database, owner=True) as engine:
            engine.connect().close()
            yield database, engine

    def run(given: tuple[Database, Any]) -> None:
        with Session(given[1]) as session, session.begin():
            for row in rows:
                session.merge(Instance(**row))

    return Contender("ORM merge", given, run, lambda given: _check(few, given[0]))


def _as_objects_take_them(place: Place, empty: Beginning[World], expected: Outcome, count: int) -> list[dict[str, Any]]:
    copy = by_copy(place, empty, expected)
    query = select(Instance.__table__).order_by(Instance.__table__.c.instance_id).limit(count)
    with copy.given() as given:
        copy.run(given)
        with plain_engine(given[0], owner=True) as engine, engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _check(expected: Mapping[str, str], database: Database) -> None:
    found = stored(database)
    must_be_equal("instances", len(found), len(expected))
    different = [name for name, row in found.items() if expected.get(name) != row]
    must_be_equal("instances that are not as they should be", different[:5], [])
